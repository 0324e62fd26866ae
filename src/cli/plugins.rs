//! age plugins: where they are, what they are started with, and who answers them.

use super::ask::Terminal;
use super::environment::{inherited, search_path};
use super::words::plain;
use crate::fsio;
use crate::seal::{PluginFault, PluginHost};
use crate::secret::Secret;
use rustix::fs::{Access, access};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// The plugins of this machine.
pub struct Plugins {
    terminal: Terminal,
    quiet: bool,
    /// Those that were named to the person already.
    shown: Mutex<BTreeSet<PathBuf>>,
}

impl Plugins {
    /// With `no_input` nobody answers them; with `quiet` they are not announced.
    pub fn new(no_input: bool, quiet: bool) -> Self {
        Self { terminal: Terminal::new(no_input, quiet, false), quiet, shown: Mutex::default() }
    }
}

impl PluginHost for Plugins {
    fn find(&self, name: &str) -> Result<PathBuf, PluginFault> {
        // What PATH names from the current directory could be anybody's.
        let dirs = search_path().into_iter().filter(|dir| dir.is_absolute());
        let programs = dirs.map(|dir| dir.join(format!("age-plugin-{name}")));
        let runs = |program: &PathBuf| program.is_file() && access(program, Access::EXEC_OK).is_ok();
        let program = programs.into_iter().find(runs).ok_or(PluginFault::Missing)?;
        fsio::check_way(&program).map_err(|_| PluginFault::Unsafe(program.clone()))?;
        let real = program.canonicalize().map_err(|_| PluginFault::Missing)?;
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.quiet && shown.insert(real.clone()) {
            tell!("uses the plugin {}\n", plain(&real.to_string_lossy()));
        }
        Ok(real)
    }

    fn environment(&self) -> Vec<(OsString, OsString)> {
        let ours = |name: &OsString| {
            let name = name.to_string_lossy();
            name.starts_with("AGEVAULT_") || name == "CREDENTIALS_DIRECTORY" || name == "AGEDEBUG"
        };
        inherited().into_iter().filter(|(name, _)| !ours(name)).collect()
    }

    fn message(&self, name: &str, text: &str) {
        tell!("{name}: {}\n", plain(text));
    }

    fn confirm(&self, name: &str, text: &str, yes: &str, no: Option<&str>) -> Option<bool> {
        let answers = no.map_or_else(|| yes.to_owned(), |no| format!("{yes}, not {no}"));
        match self.terminal.confirm_in_person(&plain(&format!("{name}: {text} ({answers})"))) {
            Ok(()) => Some(true),
            Err(super::Error::Declined) => Some(false),
            Err(_) => None,
        }
    }

    fn public(&self, name: &str, text: &str) -> Option<String> {
        self.terminal.line(&plain(&format!("{name}: {text}: ")))
    }

    fn secret(&self, name: &str, text: &str) -> Option<Secret> {
        self.terminal.hidden(&plain(&format!("{name}: {text}"))).ok()
    }
}
