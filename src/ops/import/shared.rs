//! What the main agent has in the store that agents share.

use super::Gathered;
use crate::model::{Scope, SecretId, Vault};

impl Gathered {
    /// `connect` puts the main agent's profiles into the store that agents share. One that the vault has for `main` and
    /// that is found there, and not with the main agent, is that same entry: it keeps its id.
    pub(super) fn give_to_main(&mut self, vault: &Vault<'_>) {
        let (main, shared) = (Scope::main(), Scope::shared());
        let of = |scope: &Scope| vault.scopes.get(scope.as_str());
        let has = |scope: &Scope, profile: &str| of(scope).is_some_and(|have| have.profiles.get(profile).is_some());
        let comes = |id: &SecretId| self.plan.renamed.iter().any(|(_, new)| *new == id.to_string());
        let entries: Vec<SecretId> = self.entries.keys().cloned().collect();
        for id in entries {
            let SecretId::Auth(scope, profile) = &id else { continue };
            if *scope != shared || has(&shared, profile) {
                continue;
            }
            let own = self.referred.contains(&(main.clone(), profile.clone()));
            let Some(mains) = SecretId::auth(main.clone(), profile).ok().filter(|_| !own) else { continue };
            if (has(&main, profile) || comes(&mains))
                && !self.entries.contains_key(&mains)
                && let Some(value) = self.entries.remove(&id)
            {
                self.entries.insert(mains, value);
            }
        }
        let ordered = |scope: &Scope, provider: &str| of(scope).is_some_and(|have| have.order.contains_key(provider));
        let orders: Vec<String> =
            self.orders.keys().filter(|(scope, _)| *scope == shared).map(|(_, provider)| provider.clone()).collect();
        for provider in orders.into_iter().filter(|name| ordered(&main, name) && !ordered(&shared, name)) {
            if !self.orders.contains_key(&(main.clone(), provider.clone()))
                && let Some(ids) = self.orders.remove(&(shared.clone(), provider.clone()))
            {
                self.orders.insert((main.clone(), provider), ids);
            }
        }
    }
}
