//! The planned changes, in an order in which an interruption at any moment leaves a gateway that works.

use super::{Edit, Error, Plan};
use crate::formats;
use crate::fsio::{self, Dir, Replacement};
use crate::gateway::{self, Inventory, Program};
use crate::model::Vault;
use crate::secret::SecretBuf;
use crate::store;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Files of the configuration that were replaced.
    pub config: usize,
    /// So many stores were changed.
    pub stores: usize,
}

/// Seals the files that will change, as they are, into `kept`: each file with the place of its sealed copy. With it
/// every byte can come back.
///
/// # Errors
/// As [`store::keep_sealed`]; a file that cannot be read.
pub fn seal_originals(
    edits: &[Edit],
    plan: &Plan,
    inventory: &Inventory,
    vault: &Vault<'_>,
    kept: &Path,
) -> Result<Vec<(PathBuf, PathBuf)>, Error> {
    let mut sealed = Vec::new();
    for Edit { path, old, .. } in edits {
        if let Some(old) = old {
            sealed.push((path.clone(), store::keep_sealed(vault, kept, path, old.expose())?));
        }
    }
    let changed = plan.stores.iter().filter_map(|change| change.dir.clone());
    let replaced = inventory.agents.values().filter(|_| plan.views).cloned();
    let mut files: Vec<PathBuf> = changed.chain(replaced).map(|dir| dir.join("auth-profiles.json")).collect();
    files.sort();
    files.dedup();
    for path in files {
        // A link leads to a view, which is made from the vault.
        if std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
            let bytes = fsio::read_own(&path, formats::MAX_INPUT)?;
            let copy = store::keep_sealed(vault, kept, &path, bytes.expose())?;
            sealed.push((path, copy));
        }
    }
    Ok(sealed)
}

/// Does what was planned: first the configuration, which names the resolver, then what refers to it,
/// and plaintext last. Run again after an interruption it does the rest.
///
/// # Errors
/// A file that changed since it was read, or cannot be replaced; a store that the gateway does not change.
pub fn apply(plan: &Plan, edits: &[Edit], program: &Program) -> Result<Applied, Error> {
    let (env, config): (Vec<&Edit>, Vec<&Edit>) = edits.iter().partition(|edit| edit.env);
    config.iter().try_for_each(|edit| write(edit))?;
    if !plan.stores.is_empty() {
        program.change_stores(&plan.stores)?;
    }
    env.iter().try_for_each(|edit| write(edit))?;
    Ok(Applied { config: config.len(), stores: plan.stores.len() })
}

fn write(edit: &Edit) -> Result<(), Error> {
    if let Some(old) = &edit.old {
        check_still(&edit.path, old)?;
    }
    replace(&edit.path, &edit.new)
}

/// Refuses a file that was changed after it was read.
pub(super) fn check_still(path: &Path, bytes: &SecretBuf) -> Result<(), Error> {
    let now = fsio::read_own(path, formats::MAX_INPUT)?;
    if now.expose() == bytes.expose() { Ok(()) } else { Err(gateway::Error::StoreChanged.into()) }
}

/// Replaces a file of the gateway's, 0600 as the gateway has them; links are followed.
pub(super) fn replace(path: &Path, bytes: &SecretBuf) -> Result<(), Error> {
    let real = fsio::real_path(path)?;
    let (Some(parent), Some(name)) = (real.parent(), real.file_name()) else {
        return Err(fsio::Error::Kind(real).into());
    };
    Ok(Replacement::write(&Dir::open(parent)?, name, bytes.expose(), 0o600)?.commit()?)
}

/// Removes a file for good.
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let dir = Dir::open(parent)?;
    dir.remove(name)?;
    Ok(dir.sync()?)
}

/// How a running gateway took notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reload {
    /// It asked for its secrets again.
    Done,
    /// It asked, and not all of them came.
    Degraded,
    /// It did not do so, although something listens on this port of the host, where it would: it has what it had
    /// until it is started anew. Its local commands come with the token that the configuration has now.
    Refused(u16),
    /// None runs: nothing listens on this port.
    NotRunning(u16),
}

/// Has a running gateway ask for its secrets again. `port` is where it listens.
///
/// # Errors
/// When its program cannot be run.
pub fn reload(program: &Program, port: u16) -> Result<Reload, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Report {
        ok: bool,
        #[serde(default)]
        warning_count: u64,
    }
    let output = program.run(&["secrets", "reload", "--json"])?;
    Ok(match serde_json::from_slice::<Report>(output.stdout.expose()) {
        Ok(Report { ok: true, warning_count: 0 }) => Reload::Done,
        Ok(Report { ok: true, .. }) => Reload::Degraded,
        _ if gateway::listens(port) => Reload::Refused(port),
        _ => Reload::NotRunning(port),
    })
}
