//! One story with any release of the gateway: connect, a turn with the vault's key, no plaintext left, everything
//! given back. `tests/releases` installs releases and runs this program for each:
//!
//! ```text
//! cargo test --test releases -- FOLDER
//! ```
//!
//! FOLDER holds `node_modules` with the gateway and Node. The last line of the output is a row of the script's table;
//! the exit code is 0 if every promise holds.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a story stops at the first surprise")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports to a script")]
#![allow(dead_code, reason = "the stories of tests/e2e.rs use more of what they share")]

#[path = "e2e/current.rs"]
mod current;
#[path = "e2e/place.rs"]
mod place;
#[path = "e2e/provider.rs"]
mod provider;
#[path = "e2e/release.rs"]
mod release;
#[path = "e2e/tools.rs"]
mod tools;
#[path = "e2e/upgrade.rs"]
mod upgrade;
#[path = "e2e/wired.rs"]
mod wired;

use release::{KEY, Release, SECRETS, held, with_plaintext};
use std::fs;
use std::process::{Command, ExitCode, Output};
use std::time::Instant;

/// One row of the table.
struct Row {
    connect: Option<i32>,
    turn: bool,
    left: Vec<String>,
    lost: Vec<String>,
    unknown: Vec<String>,
}

impl Row {
    fn holds(&self) -> bool {
        self.connect == Some(0) && self.turn && self.left.is_empty() && self.lost.is_empty() && self.unknown.is_empty()
    }
}

fn story(release: &Release) -> Row {
    let wired = with_plaintext(release);
    // What the gateway makes of its secrets when it runs is there too.
    assert_eq!(wired.turn("main", &["--local"]), KEY, "before it is connected");
    let before = held(&wired, release);
    let output = told(wired.agevault().arg("connect"));
    let mut left = wired.files_with(&SECRETS);
    let turn = caught(|| wired.turn("main", &["--local"])).is_some_and(|key| key == KEY);
    left.extend(wired.files_with(&SECRETS));
    left.sort();
    left.dedup();
    told(wired.agevault().args(["connect", "--undo", "--yes"]));
    let after = held(&wired, release);
    let lost = before.iter().filter(|(name, bytes)| after.get(*name) != Some(bytes)).map(|(name, _)| name.clone());
    Row { connect: output.status.code(), turn, left, lost: lost.collect(), unknown: release.unknown_targets() }
}

/// Runs a command, and tells what it said and how it ended.
fn told(command: &mut Command) -> Output {
    let output = command.output().expect("a program that starts");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
    eprintln!("\n$ {}\n{}{}{}", args.join(" "), text(&output.stdout), text(&output.stderr), output.status);
    output
}

/// The outcome, or none if it panicked: the rest of the story is worth a row all the same.
fn caught<T>(part: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(part)).ok()
}

fn yes(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

fn code(code: Option<i32>) -> String {
    code.map_or_else(|| "-".to_owned(), |code| code.to_string())
}

fn tell_wrong(what: &str, names: &[String]) {
    names.iter().for_each(|name| eprintln!("{what}: {name}"));
}

fn one_release(release: &Release) -> bool {
    let start = Instant::now();
    let row = story(release);
    tell_wrong("left", &row.left);
    tell_wrong("not given back", &row.lost);
    tell_wrong("unknown target", &row.unknown);
    let (connect, turn, left, undo) =
        (code(row.connect), yes(row.turn), yes(!row.left.is_empty()), yes(row.lost.is_empty()));
    let (targets, seconds) = (yes(row.unknown.is_empty()), start.elapsed().as_secs());
    println!("{}\t{connect}\t{turn}\t{left}\t{undo}\t{targets}\t{seconds}", release.version);
    row.holds()
}

/// Each story of an upgrade; one that fails does not keep the others from being told.
fn an_upgrade(old: &Release, new: &Release) -> bool {
    let mut all = true;
    for (name, story) in upgrade::STORIES {
        eprintln!("\n==== {name}");
        let start = Instant::now();
        let outcome = caught(|| story(old, new)).unwrap_or_default();
        tell_wrong("left", &outcome.left);
        tell_wrong("not so", &outcome.wrong);
        let (check, connect, turn) = (code(outcome.check), code(outcome.connect), yes(outcome.turn));
        let (left, back, seconds) = (yes(!outcome.left.is_empty()), yes(outcome.back), start.elapsed().as_secs());
        println!("{}..{}\t{name}\t{check}\t{connect}\t{turn}\t{left}\t{back}\t{seconds}", old.version, new.version);
        all &= outcome.holds();
    }
    all
}

fn main() -> ExitCode {
    let folders = std::env::args_os().skip(1).map(|folder| fs::canonicalize(folder).expect("a folder"));
    let releases: Vec<Release> = folders.map(|folder| Release::in_folder(&folder)).collect();
    let holds = match releases.as_slice() {
        [release] => one_release(release),
        [old, new] => an_upgrade(old, new),
        _ => panic!("the folder of a release, or two; run tests/releases"),
    };
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
