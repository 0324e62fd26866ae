//! What an import is asked for, what it will do, and why it does not.

use super::Moves;
use crate::formats::{Note, auth_profiles};
use crate::model::{self, Change, Scope};
use crate::ops::intake::{Presence, Refused};
use crate::ops::judge::Why;
use std::collections::BTreeMap;

/// What to do with an entry that the vault has with another value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnConflict {
    /// Change nothing at all.
    Fail,
    /// Keep the vault's.
    Keep,
    /// Take the file's.
    Replace,
}

/// How values are to be taken.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'w> {
    /// Only profiles of this agent.
    pub only: Option<&'w Scope>,
    /// Entries that the vault has with another value.
    pub on: OnConflict,
    /// Whether a person reads what is said.
    pub presence: Presence,
    /// Variables with power over every process that gets them too.
    pub powerful: bool,
}

/// Why nothing was imported.
#[derive(Debug)]
pub enum Error {
    /// Something that the vault cannot hold.
    Model(model::Error),
    /// Entries that the vault has with another value.
    Conflict(Vec<String>),
    /// Entries with a new value and with references from other places that cannot get their own entry.
    Referred(Vec<String>),
    /// Entries to which the files themselves give different values.
    Disputed(Vec<String>),
    /// Env entries that no `.env` view could carry.
    Unrepresentable(Vec<String>),
}

impl From<model::Error> for Error {
    fn from(error: model::Error) -> Self {
        Self::Model(error)
    }
}

/// What an import will do, in names.
#[derive(Default)]
pub struct Plan {
    /// Entries that get another name, since the gateway's own repair gave them one: from, to.
    pub renamed: Vec<(String, String)>,
    /// New entries.
    pub added: Vec<String>,
    /// Entries that get another value.
    pub replaced: Vec<String>,
    /// Entries whose other value stays.
    pub kept: Vec<String>,
    /// How many entries are there already with the same value.
    pub same: usize,
    /// Those of `kept` that no rule decides, and why.
    pub undecided: Vec<(String, Why)>,
    /// What is no value, and why; the vault keeps what it has.
    pub refused: Vec<(String, Refused)>,
    /// Variables among the new values that decide what a process does.
    pub powerful: Vec<String>,
    /// What was left out or is remarkable; profiles by their secret id.
    pub notes: Vec<Note>,
    /// Gateway state that is no secret, by scope.
    pub carried: BTreeMap<String, auth_profiles::Carried>,
    /// The change to be saved.
    pub change: Change,
    /// Places that refer to the entry of another place, and the values that wait for them.
    pub moves: Moves,
}
