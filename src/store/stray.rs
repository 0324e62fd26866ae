//! Files beside the vault, made by other programs, that may be states of it.

use super::{Error, Place, snapshot};
use crate::fsio::{self, Dir};
use crate::seal::MAX_FILE;
use rustix::fs::FileType;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::PathBuf;

/// Removes a file beside the vault whose content was kept, if it still has that content.
///
/// # Errors
/// When the directory cannot be changed.
pub fn remove_copy(place: &Place, copy: &Stray, sealed: &[u8]) -> Result<(), Error> {
    let dir = copy.dir(place)?;
    if read_plain(&dir, &copy.name)?.is_some_and(|there| there == sealed) {
        dir.remove(&copy.name)?;
        dir.sync()?;
    }
    Ok(())
}

/// A file beside the vault, or among its generations, that may be a state of the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// Its path.
    pub path: PathBuf,
    name: OsString,
    is_kept: bool,
}

impl Stray {
    /// Whether it lies among the generations.
    pub fn is_kept(&self) -> bool {
        self.is_kept
    }

    fn dir(&self, place: &Place) -> Result<Dir, Error> {
        if self.is_kept { place.generations() } else { Ok(Dir::open(place.dir().path())?) }
    }

    /// Its bytes; `None` if it is not a regular file, is a link, or belongs to another user.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(&self, place: &Place) -> Result<Option<Vec<u8>>, Error> {
        read_plain(&self.dir(place)?, &self.name)
    }
}

fn read_plain(dir: &Dir, name: &OsStr) -> Result<Option<Vec<u8>>, Error> {
    let is_plain =
        |meta: &fsio::Meta| meta.kind == FileType::RegularFile && meta.uid == fsio::own_uid() && meta.links == 1;
    if !dir.meta(name)?.is_some_and(|meta| is_plain(&meta)) {
        return Ok(None);
    }
    // It was not a link when it was checked; `open_file` refuses one that was put there meanwhile.
    let file = dir.open_file(name)?;
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_FILE).unwrap_or(u64::MAX);
    let path = dir.path().join(name);
    file.take(limit).read_to_end(&mut bytes).map_err(|error| fsio::Error::io("read", &path, error))?;
    Ok(Some(bytes))
}

/// Conflict copies that a file synchroniser has made beside the vault after saves on two hosts: Syncthing
/// (`vault.sync-conflict-DATE-TIME-ID.age`), Dropbox and Nextcloud (`vault (... conflicted copy ...).age`), ownCloud
/// (`vault_conflict-DATE.age`). Includes the states that were kept among the generations without being opened.
///
/// # Errors
/// When the directory cannot be read.
pub fn conflict_copies(place: &Place) -> Result<Vec<Stray>, Error> {
    let name = place.name().to_string_lossy().into_owned();
    let (stem, end) =
        name.rsplit_once('.').map_or((name.as_str(), String::new()), |(stem, end)| (stem, format!(".{end}")));
    let is_copy = |other: &String| {
        let middle = other.strip_prefix(stem).and_then(|rest| rest.strip_suffix(end.as_str()));
        middle.is_some_and(|middle| {
            middle.starts_with(".sync-conflict-")
                || middle.starts_with("_conflict-")
                || (middle.starts_with(" (") && middle.to_lowercase().contains("conflicted copy"))
        })
    };
    let names = place.dir().names()?.into_iter().filter(is_copy);
    let copy = |dir: &Dir, name: String, is_kept| Stray { path: dir.path().join(&name), name: name.into(), is_kept };
    let mut found: Vec<Stray> = names.map(|name| copy(place.dir(), name, false)).collect();
    if let Some(generations) = place.generations_if_any()? {
        found.extend(snapshot::displaced(&generations)?.into_iter().map(|name| copy(&generations, name, true)));
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}
