//! The configuration's part of a plan: the resolver's entry, references, commands under `agevault run`.

use super::plan::{MAX_REFS, Planner};
use super::undo::values::text_of;
use super::{Entry, Error, Road, Spot, edits, known};
use crate::formats::openclaw_config::{self, Step};
use crate::formats::secretref::{self, ExecRef};
use crate::formats::wrapper::{self, Wrapper};
use crate::gateway::{At, Content, Item, Part};
use crate::model::{EnvName, SecretId};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Where the token of the gateway itself is.
const TOKEN: [&str; 3] = ["gateway", "auth", "token"];

impl Planner<'_> {
    /// Plans the edits of the configuration.
    pub(super) fn configuration(&mut self) -> Result<(), Error> {
        let held = self.held;
        self.entry()?;
        let mut commands: BTreeMap<(&Path, &[String]), Vec<&Item>> = BTreeMap::new();
        for item in held.items.iter().filter(|item| item.used) {
            let At::Member(path) = &item.place.at else { continue };
            match &item.part {
                Part::Command(at, _) => commands.entry((&item.place.file, at)).or_default().push(item),
                Part::Variable => {}
                _ => self.member(item, path),
            }
        }
        for ((file, at), items) in commands {
            self.command(file, at, &items);
        }
        if self.plan.added.len() > MAX_REFS {
            return Err(Error::TooMany(MAX_REFS));
        }
        // What names a variable is seen in the configuration as it will be.
        self.texts = edits::of_config(&self.plan, held)?.into_iter().map(|edit| edit.new).collect();
        for item in held.items.iter().filter(|item| item.used && item.part == Part::Variable) {
            if let At::Member(path) = &item.place.at {
                self.variable(item, path);
            }
        }
        // What the vault alone has.
        for (key, _) in self.vault.config.iter() {
            let Ok(id) = SecretId::parse(&format!("config/{key}")) else { continue };
            if !self.plan.roads.contains_key(&id.to_string()) {
                self.road(&id, Road::Nowhere);
            }
        }
        Ok(())
    }

    /// The resolver's entry.
    fn entry(&mut self) -> Result<(), Error> {
        let entry = self.request.entry.to_json();
        let have = self.held.entry();
        check_vault(self.request.entry, have)?;
        if have != Some(&entry) {
            self.plan.entry = Some(have.map(|have| differing(have, &entry)).unwrap_or_default());
            let place = ["secrets", "providers", secretref::ALIAS].map(str::to_owned).to_vec();
            // Where it is: a second one beside an included one would be merged with that, lists and all.
            let documents = self.held.config.iter().flat_map(|config| &config.documents);
            let there: Vec<(PathBuf, Vec<String>)> = documents
                .filter_map(|document| {
                    let rest = place.strip_prefix(document.mount.as_deref()?)?;
                    openclaw_config::at(document.tree(), rest).map(|_| (document.path.clone(), rest.to_vec()))
                })
                .collect();
            let mut there = there.into_iter();
            let (file, at) = there.next().unwrap_or_else(|| (self.held.config_path.clone(), place.clone()));
            self.step(&file, Step::Put(at, entry));
            there.for_each(|(file, at)| self.step(&file, Step::Remove(at)));
        }
        Ok(())
    }

    /// A member that could be a reference.
    fn member(&mut self, item: &Item, path: &[String]) {
        let takes = item.takes_reference(self.request.version);
        let to = match (&item.content, &item.id) {
            (Content::Ours(asked), own) => return self.reference(item, own.as_ref(), path, asked),
            (_, None) => return,
            (Content::Value(raw), Some(id)) => return self.value(item, id, path, raw, takes),
            (Content::Variable(name), _) if !self.request.keep.dotenv => EnvName::parse(name).ok().map(SecretId::Env),
            _ => None,
        };
        let known = |to: &SecretId| self.vault.get(to).is_some() && to.fits_secret_ref() && self.is_current(to);
        if let Some(to) = to.filter(|to| takes && known(to)) {
            self.refer(item, path, &to);
            self.road(&to, Road::Config);
        }
    }

    /// Whether what the gateway has for a variable is what the vault has: another value may be newer.
    pub(super) fn is_current(&self, id: &SecretId) -> bool {
        let SecretId::Env(name) = id else { return true };
        let theirs = self.held.variable(name.as_str()).into_iter();
        // What the service is given goes before any file.
        let given = self.held.items.iter().filter(|item| item.part == Part::Service && item.id.as_ref() == Some(id));
        let mut values = theirs.chain(given.filter_map(|item| item.content.value()));
        values.all(|raw| known::is_raw_value(self.vault, id, raw))
    }

    fn refer(&mut self, item: &Item, path: &[String], to: &SecretId) {
        let reference = serde_json::to_value(ExecRef::to(to)).unwrap_or_default();
        self.step(&item.place.file, Step::Put(path.to_vec(), reference));
        self.plan.added.push(to.to_string());
    }

    /// A secret in plaintext.
    fn value(&mut self, item: &Item, id: &SecretId, path: &[String], raw: &RawValue, takes: bool) {
        let SecretId::Config(names) = id else { return };
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        if self.vault.get(id).is_none() || self.request.waiting.contains(id) {
            return;
        }
        let differs = !known::is_raw_value(self.vault, id, raw);
        let changed = differs && !self.request.yields;
        let road = if names == TOKEN && self.request.keep.gateway_token {
            Road::Own
        } else if !id.fits_secret_ref() {
            Road::TooLong
        } else if !takes {
            Road::NoTarget
        } else if changed {
            // What the gateway has is newer than what was taken in.
            self.plan.changed.push(id.to_string());
            Road::Config
        } else {
            self.plan.given_up.extend(differs.then(|| id.to_string()));
            self.refer(item, path, id);
            Road::Config
        };
        self.road(id, road);
    }

    /// A reference to the vault. `own` is the id of its place, if that has a name that lasts.
    fn reference(&mut self, item: &Item, own: Option<&SecretId>, path: &[String], asked: &str) {
        let names: Vec<&str> = match own {
            Some(SecretId::Config(names)) => names.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        let own = own.filter(|own| self.vault.get(own).is_some() && own.fits_secret_ref());
        let known = self.request.renames.entry(self.vault, asked);
        let known = known.as_ref();
        // A place that was moved with its reference has just got its own entry. Otherwise the reference decides.
        let is_moved = |to: &SecretId| own.is_some_and(|own| self.is_moved(own, to));
        match known {
            Some(to) if names == TOKEN && self.request.keep.gateway_token => {
                // A gateway that had a reference gets its token back.
                if let Some(value) = text_of(self.vault, to) {
                    self.step(&item.place.file, Step::Put(path.to_vec(), value));
                }
                self.road(to, Road::Own);
            }
            Some(to) if !is_moved(to) => {
                if to.to_string() != asked {
                    self.refer(item, path, to);
                }
                self.road(to, Road::Config);
            }
            // An unknown id is a typing error, unless it was connected before: the place gets its own entry.
            _ if known.is_some() || (own.is_some() && !self.request.before.contains(asked)) => {
                own.into_iter().for_each(|own| {
                    self.refer(item, path, own);
                    self.road(own, Road::Config);
                });
            }
            // Without its own token a gateway does not start, and says why.
            _ if !names.starts_with(&["gateway", "auth"]) => {
                self.plan.removed.push(asked.to_owned());
                self.step(&item.place.file, Step::Remove(path.to_vec()));
            }
            _ => {}
        }
    }

    /// Whether a place that refers to another place's entry got its own entry in this run.
    fn is_moved(&self, own: &SecretId, to: &SecretId) -> bool {
        own != to && self.request.moved.contains(own) && self.vault.get(own).is_some()
    }

    /// A variable that the configuration sets.
    fn variable(&mut self, item: &Item, path: &[String]) {
        let (Some(id), Some(raw)) = (&item.id, item.content.value()) else { return };
        let SecretId::Env(name) = id else { return };
        let known = known::is_raw_value(self.vault, id, raw);
        if known && !(self.request.keep.dotenv || self.needs(name.as_str())) {
            self.plan.dotenv.insert(name.as_str().to_owned());
            self.plan.set_in_config.insert(name.as_str().to_owned(), spot(item, path));
            self.step(&item.place.file, Step::Remove(path.to_vec()));
        }
    }

    /// A command with secrets in its environment.
    fn command(&mut self, file: &Path, at: &[String], items: &[&Item]) {
        let document = self.held.config.iter().flat_map(|config| &config.documents).find(|one| one.path == file);
        let object = document.and_then(|document| openclaw_config::at(document.tree(), at)?.as_object());
        let Some((object, (program, args))) = object.and_then(|object| Some((object, wrapper::words(object)?))) else {
            return items.iter().filter_map(|item| item.id.clone()).for_each(|id| self.road(&id, Road::NoTarget));
        };
        let options = self.request.entry.args.split_last().map(|(_, options)| options.to_vec()).unwrap_or_default();
        let old = Wrapper::read(object).filter(|old| self.held.is_ours(old));
        let was_wrapped = old.is_some();
        let command = old.map_or_else(|| [vec![program.clone()], args.clone()].concat(), |old| old.command);
        let mut new = Wrapper {
            program: self.request.entry.command.to_string_lossy().into_owned(),
            options: [options, vec!["--quiet".to_owned()]].concat(),
            only: Vec::new(),
            command,
        };
        for item in items {
            let Part::Command(_, variable) = &item.part else { continue };
            let Some(id) = self.behind(item) else { continue };
            let road = if self.request.keep.commands && !matches!(item.content, Content::Ours(_)) {
                Road::Own
            } else {
                new.only.push((variable.clone(), id.to_string()));
                if !matches!(item.content, Content::Ours(_)) {
                    let place = [at, &["env".to_owned(), variable.clone()]].concat();
                    self.step(file, Step::Remove(place));
                    self.plan.added.push(id.to_string());
                }
                Road::Command
            };
            self.road(&id, road);
        }
        new.only.sort();
        if new.only.is_empty() && !was_wrapped {
            return;
        }
        let (program_now, args_now) = if new.only.is_empty() { new.inner() } else { (new.program.clone(), new.args()) };
        if (program_now.as_str(), &args_now) != (program.as_str(), &args) {
            let list = if new.only.is_empty() { &mut self.plan.unwrapped } else { &mut self.plan.commands };
            list.push(at.join("."));
            self.step(file, Step::Put([at, &["command".to_owned()]].concat(), Value::from(program_now)));
            self.step(file, Step::Put([at, &["args".to_owned()]].concat(), Value::from(args_now)));
        }
    }

    /// The entry of the vault whose value a variable of a command has, if it can come from there.
    fn behind(&mut self, item: &Item) -> Option<SecretId> {
        let id = match &item.content {
            Content::Ours(asked) => {
                let id = self.request.renames.entry(self.vault, asked);
                let own = item.id.as_ref().filter(|own| id.as_ref().is_some_and(|to| self.is_moved(own, to)));
                let id = own.cloned().or(id);
                if id.is_none() {
                    self.plan.removed.push(asked.clone());
                }
                return id;
            }
            Content::Variable(name) if !self.request.keep.dotenv => SecretId::Env(EnvName::parse(name).ok()?),
            Content::Value(raw) => {
                let id = item.id.clone().filter(|id| !self.request.waiting.contains(id))?;
                let known = known::is_raw_value(self.vault, &id, raw);
                if self.vault.get(&id).is_some() && !known {
                    let list = if self.request.yields { &mut self.plan.given_up } else { &mut self.plan.changed };
                    list.push(id.to_string());
                    if !self.request.yields {
                        return None;
                    }
                }
                id
            }
            _ => return None,
        };
        self.vault.get(&id).is_some().then_some(id).filter(|id| self.is_current(id))
    }
}

/// Refuses a gateway whose references another vault answers. One that was moved here has the same fingerprint,
/// or has left nothing where it was.
///
/// # Errors
/// [`Error::AnotherVault`].
pub fn check_vault(entry: &Entry, have: Option<&Value>) -> Result<(), Error> {
    let args = have.and_then(|have| have.get("args")?.as_array()).into_iter().flatten().filter_map(Value::as_str);
    let theirs = |option: &str| args.clone().zip(args.clone().skip(1)).find(|(name, _)| *name == option);
    let ours = |option: &str| entry.args.windows(2).find(|pair| pair.first().is_some_and(|name| name == option));
    let is_same =
        |(option, value): (&str, &str)| ours(option).is_some_and(|pair| pair.last().is_some_and(|ours| ours == value));
    let Some(other) = theirs("--vault") else { return Ok(()) };
    // One that is not there may be on a disk that is not: its fingerprint tells.
    let pin = theirs("--pin");
    let same = is_same(other) || pin.is_some_and(is_same) || (pin.is_none() && !Path::new(other.1).exists());
    if same { Ok(()) } else { Err(Error::AnotherVault(PathBuf::from(other.1))) }
}

/// Members that two objects do not have in common.
fn differing(one: &Value, other: &Value) -> Vec<String> {
    let members = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let (one, other) = (members(one), members(other));
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    names.into_iter().filter(|name| one.get(*name) != other.get(*name)).cloned().collect()
}

fn spot(item: &Item, path: &[String]) -> Spot {
    Spot { file: item.place.file.clone(), at: path.to_vec() }
}
