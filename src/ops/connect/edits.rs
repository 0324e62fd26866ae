//! Files of the gateway as they will be: made in memory before anything is changed.

use super::{Error, Plan};
use crate::formats::openclaw_config;
use crate::formats::{self, dotenv};
use crate::fsio;
use crate::gateway::Inventory;
use crate::secret::SecretBuf;
use std::path::PathBuf;

/// One file, before and after.
pub struct Edit {
    /// The file.
    pub path: PathBuf,
    /// What it holds; `None` if it is to be made.
    pub old: Option<SecretBuf>,
    /// What it will hold.
    pub new: SecretBuf,
    /// Whether it is a file of variables, and not of the configuration.
    pub env: bool,
}

impl Edit {
    /// Whether anything of it changes.
    pub fn changes(&self) -> bool {
        self.old.as_ref().is_none_or(|old| old.expose() != self.new.expose())
    }
}

/// Every file that a plan edits, the one that names the resolver first.
///
/// # Errors
/// A file whose text cannot be changed in that way, or is not to be changed by us.
pub fn of(plan: &Plan, inventory: &Inventory) -> Result<Vec<Edit>, Error> {
    let mut edits = of_config(plan, inventory)?;
    let main = inventory.config_path.clone();
    edits.sort_by_key(|edit| edit.path != main);
    for file in inventory.env.iter().filter(|_| !plan.dotenv.is_empty()) {
        let new = dotenv::without(file.bytes.expose(), |name| plan.dotenv.contains(name));
        let new = new.map_err(|error| Error::Format(error, file.path.clone()))?;
        edits.push(Edit { path: file.path.clone(), old: Some(copy(&file.bytes)), new, env: true });
    }
    edits.retain(Edit::changes);
    // What belongs to another is read, and never replaced.
    for edit in edits.iter().filter(|edit| edit.old.is_some()) {
        match fsio::read_own(&edit.path, formats::MAX_INPUT) {
            Err(fsio::Error::Owner(path, _)) => return Err(Error::ReadOnly(Some(path))),
            other => drop(other?),
        }
    }
    Ok(edits)
}

/// The files of the configuration, also those that do not change.
pub(super) fn of_config(plan: &Plan, inventory: &Inventory) -> Result<Vec<Edit>, Error> {
    let main = inventory.config_path.clone();
    let mut edits = Vec::new();
    for document in inventory.config.iter().flat_map(|config| &config.documents) {
        // A file that is included in several places is edited once.
        if edits.iter().any(|edit: &Edit| edit.path == document.path) {
            continue;
        }
        let new = match plan.config.get(&document.path) {
            Some(steps) => openclaw_config::edit(document.bytes.expose(), steps)
                .map_err(|error| Error::Format(error, document.path.clone()))?,
            None => copy(&document.bytes),
        };
        edits.push(Edit { path: document.path.clone(), old: Some(copy(&document.bytes)), new, env: false });
    }
    if let Some(steps) = plan.config.get(&main).filter(|_| edits.iter().all(|edit| edit.path != main)) {
        let new = openclaw_config::edit(b"{\n}\n", steps).map_err(|error| Error::Format(error, main.clone()))?;
        edits.push(Edit { path: main, old: None, new, env: false });
    }
    Ok(edits)
}

pub(super) fn copy(bytes: &SecretBuf) -> SecretBuf {
    SecretBuf::new(bytes.expose().to_vec())
}
