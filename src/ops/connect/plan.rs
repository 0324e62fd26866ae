//! What is between the gateway as it is and one that holds references only: names, no values.

use super::{Entry, Error, Held};
use crate::formats::openclaw_config::Step;
use crate::formats::secretref::ExecRef;
use crate::formats::{auth_profiles, provider, secretref};
use crate::gateway::{Era, StoreChange, Version};
use crate::model::{Credential, EnvName, Kind, Scope, SecretId, Vault};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Most references that newer gateways ask one program for.
pub(super) const MAX_REFS: usize = 512;

/// What stays as it is although it could be a reference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Keep {
    /// `gateway.auth.token`: local commands of the gateway then need no vault.
    pub gateway_token: bool,
    /// The `.env`: its entries stay readable there.
    pub dotenv: bool,
}

/// What a plan is made for.
pub struct Request<'r> {
    /// The state directory.
    pub state_dir: &'r Path,
    /// Where each agent has its store.
    pub agent_dirs: &'r BTreeMap<Scope, PathBuf>,
    /// Whether a secret of the gateway's that differs from the vault's is given up for it.
    pub yields: bool,
    /// The version of the gateway.
    pub version: Version,
    /// How the gateway calls the resolver.
    pub entry: &'r Entry,
    /// What stays.
    pub keep: Keep,
    /// Whether there is a place in memory for views, for gateways that keep OAuth in files.
    pub memory: bool,
    /// Whether the gateway's files are links to views already.
    pub linked: bool,
    /// OAuth profiles that are to be put back, in plaintext, into stores that lack them.
    pub restore_oauth: bool,
}

/// How a secret reaches the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Road {
    /// A reference in a store of profiles.
    Store,
    /// A reference in the configuration.
    Config,
    /// A reference in a profile made for the variable, and the variable under `agevault run`.
    Profile,
    /// Under `agevault run` only.
    Run,
    /// Itself, in a view in memory: OAuth has no references.
    View,
    /// It stays in the gateway's own store.
    Own,
    /// Nowhere: the gateway does not have it.
    Nowhere,
    /// Nowhere: the gateway uses a profile of the same provider before it.
    Shadowed,
    /// Nowhere: this gateway takes no reference there.
    NoTarget,
    /// Nowhere: its id is too long for a reference.
    TooLong,
}

/// What is to be done, and how each secret reaches the gateway then.
#[derive(Default)]
pub struct Plan {
    /// Edits of the configuration.
    pub config: Vec<Step>,
    /// Changes of stores.
    pub stores: Vec<StoreChange>,
    /// Whether the stores become views in memory.
    pub views: bool,
    /// Entries that leave the `.env`.
    pub dotenv: BTreeSet<String>,
    /// Configuration secrets that leave it without a reference.
    pub dropped: BTreeSet<String>,
    /// Ids for which the gateway gets a new or another reference.
    pub added: Vec<String>,
    /// Profiles whose secret the gateway changed after it was taken in.
    pub changed: Vec<String>,
    /// References whose entry the vault has no more.
    pub removed: Vec<String>,
    /// Every id with its road.
    pub roads: BTreeMap<String, Road>,
    /// All ids that the gateway will ask for.
    pub refs: BTreeSet<String>,
}

impl Plan {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.config.is_empty() && self.stores.is_empty() && self.dotenv.is_empty()
    }
}

/// A store with what it is to hold: profiles with the id behind each, orders.
#[derive(Default)]
struct Wanted {
    profiles: BTreeMap<String, (SecretId, Box<RawValue>)>,
    order: BTreeMap<String, Vec<String>>,
}

pub(super) struct Planner<'p> {
    pub(super) vault: &'p Vault<'p>,
    pub(super) held: &'p Held,
    pub(super) request: &'p Request<'p>,
    wanted: BTreeMap<Scope, Wanted>,
    pub(super) plan: Plan,
}

/// Plans how a gateway that has `held` gets what `vault` has.
///
/// # Errors
/// Files of the gateway that cannot be read; [`Error::TooMany`].
pub fn plan(vault: &Vault<'_>, held: &Held, request: &Request<'_>) -> Result<Plan, Error> {
    let mut planner = Planner { vault, held, request, wanted: BTreeMap::new(), plan: Plan::default() };
    planner.profiles()?;
    planner.variables()?;
    planner.stores()?;
    planner.configuration()?;
    let plan = planner.plan;
    if plan.refs.len() > MAX_REFS { Err(Error::TooMany(MAX_REFS)) } else { Ok(plan) }
}

impl Planner<'_> {
    /// The store that holds a profile of the vault's: newer gateways share what belongs to `main`,
    /// unless it has one of its own; older ones have no shared store, and `main` stands for it.
    fn store_of(&self, scope: &Scope, profile: &str) -> Scope {
        let shared = Scope::shared();
        let in_shared =
            self.vault.scopes.get(shared.as_str()).is_some_and(|entries| entries.profiles.get(profile).is_some());
        match (self.request.version.era(), scope.is_agent()) {
            (Era::SharedStore, true) if *scope == Scope::main() => {
                let own = self.held.profile(scope, profile).is_some() || in_shared;
                if own { scope.clone() } else { shared }
            }
            (Era::SharedStore, _) | (_, true) => scope.clone(),
            (_, false) => Scope::main(),
        }
    }

    pub(super) fn road(&mut self, id: &SecretId, road: Road) {
        self.plan.roads.insert(id.to_string(), road);
        if matches!(road, Road::Store | Road::Config | Road::Profile) {
            self.plan.refs.insert(id.to_string());
        }
    }

    fn profiles(&mut self) -> Result<(), Error> {
        let vault = self.vault;
        for (name, entries) in &vault.scopes {
            let Ok(scope) = Scope::parse(name) else { continue };
            for (profile, raw) in entries.profiles.iter() {
                let Ok(id) = SecretId::auth(scope.clone(), profile) else { continue };
                let store = self.store_of(&scope, profile);
                let oauth = Credential::parse(profile, raw)?.kind() == Some(Kind::Oauth);
                if oauth {
                    self.oauth(&id, store, profile, raw);
                } else if !id.fits_secret_ref() {
                    self.road(&id, Road::TooLong);
                } else if let Some(reference) = auth_profiles::to_reference(raw, &id)? {
                    self.road(&id, Road::Store);
                    self.wanted.entry(store).or_default().profiles.insert(profile.to_owned(), (id, reference));
                }
            }
            for (provider, ids) in &entries.order {
                let store = ids.first().map_or_else(|| scope.clone(), |first| self.store_of(&scope, first));
                self.wanted.entry(store).or_default().order.insert(provider.clone(), ids.clone());
            }
        }
        Ok(())
    }

    /// OAuth takes no references: the gateway keeps its own, and the vault a copy.
    fn oauth(&mut self, id: &SecretId, store: Scope, profile: &str, raw: &RawValue) {
        if self.request.memory && !self.request.version.era().has_stores() {
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
    fn variables(&mut self) -> Result<(), Error> {
        let vault = self.vault;
        let env_names = self.held.env_names()?;
        for (name, _) in vault.env.iter() {
            let Ok(variable) = EnvName::parse(name) else { continue };
            let id = SecretId::Env(variable);
            if self.held.needs(name) {
                self.road(&id, Road::Own);
                continue;
            }
            if env_names.contains(name) && !self.request.keep.dotenv {
                self.plan.dotenv.insert(name.to_owned());
            }
            let Some(provider) = provider::of_variable(name).filter(|_| id.fits_secret_ref()) else {
                self.road(&id, Road::Run);
                continue;
            };
            let store = self.store_of(&Scope::main(), &format!("{provider}:{}", secretref::ALIAS));
            let has_one = |wanted: &Wanted| {
                wanted
                    .profiles
                    .values()
                    .any(|(of, raw)| *of != id && provider_of(raw).is_some_and(|have| provider::same(&have, provider)))
            };
            let oauth = self.held.profiles(&store).any(|(_, raw)| {
                auth_profiles::referred(raw).is_none()
                    && provider_of(raw).is_some_and(|have| provider::same(&have, provider))
            });
            let in_config = SecretId::config(&["models", "providers", provider, "apiKey"]);
            let in_config = in_config.is_ok_and(|id| vault.get(&id).is_some());
            // Views hold what agents have, and nothing that was made for a variable.
            if self.plan.views || oauth || in_config || self.wanted.get(&store).is_some_and(has_one) {
                self.road(&id, Road::Run);
                continue;
            }
            let kind = if name.ends_with("_OAUTH_TOKEN") { Kind::Token } else { Kind::ApiKey };
            let mut credential = Credential::new(kind, provider);
            if let (Some(member), Some(reference)) = (kind.secret_member(), ExecRef::to(&id)) {
                credential.put(&format!("{member}Ref"), &reference);
            }
            self.road(&id, Road::Profile);
            let profile = format!("{provider}:{}", secretref::ALIAS);
            self.wanted.entry(store).or_default().profiles.insert(profile, (id, credential.to_raw()?));
        }
        Ok(())
    }

    fn stores(&mut self) -> Result<(), Error> {
        // Links stay links when the last OAuth profile has gone.
        self.plan.views |= self.request.linked && self.request.memory && !self.request.version.era().has_stores();
        let scopes: BTreeSet<Scope> = self.wanted.keys().chain(self.held.stores.keys()).cloned().collect();
        for scope in scopes {
            let wanted = self.wanted.remove(&scope).unwrap_or_default();
            let mut change = StoreChange {
                dir: agent_dir(self.request.state_dir, self.request.agent_dirs, &scope),
                expect: BTreeMap::new(),
                put: BTreeMap::new(),
                remove: Vec::new(),
                order: BTreeMap::new(),
            };
            for (profile, raw) in self.held.profiles(&scope) {
                if let Some(id) = auth_profiles::referred(raw).filter(|_| !wanted.profiles.contains_key(profile)) {
                    change.expect.insert(profile.clone(), Some(raw.to_owned()));
                    change.remove.push(profile.clone());
                    self.plan.removed.push(id.to_string());
                }
            }
            for (profile, (id, raw)) in wanted.profiles {
                let have = self.held.profile(&scope, &profile);
                // What the gateway has is newer than what was taken in: nothing takes its place.
                if !self.request.yields && have.and_then(secret_of).is_some_and(|have| Some(have) != self.value(&id)) {
                    self.plan.changed.push(id.to_string());
                } else if have.is_none_or(|have| !serves(have, &raw, &id)) {
                    self.plan.added.push(id.to_string());
                    // A secret that the gateway changed after it was taken in is not replaced.
                    change.expect.insert(profile.clone(), self.held.profile(&scope, &profile).map(RawValue::to_owned));
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
            if !nothing && !self.plan.views {
                self.plan.stores.push(change);
            }
        }
        self.plan.added.sort_unstable();
        self.plan.added.dedup();
        Ok(())
    }
}

pub(super) fn provider_of(raw: &RawValue) -> Option<String> {
    Credential::parse("", raw).ok().map(|credential| credential.provider())
}

/// Whether what the gateway has refers to `id` already, with the same expiry.
fn serves(have: &RawValue, wanted: &RawValue, id: &SecretId) -> bool {
    let expires = |raw: &RawValue| Credential::parse("", raw).ok().and_then(|credential| credential.number("expires"));
    let same = || to_raw_value(have).is_ok_and(|have| have.get() == wanted.get());
    (auth_profiles::referred(have).as_ref() == Some(id) && expires(have) == expires(wanted)) || same()
}

/// The directory of an agent, wherever the gateway has it; `None` for the store that agents share.
pub(super) fn agent_dir(state_dir: &Path, dirs: &BTreeMap<Scope, PathBuf>, scope: &Scope) -> Option<PathBuf> {
    let usual = || state_dir.join("agents").join(scope.as_str()).join("agent");
    scope.is_agent().then(|| dirs.get(scope).cloned().unwrap_or_else(usual))
}

/// The secret that a credential holds itself.
pub(super) fn secret_of(raw: &RawValue) -> Option<String> {
    let credential = Credential::parse("", raw).ok()?;
    let text = credential.text(credential.kind()?.secret_member()?)?;
    (!text.expose().trim().is_empty() && auth_profiles::referred(raw).is_none()).then(|| text.expose().to_owned())
}

impl Planner<'_> {
    /// The value of an entry of the vault.
    fn value(&self, id: &SecretId) -> Option<String> {
        let raw = self.vault.get(id)?;
        if matches!(id, SecretId::Auth(..)) { secret_of(raw) } else { serde_json::from_str(raw.get()).ok() }
    }
}
