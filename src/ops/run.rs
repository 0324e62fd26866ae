//! A command with the vault's env entries in its environment, and views as long as it runs.

mod environment;
mod follow;
mod up;

pub use environment::{Environment, Selection, Variable, environment};
pub use follow::Follow;
pub use up::{Up, leading, put_up, take_back};

use crate::harden::Relay;
use crate::{model, views};
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};

/// Why a command was not run.
#[derive(Debug)]
pub enum Error {
    /// The views that it needs.
    Views(views::Error),
    /// Something of the vault.
    Model(model::Error),
    /// It writes its environment to the disk.
    KeepsEnvironment,
    /// The vault has no entry for what is asked for with these numbers, counted from 1.
    NoEntry(Vec<usize>),
    /// What is asked for with these numbers, counted from 1, has no single value: OAuth, or a reference.
    NoText(Vec<usize>),
    /// This variable is asked for twice.
    Twice(String),
    /// These variables decide what a process does, and are not allowed.
    Powerful(Vec<String>),
    /// These variables have a NUL in their values.
    Nul(Vec<String>),
    /// These variables are longer than this many bytes, name and value together.
    TooLong(Vec<String>, usize),
    /// The environment and the arguments are larger than the system takes.
    TooMuch(TooMuch),
    /// There is no such command.
    NotFound,
    /// There is one, but it cannot be run.
    NotExecutable(io::Error),
    /// The system could not start it.
    NotStarted(io::Error),
}

/// An environment beyond the system's bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooMuch {
    /// The size of environment and arguments in bytes.
    pub size: usize,
    /// What the system takes, in bytes.
    pub bound: usize,
    /// The vault's largest variables, largest first.
    pub largest: Vec<String>,
}

impl From<views::Error> for Error {
    fn from(error: views::Error) -> Self {
        Self::Views(error)
    }
}

impl From<model::Error> for Error {
    fn from(error: model::Error) -> Self {
        Self::Model(error)
    }
}

/// Becomes `command`, whose first word is looked for on PATH; returns only if that fails. The
/// terminal, the signals, the streams and the process id are then the command's own.
pub fn become_it(command: &[OsString], environment: &Environment) -> Error {
    match build(command, environment) {
        Ok(mut built) => failed(built.exec(), environment),
        Err(error) => error,
    }
}

/// Starts `command` beside this process, in the same group and with the same streams, and passes
/// signals on to it. Nothing of the environment stays here.
///
/// # Errors
/// [`Error::NotFound`], [`Error::NotExecutable`], [`Error::TooMuch`], [`Error::NotStarted`].
pub fn start(relay: &Relay, command: &[OsString], environment: Environment) -> Result<Child, Error> {
    let child = build(command, &environment)?.spawn().map_err(|error| failed(error, &environment))?;
    relay.serve(&child);
    Ok(child)
}

/// Waits for its end, signals being passed on.
///
/// # Errors
/// When the system does not tell.
pub fn wait(relay: &Relay, child: &mut Child) -> Result<ExitStatus, Error> {
    relay.wait(child).map_err(Error::NotStarted)
}

fn build(command: &[OsString], environment: &Environment) -> Result<Command, Error> {
    let (program, arguments) = command.split_first().ok_or(Error::NotFound)?;
    let mut built = Command::new(program);
    built.args(arguments);
    environment.removed.iter().for_each(|name| _ = built.env_remove(name));
    environment.set.iter().for_each(|(name, value)| _ = built.env(name, value.expose()));
    environment.places.iter().for_each(|(name, path)| _ = built.env(name, path));
    Ok(built)
}

fn failed(error: io::Error, environment: &Environment) -> Error {
    use rustix::io::Errno;
    let is = |errno: Errno| error.raw_os_error() == Some(errno.raw_os_error());
    if is(Errno::TOOBIG) {
        Error::TooMuch(environment.too_much())
    } else if is(Errno::NOENT) {
        Error::NotFound
    } else if is(Errno::AGAIN) || is(Errno::NOMEM) || is(Errno::MFILE) || is(Errno::NFILE) {
        Error::NotStarted(error)
    } else {
        Error::NotExecutable(error)
    }
}
