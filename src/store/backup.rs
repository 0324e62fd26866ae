//! Backups: sealed vaults that a person keeps elsewhere, with names that sort by time.

use super::edit::recipients;
use super::{Checked, Error, Local, Place, Seen};
use crate::fsio::{self, Dir, Replacement};
use crate::model::Vault;
use crate::seal::{self, MAX_FILE, Opener};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// The folder of local state that names directories of backups.
const NOTED: &str = "backups";
/// The directory beside a vault in which `connect` makes one.
const BESIDE: &str = "backups";
/// Most directories that are remembered of one vault.
const MAX_DIRS: usize = 32;

/// A backup in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Where it is.
    pub path: PathBuf,
    /// Its file name.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// Unix seconds at which it was written.
    pub written: u64,
}

/// Whether a recipient opens a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opens {
    /// It is among the backup's recipients.
    Yes,
    /// The key at hand cannot look.
    Perhaps,
}

/// Remembers that backups of a vault lie in `dir`.
fn note(local: &Local, vault_id: &str, dir: &Path) -> Result<(), Error> {
    let mut dirs = noted(local, vault_id)?;
    if dirs.iter().any(|have| have == dir) {
        return Ok(());
    }
    dirs.push(dir.to_owned());
    dirs.drain(..dirs.len().saturating_sub(MAX_DIRS));
    local.keep(NOTED, &format!("{}.json", crate::model::file_stem(vault_id)?), &dirs)
}

fn noted(local: &Local, vault_id: &str) -> Result<Vec<PathBuf>, Error> {
    let dirs = local.load(&local.root().join(NOTED), &format!("{}.json", crate::model::file_stem(vault_id)?))?;
    Ok(dirs.unwrap_or_default())
}

/// The backups of a vault, beside it and in all directories that this host has written some to, that the
/// recipient with this public half opens, as far as `opener` can tell. Directories that are away are left out.
///
/// # Errors
/// A record of local state that cannot be read.
pub fn backups_of(
    local: &Local,
    place: &Place,
    vault_id: &str,
    opener: &Opener,
    public: &str,
) -> Result<Vec<(PathBuf, Opens)>, Error> {
    let mut found = Vec::new();
    let mut dirs = noted(local, vault_id)?;
    let beside = place.path().with_file_name(BESIDE);
    if !dirs.contains(&beside) {
        dirs.push(beside);
    }
    for backup in dirs.iter().filter_map(|dir| backup_list(dir).ok()).flatten() {
        let Ok(sealed) = fsio::read_capped(&backup.path, MAX_FILE) else { continue };
        let Ok(plain) = opener.open(sealed.expose()) else {
            found.push((backup.path, Opens::Perhaps));
            continue;
        };
        let vault = plain.text().and_then(|text| Vault::parse(text).ok()).filter(|vault| vault.vault_id == vault_id);
        if vault.is_some_and(|vault| vault.recipients.iter().any(|recipient| recipient.public == public)) {
            found.push((backup.path, Opens::Yes));
        }
    }
    Ok(found)
}

/// Copies the vault file, as it was read and checked, into `dir` (made 0700 if missing).
/// What the disk gives back is compared with what was opened.
///
/// # Errors
/// A directory that cannot be used, a full or failing disk.
pub fn backup_create(local: &Local, seen: &Seen, checked: &Checked<'_>, dir: &Path) -> Result<Backup, Error> {
    let dir = place(dir)?;
    let vault = &checked.vault;
    let time = Timestamp::now();
    let rev: String = vault.rev.chars().take(8).collect();
    let name = format!("agevault-{}-g{}-{rev}.age", time.strftime("%Y%m%dT%H%M%SZ"), vault.generation);
    Replacement::write(&dir, OsStr::new(&name), &seen.sealed, 0o600)?.commit()?;
    // Only for naming it later: a backup that is there is one.
    let _ = note(local, &vault.vault_id, dir.path());
    let size = u64::try_from(seen.sealed.len()).unwrap_or_default();
    let written = u64::try_from(time.as_second()).unwrap_or_default();
    Ok(Backup { path: dir.path().join(&name), name, size, written })
}

/// Seals a foreign file to all recipients of the vault, under its name and the time, before it is removed: it may hold
/// data that exists nowhere else. Returns where the copy is.
///
/// # Errors
/// As [`backup_create`].
pub fn keep_sealed(vault: &Vault<'_>, dir: &Path, file: &Path, content: &[u8]) -> Result<PathBuf, Error> {
    let dir = place(dir)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let sealed = seal::seal(content, &recipients(&vault.recipients)?)?;
    // What is sealed is never the same twice.
    let digest: String = Sha256::digest(&sealed).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let name: String = name.trim_start_matches('.').chars().take(100).collect();
    let name = format!("{name}-{}-{digest}.age", Timestamp::now().strftime("%Y%m%dT%H%M%SZ"));
    Replacement::write(&dir, OsStr::new(&name), &sealed, 0o600)?.commit()?;
    Ok(dir.path().join(name))
}

/// What [`keep_sealed`] has kept beside a vault: everybody opens it who could open the vault then.
pub fn kept_sealed(place: &Place) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place.path().with_file_name(BESIDE)).into_iter().flatten().flatten();
    let is_kept = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.ends_with(".age") && !name.starts_with("agevault-")
    };
    entries.map(|entry| entry.path()).filter(is_kept).collect()
}

/// The mode of a directory that others can write to: they can remove or replace what is kept there, which is sealed.
pub fn shared_mode(dir: &Path) -> Option<u32> {
    let meta = Dir::open(&fsio::real_path(dir).ok()?).ok()?.own_meta().ok()?;
    Some(meta.mode).filter(|mode| mode & 0o022 != 0)
}

/// A directory for what is kept, made 0700 if it is missing.
fn place(dir: &Path) -> Result<Dir, Error> {
    let absolute = std::path::absolute(dir).map_err(|error| fsio::Error::io("look at", dir, error))?;
    if !absolute.exists() {
        Dir::open_or_create_private(&absolute)?;
    }
    Ok(Dir::open(&fsio::real_path(&absolute)?)?)
}

/// The newest backup in `dir` of just this state of the vault, if there is one: the same bytes, whatever its name.
///
/// # Errors
/// A directory that is there and cannot be read.
pub fn backup_of(seen: &Seen, dir: &Path) -> Result<Option<Backup>, Error> {
    if !dir.exists() {
        return Ok(None);
    }
    let is_this = |backup: &Backup| {
        u64::try_from(seen.sealed.len()).is_ok_and(|size| size == backup.size)
            && fsio::read_own(&backup.path, seen.sealed.len()).is_ok_and(|bytes| bytes.expose() == seen.sealed)
    };
    Ok(backup_list(dir)?.into_iter().rfind(is_this))
}

/// The backups in a directory, oldest first.
///
/// # Errors
/// When it cannot be read.
pub fn backup_list(dir: &Path) -> Result<Vec<Backup>, Error> {
    let dir = Dir::open(&fsio::real_path(dir)?)?;
    let mut found = Vec::new();
    for name in dir.names()? {
        if !(name.starts_with("agevault-") && name.ends_with(".age")) {
            continue;
        }
        let path = dir.path().join(&name);
        let meta = std::fs::symlink_metadata(&path).map_err(|error| fsio::Error::io("look at", &path, error))?;
        if meta.is_file() {
            let modified = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            let written = modified.map_or(0, |since| since.as_secs());
            found.push(Backup { path, name, size: meta.len(), written });
        }
    }
    Ok(found)
}
