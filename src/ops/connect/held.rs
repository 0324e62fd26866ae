//! What a gateway has now: its stores of credentials, its configuration, its `.env`.

use super::Error;
use crate::formats::{auth_profiles, dotenv};
use crate::gateway::{Found, Shape};
use crate::model::Scope;
use crate::secret::SecretBuf;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

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
    /// Files of earlier releases whose content newer ones took over.
    pub(super) legacy: Vec<PathBuf>,
}

impl Held {
    /// Sorts the files of a state directory.
    ///
    /// # Errors
    /// A file that cannot be read as what it is.
    pub fn of(found: Vec<Found>) -> Result<Self, Error> {
        let mut held = Self::default();
        for file in found {
            let Found { shape, path, bytes } = file;
            let failed = |error| Error::Format(error, path.clone());
            match shape {
                Shape::AuthProfiles(scope) => {
                    let store = auth_profiles::parse(bytes.expose()).map_err(failed)?;
                    let into = held.stores.entry(scope).or_default();
                    into.profiles.extend(store.profiles);
                    into.order.extend(store.order);
                }
                Shape::AuthState(scope) => {
                    let state = auth_profiles::parse_state(bytes.expose()).map_err(failed)?;
                    held.stores.entry(scope).or_default().order.extend(state.order);
                }
                Shape::AuthJson(_) | Shape::LegacyOauth => held.legacy.push(path),
                Shape::Dotenv => held.dotenv = Some((path, bytes)),
                Shape::Config => held.config = Some((path, bytes)),
            }
        }
        Ok(held)
    }

    /// Names in the `.env`.
    pub(super) fn env_names(&self) -> Result<BTreeSet<String>, Error> {
        let Some((path, bytes)) = &self.dotenv else { return Ok(BTreeSet::new()) };
        let env = dotenv::parse(bytes.expose()).map_err(|error| Error::Format(error, path.clone()))?;
        Ok(env.entries.into_iter().map(|(name, _)| name.as_str().to_owned()).collect())
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
