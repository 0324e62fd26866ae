//! What this host remembers of vaults: pins by id and by path, the last
//! accepted save, who this host is. No secret is in it.

use super::{Error, Pin, hex, random};
use crate::fsio::{self, Dir, Lock, Replacement};
use crate::model::Vault;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

const MAX_RECORD: usize = 8 * 1024 * 1024;
/// How long a save waits for a reader that is writing a record.
const PATIENCE: Duration = Duration::from_secs(1);

/// The directory of local state.
#[derive(Clone, Debug)]
pub struct Local {
    root: PathBuf,
    /// Set once the path has been checked: no other user can replace the directory.
    checked: OnceLock<()>,
}

/// What is known of one vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its pin.
    pub pin: Pin,
    /// Pins that it had before; they authenticate snapshots only.
    #[serde(default)]
    pub retired: Vec<Pin>,
    /// Its passphrase slots, so that a prompt can name them before anything is open.
    #[serde(default)]
    pub slots: Vec<Slot>,
    /// No person has compared or given the pin: a tag authenticated it, or a `--pin` that a service was set up with.
    #[serde(default)]
    pub unconfirmed: bool,
}

impl Known {
    /// Whether the pin is replaced by a given one: it is unconfirmed, and is not a successor of that one.
    pub(super) fn yields_to(&self, pin: &Pin) -> bool {
        self.unconfirmed && !self.retired.contains(pin)
    }
}

/// A passphrase slot by its salt, as the header shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Base64, as in the header.
    pub salt: String,
    /// The recipient's label.
    pub label: String,
}

/// The last save that this host accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastSeen {
    /// The pin of the vault at that save: counts under an earlier secret could be forged by a recipient removed since.
    pub pin: String,
    /// Host -> number of its saves.
    pub writers: BTreeMap<String, u64>,
    /// Random name of the save.
    pub rev: String,
    /// Number of the save.
    pub generation: u64,
}

impl LastSeen {
    pub(super) fn of(vault: &Vault<'_>, pin: &Pin) -> Self {
        let (writers, rev, generation) = (vault.writers.clone(), vault.rev.clone(), vault.generation);
        Self { pin: pin.digits().to_owned(), writers, rev, generation }
    }
}

/// That a resolver served a vault which is behind the last accepted save.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// Unix seconds.
    pub at: u64,
    /// Random name of the save that was served.
    pub rev: String,
    /// Its number.
    pub generation: u64,
}

#[derive(Serialize, Deserialize)]
struct PathRecord {
    vault_id: String,
}

impl Local {
    /// Local state under this directory; nothing is made before something is to be kept.
    pub fn new(root: PathBuf) -> Self {
        Self { root, checked: OnceLock::new() }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The random id under which this host's saves are counted, if it has saved anything.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub fn host_if_any(&self) -> Result<Option<String>, Error> {
        self.load(&self.root, "host.json")
    }

    /// The same id, created at the first save.
    pub(super) fn host(&self) -> Result<String, Error> {
        self.host_if_any()?.map_or_else(|| self.new_host(), Ok)
    }

    /// Gives this host a new id.
    pub(super) fn new_host(&self) -> Result<String, Error> {
        let host = hex(&random::<8>()?);
        self.keep("", "host.json", &host)?;
        Ok(host)
    }

    /// What is known of the vault with this id.
    ///
    /// # Errors
    /// A record that cannot be read: local state is not guessed.
    pub fn known(&self, vault_id: &str) -> Result<Option<Known>, Error> {
        self.load(&self.root.join("vaults"), &format!("{}.json", crate::model::file_stem(vault_id)?))
    }

    /// Remembers a vault.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remember(&self, vault_id: &str, known: &Known) -> Result<(), Error> {
        self.keep("vaults", &format!("{}.json", crate::model::file_stem(vault_id)?), known)
    }

    /// The id of the vault that was last seen at this real path.
    ///
    /// # Errors
    /// As [`Local::known`].
    pub fn at_path(&self, path: &Path) -> Result<Option<String>, Error> {
        let record: Option<PathRecord> = self.load(&self.root.join("paths"), &path_name(path))?;
        Ok(record.map(|record| record.vault_id))
    }

    /// Remembers which vault is at a path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remember_path(&self, path: &Path, vault_id: &str) -> Result<(), Error> {
        if self.at_path(path)?.as_deref() == Some(vault_id) {
            return Ok(());
        }
        let record = PathRecord { vault_id: vault_id.to_owned() };
        self.keep("paths", &path_name(path), &record)
    }

    /// The last accepted save. A record that a power cut damaged counts as none: with write access to this directory it
    /// could be removed as well.
    pub(super) fn last_seen(&self, vault_id: &str) -> Result<Option<LastSeen>, Error> {
        match self.load(&self.root.join("seen"), &format!("{}.json", crate::model::file_stem(vault_id)?)) {
            Err(Error::Record(_)) => Ok(None),
            other => other,
        }
    }

    /// Remembers `seen` if it still is newer than what is remembered: another command may have
    /// accepted more since that was read. One that is at it just now is not waited for.
    pub(super) fn accept_if(
        &self,
        vault_id: &str,
        seen: &LastSeen,
        is_newer: impl FnOnce(Option<LastSeen>) -> bool,
    ) -> Result<(), Error> {
        let (dir, _) = self.prepare("seen", seen)?;
        let _lock = Self::lock(&dir, vault_id, Duration::ZERO)?;
        if is_newer(self.last_seen(vault_id)?) { self.write_seen(vault_id, seen) } else { Ok(()) }
    }

    /// Remembers a save of this command, which holds the vault's lock. Where
    /// there are no locks, or a reader was stopped in the middle, it is written without one.
    pub(super) fn accept(&self, vault_id: &str, seen: &LastSeen) -> Result<(), Error> {
        let (dir, _) = self.prepare("seen", seen)?;
        let _lock = Self::lock(&dir, vault_id, PATIENCE);
        self.write_seen(vault_id, seen)
    }

    /// The git repository in which `git install` was run for a vault, and the inode number of its `.git`.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub fn repository(&self, vault_id: &str) -> Result<Option<(PathBuf, u64)>, Error> {
        self.load(&self.root.join("git"), &format!("{}.json", crate::model::file_stem(vault_id)?))
    }

    /// Remembers the git repository for a vault.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remember_repository(&self, vault_id: &str, repository: &(PathBuf, u64)) -> Result<(), Error> {
        self.keep("git", &format!("{}.json", crate::model::file_stem(vault_id)?), repository)
    }

    /// What a resolver served last that was behind; a record that cannot be read counts as none.
    pub fn served(&self, vault_id: &str) -> Option<Served> {
        self.load(&self.root.join("served"), &format!("{}.json", crate::model::file_stem(vault_id).ok()?)).ok()?
    }

    /// Notes it without waiting for a lock or a disk: what is accepted here does not depend on it.
    pub(super) fn note_served(&self, vault_id: &str, served: &Served) -> Result<(), Error> {
        let (dir, bytes) = self.prepare("served", served)?;
        Ok(Replacement::write_loosely(
            &dir,
            OsStr::new(&format!("{}.json", crate::model::file_stem(vault_id)?)),
            &bytes,
            0o600,
        )?)
    }

    /// The lock under which the record of a vault is read and changed.
    pub(super) fn lock_known(&self, vault_id: &str) -> Result<Lock, Error> {
        let dir = Dir::open_or_create_private(&self.root)?.child(OsStr::new("vaults"), true)?;
        Self::lock(&dir, vault_id, PATIENCE)
    }

    fn lock(dir: &Dir, vault_id: &str, patience: Duration) -> Result<Lock, Error> {
        Ok(Lock::acquire(dir, OsStr::new(&format!("{}.lock", crate::model::file_stem(vault_id)?)), patience)?)
    }

    fn write_seen(&self, vault_id: &str, seen: &LastSeen) -> Result<(), Error> {
        let (dir, bytes) = self.prepare("seen", seen)?;
        Ok(Replacement::write_loosely(
            &dir,
            OsStr::new(&format!("{}.json", crate::model::file_stem(vault_id)?)),
            &bytes,
            0o600,
        )?)
    }

    pub(super) fn load<T: DeserializeOwned>(&self, dir: &Path, name: &str) -> Result<Option<T>, Error> {
        // With write access to the directory or a parent, pins could be removed: that must not look like a first use.
        if self.checked.get().is_none() {
            fsio::check_way(&self.root)?;
            _ = self.checked.set(());
        }
        match fsio::check_dir(dir) {
            Err(error) if error.is_not_found() => return Ok(None),
            other => other?,
        }
        match fsio::read_private(&dir.join(name), MAX_RECORD) {
            Ok(bytes) => match serde_json::from_slice(bytes.expose()) {
                Ok(record) => Ok(Some(record)),
                Err(_) => Err(Error::Record(dir.join(name))),
            },
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn keep<T: Serialize>(&self, below: &str, name: &str, record: &T) -> Result<(), Error> {
        let (dir, bytes) = self.prepare(below, record)?;
        Ok(Replacement::write(&dir, OsStr::new(name), &bytes, 0o600)?.commit()?)
    }

    /// The directory of a record, made if it is missing, and the bytes of the record.
    fn prepare<T: Serialize>(&self, below: &str, record: &T) -> Result<(Dir, Vec<u8>), Error> {
        let root = Dir::open_or_create_private(&self.root)?;
        let dir = if below.is_empty() { root } else { root.child(OsStr::new(below), true)? };
        fsio::sweep_temps(&dir, None)?;
        Ok((dir, serde_json::to_vec(record).map_err(crate::model::Error::from)?))
    }
}

fn path_name(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    format!("{}.json", hex(&Sha256::digest(path.as_os_str().as_bytes())))
}
