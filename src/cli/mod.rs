//! The command line: parse, one call, print. One file per command; words and exit codes are
//! in [`words`], and nowhere else.

/// `eprint!` that does not panic when nobody can be told: a full disk behind standard error must
/// not turn a save that was done into a failure.
macro_rules! tell {
    ($($text:tt)*) => {{
        let _ = std::io::Write::write_all(&mut std::io::stderr(), format!($($text)*).as_bytes());
    }};
}

mod add_recipient;
mod args;
mod ask;
mod auth;
mod backup;
mod capture;
mod capture_stores;
mod captured;
mod check;
mod color;
mod connect;
mod content;
mod context;
mod diff;
mod environment;
mod error;
mod export;
mod exposed;
mod git;
mod handover;
mod hidden;
mod history;
mod import;
mod init;
mod key_change;
mod key_sources;
mod memory;
mod merge;
mod opened;
mod order;
mod out;
mod plugins;
mod qr;
mod recipients;
mod recovery;
mod resolve;
mod resolver;
mod restore;
mod run;
mod save;
mod show;
mod state;
mod status;
mod sweep;
mod trust;
mod undo;
mod units;
mod unlock;
mod usage;
mod value;
pub mod words;

use crate::fsio;
use args::{Auth, Backup, Cli, Command, History, Later, Recipients};
use clap::{CommandFactory, FromArgMatches};
use context::Context;
use std::mem::ManuallyDrop;
use std::process::ExitCode;
use words::Codes;

pub use connect::Findings;
pub use error::{Error, Usage};
pub use handover::Reach;
pub use usage::Kind as ParseKind;
pub use value::Refused as RefusedValue;

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
    dispatch(cli, command_of(&matches)).map_err(|error| (error, codes))
}

/// Parses the command line. The table is freed by the end of the process, which comes soon.
fn matches(table: clap::Command) -> Result<clap::ArgMatches, clap::Error> {
    ManuallyDrop::new(table).try_get_matches_from_mut(std::env::args_os())
}

/// The command that was typed, with its subcommand.
fn command_of(matches: &clap::ArgMatches) -> String {
    let verbs = std::iter::successors(matches.subcommand(), |(_, matches)| matches.subcommand());
    verbs.map(|(name, _)| name).collect::<Vec<_>>().join(" ")
}

fn dispatch(cli: Cli, command: String) -> Result<(), Error> {
    match cli.command {
        Command::Completions { shell } => return show::completions(shell),
        Command::Man { command } => return show::man(&command),
        Command::HoldSession => return unlock::hold(),
        _ => {}
    }
    let mut globals = cli.globals;
    // A gateway is no person, even one that was started from a terminal.
    globals.no_input |= matches!(cli.command, Command::Resolve(_));
    let unattended = match &cli.command {
        Command::Resolve(args) => !args.check,
        Command::Capture(args) => args.watch,
        _ => false,
    };
    if unattended && globals.accept_rollback {
        return Err(Usage::AcceptUnattended.into());
    }
    // Whoever changes a key may need both to keep what only the earlier one opens.
    let both_keys = matches!(
        cli.command,
        Command::Init(_)
            | Command::Passwd(_)
            | Command::Merge(_)
            | Command::Recipients(Later(Recipients::Remove { .. }))
    );
    let mut context = Context::new(globals, command, both_keys, !asks_again(&cli.command))?;
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
        Command::Status(args) if args.keys => key_sources::run(context),
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
        Command::Unlock(args) => unlock::unlock(context, &args),
        Command::Lock => unlock::lock(context),
        Command::Trust => trust::run(context),
        Command::Backup(Later(Backup::Create { dir })) => backup::create(context, &dir),
        Command::Backup(Later(Backup::List { dir })) => backup::list(context, &dir),
        Command::Backup(Later(Backup::Verify { path })) => backup::verify(context, &path),
        Command::Restore(args) => restore::run(context, &args),
        Command::History(Later(History::List { all })) => history::list(context, (!all).then_some(LISTED)),
        Command::History(Later(History::Show { generation })) => history::show(context, &generation),
        Command::Diff(args) => diff::run(context, &args),
        Command::Undo(args) => undo::run(context, &args),
        Command::Merge(args) => merge::run(context, &args),
        Command::Git(args) => git::run(context, &args),
        Command::Completions { .. } | Command::Man { .. } | Command::HoldSession => Ok(()),
    }
}

/// How many saves `history list` shows without `--all`.
const LISTED: usize = 20;

/// Whoever changes keys, or unlocks, has the key: that somebody had it some time ago does not count.
fn asks_again(command: &Command) -> bool {
    let changes = |verb: &Recipients| match verb {
        Recipients::List => false,
        Recipients::Exposed { waive, .. } => !waive.is_empty(),
        _ => true,
    };
    match command {
        Command::Recipients(Later(verb)) => changes(verb),
        Command::Passwd(_) | Command::Unlock(_) => true,
        _ => false,
    }
}
