//! `openclaw.json`: the secrets in the gateway's configuration.

mod edit;
mod places;
mod suspicion;

pub use edit::{Step, asked, at, edit, references, tree};
pub use places::{Content, Member, Role, element_names, locate, members};

use super::strict::{Sink, Walk};
use super::{Error, Note, NoteKind, js, provider, secretref, targets};
use crate::model::EnvName;
use crate::secret::Secret;
use std::collections::HashSet;

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

/// The secrets of a configuration.
#[derive(Debug, Default)]
pub struct Config {
    /// Texts at registered secret targets, by the segments of their path.
    pub targets: Vec<(Vec<String>, Secret)>,
    /// Texts under `env` and `env.vars`; the former win, as in the gateway.
    pub env: Vec<(EnvName, Secret)>,
    /// References, includes and what else is no text to take, by dotted path.
    pub notes: Vec<Note>,
}

/// Reads a configuration in JSON5.
///
/// # Errors
/// Any of [`Error`] but `Unrepresentable`; [`Error::Shape`] for anything but an object.
pub fn parse(bytes: &[u8]) -> Result<Config, Error> {
    let text = super::text(bytes)?;
    let mut walk = Walk::new(Found::default());
    let mut parser = json5::Deserializer::from_str(text);
    let outcome = walk.drive(&mut parser).and_then(|()| end(&mut parser));
    let found = walk
        .finish(outcome.map_err(|error| {
            error.position().map_or_else(|| last(text), |place| (place.line + 1, place.column + 1))
        }))?;
    if found.is_object { Ok(found.settled()) } else { Err(Error::Shape("openclaw.json")) }
}

/// Only white space and comments may follow. The parser shows its end only by failing to find
/// another value; it is walked, not skipped, since skipping has no bound on depth.
fn end(parser: &mut json5::Deserializer<'_>) -> Result<(), json5::Error> {
    match Walk::new(()).drive(parser) {
        Err(error) if error.code() == Some(json5::ErrorCode::EofParsingValue) && error.position().is_none() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => Err(serde::de::Error::custom("trailing text")),
    }
}

/// Where a text ends, as line and column.
fn last(text: &str) -> (usize, usize) {
    let line = text.rsplit(js::is_line_end).next().unwrap_or_default();
    (text.matches('\n').count() + 1, line.chars().count() + 1)
}

#[derive(Default)]
struct Found {
    config: Config,
    /// Names under `env.vars`, and those of them that also stand under `env`.
    vars: Vec<(EnvName, Secret)>,
    is_object: bool,
}

impl Found {
    /// Joins both places of env entries.
    fn settled(self) -> Config {
        let Self { mut config, vars, .. } = self;
        let names: HashSet<EnvName> = config.env.iter().map(|(name, _)| name.clone()).collect();
        for (name, value) in vars {
            if names.contains(&name) {
                config.notes.push(Note::new(&format!("env.vars.{}", name.as_str()), NoteKind::Shadowed));
            } else {
                config.env.push((name, value));
            }
        }
        config
    }

    fn note(&mut self, path: &[String], what: NoteKind) {
        self.config.notes.push(Note::new(&path.join("."), what));
    }

    /// An entry of `env` or `env.vars`.
    fn variable(&mut self, path: &[String], name: &str, value: &str) {
        let Ok(name) = EnvName::parse(js::trim(name)) else { return self.note(path, NoteKind::NotAName) };
        if js::is_blank(value) {
            return self.note(path, NoteKind::Blank);
        }
        let Some(value) = literal(value) else { return self.note(path, NoteKind::EnvReference) };
        if let Some(mangle) = js::mangled(&value).filter(|_| provider::is_variable(name.as_str())) {
            self.note(path, NoteKind::Mangled(mangle));
        }
        let entries = if path.len() == 2 { &mut self.config.env } else { &mut self.vars };
        entries.push((name, Secret::new(value)));
    }

    fn target(&mut self, path: &[String], value: &str) {
        let stands_for = |text: &str| MARKERS.contains(&text) || text.starts_with("oauth:");
        if js::is_blank(value) {
            return self.note(path, NoteKind::Blank);
        }
        if secretref::env_reference(value).is_some() {
            return self.note(path, NoteKind::EnvReference);
        }
        if matches!(path, [models, providers, _, key] if models == "models" && providers == "providers" && key == "apiKey")
        {
            let word = js::trim(value);
            if stands_for(word) {
                return self.note(path, NoteKind::Marker);
            }
            // There the bare name of a known variable means its value.
            if provider::is_variable(word) {
                return self.note(path, NoteKind::EnvReference);
            }
        }
        match literal(value) {
            Some(value) => self.config.targets.push((path.to_vec(), Secret::new(value))),
            None => self.note(path, NoteKind::EnvReference),
        }
    }
}

fn is_target(path: &[String]) -> bool {
    targets::is_target(&path.iter().map(String::as_str).collect::<Vec<_>>())
}

impl Sink for Found {
    fn text(&mut self, path: &[String], value: &str) {
        match path {
            [env, vars, name] if env == "env" && vars == "vars" => self.variable(path, name, value),
            [env, name] if env == "env" && name != "vars" && name != "shellEnv" => self.variable(path, name, value),
            _ if is_target(path) => self.target(path, value),
            _ => {}
        }
    }

    fn object(&mut self, path: &[String], names: &HashSet<String>) {
        self.is_object |= path.is_empty();
        if names.contains("$include") {
            let here: Vec<String> = path.iter().cloned().chain(["$include".to_owned()]).collect();
            self.note(&here, NoteKind::Include);
        }
        if is_target(path) {
            let reference = names.contains("source") && names.contains("id");
            self.note(path, if reference { NoteKind::Reference } else { NoteKind::NotAText });
        }
    }
}

/// The text that the gateway makes of one in its configuration: `$${NAME}` is `${NAME}`. `None`
/// if it puts a variable in.
fn literal(value: &str) -> Option<String> {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        out.push('$');
        rest = after;
        if braced(after).is_some() {
            return None;
        }
        if let Some((name, after)) = after.strip_prefix('$').and_then(braced) {
            out.extend(["{", name, "}"]);
            rest = after;
        }
    }
    out.push_str(rest);
    Some(out)
}

/// `{NAME}` and what follows.
fn braced(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('{')?;
    let is_name = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    let (name, rest) = text.split_at_checked(text.bytes().take_while(is_name).count())?;
    let starts = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    Some((name, rest.strip_prefix('}').filter(|_| starts)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
