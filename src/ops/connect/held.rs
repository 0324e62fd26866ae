//! What a gateway has now: its stores of credentials, its configuration, its `.env`.

use super::Error;
use crate::formats::{self, auth_profiles, dotenv, exec_config, openclaw_config, secretref};
use crate::gateway::{self, Era, Found, Settings, Shape, Version};
use crate::model::Scope;
use crate::secret::{Secret, SecretBuf};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What stands before a variable in a reference of ours.
const OURS: &str = "env/";

/// Profiles and orders of one store.
#[derive(Default)]
pub(super) struct Store {
    pub(super) profiles: BTreeMap<String, Box<RawValue>>,
    pub(super) order: BTreeMap<String, Vec<String>>,
}

/// What a gateway has, by scope; `_shared` is the store that agents share.
#[derive(Default)]
pub struct Held {
    pub(super) stores: BTreeMap<Scope, Store>,
    pub(super) config: Option<(PathBuf, SecretBuf)>,
    pub(super) dotenv: Option<(PathBuf, SecretBuf)>,
}

impl Held {
    /// Sorts what lies in the state directory of a gateway of this era.
    ///
    /// # Errors
    /// A file or a row that cannot be read as what it is; [`Error::Unmigrated`] for files of profiles that a
    /// gateway with databases wants migrated before it does anything.
    pub fn of(found: Vec<Found>, era: Era) -> Result<Self, Error> {
        let mut held = Self::default();
        let mut unmigrated = Vec::new();
        // Rows first: with them a gateway leaves the files of an agent unread.
        let (rows, files): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| found.shape.row().is_some());
        for Found { shape, path, bytes } in rows.into_iter().chain(files) {
            let failed = |error| Error::Format(error, path.clone());
            match shape {
                Shape::Store(scope) => {
                    let store = auth_profiles::parse_row(bytes.expose()).map_err(failed)?;
                    held.add(scope, store);
                }
                Shape::AuthProfiles(scope) if era.has_stores() => {
                    let shared = scope == Scope::main() && held.has_profiles(&Scope::shared());
                    if !shared && !held.has_profiles(&scope) {
                        unmigrated.push(path);
                    }
                }
                Shape::AuthProfiles(scope) => {
                    let store = auth_profiles::parse(bytes.expose()).map_err(failed)?;
                    held.add(scope, store);
                }
                Shape::State(scope) => held.state(scope, &bytes).map_err(failed)?,
                Shape::AuthState(scope) if !era.has_stores() => held.state(scope, &bytes).map_err(failed)?,
                Shape::Dotenv => held.dotenv = Some((path, bytes)),
                Shape::Config => held.config = Some((path, bytes)),
                Shape::AuthState(_) | Shape::UnusedStore | Shape::AuthJson(_) | Shape::LegacyOauth => {}
            }
        }
        if unmigrated.is_empty() { Ok(held) } else { Err(Error::Unmigrated(unmigrated)) }
    }

    fn add(&mut self, scope: Scope, store: auth_profiles::Store) {
        let into = self.stores.entry(scope).or_default();
        into.profiles.extend(store.profiles);
        into.order.extend(store.order);
    }

    fn state(&mut self, scope: Scope, bytes: &SecretBuf) -> Result<(), formats::Error> {
        let state = auth_profiles::parse_state(bytes.expose())?;
        self.stores.entry(scope).or_default().order.extend(state.order);
        Ok(())
    }

    fn has_profiles(&self, scope: &Scope) -> bool {
        self.stores.get(scope).is_some_and(|store| !store.profiles.is_empty())
    }

    /// Where the configuration is.
    pub(super) fn config_path(&self) -> Option<&Path> {
        self.config.as_ref().map(|(path, _)| path.as_path())
    }

    /// Where the gateway listens.
    ///
    /// # Errors
    /// A configuration that cannot be read.
    pub fn port(&self, settings: &Settings, version: Version) -> Result<u16, Error> {
        let tree = |(path, bytes): &(PathBuf, SecretBuf)| {
            openclaw_config::tree(bytes.expose()).map_err(|error| Error::Format(error, path.clone()))
        };
        let tree = self.config.as_ref().map(tree).transpose()?;
        Ok(gateway::port(settings, tree.as_ref(), version))
    }

    /// What is in the `.env`, by name.
    pub(super) fn variables(&self) -> Result<BTreeMap<String, Secret>, Error> {
        let Some((path, bytes)) = &self.dotenv else { return Ok(BTreeMap::new()) };
        let env = dotenv::parse(bytes.expose()).map_err(|error| Error::Format(error, path.clone()))?;
        Ok(env.entries.into_iter().map(|(name, value)| (name.as_str().to_owned(), value)).collect())
    }

    /// Whether the gateway cannot do without a variable: its configuration or a profile names it, as `${NAME}`
    /// or in a reference, or it is its own.
    pub(super) fn needs(&self, name: &str) -> bool {
        let config = self.config.as_ref().and_then(|(_, bytes)| bytes.text()).unwrap_or_default();
        let profiles = self.stores.values().flat_map(|store| store.profiles.values());
        name.starts_with("OPENCLAW_") || names(config, name) || profiles.into_iter().any(|raw| names(raw.get(), name))
    }
}

impl Held {
    /// The arguments of the program that the configuration names for the vault's references, if it names one.
    ///
    /// # Errors
    /// A configuration that cannot be read.
    pub fn resolver(&self) -> Result<Option<Vec<String>>, Error> {
        let Some((path, bytes)) = &self.config else { return Ok(None) };
        let tree = openclaw_config::tree(bytes.expose()).map_err(|error| Error::Format(error, path.clone()))?;
        let place = ["secrets", "providers", secretref::ALIAS].map(str::to_owned);
        let entry = openclaw_config::at(&tree, &place).map(|entry| exec_config::read(entry).0);
        Ok(entry.map(|configured| configured.map(|configured| configured.args).unwrap_or_default()))
    }

    /// The profiles of a store.
    pub(super) fn profiles(&self, scope: &Scope) -> impl Iterator<Item = (&String, &RawValue)> {
        let profiles = self.stores.get(scope).into_iter().flat_map(|store| &store.profiles);
        profiles.map(|(name, raw)| (name, raw.as_ref()))
    }

    /// One profile of a store.
    pub(super) fn profile(&self, scope: &Scope, name: &str) -> Option<&RawValue> {
        Some(self.stores.get(scope)?.profiles.get(name)?)
    }
}

/// Whether a variable stands anywhere in a text, other than as the name of a member or in a reference of ours.
fn names(text: &str, name: &str) -> bool {
    let part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + name.len()..).and_then(|after| after.chars().next());
        // As the name of an entry of `env` it is no use of the variable.
        let quoted = before.is_some_and(|before| "\"'".contains(before));
        let follows = text.get(at + name.len()..).unwrap_or_default().trim_start_matches(['"', '\'']).trim_start();
        !before.is_some_and(part)
            && !text.get(..at).is_some_and(|before| before.ends_with(OURS))
            && !after.is_some_and(part)
            && !((quoted || before != Some('{')) && follows.starts_with(':'))
    })
}
