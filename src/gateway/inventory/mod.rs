//! Every place where a gateway keeps a secret, or names one. Whatever looks at a gateway looks at this list.
//!
//! [`Files`] finds and reads the files, [`Inventory`] reads what is in them as the gateway does. One file that cannot
//! be read does not keep the others from being read: it is in [`Inventory::unread`].

mod agents;
mod env;
mod files;
mod item;
mod leftovers;
mod profiles;

pub use agents::{agent_dirs, agent_ids};
pub use env::EnvFile;
pub use files::{Files, Found, Shape, check_owner, configuration, own_stores};
pub use item::{At, Content, Item, Part, Place, names_variable};
pub use leftovers::{Dirs, Leftover, leftover};
pub use profiles::Store;

use super::config::{Configuration, Document};
use super::{Era, Fault, Settings};
use crate::formats::auth_profiles::Carried;
use crate::formats::openclaw_config::{self, Role};
use crate::formats::wrapper::{self, Wrapper};
use crate::formats::{self, Note, NoteKind};
use crate::fsio;
use crate::model::{MAX_VALUE, Scope, SecretId};
use serde_json::value::{RawValue, to_raw_value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a gateway has.
#[derive(Default)]
pub struct Inventory {
    /// Each secret and each name of one, those of one file in the order of the file.
    pub items: Vec<Item>,
    /// The stores of profiles that the gateway uses, by scope; `_shared` is the one that agents share.
    pub stores: BTreeMap<Scope, Store>,
    /// Its configuration.
    pub config: Option<Configuration>,
    /// Where that is, or would be.
    pub config_path: PathBuf,
    /// Its files of variables, in the order in which it looks for a name.
    pub env: Vec<EnvFile>,
    /// Where each agent has its files.
    pub agents: BTreeMap<Scope, PathBuf>,
    /// Gateway state beside the profiles of a file.
    pub carried: BTreeMap<Scope, Carried>,
    /// Orders by store and provider; those that the gateway keeps in a place of its own are in `stated` too.
    pub orders: BTreeMap<(Scope, String), Vec<String>>,
    /// See [`Inventory::orders`].
    pub stated: BTreeSet<(Scope, String)>,
    /// Files of profiles that a gateway with databases wants migrated before it does anything.
    pub unmigrated: Vec<PathBuf>,
    /// What was read and is remarkable.
    pub notes: Vec<Note>,
    /// What could not be read.
    pub unread: Vec<Unread>,
    /// The files and rows as they were read.
    pub files: Vec<Found>,
    /// The vault of the command that looks.
    vault: Option<PathBuf>,
}

/// Something that could not be read.
#[derive(Debug)]
pub struct Unread {
    /// The file.
    pub path: PathBuf,
    /// The row, in a database.
    pub row: Option<&'static str>,
    /// Why.
    pub why: Why,
}

/// Why something could not be read.
#[derive(Debug)]
pub enum Why {
    /// The file.
    File(fsio::Error),
    /// What is in it.
    Format(formats::Error),
    /// The database.
    Database(Fault),
    /// The gateway refuses to include it: outside the directory of the configuration, or too deep.
    Include,
    /// The directory of an agent, relative to where the gateway was started.
    Relative,
}

impl Inventory {
    /// Reads everything that the gateway of these settings has. A gateway of a known `era` uses only some of it.
    ///
    /// # Errors
    /// No state directory, or one of another user.
    pub fn read(settings: &Settings, era: Option<Era>) -> Result<Self, super::Error> {
        Ok(Self::of(Files::find(settings)?, era))
    }

    /// The inventory of files that were read.
    pub fn of(files: Files, era: Option<Era>) -> Self {
        let Files { found, config, config_path, unused_configs, agents, unread, vault } = files;
        let mut inventory = Self { config, config_path, agents, unread, files: found, vault, ..Self::default() };
        let mut files = std::mem::take(&mut inventory.files);
        // Rows first: with them a gateway leaves the files of an agent unread.
        let (rows, others): (Vec<&Found>, Vec<&Found>) = files.iter().partition(|found| found.shape.row().is_some());
        let mut malformed = BTreeSet::new();
        for found in rows.into_iter().chain(others) {
            if let Err(error) = inventory.take(found, era) {
                let (path, row) = (found.path.clone(), found.shape.row());
                malformed.insert((path.clone(), row));
                inventory.unread.push(Unread { path, row, why: Why::Format(error) });
            }
        }
        files.retain(|found| !malformed.contains(&(found.path.clone(), found.shape.row())));
        inventory.configuration();
        unused_configs.iter().for_each(|(path, read)| inventory.unused_config(path, read));
        inventory.files = files;
        inventory
    }

    /// Whether nothing at all was found.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.config.is_none() && self.unread.is_empty()
    }

    /// What is there and could not be read: what the gateway has is not known as long as there is any.
    pub fn not_read(&self) -> impl Iterator<Item = &Unread> {
        self.unread.iter().filter(|one| !matches!(&one.why, Why::File(error) if error.is_not_found()))
    }

    /// Takes the first of it out; `None` if everything was read.
    pub fn take_not_read(&mut self) -> Option<Unread> {
        let path = self.not_read().next()?.path.clone();
        let at = self.unread.iter().position(|one| one.path == path)?;
        Some(self.unread.remove(at))
    }

    /// Why the configuration is not known although it is there.
    pub fn take_unread_config(&mut self) -> Option<Unread> {
        let at = self.unread.iter().position(|one| one.path == self.config_path)?;
        self.config.is_none().then(|| self.unread.remove(at))
    }

    fn take(&mut self, found: &Found, era: Option<Era>) -> Result<(), formats::Error> {
        match &found.shape {
            Shape::Dotenv => self.dotenv(&found.path, &found.bytes),
            Shape::Secrets => self.rows(&found.path, &found.bytes),
            Shape::Service | Shape::Beside => {
                let part = if found.shape == Shape::Service { Part::Service } else { Part::Other };
                self.service(&found.path, &found.bytes, &part);
                Ok(())
            }
            _ => self.profiles(found, era),
        }
    }

    /// What `openclaw.json` and the files that it includes hold.
    fn configuration(&mut self) {
        let Some(config) = self.config.take() else { return };
        // What a later document says at the same place goes before what an earlier one says.
        let mut places: BTreeMap<Vec<String>, usize> = BTreeMap::new();
        let mut near = BTreeSet::new();
        for document in &config.documents {
            let of_document = |note: &Note| match note.name.is_empty() {
                true => Note { name: document.path.display().to_string(), ..note.clone() },
                false => note.clone(),
            };
            self.notes.extend(document.read.notes.iter().map(of_document));
            self.shadowed_members(document);
            for member in openclaw_config::members(document.tree(), document.mount.as_deref()) {
                let name = member.at.join(".");
                let flawed = document.read.flawed.contains(&member.at);
                let whole = [document.mount.as_deref().unwrap_or_default(), &member.at[..]].concat();
                // Lists are put one behind the other: each element counts, and none has the name alone.
                let in_list = member.path.as_ref().is_some_and(|path| !path.ends_with(&member.at));
                let mut is_shared = false;
                if let Some(before) = member.path.as_ref().and_then(|path| places.remove(path))
                    && let Some(item) = self.items.get_mut(before)
                {
                    if in_list {
                        item.id = None;
                        is_shared = true;
                    } else {
                        item.used = false;
                        self.notes.push(Note::new(&name, NoteKind::Shadowed));
                    }
                }
                let content = if flawed { Some(Content::Unparsed) } else { self.content(&name, &member) };
                let Some(content) = content else { continue };
                if whole.len() == 2 {
                    near.insert(self.items.len());
                }
                let (id, part) = match member.role {
                    _ if flawed => (None, Part::Other),
                    Role::Target if is_shared => (None, Part::Target(whole)),
                    Role::Variable(name) => (Some(SecretId::Env(name)), Part::Variable),
                    Role::Target => (of_path(member.path.as_deref()), Part::Target(whole)),
                    Role::Command(at, variable) => {
                        let part = Part::Command(at, variable.as_str().to_owned());
                        (of_path(member.path.as_deref()), part)
                    }
                    Role::Argument => (None, Part::Argument),
                    Role::Other => (of_path(member.path.as_deref()), Part::Other),
                };
                let place = Place { file: document.path.clone(), at: At::Member(member.at) };
                places.extend(member.path.map(|path| (path, self.items.len())));
                self.items.push(Item { place, owner: None, id, content, part, used: true });
            }
        }
        self.config = Some(config);
        // A command that another vault serves is none of ours.
        let mut items = std::mem::take(&mut self.items);
        items.retain(|item| {
            let (Part::Command(at, _), Content::Ours(_)) = (&item.part, &item.content) else { return true };
            let document =
                self.config.iter().flat_map(|config| &config.documents).find(|one| one.path == item.place.file);
            let object = document.and_then(|document| openclaw_config::at(document.tree(), at)?.as_object());
            object.and_then(Wrapper::read).is_some_and(|wrapper| self.is_ours(&wrapper))
        });
        self.items = items;
        self.variables_of_config(&near);
    }

    /// A configuration at a usual place that the gateway does not read.
    fn unused_config(&mut self, path: &Path, read: &openclaw_config::Config) {
        for member in openclaw_config::members(&read.tree, Some(&[])) {
            let openclaw_config::Content::Value(text) = &member.content else { continue };
            let Ok(raw) = to_raw_value(text.expose()) else { continue };
            let place = Place { file: path.to_owned(), at: At::Member(member.at) };
            let (id, content) = (of_path(member.path.as_deref()), Content::Value(raw));
            self.items.push(Item { place, owner: None, id, content, part: Part::Other, used: false });
        }
    }

    /// Secrets in members whose name comes again later in the same object, and in comments.
    fn shadowed_members(&mut self, document: &Document) {
        for (at, text) in &document.read.shadowed {
            let Ok(raw) = to_raw_value(text.expose()) else { continue };
            let place = Place { file: document.path.clone(), at: At::Member(at.clone()) };
            let content = Content::Value(raw);
            self.items.push(Item { place, owner: None, id: None, content, part: Part::Other, used: false });
        }
        for &(first, last) in &document.read.commented {
            let place = Place { file: document.path.clone(), at: At::Lines(first, last) };
            let content = Content::Unparsed;
            self.items.push(Item { place, owner: None, id: None, content, part: Part::Other, used: false });
        }
    }

    /// What an item holds; `None`, with a note, for what is no secret to take.
    fn content(&mut self, name: &str, member: &openclaw_config::Member) -> Option<Content> {
        use openclaw_config::Content as Has;
        let note = |what| Note::new(name, what);
        let (content, what) = match &member.content {
            Has::Value(text) if text.expose().len() > MAX_VALUE => (None, NoteKind::TooLarge),
            Has::Value(text) => return to_raw_value(text.expose()).ok().map(Content::Value),
            Has::Ours(id) => return Some(Content::Ours(id.clone())),
            Has::Variable(name) => (Some(Content::Variable(name.clone())), NoteKind::EnvReference),
            Has::Template => (None, NoteKind::EnvReference),
            Has::Mixed => (Some(Content::Mixed), NoteKind::EnvReference),
            Has::Elsewhere => (Some(Content::Elsewhere), NoteKind::Reference),
            Has::Marker => (None, NoteKind::Marker),
            Has::Blank => (None, NoteKind::Blank),
            Has::NotText => (None, NoteKind::NotAText),
        };
        self.notes.push(note(what));
        content
    }

    /// Variables that the configuration sets: `env`, whose items are `near`, goes before `env.vars`, a file of variables
    /// before both.
    fn variables_of_config(&mut self, near: &BTreeSet<usize>) {
        let mut seen: BTreeSet<SecretId> = self
            .items
            .iter()
            .filter(|item| matches!(item.place.at, At::Variable(_)))
            .filter_map(|item| item.id.clone())
            .collect();
        let is_of_config = |item: &Item| item.part == Part::Variable && matches!(item.place.at, At::Member(_));
        for first in [true, false] {
            let items = self.items.iter_mut().enumerate().filter(|(nth, _)| near.contains(nth) == first);
            for item in items.map(|(_, item)| item).filter(|item| is_of_config(item)) {
                let Some(id) = item.id.clone() else { continue };
                if !seen.insert(id.clone()) {
                    item.used = false;
                    self.notes.push(Note::new(&item.place.at.to_string(), NoteKind::Shadowed));
                }
            }
        }
    }

    /// Whether the configuration sets a variable twice with different values: without the first the second would count.
    pub fn is_set_twice(&self, name: &str) -> bool {
        let is = |item: &&Item| matches!(&item.id, Some(SecretId::Env(have)) if have.as_str() == name);
        let counts = self.variable(name).map(RawValue::get);
        let hidden = |item: &Item| !item.used && matches!(item.place.at, At::Member(_));
        self.items.iter().filter(is).any(|item| hidden(item) && item.content.value().map(RawValue::get) != counts)
    }

    /// The value that the gateway has for a variable.
    pub fn variable(&self, name: &str) -> Option<&RawValue> {
        let is = |item: &&Item| item.used && matches!(&item.id, Some(SecretId::Env(have)) if have.as_str() == name);
        self.items.iter().filter(is).find_map(|item| item.content.value())
    }

    /// One profile of a store that the gateway uses.
    pub fn profile(&self, scope: &Scope, name: &str) -> Option<&RawValue> {
        Some(self.stores.get(scope)?.profiles.get(name)?)
    }

    /// The profiles of a store that the gateway uses.
    pub fn profiles_of(&self, scope: &Scope) -> impl Iterator<Item = (&String, &RawValue)> {
        let profiles = self.stores.get(scope).into_iter().flat_map(|store| &store.profiles);
        profiles.map(|(name, raw)| (name, raw.as_ref()))
    }

    /// As [`Configuration::resolver`].
    pub fn resolver(&self) -> Option<Vec<String>> {
        self.config.as_ref()?.resolver()
    }

    /// Whether a command runs with the vault of the command that looks, or of the configuration's resolver.
    pub fn is_ours(&self, wrapper: &Wrapper) -> bool {
        let asked = self.resolver().and_then(|args| wrapper::vault(&args).map(PathBuf::from));
        let named = wrapper.vault().map(Path::new);
        let is = |vault: &PathBuf| named.is_some_and(|named| fsio::real_or_same(named) == fsio::real_or_same(vault));
        asked.iter().chain(&self.vault).any(is)
    }

    /// As [`Configuration::entry`].
    pub fn entry(&self) -> Option<&serde_json::Value> {
        self.config.as_ref()?.entry()
    }

    /// Every id that the gateway asks the vault for; it need not be one.
    pub fn asked(&self) -> BTreeSet<String> {
        let ours = |item: &Item| if let Content::Ours(id) = &item.content { Some(id.clone()) } else { None };
        self.items.iter().filter(|item| item.used).filter_map(ours).collect()
    }
}

fn of_path(path: Option<&[String]>) -> Option<SecretId> {
    let segments: Vec<&str> = path?.iter().map(String::as_str).collect();
    SecretId::config(&segments).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
