//! `auth-profiles.json` of gateways up to 2026.6.1, the files that went before it
//! (`auth.json`, `credentials/oauth.json`) and beside it (`auth-state.json`), and the same texts
//! as rows of SQLite stores since.

mod credential;
mod edit;
mod reference;
mod state;
mod variable;

use super::json::{self, Object};
use super::text::Text;
use super::{Error, Note, NoteKind, pretty};
use crate::model::{MAX_NAME, RawMap};
use crate::secret::SecretBuf;
use credential::Era;
use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

pub use edit::{Orders, edit, edit_state};
pub use reference::{asked, for_view, referred, to_reference};
pub use state::{Carried, State, parse_state};
pub use variable::variable;

/// What a file of profiles holds.
#[derive(Default)]
pub struct Store {
    /// Profile id and credential in the order of the file, aliases resolved, without white
    /// space between tokens; otherwise as they were written, unknown members included.
    pub profiles: Vec<(String, Box<RawValue>)>,
    /// Provider -> profile ids, in the order of use.
    pub order: BTreeMap<String, Vec<String>>,
    /// What the gateway noted for itself.
    pub carried: Carried,
    /// What was left out or is remarkable.
    pub notes: Vec<Note>,
}

impl Store {
    /// Lays an `auth-state.json` over what stood in the file of profiles: it wins per provider
    /// and per profile, as in the gateway.
    pub fn overlay(&mut self, state: State) {
        self.order.extend(state.order);
        self.carried.overlay(state.carried);
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.profiles.iter().map(|(name, _)| name.as_str()).collect();
        out.debug_struct("Store").field("profiles", &names).field("notes", &self.notes).finish_non_exhaustive()
    }
}

/// Reads `auth-profiles.json` in its current shape or the flat one before it, or `auth.json`,
/// which is flat too: provider -> credential, imported as `<provider>:default`. A file of white space alone is an
/// empty store.
///
/// # Errors
/// Anything that `JSON.parse` does not take; [`Error::Shape`] for an object that has neither `profiles`
/// nor a single credential; [`Error::Bound`].
pub fn parse(bytes: &[u8]) -> Result<Store, Error> {
    let text = Text::of(bytes)?;
    let Some(file) = open(&text, "auth-profiles")? else { return Ok(Store::empty()) };
    let mut store = Store::default();
    if let Some(profiles) = file.get("profiles") {
        let profiles = Object::read(profiles.get()).ok_or(Error::Shape("auth-profiles"))?;
        let twice = |(name, raw): &(Cow<'_, str>, &RawValue)| Note::new(name, NoteKind::Duplicate).at(line(&text, raw));
        store.notes.extend(profiles.shadowed.iter().map(twice));
        for (name, raw) in &profiles.members {
            store.take(name, raw, Era::Current, &text)?;
        }
    } else {
        let is_state = |name: &str| ["version", "order", "lastGood", "usageStats"].contains(&name);
        let entries: Vec<_> = file.members.iter().filter(|(name, _)| !is_state(name)).collect();
        let is_empty = entries.is_empty();
        for (name, raw) in entries {
            // A flat file by hand may already have profile ids for names.
            let (name, provider) = match name.split_once(':') {
                Some((provider, _)) => (name.to_string(), provider),
                None => (format!("{name}:default"), name.as_ref()),
            };
            store.take(&name, raw, Era::Flat { provider }, &text)?;
        }
        if store.profiles.is_empty() && !is_empty {
            return Err(Error::Shape("auth-profiles"));
        }
    }
    let State { order, carried, notes } = state::of(&file, &text);
    store.notes.extend(notes);
    Ok(Store { order, carried, ..store })
}

/// Reads the row of a SQLite store, which has the current shape and no other.
///
/// # Errors
/// As [`parse`].
pub fn parse_row(bytes: &[u8]) -> Result<Store, Error> {
    let text = Text::of(bytes)?;
    let file = open(&text, "auth-profiles")?;
    if file.is_none_or(|file| file.get("profiles").is_some()) { parse(bytes) } else { Ok(Store::default()) }
}

/// Reads `credentials/oauth.json`: provider -> OAuth members, as `<provider>:default`. The
/// gateway takes one only where the store has no profile of that id.
///
/// # Errors
/// As [`parse`].
pub fn parse_legacy_oauth(bytes: &[u8]) -> Result<Store, Error> {
    let text = Text::of(bytes)?;
    let Some(file) = open(&text, "oauth")? else { return Ok(Store::empty()) };
    let mut store = Store { notes: twice(&file, &text), ..Store::default() };
    for (provider, raw) in &file.members {
        store.take(&format!("{provider}:default"), raw, Era::OauthFile { provider }, &text)?;
    }
    if store.profiles.is_empty() && !file.members.is_empty() { Err(Error::Shape("oauth")) } else { Ok(store) }
}

/// The object that a file is; `None` for one of white space alone.
fn open<'t>(text: &'t Text<'_>, shape: &'static str) -> Result<Option<Object<'t>>, Error> {
    let read = |raw: &'t RawValue| Object::read(raw.get()).ok_or(Error::Shape(shape));
    json::document(text)?.map(read).transpose()
}

/// Notes on the members of a file that come again later in it.
fn twice(file: &Object<'_>, text: &Text<'_>) -> Vec<Note> {
    let note =
        |(name, raw): &(Cow<'_, str>, &RawValue)| Note::new("", NoteKind::Duplicate).member(name).at(line(text, raw));
    file.shadowed.iter().map(note).collect()
}

/// The line of a value.
fn line(text: &Text<'_>, raw: &RawValue) -> usize {
    text.line(text.range_of(raw.get()).start)
}

impl Store {
    /// What a file of white space alone holds.
    fn empty() -> Self {
        Self { notes: vec![Note::new("", NoteKind::Empty)], ..Self::default() }
    }

    /// Takes one entry in, unless the gateway would ignore it or the vault cannot hold it.
    fn take(&mut self, name: &str, raw: &RawValue, era: Era<'_>, text: &Text<'_>) -> Result<(), Error> {
        // The gateway's language does not store this name in an object.
        if name.is_empty() || name == "__proto__" || name.contains('\0') || name.len() > MAX_NAME {
            let name = if name.len() > MAX_NAME { "" } else { name };
            self.notes.push(Note::new(name, NoteKind::NotAName).at(line(text, raw)));
            return Ok(());
        }
        let (credential, notes) = credential::normalise(name, raw, era, text)?;
        self.notes.extend(notes);
        self.profiles.extend(credential.map(|credential| (name.to_owned(), credential)));
        Ok(())
    }
}

/// `auth-profiles.json` as the gateway writes it, with what is empty left out. For gateways
/// that keep an `auth-state.json`, give an empty `order` and `carried`.
///
/// # Errors
/// None that valid input can cause; [`Error::Shape`] stands for JSON that cannot be written.
pub fn render(
    profiles: &RawMap<'_>,
    order: &BTreeMap<String, Vec<String>>,
    carried: &Carried,
) -> Result<SecretBuf, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct File<'a> {
        version: u8,
        profiles: &'a RawMap<'a>,
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        order: &'a BTreeMap<String, Vec<String>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        last_good: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        usage_stats: Option<&'a RawValue>,
    }
    let file = File {
        version: 1,
        profiles,
        order,
        last_good: carried.last_good.as_deref(),
        usage_stats: carried.usage_stats.as_deref(),
    };
    let text = serde_json::to_string(&file).map_err(|_| Error::Shape("auth-profiles"))?;
    Ok(SecretBuf::new(pretty::indent(&text)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
