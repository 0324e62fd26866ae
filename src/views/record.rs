//! One record of a vault in local state, under its lock.

use super::Error;
use crate::fsio::{self, Dir, Lock, Replacement};
use crate::model;
use serde::{Serialize, de::DeserializeOwned};
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

/// Two digest sets of a vault of the largest size.
const MAX_RECORD: usize = 256 * 1024 * 1024;

/// The file `<root>/<folder>/<vault id>.json`; as long as it lives, no other process has it.
#[derive(Debug)]
pub(super) struct Record {
    dir: Dir,
    name: OsString,
    _lock: Lock,
}

impl Record {
    /// Waits at most `patience` for others. Directories are made where they are missing.
    pub(super) fn open(root: &Path, folder: &str, vault_id: &str, patience: Duration) -> Result<Self, Error> {
        let id = model::file_stem(vault_id)?;
        let dir = Dir::open_or_create_private(root)?.child(folder.as_ref(), true)?;
        dir.check_private()?;
        let lock = Lock::acquire(&dir, format!("{id}.lock").as_ref(), patience)?;
        Ok(Self { dir, name: format!("{id}.json").into(), _lock: lock })
    }

    /// What it says, `None` if there is nothing yet.
    pub(super) fn load<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        read(&self.dir.path().join(&self.name))
    }

    /// The same without the lock, for who only looks: a record is replaced as a whole. Nothing is made.
    pub(super) fn peek<T: DeserializeOwned>(root: &Path, folder: &str, vault_id: &str) -> Result<Option<T>, Error> {
        read(&root.join(folder).join(format!("{}.json", model::file_stem(vault_id)?)))
    }

    /// Replaces it, 0600.
    pub(super) fn keep<T: Serialize>(&self, content: &T) -> Result<(), Error> {
        fsio::sweep_temps(&self.dir, Some(&self.name.to_string_lossy()))?;
        let bytes = serde_json::to_vec(content).map_err(|_| self.unreadable())?;
        Ok(Replacement::write(&self.dir, &self.name, &bytes, 0o600)?.commit()?)
    }

    pub(super) fn unreadable(&self) -> Error {
        Error::Record(self.dir.path().join(&self.name))
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    match fsio::read_private(path, MAX_RECORD) {
        Ok(bytes) => serde_json::from_slice(bytes.expose()).map(Some).map_err(|_| Error::Record(path.to_owned())),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}
