//! Entries and orders without the vault that holds them, for a restore, an undo or a merge.

use super::{Error, RawMap, ScopeEntries, SecretId, Subject, Vault};
use serde_json::value::RawValue;
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

    /// Copies an entry or an order from `other`, or removes it if `other` lacks it.
    pub fn take_from(&mut self, other: &Self, subject: &Subject) {
        match subject {
            Subject::Entry(id) => self.put(id, other.contents().get(id), other.meta.get(&id.to_string())),
            Subject::Order(scope, provider) => {
                let orders = &mut self.scopes.entry(scope.as_str().to_owned()).or_default().order;
                match other.contents().order(scope, provider) {
                    Some(order) => _ = orders.insert(provider.clone(), order.clone()),
                    None => _ = orders.remove(provider),
                }
            }
        }
    }

    /// Sets the value of an entry, with the metadata that `other` has for it.
    pub fn put_value(&mut self, id: &SecretId, value: &RawValue, other: &Self) {
        self.put(id, Some(value), other.meta.get(&id.to_string()));
    }

    fn put(&mut self, id: &SecretId, value: Option<&RawValue>, meta: Option<&RawValue>) {
        let (map, key) = match id {
            SecretId::Auth(scope, profile) => {
                (&mut self.scopes.entry(scope.as_str().to_owned()).or_default().profiles, profile.clone())
            }
            SecretId::Env(name) => (&mut self.env, name.as_str().to_owned()),
            SecretId::Config(segments) => (&mut self.config, SecretId::config_key(segments)),
        };
        replace(map, &key, value);
        replace(&mut self.meta, &id.to_string(), meta.filter(|_| value.is_some()));
    }
}

fn replace(map: &mut RawMap<'static>, name: &str, value: Option<&RawValue>) {
    match value {
        Some(value) => map.put(name, value.to_owned()),
        None => _ = map.take(name),
    }
}
