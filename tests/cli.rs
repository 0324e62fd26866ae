//! Runs the CLI cases: each text file in `tests/cli/` is one test of its own.
//!
//! ```text
//! # a comment, best the promise that the case keeps
//! include vault                  setup/vault.txt first: its steps, its files
//! exec agevault list env/        must succeed
//! cmp stdout want
//! ! exec agevault get env/NONE   must fail, and not by a panic
//! exit 3
//! -- want --
//! env/EXAMPLE_TOKEN
//! ```
//!
//! Words are split at blanks. Within `'...'` nothing is special, `''` is a quote. Elsewhere `$NAME`
//! and `${NAME}` are variables of the case, or `$FIXTURES`, `$RAM`. The sections after the
//! steps are files, written below HOME before the first step: 0600, in directories of 0700.
//!
//! | step | does |
//! |---|---|
//! | `exec CMD ARG...` | runs CMD without a terminal; `agevault` or one of `world::TOOLS`, nothing else is on PATH |
//! | `tty [-stdout] [-stderr] SCRIPT CMD ARG...` | runs CMD on a terminal, with streams named by a flag kept off it; SCRIPT says who types what |
//! | `stdin FILE` | input of the next `exec` or `tty`; `stdout` is what the last one printed; otherwise there is none |
//! | `exit N`, `exit signal N` | how the last command ended |
//! | `stdout RE`, `stderr RE`, `ttyout RE` | the stream of the last command has a match (`^` and `$` are of a line); `! stdout .`: it is empty |
//! | `database FILE SQL` | runs the statements of SQL in a SQLite database, which is made if it is not there |
//! | `cmp stdout\|stderr\|ttyout\|FILE WANT` | equal, byte for byte, but for placeholders in the section WANT |
//! | `nosecret TEXT...` | nothing printed so far holds a TEXT; a command that may is marked: `reveals exec ...` |
//! | `grep RE PATH...`, `! grep` | some (no) file has a match; folders are searched through |
//! | `exists PATH...`, `! exists` | every (no) PATH is there; links are not followed |
//! | `mode 0600 PATH...` | permission bits |
//! | `env NAME=VALUE...`, `env -u NAME` | the environment of later commands; at first PATH, HOME, XDG_* and TERM |
//! | `cd DIR` | for all later steps |
//! | `skip WHY` | ends the case as ignored; of use with a condition |
//!
//! `[COND]` or `[!COND]` before a step: only if this machine is `linux`, has `ram` (a tmpfs, then `$RAM` and
//! XDG_RUNTIME_DIR are there), or the tests are `root`.
//!
//! A SCRIPT has one line for each move: `expect RE` waits for output; `send TEXT` types it and Enter;
//! `secret TEXT` does so once the terminal has stopped to echo, and fails if it does not (`hidden ctrl-c` and `hidden
//! ctrl-d`, `ctrl-z` press a key then, `paste A|B` types several lines at once); `key ctrl-c`, `ctrl-d`,
//! `ctrl-z` or `enter`.
//!
//! Placeholders: `[HOME]`, `[RAM]`, `[FIXTURES]`, `[TIME]`, `[DATE]`, `[STAMP]` (a time in a file name), `[UUID]`,
//! `[AGE1]`, `[AGE-SECRET-KEY]`, `[SSH-KEY]`, `[HEX]`, `[HOST]`, `[N]`, `[VERSION]`, `[...]` (any text);
//! `[NO NEWLINE]`, `[CR]` and `[ESC]` are for what an editor would not show.
//!
//! `UPDATE_CASES=1` rewrites the sections that `cmp` compares with; lines that fit stay as they are. `KEEP_CASES=1`
//! leaves the folders of failing cases. Files in `runner/` test the runner; `# fails: RE` there: and so must it.

#[path = "cli/support/mod.rs"]
mod support;

use libtest_mimic::{Arguments, Trial};
use std::path::Path;
use std::process::ExitCode;
use support::{detach, own, run_case};

const AGEVAULT: &str = env!("CARGO_BIN_EXE_agevault");
const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli");
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
const SCRATCH: &str = env!("CARGO_TARGET_TMPDIR");

fn main() -> ExitCode {
    if let Some(code) = detach::requested() {
        return code;
    }
    // What a command creates must not depend on who runs the tests.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));

    let update = std::env::var_os("UPDATE_CASES").is_some_and(|v| v == "1");
    let mut trials = own::trials();
    for path in support::case_files(Path::new(CASES)) {
        let name = support::name_of(&path);
        trials.push(Trial::ignorable_test(name, move || Ok(run_case(&path, update)?)));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
