//! Tests of the runner: a wrong expectation must fail, and for the right reason.

use super::{Outcome, case_files, name_of, run_case, text};
use libtest_mimic::Trial;
use std::path::Path;

pub fn trials() -> Vec<Trial> {
    let folder = Path::new(crate::CASES).join("runner");
    let mut trials = vec![Trial::test("runner::update_keeps_lines_that_fit", || Ok(update_keeps_lines_that_fit()?))];
    for path in case_files(&folder) {
        let name = format!("runner::{}", name_of(&path));
        trials.push(Trial::test(name, move || Ok(run_own(&path)?)));
    }
    trials
}

fn run_own(path: &Path) -> Outcome<()> {
    let text = std::fs::read_to_string(path).map_err(super::failed("read", path))?;
    let expected = text.lines().find_map(|line| line.strip_prefix("# fails: "));
    match (run_case(path, false), expected) {
        (Ok(_), None) => Ok(()),
        (Ok(_), Some(_)) => Err("it should have failed".into()),
        (Err(error), None) => Err(error),
        (Err(error), Some(expected)) if text::compile(expected)?.is_match(&error) => Ok(()),
        (Err(error), Some(_)) => Err(format!("it failed for another reason: {error}")),
    }
}

fn update_keeps_lines_that_fit() -> Outcome<()> {
    let case = |want: &str| format!("exec cat in\ncmp stdout want\n-- in --\n2026\nold b\nend\n-- want --\n{want}");
    let folder = tempfile::tempdir_in(crate::SCRATCH).map_err(|e| e.to_string())?;
    let path = folder.path().join("case.txt");
    std::fs::write(&path, case("[N]\nnew b\nend\n")).map_err(super::failed("write", &path))?;
    if run_case(&path, false).is_ok() {
        return Err("a case with a wrong line passed".into());
    }
    run_case(&path, true)?;
    let text = std::fs::read_to_string(&path).map_err(super::failed("read", &path))?;
    if text != case("[N]\nold b\nend\n") {
        return Err(format!("the update wrote this:\n{text}"));
    }
    run_case(&path, false).map(|_| ())
}
