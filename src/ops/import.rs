//! Taking a gateway's credentials into the vault: all or nothing, and only names are told.

mod shared;
mod types;

pub use types::{Error, OnConflict, Plan};

use super::exported::Unchanged;
use crate::formats::auth_profiles::Carried;
use crate::formats::{self, Note, NoteKind, auth_profiles, dotenv, openclaw_config};
use crate::gateway::{Found, Shape};
use crate::model::{self, Credential, Kind, Op, Scope, SecretId, Vault};
use crate::secret::Secret;
use crate::store::Lineage;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::{BTreeMap, BTreeSet};

const SOURCE: &str = "import";

/// What the files hold, before it is compared with the vault.
#[derive(Default)]
struct Gathered {
    entries: BTreeMap<SecretId, Box<RawValue>>,
    orders: BTreeMap<(Scope, String), Vec<String>>,
    /// Scopes with a store in a database that has profiles.
    stored: BTreeSet<Scope>,
    /// Orders that the gateway wrote to a place of its own, which is no view of ours.
    stated: BTreeSet<(Scope, String)>,
    /// Profiles of stores that are references to a vault.
    referred: BTreeSet<(Scope, String)>,
    /// Ids that two files of the same kind give different values.
    disputed: Vec<String>,
    plan: Plan,
}

/// Reads `files` and plans what to change in `vault`. Only profiles of `only` if it is given.
///
/// # Errors
/// The first file that cannot be read; conflicts under [`OnConflict::Fail`].
///
/// `exported` is what the gateway did not change in views of ours: what the vault has now is
/// newer, and an entry that it no longer has was taken out after the export.
pub fn plan(
    vault: &Vault<'_>,
    files: &[Found],
    only: Option<&Scope>,
    on: OnConflict,
    exported: &Unchanged,
) -> Result<Plan, Error> {
    let mut gathered = Gathered::default();
    for file in files {
        let failed = |error| match file.shape.row() {
            Some(row) => Error::Row(error, file.path.clone(), row),
            None => Error::Format(error, file.path.clone()),
        };
        gathered.take(file, only).map_err(failed)?;
    }
    gathered.give_to_main(vault);
    gathered.leave_out(vault, exported);
    gathered.leave_stale(&Lineage::of(vault)?);
    gathered.check_env()?;
    gathered.compare(vault, on, exported)
}

impl Gathered {
    /// Puts one entry; nobody could tell which of two values was meant.
    fn put(&mut self, id: SecretId, value: Box<RawValue>) {
        if self.entries.get(&id).is_some_and(|have| !model::same_json(have, &value)) {
            self.disputed.push(id.to_string());
        }
        self.entries.entry(id).or_insert(value);
    }

    fn take(&mut self, file: &Found, only: Option<&Scope>) -> Result<(), formats::Error> {
        let bytes = file.bytes.expose();
        let agent = match &file.shape {
            Shape::Store(scope) | Shape::State(scope) => scope.clone(),
            Shape::AuthProfiles(scope) | Shape::AuthState(scope) | Shape::AuthJson(scope) => scope.clone(),
            Shape::UnusedStore => Scope::shared(),
            Shape::LegacyOauth | Shape::Dotenv | Shape::Config => Scope::main(),
        };
        // What goes before the files of an agent counts whatever is asked for.
        let row = match &file.shape {
            Shape::Store(_) => auth_profiles::parse_row(bytes)?,
            _ => auth_profiles::Store::default(),
        };
        if !row.profiles.is_empty() || !row.notes.is_empty() {
            self.stored.insert(agent.clone());
        }
        // Env entries and the configuration belong to no agent.
        let of_agent = !matches!(&file.shape, Shape::Dotenv | Shape::Config);
        if of_agent && only.is_some_and(|only| *only != agent) {
            return Ok(());
        }
        let notes = match &file.shape {
            Shape::Store(_) => self.store(&agent, auth_profiles::Store { carried: Carried::default(), ..row })?,
            Shape::UnusedStore => vec![shadowed(file)],
            // Once a database has profiles, the gateway leaves the files of that agent unread.
            shape if shape.row().is_none() && of_agent && self.has_store(&agent) => vec![shadowed(file)],
            Shape::AuthProfiles(_) => self.store(&agent, auth_profiles::parse(bytes)?)?,
            Shape::AuthJson(_) => {
                let mut legacy = auth_profiles::parse(bytes)?;
                // What the agent's own store has goes before the file of earlier releases.
                let stored = |profile: &str| {
                    SecretId::auth(agent.clone(), profile).is_ok_and(|id| self.entries.contains_key(&id))
                };
                let shadowed: Vec<_> = legacy.profiles.extract_if(.., |(profile, _)| stored(profile)).collect();
                let note = |(name, _)| Note { name, what: NoteKind::Shadowed };
                legacy.notes.extend(shadowed.into_iter().map(note));
                self.store(&agent, legacy)?
            }
            Shape::LegacyOauth => {
                // The gateway looks there only when the agent has no store of its own.
                let own = |id: &SecretId| matches!(id, SecretId::Auth(scope, _) if *scope == agent);
                if self.entries.keys().any(own) {
                    vec![shadowed(file)]
                } else {
                    self.store(&agent, auth_profiles::parse_legacy_oauth(bytes)?)?
                }
            }
            Shape::AuthState(_) | Shape::State(_) => {
                let state = auth_profiles::parse_state(bytes)?;
                // Per provider it wins over what stands beside the profiles.
                for (provider, ids) in state.order {
                    self.stated.insert((agent.clone(), provider.clone()));
                    self.orders.insert((agent.clone(), provider), ids);
                }
                Vec::new()
            }
            Shape::Dotenv => {
                let read = dotenv::parse(bytes)?;
                for (name, value) in read.entries {
                    self.put(SecretId::Env(name), text(&value)?);
                }
                read.notes
            }
            Shape::Config => {
                let read = openclaw_config::parse(bytes)?;
                let ours = openclaw_config::references(&openclaw_config::tree(bytes)?);
                let ours: BTreeSet<String> = ours.into_iter().map(|(path, _)| path.join(".")).collect();
                for (segments, value) in read.targets {
                    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
                    let id = SecretId::config(&segments).map_err(|_| formats::Error::Shape("configuration path"))?;
                    self.put(id, text(&value)?);
                }
                let mut notes = read.notes;
                notes.retain(|note| !ours.contains(&note.name));
                for (name, value) in read.env {
                    let id = SecretId::Env(name);
                    // The gateway takes a name from .env before it looks here.
                    if self.entries.contains_key(&id) {
                        notes.push(Note { name: id.to_string(), what: NoteKind::Shadowed });
                    } else {
                        self.put(id, text(&value)?);
                    }
                }
                notes
            }
        };
        self.plan.notes.extend(notes);
        Ok(())
    }

    /// Whether the gateway takes the agent's profiles from a database; the main agent's files
    /// are what the shared store was made from.
    fn has_store(&self, agent: &Scope) -> bool {
        self.stored.contains(agent) || (*agent == Scope::main() && self.stored.contains(&Scope::shared()))
    }

    fn store(&mut self, agent: &Scope, store: auth_profiles::Store) -> Result<Vec<Note>, formats::Error> {
        let mut ours = BTreeSet::new();
        for (profile, credential) in store.profiles {
            let id = SecretId::auth(agent.clone(), &profile).map_err(|_| formats::Error::Shape("profile id"))?;
            // A gateway that is connected: the secret is here already.
            if auth_profiles::referred(&credential).is_some() {
                self.plan.same += 1;
                self.referred.insert((agent.clone(), profile.clone()));
                ours.insert(profile);
                continue;
            }
            self.put(id, credential);
        }
        for (provider, ids) in store.order {
            self.orders.insert((agent.clone(), provider), ids);
        }
        if store.carried.last_good.is_some() || store.carried.usage_stats.is_some() {
            self.plan.carried.insert(agent.as_str().to_owned(), store.carried);
        }
        let with_agent = |note: Note| {
            let id = SecretId::auth(agent.clone(), &note.name).map(|id| id.to_string());
            Note { name: id.unwrap_or(note.name), what: note.what }
        };
        Ok(store.notes.into_iter().filter(|note| !ours.contains(&note.name)).map(with_agent).collect())
    }

    /// Takes away what is no change of the gateway's; where the vault differs, that is told.
    fn leave_out(&mut self, vault: &Vault<'_>, exported: &Unchanged) {
        for id in &exported.entries {
            let Some(value) = self.entries.remove(id) else { continue };
            match vault.get(id) {
                Some(have) if model::same_json(have, &value) => self.plan.same += 1,
                Some(_) => self.plan.kept.push(id.to_string()),
                None => self.plan.notes.push(Note { name: id.to_string(), what: NoteKind::TakenOut }),
            }
        }
        self.orders.retain(|order, _| {
            let of_view = exported.orders.contains(order) && !self.stated.contains(order);
            !of_view && !exported.settled.contains(order)
        });
    }

    /// A refresh token that another one followed is of no use to anybody (DESIGN F11).
    fn leave_stale(&mut self, lineage: &Lineage) {
        let notes = &mut self.plan.notes;
        self.entries.retain(|id, value| {
            let stale = lineage.is_superseded(id, value);
            notes.extend(stale.then(|| Note { name: id.to_string(), what: NoteKind::Superseded }));
            !stale
        });
    }

    /// An env entry must be able to leave again as it came.
    fn check_env(&self) -> Result<(), Error> {
        let misfit = |id: &SecretId, raw: &RawValue| {
            let SecretId::Env(name) = id else { return None };
            let value = Secret::new(serde_json::from_str(raw.get()).ok()?);
            dotenv::accepts(name.as_str(), value.expose()).is_err().then(|| id.to_string())
        };
        let misfits: Vec<String> = self.entries.iter().filter_map(|(id, raw)| misfit(id, raw)).collect();
        if misfits.is_empty() { Ok(()) } else { Err(Error::Unrepresentable(misfits)) }
    }

    fn compare(self, vault: &Vault<'_>, on: OnConflict, exported: &Unchanged) -> Result<Plan, Error> {
        let Self { entries, orders, disputed, mut plan, .. } = self;
        if !disputed.is_empty() {
            return Err(Error::Disputed(disputed));
        }
        let mut conflicts = Vec::new();
        for (id, value) in entries {
            let name = id.to_string();
            match vault.get(&id) {
                None => plan.added.push(name),
                Some(have) if model::same_json(have, &value) => {
                    plan.same += 1;
                    continue;
                }
                // A gateway that lost its refresh token does not take it from the vault.
                Some(have) if exported.own_oauth && is_oauth(have) && is_oauth(&value) => {
                    if model::has_refresh(have) && !model::has_refresh(&value) {
                        plan.kept.push(name);
                        continue;
                    }
                    plan.replaced.push(name);
                }
                Some(_) => match on {
                    OnConflict::Fail => {
                        conflicts.push(name);
                        continue;
                    }
                    OnConflict::Keep => {
                        plan.kept.push(name);
                        continue;
                    }
                    OnConflict::Replace => plan.replaced.push(name),
                },
            }
            plan.change.push(Op::Put(id, value, SOURCE));
        }
        for ((scope, provider), ids) in orders {
            let have = vault.scopes.get(scope.as_str()).and_then(|entries| entries.order.get(&provider));
            let name = format!("order of {provider} for {}", scope.as_str());
            let on = if exported.newer.contains(&(scope.clone(), provider.clone())) { OnConflict::Replace } else { on };
            match (have, on) {
                (Some(have), _) if *have == ids => continue,
                (None, _) => plan.added.push(name),
                (Some(_), OnConflict::Fail) => {
                    conflicts.push(name);
                    continue;
                }
                (Some(_), OnConflict::Keep) => {
                    plan.kept.push(name);
                    continue;
                }
                (Some(_), OnConflict::Replace) => plan.replaced.push(name),
            }
            plan.change.push(Op::Order(scope, provider, Some(ids)));
        }
        if vault.entries() + plan.added.len() > model::MAX_ENTRIES {
            return Err(model::Error::Bound("number of entries", model::MAX_ENTRIES).into());
        }
        if conflicts.is_empty() { Ok(plan) } else { Err(Error::Conflict(conflicts)) }
    }
}

fn is_oauth(raw: &RawValue) -> bool {
    Credential::parse("", raw).is_ok_and(|credential| credential.kind() == Some(Kind::Oauth))
}

fn shadowed(file: &Found) -> Note {
    Note { name: file.path.display().to_string(), what: NoteKind::Shadowed }
}

fn text(value: &Secret) -> Result<Box<RawValue>, formats::Error> {
    to_raw_value(value.expose()).map_err(|_| formats::Error::NotText)
}
