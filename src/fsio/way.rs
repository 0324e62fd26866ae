//! Whether somebody else could put something of theirs in the place of a file.

use super::{Error, own_uid};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Checks what is there of a path, by its real name: itself and every directory on the way belong to us or to root
/// and take no changes by others.
///
/// # Errors
/// [`Error::Owner`], [`Error::Mode`]; what cannot be looked at.
pub fn check_way(path: &Path) -> Result<(), Error> {
    let there = path.ancestors().find(|path| path.exists()).unwrap_or(path);
    let real = there.canonicalize().map_err(|error| Error::io("look at", there, error))?;
    real.ancestors().try_for_each(check_closed)
}

/// The same of one file or directory alone.
///
/// # Errors
/// As [`check_way`].
pub fn check_closed(place: &Path) -> Result<(), Error> {
    let meta = std::fs::symlink_metadata(place).map_err(|error| Error::io("look at", place, error))?;
    if ![0, own_uid()].contains(&meta.uid()) {
        return Err(Error::Owner(place.to_owned(), meta.uid()));
    }
    // In a sticky directory nobody can replace what is ours; the mode of a link says nothing.
    let sticky = meta.is_dir() && meta.mode() & 0o1000 != 0;
    if meta.mode() & 0o022 != 0 && !sticky && !meta.is_symlink() {
        return Err(Error::Mode(place.to_owned(), meta.mode() & 0o7777));
    }
    Ok(())
}
