//! The credential stores of gateways since 2026.6.5: one shared, and one of each agent.

use super::Error;
use super::database::{self, Cell, Fault};
use super::{Found, Shape};
use crate::fsio;
use crate::model::Scope;
use crate::secret::SecretBuf;
use serde::Deserialize;
use std::path::Path;

/// The file of the shared store, in `state` of the state directory.
pub(super) const SHARED_NAME: &str = "openclaw.sqlite";
/// The file of an agent's own store, in the agent's directory.
pub(super) const AGENT_NAME: &str = "openclaw-agent.sqlite";

const fn machine(key: &'static str) -> Cell {
    Cell { table: "config_machine_state", key_column: "state_key", key: Some(key), value_column: "value_json" }
}

/// Says where the shared store is; without it the main agent's own store is the shared one.
const OWNERSHIP: Cell = machine("auth.sharedStore");
/// The gateway's own store of secrets, rows that it has marked as removed included.
const SECRETS: Cell = Cell { table: "secret_store_entries", key_column: "name", key: None, value_column: "value" };
const SHARED_CELLS: [Cell; 4] = [OWNERSHIP, machine("authProfiles.store"), machine("authProfiles.state"), SECRETS];
const AGENT_CELLS: [Cell; 2] = [
    Cell { table: "auth_profile_store", key_column: "store_key", key: Some("primary"), value_column: "store_json" },
    Cell { table: "auth_profile_state", key_column: "state_key", key: Some("primary"), value_column: "state_json" },
];

/// The stores in one file; `None` if its name is not that of a database. An agent's store is
/// that of `agent`.
///
/// # Errors
/// Another user's file; [`Error::Database`]; nothing there.
pub(super) fn open(path: &Path, agent: &Scope) -> Result<Option<Vec<Found>>, Error> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !name.ends_with(".sqlite") {
        return Ok(None);
    }
    fsio::Stamp::of_own(&fsio::real_path(path)?)?.ok_or_else(|| fsio::Error::NotFound(path.to_owned()))?;
    if name == SHARED_NAME { shared(path) } else { of_agent(agent.clone(), path) }.map(Some)
}

/// The shared store and its state in one database: the JSON text of each row that is there, with its shape. A gateway
/// may have it open; nothing of it is changed.
///
/// # Errors
/// Another user's file; [`Error::Database`].
pub(super) fn shared(path: &Path) -> Result<Vec<Found>, Error> {
    let [ownership, store, state, secrets] = database::read(path, &SHARED_CELLS)?;
    let secrets = secrets.map(|bytes| Found { shape: Shape::Secrets, path: path.to_owned(), bytes });
    let owned = match ownership {
        Some(row) => of_state_database(&row).ok_or_else(|| Error::Database(path.to_owned(), Fault::Owner))?,
        None => false,
    };
    if owned {
        return Ok(rows(Scope::shared(), path, store, state).into_iter().chain(secrets).collect());
    }
    let unused = store.map(|bytes| Found { shape: Shape::UnusedStore, path: path.to_owned(), bytes });
    Ok(unused.into_iter().chain(secrets).collect())
}

/// Whether the ownership row names this database; `None` if it says what no gateway writes.
fn of_state_database(row: &SecretBuf) -> Option<bool> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Ownership<'a> {
        location: &'a str,
    }
    let ownership: Ownership<'_> = serde_json::from_slice(row.expose()).ok()?;
    match ownership.location {
        "state-db" => Some(true),
        "legacy-main" => Some(false),
        _ => None,
    }
}

/// The same of an agent's own store.
///
/// # Errors
/// As [`shared`].
pub(super) fn of_agent(agent: Scope, path: &Path) -> Result<Vec<Found>, Error> {
    let [store, state] = database::read(path, &AGENT_CELLS)?;
    Ok(rows(agent, path, store, state))
}

fn rows(scope: Scope, path: &Path, store: Option<SecretBuf>, state: Option<SecretBuf>) -> Vec<Found> {
    let found = |shape, bytes: SecretBuf| Found { shape, path: path.to_owned(), bytes };
    let store = store.map(|bytes| found(Shape::Store(scope.clone()), bytes));
    let state = state.map(|bytes| found(Shape::State(scope.clone()), bytes));
    store.into_iter().chain(state).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
