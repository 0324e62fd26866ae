//! The lock under which gateways since 2026.2.26 change a file of profiles: a file beside it, which says
//! who has it.

use crate::fsio::{self, Error};
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// After this long a gateway takes a lock for left over, and so do we.
const STALE: Duration = Duration::from_secs(30);
/// How long a gateway that holds it is waited for: longer than any of its writes.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);
const MAX_LOCK: usize = 4096;

/// The lock on the profiles in one directory; let go when dropped. To be held for milliseconds: a gateway
/// that waits too long writes without it.
#[derive(Debug)]
pub struct StoreLock(Option<PathBuf>);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Holder {
    pid: i32,
    created_at: String,
}

impl StoreLock {
    /// Takes the lock of the `auth-profiles.json` in `dir`; of a directory that is not there, none.
    ///
    /// # Errors
    /// [`Error::Busy`]; a directory that cannot be written.
    pub fn take(dir: &Path) -> Result<Self, Error> {
        let Ok(dir) = dir.canonicalize() else { return Ok(Self(None)) };
        let path = dir.join("auth-profiles.json.lock");
        let holder = Holder { pid: own_pid(), created_at: jiff::Timestamp::now().to_string() };
        let text = serde_json::to_string(&holder).unwrap_or_default();
        let until = Instant::now() + PATIENCE;
        loop {
            match OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path) {
                Ok(mut file) => {
                    let lock = Self(Some(path.clone()));
                    file.write_all(text.as_bytes()).map_err(|error| Error::io("write", &path, error))?;
                    return Ok(lock);
                }
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(Error::io("make", &path, error));
                }
                Err(_) if is_left_over(&path) => {
                    // Somebody else may have done so just now.
                    let _ = std::fs::remove_file(&path);
                }
                Err(_) if Instant::now() > until => return Err(Error::Busy(path)),
                Err(_) => std::thread::sleep(PAUSE),
            }
        }
    }
}

impl Drop for StoreLock {
    fn drop(&mut self) {
        // One that a gateway took over meanwhile is its own.
        if let Some(path) = self.0.as_ref().filter(|path| holder(path).is_some_and(|holder| holder.pid == own_pid())) {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

fn holder(path: &Path) -> Option<Holder> {
    serde_json::from_slice(fsio::read_capped(path, MAX_LOCK).ok()?.expose()).ok()
}

/// Whether its holder has ended, or has had it for too long.
fn is_left_over(path: &Path) -> bool {
    let age = std::fs::symlink_metadata(path).and_then(|meta| meta.modified()).ok();
    let age = age.and_then(|since| SystemTime::now().duration_since(since).ok());
    let dead = holder(path)
        .and_then(|holder| rustix::process::Pid::from_raw(holder.pid))
        .is_some_and(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH));
    dead || age.is_some_and(|age| age > STALE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_of_a_dead_process_is_taken_over_and_one_of_ours_let_go() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("auth-profiles.json.lock");
        std::fs::write(&path, r#"{"pid":2147483646,"createdAt":"2026-01-01T00:00:00Z"}"#).expect("a lock");
        let lock = StoreLock::take(dir.path()).expect("the lock");
        let holder = std::fs::read_to_string(&path).expect("the lock");
        assert!(holder.contains(&format!("\"pid\":{}", std::process::id())), "{holder}");
        drop(lock);
        assert!(!path.exists());
        assert!(StoreLock::take(&dir.path().join("none")).is_ok_and(|lock| lock.0.is_none()));
    }
}
