//! The directory that views are written into, and the way down to each of them.
//!
//! Every step is opened against the directory above it, none through a link, and each
//! directory of the layout must be ours and closed to other writers.

use super::{Error, Kind};
use crate::fsio::{self, Dir};
use rustix::fs::FileType;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

/// A target directory by its real path; it need not exist yet.
#[derive(Debug)]
pub struct Target {
    /// The nearest directory that exists.
    base: PathBuf,
    /// What is still to be made of the path to the target.
    missing: Vec<OsString>,
    path: PathBuf,
}

impl Target {
    /// Resolves links on the way to `dir`.
    ///
    /// # Errors
    /// [`fsio::Error::Link`] when `dir` is one itself; a path that cannot be told (not UTF-8,
    /// or `..` below what does not exist).
    pub fn resolve(dir: &Path) -> Result<Self, Error> {
        let given = std::path::absolute(dir).map_err(|error| fsio::Error::io("look at", dir, error))?;
        let given: PathBuf = given.components().collect();
        let mut base = given.as_path();
        let mut missing = Vec::new();
        loop {
            match std::fs::symlink_metadata(base) {
                Ok(found) if found.is_symlink() && missing.is_empty() => {
                    return Err(fsio::Error::Link(given).into());
                }
                Ok(_) => break,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    let (Some(Component::Normal(name)), Some(parent)) = (base.components().next_back(), base.parent())
                    else {
                        return Err(fsio::Error::NotFound(given).into());
                    };
                    missing.push(name.to_owned());
                    base = parent;
                }
                Err(error) => return Err(fsio::Error::io("look at", base, error).into()),
            }
        }
        missing.reverse();
        // Who can change a directory on the way could lead the gateway elsewhere.
        fsio::check_way(base)?;
        let base = std::fs::canonicalize(base).map_err(|error| fsio::Error::io("look at", base, error))?;
        let path = missing.iter().fold(base.clone(), |path, name| path.join(name));
        if path.to_str().is_none() {
            return Err(fsio::Error::Kind(path).into());
        }
        Ok(Self { base, missing, path })
    }

    /// A target as the ledger names it.
    ///
    /// # Errors
    /// [`fsio::Error::Link`] when the path now leads elsewhere; as [`Target::resolve`].
    pub fn known(path: &Path) -> Result<Self, Error> {
        let target = Self::resolve(path)?;
        if target.path == path { Ok(target) } else { Err(fsio::Error::Link(path.to_owned()).into()) }
    }

    /// Its real path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The nearest directory that exists on the way to a view.
    pub fn nearest(&self, kind: &Kind) -> PathBuf {
        let mut nearest = self.base.clone();
        for dir in self.way(kind) {
            if std::fs::symlink_metadata(&dir).is_ok_and(|found| found.is_dir()) {
                nearest = dir;
            }
        }
        nearest
    }

    /// The directories from the base (not included) down to the view, by their whole paths.
    fn way(&self, kind: &Kind) -> Vec<PathBuf> {
        let mut at = self.base.clone();
        let below = kind.path();
        let below = below.parent().into_iter().flat_map(Path::iter);
        let names = self.missing.iter().map(OsString::as_os_str).chain(below);
        names
            .map(|name| {
                at.push(name);
                at.clone()
            })
            .collect()
    }

    /// The directories that would have to be made for a view, outermost first.
    pub(super) fn to_make(&self, kind: &Kind) -> Vec<PathBuf> {
        let missing = |dir: &PathBuf| std::fs::symlink_metadata(dir).is_err();
        self.way(kind).into_iter().filter(missing).collect()
    }

    /// Opens the directory of a view, `None` if it is not there.
    pub(super) fn open(&self, kind: &Kind) -> Result<Option<Dir>, Error> {
        match self.walk(kind, false) {
            Ok(dir) => Ok(Some(dir)),
            Err(Error::File(error)) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens the directory of a view, making what is missing on the way (0700).
    pub(super) fn make(&self, kind: &Kind) -> Result<Dir, Error> {
        self.walk(kind, true)
    }

    fn walk(&self, kind: &Kind, create: bool) -> Result<Dir, Error> {
        let mut dir = Dir::open(&self.base)?;
        for name in &self.missing {
            dir = step(&dir, name, create)?;
        }
        check(&dir)?;
        if let Some(below) = kind.path().parent() {
            for name in below {
                dir = step(&dir, name, create)?;
                check(&dir)?;
            }
        }
        Ok(dir)
    }
}

fn step(dir: &Dir, name: &OsStr, create: bool) -> Result<Dir, Error> {
    if dir.meta(name)?.is_some_and(|found| found.kind == FileType::Symlink) {
        return Err(fsio::Error::Link(dir.path().join(name)).into());
    }
    Ok(dir.child(name, create)?)
}

/// Refuses a directory of somebody else, or one that others write in.
fn check(dir: &Dir) -> Result<(), Error> {
    let meta = dir.own_meta()?;
    if meta.uid != fsio::own_uid() {
        return Err(fsio::Error::Owner(dir.path().to_owned(), meta.uid).into());
    }
    if meta.mode & 0o022 != 0 {
        return Err(fsio::Error::Mode(dir.path().to_owned(), meta.mode).into());
    }
    Ok(())
}

/// Removes directories that have become empty, innermost first.
pub(super) fn prune<'d>(dirs: impl DoubleEndedIterator<Item = &'d PathBuf>) {
    for dir in dirs.rev() {
        if let (Some(parent), Some(name)) = (dir.parent(), dir.file_name())
            && let Ok(parent) = Dir::open(parent)
        {
            parent.remove_empty_child(name);
        }
    }
}
