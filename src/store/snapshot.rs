//! Kept generations: `vault.age.d/<generation>-<rev>.age`, the states before each save; those
//! that captures wrote end in `.captured.age`, since consecutive ones replace each other.

use super::{Error, Place, now};
use crate::fsio::{self, Dir, Replacement};
use crate::model::Vault;
use crate::seal::MAX_FILE;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// In the names of states that a capture wrote.
pub(super) const CAPTURED: &str = ".captured";
/// File name suffix, after the tag of a re-sealing: the copy is still sealed to a replaced key.
pub(super) const WAITS: &str = "w";
/// File name prefix of states that are kept without being opened.
const DISPLACED: &str = "displaced-";
/// Highest number in a file name that counts for new numbers: far above any real number of saves, and far below what
/// the document can hold.
pub(super) const HIGHEST: u64 = 1 << 52;

/// A sealed vault that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The number of its save.
    pub generation: u64,
    /// The random name of its save.
    pub rev: String,
    /// Whether a capture wrote it.
    pub captured: bool,
    /// The random name of the re-sealing that wrote it anew; empty if none did.
    pub resealed: String,
    /// Its file name.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Unix seconds of the save.
    pub saved: u64,
    /// Size in bytes.
    pub size: u64,
}

impl Snapshot {
    /// The sealed bytes.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self) -> Result<Vec<u8>, Error> {
        Ok(fsio::read_capped(&self.path, MAX_FILE)?.into_vec())
    }

    /// Its number and the start of its random name, as in the records of saves.
    pub fn state(&self) -> String {
        crate::model::state_name(self.generation, &self.rev)
    }

    /// The name of the same snapshot sealed anew; `waits` if a replaced key can still open it.
    pub(super) fn resealed_name(&self, tag: &str, waits: bool) -> String {
        let captured = if self.captured { CAPTURED } else { "" };
        let waits = if waits { WAITS } else { "" };
        format!("{}-{}{captured}.r{tag}{waits}.age", self.generation, self.rev)
    }

    /// The current vault file, described as a kept state.
    pub(super) fn in_place(place: &Place, vault: &Vault<'_>, sealed: &[u8]) -> Self {
        Self {
            generation: vault.generation,
            rev: vault.rev.clone(),
            captured: vault.is_captured(),
            resealed: String::new(),
            name: name_of(vault),
            path: place.path().to_owned(),
            saved: vault.updated,
            size: u64::try_from(sealed.len()).unwrap_or(u64::MAX),
        }
    }

    fn parse(dir: &Dir, name: &str) -> Option<Self> {
        let stem = name.strip_suffix(".age")?;
        let (generation, rest) = stem.split_once('-')?;
        let (rev, resealed) = match rest.split_once(".r") {
            Some((rev, tag)) => (rev, tag.to_owned()),
            None => (rest, String::new()),
        };
        let (rev, captured) = rev.strip_suffix(CAPTURED).map_or((rev, false), |rev| (rev, true));
        let generation = generation.parse().ok()?;
        let path = dir.path().join(name);
        let meta = std::fs::symlink_metadata(&path).ok().filter(std::fs::Metadata::is_file)?;
        let saved = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs();
        let (rev, name, size) = (rev.to_owned(), name.to_owned(), meta.len());
        Some(Self { generation, rev, captured, resealed, name, path, saved, size })
    }
}

/// The file name under which this state of the vault is kept.
pub(super) fn name_of(vault: &Vault<'_>) -> String {
    let captured = if vault.is_captured() { CAPTURED } else { "" };
    format!("{}-{}{captured}.age", vault.generation, vault.rev)
}

/// Keeps a state that is about to be replaced. If this host saved it, a copy exists already and is only synced. A
/// different age file of the same name is renamed; anything else there, such as a copy damaged by a power cut, is
/// overwritten.
pub(super) fn keep(generations: &Dir, name: &str, sealed: &[u8]) -> Result<(), Error> {
    let name = OsStr::new(name);
    let path = generations.path().join(name);
    match generations.open_file(name) {
        Ok(file) if is(&path, sealed) => {
            return Ok(file.sync_all().map_err(|error| fsio::Error::io("sync", &path, error))?);
        }
        Ok(_) if is_age(&path) => generations.rename(name, OsStr::new(&displaced_name()?))?,
        Ok(_) => {}
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error.into()),
    }
    Ok(Replacement::write(generations, name, sealed, 0o600)?.commit()?)
}

/// Keeps a state from another source. If another file has this name already, it stays, and the state is kept under a
/// name without a number.
pub(super) fn keep_foreign(generations: &Dir, name: &str, sealed: &[u8]) -> Result<(), Error> {
    let path = generations.path().join(name);
    let is_taken = generations.meta(OsStr::new(name))?.is_some() && !is(&path, sealed);
    keep(generations, &if is_taken { displaced_name()? } else { name.to_owned() }, sealed)
}

/// Whether a file has these bytes.
fn is(path: &Path, sealed: &[u8]) -> bool {
    fsio::read_capped(path, MAX_FILE).is_ok_and(|bytes| bytes.expose() == sealed)
}

/// Whether a kept state has these bytes.
pub(super) fn holds(dir: &Dir, sealed: &[u8]) -> Result<bool, Error> {
    let size = u64::try_from(sealed.len()).unwrap_or(u64::MAX);
    Ok(list(dir)?.iter().any(|one| one.size == size && is(&one.path, sealed)))
}

/// Keeps a file without opening it, under a name without a number. Returns where it is.
pub(super) fn keep_displaced(generations: &Dir, sealed: &[u8]) -> Result<PathBuf, Error> {
    let name = displaced_name()?;
    Replacement::write(generations, OsStr::new(&name), sealed, 0o600)?.commit()?;
    Ok(generations.path().join(name))
}

/// A new name for a state that is kept without being opened.
pub(super) fn displaced_name() -> Result<String, Error> {
    Ok(format!("{DISPLACED}{}-{}", now(), super::hex(&super::random::<4>()?)))
}

/// The names of states that were kept without being opened.
///
/// # Errors
/// When the directory cannot be read.
pub(super) fn displaced(dir: &Dir) -> Result<Vec<String>, Error> {
    Ok(dir.names()?.into_iter().filter(|name| name.starts_with(DISPLACED)).collect())
}

/// Keeps a copy of what was just saved, which remains if a program without our lock replaces the vault. It is not
/// synced, since the vault file has the same content; [`keep`] syncs it later.
pub(super) fn keep_new(generations: &Dir, name: &str, sealed: &[u8]) -> Result<(), Error> {
    Ok(Replacement::write_loosely(generations, OsStr::new(name), sealed, 0o600)?)
}

/// The kept generations, oldest first.
///
/// # Errors
/// When the directory cannot be read.
pub fn history(place: &Place) -> Result<Vec<Snapshot>, Error> {
    place.generations_if_any()?.map_or_else(|| Ok(Vec::new()), |dir| list(&dir))
}

/// The highest plausible number among the kept generations; zero if there are none.
pub(super) fn highest(dir: &Dir) -> Result<u64, Error> {
    Ok(list(dir)?.iter().map(|one| one.generation).filter(|number| *number <= HIGHEST).max().unwrap_or_default())
}

pub(super) fn list(dir: &Dir) -> Result<Vec<Snapshot>, Error> {
    let mut found: Vec<Snapshot> = dir.names()?.iter().filter_map(|name| Snapshot::parse(dir, name)).collect();
    found.sort_by(|a, b| (a.generation, &a.rev, &a.resealed).cmp(&(b.generation, &b.rev, &b.resealed)));
    Ok(found)
}

/// Whether a file begins as age files do, whatever its name.
fn is_age(path: &Path) -> bool {
    let plain = path.symlink_metadata().is_ok_and(|meta| meta.is_file());
    let start = || fsio::read_start::<14>(path).ok().flatten();
    plain && start().is_some_and(|start| [b"age-encryption", b"-----BEGIN AGE"].contains(&&start))
}

/// Age files beside the vault, or among its generations, that are not of its making: copies by editors and people too.
///
/// # Errors
/// When a directory cannot be read.
pub fn strangers(place: &Place) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for name in place.dir().names()? {
        let path = place.dir().path().join(&name);
        if OsStr::new(&name) != place.name() && (name.ends_with(".age") || is_age(&path)) {
            found.push(path);
        }
    }
    if let Some(dir) = place.generations_if_any()? {
        let own = list(&dir)?;
        let names = dir.names()?.into_iter().filter(|name| !own.iter().any(|one| one.name == *name));
        found.extend(names.map(|name| dir.path().join(name)));
    }
    Ok(found)
}
