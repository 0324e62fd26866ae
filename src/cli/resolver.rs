//! The program that a connected gateway asks: its entry, its place, the proof that it answers.

use super::context::Context;
use super::environment::xdg;
use super::{Error, words};
use crate::ops::connect::{self, Entry};
use crate::store::Checked;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// How the gateway calls the resolver: every path absolute, the fingerprint written down.
///
/// # Errors
/// No home directory.
pub fn entry(context: &Context, checked: &Checked<'_>, key: &[String]) -> Result<Entry, Error> {
    let dir = bin_dir()?;
    let dir = dir.canonicalize().unwrap_or(dir);
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut args = vec!["--vault".to_owned(), text(context.vault_path())];
    args.extend(["--local-state".to_owned(), text(context.local.root())]);
    args.extend(key.iter().cloned());
    args.extend(["--pin".to_owned(), checked.pin.to_string(), "resolve".to_owned()]);
    Ok(Entry { command: dir.join("agevault"), args })
}

fn bin_dir() -> Result<PathBuf, Error> {
    Ok(xdg("XDG_DATA_HOME", ".local/share")?.join("agevault/bin"))
}

/// Puts the running program where the gateway accepts it.
///
/// # Errors
/// As [`connect::install`].
pub fn install(context: &Context, entry: &Entry) -> Result<(), Error> {
    let program =
        std::env::current_exe().map_err(|error| crate::fsio::Error::io("find", Path::new("agevault"), error))?;
    if program != entry.command {
        let (path, new) = connect::install(&program, &bin_dir()?)?;
        if new {
            context.out.say(&format!("installed {}", path.display()));
        }
    }
    Ok(())
}

/// Asks the resolver as the gateway will, before anything depends on it.
///
/// # Errors
/// As [`connect::prove`]; ids without a value.
pub fn prove(context: &Context, entry: &Entry, ids: &BTreeSet<String>) -> Result<(), Error> {
    let answered = connect::prove(entry, ids, &resolver_env())?;
    if !answered.missing.is_empty() {
        return Err(connect::Error::Unresolved(answered.missing).into());
    }
    let (count, took) = (words::count(ids.len(), "reference", "references"), answered.took.as_millis());
    context.out.say(&format!("the resolver answers for {count} in {took} ms"));
    Ok(())
}

/// What of the environment the gateway passes on.
fn resolver_env() -> Vec<(String, OsString)> {
    let pass = |name: &str| std::env::var_os(name).map(|value| (name.to_owned(), value));
    let own = ("OPENCLAW_CLI".to_owned(), OsString::from("1"));
    connect::PASS_ENV.into_iter().filter_map(pass).chain([own]).collect()
}
