//! State that gateways keep in a view beside the credentials: never vaulted, never lost (F6).

use super::record::Record;
use super::{Error, Kind, Seen};
use crate::formats::auth_profiles::{self, Carried};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const VERSION: u32 = 1;
/// How long to wait for others; nobody holds the record for long.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    #[serde(skip_serializing_if = "Option::is_none")]
    last_good: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_stats: Option<Box<RawValue>>,
}

#[derive(Serialize, Deserialize)]
struct Content<S> {
    version: u32,
    scopes: S,
}

/// What was found in views of one vault, by scope. As long as it lives, no other process
/// changes it.
#[derive(Debug)]
pub struct Carry {
    record: Record,
    scopes: BTreeMap<String, State>,
    changed: bool,
}

impl Carry {
    /// Reads it from local state in `root`.
    ///
    /// # Errors
    /// [`Error::Record`] when it cannot be understood; [`crate::fsio::Error::Busy`]; a
    /// directory that others reach.
    pub fn load(root: &Path, vault_id: &str) -> Result<Self, Error> {
        let record = Record::open(root, "gateway", vault_id, PATIENCE)?;
        let scopes = match record.load::<Content<_>>()? {
            None => BTreeMap::new(),
            Some(content) if content.version == VERSION => content.scopes,
            Some(_) => return Err(record.unreadable()),
        };
        Ok(Self { record, scopes, changed: false })
    }

    /// Takes over what a file of profiles held. What it did not hold stays as it was: newer
    /// gateways move this state into a file of its own.
    pub fn keep(&mut self, scope: &str, found: Carried) {
        if found.last_good.is_none() && found.usage_stats.is_none() {
            return;
        }
        let state = self.scopes.entry(scope.to_owned()).or_default();
        for (kept, found) in [(&mut state.last_good, found.last_good), (&mut state.usage_stats, found.usage_stats)] {
            if let Some(found) = found
                && kept.as_ref().map(|kept| kept.get()) != Some(found.get())
            {
                *kept = Some(found);
                self.changed = true;
            }
        }
    }

    /// Takes over what a view holds that is about to be replaced or removed.
    pub fn keep_from(&mut self, seen: &Seen) {
        if let (Kind::AuthProfiles(scope), Some(bytes)) = (seen.kind(), seen.bytes())
            && let Ok(store) = auth_profiles::parse(bytes.expose())
        {
            self.keep(scope.as_str(), store.carried);
        }
    }

    /// What the next view of this kind gets back.
    pub fn of(&self, kind: &Kind) -> Carried {
        let state = match kind {
            Kind::AuthProfiles(scope) => self.scopes.get(scope.as_str()),
            Kind::Env => None,
        };
        Carried {
            last_good: state.and_then(|state| state.last_good.clone()),
            usage_stats: state.and_then(|state| state.usage_stats.clone()),
        }
    }

    /// Writes it, if there is something new.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&mut self) -> Result<(), Error> {
        if self.changed {
            self.record.keep(&Content { version: VERSION, scopes: &self.scopes })?;
            self.changed = false;
        }
        Ok(())
    }
}
