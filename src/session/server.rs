//! The process that holds the key.

use super::client::Session;
use super::protocol::{
    self, Kind, MAX_FRAME, Refused, Standing, Verdict, frame, take, take_path, take_text, take_time,
};
use super::{Error, name};
use crate::fsio::{self, Dir, Lock};
use crate::harden::{self, LockedBytes, peer_pid, peer_uid, scrub_stack};
use crate::seal::{self, Identity};
use crate::secret::SecretBuf;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Most that is given to a new process, in bytes.
const MAX_GIVEN: usize = 16 * 1024;
/// How long another session for the same vault may take to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the key may take to come.
const GIVEN: Duration = Duration::from_secs(10);
/// Callers that are listened to at the same time; the one that came first makes room.
const CALLERS: usize = 32;
/// How long a caller may take to say what it wants.
const REQUEST: Duration = Duration::from_secs(2);
/// How often it is looked whether the socket still is there; and how late the end may be after the machine has
/// slept, since the wait itself stands still meanwhile.
const LOOK: Duration = Duration::from_secs(10);

/// Takes its place from standard input, calls `ready`, which is to write one byte to standard output, takes a key
/// from the parent at its socket, and serves until its time is over. To be called by a process that has done nothing else.
///
/// # Errors
/// [`Error::Foreign`] for input that [`super::start`] did not write; a directory that is not private.
pub fn serve(ready: impl FnOnce() -> io::Result<()>) -> Result<(), Error> {
    let failed = |error| fsio::Error::io("start", Path::new("a session"), error);
    harden::leave_caller().map_err(failed)?;
    let (dir, vault) = read_place()?;
    let dir = Dir::open_or_create_private(&dir)?;
    let name = name(&vault);
    let _alone = alone(&dir, &name, &vault)?;
    // Who held the lock has ended; what it left is stale.
    dir.remove(&name)?;
    let listener = fsio::listen(&dir, &name)?;
    let socket = Socket { inode: dir.meta(&name)?.map(|meta| meta.inode), dir, name };
    ready().map_err(|_| Error::Start)?;
    let taken = take_key(&listener).and_then(|(held, key)| Ok((key.with(Identity::public)?, held, key)));
    let Ok((public, Held { vault_id, lasts }, key)) = taken else {
        // Nobody is to find what holds nothing.
        if socket.is_there() {
            let _ = socket.dir.remove(&socket.name);
        }
        return Err(Error::Foreign);
    };
    let_go().map_err(failed)?;
    let until = lasts.map(|lasts| clock().saturating_add(lasts));
    let standing = Standing { vault, vault_id, public, left: None, locked: key.0.is_locked() };
    Server { key: Some(key), standing, until, socket, callers: Vec::new() }.run(&listener);
    Ok(())
}

/// The streams of whoever started this are theirs.
fn let_go() -> io::Result<()> {
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(rustix::stdio::dup2_stderr(&null)?)
}

/// Time since the boot, sleep of the machine included.
fn clock() -> Duration {
    #[cfg(target_os = "linux")]
    let now = clock_gettime(ClockId::Boottime);
    #[cfg(not(target_os = "linux"))]
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or_default(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// The text of an identity, on locked pages; made a key for each request and forgotten again.
struct HeldKey(LockedBytes);

impl HeldKey {
    /// Does something with the key. What it leaves on the stack, where a value stays that was moved elsewhere, is
    /// below the frame of this one.
    fn with<R>(&self, work: impl FnOnce(&Identity) -> R) -> Result<R, Error> {
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
fn read_place() -> Result<(PathBuf, PathBuf), Error> {
    let given = read_frame(rustix::stdio::stdin())?;
    let Ok(Some((_, mut rest))) = protocol::parse(&given) else { return Err(Error::Foreign) };
    take_path(&mut rest).zip(take_path(&mut rest)).ok_or(Error::Foreign)
}

/// What comes with a key.
struct Held {
    vault_id: String,
    lasts: Option<Duration>,
}

/// Waits for the key, which only the process that started this one may give; whoever else calls is not heard.
fn take_key(listener: &UnixListener) -> Result<(Held, HeldKey), Error> {
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
    let held = Held { vault_id: take_text(rest)?, lasts: take_time(rest)? };
    let key = take(rest).filter(|_| kind == Kind::Key as u8)?;
    let kept = LockedBytes::fill(key.len(), |room| {
        room.copy_from_slice(key);
        Ok::<_, io::Error>(key.len())
    });
    Some((held, HeldKey(kept.ok()?)))
}

fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(time.as_secs()).unwrap_or_default(), tv_nsec: time.subsec_nanos().into() }
}

/// One session for each vault: who holds the lock is asked to end, and whoever comes last stays.
fn alone(dir: &Dir, name: &OsStr, vault: &Path) -> Result<Lock, Error> {
    let mut lock_name = name.to_owned();
    lock_name.push(".lock");
    let start = clock();
    loop {
        match Lock::acquire(dir, &lock_name, Duration::from_millis(20)) {
            Err(fsio::Error::Busy(_)) if clock().saturating_sub(start) < PATIENCE => {
                if let Some(other) = Session::find(dir.path(), vault, None) {
                    let _ = other.lock();
                }
            }
            other => return Ok(other?),
        }
    }
}

/// The name at which callers find us.
struct Socket {
    dir: Dir,
    name: OsString,
    inode: Option<(u64, u64)>,
}

impl Socket {
    /// A runtime directory goes with the last logout, and nobody could end a session that nobody finds.
    fn is_there(&self) -> bool {
        self.dir.meta(&self.name).is_ok_and(|meta| meta.map(|meta| meta.inode) == self.inode)
            && PathBuf::from(self.dir.path()).join(&self.name).symlink_metadata().is_ok()
    }
}

struct Caller {
    stream: UnixStream,
    since: Duration,
    bytes: Vec<u8>,
}

/// What becomes of a caller after it was heard.
enum Heard {
    More,
    Done,
    /// Nobody is served any more.
    End,
}

struct Server {
    /// `None` once it is over.
    key: Option<HeldKey>,
    standing: Standing,
    until: Option<Duration>,
    socket: Socket,
    callers: Vec<Caller>,
}

impl Server {
    fn run(mut self, listener: &UnixListener) {
        loop {
            let now = clock();
            let is_over = self.until.is_some_and(|until| now >= until) || !self.socket.is_there();
            if is_over || !self.wait(listener, now) {
                return self.end();
            }
        }
    }

    /// Whatever comes first: somebody calls or speaks, or there is something to look after. False if that was
    /// the last.
    fn wait(&mut self, listener: &UnixListener, now: Duration) -> bool {
        self.callers.retain(|caller| now.saturating_sub(caller.since) < REQUEST);
        let ends = self.until.into_iter().chain(self.callers.iter().map(|caller| caller.since + REQUEST));
        let next = ends.map(|end| end.saturating_sub(now)).fold(LOOK, Duration::min);
        let timeout = timespec(next);
        let fds: Vec<BorrowedFd<'_>> =
            [listener.as_fd()].into_iter().chain(self.callers.iter().map(|caller| caller.stream.as_fd())).collect();
        let mut fds: Vec<PollFd<'_>> = fds.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        if poll(&mut fds, Some(&timeout)).is_err() {
            return true;
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        // It may have slept meanwhile.
        if self.until.is_some_and(|until| clock() >= until) {
            return false;
        }
        let mut ready = ready.into_iter();
        let called = ready.next() == Some(true);
        for (mut caller, ready) in std::mem::take(&mut self.callers).into_iter().zip(ready) {
            match if ready { self.hear(&mut caller) } else { Heard::More } {
                Heard::More => self.callers.push(caller),
                Heard::Done => {}
                Heard::End => {
                    self.callers.push(caller);
                    return false;
                }
            }
        }
        if called {
            self.welcome(listener);
        }
        true
    }

    /// Takes those that have called, if they are of this user.
    fn welcome(&mut self, listener: &UnixListener) {
        while let Ok((stream, _)) = listener.accept() {
            let ours = peer_uid(&stream).is_ok_and(|uid| uid == fsio::own_uid());
            if !ours || stream.set_nonblocking(true).is_err() {
                continue;
            }
            if self.callers.len() >= CALLERS {
                self.callers.remove(0);
            }
            self.callers.push(Caller { stream, since: clock(), bytes: Vec::new() });
        }
    }

    fn hear(&mut self, caller: &mut Caller) -> Heard {
        let mut part = [0; 16 * 1024];
        match caller.stream.read(&mut part) {
            Ok(0) => return Heard::Done,
            Ok(count) => caller.bytes.extend_from_slice(part.get(..count).unwrap_or_default()),
            Err(error) if [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted].contains(&error.kind()) => {
                return Heard::More;
            }
            Err(_) => return Heard::Done,
        }
        match protocol::parse(&caller.bytes) {
            Ok(None) if caller.bytes.len() <= MAX_FRAME => Heard::More,
            Ok(Some((kind, body))) => {
                let heard = match kind {
                    kind if kind == Kind::Lock as u8 => {
                        // Wiped before anybody is told so.
                        self.key = None;
                        Heard::End
                    }
                    _ => Heard::Done,
                };
                if let Some(answer) = self.answer(kind, body) {
                    let _ = caller.stream.write_all(answer.expose());
                }
                heard
            }
            Err(Refused::OtherProtocol) => Heard::End,
            Ok(None) | Err(Refused::Malformed | Refused::TooLong) => Heard::Done,
        }
    }

    /// A frame; `None` for what cannot be asked.
    fn answer(&self, kind: u8, body: &[u8]) -> Option<SecretBuf> {
        let frame = |verdict: Verdict, body: &[u8]| SecretBuf::new(frame(verdict as u8, body));
        match kind {
            kind if kind == Kind::Status as u8 => {
                let left = self.until.map(|until| until.saturating_sub(clock()));
                Some(frame(Verdict::Done, &Standing { left, ..self.standing.clone() }.to_bytes()))
            }
            kind if kind == Kind::Open as u8 => {
                let file_key = self.key.as_ref()?.with(|identity| seal::unwrap(body, identity)).ok()?;
                Some(match file_key {
                    Ok(key) => frame(Verdict::Done, key.expose()),
                    Err(seal::Error::NoMatch) => frame(Verdict::NoMatch, &[]),
                    Err(_) => frame(Verdict::Refused, &[]),
                })
            }
            kind if kind == Kind::Tag as u8 => {
                // It vouches for its own vault alone.
                let is_of_ours = body.split(|byte| *byte == 0).nth(1) == Some(self.standing.vault_id.as_bytes());
                let tag = if is_of_ours { self.key.as_ref()?.with(|identity| identity.tag(body)).ok()? } else { None };
                Some(match tag {
                    Some(tag) => frame(Verdict::Done, &tag),
                    None => frame(Verdict::Refused, &[]),
                })
            }
            kind if kind == Kind::Lock as u8 => Some(frame(Verdict::Done, &[])),
            _ => None,
        }
    }

    /// The key goes first, then the name; callers see the end of their streams when the process is gone.
    fn end(mut self) {
        self.key = None;
        if self.socket.is_there() {
            let _ = self.socket.dir.remove(&self.socket.name);
        }
        // The system closes them with the process.
        std::mem::forget(self.callers);
    }
}
