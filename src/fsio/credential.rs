//! Credentials of a service manager: files that lie directly in a directory of its own.

use super::{Dir, Error, Meta, own_uid, read_open};
use crate::secret::SecretBuf;
use rustix::fs::FileType;
use std::path::Path;

/// Modes that systemd gives to files of root which it hands to a service of another user.
const ROOTS: [u32; 3] = [0o400, 0o440, 0o600];

/// Reads a credential. The directory is ours or root's, and nobody else writes there;
/// the file is ours alone, or root's with a mode that a service manager gives it. Links are refused.
///
/// # Errors
/// Nothing there, not a regular file, too large, not readable; [`Error::Owner`] and [`Error::Mode`]
/// for a file that others reach, or whose directory they do.
pub fn read_credential(path: &Path, limit: usize) -> Result<SecretBuf, Error> {
    let not_there = || Error::NotFound(path.to_owned());
    let dir = Dir::open(path.parent().ok_or_else(not_there)?)?;
    let above = dir.own_meta()?;
    if above.uid != own_uid() && above.uid != 0 {
        return Err(Error::Owner(dir.path().to_owned(), above.uid));
    }
    if above.mode & 0o022 != 0 {
        return Err(Error::Mode(dir.path().to_owned(), above.mode));
    }
    let file = dir.open_file(path.file_name().ok_or_else(not_there)?)?;
    let stat = rustix::fs::fstat(&file).map_err(|error| Error::io("look at", path, error.into()))?;
    let meta = Meta::of(&stat);
    if meta.kind != FileType::RegularFile {
        return Err(Error::Kind(path.to_owned()));
    }
    if meta.uid != own_uid() && meta.uid != 0 {
        return Err(Error::Owner(path.to_owned(), meta.uid));
    }
    let roots = meta.uid == 0 && ROOTS.contains(&(meta.mode & 0o7777));
    if meta.mode & 0o077 != 0 && !roots {
        return Err(Error::Mode(path.to_owned(), meta.mode));
    }
    read_open(file, usize::try_from(meta.size).unwrap_or(limit), limit, path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn only_what_others_cannot_put_or_change_there_is_a_credential() {
        let root = tempfile::tempdir().unwrap();
        let (dir, key) = (root.path(), root.path().join("key"));
        fs::write(&key, "key").unwrap();
        let read = |dir_mode, mode, path: &Path| {
            fs::set_permissions(dir, Permissions::from_mode(dir_mode)).unwrap();
            fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
            read_credential(path, 16).map(|bytes| bytes.expose().to_vec())
        };
        for dir_mode in [0o500, 0o550, 0o700, 0o755] {
            assert_eq!(read(dir_mode, 0o400, &key).unwrap(), b"key");
        }
        for dir_mode in [0o770, 0o777, 0o1777] {
            assert!(matches!(read(dir_mode, 0o400, &key), Err(Error::Mode(path, _)) if path == dir));
        }
        for mode in [0o444, 0o460, 0o640, 0o644, 0o4440] {
            assert!(matches!(read(0o700, mode, &key), Err(Error::Mode(path, _)) if path == key), "{mode:o}");
        }
        // What is right for root's files is not for one's own.
        assert_eq!(read(0o700, 0o440, &key).is_ok(), own_uid() == 0);
        fs::set_permissions(dir, Permissions::from_mode(0o700)).unwrap();
        let link = dir.join("link");
        symlink(&key, &link).unwrap();
        assert!(matches!(read(0o700, 0o400, &link), Err(Error::Link(_))));
        assert!(matches!(read(0o700, 0o400, &dir.join("none")), Err(Error::NotFound(_))));
    }
}
