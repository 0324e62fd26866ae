//! Files as an operator's secrets need them: owners and modes checked on the open
//! descriptor, names resolved against an open directory, replaced whole or not at all.

mod accounts;
mod credential;
mod dir;
mod lock;
mod process;
mod read;
mod replace;
mod socket;
mod stamp;
mod watch;
mod way;

pub use credential::read_credential;
pub use dir::{Dir, Meta};
pub use lock::Lock;
pub use process::{process_lives, process_name};
use read::read_open;
pub use read::{
    open_file, read_capped, read_descriptor, read_own, read_private, read_start, read_stdin, read_stdin_until,
    read_trusted,
};
pub use replace::{Replacement, exchanged_temps, remove_foreign, replace_foreign, sweep_temps, write_new};
pub use socket::{connect, listen};
pub use stamp::Stamp;
pub use watch::Watch;
pub use way::{check_dir, check_trees, check_way};

use std::io;
use std::path::{Path, PathBuf};

/// What can be wrong with a file or a place.
#[derive(Debug)]
pub enum Error {
    /// There is nothing at this path.
    NotFound(PathBuf),
    /// Something is there already.
    Exists(PathBuf),
    /// Not a regular file (or, where one is needed, not a directory).
    Kind(PathBuf),
    /// Belongs to this other user id.
    Owner(PathBuf, u32),
    /// Others may read or write it; the mode that was found.
    Mode(PathBuf, u32),
    /// Others may put something of theirs in its place; the mode that was found.
    Writable(PathBuf, u32),
    /// A symbolic link or a file with several names where one of our own is needed.
    Link(PathBuf),
    /// Larger than this many bytes.
    TooLarge(PathBuf, usize),
    /// Somebody else holds the lock.
    Busy(PathBuf),
    /// A file that is a mount of its own: the system lets nothing take its place.
    Mounted(PathBuf),
    /// The disk gave back other bytes than were written.
    ReadBack(PathBuf),
    /// Written, but the disk did not confirm it: a power cut could take it back.
    Unsynced(PathBuf),
    /// The operating system refused: what was tried, where, and its reason.
    Io(&'static str, PathBuf, io::Error),
}

impl Error {
    /// Sorts an error of the operating system.
    pub(crate) fn io(tried: &'static str, path: &Path, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound(path.to_owned()),
            io::ErrorKind::AlreadyExists => Self::Exists(path.to_owned()),
            io::ErrorKind::NotADirectory => Self::Kind(path.to_owned()),
            _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => Self::Link(path.to_owned()),
            _ => Self::Io(tried, path.to_owned(), error),
        }
    }

    /// Whether nothing was there, which callers often take for an answer.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound(_))
    }
}

/// The user id that files of ours must belong to.
pub fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether the file system at `path` lives in memory.
///
/// # Errors
/// When the place cannot be looked at.
pub fn in_memory(path: &Path) -> Result<bool, Error> {
    #[cfg(target_os = "linux")]
    {
        const TMPFS: u64 = 0x0102_1994;
        const RAMFS: u64 = 0x8584_58f6;
        let found = rustix::fs::statfs(path).map_err(|error| Error::io("look at", path, error.into()))?;
        let kind = u64::try_from(found.f_type).unwrap_or_default();
        Ok(kind == TMPFS || kind == RAMFS)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        Ok(false)
    }
}

/// Whether this machine swaps to anything but compressed memory, as far as it tells.
pub fn swaps() -> bool {
    let table = std::fs::read_to_string("/proc/swaps").unwrap_or_default();
    table.lines().skip(1).any(|line| !line.starts_with("/dev/zram"))
}

/// Resolves every link on the way to `path`, whose last part need not exist.
///
/// # Errors
/// When the directory is not there or cannot be looked at, or `path` names no file.
pub fn real_path(path: &Path) -> Result<PathBuf, Error> {
    match std::fs::canonicalize(path) {
        Ok(real) => Ok(real),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if std::fs::symlink_metadata(path).is_ok() {
                return Err(Error::Link(path.to_owned()));
            }
            let name = path.file_name().ok_or_else(|| Error::Kind(path.to_owned()))?;
            let parent = match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            let parent = std::fs::canonicalize(parent).map_err(|error| Error::io("look at", path, error))?;
            Ok(parent.join(name))
        }
        Err(error) => Err(Error::io("look at", path, error)),
    }
}

/// The same without an error: what cannot be resolved stays as it is, so that two names of one place can be compared.
pub fn real_or_same(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
