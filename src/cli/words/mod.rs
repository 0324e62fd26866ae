//! Every message and every exit code: what happened, and what to do.
//!
//! Lower case, no full stop, no secret, and nothing that was typed and may be one: paths go through
//! [`path`], which names the option instead. The matches have no wildcard arm, so a new kind of failure
//! does not compile before it has words.

mod capture;
mod check;
mod file;
mod findings;
mod gateway;
mod intake;
mod key;
mod name;
mod refusal;
mod run;
mod session;
mod typed;
mod vault;

pub use capture::of_capture;
pub use check::{LINKS_AGAIN, VIEWS_AGAIN, finding, views};
pub use file::original;
pub use findings::{drift, left, left_token};
pub use gateway::{reach, reload, reload_token, removed_there, resolver_entry, road, road_token};
pub use intake::{left_out, powerful, refused, remedy, undecided};
pub use key::{of_backup, rung, state};
pub use name::{count, is_shown, json_text, path, plain, span, time};
pub use refusal::{mangled, note, noted, unread};
pub use vault::of_store;

use super::Error;
use serde_json::json;

/// Words for one failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// A stable word for machines.
    pub token: &'static str,
    /// The exit code.
    pub exit: u8,
    /// What happened.
    pub what: String,
    /// What to do.
    pub hint: String,
}

impl Words {
    fn new(token: &'static str, exit: u8, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { token, exit, what: what.into(), hint: hint.into() }
    }
}

/// The exit codes.
pub mod exit {
    /// Unexpected failure.
    pub const FAILED: u8 = 1;
    /// Usage.
    pub const USAGE: u8 = 2;
    /// No such entry.
    pub const NO_ENTRY: u8 = 3;
    /// Cannot unlock.
    pub const LOCKED: u8 = 4;
    /// Busy.
    pub const BUSY: u8 = 5;
    /// Conflict.
    pub const CONFLICT: u8 = 6;
    /// Damaged, or not a vault.
    pub const DAMAGED: u8 = 7;
    /// Unsafe permissions or place.
    pub const UNSAFE: u8 = 8;
    /// Not authentic, rolled back or forked.
    pub const NOT_AUTHENTIC: u8 = 9;
    /// Findings.
    pub const FINDINGS: u8 = 10;
    /// Interrupted.
    pub const INTERRUPTED: u8 = 130;
    /// `status --check`: usage.
    pub const CHECK_USAGE: u8 = 64;
    /// `status --check`: unexpected failure.
    pub const CHECK_FAILED: u8 = 70;
    /// `run`: a failure of its own.
    pub const RUN_FAILED: u8 = 125;
    /// `run`: the command cannot be run.
    pub const NOT_EXECUTABLE: u8 = 126;
    /// `run`: there is no such command.
    pub const NO_COMMAND: u8 = 127;
    /// `run`: a signal ended the command, where it cannot end this process; its number is added.
    pub const SIGNAL: u8 = 128;
}

/// Which codes a command has for its failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codes {
    /// Those of [`exit`].
    Usual,
    /// `status --check`: 1 and 2 are verdicts.
    Check,
    /// `run`: nearly all are the command's.
    Run,
}

impl Codes {
    /// The code for a failure that has the usual one `code`.
    fn of(self, code: u8) -> u8 {
        match (self, code) {
            (Self::Check, exit::USAGE) => exit::CHECK_USAGE,
            (Self::Check, exit::FAILED) => exit::CHECK_FAILED,
            (Self::Run, exit::NOT_EXECUTABLE | exit::NO_COMMAND) => code,
            (Self::Run, _) => exit::RUN_FAILED,
            _ => code,
        }
    }
}

/// The words for an error of the command line.
pub fn of(error: &Error) -> Words {
    match error {
        Error::Usage(usage) => typed::words(*usage),
        Error::Store(error) => vault::of_store(error),
        Error::Keys(error) => key::of_keys(error),
        Error::Session(error) => session::of_session(error),
        Error::Gateway(error) => gateway::of_gateway(error),
        Error::Format(error, path) => refusal::format(error, path.as_deref()),
        Error::Views(error) => vault::of_views(error),
        Error::Connect(error) => gateway::of_connect(error),
        Error::Unattended => Words::new(
            "needs-person",
            exit::LOCKED,
            "the gateway could not open the vault: the key at hand needs a person",
            "agevault unlock holds it until the next boot; or name one that the gateway can read with -i FILE or --passphrase-file FILE",
        ),
        Error::Left(findings) => findings::of_findings(*findings),
        Error::Unread(count, first) => {
            let files = name::count(*count, "file was not read", "files were not read");
            Words::new(
                "not-read",
                refusal::unread(first).exit,
                files,
                "each is named above; everything else was imported",
            )
        }
        Error::Unreadable(first) => refusal::unread(first),
        Error::Asked(id) => Words::new(
            "asked",
            exit::CONFLICT,
            format!("a connected gateway refers to {}, and would get a different secret", name::plain(id)),
            "nothing was changed; agevault connect updates or removes that reference first; --force leaves it to get this secret",
        ),
        Error::Connected(ids) => Words::new(
            "connected",
            exit::CONFLICT,
            format!(
                "a connected gateway asks for: {}",
                ids.iter().map(|id| name::plain(id)).collect::<Vec<_>>().join(", ")
            ),
            "nothing was changed; --connect has the gateway follow, --force leaves it without",
        ),
        Error::Unresolvable(findings) => Words::new(
            "findings",
            exit::FINDINGS,
            format!("not all is as it should be: {}", name::count(*findings, "finding", "findings")),
            "",
        ),
        Error::Merge(name, conflicts) => vault::of_merge(name, conflicts),
        Error::Of(name, error) => {
            let words = of(error);
            let hint = match error.as_ref() {
                // That is about the vault itself.
                _ if words.exit == exit::DAMAGED => "move it away, or replace it with an intact copy".to_owned(),
                Error::Keys(_) | Error::BackupKey => {
                    "name its key with --backup-identity FILE or --backup-passphrase-file FILE".to_owned()
                }
                _ => words.hint,
            };
            Words { what: format!("{}: {}", name::plain(name), words.what), hint, ..words }
        }
        Error::ChangedSince(names) => Words::new(
            "changed-since",
            exit::CONFLICT,
            format!("changed again since that save: {}", name::plain(&names.join(", "))),
            "nothing was changed; agevault history list shows the generations, agevault restore --generation N --only ID restores one entry",
        ),
        Error::MergeAsks => Words::new(
            "merge-asks",
            exit::CONFLICT,
            "the other side predates the removal of a recipient, who could have written it",
            "run agevault merge, which asks before it takes that state, then git add",
        ),
        Error::NotACopy(pin) => Words::new(
            "not-a-copy",
            exit::NOT_AUTHENTIC,
            format!("not a state of this vault: its fingerprint is {pin}"),
            "nothing was changed; agevault restore takes entries from another vault",
        ),
        Error::NoState(name) => Words::new(
            "no-state",
            exit::NO_ENTRY,
            format!("no generation, file or git revision named {}", name::plain(name)),
            "agevault history list shows the generations",
        ),
        Error::Ambiguous(number, states) => Words::new(
            "ambiguous",
            exit::USAGE,
            format!("several generations have the number {number}: {}", states.join(", ")),
            "name one of these",
        ),
        Error::NoChange(name) => Words::new(
            "no-change",
            exit::NO_ENTRY,
            format!("no recorded change of {}", name::plain(name)),
            "agevault history list --all shows what is recorded; agevault restore --only restores an entry from any generation or backup",
        ),
        Error::NoWorkTree(dir) => Words::new(
            "no-work-tree",
            exit::USAGE,
            format!("{} is not in a git work tree, or git is not installed", name::path(dir)),
            "run git init there, or keep the vault in a repository and name it with --vault",
        ),
        Error::Import(error) => refusal::import(error),
        Error::Run(error) => run::of_run(error),
        Error::LeftViews(names) => vault::of_left_views(names),
        Error::CaptureConflict(names) => capture::conflict(names),
        Error::Value(refused) => refusal::value(*refused),
        Error::Request(refused) => refusal::request(*refused),
        Error::Deadline(after) => Words::new(
            "deadline",
            exit::BUSY,
            format!("this took longer than {} s", after.as_secs()),
            "nothing was answered; run agevault get on the same vault to see what is slow: a derivation, a file system",
        ),
        Error::NoVault(path, kept) => {
            let what = format!("there is no vault at {}", name::path(path));
            let hint = match kept {
                None => {
                    "make one with agevault init, bring one back with agevault restore, or name another with --vault"
                        .to_owned()
                }
                Some(number) => format!(
                    "but kept generations lie beside it: agevault restore --generation {number} brings the newest back"
                ),
            };
            Words::new("no-vault", exit::NO_ENTRY, what, hint)
        }
        Error::KeptGenerations => Words::new(
            "kept-generations",
            exit::CONFLICT,
            "kept generations of a vault lie here",
            "agevault restore --generation N brings one back, agevault history list shows them; or move its directory, named like the vault with .d, away",
        ),
        Error::DamagedBackup => Words::new(
            "damaged-backup",
            exit::DAMAGED,
            "the backup is damaged",
            "nothing was changed; take another one, or a kept generation: agevault history list",
        ),
        Error::UnknownBackup(pin) => Words::new(
            "unknown-vault",
            exit::NOT_AUTHENTIC,
            format!("the vault in the backup was never used on this host: its fingerprint is {pin}"),
            "repeat on a terminal to compare it, or with --pin and the one that you know, from a recovery kit for instance",
        ),
        Error::BackupKey => Words::new(
            "no-key",
            exit::LOCKED,
            "the key at hand does not open the backup",
            "name the one that does with --backup-identity FILE or --backup-passphrase-file FILE",
        ),
        Error::NoBackup => Words::new(
            "not-a-vault",
            exit::DAMAGED,
            "this is no backup of a vault",
            "a backup is a binary age file; name one that agevault backup create has made, or a kept generation",
        ),
        Error::BackupPin(pin) => Words::new(
            "not-authentic",
            exit::NOT_AUTHENTIC,
            format!("the vault in the backup is not the one that --pin names: its fingerprint is {pin}"),
            "nothing was changed",
        ),
        Error::OnlyReference => Words::new(
            "only-reference",
            exit::NO_ENTRY,
            "this profile holds a reference to a secret elsewhere, and none itself",
            "agevault get ID --field keyRef (or tokenRef) prints the reference; agevault set puts a value in its place",
        ),
        Error::NoHome => Words::new(
            "no-home",
            exit::UNSAFE,
            "HOME is not set",
            "set HOME, or name everything: --vault, --local-state and -i",
        ),
        Error::NoRuntimeDir => Words::new(
            "no-runtime-dir",
            exit::UNSAFE,
            "no directory in memory is known",
            "set AGEVAULT_RUNTIME_DIR to one on a tmpfs, or name a directory; that of a session with --session DIR",
        ),
        Error::Declined => Words::new("declined", exit::FAILED, "nothing was changed", ""),
        Error::Findings(0, _) => Words::new(
            "findings",
            exit::FINDINGS,
            "there is no backup here",
            "agevault backup create makes one; a backup of another name is verified by the path of its file",
        ),
        Error::Findings(count, all) => {
            let hint = "make a new one with agevault backup create";
            Words::new(
                "findings",
                exit::FINDINGS,
                format!("{count} of {} failed", name::count(*all, "backup", "backups")),
                hint,
            )
        }
        Error::Verdict(code) => Words::new("verdict", *code, "", ""),
        Error::Killed(signal) => {
            let number = u8::try_from(*signal).unwrap_or_default();
            Words::new("killed", exit::SIGNAL.saturating_add(number), "", "")
        }
        Error::Pipe => Words::new("pipe", 0, "", ""),
    }
}

/// Prints an error and gives its exit code.
pub fn report(error: &Error, codes: Codes) -> u8 {
    let words = of(error);
    let (what, hint) = (words.what, words.hint);
    if super::usage::options().any(|argument| argument == "--json") && !what.is_empty() {
        let error = json!({"version": 1, "error": {"token": words.token, "what": what, "hint": hint}});
        tell!("{}\n", name::json_text(&error));
    } else if !what.is_empty() {
        tell!("{} {}\n", super::color::name(), name::plain(&what));
        if !hint.is_empty() {
            tell!("  {}\n", name::plain(&hint));
        }
    }
    match error {
        Error::Verdict(_) | Error::Killed(_) | Error::Pipe => words.exit,
        _ => codes.of(words.exit),
    }
}

/// The last words of a bug: where, and nothing of what.
pub fn panicked(location: Option<&std::panic::Location<'_>>) {
    let place = location.map(|place| format!("{}:{}", place.file(), place.line())).unwrap_or_default();
    tell!("agevault: internal error at {place}\n");
    tell!("  nothing was saved by this command; please report the place\n");
    // Not the panic's own abort: that would be a signal and perhaps a crash report.
    std::process::exit(i32::from(super::usage::codes().of(exit::FAILED)));
}
