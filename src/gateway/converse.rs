//! A program that is run to its end: it gets an input, and its output is taken, both in bounded time.

use super::Error;
use crate::harden;
use crate::secret::SecretBuf;
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio, read, write};
use rustix::process::{Pid, Signal, kill_process_group};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the output of a program may stay open after it has ended.
const GRACE: Duration = Duration::from_secs(5);
/// How often it is looked whether one that says nothing has ended.
const GLANCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
/// How much is read at once, in bytes.
const PIECE: usize = 64 * 1024;
/// Most that is read of what it prints, in bytes.
const MAX_OUTPUT: usize = 20 * 1024 * 1024;
/// Most that is kept of its messages, in bytes; more is read and dropped.
const MAX_MESSAGES: usize = 64 * 1024;

/// What a run of a program gave.
#[derive(Debug)]
pub struct Output {
    /// Its exit code, `None` for a death by signal.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: SecretBuf,
    /// The beginning of its messages, those of what it has started among them.
    pub stderr: SecretBuf,
    /// Whether something that it left behind still held its output open, and had to be ended.
    pub left_open: bool,
}

/// Runs a program with this input and takes its output; what does not end in time is killed. It gets no descriptor
/// of ours: a key may lie on one.
///
/// # Errors
/// [`Error::Program`].
pub fn converse(command: &mut Command, input: &[u8], patience: Duration) -> Result<Output, Error> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    harden::inherits_nothing(command);
    let mut child = command.spawn().map_err(|_| Error::Program)?;
    let said = talk(&mut child, input, patience, GRACE);
    // What did not end by itself must not go on behind our back.
    let _ = child.kill();
    let ended = child.wait().map_err(|_| Error::Program)?;
    let Said { stdout, stderr, left_open } = said?;
    Ok(Output { code: ended.code(), stdout, stderr, left_open })
}

/// What a program printed until it ended.
struct Said {
    stdout: SecretBuf,
    stderr: SecretBuf,
    left_open: bool,
}

/// Gives a program its input and takes its output, until it ends. Nothing here waits for longer than a glance:
/// what a program has started may outlive it, in a session of its own too, and hold these pipes for ever.
fn talk(child: &mut Child, input: &[u8], patience: Duration, grace: Duration) -> Result<Said, Error> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(stdin), Some(stdout)) = (stdin, stdout) else { return Err(Error::Program) };
    // Our ends alone: those of the program are others.
    ioctl_fionbio(&stdin, true).map_err(|_| Error::Program)?;
    let mut inlet = Inlet { pipe: Some(stdin), rest: input };
    let mut outlet = Outlet::of(Some(stdout), MAX_OUTPUT)?;
    let mut messages = Outlet::of(stderr, MAX_MESSAGES)?;
    let (mut until, mut ended) = (Instant::now() + patience, false);
    let said = |outlet: Outlet<_>, messages: Outlet<_>, left_open| Said {
        stdout: SecretBuf::new(outlet.bytes),
        stderr: SecretBuf::new(messages.bytes),
        left_open,
    };
    loop {
        if !ended && child.try_wait().map_err(|_| Error::Program)?.is_some() {
            ended = true;
            // Something that it started may hold its output open: not for long.
            until = until.min(Instant::now() + grace);
        }
        inlet.write();
        if !outlet.read()? {
            outlet.pipe = None;
        }
        // Of messages, what is too much is dropped.
        messages.read()?;
        // The end of its messages is not waited for: its own are read by the time it has ended.
        if ended && outlet.pipe.is_none() {
            return Ok(said(outlet, messages, false));
        }
        if Instant::now() > until {
            let _ = child.kill();
            if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                // One that leads no group of its own has none of this number.
                let _ = kill_process_group(group, Signal::KILL);
            }
            // What it left behind is gone or of no interest, and what it said itself is complete.
            return if ended { Ok(said(outlet, messages, true)) } else { Err(Error::Program) };
        }
        let mut pipes: Vec<_> = inlet.pipe.iter().map(|pipe| PollFd::new(pipe, PollFlags::OUT)).collect();
        pipes.extend(outlet.pipe.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        pipes.extend(messages.pipe.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        match poll(&mut pipes, Some(&GLANCE)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return Err(Error::Program),
        }
    }
}

/// What is still to be written; closed when that is all.
struct Inlet<'i> {
    pipe: Option<ChildStdin>,
    rest: &'i [u8],
}

impl Inlet<'_> {
    /// Writes what is taken at once.
    fn write(&mut self) {
        while let Some(pipe) = &self.pipe {
            match write(pipe, self.rest) {
                _ if self.rest.is_empty() => self.pipe = None,
                Ok(count) => self.rest = self.rest.get(count..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                // One that does not want its input has ended, and its code says why.
                Err(_) => self.pipe = None,
            }
        }
    }
}

/// What was read; closed at its end.
struct Outlet<P> {
    pipe: Option<P>,
    bytes: Vec<u8>,
    most: usize,
}

impl<P: AsFd> Outlet<P> {
    fn of(pipe: Option<P>, most: usize) -> Result<Self, Error> {
        pipe.iter().try_for_each(|pipe| ioctl_fionbio(pipe, true)).map_err(|_| Error::Program)?;
        Ok(Self { pipe, bytes: Vec::new(), most })
    }

    /// Reads what is there at once, of more only a piece: time passes meanwhile. Whether that was not too much.
    fn read(&mut self) -> Result<bool, Error> {
        let Some(pipe) = &self.pipe else { return Ok(true) };
        self.bytes.reserve(PIECE);
        match read(pipe, spare_capacity(&mut self.bytes)) {
            Ok(0) => self.pipe = None,
            Ok(_) if self.bytes.len() >= self.most => {
                self.bytes.truncate(self.most);
                return Ok(false);
            }
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => return Err(Error::Program),
        }
        Ok(true)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;

    const SOON: Duration = Duration::from_millis(300);
    const LATE: Duration = Duration::from_secs(30);

    fn sh(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).process_group(0);
        command
    }

    fn talks(script: &str, input: &[u8], patience: Duration) -> Result<(SecretBuf, bool), Error> {
        let mut command = sh(script);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let start = Instant::now();
        let said = talk(&mut child, input, patience, SOON).map(|said| (said.stdout, said.left_open));
        assert!(start.elapsed() < LATE / 2, "it waited for what lives longer");
        let _ = child.kill();
        child.wait().unwrap();
        said
    }

    #[test]
    fn nobody_waits_for_what_a_program_leaves_behind_in_a_session_of_its_own() {
        // It keeps both pipes; it does not read, and says nothing or is never done.
        for left in ["setsid sleep 60", "setsid sh -c 'while sleep 0.01; do echo more; done'"] {
            let (bytes, left_open) = talks(&format!("{left} <&0 & echo $!; echo said"), &[0; 1 << 20], LATE).unwrap();
            let text = String::from_utf8(bytes.expose().to_vec()).unwrap();
            let (pid, rest) = text.split_once('\n').unwrap();
            let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
            // It leads its session once it has one; before, it went with the group.
            let _ = kill_process_group(pid, Signal::KILL);
            assert!(left_open && rest.contains("said"), "{text}");
        }
    }

    #[test]
    fn what_stays_in_the_group_ends_and_what_does_not_end_has_no_result() {
        let (bytes, left_open) = talks("sleep 60 & echo said", b"", LATE).unwrap();
        assert!(left_open && bytes.expose() == b"said\n");
        assert!(matches!(talks("echo said; exec sleep 60", b"", SOON), Err(Error::Program)));
        assert!(matches!(talks("exec >&-; exec sleep 60", b"", SOON), Err(Error::Program)), "closed is not ended");
    }

    #[test]
    fn input_is_written_while_output_is_read_and_may_be_refused() {
        let input: Vec<u8> = (0..4_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let (bytes, left_open) = talks("exec cat", &input, LATE).unwrap();
        assert!(bytes.expose() == input && !left_open);
        let output = converse(&mut sh("echo no; exit 3"), &input, LATE).unwrap();
        assert_eq!((output.code, output.stdout.expose(), output.left_open), (Some(3), &b"no\n"[..], false));
    }

    #[test]
    fn messages_are_kept_up_to_a_bound_and_never_waited_for() {
        let output = converse(&mut sh("echo why >&2; echo said; exit 1"), b"", LATE).unwrap();
        assert_eq!((output.stdout.expose(), output.stderr.expose()), (&b"said\n"[..], &b"why\n"[..]));
        let flood = "yes why | head -c 4000000 >&2; echo said";
        let output = converse(&mut sh(flood), b"", LATE).unwrap();
        assert_eq!((output.stdout.expose(), output.stderr.expose().len()), (&b"said\n"[..], MAX_MESSAGES));
        let start = Instant::now();
        let output = converse(&mut sh("echo why >&2; sleep 5 <&- >&- & echo $!"), b"", LATE).unwrap();
        assert!(start.elapsed() < Duration::from_secs(4) && output.stderr.expose() == b"why\n");
        let pid = output.stdout.text().unwrap().trim().parse().unwrap();
        let _ = rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
    }

    #[test]
    fn a_program_gets_no_descriptor_that_this_process_was_given() {
        let key = tempfile::tempfile().unwrap();
        let inherited = rustix::io::fcntl_dupfd_cloexec(&key, 700).unwrap();
        rustix::io::fcntl_setfd(&inherited, rustix::io::FdFlags::empty()).unwrap();
        let output = converse(&mut sh("ls /proc/self/fd /dev/fd/ | grep -c '^700$'; exit 0"), b"", LATE).unwrap();
        assert_eq!(output.stdout.expose(), b"0\n");
        // Here it stays what it was: a key that is read later is found.
        assert!(rustix::io::fcntl_getfd(&inherited).unwrap().is_empty());
        let none = converse(&mut Command::new("/nothing/there"), b"", LATE);
        assert!(matches!(none, Err(Error::Program)));
    }
}
