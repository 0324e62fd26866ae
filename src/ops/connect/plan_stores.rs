//! The stores' part of a plan: which profile is to be in which store, and what of that is not there yet.

use super::plan::{Planner, Wanted, provider_of, store_dir};
use super::{Error, Road, known};
use crate::formats::secretref::ExecRef;
use crate::formats::{auth_profiles, provider, secretref};
use crate::fsio;
use crate::gateway::StoreChange;
use crate::model::{Credential, EnvName, Kind, Meta, Scope, SecretId};
use crate::secret::Secret;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::{BTreeMap, BTreeSet};

impl Planner<'_> {
    pub(super) fn profiles(&mut self) -> Result<(), Error> {
        let vault = self.vault;
        for (name, entries) in &vault.scopes {
            let Ok(scope) = Scope::parse(name) else { continue };
            for (profile, raw) in entries.profiles.iter() {
                let Ok(id) = SecretId::auth(scope.clone(), profile) else { continue };
                let store = self.store_of(&scope, profile);
                if self.is_left_behind(&id, profile)? {
                    self.road(&id, Road::Shadowed);
                    continue;
                }
                let oauth = Credential::parse(profile, raw)?.kind() == Some(Kind::Oauth);
                if oauth {
                    self.oauth(&id, store, profile, raw);
                } else if !id.fits_secret_ref() {
                    self.road(&id, Road::TooLong);
                } else if let Some(reference) = auth_profiles::to_reference(raw, &id)? {
                    self.road(&id, Road::Store);
                    self.wanted.entry(store).or_default().profiles.insert(profile.to_owned(), (id, reference));
                } else if let Some((to, reference)) = self.of_variable(raw)? {
                    self.road(&to, Road::Store);
                    self.wanted.entry(store).or_default().profiles.insert(profile.to_owned(), (to, reference));
                }
            }
            for (provider, ids) in &entries.order {
                let store = ids.first().map_or_else(|| scope.clone(), |first| self.store_of(&scope, first));
                self.wanted.entry(store).or_default().order.insert(provider.clone(), ids.clone());
            }
        }
        Ok(())
    }

    /// A credential whose secret is a variable of the vault, with a reference to that entry instead.
    fn of_variable(&self, raw: &RawValue) -> Result<Option<(SecretId, Box<RawValue>)>, Error> {
        let id = auth_profiles::variable(raw)
            .and_then(|name| self.request.renames.entry(self.vault, &format!("env/{name}")));
        let Some(id) = id.filter(|id| !self.request.keep.dotenv && self.is_current(id)) else { return Ok(None) };
        Ok(referring(raw, &id)?.map(|raw| (id, raw)))
    }

    /// Whether a profile of `main` is what was there before agents shared it: the gateway has it in the shared store
    /// only, and that came later.
    fn is_left_behind(&self, id: &SecretId, profile: &str) -> Result<bool, Error> {
        let SecretId::Auth(scope, _) = id else { return Ok(false) };
        let (main, shared) = (Scope::main(), Scope::shared());
        let Ok(other) = SecretId::auth(shared.clone(), profile) else { return Ok(false) };
        let only_shared = self.held.profile(&shared, profile).is_some() && self.held.profile(&main, profile).is_none();
        if *scope != main
            || !self.request.version.era().has_stores()
            || !only_shared
            || self.vault.get(&other).is_none()
        {
            return Ok(false);
        }
        let meta = self.vault.meta.to_static()?;
        let updated = |id: &SecretId| -> Option<u64> {
            serde_json::from_str::<Meta>(meta.get(&id.to_string())?.get()).ok()?.updated
        };
        Ok(updated(id) <= updated(&other))
    }

    /// Whether an agent's directory is not the usual one: views do not reach it.
    fn is_elsewhere(&self, scope: &Scope) -> bool {
        let dir = |dirs| store_dir(self.request.state_dir, dirs, scope).map(|dir| fsio::real_or_same(&dir));
        dir(&self.held.agents) != dir(&BTreeMap::new())
    }

    /// OAuth takes no references: the gateway keeps its own, and the vault a copy.
    fn oauth(&mut self, id: &SecretId, store: Scope, profile: &str, raw: &RawValue) {
        if self.request.memory && !self.request.version.era().has_stores() && !self.is_elsewhere(&store) {
            self.plan.views = true;
            self.road(id, Road::View);
        } else if self.held.profile(&store, profile).is_some() {
            self.road(id, Road::Own);
        } else if self.request.restore_oauth {
            self.road(id, Road::Own);
            self.plan.added.push(id.to_string());
            self.wanted.entry(store).or_default().profiles.insert(profile.to_owned(), (id.clone(), raw.to_owned()));
        } else {
            self.road(id, Road::Nowhere);
        }
    }

    /// Variables with a provider's key also become a profile, if the provider has none: the gateway
    /// prefers any profile to a variable.
    pub(super) fn variables(&mut self) -> Result<(), Error> {
        let vault = self.vault;
        for (name, _) in vault.env.iter() {
            let Ok(variable) = EnvName::parse(name) else { continue };
            let id = SecretId::Env(variable);
            let there: Vec<&Secret> = self.held.env.iter().filter_map(|file| file.value(name)).collect();
            if self.needs(name) {
                self.road(&id, Road::Own);
                continue;
            }
            if !(there.is_empty() || self.request.keep.dotenv) {
                // A file that the gateway looks into later may have an older value; all of them are sealed.
                let first = there.first().is_some_and(|value| known::is_value(vault, &id, value));
                if self.request.yields || first {
                    self.plan.given_up.extend((!first).then(|| id.to_string()));
                    self.plan.dotenv.insert(name.to_owned());
                } else {
                    self.plan.changed.push(id.to_string());
                }
            }
            // The configuration refers to it.
            if self.plan.refs.contains(&id.to_string()) {
                continue;
            }
            let there = !there.is_empty();
            let under_run = if there && self.request.keep.dotenv { Road::Own } else { Road::Run };
            let Some(provider) = provider::of_variable(name).filter(|_| id.fits_secret_ref()) else {
                self.road(&id, under_run);
                continue;
            };
            let made = format!("{provider}:{}", secretref::ALIAS);
            let store = self.store_of(&Scope::main(), &made);
            let has_one = |wanted: &Wanted| {
                wanted
                    .profiles
                    .values()
                    .any(|(of, raw)| *of != id && provider_of(raw).is_some_and(|have| provider::same(&have, provider)))
            };
            let oauth = self.held.profiles_of(&store).any(|(_, raw)| {
                auth_profiles::referred(raw).is_none()
                    && provider_of(raw).is_some_and(|have| provider::same(&have, provider))
            });
            let in_config = SecretId::config(&["models", "providers", provider, "apiKey"]);
            let in_config = in_config.is_ok_and(|id| vault.get(&id).is_some());
            let is_made = self.held.profile(&store, &made).and_then(auth_profiles::referred).as_ref() == Some(&id);
            // Views hold what agents have, not profiles made for variables.
            // A profile overrides any variable, so none is made if the gateway's value may be newer than the vault's.
            if self.plan.views
                || oauth
                || in_config
                || !(is_made || self.is_current(&id))
                || self.wanted.get(&store).is_some_and(has_one)
            {
                self.road(&id, under_run);
                continue;
            }
            let kind = if name.ends_with("_OAUTH_TOKEN") { Kind::Token } else { Kind::ApiKey };
            let mut credential = Credential::new(kind, provider);
            if let (Some(member), Some(reference)) = (kind.secret_member(), ExecRef::to(&id)) {
                credential.put(&format!("{member}Ref"), &reference);
            }
            self.road(&id, Road::Profile);
            self.wanted.entry(store).or_default().profiles.insert(made, (id, credential.to_raw()?));
        }
        Ok(())
    }

    /// The id in the reference of a profile and the entry that it leads to, if that is not the profile's `own` entry but
    /// the reference decides, because it led there before: the entry was renamed, or the reference was moved.
    fn elsewhere(&self, own: &SecretId, have: &RawValue) -> Option<(SecretId, SecretId)> {
        let asked = auth_profiles::referred(have).filter(|_| matches!(own, SecretId::Auth(..)))?;
        let now = self.request.renames.entry(self.vault, &asked.to_string()).filter(|now| now != own)?;
        (asked == *own || self.request.before.contains(&own.to_string())).then_some((asked, now))
    }

    pub(super) fn stores(&mut self) -> Result<(), Error> {
        // Links stay links when the last OAuth profile has gone.
        self.plan.views |= self.request.linked && self.request.memory && !self.request.version.era().has_stores();
        let scopes: BTreeSet<Scope> = self.wanted.keys().chain(self.held.stores.keys()).cloned().collect();
        for scope in scopes {
            let wanted = self.wanted.remove(&scope).unwrap_or_default();
            let mut change = StoreChange {
                dir: store_dir(self.request.state_dir, &self.held.agents, &scope),
                expect: BTreeMap::new(),
                put: BTreeMap::new(),
                remove: Vec::new(),
                order: BTreeMap::new(),
            };
            for (profile, raw) in self.held.profiles_of(&scope) {
                let Some(id) = auth_profiles::referred(raw).filter(|_| !wanted.profiles.contains_key(profile)) else {
                    continue;
                };
                // A reference that the vault resolves stays. A profile made for a variable stays only if it is wanted.
                let is_made = profile.ends_with(&format!(":{}", secretref::ALIAS));
                // A profile from a file of earlier releases is not in the store, so it cannot be removed from it.
                if self.held.stores.get(&scope).is_some_and(|store| store.legacy.contains(profile)) {
                    continue;
                }
                let now = self.request.renames.entry(self.vault, &id.to_string());
                let now = match now {
                    Some(now) if !is_made && !self.is_left_behind(&now, profile)? => Some(now),
                    _ => None,
                };
                if let Some(now) = now {
                    self.plan.refs.insert(now.to_string());
                    if let Some(new) = (now != id).then(|| referring(raw, &now)).transpose()?.flatten() {
                        self.plan.added.push(now.to_string());
                        change.expect.insert(profile.clone(), Some(raw.to_owned()));
                        change.put.insert(profile.clone(), new);
                    }
                } else {
                    change.expect.insert(profile.clone(), Some(raw.to_owned()));
                    change.remove.push(profile.clone());
                    self.plan.removed.push(id.to_string());
                }
            }
            for (profile, (id, raw)) in wanted.profiles {
                if auth_profiles::referred(&raw).is_some() {
                    self.plan.places.insert((scope.clone(), profile.clone()));
                }
                let have = self.held.profile(&scope, &profile);
                if let Some((have, (asked, now))) = have.and_then(|have| Some((have, self.elsewhere(&id, have)?))) {
                    self.plan.refs.insert(now.to_string());
                    if let Some(new) = (now != asked).then(|| referring(have, &now)).transpose()?.flatten() {
                        self.plan.added.push(now.to_string());
                        change.expect.insert(profile.clone(), Some(have.to_owned()));
                        change.put.insert(profile, new);
                    }
                    continue;
                }
                // What the gateway has is newer than what was taken in: nothing takes its place.
                // A row of a database has no sealed copy: what else is in it stays, and is named.
                let clean = self.request.version.era().has_stores()
                    || self.held.stores.get(&scope).is_none_or(|store| !store.beside.contains(&profile));
                let serves = clean && have.is_some_and(|have| serves(have, &raw, &id));
                let lost = have.is_some_and(|have| !known::has_all(self.vault, &id, have));
                if !serves && lost && !self.request.yields {
                    self.plan.changed.push(id.to_string());
                } else if !serves {
                    self.plan.given_up.extend(lost.then(|| id.to_string()));
                    let known = self.held.stores.contains_key(&scope) && self.request.before.contains(&id.to_string());
                    // A view that is gone with the last boot says nothing.
                    if have.is_none() && known {
                        self.plan.removed_there.push(id.to_string());
                    }
                    self.plan.added.push(id.to_string());
                    // A secret that the gateway changed after it was taken in is not replaced.
                    let legacy = self.held.stores.get(&scope).is_some_and(|store| store.legacy.contains(&profile));
                    let there = self.held.profile(&scope, &profile).filter(|_| !legacy);
                    change.expect.insert(profile.clone(), there.map(RawValue::to_owned));
                    change.put.insert(profile, raw);
                }
            }
            let have = self.held.stores.get(&scope);
            let differs =
                |provider: &str, ids: &Vec<String>| have.and_then(|have| have.order.get(provider)) != Some(ids);
            change.order = wanted
                .order
                .into_iter()
                .filter(|(provider, ids)| differs(provider, ids))
                .map(|(provider, ids)| (provider, Some(ids)))
                .collect();
            // Views are written from the vault, with everything in them.
            let nothing = change.put.is_empty() && change.remove.is_empty() && change.order.is_empty();
            if !nothing && (!self.plan.views || self.is_elsewhere(&scope)) {
                self.plan.stores.push(change);
            }
        }
        self.plan.added.sort_unstable();
        self.plan.added.dedup();
        Ok(())
    }
}

/// Whether what the gateway has refers to `id` already, with the same expiry.
fn serves(have: &RawValue, wanted: &RawValue, id: &SecretId) -> bool {
    let expires = |raw: &RawValue| Credential::parse("", raw).ok().and_then(|credential| credential.number("expires"));
    let same = || to_raw_value(have).is_ok_and(|have| have.get() == wanted.get());
    (auth_profiles::referred(have).as_ref() == Some(id) && expires(have) == expires(wanted)) || same()
}
/// The credential `raw` with a reference to `id`. `None` if its type takes no reference, or the id is too long.
fn referring(raw: &RawValue, id: &SecretId) -> Result<Option<Box<RawValue>>, Error> {
    let mut credential = Credential::parse("", raw)?;
    let member = credential.kind().and_then(Kind::secret_member);
    let Some((member, reference)) = member.zip(ExecRef::to(id)) else { return Ok(None) };
    credential.put(&format!("{member}Ref"), &reference);
    Ok(Some(credential.to_raw()?))
}
