//! Order, last good profiles and usage: what the gateway keeps beside the credentials.

use super::super::json::Object;
use super::super::text::Text;
use super::super::{Error, Note, NoteKind, js, pretty};
use crate::model::MAX_NAME;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeMap;

/// State of the gateway that is no secret and is never vaulted, but not lost.
#[derive(Clone, Debug, Default)]
pub struct Carried {
    /// Provider -> the profile that worked last.
    pub last_good: Option<Box<RawValue>>,
    /// Profile -> errors, cooldowns, last use.
    pub usage_stats: Option<Box<RawValue>>,
}

impl Carried {
    pub(super) fn overlay(&mut self, over: Self) {
        self.last_good = merged(self.last_good.take(), over.last_good);
        self.usage_stats = merged(self.usage_stats.take(), over.usage_stats);
    }
}

/// What an `auth-state.json` holds.
#[derive(Debug, Default)]
pub struct State {
    /// Provider -> profile ids, in the order of use.
    pub order: BTreeMap<String, Vec<String>>,
    /// The rest.
    pub carried: Carried,
    /// What was left out or is remarkable.
    pub notes: Vec<Note>,
}

/// Reads `auth-state.json`; one of white space alone says nothing.
///
/// # Errors
/// Anything that `JSON.parse` does not take; [`Error::Shape`] for anything but an object.
pub fn parse_state(bytes: &[u8]) -> Result<State, Error> {
    let text = Text::of(bytes)?;
    Ok(match super::open(&text, "auth-state")? {
        Some(file) => of(&file, &text),
        None => State { notes: vec![Note::new("", NoteKind::Empty)], ..State::default() },
    })
}

/// The state members of a file.
pub(super) fn of(file: &Object<'_>, text: &Text<'_>) -> State {
    let object = |name: &str| file.get(name).filter(|raw| raw.get().starts_with('{')).map(pretty::compact);
    let carried = Carried { last_good: object("lastGood"), usage_stats: object("usageStats") };
    let mut state = State { carried, notes: super::twice(file, text), ..State::default() };
    let Some(order) = file.get("order").and_then(|raw| Object::read(raw.get())) else { return state };
    for (provider, raw) in &order.shadowed {
        let member = format!("order.{provider}");
        state.notes.push(Note::new("", NoteKind::Duplicate).member(&member).at(super::line(text, raw)));
    }
    for (provider, raw) in order.members {
        let Some(ids) = ids(raw) else { continue };
        if provider.len() > MAX_NAME || ids.iter().any(|id| id.len() > MAX_NAME) {
            state.notes.push(Note::new("", NoteKind::TooLarge).member("order").at(super::line(text, raw)));
        } else {
            state.order.insert(provider.into_owned(), ids);
        }
    }
    state
}

/// The ids of one order, cleaned as the gateway does; `None` if none is left. (Newer gateways
/// let an empty list exclude all profiles, but those do not read this file.)
fn ids(raw: &RawValue) -> Option<Vec<String>> {
    let entries: Vec<&RawValue> = serde_json::from_str(raw.get()).ok()?;
    let texts = entries.into_iter().filter_map(|entry| serde_json::from_str::<String>(entry.get()).ok());
    let ids: Vec<String> = texts.map(|text| js::trim(&text).to_owned()).filter(|id| !id.is_empty()).collect();
    (!ids.is_empty()).then_some(ids)
}

/// The members of both objects, in the order of their names; those of `over` win.
fn merged(base: Option<Box<RawValue>>, over: Option<Box<RawValue>>) -> Option<Box<RawValue>> {
    let (Some(base), Some(over)) = (&base, &over) else { return over.or(base) };
    let objects = [Object::read(base.get())?, Object::read(over.get())?];
    let members: BTreeMap<_, _> = objects.into_iter().flat_map(|object| object.members).collect();
    to_raw_value(&members).ok()
}
