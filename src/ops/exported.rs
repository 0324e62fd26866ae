//! What of a directory still is what was exported into it (DESIGN F12).

use crate::gateway::{Found, Shape};
use crate::model::{EnvName, SecretId, Vault};
use crate::views::{Error, Key, Kind, Ledger, digests};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// The entries of `files`, found in `dir`, that the gateway has not changed since they were
/// exported there. None if nothing was.
///
/// # Errors
/// A ledger that cannot be read.
pub fn unchanged(
    vault: &Vault<'_>,
    local: &Path,
    dir: &Path,
    files: &[Found],
    patience: Duration,
) -> Result<BTreeSet<SecretId>, Error> {
    let mut same = BTreeSet::new();
    let Ok(dir) = dir.canonicalize() else { return Ok(same) };
    let ledger = Ledger::load(local, &vault.vault_id, patience)?;
    let Some(place) = ledger.place(&dir) else { return Ok(same) };
    let key = Key::of(vault)?;
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
            same.extend(id.filter(|_| exported));
        }
    }
    Ok(same)
}
