//! The pipes to a plugin and from it. Nobody waits for it without end: whoever does holds the vault's lock.

use super::Fault;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read, write};
use std::os::fd::AsFd;
use std::process::Child;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Most that is written at once: a pipe that is ready takes it without a wait, on every system.
const PIECE: usize = 512;

/// A started plugin; it ends with this.
pub(super) struct Pipes {
    child: Child,
    /// How long it may keep silent, or take nothing that it is told.
    patience: Duration,
    /// What came and was not looked at yet.
    heard: Vec<u8>,
}

impl Drop for Pipes {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Pipes {
    /// Of a child whose standard input and output are pipes.
    pub(super) fn of(child: Child, patience: Duration) -> Self {
        Self { child, patience, heard: Vec::new() }
    }

    /// Until when it must have answered, or taken, what is begun now.
    pub(super) fn end(&self) -> Instant {
        Instant::now() + self.patience
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// [`Fault::Silent`]; [`Fault::Failed`] for a plugin that has ended.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), Fault> {
        let pipe = self.child.stdin.as_ref().ok_or(Fault::Failed)?;
        let end = self.end();
        while !bytes.is_empty() {
            self.ready(pipe, PollFlags::OUT, end)?;
            let piece = bytes.get(..PIECE).unwrap_or(bytes);
            match write(pipe, piece) {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(_) => return Err(Fault::Failed),
            }
        }
        Ok(())
    }

    /// Reads up to the next line break, of at most `most` bytes and some.
    ///
    /// # Errors
    /// [`Fault::Silent`] when it has not come before `end`; [`Fault::Failed`] for the end of the pipe, for too much,
    /// and for what is no text.
    pub(super) fn line(&mut self, most: usize, end: Instant) -> Result<String, Fault> {
        loop {
            if let Some(at) = self.heard.iter().position(|byte| *byte == b'\n') {
                let rest = self.heard.split_off(at + 1);
                let mut line = std::mem::replace(&mut self.heard, rest);
                line.pop();
                return String::from_utf8(line).map_err(|_| Fault::Failed);
            }
            let pipe = self.child.stdout.as_ref().ok_or(Fault::Failed)?;
            self.ready(pipe, PollFlags::IN, end)?;
            let mut part = Zeroizing::new([0; 4096]);
            let count = match read(pipe, &mut *part) {
                Err(Errno::INTR) => continue,
                read => read.unwrap_or(0),
            };
            if count == 0 || self.heard.len() > most {
                return Err(Fault::Failed);
            }
            self.heard.extend_from_slice(part.get(..count).unwrap_or_default());
        }
    }

    /// Waits until one of the pipes can be used, or was closed.
    fn ready(&self, pipe: &impl AsFd, what: PollFlags, end: Instant) -> Result<(), Fault> {
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).map_err(|_| Fault::Failed)?;
            match poll(&mut [PollFd::new(pipe, what)], Some(&left)) {
                Ok(0) => return Err(Fault::Silent(self.patience.as_secs())),
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(_) => return Err(Fault::Failed),
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    const SHORT: Duration = Duration::from_millis(300);

    fn plugin(script: &str, patience: Duration) -> Pipes {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        Pipes::of(command.spawn().unwrap(), patience)
    }

    fn line(pipes: &mut Pipes) -> Result<String, Fault> {
        pipes.line(1000, pipes.end())
    }

    #[test]
    fn one_that_stays_silent_is_not_waited_for() {
        for script in ["exec sleep 60", "printf half; exec sleep 60", "while sleep 0.1; do printf x; done"] {
            let begun = Instant::now();
            assert_eq!(line(&mut plugin(script, SHORT)), Err(Fault::Silent(0)), "{script}");
            assert!(begun.elapsed() < 20 * SHORT, "{script}");
        }
        assert_eq!(line(&mut plugin("exec sleep 60 >&-", SHORT)), Err(Fault::Failed));
    }

    #[test]
    fn one_that_takes_nothing_is_not_waited_for() {
        // More than any pipe holds.
        let much = vec![b'x'; 4 << 20];
        assert_eq!(plugin("exec sleep 60", SHORT).write(&much), Err(Fault::Silent(0)));
        let mut slow = plugin("sleep 0.3; wc -c; echo done", 60 * SHORT);
        slow.write(&much).unwrap();
        slow.child.stdin = None;
        assert_eq!(line(&mut slow).unwrap().trim(), much.len().to_string());
        assert_eq!(line(&mut slow).unwrap(), "done");
    }
}
