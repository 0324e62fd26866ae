//! What a command gets as its environment, checked before anything is started.

use super::{Error, TooMuch};
use crate::formats::power::{is_powerful, leads_to_keys};
use crate::model::{self, EnvName, SecretId, Vault};
use crate::secret::Secret;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// The longest string that Linux takes in an environment, without its NUL.
const MAX_STRING: usize = 131_071;
/// Linux takes this much at most, however large the stack may grow.
const MOST: u64 = 6 * 1024 * 1024;
/// Linux takes this much in any case.
const LEAST: u64 = 128 * 1024;
/// Of an env entry that is no text.
const MALFORMED: model::Error = model::Error::Malformed { line: 1, column: 1 };
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

/// A variable that a command is to get, and the entry whose value it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// The name in the command's environment.
    pub name: EnvName,
    /// The entry.
    pub id: SecretId,
}

/// Which variables a command gets.
#[derive(Clone, Copy, Debug)]
pub struct Selection<'w> {
    /// These; all env entries if there is none.
    pub only: &'w [Variable],
    /// Names with power over a process that it gets all the same.
    pub allowed: &'w [String],
}

/// The variables of `vault` that `selection` names, over the variables `inherited`, for `command`. Variables of ours are
/// taken out: they lead to the vault and to its keys.
///
/// # Errors
/// [`Error::NoEntry`], [`Error::NoText`], [`Error::Twice`], [`Error::Powerful`], [`Error::Nul`], [`Error::TooLong`],
/// [`Error::TooMuch`].
pub fn environment(
    vault: &Vault<'_>,
    selection: Selection<'_>,
    inherited: &[(OsString, OsString)],
    command: &[OsString],
) -> Result<Environment, Error> {
    let mut environment = Environment::default();
    let mut set = if selection.only.is_empty() { every(vault)? } else { chosen(vault, selection.only)? };
    set.sort_by(|(one, _), (other, _)| one.cmp(other));
    let (ours, set): (Vec<_>, Vec<_>) = set.into_iter().partition(|(name, _)| leads_to_keys(OsStr::new(name)));
    environment.left_out = ours.into_iter().map(|(name, _)| name).collect();
    environment.set = set;
    let names = |test: &dyn Fn(&(String, Secret)) -> bool| -> Vec<String> {
        environment.set.iter().filter(|entry| test(entry)).map(|(name, _)| name.clone()).collect()
    };
    let powerful = names(&|(name, _)| is_powerful(name) && !selection.allowed.contains(name));
    if !powerful.is_empty() {
        return Err(Error::Powerful(powerful));
    }
    let nul = names(&|(_, value)| value.expose().contains('\0'));
    if !nul.is_empty() {
        return Err(Error::Nul(nul));
    }
    for (name, value) in inherited {
        let held = name.to_str().and_then(|name| environment.find(name));
        match held {
            _ if leads_to_keys(name) => environment.removed.push(name.clone()),
            Some((name, new)) if OsStr::new(new.expose()) != value => environment.replaced.push(name.clone()),
            Some(_) => {}
            None => environment.rest += cost(name.len() + 1 + value.len()),
        }
    }
    environment.rest += command.iter().map(|word| cost(word.len())).sum::<usize>();
    environment.check()?;
    Ok(environment)
}

/// All env entries.
fn every(vault: &Vault<'_>) -> Result<Vec<(String, Secret)>, Error> {
    let entries = vault.env.iter().filter(|(name, _)| EnvName::parse(name).is_ok());
    entries.map(|(name, raw)| Ok((name.to_owned(), model::text(raw).ok_or(MALFORMED)?))).collect()
}

/// Those that are asked for by name.
fn chosen(vault: &Vault<'_>, only: &[Variable]) -> Result<Vec<(String, Secret)>, Error> {
    let (mut found, mut missing, mut textless) = (Vec::new(), Vec::new(), Vec::new());
    for (at, Variable { name, id }) in only.iter().enumerate() {
        let name = name.as_str().to_owned();
        if found.iter().any(|(have, _)| *have == name) {
            return Err(Error::Twice(name));
        }
        match vault.text(id) {
            Some(value) => found.push((name, value)),
            None if vault.get(id).is_none() => missing.push(at + 1),
            None => textless.push(at + 1),
        }
    }
    if !missing.is_empty() {
        return Err(Error::NoEntry(missing));
    }
    if textless.is_empty() { Ok(found) } else { Err(Error::NoText(textless)) }
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
