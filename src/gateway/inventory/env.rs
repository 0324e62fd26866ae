//! Files of variables, and the gateway's own store of secrets.

use super::{At, Content, Inventory, Item, Part, Place};
use crate::formats::{self, Note, NoteKind, dotenv, systemd};
use crate::model::{EnvName, SecretId};
use crate::secret::{Secret, SecretBuf};
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A file of variables, read.
pub struct EnvFile {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub bytes: SecretBuf,
    /// Names and values in the order of the file.
    pub entries: Vec<(EnvName, Secret)>,
}

impl EnvFile {
    /// The value of a variable in it.
    pub fn value(&self, name: &str) -> Option<&Secret> {
        self.entries.iter().find(|(have, _)| have.as_str() == name).map(|(_, value)| value)
    }
}

impl Inventory {
    /// A name that an earlier file has is looked up there.
    pub(super) fn dotenv(&mut self, path: &Path, bytes: &SecretBuf) -> Result<(), formats::Error> {
        let read = dotenv::parse(bytes.expose())?;
        // A line is one of a file.
        let of_file = |note: Note| match (note.name.is_empty(), note.lines) {
            (true, _) => Note { name: path.display().to_string(), ..note },
            (false, Some(_)) => Note { name: format!("{}, {}", path.display(), note.name), ..note },
            (false, None) => note,
        };
        self.notes.extend(read.notes.into_iter().map(of_file));
        for unread in &read.unread {
            let place = Place { file: path.to_owned(), at: At::Lines(unread.lines.0, unread.lines.1) };
            let content = Content::Unparsed;
            self.items.push(Item { place, owner: None, id: None, content, part: Part::Other, used: false });
        }
        for (name, value) in &read.entries {
            let id = SecretId::Env(name.clone());
            let known = self.env.iter().find_map(|file| file.value(name.as_str()));
            let used = known.is_none();
            if known.is_some_and(|known| known.expose() != value.expose()) {
                self.notes.push(Note::new(&id.to_string(), NoteKind::Shadowed));
            }
            let place = Place { file: path.to_owned(), at: At::Variable(name.as_str().to_owned()) };
            let content = Content::Value(text(value)?);
            self.items.push(Item { place, owner: None, id: Some(id), content, part: Part::Variable, used });
        }
        let bytes = SecretBuf::new(bytes.expose().to_vec());
        self.env.push(EnvFile { path: path.to_owned(), bytes, entries: read.entries });
        Ok(())
    }

    /// What a service is given, or a file of somebody else's has. It is named and not taken: the rest of such a file is
    /// the operator's.
    pub(super) fn service(&mut self, path: &Path, bytes: &SecretBuf, part: &Part) {
        for (line, name, value) in systemd::secrets(&String::from_utf8_lossy(bytes.expose())) {
            let Ok(content) = text(&value).map(Content::Value) else { continue };
            let place = Place { file: path.to_owned(), at: At::Lines(line, line) };
            let id = name.map(SecretId::Env);
            self.items.push(Item { place, owner: None, id, content, part: part.clone(), used: false });
        }
    }

    /// Rows of the gateway's own store of secrets, as an object of names and values.
    pub(super) fn rows(&mut self, path: &Path, bytes: &SecretBuf) -> Result<(), formats::Error> {
        let shape = formats::Error::Shape("secrets");
        let rows: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(bytes.expose()).map_err(|_| shape)?;
        for (name, value) in rows {
            // Which rows the gateway still uses, and for whom, is its own affair: they are named and not taken.
            let place = Place { file: path.to_owned(), at: At::Row(name) };
            let content = Content::Value(value);
            self.items.push(Item { place, owner: None, id: None, content, part: Part::StoreRow, used: true });
        }
        Ok(())
    }
}

fn text(value: &Secret) -> Result<Box<RawValue>, formats::Error> {
    to_raw_value(value.expose()).map_err(|_| formats::Error::NotText)
}
