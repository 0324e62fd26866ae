//! The steps that look: at streams, files and all that was printed.

use super::script::rewrite_section;
use super::steps::Player;
use super::text::{Placeholders, compile};
use super::{Outcome, failed};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

impl Player<'_> {
    pub(super) fn search(&self, verb: &str, pattern: &str, paths: &[String], not: bool) -> Outcome<()> {
        let pattern = compile(&format!("(?m){pattern}"))?;
        let mut files = Vec::new();
        match (verb, paths) {
            ("grep", [_, ..]) => {
                for path in paths {
                    collect(&self.world.path(path), &mut files)?;
                }
            }
            ("grep", []) => return Err("grep takes a pattern and files".into()),
            (stream, []) => files.push((stream.to_owned(), self.stream(stream)?.to_owned())),
            _ => return Err(format!("{verb} takes one pattern; put it between quotes")),
        }
        match (files.iter().find(|(_, text)| pattern.is_match(text)), not) {
            (Some((file, _)), true) => Err(format!("found in {file}")),
            (None, false) => Err("not found".into()),
            _ => Ok(()),
        }
    }

    pub(super) fn cmp(&self, actual: &str, want: &str) -> Outcome<()> {
        let text = String::from_utf8_lossy(&self.input(actual)?).into_owned();
        let placeholders = Placeholders::new(&self.world.places())?;
        let Some(section) = self.case.section(want) else {
            let path = self.world.path(want);
            return match fs::read(&path) {
                Ok(expected) if expected == self.input(actual)? => Ok(()),
                Ok(_) => Err("the files differ".into()),
                Err(_) if self.update => {
                    let found = placeholders.compare("", &text)?;
                    rewrite_section(&self.case.path, want, &found.update())
                }
                Err(_) => Err("there is no such section; UPDATE_CASES=1 makes it".into()),
            };
        };
        let found = placeholders.compare(&section.text, &text)?;
        match (found.is_equal(), self.update) {
            (true, _) => Ok(()),
            (false, true) => rewrite_section(&section.origin, want, &found.update()),
            (false, false) => Err(format!("- {want}\n+ {actual}\n{}", found.diff())),
        }
    }

    pub(super) fn nosecret(&self, canaries: &[&str]) -> Outcome<()> {
        for canary in canaries {
            if canary.is_empty() {
                return Err("every text holds an empty one".into());
            }
            if let Some((step, _)) = self.printed.iter().find(|(_, text)| text.contains(canary)) {
                return Err(format!("{canary} was printed by {step}"));
            }
        }
        Ok(())
    }

    pub(super) fn exists(&self, names: &[&str], wanted: bool) -> Outcome<()> {
        let wrong = names.iter().find(|name| fs::symlink_metadata(self.world.path(name)).is_ok() != wanted);
        match wrong {
            Some(name) if wanted => Err(format!("{name} does not exist")),
            Some(name) => Err(format!("{name} exists")),
            None => Ok(()),
        }
    }

    pub(super) fn mode(&self, bits: &str, names: &[&str]) -> Outcome<()> {
        for name in names {
            let path = self.world.path(name);
            let mode = fs::symlink_metadata(&path).map_err(failed("look at", &path))?.permissions().mode() & 0o7777;
            if format!("{mode:04o}") != bits {
                return Err(format!("{name} has the mode {mode:04o}"));
            }
        }
        Ok(())
    }
}

/// The files at or below a path, as far as they are text.
fn collect(path: &Path, files: &mut Vec<(String, String)>) -> Outcome<()> {
    let found = fs::symlink_metadata(path).map_err(failed("look at", path))?;
    if found.is_dir() {
        for entry in fs::read_dir(path).map_err(failed("read", path))? {
            collect(&entry.map_err(failed("read", path))?.path(), files)?;
        }
    } else if path.is_file() {
        let bytes = fs::read(path).map_err(failed("read", path))?;
        files.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
    }
    Ok(())
}
