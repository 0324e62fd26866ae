//! Entries and orders without the vault that holds them, for a restore, an undo or a merge.

use super::{Contents, Error, RawMap, Scope, ScopeEntries, SecretId, Subject, Vault};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

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

    /// Reverts what a save from `before` to `after` did to the orders: it removed the profile `back`, added `gone`, or
    /// renamed `back` to `gone`. Other profiles keep their places.
    pub fn relist(
        &mut self,
        gone: Option<&SecretId>,
        back: Option<&SecretId>,
        before: Contents<'_>,
        after: Contents<'_>,
    ) {
        let place = |id: Option<&SecretId>| match id {
            Some(SecretId::Auth(owner, profile)) => Some((owner.clone(), profile.clone())),
            _ => None,
        };
        let (gone, back) = (place(gone), place(back));
        // A name in an agent's order refers to the agent's own profile, or else to the main agent's.
        let names = |entries: &Contents<'_>, scope: &Scope, (owner, profile): &(Scope, String)| {
            let own = |scope: &Scope| SecretId::auth(scope.clone(), profile).is_ok_and(|id| entries.get(&id).is_some());
            scope == owner || (*owner == Scope::main() && !own(scope))
        };
        for (scope, provider) in self.contents().orders().chain(before.orders()).collect::<BTreeSet<_>>() {
            let was = before.order(&scope, &provider);
            let was_emptied = was.is_some() && after.order(&scope, &provider).is_none();
            let orders = &mut self.scopes.entry(scope.as_str().to_owned()).or_default().order;
            let is_there = orders.contains_key(&provider);
            let mut order = orders.remove(&provider).unwrap_or_default();
            let back = back.as_ref().filter(|back| names(&before, &scope, back)).map(|(_, profile)| profile);
            // What was listed before the save refers to another profile of this name.
            let is_new = |gone: &&(Scope, String)| !was.is_some_and(|was| was.contains(&gone.1));
            if let Some(gone) = gone.as_ref().filter(|gone| names(&after, &scope, gone)).filter(is_new)
                && let Some(at) = order.iter().position(|listed| *listed == gone.1)
            {
                order.remove(at);
                order.splice(at..at, back.filter(|back| !order.contains(back)).cloned());
            }
            let listed = was.zip(back).filter(|_| is_there || was_emptied);
            if let Some((was, back)) = listed.filter(|(was, back)| was.contains(back) && !order.contains(back)) {
                let earlier = was.iter().take_while(|one| *one != back);
                let after = earlier.filter_map(|one| order.iter().position(|listed| listed == one)).last();
                order.insert(after.map_or(0, |at| at + 1), back.clone());
            }
            if !order.is_empty() {
                orders.insert(provider, order);
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
