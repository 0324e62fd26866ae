//! What a restore brings back.

use super::{Error, RawMap, ScopeEntries, SecretId, Vault};
use std::collections::BTreeMap;

/// The entries of a vault without its identity: what a restore brings back.
pub struct Entries {
    pub(super) scopes: BTreeMap<String, ScopeEntries<'static>>,
    pub(super) env: RawMap<'static>,
    pub(super) config: RawMap<'static>,
    pub(super) meta: RawMap<'static>,
}

impl Clone for Entries {
    fn clone(&self) -> Self {
        Self {
            scopes: self.scopes.iter().map(|(name, scope)| (name.clone(), scope.to_static())).collect(),
            env: self.env.to_static(),
            config: self.config.to_static(),
            meta: self.meta.to_static(),
        }
    }
}

impl Entries {
    /// A copy of the entries of `vault`.
    ///
    /// # Errors
    /// [`Error::Malformed`] when its records are.
    pub fn of(vault: &Vault<'_>) -> Result<Self, Error> {
        let scopes = vault.scopes.iter().map(|(name, scope)| (name.clone(), scope.to_static())).collect();
        let (env, config, meta) = (vault.env.to_static(), vault.config.to_static(), vault.meta.to_static()?);
        Ok(Self { scopes, env, config, meta })
    }

    /// Has a profile as `vault` has it, or lacks it as `vault` does.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the records of `vault` are.
    pub fn keep_from(&mut self, vault: &Vault<'_>, id: &SecretId) -> Result<(), Error> {
        let SecretId::Auth(scope, profile) = id else { return Ok(()) };
        let profiles = &mut self.scopes.entry(scope.as_str().to_owned()).or_default().profiles;
        let name = id.to_string();
        let meta = vault.meta.to_static()?;
        match (vault.get(id), meta.get(&name)) {
            (Some(value), meta) => {
                profiles.put(profile, value.to_owned());
                meta.into_iter().for_each(|meta| self.meta.put(&name, meta.to_owned()));
            }
            (None, _) => {
                profiles.take(profile);
                self.meta.take(&name);
            }
        }
        Ok(())
    }
}
