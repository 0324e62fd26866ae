//! The planned changes, in an order in which an interruption at any moment leaves a gateway that works.

use super::plan::is_plain;
use super::{Error, Held, Plan};
use crate::formats::openclaw_config::{self, Step};
use crate::formats::{self, dotenv};
use crate::fsio::{self, Dir, Replacement};
use crate::gateway::{self, Program};
use crate::model::{Scope, Vault};
use crate::secret::SecretBuf;
use crate::store;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The configuration was replaced.
    pub config: bool,
    /// So many stores were changed.
    pub stores: usize,
    /// So many entries left the `.env`.
    pub dotenv: usize,
    /// Where the `.env` as it was is kept, sealed.
    pub sealed: Option<PathBuf>,
}

/// How a running gateway took notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Does what was planned: first the configuration, which names the resolver, then what refers to it,
/// and plaintext last. Run again after an interruption it does the rest. What the `.env` was is sealed into `kept`.
///
/// # Errors
/// A file that cannot be replaced, a store that the gateway does not change.
pub fn apply(plan: &Plan, held: &Held, program: &Program, vault: &Vault<'_>, kept: &Path) -> Result<Applied, Error> {
    let sealed = keep_env(plan, held, vault, kept)?;
    let config = edit_config(&plan.config, held, program.state_dir())?;
    if !plan.stores.is_empty() {
        program.change_stores(&plan.stores)?;
    }
    if let Some((path, bytes)) = held.dotenv.as_ref().filter(|_| !plan.dotenv.is_empty()) {
        let failed = |error| Error::Format(error, path.clone());
        check_still(path, bytes)?;
        let left = dotenv::without(bytes.expose(), |name| plan.dotenv.contains(name)).map_err(failed)?;
        replace(path, &left)?;
    }
    Ok(Applied { config, stores: plan.stores.len(), dotenv: plan.dotenv.len(), sealed })
}

/// Seals the `.env` as it is into `kept` before entries leave it: a name may stand there twice, with another value
/// that nothing else has. Where it is kept.
///
/// # Errors
/// As [`store::keep_sealed`].
fn keep_env(plan: &Plan, held: &Held, vault: &Vault<'_>, kept: &Path) -> Result<Option<PathBuf>, Error> {
    let Some((path, bytes)) = held.dotenv.as_ref().filter(|_| !plan.dotenv.is_empty()) else { return Ok(None) };
    Ok(Some(store::keep_sealed(vault, kept, path, bytes.expose())?))
}

/// Edits the configuration in its place; true if it changed.
pub(super) fn edit_config(steps: &[Step], held: &Held, state_dir: &Path) -> Result<bool, Error> {
    if steps.is_empty() {
        return Ok(false);
    }
    let new = (state_dir.join("openclaw.json"), SecretBuf::new(b"{\n}\n".to_vec()));
    let (path, bytes) = held.config.as_ref().unwrap_or(&new);
    if held.config.is_some() {
        check_still(path, bytes)?;
    }
    let edited = openclaw_config::edit(bytes.expose(), steps).map_err(|error| Error::Format(error, path.clone()))?;
    replace(path, &edited)?;
    Ok(true)
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

impl Held {
    /// Profiles with a secret that were to be references: a gateway that runs may have written its own
    /// copy of a store back.
    pub fn plaintext(&self, plan: &Plan) -> Vec<String> {
        let is_plain = |(scope, profile): &&(Scope, String)| self.profile(scope, profile).is_some_and(is_plain);
        let name = |(scope, profile): &(Scope, String)| format!("auth/{}/{profile}", scope.as_str());
        plan.places.iter().filter(is_plain).map(name).collect()
    }
}
