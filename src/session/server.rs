//! The process that holds the key.

use super::client::Session;
use super::given::{Held, HeldKey, read_place, take_key};
use super::protocol::{self, Kind, MAX_FRAME, Refused, Standing, Verdict, frame};
use super::{Error, name};
use crate::fsio::{self, Dir, Lock};
use crate::harden::{self, peer_uid};
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

/// How long another session for the same vault may take to end.
const PATIENCE: Duration = Duration::from_secs(5);
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
    let Ok((public, Held { vault_id, lasts, vouched }, key)) = taken else {
        // Nobody is to find what holds nothing.
        if socket.is_there() {
            let _ = socket.dir.remove(&socket.name);
        }
        return Err(Error::Foreign);
    };
    let_go().map_err(failed)?;
    let until = lasts.map(|lasts| clock().saturating_add(lasts));
    let standing = Standing { vault, vault_id, public, left: None, locked: key.is_locked() };
    Server { key: Some(key), standing, vouched, until, socket, callers: Vec::new() }.run(&listener);
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
pub(super) fn clock() -> Duration {
    #[cfg(target_os = "linux")]
    let now = clock_gettime(ClockId::Boottime);
    #[cfg(not(target_os = "linux"))]
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or_default(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// As the system wants it.
pub(super) fn timespec(time: Duration) -> Timespec {
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
                let _ = Session::lock(dir.path(), vault);
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
    /// The one message that is tagged.
    vouched: Vec<u8>,
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
            // One of a later version has been installed, and starts its own.
            Err(Refused::LaterProtocol) => Heard::End,
            Ok(None) | Err(Refused::EarlierProtocol | Refused::Malformed | Refused::TooLong) => Heard::Done,
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
                // It vouches for the vault that was checked when it was started, and for nothing else.
                let is_it = body == self.vouched;
                let tag = if is_it { self.key.as_ref()?.with(|identity| identity.tag(body)).ok()? } else { None };
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
