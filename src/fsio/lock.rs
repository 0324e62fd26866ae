//! The lock beside a file that is replaced: never on the file itself, whose
//! inode changes, and not unlinked, or two processes could lock two inodes (whoever does unlink
//! one has takers look again: [`Lock::is_named`]).

use super::{Dir, Error};
use rustix::fs::{Mode, OFlags};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// How much is read of what stands in a lock file, in bytes.
const MAX_NOTES: u64 = 64 * 1024;

/// A lock, held until dropped.
#[derive(Debug)]
pub struct Lock {
    held: File,
}

impl Lock {
    /// Waits at most `patience` for the lock file `name` in `dir`, which is made 0600.
    ///
    /// # Errors
    /// [`Error::Busy`] when somebody else keeps it; when the file cannot be opened.
    pub fn acquire(dir: &Dir, name: &OsStr, patience: Duration) -> Result<Self, Error> {
        Self::wait(dir, name, OFlags::CREATE, patience, fs2::FileExt::try_lock_exclusive)
    }

    /// The same for a lock that others may share.
    ///
    /// # Errors
    /// As [`Lock::acquire`].
    pub fn share(dir: &Dir, name: &OsStr, patience: Duration) -> Result<Self, Error> {
        Self::wait(dir, name, OFlags::CREATE, patience, fs2::FileExt::try_lock_shared)
    }

    /// The lock of a file that is there and that nobody holds; nothing is made or waited for.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Busy`].
    pub fn of_nobody(dir: &Dir, name: &OsStr) -> Result<Self, Error> {
        Self::wait(dir, name, OFlags::empty(), Duration::ZERO, fs2::FileExt::try_lock_exclusive)
    }

    /// Whether the file still has a name: one that was removed before it was locked locks nothing.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn is_named(&self) -> Result<bool, Error> {
        let stat = rustix::fs::fstat(&self.held);
        Ok(stat.map_err(|error| Error::io("look at", Path::new("lock file"), error.into()))?.st_nlink > 0)
    }

    /// Adds a line to the file: something of its holder that outlives the lock.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note(&self, line: &str) -> Result<(), Error> {
        let written = (&self.held).write_all(format!("{line}\n").as_bytes());
        written.map_err(|error| Error::io("write to", Path::new("lock file"), error))
    }

    /// What was noted in it since it was made. To be read once, by whoever took the lock.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn notes(&self) -> Result<String, Error> {
        let mut text = Vec::new();
        let read = (&self.held).take(MAX_NOTES).read_to_end(&mut text);
        read.map_err(|error| Error::io("read", Path::new("lock file"), error))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn wait(
        dir: &Dir,
        name: &OsStr,
        create: OFlags,
        patience: Duration,
        lock: fn(&File) -> std::io::Result<()>,
    ) -> Result<Self, Error> {
        let path = dir.path().join(name);
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC | create;
        let fd = rustix::fs::openat(dir.fd(), name, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| Error::io("open", &path, error.into()))?;
        let held = File::from(fd);
        let deadline = Instant::now() + patience;
        let mut pause = Duration::from_millis(1);
        loop {
            match lock(&held) {
                Ok(()) => return Ok(Self { held }),
                Err(error) if error.raw_os_error() == fs2::lock_contended_error().raw_os_error() => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(Error::Busy(path));
                    }
                    std::thread::sleep(pause.min(left));
                    pause = (pause * 2).min(Duration::from_millis(20));
                }
                Err(error) => return Err(Error::io("lock", &path, error)),
            }
        }
    }
}
