//! What a new process is given: its place, and then the key.

use super::Error;
use super::protocol::{self, Kind, Verdict, frame, take, take_path, take_text, take_time};
use super::server::{clock, timespec};
use crate::fsio;
use crate::harden::{LockedBytes, peer_pid, peer_uid, scrub_stack};
use crate::seal::Identity;
use rustix::event::{PollFd, PollFlags, poll};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

/// Most that is given to a new process, in bytes.
const MAX_GIVEN: usize = 16 * 1024;
/// How long the key may take to come.
const GIVEN: Duration = Duration::from_secs(10);
/// How long it may take to be read.
const PATIENCE: Duration = Duration::from_secs(5);

/// The text of an identity, on locked pages; made a key for each request and forgotten again.
pub struct HeldKey(LockedBytes);

impl HeldKey {
    /// Whether its page could be locked into memory.
    pub fn is_locked(&self) -> bool {
        self.0.is_locked()
    }

    /// Does something with the key. What it leaves on the stack, where a value stays that was moved elsewhere, is
    /// below the frame of this one.
    pub fn with<R>(&self, work: impl FnOnce(&Identity) -> R) -> Result<R, Error> {
        let done = self.with_below(work);
        scrub_stack();
        done
    }

    #[inline(never)]
    fn with_below<R>(&self, work: impl FnOnce(&Identity) -> R) -> Result<R, Error> {
        let text = std::str::from_utf8(&self.0).map_err(|_| Error::Foreign)?;
        Ok(work(&Identity::parse(text).map_err(|_| Error::Foreign)?))
    }
}

/// A frame, on locked pages for the sake of one with a key.
fn read_frame(from: impl AsFd) -> Result<LockedBytes, Error> {
    LockedBytes::fill(MAX_GIVEN, |room| {
        let mut used = 0;
        while let Some(left) = room.get_mut(used..).filter(|left| !left.is_empty()) {
            match rustix::io::read(&from, left) {
                Err(rustix::io::Errno::INTR) => {}
                Ok(0) => break,
                Ok(count) => used += count,
                Err(error) => return Err(io::Error::from(error)),
            }
            if !matches!(room.get(..used).map(protocol::parse), Some(Ok(None))) {
                break;
            }
        }
        Ok(used)
    })
    .map_err(|_| Error::Foreign)
}

/// The directory of the socket and the path of the vault; see [`super::start`]. Others could have written them.
///
/// # Errors
/// [`Error::Foreign`].
pub fn read_place() -> Result<(PathBuf, PathBuf), Error> {
    let given = read_frame(rustix::stdio::stdin())?;
    let Ok(Some((_, mut rest))) = protocol::parse(&given) else { return Err(Error::Foreign) };
    take_path(&mut rest).zip(take_path(&mut rest)).ok_or(Error::Foreign)
}

/// What comes with a key.
pub struct Held {
    /// The id of the vault.
    pub vault_id: String,
    /// How long it may last.
    pub lasts: Option<Duration>,
    /// The one message that it may tag.
    pub vouched: Vec<u8>,
}

/// Waits for the key, which only the process that started this one may give; whoever else calls is not heard.
///
/// # Errors
/// [`Error::Foreign`] when none comes in time, or another thing.
pub fn take_key(listener: &UnixListener) -> Result<(Held, HeldKey), Error> {
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    let start = clock();
    while let Some(left) = GIVEN.checked_sub(clock().saturating_sub(start)).filter(|left| !left.is_zero()) {
        let timeout = timespec(left);
        let _ = poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&timeout));
        let Ok((mut stream, _)) = listener.accept() else { continue };
        let ours = peer_uid(&stream).is_ok_and(|uid| uid == fsio::own_uid());
        if !ours || peer_pid(&stream).ok() != parent {
            continue;
        }
        let patient = stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(PATIENCE)));
        patient.map_err(|_| Error::Foreign)?;
        let given = read_frame(&stream)?;
        let held = held(&given).ok_or(Error::Foreign)?;
        stream.write_all(&frame(Verdict::Done as u8, &[])).map_err(|_| Error::Foreign)?;
        return Ok(held);
    }
    Err(Error::Foreign)
}

fn held(given: &[u8]) -> Option<(Held, HeldKey)> {
    let Ok(Some((kind, mut fields))) = protocol::parse(given) else { return None };
    let rest = &mut fields;
    let held = Held { vault_id: take_text(rest)?, lasts: take_time(rest)?, vouched: take(rest)?.to_vec() };
    let key = take(rest).filter(|_| kind == Kind::Key as u8)?;
    let kept = LockedBytes::fill(key.len(), |room| {
        room.copy_from_slice(key);
        Ok::<_, io::Error>(key.len())
    });
    Some((held, HeldKey(kept.ok()?)))
}
