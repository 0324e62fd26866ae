//! Stores of profiles: rows of databases, files of earlier releases.

use super::super::Era;
use super::{At, Content, Found, Inventory, Item, Part, Place, Shape};
use crate::formats::auth_profiles::{self, Carried};
use crate::formats::{self, Note, NoteKind};
use crate::model::{Scope, SecretId};
use crate::secret::SecretBuf;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Profiles and orders of one store.
#[derive(Default)]
pub struct Store {
    /// Credentials by profile, aliases resolved.
    pub profiles: BTreeMap<String, Box<RawValue>>,
    /// Profiles by provider, in the order of use.
    pub order: BTreeMap<String, Vec<String>>,
    /// Profiles with a second secret, which the gateway does not use, in the very file.
    pub beside: BTreeSet<String>,
    /// Profiles that lie in a file of earlier releases, and not in the store itself.
    pub legacy: BTreeSet<String>,
    /// Whether a row of a database has something in it: then files beside it are left unread.
    in_database: bool,
}

impl Inventory {
    pub(super) fn profiles(&mut self, found: &Found, era: Option<Era>) -> Result<(), formats::Error> {
        let bytes = found.bytes.expose();
        let databases = era.is_some_and(Era::has_stores);
        match &found.shape {
            Shape::Store(scope) => {
                let store = auth_profiles::parse_row(bytes)?;
                let in_database = !(store.profiles.is_empty() && store.notes.is_empty());
                self.stores.entry(scope.clone()).or_default().in_database = in_database;
                self.store(scope, &found.path, auth_profiles::Store { carried: Carried::default(), ..store }, true)
            }
            Shape::UnusedStore => {
                self.shadowed(&found.path);
                self.store(&Scope::shared(), &found.path, auth_profiles::parse_row(bytes)?, false)
            }
            // Once a database has profiles, the gateway leaves the files of that agent unread.
            Shape::AuthProfiles(scope) => {
                let shadowed = self.has_database(scope);
                if shadowed {
                    self.shadowed(&found.path);
                } else if databases {
                    self.unmigrated.push(found.path.clone());
                }
                self.store(scope, &found.path, auth_profiles::parse(bytes)?, !shadowed)
            }
            Shape::AuthJson(scope) => {
                let mut legacy = auth_profiles::parse(bytes)?;
                let shadowed = self.has_database(scope);
                if shadowed {
                    self.shadowed(&found.path);
                }
                // What the agent's own store has goes before the file of earlier releases.
                let stored = |profile: &str| self.has_item(scope, profile);
                let (hidden, rest): (Vec<_>, Vec<_>) =
                    legacy.profiles.into_iter().partition(|(profile, _)| !shadowed && stored(profile));
                let note = |(name, _): &(String, _)| Note::new(name, NoteKind::Shadowed);
                let notes = hidden.iter().map(note).collect();
                legacy.profiles = rest;
                let hidden = auth_profiles::Store { profiles: hidden, notes, ..auth_profiles::Store::default() };
                self.store(scope, &found.path, hidden, false)?;
                let names: Vec<String> = legacy.profiles.iter().map(|(profile, _)| profile.clone()).collect();
                self.store(scope, &found.path, legacy, !shadowed)?;
                self.stores.entry(scope.clone()).or_default().legacy.extend(names);
                Ok(())
            }
            Shape::LegacyOauth => {
                // The gateway looks there only when the agent has no store of its own.
                let main = Scope::main();
                let own = |item: &Item| matches!(&item.id, Some(SecretId::Auth(scope, _)) if *scope == main);
                let used = !(self.has_database(&main) || self.items.iter().any(own));
                if !used {
                    self.shadowed(&found.path);
                }
                self.store(&main, &found.path, auth_profiles::parse_legacy_oauth(bytes)?, used)
            }
            Shape::State(scope) => self.state(scope, &found.bytes),
            Shape::AuthState(scope) if self.has_database(scope) => {
                self.shadowed(&found.path);
                Ok(())
            }
            Shape::AuthState(scope) => self.state(scope, &found.bytes),
            Shape::Dotenv | Shape::Secrets | Shape::Service | Shape::Beside => Ok(()),
        }
    }

    /// Whether the gateway takes the agent's profiles from a database; the main agent's files are what the shared store
    /// was made from.
    fn has_database(&self, agent: &Scope) -> bool {
        let has = |scope: &Scope| self.stores.get(scope).is_some_and(|store| store.in_database);
        has(agent) || (*agent == Scope::main() && has(&Scope::shared()))
    }

    fn has_item(&self, scope: &Scope, profile: &str) -> bool {
        let id = SecretId::auth(scope.clone(), profile).ok();
        self.items.iter().any(|item| item.used && item.id == id)
    }

    fn shadowed(&mut self, path: &Path) {
        self.notes.push(Note::new(&path.display().to_string(), NoteKind::Shadowed));
    }

    fn state(&mut self, scope: &Scope, bytes: &SecretBuf) -> Result<(), formats::Error> {
        let state = auth_profiles::parse_state(bytes.expose())?;
        self.notes.extend(state.notes);
        let store = self.stores.entry(scope.clone()).or_default();
        // Per provider it wins over what stands beside the profiles.
        for (provider, ids) in state.order {
            store.order.insert(provider.clone(), ids.clone());
            self.stated.insert((scope.clone(), provider.clone()));
            self.orders.insert((scope.clone(), provider), ids);
        }
        Ok(())
    }

    fn store(
        &mut self,
        scope: &Scope,
        path: &Path,
        store: auth_profiles::Store,
        used: bool,
    ) -> Result<(), formats::Error> {
        for (profile, raw) in &store.profiles {
            let id = SecretId::auth(scope.clone(), profile).map_err(|_| formats::Error::Shape("profile id"))?;
            let place = Place { file: path.to_owned(), at: At::Profile(profile.clone()) };
            let (owner, content) = (Some(scope.clone()), content(raw));
            self.items.push(Item { place, owner, id: Some(id), content, part: Part::Credential, used });
        }
        let beside = store.notes.iter().filter(|note| note.what == NoteKind::Beside).map(|note| note.name.clone());
        let beside: BTreeSet<String> = beside.collect();
        for profile in &beside {
            let place = Place { file: path.to_owned(), at: At::Profile(profile.clone()) };
            let (owner, content) = (Some(scope.clone()), Content::Unparsed);
            self.items.push(Item { place, owner, id: None, content, part: Part::Other, used: false });
        }
        // What the gateway does not take for a credential may hold a secret all the same.
        let ignored: BTreeSet<&String> =
            store.notes.iter().filter(|note| is_ignored(note.what)).map(|note| &note.name).collect();
        for profile in ignored.into_iter().filter(|profile| !store.profiles.iter().any(|(have, _)| have == *profile)) {
            let place = Place { file: path.to_owned(), at: At::Profile(profile.clone()) };
            let (owner, content) = (Some(scope.clone()), Content::Unparsed);
            self.items.push(Item { place, owner, id: None, content, part: Part::Other, used: false });
        }
        let refers = |raw: &RawValue| auth_profiles::referred(raw).is_some();
        let referred = |name: &str| store.profiles.iter().any(|(profile, raw)| profile == name && refers(raw));
        // What is about lines or the whole file is of use with its name alone.
        let with_agent = |note: &Note| {
            let id = SecretId::auth(scope.clone(), &note.name).map(|id| id.to_string());
            Note { name: id.unwrap_or_else(|_| path.display().to_string()), ..note.clone() }
        };
        if !used {
            return Ok(());
        }
        // That it is a reference of ours goes without saying; a secret beside it does not.
        let counts = |note: &&Note| note.what == NoteKind::Beside || !referred(&note.name);
        self.notes.extend(store.notes.iter().filter(counts).map(with_agent));
        for (provider, ids) in &store.order {
            self.orders.insert((scope.clone(), provider.clone()), ids.clone());
        }
        if store.carried.last_good.is_some() || store.carried.usage_stats.is_some() {
            self.carried.insert(scope.clone(), store.carried);
        }
        let into = self.stores.entry(scope.clone()).or_default();
        into.profiles.extend(store.profiles);
        into.beside.extend(beside);
        for (provider, ids) in store.order {
            into.order.entry(provider).or_insert(ids);
        }
        Ok(())
    }
}

/// Whether a note says that the gateway passes over a profile.
fn is_ignored(what: NoteKind) -> bool {
    use NoteKind::{NoProvider, NotAName, NotAnObject, NotUtf8, Nul, TooLarge, UnknownType};
    matches!(what, NoProvider | NotAName | NotAnObject | NotUtf8 | Nul | TooLarge | UnknownType)
}

/// What a credential holds: one that refers to the vault holds nothing else.
fn content(raw: &RawValue) -> Content {
    match auth_profiles::referred(raw).and_then(|_| auth_profiles::asked(raw)) {
        Some(id) => Content::Ours(id),
        None => Content::Value(raw.to_owned()),
    }
}
