//! `.env` files, as npm dotenv 17.4.2 reads them in every gateway.

mod grammar;

use super::{Error, Misfit, Note, NoteKind, js, provider};
use crate::model::{EnvName, MAX_ENTRIES, MAX_VALUE};
use crate::secret::{Secret, SecretBuf};
use grammar::Assignments;
use std::collections::BTreeMap;

/// Largest `.env` that newer gateways read, in bytes.
pub const MAX_VIEW: usize = 1024 * 1024;

/// What a `.env` holds.
#[derive(Debug)]
pub struct Env {
    /// Names and values in the order of the file; the last value of a name counts.
    pub entries: Vec<(EnvName, Secret)>,
    /// Names that the gateway ignores, empty values, keys that it would change.
    pub notes: Vec<Note>,
}

/// Reads a `.env`.
///
/// # Errors
/// [`Error::NotText`], [`Error::Nul`], [`Error::Bound`]. There is no syntax error: dotenv
/// passes over what it does not understand.
pub fn parse(bytes: &[u8]) -> Result<Env, Error> {
    let text = super::text(bytes)?.replace("\r\n", "\n").replace('\r', "\n");
    let mut notes = Vec::new();
    let mut found: Vec<Option<(EnvName, String)>> = Vec::new();
    let mut places: BTreeMap<EnvName, usize> = BTreeMap::new();
    let (mut line, mut seen) = (1, 0);
    for assignment in Assignments::of(&text) {
        line += text.get(seen..assignment.at).unwrap_or_default().matches('\n').count();
        seen = assignment.at;
        if assignment.value.len() > MAX_VALUE {
            return Err(Error::Bound("value size", MAX_VALUE));
        }
        let name = EnvName::parse(assignment.name).ok().filter(|name| is_name(name.as_str()));
        let Some(name) = name else {
            notes.push(Note::new("", NoteKind::NotANameAt(line)));
            continue;
        };
        if found.len() + notes.len() > MAX_ENTRIES {
            return Err(Error::Bound("number of entries", MAX_ENTRIES));
        }
        let place = *places.entry(name.clone()).or_insert(found.len());
        match found.get_mut(place) {
            Some(entry) => *entry = Some((name, assignment.value)),
            None => found.push(Some((name, assignment.value))),
        }
    }
    let mut entries = Vec::with_capacity(found.len());
    for (name, value) in found.into_iter().flatten() {
        if js::is_blank(&value) {
            notes.push(Note::new(name.as_str(), NoteKind::Blank));
            continue;
        }
        // Only what the gateway uses as a key goes through its normaliser; a text may have lines.
        if let Some(mangle) = js::mangled(&value).filter(|_| provider::is_variable(name.as_str())) {
            notes.push(Note::new(name.as_str(), NoteKind::Mangled(mangle)));
        }
        entries.push((name, Secret::new(value)));
    }
    Ok(Env { entries, notes })
}

/// dotenv stores into an ordinary object, where this one name is not stored.
fn is_name(name: &str) -> bool {
    name != "__proto__"
}

/// Whether a `.env` can carry an entry byte for byte.
///
/// # Errors
/// What is in the way.
pub fn accepts(name: &str, value: &str) -> Result<(), Misfit> {
    if EnvName::parse(name).is_err() || !is_name(name) {
        return Err(Misfit::Name);
    }
    encode(value).map(|_| ())
}

/// A `.env` with these entries, in this order.
///
/// # Errors
/// [`Error::Unrepresentable`] with the first entry that [`accepts`] refuses,
/// [`Error::Bound`] above [`MAX_VIEW`].
pub fn render(entries: &[(&str, &Secret)]) -> Result<SecretBuf, Error> {
    let mut out = String::new();
    for &(name, value) in entries {
        let value = value.expose();
        let encoded = accepts(name, value).and_then(|()| encode(value));
        let encoded = encoded.map_err(|why| Error::Unrepresentable { name: name.to_owned(), why })?;
        out.extend([name, "=", &encoded, "\n"]);
    }
    if out.len() > MAX_VIEW {
        return Err(Error::Bound("size of the .env", MAX_VIEW));
    }
    Ok(SecretBuf::new(out.into_bytes()))
}

/// A `.env` without the entries of these names; comments and everything else stay. The rest is read
/// again: an edit that changed another entry is an error.
///
/// # Errors
/// As [`parse`]; [`Error::Shape`] when what is left would mean something else.
pub fn without(bytes: &[u8], gone: impl Fn(&str) -> bool) -> Result<SecretBuf, Error> {
    let before = parse(bytes)?;
    let text = super::text(bytes)?.replace("\r\n", "\n").replace('\r', "\n");
    let mut out = String::with_capacity(text.len());
    let mut kept = 0;
    for assignment in Assignments::of(&text).filter(|assignment| gone(assignment.name)) {
        let start = text.get(..assignment.at).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        out.push_str(text.get(kept..start).unwrap_or_default());
        kept = text
            .get(assignment.end..)
            .and_then(|rest| rest.find('\n'))
            .map_or(text.len(), |at| assignment.end + at + 1);
    }
    out.push_str(text.get(kept..).unwrap_or_default());
    let out = SecretBuf::new(out.into_bytes());
    let plain = |entries: Vec<(EnvName, Secret)>| {
        let kept = entries.into_iter().filter(|(name, _)| !gone(name.as_str()));
        kept.map(|(name, value)| (name, value.expose().to_owned())).collect::<Vec<_>>()
    };
    let same = plain(parse(out.expose())?.entries) == plain(before.entries);
    if same { Ok(out) } else { Err(Error::Shape(".env")) }
}

/// The value as it stands after the `=`. There are no escapes but `\n` and `\r` inside double
/// quotes, and a backslash before a closing quote would carry it into the next line.
fn encode(value: &str) -> Result<String, Misfit> {
    let has = |character: char| value.contains(character);
    if has('\0') {
        return Err(Misfit::Nul);
    }
    if js::is_blank(value) {
        return Err(Misfit::Blank);
    }
    let quotable = !value.ends_with('\\');
    if super::is_plain(value) {
        Ok(value.to_owned())
    } else if quotable && !has('\r') && !has('\'') {
        Ok(format!("'{value}'"))
    } else if quotable && !has('\r') && !has('`') {
        Ok(format!("`{value}`"))
    } else if quotable && !has('"') && !value.contains("\\n") && !value.contains("\\r") {
        Ok(format!("\"{}\"", value.replace('\n', "\\n").replace('\r', "\\r")))
    } else if is_exact_bare(value) {
        Ok(value.to_owned())
    } else {
        Err(if quotable { Misfit::Quotes } else { Misfit::Backslash })
    }
}

/// Whether a value may stand without quotes: nothing trims it, cuts it or takes it apart.
fn is_exact_bare(value: &str) -> bool {
    let cut = |character: char| character == '#' || js::is_line_end(character);
    js::trim(value) == value && !value.starts_with(['\'', '"', '`']) && !value.contains(cut)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
