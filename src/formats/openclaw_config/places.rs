//! Every member of a configuration that holds a secret, or names one.

use crate::formats::secretref::{self, ExecRef};
use crate::formats::wrapper::Wrapper;
use crate::formats::{js, provider, suspicion, targets};
use crate::model::EnvName;
use crate::secret::Secret;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Words that stand for a credential elsewhere under `models.providers.*.apiKey`.
const MARKERS: [&str; 8] = [
    "codex-app-server",
    "custom-local",
    "gcp-vertex-credentials",
    "lmstudio-local",
    "minimax-oauth",
    "ollama-local",
    "qwen-oauth",
    "secretref-managed",
];

/// Members by which an element of a list is known: the first that the element has and no other element shares.
const NAMES: [&str; 8] = ["id", "name", "accountId", "account", "label", "provider", "url", "host"];

/// A member with a secret.
#[derive(Debug)]
pub struct Member {
    /// Where it is in its document: names of members, indexes of elements.
    pub at: Vec<String>,
    /// The same with elements by their names; `None` if an element on the way has none.
    pub path: Option<Vec<String>>,
    /// What the gateway does with it.
    pub role: Role,
    /// What it holds.
    pub content: Content,
}

/// What the gateway does with a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// A variable of its own environment: `env` and `env.vars`.
    Variable(EnvName),
    /// A secret that some release takes as a SecretRef.
    Target,
    /// A variable of a command that it starts; the path of the command's object in the document.
    Command(Vec<String>, EnvName),
    /// An argument of such a command.
    Argument,
    /// Something else whose name or value says that it is a secret.
    Other,
}

/// What a member holds.
#[derive(Debug)]
pub enum Content {
    /// The secret itself.
    Value(Secret),
    /// A reference to the vault, by what the vault will be asked for.
    Ours(String),
    /// The value of a variable: `${NAME}`, or a reference to the environment.
    Variable(String),
    /// A reference to somewhere else.
    Elsewhere,
    /// A text with a variable inside it.
    Template,
    /// A text with a variable and something that looks like a key.
    Mixed,
    /// A text that is no secret where one could be: a word that says "no key needed", a path, an address.
    Marker,
    /// Empty or white space.
    Blank,
    /// Neither a text nor a reference.
    NotText,
}

/// Every such member of a document. `mount` is where the document's content is in the whole configuration; `None` if
/// that has no name which lasts.
pub fn members(document: &Value, mount: Option<&[String]>) -> Vec<Member> {
    let mut walk = Walk { found: Vec::new(), at: Vec::new(), path: mount.map(<[String]>::to_vec), command: None };
    walk.value(document);
    walk.found
}

/// What each element of a list is known by; `None` for one that has no name, or shares it.
fn element_names(elements: &[Value]) -> Vec<Option<String>> {
    let text = |element: &Value, member: &str| {
        let text = element.get(member)?.as_str().map(js::trim).filter(|text| !text.is_empty())?;
        Some(text.to_owned())
    };
    let counts = |texts: &[Option<String>]| {
        let mut counts: HashMap<String, usize> = HashMap::new();
        texts.iter().flatten().for_each(|text| *counts.entry(text.clone()).or_default() += 1);
        counts
    };
    let is_alone = |counts: &HashMap<String, usize>, text: &String| counts.get(text) == Some(&1);
    let mut names: Vec<Option<String>> = vec![None; elements.len()];
    for member in NAMES {
        let texts: Vec<Option<String>> = elements.iter().map(|element| text(element, member)).collect();
        let counts = counts(&texts);
        for (name, text) in names.iter_mut().zip(texts).filter(|(name, _)| name.is_none()) {
            *name = text.filter(|text| is_alone(&counts, text));
        }
    }
    // A name by one member may be that of another element by another member.
    let counts = counts(&names);
    names.into_iter().map(|name| name.filter(|name| is_alone(&counts, name))).collect()
}

struct Walk {
    found: Vec<Member>,
    at: Vec<String>,
    path: Option<Vec<String>>,
    /// The object of the nearest command above, if its `env` is where the walk is.
    command: Option<Vec<String>>,
}

impl Walk {
    fn value(&mut self, value: &Value) {
        match value {
            Value::Object(members) => self.object(members),
            Value::Array(elements) => {
                let names = element_names(elements);
                for ((nth, element), name) in elements.iter().enumerate().zip(names) {
                    self.enter(nth.to_string(), name, element);
                }
            }
            _ => {}
        }
    }

    fn enter(&mut self, at: String, name: Option<String>, value: &Value) {
        self.at.push(at);
        let above = self.path.clone();
        match (&mut self.path, name) {
            (Some(path), Some(name)) => path.push(name),
            (path, _) => *path = None,
        }
        if !self.member(value) {
            self.value(value);
        }
        self.path = above;
        self.at.pop();
    }

    fn object(&mut self, members: &Map<String, Value>) {
        let starts = members.get("command").is_some_and(Value::is_string);
        let wrapper = Wrapper::read(members);
        for (variable, id) in wrapper.iter().flat_map(|wrapper| &wrapper.only) {
            let Ok(name) = EnvName::parse(variable) else { continue };
            let below = ["env".to_owned(), variable.clone()];
            let (at, path) =
                ([&self.at[..], &below].concat(), self.path.as_ref().map(|path| [&path[..], &below].concat()));
            let role = Role::Command(self.at.clone(), name);
            self.found.push(Member { at, path, role, content: Content::Ours(id.clone()) });
        }
        for (name, value) in members {
            if starts && name == "args" {
                self.arguments(value.as_array().into_iter().flatten());
                continue;
            }
            // How the vault is asked is no secret.
            if is_resolver(self.path.as_deref(), name) {
                continue;
            }
            let above = self.command.clone();
            if name == "env" && value.is_object() {
                self.command = (starts && !is_provider(self.path.as_deref())).then(|| self.at.clone());
            }
            self.enter(name.clone(), Some(name.clone()), value);
            self.command = above;
        }
    }

    /// Takes the arguments of a command that are secrets, the vault's own options among them, which are none.
    fn arguments<'v>(&mut self, arguments: impl Iterator<Item = &'v Value>) {
        let mut asks = false;
        for (nth, argument) in arguments.enumerate() {
            let text = argument.as_str().unwrap_or_default();
            let (secret, asks_next) = suspicion::of_argument(text, asks);
            asks = asks_next;
            let secret = secret.filter(|text| secretref::env_reference(text).is_none());
            let content = match (secret, secret.and_then(super::literal)) {
                (Some(_), Some(text)) => Content::Value(Secret::new(text)),
                _ if super::literal(text).is_none() && suspicion::has_key(&super::untemplated(text)) => Content::Mixed,
                _ => continue,
            };
            let at = [&self.at[..], &["args".to_owned(), nth.to_string()]].concat();
            self.found.push(Member { at, path: None, role: Role::Argument, content });
        }
    }

    /// Takes a member that holds or names a secret; false for one that is walked into.
    fn member(&mut self, value: &Value) -> bool {
        let Some(role) = self.role(value) else { return false };
        let content = self.content(&role, value);
        let stays = match (&role, &content) {
            // Of what is not known to be a secret, only what may be one counts.
            (Role::Other | Role::Command(..), Content::Blank | Content::Marker | Content::NotText) => false,
            (Role::Target, Content::NotText) => !value.is_null(),
            _ => true,
        };
        if stays {
            self.found.push(Member { at: self.at.clone(), path: self.path.clone(), role, content });
        }
        // A target that holds an object may have secrets of its own below.
        stays && !(value.is_object() && matches!(self.found.last(), Some(Member { content: Content::NotText, .. })))
    }

    fn role(&self, value: &Value) -> Option<Role> {
        let name = self.at.last()?;
        let whole: Vec<&str> = self.path.as_deref().unwrap_or(&self.at).iter().map(String::as_str).collect();
        match whole.as_slice() {
            // A name that cannot be a variable's is one of another member.
            ["env", "vars", name] | ["env", name] if value.is_string() && *name != "shellEnv" => {
                if let Ok(name) = EnvName::parse(js::trim(name)) {
                    return Some(Role::Variable(name));
                }
            }
            _ => {}
        }
        if targets::is_target(&whole) {
            return Some(Role::Target);
        }
        let secret = match value {
            Value::String(text) => {
                // An element has the name of its list.
                let in_list = self.at.last().is_some_and(|last| last.parse::<usize>().is_ok()) && self.path.is_none();
                let above = self.at.iter().nth_back(1).filter(|_| in_list);
                let named = above.map_or_else(|| suspicion::names_secret(name), |list| suspicion::names_list(list));
                suspicion::is_key(text) || named
            }
            Value::Object(_) => ExecRef::asked(&value.to_string()).is_some() || is_reference(value),
            _ => false,
        };
        let variable = self.command.clone().and_then(|command| Some((command, EnvName::parse(name).ok()?)));
        match variable {
            Some((command, variable)) if self.at.len() == command.len() + 2 && value.is_string() => {
                let is_secret = secret || value.as_str().is_some_and(|text| secretref::env_reference(text).is_some());
                is_secret.then_some(Role::Command(command, variable))
            }
            _ => secret.then_some(Role::Other),
        }
    }

    fn content(&self, role: &Role, value: &Value) -> Content {
        match value {
            Value::String(text) => self.text(role, text),
            Value::Object(members) => of_reference(members, value),
            _ => Content::NotText,
        }
    }

    fn text(&self, role: &Role, text: &str) -> Content {
        if js::is_blank(text) {
            return Content::Blank;
        }
        if let Some(name) = secretref::env_reference(text) {
            return Content::Variable(name.to_owned());
        }
        let segments: Vec<&str> = self.path.iter().flatten().map(String::as_str).collect();
        if matches!(segments.as_slice(), ["models", "providers", _, "apiKey"]) {
            let word = js::trim(text);
            if MARKERS.contains(&word) || word.starts_with("oauth:") {
                return Content::Marker;
            }
            // There the bare name of a known variable means its value.
            if provider::is_variable(word) {
                return Content::Variable(word.to_owned());
            }
        }
        if *role == Role::Other && suspicion::is_pointer(text) {
            return Content::Marker;
        }
        match super::literal(text) {
            Some(text) => Content::Value(Secret::new(text)),
            None if suspicion::has_key(&super::untemplated(text)) => Content::Mixed,
            None => Content::Template,
        }
    }
}

/// Whether an object says how another provider of secrets is asked: its command is run by the gateway itself.
fn is_provider(path: Option<&[String]>) -> bool {
    matches!(path, Some([secrets, providers, _]) if secrets == "secrets" && providers == "providers")
}

fn is_resolver(object: Option<&[String]>, name: &str) -> bool {
    object.is_some_and(|path| path.iter().eq(["secrets", "providers"])) && name == secretref::ALIAS
}

fn is_reference(value: &Value) -> bool {
    serde_json::value::to_raw_value(value).is_ok_and(|raw| secretref::is_reference(&raw))
}

fn of_reference(members: &Map<String, Value>, value: &Value) -> Content {
    if let Some(id) = ExecRef::asked(&value.to_string()) {
        return Content::Ours(id);
    }
    if !is_reference(value) {
        return Content::NotText;
    }
    let id = members.get("id").and_then(Value::as_str).unwrap_or_default();
    match members.get("source").and_then(Value::as_str) {
        Some("env") => Content::Variable(js::trim(id).to_owned()),
        _ => Content::Elsewhere,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
