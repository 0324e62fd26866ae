//! A command that runs: its streams, its end.

use super::{Outcome, failed};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);

/// A command that has ended.
pub struct Run {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    /// All that was to be seen on the terminal, if it had one.
    pub ttyout: String,
}

/// Files behind the streams: a process that outlives the command cannot hold up the reader of a pipe.
pub struct Streams<'a> {
    dir: &'a Path,
    has_input: bool,
}

impl Streams<'_> {
    pub fn open<'a>(dir: &'a Path, stdin: Option<&[u8]>) -> Outcome<Streams<'a>> {
        for name in ["stdout", "stderr", "stdin"] {
            // Removed, not emptied: that process may still have it open.
            let path = dir.join(name);
            let _ = fs::remove_file(&path);
            let text = if name == "stdin" { stdin.unwrap_or_default() } else { &[] };
            fs::write(&path, text).map_err(failed("write", &path))?;
        }
        Ok(Streams { dir, has_input: stdin.is_some() })
    }

    pub fn stdin(&self) -> Outcome<Stdio> {
        let path = self.dir.join("stdin");
        let file = || File::open(&path).map_err(failed("read", &path));
        Ok(if self.has_input { file()?.into() } else { Stdio::null() })
    }

    pub fn file(&self, name: &str) -> Outcome<File> {
        let path = self.dir.join(name);
        File::options().append(true).open(&path).map_err(failed("write", &path))
    }

    pub fn read(&self, status: ExitStatus, ttyout: String) -> Outcome<Run> {
        let text = |name| {
            let path = self.dir.join(name);
            let bytes = fs::read(&path).map_err(failed("read", &path))?;
            Ok::<_, String>(String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok(Run { status, stdout: text("stdout")?, stderr: text("stderr")?, ttyout })
    }
}

/// Waits for the end of a leader of a process group, and makes one after a while.
pub fn wait(child: &mut Child) -> Outcome<ExitStatus> {
    let start = Instant::now();
    let mut pause = Duration::from_micros(500);
    loop {
        if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
            return Ok(status);
        }
        if start.elapsed() > LIMIT {
            kill(child);
            return Err(format!("it ran for more than {} seconds", LIMIT.as_secs()));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Ends the whole group, unless its leader has ended: its number may be another's by now.
pub fn kill(child: &mut Child) {
    if matches!(child.try_wait(), Ok(None)) {
        let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
        let _ = child.wait();
    }
}
