//! The program that answers for the vault: where it lies, how the gateway calls it, and the proof
//! that it answers when called so.

use super::Error;
use crate::formats::{exec, secretref};
use crate::fsio::{self, Dir, Replacement};
use crate::gateway::{Output, converse};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What the gateway waits for an answer, in milliseconds; the resolver's own deadline is below it.
const TIMEOUT_MS: u64 = 20_000;
/// What the gateway takes of both streams, in bytes: its own upper bound.
const MAX_OUTPUT: u64 = 20 * 1024 * 1024;
/// Largest program that is copied, in bytes.
const MAX_PROGRAM: usize = 256 * 1024 * 1024;
/// Variables that hold no secret and that a key source may need.
pub const PASS_ENV: [&str; 3] = ["CREDENTIALS_DIRECTORY", "HOME", "XDG_RUNTIME_DIR"];

/// How the gateway calls the resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The program, by its real path.
    pub command: PathBuf,
    /// All paths in them are absolute.
    pub args: Vec<String>,
}

impl Entry {
    /// The entry of `secrets.providers`, in the members that every gateway takes.
    pub fn to_json(&self) -> Value {
        json!({
            "source": "exec",
            "command": self.command.to_string_lossy(),
            "args": self.args,
            "passEnv": PASS_ENV,
            "jsonOnly": true,
            "timeoutMs": TIMEOUT_MS,
            "maxOutputBytes": MAX_OUTPUT,
        })
    }
}

/// Puts a private copy of the running program at `dir/agevault`, where a gateway accepts it: a real
/// file of ours that nobody else can write. What is the same already stays. True if it is new.
///
/// # Errors
/// A directory or a file that is not ours, a disk that fails.
pub fn install(program: &Path, dir: &Path) -> Result<(PathBuf, bool), Error> {
    let bytes = fsio::read_capped(program, MAX_PROGRAM)?;
    let dir = Dir::open_or_create_private(dir)?;
    dir.check_private()?;
    let (name, target) = (OsStr::new("agevault"), dir.path().join("agevault"));
    let same = fsio::read_own(&target, MAX_PROGRAM).is_ok_and(|have| have.expose() == bytes.expose());
    let plain = dir.meta(name)?.is_some_and(|meta| meta.mode & 0o777 == 0o700 && !meta.kind.is_symlink());
    if same && plain {
        return Ok((target, false));
    }
    Replacement::write(&dir, name, bytes.expose(), 0o700)?.commit()?;
    Ok((target, true))
}

/// What the resolver said.
#[derive(Debug)]
pub struct Answered {
    /// How long it took, start of the process included.
    pub took: Duration,
    /// Ids without a value.
    pub missing: Vec<String>,
}

/// Asks the resolver for `ids` as the gateway will: by its path, in its directory, with nothing in
/// its environment but what the gateway passes.
///
/// # Errors
/// [`Error::Resolver`] when it cannot be run or does not answer.
pub fn prove(entry: &Entry, ids: &BTreeSet<String>, env: &[(String, OsString)]) -> Result<Answered, Error> {
    let (output, took) = ask(entry, ids, env, Duration::from_millis(TIMEOUT_MS));
    let output = output.ok_or(Error::Resolver(None))?;
    if output.code != Some(0) {
        return Err(Error::Resolver(output.code));
    }
    let have = exec::read_answer(output.stdout.expose()).ok_or(Error::Resolver(Some(0)))?;
    Ok(Answered { took, missing: ids.difference(&have).cloned().collect() })
}

/// What it printed and how it ended, and how long that took. `None` if it cannot be run, or does not
/// end in time.
pub(super) fn ask(
    entry: &Entry,
    ids: &BTreeSet<String>,
    env: &[(String, OsString)],
    patience: Duration,
) -> (Option<Output>, Duration) {
    let request = json!({"protocolVersion": 1, "provider": secretref::ALIAS, "ids": ids}).to_string();
    let mut command = Command::new(&entry.command);
    command.args(&entry.args).env_clear().envs(env.iter().map(|(name, value)| (name, value)));
    if let Some(dir) = entry.command.parent() {
        command.current_dir(dir);
    }
    // What it starts ends with it, as it does under a gateway.
    command.process_group(0);
    let start = Instant::now();
    let output = converse(&mut command, request.as_bytes(), patience);
    // A gateway waits for the end of the output.
    (output.ok().filter(|output| !output.left_open), start.elapsed())
}

/// Whether two files hold the same program.
pub(super) fn same_program(one: &Path, other: &Path) -> bool {
    let read = |path| fsio::read_capped(path, MAX_PROGRAM).ok();
    matches!((read(one), read(other)), (Some(one), Some(other)) if one.expose() == other.expose())
}
