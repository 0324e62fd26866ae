//! The runner of the CLI cases, see `tests/cli.rs` for their language.

mod checks;
pub mod detach;
pub mod own;
mod process;
mod script;
mod steps;
mod terminal;
mod text;
mod world;

use libtest_mimic::Completion;
use std::path::{Path, PathBuf};

/// What went wrong, for the person who reads the test's output.
pub type Outcome<T> = Result<T, String>;

/// The cases of one folder, by name; folders in it hold something else.
pub fn case_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .collect();
    files.sort();
    files
}

pub fn name_of(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Runs one case in a world of its own; `update` rewrites what `cmp` expects.
pub fn run_case(path: &Path, update: bool) -> Outcome<Completion> {
    let case = script::Case::read(path)?;
    let mut world = world::World::new()?;
    for section in &case.sections {
        world.write(&section.name, &section.text)?;
    }
    let done = steps::Player::new(&mut world, &case, update).play();
    match std::env::var_os("KEEP_CASES") {
        Some(_) => done.map_err(|error| error + &world.keep()),
        None => done,
    }
}

/// Adds to an I/O error what was being done and to which file.
fn failed<'a, E: std::fmt::Display>(what: &'a str, path: &'a Path) -> impl FnOnce(E) -> String + 'a {
    move |error| format!("cannot {what} {}: {error}", path.display())
}
