//! The command line: parse, one call, print. One file per command; words and exit codes are
//! in [`words`], and nowhere else.

/// `eprint!` that does not panic when nobody can be told: a full disk behind standard error must
/// not turn a save that was done into a failure.
macro_rules! tell {
    ($($text:tt)*) => {{
        let _ = std::io::Write::write_all(&mut std::io::stderr(), format!($($text)*).as_bytes());
    }};
}

mod args;
mod ask;
mod auth;
mod backup;
mod capture;
mod capture_stores;
mod captured;
mod check;
mod connect;
mod content;
mod context;
mod environment;
mod export;
mod handover;
mod history;
mod import;
mod init;
mod key_change;
mod memory;
mod opened;
mod order;
mod out;
mod recipients;
mod resolve;
mod resolver;
mod restore;
mod run;
mod show;
mod status;
mod sweep;
mod units;
mod usage;
mod value;
pub mod words;

use crate::{formats, fsio, gateway, keys, model, ops, seal, store, views};
use args::{Auth, Backup, Cli, Command, History, Later};
use clap::{CommandFactory, FromArgMatches};
use context::Context;
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::process::ExitCode;
use words::Codes;

pub use handover::Reach;
pub use usage::Kind as ParseKind;
pub use value::Refused as RefusedValue;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum Error {
    /// What was typed makes no sense.
    Usage(Usage),
    /// The vault file.
    Store(store::Error),
    /// The opening key.
    Keys(keys::Error),
    /// The gateway's state directory.
    Gateway(gateway::Error),
    /// A foreign format, and the file it was in.
    Format(formats::Error, Option<PathBuf>),
    /// Views for the gateway.
    Views(views::Error),
    /// A gateway that was not connected.
    Connect(ops::connect::Error),
    /// No key source at hand opens the vault without a person.
    Unattended,
    /// The gateway's own audit still has so many findings.
    Audit(usize),
    /// What a connected gateway asks for would be taken away.
    Connected(Vec<String>),
    /// The gateway's resolver has so many findings.
    Unresolvable(usize),
    /// An import that was not done.
    Import(ops::import::Error),
    /// A command that was not run.
    Run(ops::run::Error),
    /// What the gateway and the vault both changed; everything else was captured.
    CaptureConflict(Vec<String>),
    /// There is no vault at this path; the newest generation that was kept there.
    NoVault(PathBuf, Option<u64>),
    /// A request of the gateway's that is none.
    Request(formats::exec::Refused),
    /// It took longer than it may.
    Deadline(std::time::Duration),
    /// A value that the gateway could not use as it is.
    Value(value::Refused),
    /// A new vault where another one's generations are kept.
    KeptGenerations,
    /// A backup that is changed or cut off.
    DamagedBackup,
    /// A backup of another vault than the one that `--pin` names.
    BackupPin(store::Pin),
    /// A profile that holds a reference to a secret elsewhere, and none itself.
    OnlyReference,
    /// `HOME` is not set.
    NoHome,
    /// No directory in memory is known for plaintext.
    NoRuntimeDir,
    /// The person said no.
    Declined,
    /// This many of so many backups failed.
    Findings(usize, usize),
    /// The verdict of `status --check`, or the exit code of a command that was run.
    Verdict(u8),
    /// The signal that ended a command that was run.
    Killed(i32),
    /// Nobody reads any more.
    Pipe,
}

/// What was typed makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Clap's word for it, and the option or command of ours that it is about.
    Parse(usage::Kind),
    /// Several key sources at once.
    TwoKeys,
    /// Not a secret id.
    Id(model::IdError),
    /// Not an agent id.
    Agent,
    /// A value on the command line.
    ValueInArgs,
    /// A duration that is none.
    Duration,
    /// An environment variable without a usable value.
    Variable(&'static str),
    /// A question that nobody is there to answer.
    NeedsYes,
    /// Not a label.
    Label,
    /// A new vault without any recipient.
    NoRecipient,
    /// `-` without `--format`, or `--format` without it.
    StdinFormat,
    /// Renaming from one world of ids to another.
    OtherWorld,
    /// A new `auth/` entry by `set`.
    SetNewAuth,
    /// An OAuth credential where one value stands for it.
    Oauth,
    /// `passwd` with several passphrases and no label.
    WhichPassphrase,
    /// `passwd` without a passphrase.
    NoPassphrase,
    /// `export-identity` with another key and nobody to ask.
    NeedsItsPassphrase,
    /// Not a fingerprint.
    Pin,
    /// Not a version of a gateway.
    GatewayVersion,
    /// A recipient that is not a passphrase.
    NotPassphrase,
    /// No provider.
    Provider,
    /// `setup-token` for a provider that has none.
    NoSetupToken,
    /// Memory of a derivation outside its bounds.
    KdfMemory,
    /// A value that is longer than one may be.
    TooLong,
    /// A question that only somebody who looks can answer, and nobody is there.
    NeedsPerson,
    /// A value that is asked for, with `--no-input`.
    NoInput,
    /// `resolve` by hand, or with the key where the request should be.
    ResolveInput,
    /// `run` without a command.
    NothingToRun,
    /// A profile of another provider in an order.
    OtherProvider,
    /// An order of nothing.
    NoProfiles,
    /// `trust` without a terminal and without `--pin`.
    TrustNeedsPin,
    /// Removing the key that the command itself uses.
    RemovesItself,
    /// Options for a new passphrase where none is added.
    OptionsWithoutPassphrase,
}

impl From<Usage> for Error {
    fn from(usage: Usage) -> Self {
        Self::Usage(usage)
    }
}

macro_rules! from {
    ($($module:ident => $variant:ident),*) => {
        $(impl From<$module::Error> for Error {
            fn from(error: $module::Error) -> Self {
                Self::$variant(error)
            }
        })*
    };
}
from!(store => Store, keys => Keys, gateway => Gateway, views => Views);

impl From<fsio::Error> for Error {
    fn from(error: fsio::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<model::Error> for Error {
    fn from(error: model::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<seal::Error> for Error {
    fn from(error: seal::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<ops::connect::Error> for Error {
    fn from(error: ops::connect::Error) -> Self {
        use ops::connect::Error as Connect;
        match error {
            Connect::File(error) => error.into(),
            Connect::Gateway(error) => error.into(),
            Connect::Views(error) => error.into(),
            Connect::Model(error) => error.into(),
            Connect::Format(error, path) => Self::Format(error, Some(path)),
            other => Self::Connect(other),
        }
    }
}

impl From<ops::run::Error> for Error {
    fn from(error: ops::run::Error) -> Self {
        Self::Run(error)
    }
}

impl From<ops::import::Error> for Error {
    fn from(error: ops::import::Error) -> Self {
        match error {
            ops::import::Error::Model(error) => error.into(),
            ops::import::Error::Format(error, path) => Self::Format(error, Some(path)),
            other => Self::Import(other),
        }
    }
}

impl From<ops::capture::Error> for Error {
    fn from(error: ops::capture::Error) -> Self {
        match error {
            ops::capture::Error::Views(error) => error.into(),
            ops::capture::Error::Store(error) => error.into(),
        }
    }
}

/// Runs the program: `protected` is the outcome of the first thing that `main` did.
pub fn run(protected: std::io::Result<()>) -> ExitCode {
    std::panic::set_hook(Box::new(|info| words::panicked(info.location())));
    let outcome = match protected {
        Ok(()) => parse_and_run(),
        Err(error) => Err((fsio::Error::Io("protect", "this process".into(), error).into(), usage::codes())),
    };
    let Err((error, codes)) = outcome else { return ExitCode::SUCCESS };
    if let Error::Killed(signal) = error {
        crate::harden::die_by(signal);
    }
    ExitCode::from(words::report(&error, codes))
}

/// The error, and which codes the command has.
fn parse_and_run() -> Result<(), (Error, Codes)> {
    let full = ManuallyDrop::new(Cli::command());
    // Clap gives every global option to every command; the one that was typed is enough. What
    // this small table refuses, the whole one judges.
    let small = usage::only_typed(&full).map(matches);
    let matches = match small.and_then(Result::ok).map_or_else(|| matches(ManuallyDrop::into_inner(full)), Ok) {
        Ok(matches) => matches,
        Err(error) => return usage::from_clap(&error).map_err(|error| (error, usage::codes())),
    };
    let cli =
        Cli::from_arg_matches(&matches).map_err(|error| (Usage::Parse(usage::kind(&error)).into(), usage::codes()))?;
    let codes = match &cli.command {
        Command::Status(status) if status.check => Codes::Check,
        Command::Run(_) => Codes::Run,
        _ => Codes::Usual,
    };
    dispatch(cli).map_err(|error| (error, codes))
}

/// Parses the command line. The table is freed by the end of the process, which comes soon.
fn matches(table: clap::Command) -> Result<clap::ArgMatches, clap::Error> {
    ManuallyDrop::new(table).try_get_matches_from_mut(std::env::args_os())
}

fn dispatch(cli: Cli) -> Result<(), Error> {
    match cli.command {
        Command::Completions { shell } => return show::completions(shell),
        Command::Man { command } => return show::man(&command),
        _ => {}
    }
    let mut globals = cli.globals;
    // A gateway is no person, even one that was started from a terminal.
    globals.no_input |= matches!(cli.command, Command::Resolve(_));
    let mut context = Context::new(globals, matches!(cli.command, Command::Init(_)))?;
    let context = &mut context;
    match cli.command {
        Command::Init(args) => init::run(context, &args),
        Command::Import(args) => import::run(context, &args),
        Command::List(args) => show::list(context, args.prefix.as_deref().unwrap_or_default()),
        Command::Get(args) => show::get(context, &args),
        Command::Set(args) => content::set(context, &args),
        Command::Rm(args) => content::remove(context, &args),
        Command::Rename(args) => content::rename(context, &args),
        Command::Auth(Later(Auth::List)) => show::list(context, "auth/"),
        Command::Auth(Later(Auth::Logout(args))) => content::remove(context, &args),
        Command::Auth(Later(Auth::Order(args))) => order::run(context, &args),
        Command::Auth(args) => auth::run(context, &args),
        Command::Status(args) => status::run(context, &args),
        Command::Render(args) => export::render(context, &args),
        Command::Export(args) => export::export(context, &args),
        Command::Capture(args) => capture::run(context, &args),
        Command::Wipe(args) => export::wipe(context, &args),
        Command::Connect(args) => connect::run(context, &args),
        Command::Run(args) => run::run(context, &args),
        Command::Resolve(args) if args.check => check::run(context),
        Command::Resolve(args) => resolve::run(context, &args),
        Command::Recipients(args) => recipients::run(context, &args),
        Command::Passwd(args) => key_change::passwd(context, &args),
        Command::Trust => show::trust(context),
        Command::Backup(Later(Backup::Create { dir })) => backup::create(context, &dir),
        Command::Backup(Later(Backup::List { dir })) => backup::list(context, &dir),
        Command::Backup(Later(Backup::Verify { path })) => backup::verify(context, &path),
        Command::Restore(args) => restore::run(context, &args),
        Command::History(Later(History::List)) => history::list(context),
        Command::History(Later(History::Show { generation })) => history::show(context, generation),
        Command::Completions { .. } | Command::Man { .. } => Ok(()),
    }
}
