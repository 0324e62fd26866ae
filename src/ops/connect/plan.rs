//! What is between the gateway as it is and one that holds references only: names, no values.

use super::{Entry, Error, Spot};
use crate::formats::openclaw_config::Step;
use crate::formats::power::is_powerful;
use crate::gateway::{Era, Inventory, StoreChange, Version, names_variable};
use crate::model::{Credential, Renames, Scope, SecretId, Vault};
use crate::secret::SecretBuf;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
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
    /// Commands of the configuration: they keep the secrets of their environment.
    pub commands: bool,
    /// OAuth, which gateways with databases keep themselves.
    pub oauth: bool,
}

/// What a plan is made for.
pub struct Request<'r> {
    /// The state directory.
    pub state_dir: &'r Path,
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
    /// Ids for which the gateway got a reference before.
    pub before: &'r BTreeSet<String>,
    /// Renames of entries since then.
    pub renames: &'r Renames,
    /// Places that referred to another place's entry and now have their own entry.
    pub moved: &'r BTreeSet<SecretId>,
    /// Places whose new secret is not taken until other references no longer lead to their entries.
    pub waiting: &'r BTreeSet<SecretId>,
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
    /// The command that uses it runs under `agevault run`.
    Command,
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
    /// Edits of the configuration, by file.
    pub config: BTreeMap<PathBuf, Vec<Step>>,
    /// Changes of stores.
    pub stores: Vec<StoreChange>,
    /// Whether the stores become views in memory.
    pub views: bool,
    /// Variables that leave files of variables and the configuration.
    pub dotenv: BTreeSet<String>,
    /// Those of them that the configuration sets, and where.
    pub set_in_config: BTreeMap<String, Spot>,
    /// Commands that are to run under `agevault run`, by their places.
    pub commands: Vec<String>,
    /// Those that ran there and have no secret any more.
    pub unwrapped: Vec<String>,
    /// Entries of which the gateway's own, different value goes, as `--on-conflict keep` asks for.
    pub given_up: Vec<String>,
    /// Ids for which the gateway gets a new or another reference.
    pub added: Vec<String>,
    /// Those of them that the gateway had already, and that were removed there.
    pub removed_there: Vec<String>,
    /// The resolver's entry in the configuration, if that changes: its members that do, none if it is new.
    pub entry: Option<Vec<String>>,
    /// Profiles whose secret the gateway changed after it was taken in.
    pub changed: Vec<String>,
    /// Profiles of stores that are to be references.
    pub places: BTreeSet<(Scope, String)>,
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
pub(super) struct Wanted {
    pub(super) profiles: BTreeMap<String, (SecretId, Box<RawValue>)>,
    pub(super) order: BTreeMap<String, Vec<String>>,
}

pub(super) struct Planner<'p> {
    pub(super) vault: &'p Vault<'p>,
    pub(super) held: &'p Inventory,
    pub(super) request: &'p Request<'p>,
    pub(super) wanted: BTreeMap<Scope, Wanted>,
    /// The files of the configuration as they will be, but for variables that they set.
    pub(super) texts: Vec<SecretBuf>,
    pub(super) plan: Plan,
}

/// Plans how a gateway that has `held` gets what `vault` has.
///
/// # Errors
/// [`Error::Unmigrated`]; another vault that answers for the gateway; [`Error::TooMany`].
pub fn plan(vault: &Vault<'_>, held: &Inventory, request: &Request<'_>) -> Result<Plan, Error> {
    if !held.unmigrated.is_empty() {
        return Err(Error::Unmigrated(held.unmigrated.clone()));
    }
    let mut planner =
        Planner { vault, held, request, wanted: BTreeMap::new(), texts: Vec::new(), plan: Plan::default() };
    planner.profiles()?;
    planner.configuration()?;
    planner.variables()?;
    planner.stores()?;
    let plan = planner.plan;
    if plan.refs.len() > MAX_REFS { Err(Error::TooMany(MAX_REFS)) } else { Ok(plan) }
}

impl Planner<'_> {
    /// The store that holds a profile of the vault's: newer gateways share what belongs to `main`,
    /// unless it has one of its own; older ones have no shared store, and `main` stands for it.
    pub(super) fn store_of(&self, scope: &Scope, profile: &str) -> Scope {
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

    /// Whether a variable stays where it is: the configuration or a profile that stays names it, or it is one of the
    /// gateway's own (`OPENCLAW_`), or a powerful one, or another value would count without it.
    pub(super) fn needs(&self, name: &str) -> bool {
        let texts = self.texts.iter().filter_map(SecretBuf::text);
        let stays = |scope: &Scope, profile: &str| {
            !self.wanted.get(scope).is_some_and(|wanted| wanted.profiles.contains_key(profile))
        };
        let stores =
            self.held.stores.iter().flat_map(|(scope, store)| store.profiles.iter().map(move |one| (scope, one)));
        let profiles = stores.filter(|(scope, (profile, _))| stays(scope, profile)).map(|(_, (_, raw))| raw.get());
        name.starts_with("OPENCLAW_")
            || is_powerful(name)
            || self.held.is_set_twice(name)
            || texts.chain(profiles).any(|text| names_variable(text, name))
    }

    /// Notes an edit of a file of the configuration.
    pub(super) fn step(&mut self, file: &Path, step: Step) {
        self.plan.config.entry(file.to_owned()).or_default().push(step);
    }

    pub(super) fn road(&mut self, id: &SecretId, road: Road) {
        self.plan.roads.insert(id.to_string(), road);
        if matches!(road, Road::Store | Road::Config | Road::Profile | Road::Command) {
            self.plan.refs.insert(id.to_string());
        }
    }
}

pub(super) fn provider_of(raw: &RawValue) -> Option<String> {
    Credential::parse("", raw).ok().map(|credential| credential.provider())
}

/// The directory of an agent, wherever the gateway has it; `None` for the store that agents share.
pub(super) fn store_dir(state_dir: &Path, dirs: &BTreeMap<Scope, PathBuf>, scope: &Scope) -> Option<PathBuf> {
    let usual = || state_dir.join("agents").join(scope.as_str()).join("agent");
    scope.is_agent().then(|| dirs.get(scope).cloned().unwrap_or_else(usual))
}
