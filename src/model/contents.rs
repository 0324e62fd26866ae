//! The entries and orders of a vault, regardless of its recipients, and how two states of them differ.

use super::{Entries, RawMap, Scope, ScopeEntries, SecretId, Vault};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A named item of a vault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// An entry.
    Entry(SecretId),
    /// The order of a provider's profiles for one scope.
    Order(Scope, String),
}

/// Prefix of the names of orders.
const ORDER: &str = "order/";

impl Subject {
    /// Reads an id, or `order/SCOPE/PROVIDER`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix(ORDER) {
            Some(rest) => {
                let (scope, provider) = rest.split_once('/')?;
                Some(Self::Order(Scope::parse(scope).ok()?, provider.to_owned()))
            }
            None => SecretId::parse_lenient(text).ok().map(Self::Entry),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(id) => id.fmt(out),
            Self::Order(scope, provider) => write!(out, "{ORDER}{}/{provider}", scope.as_str()),
        }
    }
}

/// The entries and orders of one state.
#[derive(Clone, Copy)]
pub struct Contents<'c> {
    scopes: &'c BTreeMap<String, ScopeEntries<'c>>,
    env: &'c RawMap<'c>,
    config: &'c RawMap<'c>,
}

/// How a later state differs from an earlier one.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Entries that only the later state has.
    pub added: Vec<SecretId>,
    /// Entries with different values.
    pub changed: Vec<SecretId>,
    /// Entries that only the earlier state has.
    pub removed: Vec<SecretId>,
    /// Orders that differ, or that one state lacks.
    pub orders: Vec<(Scope, String)>,
}

impl Difference {
    /// Whether there is no difference.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty() && self.orders.is_empty()
    }
}

impl<'c> Contents<'c> {
    /// The JSON text of one entry: a credential object, or a string.
    pub fn get(self, id: &SecretId) -> Option<&'c RawValue> {
        match id {
            SecretId::Auth(scope, profile) => self.scopes.get(scope.as_str())?.profiles.get(profile),
            SecretId::Env(name) => self.env.get(name.as_str()),
            SecretId::Config(segments) => self.config.get(&SecretId::config_key(segments)),
        }
    }

    /// Whether the entry or order exists.
    pub fn has(self, subject: &Subject) -> bool {
        match subject {
            Subject::Entry(id) => self.get(id).is_some(),
            Subject::Order(scope, provider) => self.order(scope, provider).is_some(),
        }
    }

    /// Whether `later` has another value for the entry or order, or only one of the states has it.
    pub fn differs(self, later: Contents<'_>, subject: &Subject) -> bool {
        match subject {
            Subject::Entry(id) => self.get(id).map(RawValue::get) != later.get(id).map(RawValue::get),
            Subject::Order(scope, provider) => self.order(scope, provider) != later.order(scope, provider),
        }
    }

    /// Every id, in the order of `list`. Names that are not valid ids are left out.
    pub fn ids(self) -> impl Iterator<Item = SecretId> + 'c {
        let auth = self.scopes.iter().filter_map(|(scope, entries)| Some((Scope::parse(scope).ok()?, entries)));
        let auth = auth.flat_map(|(scope, entries)| {
            entries.profiles.iter().filter_map(move |(profile, _)| SecretId::auth(scope.clone(), profile).ok())
        });
        let config = self.config.iter().filter_map(|(key, _)| SecretId::parse(&format!("config/{key}")).ok());
        let env = self.env.iter().filter_map(|(name, _)| super::EnvName::parse(name).ok().map(SecretId::Env));
        auth.chain(config).chain(env)
    }

    /// The number of names that are not ids to this version of agevault, and of scope members that it does not know.
    pub fn unreadable(self) -> usize {
        let profiles: usize = self.scopes.values().map(|scope| scope.profiles.len() + scope.other.len()).sum();
        (profiles + self.env.len() + self.config.len()).saturating_sub(self.ids().count())
    }

    /// The order of a provider's profiles for one scope.
    pub fn order(self, scope: &Scope, provider: &str) -> Option<&'c Vec<String>> {
        self.scopes.get(scope.as_str())?.order.get(provider)
    }

    /// Scope and provider of every order.
    pub fn orders(self) -> impl Iterator<Item = (Scope, String)> + 'c {
        let scopes = self.scopes.iter().filter_map(|(scope, entries)| Some((Scope::parse(scope).ok()?, entries)));
        scopes.flat_map(|(scope, entries)| entries.order.keys().map(move |provider| (scope.clone(), provider.clone())))
    }

    /// How `later` differs from this state.
    pub fn difference(self, later: Contents<'_>) -> Difference {
        let mut found = Difference::default();
        for id in self.ids() {
            match later.get(&id) {
                None => found.removed.push(id),
                Some(value) if self.get(&id).map(RawValue::get) != Some(value.get()) => found.changed.push(id),
                Some(_) => {}
            }
        }
        found.added.extend(later.ids().filter(|id| self.get(id).is_none()));
        let places: BTreeSet<(Scope, String)> = self.orders().chain(later.orders()).collect();
        let differs = |(scope, provider): &(Scope, String)| self.order(scope, provider) != later.order(scope, provider);
        found.orders.extend(places.into_iter().filter(differs));
        found
    }
}

impl Vault<'_> {
    /// Its entries and orders.
    pub fn contents(&self) -> Contents<'_> {
        Contents { scopes: &self.scopes, env: &self.env, config: &self.config }
    }
}

impl Entries {
    /// Its entries and orders.
    pub fn contents(&self) -> Contents<'_> {
        Contents { scopes: &self.scopes, env: &self.env, config: &self.config }
    }
}
