//! A gateway wired to the vault: references where its secrets were, and a program that answers for them.
//!
//! [`plan`](plan()) compares what the gateway has with what the vault has and touches nothing. [`prove`]
//! asks the resolver as the gateway will, [`apply`](apply()) then does what was planned, and
//! [`clean`] removes what is left of secrets in the gateway's files.

mod apply;
mod check;
mod drift;
mod edits;
mod known;
mod needles;
mod plan;
mod plan_config;
mod plan_stores;
mod provider;
mod record;
mod residue;
mod undo;
mod verdict;
mod views;

pub use apply::{Reload, apply, reload, seal_originals};
pub use check::{Finding, NamedKey, Report, check};
pub use drift::{Drift, drift, place_of, unresolved};
pub use edits::{Edit, of as edits};
pub use plan::{Keep, Plan, Request, Road, plan};
pub use plan_config::check_vault;
pub use provider::{Answered, Entry, PASS_ENV, install, prove};
pub use record::{Connection, Spot};
pub use residue::{Cleaned, Search, clean};
pub use undo::{Undo, Undone, only_in_vault};
pub use verdict::{Left, Reason, holds_secret, plaintext};
pub use views::{Back, LeftViews, Place, has_links, leave_views, missing_views, put_views, take_views_back, unlinked};

use crate::{formats, fsio, gateway, model, store};
use std::path::PathBuf;

/// Why a gateway could not be connected.
#[derive(Debug)]
pub enum Error {
    /// Files of the gateway or of ours.
    File(fsio::Error),
    /// The gateway's program or state directory.
    Gateway(gateway::Error),
    /// Views in memory.
    Views(crate::views::Error),
    /// Something of the vault.
    Model(model::Error),
    /// A copy that could not be kept beside the vault.
    Store(Box<store::Error>),
    /// A file of the gateway that cannot be read or edited, and where it is.
    Format(formats::Error, PathBuf),
    /// The resolver, asked as the gateway will ask it, ended with this code instead of an answer.
    Resolver(Option<i32>),
    /// The resolver has no value for these ids.
    Unresolved(Vec<String>),
    /// Files of profiles that the gateway wants migrated first.
    Unmigrated(Vec<PathBuf>),
    /// The same, but they are links to views that are gone.
    ViewsGone(Vec<PathBuf>),
    /// The gateway is older than references.
    NoReferences,
    /// The vault is connected to the gateway of this other state directory.
    Another(PathBuf),
    /// The gateway asks the vault at this other path for secrets that this one does not have.
    AnotherVault(PathBuf),
    /// Ids in the gateway's references that now belong to another entry, each with the current id of the entry meant.
    Torn(Vec<String>),
    /// The records of saves no longer tell whether entries that the gateway refers to were renamed.
    Untraced,
    /// References would be put where nothing answers for them: this gateway is not connected.
    NotConnected(PathBuf),
    /// More references than this gateway asks for at once.
    TooMany(usize),
    /// The record of the connection cannot be read.
    Record(PathBuf),
    /// The gateway says that its stores were changed, and they were not.
    NotPutBack(Vec<String>),
    /// The gateway has put plaintext back meanwhile.
    PutBack(Vec<String>),
    /// The configuration is not to be changed: it is declared so, or this file of it belongs to another user.
    ReadOnly(Option<PathBuf>),
}

impl From<fsio::Error> for Error {
    fn from(error: fsio::Error) -> Self {
        Self::File(error)
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(Box::new(error))
    }
}

impl From<gateway::Error> for Error {
    fn from(error: gateway::Error) -> Self {
        Self::Gateway(error)
    }
}

impl From<crate::views::Error> for Error {
    fn from(error: crate::views::Error) -> Self {
        Self::Views(error)
    }
}

impl From<model::Error> for Error {
    fn from(error: model::Error) -> Self {
        Self::Model(error)
    }
}
