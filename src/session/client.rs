//! A session, as commands see it.

use super::protocol::{self, Kind, MAX_FRAME, Standing, Verdict, frame, put, put_time};
use super::{Error, Terms, name};
use crate::fsio::{self, Dir};
use crate::harden;
use crate::seal::{self, Holder};
use crate::secret::{Secret, SecretBuf};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long each step of a conversation may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a new process may take to serve: longer than it waits for another one to end.
const START: i64 = 20;

/// A process that answered and holds a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    dir: PathBuf,
    standing: Standing,
}

impl Session {
    /// The session for the vault with this real path, and with this id if it is known, if one answers at its
    /// place in `dir`.
    pub fn find(dir: &Path, vault: &Path, vault_id: Option<&str>) -> Option<Self> {
        let answer = ask(dir, vault, Kind::Status, &[]).ok()?.answer()?;
        let standing = Standing::from_bytes(body(&answer, Verdict::Done)?)?;
        let is_it = standing.vault == vault && vault_id.is_none_or(|id| id == standing.vault_id);
        is_it.then(|| Self { dir: dir.to_owned(), standing })
    }

    /// The real path of its vault.
    pub fn vault(&self) -> &Path {
        &self.standing.vault
    }

    /// The id of its vault.
    pub fn vault_id(&self) -> &str {
        &self.standing.vault_id
    }

    /// What was left of its time when it was found; `None` until the next boot.
    pub fn left(&self) -> Option<Duration> {
        self.standing.left
    }

    /// Whether the page of the key could be locked into memory.
    pub fn is_locked(&self) -> bool {
        self.standing.locked
    }

    /// Has the session for the vault with this real path forget the key and end, and waits until the process is gone.
    /// False if there is none: whatever else keeps it from being told so is an error, since the key is still there.
    ///
    /// # Errors
    /// [`Error::Stays`] for one that does not answer or end; a directory that is not private.
    pub fn lock(dir: &Path, vault: &Path) -> Result<bool, Error> {
        // The stream ends with the process, and its memory has gone by then.
        if matches!(ask(dir, vault, Kind::Lock, &[])?, Asked::Nobody) {
            return Ok(false);
        }
        match ask(dir, vault, Kind::Status, &[])? {
            Asked::Nobody => Ok(true),
            Asked::Silent | Asked::Answer(_) => Err(Error::Stays),
        }
    }

    /// The vaults of all sessions in `dir`, and how many sessions do not answer.
    pub fn vaults(dir: &Path) -> (Vec<PathBuf>, usize) {
        let Ok(opened) = Dir::open(dir) else { return (Vec::new(), 0) };
        let names = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let (mut found, mut silent) = (Vec::new(), 0);
        for name in names.filter(|name| name.as_bytes().ends_with(b".sock")) {
            match converse(&opened, &name, &frame(Kind::Status as u8, &[])) {
                Asked::Nobody => {}
                Asked::Silent => silent += 1,
                Asked::Answer(answer) => {
                    found.extend(body(&answer, Verdict::Done).and_then(Standing::from_bytes).map(|one| one.vault));
                }
            }
        }
        (found, silent)
    }
}

impl Holder for Session {
    fn file_key(&self, header: &[u8]) -> Result<SecretBuf, seal::Error> {
        let answer = ask(&self.dir, &self.standing.vault, Kind::Open, header);
        let answer = answer.ok().and_then(Asked::answer).ok_or(seal::Error::Gone)?;
        if let Some(key) = body(&answer, Verdict::Done) {
            return Ok(SecretBuf::new(key.to_vec()));
        }
        let no_match = body(&answer, Verdict::NoMatch).is_some();
        Err(if no_match { seal::Error::NoMatch } else { seal::Error::Damaged })
    }

    fn tag(&self, message: &[u8]) -> Option<[u8; 32]> {
        let answer = ask(&self.dir, &self.standing.vault, Kind::Tag, message).ok()?.answer()?;
        body(&answer, Verdict::Done)?.try_into().ok()
    }

    fn public(&self) -> String {
        self.standing.public.clone()
    }
}

/// What became of a request.
enum Asked {
    /// Nothing is there, or nobody listens at it any more.
    Nobody,
    /// Somebody listens, and does not answer.
    Silent,
    Answer(SecretBuf),
}

impl Asked {
    fn answer(self) -> Option<SecretBuf> {
        match self {
            Self::Answer(answer) => Some(answer),
            Self::Nobody | Self::Silent => None,
        }
    }
}

/// One request and its answer, to the end of the stream.
fn ask(dir: &Path, vault: &Path, kind: Kind, body: &[u8]) -> Result<Asked, fsio::Error> {
    let dir = match Dir::open(dir) {
        Err(error) if error.is_not_found() => return Ok(Asked::Nobody),
        other => other?,
    };
    let name = name(vault);
    if dir.meta(&name)?.is_none() {
        return Ok(Asked::Nobody);
    }
    dir.check_private()?;
    Ok(converse(&dir, &name, &frame(kind as u8, body)))
}

fn converse(dir: &Dir, name: &OsStr, request: &[u8]) -> Asked {
    let mut stream: UnixStream = match fsio::connect(dir, name, PATIENCE) {
        Ok(stream) => stream,
        Err(fsio::Error::Io(_, _, error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            return Asked::Nobody;
        }
        Err(_) => return Asked::Silent,
    };
    let mut answer = Vec::with_capacity(1024);
    let read = stream.write_all(request).and_then(|()| stream.take(MAX_FRAME as u64 + 1).read_to_end(&mut answer));
    let answer = SecretBuf::new(answer);
    if read.is_ok_and(|count| count > 0) { Asked::Answer(answer) } else { Asked::Silent }
}

/// The body of an answer with this verdict.
fn body(answer: &SecretBuf, verdict: Verdict) -> Option<&[u8]> {
    match protocol::parse(answer.expose()) {
        Ok(Some((kind, body))) if kind == verdict as u8 => Some(body),
        _ => None,
    }
}

/// Gives `key`, an age identity, to a new process of `program` run with `args`, which must end in
/// [`super::serve`]; one that serves the same vault ends. The process holds nothing of this one but the key.
///
/// # Errors
/// [`Error::Start`]; a directory that is not private.
pub fn start(program: &Path, args: &[&str], terms: &Terms, key: &Secret) -> Result<Session, Error> {
    let dir = Dir::open_or_create_private(&terms.dir)?;
    let mut place = Vec::new();
    put(&mut place, terms.dir.as_os_str().as_bytes());
    put(&mut place, terms.vault.as_os_str().as_bytes());
    let mut fields = Vec::with_capacity(protocol::MAX_FRAME);
    put(&mut fields, terms.vault_id.as_bytes());
    put_time(&mut fields, terms.lasts);
    put(&mut fields, &terms.vouched);
    put(&mut fields, key.expose().as_bytes());
    let fields = SecretBuf::new(fields);
    let given = SecretBuf::new(frame(Kind::Key as u8, fields.expose()));

    let mut command = Command::new(program);
    command.args(args).env_clear().current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    harden::inherits_nothing(&mut command);
    let mut child = command.spawn().map_err(|_| Error::Start)?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let served = (|| {
        let (mut stdin, mut stdout) = (stdin?, stdout?);
        // Until it forbids that, others of this user can open its streams: nothing that is secret or that must be
        // true goes there. The place need not be: who listens at the true one is looked at below.
        stdin.write_all(&frame(0, &place)).ok()?;
        drop(stdin);
        let timeout = Timespec { tv_sec: START, tv_nsec: 0 };
        poll(&mut [PollFd::new(&stdout, PollFlags::IN)], Some(&timeout)).ok().filter(|ready| *ready > 0)?;
        stdout.read_exact(&mut [0]).ok()?;
        let mut stream: UnixStream = fsio::connect(&dir, &name(&terms.vault), PATIENCE).ok()?;
        harden::peer_pid(&stream).ok().filter(|pid| *pid == child.id())?;
        stream.write_all(given.expose()).ok()?;
        stream.read_exact(&mut [0]).ok()
    })();
    if served.is_none() {
        let _ = child.kill();
        let _ = child.wait();
        return Err(Error::Start);
    }
    Session::find(&terms.dir, &terms.vault, Some(&terms.vault_id)).ok_or(Error::Start)
}
