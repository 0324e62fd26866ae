//! What a view of the vault holds: values, or references in their place.

use crate::formats::auth_profiles::{self, Carried};
use crate::formats::dotenv;
use crate::model::{self, EnvName, RawMap, Scope, ScopeEntries, SecretId, Vault};
use crate::secret::{Secret, SecretBuf};
use crate::views::{Error, Kind};
use serde_json::value::RawValue;

/// What stands for the secrets in a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// They themselves.
    Values,
    /// References to the vault; OAuth, which takes none, itself.
    References,
}

/// Whether a view holds secrets themselves: anything that [`auth_profiles::for_view`] does not make.
pub(super) fn is_plaintext(vault: &Vault<'_>, kind: &Kind, content: Content) -> bool {
    let Kind::AuthProfiles(scope) = kind else { return true };
    let profiles = vault.scopes.get(scope.as_str()).into_iter().flat_map(|entries| entries.profiles.iter());
    content == Content::Values || profiles.into_iter().any(|(profile, raw)| !is_referable(scope, profile, raw))
}

fn is_referable(scope: &Scope, profile: &str, raw: &RawValue) -> bool {
    let id = SecretId::auth(scope.clone(), profile).ok();
    id.is_some_and(|id| matches!(auth_profiles::for_view(raw, &id), Ok(Some(_))))
}

/// The profiles of a scope with references in the place of keys and tokens.
fn with_references(scope: &Scope, profiles: &RawMap<'_>) -> Result<RawMap<'static>, Error> {
    let mut out = RawMap::default();
    for (profile, raw) in profiles.iter() {
        let id = SecretId::auth(scope.clone(), profile).ok();
        let reference = id.map(|id| auth_profiles::for_view(raw, &id)).transpose()?.flatten();
        out.put(profile, reference.unwrap_or_else(|| raw.to_owned()));
    }
    Ok(out)
}

/// What the vault has for a view.
///
/// # Errors
/// [`Error::NoAgent`], [`Error::Unrepresentable`]; a credential that cannot be read.
pub fn render(vault: &Vault<'_>, kind: &Kind, carried: &Carried, content: Content) -> Result<SecretBuf, Error> {
    match (kind, content) {
        (Kind::AuthProfiles(scope), _) => {
            let missing = || Error::NoAgent(scope.as_str().to_owned());
            let none = ScopeEntries::default();
            let entries = match (vault.scopes.get(scope.as_str()), content) {
                (Some(entries), _) => entries,
                (None, Content::References) => &none,
                (None, Content::Values) => return Err(missing()),
            };
            let references = match content {
                Content::Values => None,
                Content::References => Some(with_references(scope, &entries.profiles)?),
            };
            let profiles = references.as_ref().unwrap_or(&entries.profiles);
            Ok(auth_profiles::render(profiles, &entries.order, carried)?)
        }
        (Kind::Env, _) => {
            let value = |raw: &str| serde_json::from_str(raw).map(Secret::new).map_err(model::Error::from);
            let values = vault.env.iter().map(|(name, raw)| Ok((name, value(raw.get())?)));
            let values = values.collect::<Result<Vec<_>, Error>>()?;
            let entries: Vec<(&str, &Secret)> = values.iter().map(|(name, value)| (*name, value)).collect();
            Ok(dotenv::render(&entries)?)
        }
    }
}

/// The secrets in a view.
pub(super) fn ids(vault: &Vault<'_>, kind: &Kind) -> Vec<String> {
    let ids = |id: SecretId| id.to_string();
    match kind {
        Kind::AuthProfiles(scope) => {
            let profiles = vault.scopes.get(scope.as_str()).into_iter().flat_map(|entries| entries.profiles.iter());
            profiles.filter_map(|(profile, _)| SecretId::auth(scope.clone(), profile).ok()).map(ids).collect()
        }
        Kind::Env => {
            let names = vault.env.iter().filter_map(|(name, _)| EnvName::parse(name).ok());
            names.map(SecretId::Env).map(ids).collect()
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
