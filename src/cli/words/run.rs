//! Words for a command that was not run.

use super::name::{self, plain};
use super::{Words, exit};
use crate::ops::run::{Error, TooMuch};
use crate::views;
use std::path::Path;

/// Words for `run`. All its own failures end with 125, so that they are not mistaken for the
/// command's; the codes here are those that other commands have for the same.
pub fn of_run(error: &Error) -> Words {
    let names =
        |names: &[String]| names.iter().map(|name| format!("env/{}", plain(name))).collect::<Vec<_>>().join(", ");
    match error {
        Error::Views(error) => of_views(error),
        Error::Model(error) => super::vault::of_model(error),
        Error::KeepsEnvironment => Words::new(
            "keeps-environment",
            exit::UNSAFE,
            "this command of the gateway writes its environment into the files of a service, in plaintext",
            "run it without agevault run, or insist with --force",
        ),
        Error::NoEntry(which) => {
            let which: Vec<String> = which.iter().map(ToString::to_string).collect();
            Words::new(
                "no-entry",
                exit::NO_ENTRY,
                format!("the vault has no entry for --only number {}", which.join(", ")),
                "agevault list shows the ids: write env/NAME as NAME, any other as VARIABLE=ID",
            )
        }
        Error::NoText(which) => {
            let which: Vec<String> = which.iter().map(ToString::to_string).collect();
            Words::new(
                "no-value",
                exit::CONFLICT,
                format!("the entry of --only number {} has no single value", which.join(", ")),
                "name one with a value, a key or a token; OAuth credentials and references have none",
            )
        }
        Error::Twice(name) => Words::new(
            "usage",
            exit::USAGE,
            format!("--only names the variable {} twice", plain(name)),
            "a variable has one value: name one entry for it",
        ),
        Error::Powerful(which) => Words::new(
            "powerful-name",
            exit::UNSAFE,
            format!("these variables decide what a process runs or trusts: {}", plain(&which.join(", "))),
            {
                let allow: Vec<String> = which.iter().map(|name| format!("--allow {}", plain(name))).collect();
                format!("{} hands them over, if you put them there; --only names others", allow.join(" "))
            },
        ),
        Error::Nul(which) => Words::new(
            "nul",
            exit::CONFLICT,
            format!("no environment can hold a NUL, and these have one: {}", names(which)),
            "replace them with agevault set, or name the others with --only",
        ),
        Error::TooLong(which, bound) => Words::new(
            "too-long",
            exit::CONFLICT,
            format!("a variable has at most {bound} bytes, its name counted; these have more: {}", names(which)),
            "name the others with --only; agevault get prints long ones",
        ),
        Error::TooMuch(TooMuch { size, bound, largest }) => {
            let largest = if largest.is_empty() { String::new() } else { format!("; the largest: {}", names(largest)) };
            Words::new(
                "too-much",
                exit::CONFLICT,
                format!("arguments and environment have {size} bytes, and the system takes about {bound}{largest}"),
                "name the entries that the command needs with --only; ulimit -s raises the bound up to 6 MiB",
            )
        }
        Error::NotFound => Words::new(
            "no-command",
            exit::NO_COMMAND,
            "there is no such command, or what its first line names is not there",
            "check its name and PATH",
        ),
        Error::NotExecutable(error) => Words::new(
            "not-executable",
            exit::NOT_EXECUTABLE,
            format!("the command cannot be run: {}", super::file::reason(error)),
            "check its mode, and whether it is a program",
        ),
        Error::NotStarted(error) => Words::new(
            "not-started",
            exit::FAILED,
            format!("the system did not start or watch the command: {}", super::file::reason(error)),
            "",
        ),
    }
}

/// The words that `export` has, and hints without options that only `export` has.
fn of_views(error: &views::Error) -> Words {
    use views::Error;
    let words = super::vault::of_views(error);
    let hint = match error {
        Error::OnDisk(_) => {
            "plaintext stays on a disk even when it is removed; set AGEVAULT_RUNTIME_DIR to a directory on a tmpfs"
        }
        Error::Changed(_) => {
            "agevault capture takes it back into the vault, and names what only agevault set takes; agevault wipe --discard gives it up"
        }
        Error::NotOurs(_) => {
            "agevault import takes the entries into the vault; remove other lines by hand, or give all of it up with agevault export --discard"
        }
        Error::File(_)
        | Error::Model(_)
        | Error::Format(_)
        | Error::HoldsStore(_)
        | Error::Ignored
        | Error::Stale
        | Error::Unrepresentable(_)
        | Error::NoAgent(_)
        | Error::Record(_)
        | Error::Unreadable(_)
        | Error::Originals(_)
        | Error::Superseded(_)
        | Error::InUse(_) => return words,
    };
    Words { hint: hint.to_owned(), ..words }
}

/// Words for `run` with nothing after it.
pub fn nothing() -> Words {
    Words::new(
        "usage",
        exit::USAGE,
        "there is no command to run",
        "write it after --, as in agevault run -- openclaw gateway",
    )
}

/// Words for views that cannot go yet.
pub fn in_use(dir: &Path) -> Words {
    Words::new(
        "in-use",
        exit::BUSY,
        format!("a command under agevault run needs the views in {}", name::path(dir)),
        "they go when it ends; end it first",
    )
}
