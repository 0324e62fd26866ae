//! Leases: whoever needs views that are there only for a time holds one.
//!
//! `<root>/leases/<vault id>.<place>.lease`, locked together by all who need the views of a
//! place. One that nobody has locked was left by a process that was killed. The kernel gives the
//! locks back, whatever became of a process, and no child of ours inherits one. Instead the file
//! names the commands that need the views: if one of them outlives the process that waited for
//! it, the lease does too.

use super::{Error, Target};
use crate::fsio::{self, Dir, Lock};
use sha2::{Digest, Sha256};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

const FOLDER: &str = "leases";

/// Views of a place are needed as long as this lives.
#[derive(Debug)]
pub struct Lease {
    held: Lock,
}

impl Lease {
    /// Takes part in the lease on what `target` has of this vault. To be taken before the views
    /// are written; waits at most `patience` for somebody who just removes them.
    ///
    /// # Errors
    /// [`fsio::Error::Busy`]; a directory that others reach.
    pub fn take(root: &Path, vault_id: &str, target: &Target, patience: Duration) -> Result<Self, Error> {
        let dir = Dir::open_or_create_private(root)?.child(OsStr::new(FOLDER), true)?;
        dir.check_private()?;
        let name = name(vault_id, target.path());
        loop {
            let held = Lock::share(&dir, &name, patience)?;
            if held.is_named()? {
                return Ok(Self { held });
            }
        }
    }
}

impl Lease {
    /// Holds the views for this process as well, also after this lease has ended by a kill. Where
    /// the system does not tell processes apart, nothing is done.
    ///
    /// # Errors
    /// When it cannot be noted.
    pub fn serve(&self, pid: u32) -> Result<(), Error> {
        let name = fsio::process_name(pid);
        Ok(name.map_or(Ok(()), |name| self.held.note(&name))?)
    }
}

/// The leases of one vault, for those who want to remove views. Whoever uses them has the
/// ledger, so that nobody removes views that another one puts up.
#[derive(Debug)]
pub struct Leases<'v> {
    dir: Option<Dir>,
    vault_id: &'v str,
}

impl<'v> Leases<'v> {
    /// Nothing is made.
    ///
    /// # Errors
    /// A directory that others reach.
    pub fn open(root: &Path, vault_id: &'v str) -> Result<Self, Error> {
        let dir = match Dir::open(&root.join(FOLDER)) {
            Ok(dir) => Some(dir),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error.into()),
        };
        dir.as_ref().map(Dir::check_private).transpose()?;
        Ok(Self { dir, vault_id })
    }

    /// Whether there are any, held or not.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn any(&self) -> Result<bool, Error> {
        Ok(!self.names()?.is_empty())
    }

    /// Whether somebody holds one on the views in `place`, or a command still needs them.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn is_held(&self, place: &Path) -> Result<bool, Error> {
        let nobody = self.of_nobody(place)?;
        Ok(nobody.is_none_or(|lock| lock.is_some_and(|lock| serves(&lock))))
    }

    /// Whether somebody waits who takes the views in `place` back.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn is_attended(&self, place: &Path) -> Result<bool, Error> {
        Ok(self.of_nobody(place)?.is_none())
    }

    /// The lock of a lease that nobody holds, if there is one; `None` if somebody holds it.
    fn of_nobody(&self, place: &Path) -> Result<Option<Option<Lock>>, Error> {
        let Some(dir) = &self.dir else { return Ok(Some(None)) };
        match Lock::of_nobody(dir, &name(self.vault_id, place)) {
            Ok(lock) => Ok(Some(Some(lock))),
            Err(fsio::Error::NotFound(_)) => Ok(Some(None)),
            Err(fsio::Error::Busy(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes those that nobody holds, but for the one on `kept`.
    ///
    /// # Errors
    /// When the directory cannot be changed.
    pub fn tidy<'p>(&self, kept: impl Iterator<Item = &'p Path>) -> Result<(), Error> {
        let Some(dir) = &self.dir else { return Ok(()) };
        let kept: Vec<OsString> = kept.map(|place| name(self.vault_id, place)).collect();
        for found in self.names()?.iter().map(OsString::from).filter(|found| !kept.contains(found)) {
            // Locked until it is gone: who opened it meanwhile finds that it has no name.
            let lock = Lock::of_nobody(dir, &found).ok();
            if lock.as_ref().is_some_and(|lock| !serves(lock)) {
                dir.remove(&found)?;
            }
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>, Error> {
        let mut names = self.dir.as_ref().map(Dir::names).transpose()?.unwrap_or_default();
        names.retain(|name| name.strip_prefix(self.vault_id).is_some_and(|rest| rest.starts_with('.')));
        Ok(names)
    }
}

/// Whether a command that is named in the file of a lease still lives.
fn serves(lease: &Lock) -> bool {
    lease.notes().is_ok_and(|names| names.lines().any(fsio::process_lives))
}

/// The vault's id was checked by whoever opened the ledger; a path is only a digest.
fn name(vault_id: &str, place: &Path) -> OsString {
    let digest = Sha256::digest(place.as_os_str().as_bytes());
    let place: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{vault_id}.{place}.lease").into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_held_until_the_last_of_its_holders_is_gone() {
        let home = tempfile::tempdir().unwrap();
        let (root, id) = (home.path().join("state"), "6ba7b810-9dad-41d1-80b4-00c04fd430c8");
        assert!(!Leases::open(&root, id).unwrap().any().unwrap());
        let target = Target::resolve(&home.path().join("views")).unwrap();
        let one = Lease::take(&root, id, &target, Duration::ZERO).unwrap();
        let other = Lease::take(&root, id, &target, Duration::ZERO).unwrap();
        let leases = Leases::open(&root, id).unwrap();
        let held = || leases.is_held(target.path()).unwrap();
        assert!(held() && !leases.is_held(home.path()).unwrap());
        drop(one);
        leases.tidy(std::iter::empty()).unwrap();
        assert!(held() && leases.any().unwrap());
        drop(other);
        assert!(!held());
        leases.tidy(std::iter::once(target.path())).unwrap();
        assert!(leases.any().unwrap());
        leases.tidy(std::iter::empty()).unwrap();
        assert!(!leases.any().unwrap());
    }
}
