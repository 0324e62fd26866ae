//! Plaintext renderings for the gateway, as files.
//!
//! A view is written only onto what is known: [`Seen::look`] compares what stands there with
//! the [`Ledger`], [`replace`] is the one way of values into files, [`remove`] takes them away
//! again. What the gateway keeps in its files besides credentials goes through [`Carry`].
//!
//! Both records have a lock of their own; who needs both takes the ledger first.

mod carry;
mod compare;
mod digest;
mod held;
mod lease;
mod ledger;
mod left_out;
mod link;
mod place;
mod record;
mod seen;
mod write;

pub use carry::Carry;
pub use compare::{Difference, How, Verdict, What, compare};
pub use digest::{Digests, Key, digests, fields};
pub use held::Held;
pub use lease::{Lease, Leases};
pub use ledger::{Kind, Ledger, Place};
pub use left_out::LeftOut;
pub use link::{Link, put_links};
pub use place::Target;
pub use seen::{Seen, check_unchanged};
pub use write::{New, remove, replace};

use crate::{formats, fsio, model};
use std::path::PathBuf;

/// Why views could not be written or removed.
#[derive(Debug)]
pub enum Error {
    /// A file or a place: also a link, another owner or open modes where a view would lie.
    File(fsio::Error),
    /// Something of the vault.
    Model(model::Error),
    /// A file of the gateway that cannot be read or written.
    Format(formats::Error),
    /// The gateway changed these entries since they were written (F12).
    Changed(Vec<String>),
    /// The vault was saved again after it was read.
    Stale,
    /// Views that cannot be read as what they were, perhaps since they are half written.
    Unreadable(Vec<PathBuf>),
    /// Profiles whose refresh token in the vault is one that another one followed (F11).
    Superseded(Vec<String>),
    /// Files that nobody here wrote and that hold what would be lost.
    NotOurs(Vec<PathBuf>),
    /// Files of the gateway's own that links would replace, and that no sealed copy is kept of.
    Originals(Vec<PathBuf>),
    /// This place is not in memory.
    OnDisk(PathBuf),
    /// The gateway found keeps its credentials in databases and ignores such files.
    Ignored,
    /// The place is that of a gateway that keeps its credentials in this database.
    HoldsStore(PathBuf),
    /// This env entry has a value that no `.env` can hold.
    Unrepresentable(String),
    /// The vault knows no such agent.
    NoAgent(String),
    /// A record of local state cannot be read.
    Record(PathBuf),
    /// A command that still runs needs the views in this directory.
    InUse(PathBuf),
}

impl From<fsio::Error> for Error {
    fn from(error: fsio::Error) -> Self {
        Self::File(error)
    }
}

impl From<formats::Error> for Error {
    fn from(error: formats::Error) -> Self {
        match error {
            formats::Error::Unrepresentable { name, .. } => Self::Unrepresentable(name),
            other => Self::Format(other),
        }
    }
}

impl From<model::Error> for Error {
    fn from(error: model::Error) -> Self {
        Self::Model(error)
    }
}

/// What happens to files that the gateway changed, or that were there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changes {
    /// They stay, and nothing is done.
    Keep,
    /// The same for what the gateway added or changed; what it removed may come back, for the
    /// vault has it.
    KeepValues,
    /// They are lost: `--discard`.
    Discard,
}

/// How long views stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// Until somebody removes them.
    ForGood,
    /// As long as there is a [`Lease`], but for those that were there for good already.
    Leased,
}
