//! A directory held open: what is done in it cannot be led elsewhere meanwhile.

use super::Error;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// What is at a name, without following a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// File, directory, link...
    pub kind: FileType,
    /// Owner's user id.
    pub uid: u32,
    /// Permission bits.
    pub mode: u32,
    /// Number of names of the inode.
    pub links: u64,
    /// Size in bytes.
    pub size: u64,
    /// Device and inode.
    pub inode: (u64, u64),
}

impl Meta {
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            kind: FileType::from_raw_mode(stat.st_mode),
            uid: stat.st_uid,
            mode: Mode::from_raw_mode(stat.st_mode).as_raw_mode(),
            links: stat.st_nlink,
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            inode: (stat.st_dev, stat.st_ino),
        }
    }
}

/// An open directory and the path it is spoken of by.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    path: PathBuf,
}

impl Dir {
    /// Opens a directory; a link at its last part is refused.
    ///
    /// # Errors
    /// Nothing there, not a directory, a link, no permission.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(fd) => Ok(Self { fd, path: path.to_owned() }),
            Err(rustix::io::Errno::NOTDIR) => Err(Error::Kind(path.to_owned())),
            Err(error) => Err(Error::io("open", path, error.into())),
        }
    }

    /// Opens a directory that is ours and closed to others, making it (0700) and its parents
    /// where they are missing.
    ///
    /// # Errors
    /// As [`Dir::open`]; another owner, or group or other bits.
    pub fn open_or_create_private(path: &Path) -> Result<Self, Error> {
        if let Some(parent) = path.parent() {
            create_all(parent)?;
        }
        match rustix::fs::mkdir(path, Mode::RWXU) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(Error::io("create", path, error.into())),
        }
        let dir = Self::open(path)?;
        dir.check_private()?;
        Ok(dir)
    }

    /// Refuses a directory of another user or with group or other bits.
    ///
    /// # Errors
    /// [`Error::Owner`], [`Error::Mode`].
    pub fn check_private(&self) -> Result<(), Error> {
        let meta = self.own_meta()?;
        if meta.uid != super::own_uid() {
            return Err(Error::Owner(self.path.clone(), meta.uid));
        }
        if meta.mode & 0o077 != 0 {
            return Err(Error::Mode(self.path.clone(), meta.mode));
        }
        Ok(())
    }

    /// Opens a directory below this one; a link is refused. Made with 0700 if `create`.
    ///
    /// # Errors
    /// As [`Dir::open`].
    pub fn child(&self, name: &OsStr, create: bool) -> Result<Self, Error> {
        let path = self.path.join(name);
        if create {
            match rustix::fs::mkdirat(&self.fd, name, Mode::RWXU) {
                // The umask may have taken bits away.
                Ok(()) => rustix::fs::chmodat(&self.fd, name, Mode::RWXU, AtFlags::empty())
                    .map_err(|error| Error::io("create", &path, error.into()))?,
                Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(Error::io("create", &path, error.into())),
            }
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => Ok(Self { fd, path }),
            Err(rustix::io::Errno::NOTDIR) => Err(Error::Kind(path)),
            Err(error) => Err(Error::io("open", &path, error.into())),
        }
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn fd(&self) -> impl AsFd + '_ {
        self.fd.as_fd()
    }

    /// Owner, mode and inode of the directory itself.
    ///
    /// # Errors
    /// When the system refuses to tell.
    pub fn own_meta(&self) -> Result<Meta, Error> {
        let stat = rustix::fs::fstat(&self.fd).map_err(|error| Error::io("look at", &self.path, error.into()))?;
        Ok(Meta::of(&stat))
    }

    /// What is at `name`, `None` if nothing; links are not followed.
    ///
    /// # Errors
    /// When the system refuses to tell.
    pub fn meta(&self, name: &OsStr) -> Result<Option<Meta>, Error> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Meta::of(&stat))),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(Error::io("look at", &self.path.join(name), error.into())),
        }
    }

    /// Opens a file for reading; a link at `name` is refused.
    ///
    /// # Errors
    /// Nothing there, a link, no permission.
    pub fn open_file(&self, name: &OsStr) -> Result<File, Error> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        rustix::fs::openat(&self.fd, name, flags, Mode::empty())
            .map(File::from)
            .map_err(|error| Error::io("open", &self.path.join(name), error.into()))
    }

    /// Removes one name; nothing there is fine.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn remove(&self, name: &OsStr) -> Result<(), Error> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(Error::io("remove", &self.path.join(name), error.into())),
        }
    }

    /// Makes `name` a symbolic link to `to`, at once and whole, whatever stood there.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn replace_by_link(&self, to: &Path, name: &OsStr) -> Result<(), Error> {
        let mut temp = std::ffi::OsString::from(".");
        temp.push(name);
        temp.push(".agevault-link");
        self.remove(&temp)?;
        let failed = |error: rustix::io::Errno| Error::io("link", &self.path.join(name), error.into());
        rustix::fs::symlinkat(to, &self.fd, &temp).map_err(failed)?;
        self.rename(&temp, name)?;
        self.sync()
    }

    /// Removes an empty directory below; whether it is gone.
    pub fn remove_empty_child(&self, name: &OsStr) -> bool {
        rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR).is_ok()
    }

    /// Moves a name onto another, which is replaced.
    ///
    /// # Errors
    /// When the system refuses; [`Error::Mounted`] for a name that is a mount of its own.
    pub fn rename(&self, from: &OsStr, to: &OsStr) -> Result<(), Error> {
        rustix::fs::renameat(&self.fd, from, &self.fd, to).map_err(|error| self.not_renamed(to, error))
    }

    /// Moves a name to one that is free.
    ///
    /// # Errors
    /// [`Error::Exists`]; as [`Dir::rename`].
    pub fn rename_new(&self, from: &OsStr, to: &OsStr) -> Result<(), Error> {
        match rustix::fs::renameat_with(&self.fd, from, &self.fd, to, RenameFlags::NOREPLACE) {
            Err(error) if is_unsupported(error) => {
                self.link(from, self, to)?;
                self.remove(from)
            }
            other => other.map_err(|error| self.not_renamed(to, error)),
        }
    }

    /// Exchanges two files, at once; false where the file system cannot.
    ///
    /// # Errors
    /// As [`Dir::rename`].
    pub fn exchange(&self, one: &OsStr, other: &OsStr) -> Result<bool, Error> {
        match rustix::fs::renameat_with(&self.fd, one, &self.fd, other, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(true),
            Err(error) if is_unsupported(error) => Ok(false),
            Err(error) => Err(self.not_renamed(other, error)),
        }
    }

    fn not_renamed(&self, to: &OsStr, error: Errno) -> Error {
        let path = self.path.join(to);
        if error == Errno::BUSY { Error::Mounted(path) } else { Error::io("replace", &path, error.into()) }
    }

    /// Moves a file to another directory of the same file system.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn move_to(&self, name: &OsStr, to: &Self, new_name: &OsStr) -> Result<(), Error> {
        rustix::fs::renameat(&self.fd, name, &to.fd, new_name)
            .map_err(|error| Error::io("move", &self.path.join(name), error.into()))
    }

    /// A second name, in `to`, for a file of this directory.
    ///
    /// # Errors
    /// [`Error::Exists`] when the name is taken; when the system refuses.
    pub fn link(&self, name: &OsStr, to: &Self, new_name: &OsStr) -> Result<(), Error> {
        rustix::fs::linkat(&self.fd, name, &to.fd, new_name, AtFlags::empty())
            .map_err(|error| Error::io("keep", &to.path.join(new_name), error.into()))
    }

    /// The names in it that are UTF-8, in byte order.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn names(&self) -> Result<Vec<String>, Error> {
        let failed = |error: rustix::io::Errno| Error::io("list", &self.path, error.into());
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd).map_err(failed)? {
            if let Ok(name) = entry.map_err(failed)?.file_name().to_str()
                && name != "."
                && name != ".."
            {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Makes renames and removals in it last.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sync(&self) -> Result<(), Error> {
        rustix::fs::fsync(&self.fd).map_err(|error| Error::io("sync", &self.path, error.into()))
    }
}

/// Whether a file system, or an old kernel, has no renames with flags.
fn is_unsupported(error: Errno) -> bool {
    [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP].contains(&error)
}

/// Makes missing parents, 0700; what is there stays as it is.
fn create_all(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt;
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| Error::io("create", path, error))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_symlink_is_never_followed() {
        let root = tempfile::tempdir().unwrap();
        let (dir, file) = (root.path().join("dir"), root.path().join("file"));
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(&file, "x").unwrap();
        symlink(&dir, root.path().join("to-dir")).unwrap();
        symlink(&file, root.path().join("to-file")).unwrap();
        let here = Dir::open(root.path()).unwrap();
        let is_refused = |error: Option<Error>| matches!(error, Some(Error::Kind(_) | Error::Link(_)));
        assert!(is_refused(Dir::open(&root.path().join("to-dir")).err()));
        for create in [false, true] {
            assert!(here.child(OsStr::new("dir"), create).is_ok());
            assert!(is_refused(here.child(OsStr::new("to-dir"), create).err()));
        }
        assert!(here.open_file(OsStr::new("file")).is_ok());
        assert!(is_refused(here.open_file(OsStr::new("to-file")).err()));
    }
}
