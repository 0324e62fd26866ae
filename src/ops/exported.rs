//! Which exported entries the gateway has left unchanged.

use crate::gateway::{Found, Shape};
use crate::model::{EnvName, Renames, Scope, SecretId, Vault};
use crate::ops::ledger;
use crate::views::{Error, Kind, digests};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// What the gateway has not changed since it was exported: the vault's current value is newer.
#[derive(Default)]
pub struct Unchanged {
    /// Entries of the views.
    pub entries: BTreeSet<SecretId>,
    /// Orders: scope and provider.
    pub orders: BTreeSet<(Scope, String)>,
    /// Orders of a connected gateway that are unchanged, wherever they are stored.
    pub settled: BTreeSet<(Scope, String)>,
    /// Whether the gateway keeps its OAuth credentials itself, so that the vault has copies: one that differs
    /// is newer there, unless the vault's followed it.
    pub own_oauth: bool,
    /// Renames of entries since the gateway's references were last updated.
    pub renames: Renames,
    /// Orders of a connected gateway that it changed and the vault did not.
    pub newer: BTreeSet<(Scope, String)>,
}

/// Adds to `same` the entries and orders of `files`, found in `dir`, that are unchanged since they were exported
/// there.
///
/// # Errors
/// A ledger that cannot be read.
pub fn unchanged(
    vault: &Vault<'_>,
    local: &Path,
    dir: &Path,
    files: &[Found],
    patience: Duration,
    same: &mut Unchanged,
) -> Result<(), Error> {
    let Ok(dir) = dir.canonicalize() else { return Ok(()) };
    let (ledger, key) = ledger::open(vault, local, patience)?;
    let Some(place) = ledger.place(&dir) else { return Ok(()) };
    for file in files {
        let kind = match &file.shape {
            Shape::AuthProfiles(scope) => Kind::AuthProfiles(scope.clone()),
            Shape::Dotenv => Kind::Env,
            _ => continue,
        };
        let (Some(accepted), Ok(now)) = (place.views.get(&kind), digests(&key, &kind, &file.bytes)) else { continue };
        for (name, members) in &now.entries {
            let id = match &kind {
                Kind::AuthProfiles(scope) => SecretId::auth(scope.clone(), name).ok(),
                Kind::Env => EnvName::parse(name).ok().map(SecretId::Env),
            };
            let exported = accepted.iter().any(|before| before.entries.get(name) == Some(members));
            same.entries.extend(id.filter(|_| exported));
        }
        let Kind::AuthProfiles(scope) = &kind else { continue };
        for (provider, list) in &now.order {
            if accepted.iter().any(|before| before.order.get(provider) == Some(list)) {
                same.orders.insert((scope.clone(), provider.clone()));
            }
        }
    }
    Ok(())
}
