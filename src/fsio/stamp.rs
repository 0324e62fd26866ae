//! Whether a file still is the one that was looked at, without reading it.

use super::{Error, own_uid};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Inode, size and times of what is at a path; links are not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    inode: (u64, u64),
    /// Size in bytes.
    pub size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of what is there now, `None` if nothing is.
    pub fn of(path: &Path) -> Option<Self> {
        std::fs::symlink_metadata(path).ok().map(|meta| Self::from_meta(&meta))
    }

    /// Of a file of ours, `None` if nothing is there. It is not opened: a process that closes a file
    /// loses all locks that it holds on it elsewhere.
    ///
    /// # Errors
    /// Not a regular file, a link, another user's; when the system refuses to tell.
    pub fn of_own(path: &Path) -> Result<Option<Self>, Error> {
        let meta = match std::fs::symlink_metadata(path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("look at", path, error)),
        };
        if meta.is_symlink() {
            return Err(Error::Link(path.to_owned()));
        }
        if !meta.is_file() {
            return Err(Error::Kind(path.to_owned()));
        }
        if meta.uid() != own_uid() {
            return Err(Error::Owner(path.to_owned(), meta.uid()));
        }
        // A reader that is root may set the owner of a log again, which changes nothing but this time.
        Ok(Some(Self { changed: (0, 0), ..Self::from_meta(&meta) }))
    }

    fn from_meta(meta: &Metadata) -> Self {
        Self {
            inode: (meta.dev(), meta.ino()),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}
