//! Reading whole files and descriptors, bounded, into buffers that are wiped.

use super::{Error, Meta, own_uid};
use crate::secret::SecretBuf;
use rustix::fs::{FileType, Mode, OFlags};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

fn open(path: &Path) -> Result<(File, Meta), Error> {
    // NONBLOCK: opening a FIFO that nobody writes to must not hang.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| Error::io("open", path, error.into()))?;
    let stat = rustix::fs::fstat(&fd).map_err(|error| Error::io("look at", path, error.into()))?;
    let meta = Meta::of(&stat);
    if meta.kind != FileType::RegularFile {
        return Err(Error::Kind(path.to_owned()));
    }
    Ok((File::from(fd), meta))
}

/// Opens a regular file of any size for reading piece by piece.
///
/// # Errors
/// Nothing there, not a regular file, not readable.
pub fn open_file(path: &Path) -> Result<File, Error> {
    Ok(open(path)?.0)
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// Nothing there, not a regular file, too large, not readable.
pub fn read_capped(path: &Path, limit: usize) -> Result<SecretBuf, Error> {
    let (file, meta) = open(path)?;
    read_open(file, usize::try_from(meta.size).unwrap_or(limit), limit, path)
}

/// Reads a file of ours, whatever its mode; links are followed.
///
/// # Errors
/// As [`read_capped`]; [`Error::Owner`] for another user's file.
pub fn read_own(path: &Path, limit: usize) -> Result<SecretBuf, Error> {
    let (file, meta) = open(path)?;
    if meta.uid != own_uid() {
        return Err(Error::Owner(path.to_owned(), meta.uid));
    }
    read_open(file, usize::try_from(meta.size).unwrap_or(limit), limit, path)
}

/// Reads a file of this user, or of root if nobody else can write to it; links are followed. A configuration may belong
/// to root.
///
/// # Errors
/// As [`read_capped`]; [`Error::Owner`]; [`Error::Writable`] for root's file that others can write to.
pub fn read_trusted(path: &Path, limit: usize) -> Result<SecretBuf, Error> {
    let (file, meta) = open(path)?;
    let ours = meta.uid == own_uid();
    if !ours && meta.uid != 0 {
        return Err(Error::Owner(path.to_owned(), meta.uid));
    }
    if !ours && meta.mode & 0o022 != 0 {
        return Err(Error::Writable(path.to_owned(), meta.mode));
    }
    read_open(file, usize::try_from(meta.size).unwrap_or(limit), limit, path)
}

/// Reads a file that only its owner, who is us, may reach: a key, a passphrase.
///
/// # Errors
/// As [`read_capped`]; [`Error::Owner`] and [`Error::Mode`] for a file that others reach.
pub fn read_private(path: &Path, limit: usize) -> Result<SecretBuf, Error> {
    let (file, meta) = open(path)?;
    if meta.uid != own_uid() {
        return Err(Error::Owner(path.to_owned(), meta.uid));
    }
    if meta.mode & 0o077 != 0 {
        return Err(Error::Mode(path.to_owned(), meta.mode));
    }
    read_open(file, usize::try_from(meta.size).unwrap_or(limit), limit, path)
}

/// The first `N` bytes of a file, for telling what it is; `None` if it is shorter.
///
/// # Errors
/// As [`read_capped`].
pub fn read_start<const N: usize>(path: &Path) -> Result<Option<[u8; N]>, Error> {
    let mut start = [0; N];
    match open(path)?.0.read_exact(&mut start) {
        Ok(()) => Ok(Some(start)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(Error::io("read", path, error)),
    }
}

/// Reads an inherited descriptor to its end.
///
/// # Errors
/// Not readable, too large.
pub fn read_descriptor(fd: OwnedFd, limit: usize) -> Result<SecretBuf, Error> {
    read_open(File::from(fd), 0, limit, Path::new("descriptor"))
}

/// Reads standard input to its end, past the standard library's own buffer.
///
/// # Errors
/// Not readable, too large.
pub fn read_stdin(limit: usize) -> Result<SecretBuf, Error> {
    let path = Path::new("standard input");
    let fd = rustix::io::dup(rustix::stdio::stdin()).map_err(|error| Error::io("read", path, error.into()))?;
    read_open(File::from(fd), 0, limit, path)
}

/// Reads standard input until `whole` says of what came so far that it is all, or to its end. What
/// is asked for is not secret.
///
/// # Errors
/// As [`read_stdin`].
pub fn read_stdin_until(limit: usize, mut whole: impl FnMut(&[u8]) -> bool) -> Result<(), Error> {
    let path = Path::new("standard input");
    let mut bytes = Vec::new();
    let mut part = [0; 64 * 1024];
    loop {
        match rustix::io::read(rustix::stdio::stdin(), &mut part) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Error::io("read", path, error.into())),
            Ok(0) => return Ok(()),
            Ok(count) => bytes.extend_from_slice(part.get(..count).unwrap_or_default()),
        }
        if bytes.len() > limit {
            return Err(Error::TooLarge(path.to_owned(), limit));
        }
        if whole(&bytes) {
            return Ok(());
        }
    }
}

pub(super) fn read_open(mut file: impl Read, expected: usize, limit: usize, path: &Path) -> Result<SecretBuf, Error> {
    if expected > limit {
        return Err(Error::TooLarge(path.to_owned(), limit));
    }
    // One byte more than expected: the end is then seen without another allocation.
    let mut bytes = Vec::with_capacity(expected + 1);
    let cap = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    match file.by_ref().take(cap).read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) => {
            drop(SecretBuf::new(bytes));
            return Err(Error::io("read", path, error));
        }
    }
    let bytes = SecretBuf::new(bytes);
    if bytes.expose().len() > limit {
        return Err(Error::TooLarge(path.to_owned(), limit));
    }
    Ok(bytes)
}

/// Reads again what was written, for a comparison.
pub(super) fn read_back(mut file: File, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(len + 1);
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::fsio::Dir;
    use std::os::unix::fs::{PermissionsExt, chown};

    #[test]
    fn a_file_or_directory_of_another_user_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let (dir, file) = (root.path().join("dir"), root.path().join("file"));
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(&file, "x").unwrap();
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let all = [read_own, read_private, read_trusted];
        assert!(all.iter().all(|read| read(&file, 16).is_ok()) && Dir::open(&dir).unwrap().check_private().is_ok());
        for place in [&dir, &file] {
            chown(place, Some(65_534), None).expect("this test needs root");
        }
        assert!(all.iter().all(|read| matches!(read(&file, 16), Err(Error::Owner(..)))));
        assert!(matches!(Dir::open(&dir).unwrap().check_private(), Err(Error::Owner(..))));
    }
}
