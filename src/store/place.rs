//! Where a vault is: its directory held open, its lock, its kept generations.

use super::{Error, Local, snapshot};
use crate::fsio::{self, Dir, Lock};
use crate::seal::MAX_FILE;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The place of a vault file, with every link on the way resolved.
#[derive(Debug)]
pub struct Place {
    dir: Dir,
    name: OsString,
    path: PathBuf,
    /// The path as given: a link that is put there later must not make it another vault.
    given: PathBuf,
}

impl Place {
    /// The place named by `path`, whose directory must be there.
    ///
    /// # Errors
    /// No directory, a dangling link, a path without a name.
    pub fn at(path: &Path) -> Result<Self, Error> {
        let given = std::path::absolute(path).map_err(|error| fsio::Error::io("look at", path, error))?;
        let path = fsio::real_path(path)?;
        let name = path.file_name().ok_or_else(|| fsio::Error::Kind(path.clone()))?.to_owned();
        let dir = Dir::open(path.parent().unwrap_or(Path::new("/")))?;
        Ok(Self { dir, name, path, given })
    }

    /// The place for a new vault: missing directories are made, 0700.
    ///
    /// # Errors
    /// As [`Place::at`]; when a directory cannot be made.
    pub fn prepare(path: &Path) -> Result<Self, Error> {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.exists()) {
            Dir::open_or_create_private(parent)?;
        }
        Self::at(path)
    }

    /// The real path of the vault file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The id of another vault than `vault_id` that this host has seen here.
    ///
    /// # Errors
    /// A record of local state that cannot be read.
    pub fn held_another(&self, local: &Local, vault_id: &str) -> Result<Option<String>, Error> {
        let other = |path: &Path| Ok::<_, Error>(local.at_path(path)?.filter(|id| id != vault_id));
        match other(&self.path)? {
            None if self.given != self.path => other(&self.given),
            found => Ok(found),
        }
    }

    /// Remembers which vault is here, by its real path and as it was named.
    ///
    /// # Errors
    /// When local state cannot be written.
    pub fn remember(&self, local: &Local, vault_id: &str) -> Result<(), Error> {
        local.remember_path(&self.path, vault_id)?;
        local.remember_path(&self.given, vault_id)
    }

    pub(super) fn dir(&self) -> &Dir {
        &self.dir
    }

    pub(super) fn name(&self) -> &OsString {
        &self.name
    }

    /// Whether the file exists.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn exists(&self) -> Result<bool, Error> {
        Ok(self.dir.meta(&self.name)?.is_some())
    }

    /// The sealed bytes. Wider modes are fine: they are ciphertext.
    ///
    /// # Errors
    /// Nothing there, another user's, too large.
    pub fn read(&self) -> Result<Vec<u8>, Error> {
        Ok(fsio::read_own(&self.path, MAX_FILE)?.into_vec())
    }

    /// The mode of the file, if it is wider than ours.
    pub fn wide_mode(&self) -> Option<u32> {
        self.dir.meta(&self.name).ok().flatten().map(|meta| meta.mode).filter(|mode| mode & 0o077 != 0)
    }

    /// Refuses a directory that is not ours or that others can write to.
    pub(super) fn check_writable(&self) -> Result<(), Error> {
        let meta = self.dir.own_meta()?;
        if meta.uid != fsio::own_uid() {
            return Err(fsio::Error::Owner(self.dir.path().to_owned(), meta.uid).into());
        }
        if meta.mode & 0o022 != 0 {
            return Err(fsio::Error::Mode(self.dir.path().to_owned(), meta.mode).into());
        }
        Ok(())
    }

    /// Locks the sidecar, waiting at most `patience`, and clears what killed saves left.
    pub(super) fn lock(&self, patience: Duration) -> Result<Lock, Error> {
        self.check_writable()?;
        let name = self.name.to_string_lossy();
        let lock = Lock::acquire(&self.dir, format!("{name}.lock").as_ref(), patience)?;
        self.keep_exchanged(&name)?;
        fsio::sweep_temps(&self.dir, Some(&name))?;
        if let Some(generations) = self.generations_if_any()? {
            fsio::sweep_temps(&generations, None)?;
        }
        Ok(lock)
    }

    /// Keeps a file that a killed save has swapped out: another program may have written it.
    fn keep_exchanged(&self, name: &str) -> Result<(), Error> {
        for temp in fsio::exchanged_temps(&self.dir, name)? {
            let generations = self.generations()?;
            let bytes = fsio::read_own(&self.dir.path().join(&temp), MAX_FILE)?.into_vec();
            if !snapshot::holds(&generations, &bytes)? {
                self.dir.move_to(OsStr::new(&temp), &generations, OsStr::new(&snapshot::displaced_name()?))?;
                generations.sync()?;
            }
        }
        Ok(())
    }

    /// The directory of kept generations, made if missing.
    pub(super) fn generations(&self) -> Result<Dir, Error> {
        let dir = self.dir.child(&self.generations_name(), true)?;
        dir.check_private()?;
        Ok(dir)
    }

    /// The same if it is there.
    pub(super) fn generations_if_any(&self) -> Result<Option<Dir>, Error> {
        match self.dir.child(&self.generations_name(), false) {
            Ok(dir) => Ok(Some(dir)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn generations_name(&self) -> OsString {
        let mut name = self.name.clone();
        name.push(".d");
        name
    }
}
