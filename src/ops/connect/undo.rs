//! The way back: the gateway has its secrets itself again.

mod copies;
pub(super) mod values;
mod variables;

use self::copies::follow_copies;
use self::values::{meaning, names, of_variable, plain, same_store, text_of};
use super::apply::write;
use super::edits::{Edit, copy};
use super::plan::store_dir;
use super::{Connection, Error};
use crate::formats::openclaw_config::{self, Step};
use crate::formats::wrapper::Wrapper;
use crate::formats::{self, auth_profiles, secretref};
use crate::fsio;
use crate::gateway::{At, Content, Document, Inventory, Item, Part, Program, StoreChange, StoreLock};
use crate::model::{Renames, Scope, SecretId, Vault};
use crate::secret::SecretBuf;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What was put back, and where.
#[derive(Debug, Default)]
pub struct Undone {
    /// Ids whose secrets the gateway has itself again.
    pub ids: BTreeSet<String>,
    /// Files that hold them in plaintext now.
    pub files: BTreeSet<PathBuf>,
    /// Ids of variables that have another value in the gateway's files by now: that value stays.
    pub newer: BTreeSet<String>,
}

/// Seals a file.
type Seal<'s> = &'s dyn Fn(&Path, &SecretBuf) -> Result<(), Error>;

/// What an undo works with.
pub struct Undo<'u> {
    /// Whose values come back.
    pub vault: &'u Vault<'u>,
    /// What the gateway has.
    pub held: &'u Inventory,
    /// The gateway's program.
    pub program: &'u Program,
    /// What is remembered of the connection.
    pub connection: Option<&'u Connection>,
    /// Renames of entries since the gateway's references were last updated.
    pub renames: &'u Renames,
    /// The same with earlier renames, old id to current id: for variables that were taken out of its files.
    pub origins: &'u BTreeMap<String, String>,
    /// Looks at the gateway once more.
    pub again: &'u dyn Fn() -> Result<Inventory, Error>,
    /// Opens a sealed copy of a file; `None` if that is not possible.
    pub open: &'u dyn Fn(&Path) -> Option<SecretBuf>,
    /// Seals a file as it is before it is changed: it may hold what the vault never had.
    pub seal: Seal<'u>,
}

impl Undo<'_> {
    /// Puts values where references to the vault are, in stores, configuration and files of variables, then takes the
    /// resolver out of the configuration. Stores come first: until the end every reference still resolves. A file that
    /// means what it meant before `connect` gets the very bytes that it had then.
    ///
    /// # Errors
    /// A reference to an entry that the vault no longer has, before anything is changed; [`Error::NotPutBack`]; as
    /// [`apply`](super::apply()).
    pub fn run(&self) -> Result<Undone, Error> {
        let mut undone = Undone::default();
        let mut missing = BTreeSet::new();
        let stores = self.stores(self.held, &mut missing, &mut undone)?;
        let documents = self.documents(&mut missing, &mut undone)?;
        if !missing.is_empty() {
            return Err(Error::Unresolved(missing.into_iter().collect()));
        }
        let env = self.env(&mut undone)?;
        for edit in env.iter().chain(&documents) {
            edit.old.as_ref().map_or(Ok(()), |old| (self.seal)(&edit.path, old))?;
        }
        for dir in stores.iter().filter_map(|change| change.dir.as_ref()) {
            let path = dir.join("auth-profiles.json");
            if let Ok(bytes) = fsio::read_own(&path, formats::MAX_INPUT) {
                (self.seal)(&path, &bytes)?;
            }
        }
        if !stores.is_empty() {
            self.program.change_stores(&stores)?;
            // What was done is seen in the stores, and not believed.
            let left = self.stores(&(self.again)()?, &mut missing, &mut Undone::default())?;
            let names = left.iter().flat_map(|change| change.put.keys().chain(&change.remove)).cloned();
            let names: Vec<String> = names.collect();
            if !names.is_empty() {
                return Err(Error::NotPutBack(names));
            }
        }
        self.original_stores()?;
        let mut copies = Vec::new();
        for edit in env.into_iter().chain(documents) {
            write(&edit)?;
            if edit.old.is_some() {
                copies.extend(follow_copies(&edit.path, &edit.new, self.seal)?);
            }
        }
        undone.files.extend(copies);
        Ok(undone)
    }

    fn stores(
        &self,
        held: &Inventory,
        missing: &mut BTreeSet<String>,
        undone: &mut Undone,
    ) -> Result<Vec<StoreChange>, Error> {
        let mut changes = Vec::new();
        let in_databases = self.program.installed().version.era().has_stores();
        for (scope, store) in &held.stores {
            let dir = store_dir(self.program.state_dir(), &held.agents, scope);
            let (mut expect, mut put, mut remove) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
            let made = format!(":{}", secretref::ALIAS);
            for (profile, raw) in &store.profiles {
                let Some(asked) = auth_profiles::referred(raw) else { continue };
                let id = self.entry(&asked.to_string()).unwrap_or(asked);
                expect.insert(profile.clone(), Some(raw.clone()));
                match (self.vault.get(&id), &id) {
                    (Some(raw), SecretId::Auth(..)) => {
                        undone.ids.insert(id.to_string());
                        put.insert(profile.clone(), plain(profile, raw)?);
                    }
                    // Made by `connect` for a variable, which goes back where it was.
                    (Some(_), _) if profile.ends_with(&made) => remove.push(profile.clone()),
                    (Some(_), SecretId::Env(name)) => {
                        let name = self.names_back(&id).next().unwrap_or_else(|| name.as_str());
                        // The vault may have the profile as the gateway had it, with the provider of its reference.
                        let own = SecretId::auth(scope.clone(), profile).ok().and_then(|own| self.vault.get(&own));
                        let own = own.filter(|own| auth_profiles::variable(own).as_deref() == Some(name));
                        put.insert(
                            profile.clone(),
                            own.map_or_else(|| of_variable(raw, name), |own| Ok(own.to_owned()))?,
                        );
                    }
                    (Some(_), SecretId::Config(_)) => remove.push(profile.clone()),
                    (None, _) => _ = missing.insert(id.to_string()),
                }
            }
            if !put.is_empty() {
                let of_agent = if in_databases { "openclaw-agent.sqlite" } else { "auth-profiles.json" };
                let shared = || self.program.state_dir().join("state/openclaw.sqlite");
                undone.files.insert(dir.as_ref().map_or_else(shared, |dir| dir.join(of_agent)));
            }
            if !(put.is_empty() && remove.is_empty()) {
                changes.push(StoreChange { dir, expect, put, remove, order: BTreeMap::new() });
            }
        }
        Ok(changes)
    }

    /// The files of the configuration as they will be.
    fn documents(&self, missing: &mut BTreeSet<String>, undone: &mut Undone) -> Result<Vec<Edit>, Error> {
        let mut changes = Vec::new();
        let mut done = BTreeSet::new();
        for document in self.held.config.iter().flat_map(|config| &config.documents) {
            if !done.insert(&document.path) {
                continue;
            }
            let mut steps = self.references(document, missing, undone);
            steps.extend(self.variables(document, undone));
            let plaintext = !steps.is_empty();
            let entry = ["secrets", "providers", secretref::ALIAS].map(str::to_owned);
            let entry = document.mount.as_deref().and_then(|mount| entry.strip_prefix(mount)).map(<[String]>::to_vec);
            let entry = entry.filter(|entry| openclaw_config::at(document.tree(), entry).is_some());
            steps.extend(entry.map(Step::Remove));
            if steps.is_empty() {
                continue;
            }
            let failed = |error| Error::Format(error, document.path.clone());
            let new = openclaw_config::edit(document.bytes.expose(), &steps).map_err(failed)?;
            let new = self.original(&document.path, |original| meaning(original) == meaning(&new)).unwrap_or(new);
            undone.files.extend(plaintext.then(|| document.path.clone()));
            changes.push(Edit { path: document.path.clone(), old: Some(copy(&document.bytes)), new, env: false });
        }
        Ok(changes)
    }

    /// What takes the place of references in a document, and of commands that run under `agevault run`.
    fn references(&self, document: &Document, missing: &mut BTreeSet<String>, undone: &mut Undone) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut commands: BTreeSet<&[String]> = BTreeSet::new();
        let items = self.held.items.iter().filter(|item| item.place.file == document.path);
        for item in items {
            let (At::Member(at), Content::Ours(asked)) = (&item.place.at, &item.content) else { continue };
            let Some((id, value)) = self.entry(asked).and_then(|id| Some((id.clone(), self.value(item, &id)?))) else {
                missing.insert(asked.clone());
                continue;
            };
            if let Part::Command(command, _) = &item.part {
                commands.insert(command);
                // What somebody has put there since then is newer.
                if openclaw_config::at(document.tree(), at).is_some() {
                    continue;
                }
            }
            undone.ids.insert(id.to_string());
            steps.push(Step::Put(at.clone(), value));
        }
        for at in commands {
            let object = openclaw_config::at(document.tree(), at).and_then(Value::as_object);
            let Some(wrapper) = object.and_then(Wrapper::read) else { continue };
            let (program, args) = wrapper.inner();
            steps.push(Step::Put([at, &["command".to_owned()]].concat(), Value::from(program)));
            steps.push(match args.is_empty() {
                true => Step::Remove([at, &["args".to_owned()]].concat()),
                false => Step::Put([at, &["args".to_owned()]].concat(), Value::from(args)),
            });
        }
        steps
    }

    /// What takes the place of a reference: for a variable that has its value elsewhere again what named it.
    fn value(&self, item: &Item, id: &SecretId) -> Option<Value> {
        let text = text_of(self.vault, id)?;
        let SecretId::Env(variable) = id else { return Some(text) };
        let place = item.id.as_ref().map(ToString::to_string);
        let named = self.connection.zip(place).and_then(|(connection, place)| connection.named.get(&place).cloned());
        let is_named =
            |named: &Value| names(named, variable.as_str()) || self.names_back(id).any(|name| names(named, name));
        Some(named.filter(is_named).unwrap_or(text))
    }

    /// Gives files of profiles that mean what they meant before the bytes that they had.
    fn original_stores(&self) -> Result<(), Error> {
        let paths = self.connection.into_iter().flat_map(|connection| connection.originals.keys());
        for path in paths.filter(|path| path.ends_with("auth-profiles.json")) {
            if !std::fs::symlink_metadata(path).is_ok_and(|found| found.is_file()) {
                continue;
            }
            let Some(dir) = path.parent() else { continue };
            let _lock = StoreLock::take(dir)?;
            let now = fsio::read_own(path, formats::MAX_INPUT)?;
            if let Some(original) = self.original(path, |original| same_store(original, &now)) {
                fsio::replace_foreign(path, original.expose(), Some(now.expose()))?;
            }
        }
        Ok(())
    }

    /// The bytes that a file had before, if they are of use.
    fn original(&self, path: &Path, fits: impl Fn(&SecretBuf) -> bool) -> Option<SecretBuf> {
        self.originals_of(path).find(|original| fits(original))
    }

    /// The sealed copies of a file, opened, the newest first.
    fn originals_of<'s>(&'s self, path: &Path) -> impl Iterator<Item = SecretBuf> + use<'s> {
        let copies = self.connection.and_then(|connection| connection.originals.get(path));
        copies.into_iter().flatten().rev().filter_map(|copy| (self.open)(copy))
    }
}

/// What the gateway `held` has no secret and no reference for: it is in the vault alone.
pub fn only_in_vault(vault: &Vault<'_>, held: &Inventory) -> Vec<String> {
    let there: BTreeSet<&SecretId> = held.items.iter().filter_map(|item| item.id.as_ref()).collect();
    let (main, shared) = (Scope::main(), Scope::shared());
    let has = |scope: &Scope, profile: &str| held.profile(scope, profile).is_some();
    let has_it = |id: &SecretId| match id {
        // What belongs to the main agent may lie in the store that agents share, and the other way round.
        SecretId::Auth(scope, profile) if [&main, &shared].contains(&scope) => {
            has(&main, profile) || has(&shared, profile)
        }
        other => there.contains(other),
    };
    vault.ids().filter(|id| !has_it(id)).map(|id| id.to_string()).collect()
}
