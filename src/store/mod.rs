//! The vault file and what this host remembers of it.
//!
//! [`Place::read`] gives sealed bytes, [`Seen`] holds them opened, [`check`] is the only way
//! from there to a [`Vault`](crate::model::Vault), and [`Edit`] the only way to write one.

mod backup;
mod belief;
mod create;
mod edit;
mod exposure;
mod heirs;
mod join;
mod lineage;
mod local;
mod pin;
mod place;
mod read;
mod reseal;
mod restore;
mod retention;
mod snapshot;
mod stray;
mod tag;

pub use backup::{
    Backup, Opens, backup_create, backup_list, backup_of, backups_of, keep_sealed, kept_sealed, shared_mode,
};
pub use belief::{confirm, hold_to};
pub use create::{New, create};
pub use edit::{Edit, Saved, recipients};
pub use exposure::{Checklist, Removed, readable};
pub use heirs::Heir;
pub use join::{
    Joining, Relation, are_all_common, common, descends, drop_state, forks, is_base, joining, keep_state, relation,
};
pub use lineage::Lineage;
pub use local::{Known, Local, Served, Slot as KnownSlot};
pub use pin::{Pin, former_secrets, rotation};
pub use place::Place;
pub use read::{Checked, Policy, Seen, Trust, accept, check, is_retired, note_served};
pub use reseal::{Keys, Unreadable, is_unfinished, known_heirs, last_removed};
pub use restore::{Kin, Restoring, place_whole, restore_change, verify_deep};
pub use retention::BUDGET as HISTORY_BUDGET;
pub use snapshot::{Snapshot, history, strangers};
pub use stray::{Stray, conflict_copies, remove_copy};
pub use tag::tag_message;

use crate::{fsio, model, seal};

/// Why the vault could not be read or written.
#[derive(Debug)]
pub enum Error {
    /// A file or a place.
    File(fsio::Error),
    /// Sealed bytes or a key.
    Seal(seal::Error),
    /// The document, or a change to it.
    Model(model::Error),
    /// Not written with the vault's secret: the fingerprint that it has.
    NotAuthentic(Pin),
    /// Written under an earlier vault secret than the one that this host knows: its fingerprint.
    Retired(Pin),
    /// Never seen on this host, and not confirmed: its fingerprint.
    Unknown(Pin),
    /// Older than what this host has seen.
    RolledBack,
    /// Written from a state that does not include the last one of this host.
    Forked,
    /// A program without our lock kept putting another vault in place.
    Raced,
    /// Generations that the key at hand cannot open, so that they cannot be sealed anew.
    Unreadable(Vec<String>),
    /// The key at hand opened the vault, but is not one of the recipients that the vault names.
    NotRecipient,
    /// No kept generation with this number.
    NoGeneration(u64),
    /// A record of local state that cannot be read.
    Record(std::path::PathBuf),
    /// The vault is saved, but something after that failed.
    AfterSave(Box<Error>),
    /// The system gave no random bytes.
    Random,
}

impl From<fsio::Error> for Error {
    fn from(error: fsio::Error) -> Self {
        Self::File(error)
    }
}

impl From<seal::Error> for Error {
    fn from(error: seal::Error) -> Self {
        Self::Seal(error)
    }
}

impl From<model::Error> for Error {
    fn from(error: model::Error) -> Self {
        Self::Model(error)
    }
}

/// `N` bytes from the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::getrandom(&mut bytes).map_err(|_| Error::Random)?;
    Ok(bytes)
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Unix seconds.
pub fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
