//! Replacing one file whole or not at all: a temp file in the same directory,
//! synced, read back, then renamed. Dropped before [`Replacement::commit`], nothing happened.

use super::read::read_back;
use super::{Dir, Error, Meta, real_path};
use crate::secret::SecretBuf;
use rustix::fs::{Mode, OFlags};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;

const TEMP_SUFFIX: &str = ".agevault-tmp";

/// New content of a file, complete on the disk and checked, not yet under its name.
#[must_use = "nothing is replaced before `commit`"]
#[derive(Debug)]
pub struct Replacement<'a> {
    dir: &'a Dir,
    temp: OsString,
    name: OsString,
    /// Locked while its writer lives: a temp that can be locked was left by a dead one.
    held: File,
}

impl<'a> Replacement<'a> {
    /// Writes `bytes` beside `name` with `mode`, syncs, and compares what the disk gives back.
    ///
    /// # Errors
    /// A full or failing disk; [`Error::ReadBack`] when the bytes read are not those written.
    pub fn write(dir: &'a Dir, name: &OsStr, bytes: &[u8], mode: u32) -> Result<Self, Error> {
        let path = dir.path().join(name);
        let this = Self::begin(dir, name, bytes, mode)?;
        this.held.sync_all().map_err(|error| Error::io("sync", &path, error))?;
        let back = read_back(dir.open_file(&this.temp)?, bytes.len());
        let back = SecretBuf::new(back.map_err(|error| Error::io("read back", &path, error))?);
        if back.expose() == bytes { Ok(this) } else { Err(Error::ReadBack(path)) }
    }

    /// Replaces `name` at once and whole, but not for good: a power cut may take it back or
    /// empty it. For records that can be done without.
    ///
    /// # Errors
    /// A full or failing disk.
    pub fn write_loosely(dir: &'a Dir, name: &OsStr, bytes: &[u8], mode: u32) -> Result<(), Error> {
        let mut this = Self::begin(dir, name, bytes, mode)?;
        dir.rename(&this.temp, name)?;
        this.done();
        Ok(())
    }

    fn begin(dir: &'a Dir, name: &OsStr, bytes: &[u8], mode: u32) -> Result<Self, Error> {
        sweep_temps(dir, Some(&name.to_string_lossy()))?;
        let path = dir.path().join(name);
        let this = Self::create(dir, name, mode)?;
        let mut file = &this.held;
        // The umask may have taken bits away.
        rustix::fs::fchmod(file, Mode::from_raw_mode(mode)).map_err(|error| Error::io("write", &path, error.into()))?;
        file.write_all(bytes).map_err(|error| Error::io("write", &path, error))?;
        Ok(this)
    }

    /// An empty temp file that is locked. Somebody who sweeps may get hold of one between its
    /// creation and its lock: then there is another.
    fn create(dir: &'a Dir, name: &OsStr, mode: u32) -> Result<Self, Error> {
        let path = dir.path().join(name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let mut temp = OsString::from(".");
            temp.push(name);
            temp.push(format!(".{}{TEMP_SUFFIX}", random_name(dir)?));
            let fd = rustix::fs::openat(dir.fd(), &temp, flags, Mode::from_raw_mode(mode))
                .map_err(|error| Error::io("write", &path, error.into()))?;
            let mut this = Self { dir, temp, name: name.to_owned(), held: File::from(fd) };
            match fs2::FileExt::try_lock_exclusive(&this.held) {
                Err(error) if error.raw_os_error() == fs2::lock_contended_error().raw_os_error() => continue,
                // Where files cannot be locked, nobody sweeps either.
                Ok(()) | Err(_) => {}
            }
            let stat = rustix::fs::fstat(&this.held).map_err(|error| Error::io("write", &path, error.into()))?;
            if stat.st_nlink > 0 {
                // The inode number in its name distinguishes it from a file that an exchange leaves under that name.
                let mut numbered = OsString::from(".");
                numbered.push(name);
                numbered.push(format!(".{:x}.{}{TEMP_SUFFIX}", stat.st_ino, random_name(dir)?));
                dir.rename(&this.temp, &numbered)?;
                this.temp = numbered;
                return Ok(this);
            }
        }
    }

    /// Gives the new content the time (Unix seconds) of what it is a copy of.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn dated(self, seconds: u64) -> Result<Self, Error> {
        let time = rustix::fs::Timespec { tv_sec: i64::try_from(seconds).unwrap_or_default(), tv_nsec: 0 };
        let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(self.dir.fd(), &self.temp, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| Error::io("date", &self.dir.path().join(&self.name), error.into()))?;
        Ok(self)
    }

    /// Gives the new content its name and makes that last.
    ///
    /// # Errors
    /// When the rename fails (nothing changed) or the directory cannot be synced (the new
    /// content is there, but a power cut could still take it back).
    pub fn commit(mut self) -> Result<(), Error> {
        let (dir, path) = (self.dir, self.dir.path().join(&self.name));
        self.dir.rename(&self.temp, &self.name)?;
        self.done();
        dir.sync().map_err(|_| Error::Unsynced(path))
    }

    /// Gives the new content its name, in the place of a file with the bytes `expected`, or of none. Anything else that is
    /// there by then keeps its name, and the answer is false. It lasts when the directory is synced.
    ///
    /// # Errors
    /// When the system refuses: nothing changed.
    pub fn rename_over(mut self, expected: Option<&[u8]>) -> Result<bool, Error> {
        let Some(expected) = expected else {
            return match self.dir.rename_new(&self.temp, &self.name) {
                Err(Error::Exists(_)) => Ok(false),
                other => other.map(|()| self.done()),
            };
        };
        if !self.dir.exchange(&self.temp, &self.name)? {
            // Between these two another could write; where files cannot be exchanged nothing closes that gap.
            let is_it = self.holds(&self.name, expected)?;
            if is_it {
                self.dir.rename(&self.temp, &self.name)?;
                self.done();
            }
            return Ok(is_it);
        }
        match self.holds(&self.temp, expected) {
            Ok(true) => {
                // It has its name. What cannot be removed now is swept by the next save.
                let _ = self.dir.remove(&self.temp);
                Ok(self.done())
            }
            outcome => {
                self.give_back()?;
                outcome
            }
        }
    }

    /// Puts back what came out of an exchange. What somebody has put there meanwhile is newer still, and stays.
    fn give_back(&self) -> Result<(), Error> {
        let inode = |name: &OsStr| Ok::<_, Error>(self.dir.meta(name)?.map(|meta| meta.inode));
        let mut placed = Some(self.inode()?);
        let mut out = inode(&self.temp)?;
        loop {
            self.dir.exchange(&self.temp, &self.name)?;
            let expected = std::mem::replace(&mut placed, out);
            out = inode(&self.temp)?;
            if out == expected {
                return Ok(());
            }
        }
    }

    fn inode(&self) -> Result<(u64, u64), Error> {
        let stat = rustix::fs::fstat(&self.held);
        Ok(Meta::of(&stat.map_err(|error| Error::io("look at", self.dir.path(), error.into()))?).inode)
    }

    /// Whether the temp file's name still refers to the file that this replacement wrote.
    fn is_own_temp(&self) -> bool {
        let there = self.dir.meta(&self.temp).ok().flatten().map(|meta| meta.inode);
        there.is_some() && there == self.inode().ok()
    }

    /// Whether a file has these bytes.
    fn holds(&self, name: &OsStr, bytes: &[u8]) -> Result<bool, Error> {
        let failed = |error| Error::io("read", &self.dir.path().join(name), error);
        let file = match self.dir.open_file(name) {
            Err(Error::NotFound(_) | Error::Link(_)) => return Ok(false),
            other => other?,
        };
        let is_long = file.metadata().map_err(failed)?.len() == u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(is_long && SecretBuf::new(read_back(file, bytes.len()).map_err(failed)?).expose() == bytes)
    }

    /// There is no temp file any more.
    fn done(&mut self) -> bool {
        self.temp.clear();
        true
    }
}

impl Drop for Replacement<'_> {
    fn drop(&mut self) {
        // After an exchange that could not be reversed, another program's file has that name: it is not removed.
        if !self.temp.is_empty() && self.is_own_temp() {
            let _ = self.dir.remove(&self.temp);
        }
    }
}

/// Writes a new file whole, and fails if one exists. The file has no name until it is complete (`O_TMPFILE`), so a
/// process that is killed leaves nothing behind. A file system without unnamed files gets a temp file instead.
///
/// # Errors
/// [`Error::Exists`]; a full or failing disk.
pub fn write_new(dir: &Dir, name: &OsStr, bytes: &[u8]) -> Result<(), Error> {
    let path = dir.path().join(name);
    let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
    let Ok(fd) = rustix::fs::openat(dir.fd(), ".", flags, Mode::from_raw_mode(0o600)) else {
        let written = Replacement::write(dir, name, bytes, 0o600)?;
        return if written.rename_over(None)? { dir.sync() } else { Err(Error::Exists(path)) };
    };
    let mut file = File::from(fd);
    rustix::fs::fchmod(&file, Mode::from_raw_mode(0o600)).map_err(|error| Error::io("write", &path, error.into()))?;
    file.write_all(bytes).map_err(|error| Error::io("write", &path, error))?;
    file.sync_all().map_err(|error| Error::io("sync", &path, error))?;
    let number = format!("/proc/self/fd/{}", file.as_raw_fd());
    match rustix::fs::linkat(rustix::fs::CWD, number, dir.fd(), name, rustix::fs::AtFlags::SYMLINK_FOLLOW) {
        Ok(()) => dir.sync(),
        Err(rustix::io::Errno::EXIST) => Err(Error::Exists(path)),
        Err(error) => Err(Error::io("write", &path, error.into())),
    }
}

/// Removes temp files whose writers are dead: those for `name`, or with `None` all of them.
///
/// # Errors
/// When the directory cannot be read or changed.
pub fn sweep_temps(dir: &Dir, name: Option<&str>) -> Result<(), Error> {
    let prefix = name.map_or_else(|| ".".to_owned(), |name| format!(".{name}."));
    for found in dir.names()?.iter().filter(|found| found.starts_with(&prefix) && found.ends_with(TEMP_SUFFIX)) {
        let name = OsStr::new(found);
        // The lock is held until the file is gone: a writer that made it just now must see that.
        let Ok(file) = dir.open_file(name) else { continue };
        // In a world-writable directory it may be another user's file, which only that user can remove.
        if rustix::fs::fstat(&file).is_ok_and(|stat| stat.st_uid != super::own_uid()) {
            continue;
        }
        if fs2::FileExt::try_lock_exclusive(&file).is_ok() {
            dir.remove(name)?;
        }
    }
    Ok(())
}

/// Names of temp files for `name` whose writers are dead and that hold a file displaced by an exchange instead of the
/// one that was written.
///
/// # Errors
/// When the directory cannot be read.
pub fn exchanged_temps(dir: &Dir, name: &str) -> Result<Vec<String>, Error> {
    let prefix = format!(".{name}.");
    let is_other = |found: &String| {
        let number = found.strip_prefix(&prefix)?.strip_suffix(TEMP_SUFFIX)?.split_once('.')?.0;
        let number = u64::from_str_radix(number, 16).ok()?;
        let file = dir.open_file(OsStr::new(found)).ok()?;
        let meta = Meta::of(&rustix::fs::fstat(&file).ok()?);
        (meta.inode.1 != number && fs2::FileExt::try_lock_exclusive(&file).is_ok()).then_some(())
    };
    Ok(dir.names()?.into_iter().filter(|found| is_other(found).is_some()).collect())
}

fn random_name(dir: &Dir) -> Result<String, Error> {
    let mut random = [0_u8; 8];
    getrandom::getrandom(&mut random).map_err(|error| Error::io("write in", dir.path(), error.into()))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Replaces a file of another program's, 0600; a link to it stays. As [`Replacement::rename_over`]: what was written
/// there since `expected` was read is not lost.
///
/// # Errors
/// As [`Replacement::write`] and [`Replacement::commit`].
pub fn replace_foreign(path: &Path, bytes: &[u8], expected: Option<&[u8]>) -> Result<bool, Error> {
    let real = real_path(path)?;
    let (Some(parent), Some(name)) = (real.parent(), real.file_name()) else { return Err(Error::Kind(real)) };
    let dir = Dir::open(parent)?;
    let is_done = Replacement::write(&dir, name, bytes, 0o600)?.rename_over(expected)?;
    dir.sync().map_err(|_| Error::Unsynced(real.clone()))?;
    Ok(is_done)
}

/// Removes a file, or a link, for good.
///
/// # Errors
/// When it cannot be removed.
pub fn remove_foreign(path: &Path) -> Result<(), Error> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let dir = Dir::open(&real_path(parent)?)?;
    dir.remove(name)?;
    dir.sync()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_temp_files_of_dead_writers_are_swept() {
        let root = tempfile::tempdir().unwrap();
        let dir = Dir::open(root.path()).unwrap();
        let dead = root.path().join(format!(".vault.1.2{TEMP_SUFFIX}"));
        std::fs::write(&dead, b"left").unwrap();
        let written = Replacement::write(&dir, OsStr::new("vault"), b"ours", 0o600).unwrap();
        std::fs::write(&dead, b"left").unwrap();
        sweep_temps(&dir, None).unwrap();
        assert!(!dead.exists());
        written.commit().unwrap();
        assert_eq!(std::fs::read(root.path().join("vault")).unwrap(), b"ours");
    }

    #[test]
    fn what_an_exchange_left_under_the_name_of_the_temp_file_stays() {
        let root = tempfile::tempdir().unwrap();
        let dir = Dir::open(root.path()).unwrap();
        let written = Replacement::write(&dir, OsStr::new("vault"), b"ours", 0o600).unwrap();
        let temp = root.path().join(&written.temp);
        drop(written);
        assert!(!temp.exists());
        let written = Replacement::write(&dir, OsStr::new("vault"), b"ours", 0o600).unwrap();
        let temp = root.path().join(&written.temp);
        std::fs::write(root.path().join("theirs"), b"theirs").unwrap();
        std::fs::rename(root.path().join("theirs"), &temp).unwrap();
        drop(written);
        assert_eq!(std::fs::read(temp).unwrap(), b"theirs");
    }
}
