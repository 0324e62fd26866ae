//! The lock beside a file that is replaced (DESIGN F8): never on the file itself, whose
//! inode changes, and never unlinked, or two processes could lock two inodes.

use super::{Dir, Error};
use rustix::fs::{Mode, OFlags};
use std::ffi::OsStr;
use std::fs::File;
use std::time::{Duration, Instant};

/// An exclusive lock, held until dropped.
#[derive(Debug)]
pub struct Lock {
    _held: File,
}

impl Lock {
    /// Waits at most `patience` for the lock file `name` in `dir`, which is made 0600.
    ///
    /// # Errors
    /// [`Error::Busy`] when somebody else keeps it; when the file cannot be opened.
    pub fn acquire(dir: &Dir, name: &OsStr, patience: Duration) -> Result<Self, Error> {
        let path = dir.path().join(name);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(dir.fd(), name, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| Error::io("open", &path, error.into()))?;
        let file = File::from(fd);
        let deadline = Instant::now() + patience;
        let mut pause = Duration::from_millis(1);
        loop {
            match fs2::FileExt::try_lock_exclusive(&file) {
                Ok(()) => return Ok(Self { _held: file }),
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
