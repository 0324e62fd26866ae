//! The vault as a document: names, ids, the codec, changes to it.
//!
//! Knows no cryptography, no file and no words. Values stay slices of the decrypted text
//! ([`RawMap`]); what a change does not touch is written back as it stood.

mod ancestry;
mod apply;
mod change;
mod check;
mod codec;
mod contents;
mod credential;
mod entries;
mod health;
mod history;
mod id;
mod raw;
mod recipient;
mod steps;
mod trail;
mod vault;

pub use ancestry::{knows, touched};
pub use change::{Adopted, CHECKLIST, Change, FOLDED, Join, JoinMember, MAX_LINKS, Op, Rotation, SUCCESSION};
pub use check::{MAX_DEPTH, MAX_ENTRIES, MAX_NAME, MAX_PAYLOAD, MAX_VALUE, fits};
pub use contents::{Contents, Difference, Subject};
pub use credential::{Credential, Kind, MAX_MEMBERS, Member, has_refresh, is_oauth, same_json, text};
pub use entries::Entries;
pub use health::{Standing, standing};
pub use history::{Save, Step, join as join_saves, note as note_save, number_of, saves, state_name};
pub use id::{EnvName, IdError, Scope, SecretId};
pub use raw::{LazyMap, RawMap, members};
pub use recipient::{Kdf, Label, Recipient, RecipientKind};
pub use trail::{Renames, states};
pub use vault::file_stem;
pub use vault::{Keys, Meta, RESEALING, ScopeEntries, Vault, pad};

/// What can be wrong with a document or a change to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Not the JSON of a vault; where it went wrong.
    Malformed {
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1.
        column: usize,
    },
    /// A bound of F7 is broken: which one, and its value.
    Bound(&'static str, usize),
    /// Written by a newer agevault, which uses something that this one does not know.
    Newer,
    /// The same name twice inside one object of this entry.
    Duplicate(String),
    /// There is no such entry.
    NoEntry(String),
    /// There is one already.
    Taken(String),
    /// Somebody else changed this entry meanwhile.
    Conflict(String),
    /// No recipient would be left.
    LastRecipient,
    /// More passphrases than a vault may have (F4).
    Slots(usize),
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed { line: error.line(), column: error.column() }
    }
}
