//! The variables that an undo puts back: which ones, under which names, with which values.

use super::super::edits::{Edit, copy};
use super::super::{Error, Spot};
use super::values::{entries, is_object, text_of};
use super::{Undo, Undone};
use crate::formats::openclaw_config::{self, Step};
use crate::formats::{self, dotenv};
use crate::fsio;
use crate::gateway::{Document, Item, Part};
use crate::model::{self, SecretId};
use crate::secret::{Secret, SecretBuf};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

impl Undo<'_> {
    /// Steps that put back variables taken out of the configuration.
    pub(super) fn variables(&self, document: &Document, undone: &mut Undone) -> Vec<Step> {
        let mut steps = Vec::new();
        let set = self.connection.into_iter().flat_map(|connection| &connection.set_in_config);
        let set = set.map(|(name, spot)| (format!("env/{name}"), spot));
        for (id, Spot { at, .. }) in set.filter(|(_, spot)| spot.file == document.path) {
            let entry = self.origin(&id);
            let value = entry.as_ref().and_then(|id| text_of(self.vault, id));
            // If the object around it is gone, an object with this member alone would be worse than none.
            let above = at.split_last().map(|(_, above)| above).unwrap_or_default();
            let has_room = is_object(document, above) && openclaw_config::at(document.tree(), at).is_none();
            if let Some((entry, value)) = entry.zip(value).filter(|_| has_room) {
                undone.ids.insert(entry.to_string());
                steps.push(Step::Put(at.clone(), value));
            }
        }
        steps
    }

    /// The entry that a reference of the gateway means by this id.
    pub(super) fn entry(&self, id: &str) -> Option<SecretId> {
        self.renames.entry(self.vault, id)
    }

    /// The entry of a variable that was taken out of its files. An entry with this very id comes first, since
    /// `agevault run` supplies variables by name.
    fn origin(&self, id: &str) -> Option<SecretId> {
        let there = |id: &str| SecretId::parse(id).ok().filter(|id| self.vault.get(id).is_some());
        there(id).or_else(|| there(self.origins.get(id)?))
    }

    /// The names that the gateway had for a variable before it was renamed in the vault.
    pub(super) fn names_back(&self, id: &SecretId) -> impl Iterator<Item = &str> {
        let taken = |name: &str| {
            let of_files = self.connection.is_some_and(|one| one.dotenv.contains(name));
            of_files || self.connection.is_some_and(|one| one.set_in_config.contains_key(name))
        };
        let old = self.origins.keys().filter(move |old| self.origin(old).as_ref() == Some(id));
        old.filter_map(|old| old.strip_prefix("env/")).filter(move |name| taken(name))
    }

    /// Whether every file that has a variable again has the value to be put back, or the one in its sealed copies: any
    /// other value is newer. The service's own value is not compared, since it overrides all files anyway.
    fn agrees(&self, name: &str, value: &Secret, had: &BTreeMap<PathBuf, BTreeMap<String, String>>) -> bool {
        let is = |item: &&Item| {
            item.used
                && item.part != Part::Service
                && matches!(&item.id, Some(SecretId::Env(have)) if have.as_str() == name)
        };
        let same = |item: &Item| {
            let text = item.content.value().and_then(model::text);
            let before = had.get(&item.place.file).and_then(|had| had.get(name));
            text.is_none_or(|text| text.expose() == value.expose() || before.is_some_and(|had| had == text.expose()))
        };
        self.held.items.iter().filter(is).all(same)
    }

    /// Edits of env files that put back what `connect` took out of them, unless it is there again.
    pub(super) fn env(&self, undone: &mut Undone) -> Result<Vec<Edit>, Error> {
        let taken = self.connection.into_iter().flat_map(|connection| &connection.dotenv);
        let in_config = |name: &str| self.connection.is_some_and(|one| one.set_in_config.contains_key(name));
        let entry = |name: &str| self.origin(&format!("env/{name}"));
        let value = |name: &str| self.vault.text(&entry(name)?);
        let mut given: BTreeSet<&str> = BTreeSet::new();
        let mut changes = Vec::new();
        let usual = self.program.state_dir().join(".env");
        let mut paths: Vec<PathBuf> = self.held.env.iter().map(|file| file.path.clone()).collect();
        let originals = self.connection.into_iter().flat_map(|connection| connection.originals.keys());
        paths.extend(
            originals
                .filter(|path| path.extension().is_some_and(|end| end == "env") || path.ends_with(".env"))
                .cloned(),
        );
        paths.push(usual.clone());
        let mut seen = BTreeSet::new();
        paths.retain(|path| seen.insert(path.clone()));
        // The sealed copies of a file show which variables it had; the newest copy counts.
        let of_file = |path: &PathBuf| {
            let originals: Vec<SecretBuf> = self.originals_of(path).collect();
            (path.clone(), originals.iter().rev().flat_map(entries).collect())
        };
        let had: BTreeMap<PathBuf, BTreeMap<String, String>> = paths.iter().map(of_file).collect();
        let of_any = |name: &str| had.values().any(|had| had.contains_key(name));
        let there = |name: &str| {
            let is = |item: &Item| matches!(&item.id, Some(SecretId::Env(have)) if have.as_str() == name);
            self.held.items.iter().any(|item| item.used && is(item) && item.content.value().is_some())
        };
        let names = taken.filter(|name| of_any(name) || !(there(name) || in_config(name)));
        let back = names.filter_map(|name| Some((name.as_str(), value(name)?)));
        let (back, newer): (BTreeMap<&str, Secret>, BTreeMap<_, _>) =
            back.partition(|(name, value)| self.agrees(name, value, &had));
        undone.newer = newer.keys().filter_map(|name| entry(name)).map(|id| id.to_string()).collect();
        undone.ids.retain(|id| !undone.newer.contains(id));
        for path in &paths {
            let held = self.held.env.iter().find(|file| file.path == *path).map(|file| copy(&file.bytes));
            let old = held.or_else(|| fsio::read_own(path, formats::MAX_INPUT).ok());
            let has = old.as_ref().map(entries).unwrap_or_default();
            let empty = BTreeMap::new();
            let had = had.get(path).unwrap_or(&empty);
            // A variable that no copy has goes into the file that the gateway reads first.
            let mine = |name: &&str| {
                !has.contains_key(*name) && (had.contains_key(*name) || (!of_any(name) && *path == usual))
            };
            // The first file overrides the others, so it gets the vault's value; the others get the one that they had.
            let own = |name: &str| had.get(name).filter(|_| given.contains(name)).map(|own| Secret::new(own.clone()));
            let value =
                |name: &str| own(name).or_else(|| back.get(name).map(|value| Secret::new(value.expose().to_owned())));
            let put: Vec<(&str, Secret)> =
                back.keys().copied().filter(mine).filter_map(|name| Some((name, value(name)?))).collect();
            if put.is_empty() {
                continue;
            }
            given.extend(put.iter().map(|(name, _)| *name));
            let list: Vec<(&str, &Secret)> = put.iter().map(|(name, value)| (*name, value)).collect();
            let rendered = dotenv::render(&list).map_err(|error| Error::Format(error, path.clone()))?;
            let before = old.as_ref().map_or(&b""[..], |bytes| bytes.expose());
            let gap: &[u8] = if before.is_empty() || before.ends_with(b"\n") { b"" } else { b"\n" };
            let new = SecretBuf::new([before, gap, rendered.expose()].concat());
            let new = self.original(path, |original| entries(original) == entries(&new)).unwrap_or(new);
            undone.ids.extend(list.iter().filter_map(|(name, _)| entry(name)).map(|id| id.to_string()));
            undone.files.insert(path.clone());
            changes.push(Edit { path: path.clone(), old, new, env: true });
        }
        Ok(changes)
    }
}
