//! What a command gets as its environment, checked before anything is started.

use super::{Error, TooMuch};
use crate::model::{self, EnvName, Vault};
use crate::secret::Secret;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// The longest string that Linux takes in an environment, without its NUL.
const MAX_STRING: usize = 131_071;
/// Linux takes this much at most, however large the stack may grow.
const MOST: u64 = 6 * 1024 * 1024;
/// Linux takes this much in any case.
const LEAST: u64 = 128 * 1024;
/// How many variables a message names.
const NAMED: usize = 3;

/// How the environment of a command differs from ours.
#[derive(Debug, Default)]
pub struct Environment {
    /// Variables of the vault.
    pub set: Vec<(String, Secret)>,
    /// Variables that lead to places.
    pub places: Vec<(&'static str, PathBuf)>,
    /// Variables of ours that it does not get.
    pub removed: Vec<OsString>,
    /// Those of `set` that had another value.
    pub replaced: Vec<String>,
    /// Entries of the vault that no command gets, since their names are ours.
    pub left_out: Vec<String>,
    /// Bytes that are in it all the same, and those of the arguments.
    rest: usize,
}

/// The env entries of `vault`, or those that `only` names, over the variables `inherited`, for
/// `command`. Variables of ours are taken out: they lead to the vault and to its keys.
///
/// # Errors
/// [`Error::NoEntry`], [`Error::Nul`], [`Error::TooLong`], [`Error::TooMuch`].
pub fn environment(
    vault: &Vault<'_>,
    only: &[String],
    inherited: &[(OsString, OsString)],
    command: &[OsString],
) -> Result<Environment, Error> {
    let missing = |(_, name): &(usize, &String)| vault.env.get(name).is_none() || EnvName::parse(name).is_err();
    let missing: Vec<usize> = only.iter().enumerate().filter(missing).map(|(at, _)| at + 1).collect();
    if !missing.is_empty() {
        return Err(Error::NoEntry(missing));
    }
    let mut environment = Environment::default();
    let mut nul = Vec::new();
    for (name, raw) in vault.env.iter() {
        if !(only.is_empty() || only.iter().any(|asked| asked == name)) || EnvName::parse(name).is_err() {
            continue;
        }
        if is_ours(OsStr::new(name)) {
            environment.left_out.push(name.to_owned());
            continue;
        }
        let value: String = serde_json::from_str(raw.get()).map_err(model::Error::from)?;
        let value = Secret::new(value);
        if value.expose().contains('\0') {
            nul.push(name.to_owned());
        }
        environment.set.push((name.to_owned(), value));
    }
    if !nul.is_empty() {
        return Err(Error::Nul(nul));
    }
    for (name, value) in inherited {
        let held = name.to_str().and_then(|name| environment.find(name));
        match held {
            _ if is_ours(name) => environment.removed.push(name.clone()),
            Some((name, new)) if OsStr::new(new.expose()) != value => environment.replaced.push(name.clone()),
            Some(_) => {}
            None => environment.rest += cost(name.len() + 1 + value.len()),
        }
    }
    environment.rest += command.iter().map(|word| cost(word.len())).sum::<usize>();
    environment.check()?;
    Ok(environment)
}

impl Environment {
    /// The vault's variables are in byte order.
    fn find(&self, name: &str) -> Option<&(String, Secret)> {
        let at = self.set.binary_search_by(|(have, _)| have.as_str().cmp(name)).ok()?;
        self.set.get(at)
    }

    fn check(&self) -> Result<(), Error> {
        if cfg!(target_os = "linux") {
            let long = |(name, value): &&(String, Secret)| name.len() + 1 + value.expose().len() > MAX_STRING;
            let long: Vec<String> = self.set.iter().filter(long).map(|(name, _)| name.clone()).collect();
            if !long.is_empty() {
                return Err(Error::TooLong(long, MAX_STRING));
            }
        }
        let found = self.too_much();
        if found.size > found.bound { Err(Error::TooMuch(found)) } else { Ok(()) }
    }

    /// What is to be said when it is too much for the system, which alone counts exactly.
    pub(super) fn too_much(&self) -> TooMuch {
        let mut sizes: Vec<(usize, &String)> =
            self.set.iter().map(|(name, value)| (cost(name.len() + 1 + value.expose().len()), name)).collect();
        sizes.sort_by(|one, other| other.cmp(one));
        TooMuch {
            size: self.rest + sizes.iter().map(|(size, _)| size).sum::<usize>(),
            bound: bound(),
            largest: sizes.into_iter().take(NAMED).map(|(_, name)| name.clone()).collect(),
        }
    }
}

/// What a string takes of the bound: itself, its NUL, the pointer to it.
fn cost(len: usize) -> usize {
    len + 1 + size_of::<usize>()
}

/// What the system takes of arguments and environment together, in bytes (execve(2)).
fn bound() -> usize {
    let stack = rustix::process::getrlimit(rustix::process::Resource::Stack).current;
    let linux = stack.map_or(MOST, |stack| (stack / 4).clamp(LEAST, MOST));
    usize::try_from(if cfg!(target_os = "linux") { linux } else { 1024 * 1024 }).unwrap_or(usize::MAX)
}

/// Names under which this program or systemd says where keys are.
fn is_ours(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"AGEVAULT_") || name == "CREDENTIALS_DIRECTORY"
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
