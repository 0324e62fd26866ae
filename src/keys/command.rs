//! A program of the owner's that prints an identity file: that of a password manager, for instance.

use super::{Error, MAX_KEY_FILE, Source};
use crate::fsio;
use crate::harden;
use crate::secret::SecretBuf;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long it may take: somebody may have to unlock something first.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks whether it has ended.
const PAUSE: Duration = Duration::from_millis(5);

/// The command, as it is set and not looked at yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityCommand {
    /// Words as a shell would split them, without anything else of a shell; or a JSON array.
    pub line: OsString,
    /// Where a program without a directory is looked for; only absolute places count.
    pub search: Vec<PathBuf>,
    /// Variables that it does not get: they lead to keys.
    pub without: Vec<OsString>,
}

/// Why a command gave no identity.
#[derive(Debug)]
pub enum CommandError {
    /// It cannot be split into words, or has none.
    Words,
    /// There is no such program, or a relative path leads to it.
    NoProgram,
    /// Somebody else than we or root could put another one in its place.
    Unsafe(PathBuf),
    /// The system refuses to run it.
    NotRun(io::Error),
    /// It ended with this code; by a signal without one.
    Failed(Option<i32>),
    /// It did not end within so many seconds.
    TooLong(u64),
}

impl IdentityCommand {
    /// The program and its arguments.
    ///
    /// # Errors
    /// [`CommandError::Words`], [`CommandError::NoProgram`], [`CommandError::Unsafe`].
    pub(super) fn resolve(&self) -> Result<(PathBuf, Vec<OsString>), CommandError> {
        let mut words = split(&self.line).ok_or(CommandError::Words)?.into_iter();
        let program = words.next().filter(|word| !word.is_empty()).ok_or(CommandError::Words)?;
        let named = Path::new(&program);
        let found = if named.is_absolute() {
            Some(named.to_owned()).filter(|path| is_program(path))
        } else if program.as_bytes().contains(&b'/') {
            None
        } else {
            let places = self.search.iter().filter(|dir| dir.is_absolute());
            places.map(|dir| dir.join(named)).find(|path| is_program(path))
        };
        let found = found.ok_or(CommandError::NoProgram)?;
        fsio::check_way(&found).map_err(|_| CommandError::Unsafe(found.clone()))?;
        Ok((found, words.collect()))
    }

    /// Runs it, without a shell, and takes what it prints; its errors go where ours go.
    ///
    /// # Errors
    /// [`Error::Command`]; more output than a key file may have.
    pub(super) fn run(&self) -> Result<SecretBuf, Error> {
        let (program, arguments) = self.resolve().map_err(Error::Command)?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        self.without.iter().for_each(|name| {
            command.env_remove(name);
        });
        harden::inherits_nothing(&mut command);
        let end = Instant::now() + PATIENCE;
        let mut child = command.spawn().map_err(|error| Error::Command(CommandError::NotRun(error)))?;
        let output = self.output(&mut child, end);
        if output.is_err() {
            let _ = child.kill();
        }
        let ended = wait(&mut child, end);
        let output = output?;
        match ended {
            Ok(None) => Ok(output),
            Ok(Some(code)) => Err(Error::Command(CommandError::Failed(code))),
            Err(error) => Err(Error::Command(error)),
        }
    }

    /// All that it prints. From a thread of its own: what it has started may keep the pipe open.
    fn output(&self, child: &mut Child, end: Instant) -> Result<SecretBuf, Error> {
        let Some(pipe) = child.stdout.take() else { return Ok(SecretBuf::new(Vec::new())) };
        let (sender, receiver) = mpsc::sync_channel(1);
        let read = move || drop(sender.send(fsio::read_descriptor(pipe.into(), MAX_KEY_FILE)));
        let thread = std::thread::Builder::new().stack_size(64 * 1024).spawn(read);
        thread.map_err(|error| Error::Command(CommandError::NotRun(error)))?;
        match receiver.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(read) => read.map_err(|error| Error::File(Source::Command(Box::new(self.clone())), error)),
            Err(_) => Err(Error::Command(CommandError::TooLong(PATIENCE.as_secs()))),
        }
    }
}

/// `None` for success, otherwise the exit code. One that does not end is killed.
fn wait(child: &mut Child, end: Instant) -> Result<Option<Option<i32>>, CommandError> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok((!status.success()).then(|| status.code())),
            Ok(None) if Instant::now() < end => std::thread::sleep(PAUSE),
            Ok(None) => {
                let _ = child.kill().and_then(|()| child.wait());
                return Err(CommandError::TooLong(PATIENCE.as_secs()));
            }
            Err(error) => return Err(CommandError::NotRun(error)),
        }
    }
}

fn split(line: &OsStr) -> Option<Vec<OsString>> {
    if line.as_bytes().trim_ascii_start().starts_with(b"[") {
        let words: Vec<String> = serde_json::from_slice(line.as_bytes()).ok()?;
        let nul = words.iter().any(|word| word.contains('\0'));
        return (!nul).then(|| words.into_iter().map(OsString::from).collect());
    }
    Some(shlex::bytes::split(line.as_bytes())?.into_iter().map(OsString::from_vec).collect())
}

fn is_program(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn command(line: &str) -> IdentityCommand {
        IdentityCommand { line: line.into(), search: vec!["".into(), ".".into(), "/bin".into()], without: Vec::new() }
    }

    #[test]
    fn words_are_split_as_a_shell_does_and_mean_nothing_else() {
        for (line, words) in [
            ("sh -c 'a  b' \"c d\" e\\ f", vec!["-c", "a  b", "c d", "e f"]),
            ("sh $HOME `x` $(y) *;z", vec!["$HOME", "`x`", "$(y)", "*;z"]),
            (r#"["sh","-c","a 'b"]"#, vec!["-c", "a 'b"]),
            ("/bin/sh", vec![]),
        ] {
            let (program, arguments) = command(line).resolve().unwrap();
            assert_eq!(
                (program.as_path(), arguments),
                (Path::new("/bin/sh"), words.iter().map(OsString::from).collect())
            );
        }
        for line in ["", "  ", "''", "sh 'a", "[", "[]", r#"["sh",1]"#, r#"["sh","\u0000"]"#] {
            assert!(matches!(command(line).resolve(), Err(CommandError::Words)), "{line}");
        }
    }

    #[test]
    fn a_program_is_found_by_an_absolute_path_alone() {
        for line in ["./sh", "bin/sh", "/nowhere/sh", "no-such-program", "/bin", "/etc/passwd"] {
            assert!(matches!(command(line).resolve(), Err(CommandError::NoProgram)), "{line}");
        }
    }

    #[test]
    fn what_it_prints_counts_only_if_it_ends_well() {
        assert_eq!(command("echo key").run().unwrap().expose(), b"key\n");
        for (line, code) in [("sh -c 'echo key; exit 3'", Some(3)), ("sh -c 'kill -9 $$'", None)] {
            let failed = command(line).run();
            assert!(matches!(failed, Err(Error::Command(CommandError::Failed(found))) if found == code), "{line}");
        }
        let endless = command("cat /dev/zero").run();
        assert!(matches!(endless, Err(Error::File(_, fsio::Error::TooLarge(..)))));
        // Nothing waits for input.
        assert_eq!(command("cat").run().unwrap().expose(), b"");
    }
}
