//! What an inventory is made of: secrets and names of secrets, each with its place.

use super::super::Version;
use crate::formats::targets;
use crate::model::{self, Scope, SecretId};
use serde_json::value::RawValue;
use std::fmt;
use std::path::PathBuf;

/// A secret, or the name of one.
pub struct Item {
    /// Where it is.
    pub place: Place,
    /// The agent that owns it; `_shared` for the store that agents share, `None` for the gateway itself.
    pub owner: Option<Scope>,
    /// The id that it has, or would have, in the vault; `None` where its place has no name that lasts.
    pub id: Option<SecretId>,
    /// What is there.
    pub content: Content,
    /// What the gateway does with it.
    pub part: Part,
    /// Whether the gateway uses it: otherwise something else goes before it.
    pub used: bool,
}

/// Where an item is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Where in it.
    pub at: At,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum At {
    /// A profile of a store.
    Profile(String),
    /// A member of the configuration, by names and indexes in its document.
    Member(Vec<String>),
    /// A variable.
    Variable(String),
    /// Lines that the gateway passes over, from 1.
    Lines(usize, usize),
    /// A row of a database.
    Row(String),
}

impl fmt::Display for At {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Profile(name) | Self::Variable(name) | Self::Row(name) => out.write_str(name),
            Self::Member(path) => out.write_str(&path.join(".")),
            Self::Lines(first, last) if first == last => write!(out, "line {first}"),
            Self::Lines(first, last) => write!(out, "lines {first} to {last}"),
        }
    }
}

/// What is at the place of an item.
pub enum Content {
    /// The secret itself: the JSON text of a credential, or of a string.
    Value(Box<RawValue>),
    /// A reference to the vault, by what the vault will be asked for.
    Ours(String),
    /// The value of a variable.
    Variable(String),
    /// A reference to somewhere else, or a word that stands for a credential.
    Elsewhere,
    /// Text that may be a secret and that the gateway does not read.
    Unparsed,
    /// A text with a variable and something that looks like a key.
    Mixed,
}

impl Content {
    /// The secret itself, if it is here.
    pub fn value(&self) -> Option<&RawValue> {
        if let Self::Value(raw) = self { Some(raw) } else { None }
    }
}

/// What the gateway does with an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A credential of a store.
    Credential,
    /// A variable of its environment.
    Variable,
    /// A member of the configuration that some release takes as a SecretRef, by its path there with indexes.
    Target(Vec<String>),
    /// A variable of a command that it starts: the path of the command in its document, the variable.
    Command(Vec<String>, String),
    /// An argument of such a command.
    Argument,
    /// A row of its own store of secrets.
    StoreRow,
    /// A variable that its service is given, which goes before all others.
    Service,
    /// Anything else.
    Other,
}

impl Item {
    /// Whether a reference can take its place for a gateway of this version.
    pub fn takes_reference(&self, version: Version) -> bool {
        let takes = || match &self.part {
            Part::Credential => !self.content.value().is_some_and(model::is_oauth),
            Part::Target(path) => {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                targets::takes_reference(&path, (version.0, version.1, version.2))
            }
            Part::Variable | Part::Command(..) | Part::Argument | Part::StoreRow | Part::Service | Part::Other => false,
        };
        self.used && self.id.is_some() && takes()
    }
}

/// Whether a text of the gateway names a variable other than as the name of a member or in a reference of ours.
pub fn names_variable(text: &str, name: &str) -> bool {
    let part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + name.len()..).and_then(|after| after.chars().next());
        // As the name of an entry of `env` it is no use of the variable.
        let quoted = before.is_some_and(|before| "\"'".contains(before));
        let follows = text.get(at + name.len()..).unwrap_or_default().trim_start_matches(['"', '\'']).trim_start();
        // As a command that runs under `agevault run` gets it from the vault.
        let rest = text.get(at + name.len()..).unwrap_or_default();
        let ours = ["=env/", "=config/", "=auth/"].iter().any(|id| rest.starts_with(id));
        !before.is_some_and(part)
            && !ours
            && !text.get(..at).is_some_and(|before| before.ends_with("env/"))
            && !after.is_some_and(part)
            && !((quoted || before != Some('{')) && follows.starts_with(':'))
    })
}
