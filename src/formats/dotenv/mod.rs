//! `.env` files, as npm dotenv 17.4.2 reads them in every gateway.

mod grammar;
mod unread;

use super::text::Text;
use super::{Error, Misfit, Note, NoteKind, js, provider};
use crate::model::{EnvName, MAX_ENTRIES, MAX_VALUE};
use crate::secret::{Secret, SecretBuf};
use grammar::{Assignment, Assignments};
use std::collections::{BTreeMap, HashSet};

pub use unread::{Unread, UnreadKind};

/// Largest `.env` that newer gateways read, in bytes.
pub const MAX_VIEW: usize = 1024 * 1024;

/// What a `.env` holds.
#[derive(Debug)]
pub struct Env {
    /// Names and values in the order of the file; the last value of a name counts.
    pub entries: Vec<(EnvName, Secret)>,
    /// Names that the gateway ignores, values that are not taken, keys that it would change, and one for each of
    /// `unread`.
    pub notes: Vec<Note>,
    /// Text that the gateway passes over, in order.
    pub unread: Vec<Unread>,
}

/// Reads a `.env`.
///
/// # Errors
/// [`Error::NotText`], [`Error::Bound`]. There is no syntax error: dotenv
/// passes over what it does not understand.
pub fn parse(bytes: &[u8]) -> Result<Env, Error> {
    let text = Text::of(bytes)?.with_folded_line_ends()?;
    let (assignments, (unread, torn)) = read(&text)?;
    let mut notes = Vec::new();
    let mut found: Vec<(EnvName, Option<&Assignment<'_>>)> = Vec::new();
    let mut places: BTreeMap<EnvName, usize> = BTreeMap::new();
    for assignment in &assignments {
        let is_torn = torn.contains(&assignment.at);
        let Some(name) = EnvName::parse(assignment.name).ok().filter(|name| is_name(name.as_str())) else {
            let line = text.line(assignment.at);
            notes.extend((!is_torn).then(|| Note::new("", NoteKind::NotAName).at(line)));
            continue;
        };
        let place = *places.entry(name.clone()).or_insert(found.len());
        let value = Some(assignment).filter(|_| !is_torn);
        match found.get_mut(place) {
            Some(entry) => entry.1 = value,
            None => found.push((name, value)),
        }
    }
    let mut entries = Vec::with_capacity(found.len());
    for (name, assignment) in found.into_iter().filter_map(|(name, assignment)| Some((name, assignment?))) {
        let value = assignment.value.as_str();
        let note = |what| Note::new(name.as_str(), what);
        let line = text.line(assignment.at);
        if js::is_blank(value) {
            notes.push(note(NoteKind::Blank));
        } else if value.contains('\0') {
            notes.push(note(NoteKind::Nul).at(line));
        } else if text.was_replaced(&assignment.written) {
            notes.push(note(NoteKind::NotUtf8).at(line));
        } else if value.len() > MAX_VALUE {
            notes.push(note(NoteKind::TooLarge).at(line));
        } else {
            // Only what the gateway uses as a key goes through its normaliser; a text may have lines.
            let mangle = js::mangled(value).filter(|_| provider::is_variable(name.as_str()));
            notes.extend(mangle.map(|mangle| note(NoteKind::Mangled(mangle))));
            entries.push((name, Secret::new(value.to_owned())));
        }
    }
    let written: Vec<_> = assignments.iter().map(|assignment| assignment.written.clone()).collect();
    let between = text.replaced_outside(&written).map(|at| Note::new("", NoteKind::NotUtf8Between).at(text.line(at)));
    notes.extend(between);
    notes.extend(unread.iter().map(Unread::note));
    Ok(Env { entries, notes, unread })
}

/// The assignments of a text, what nothing reads, and the places of assignments that are no entries.
type Read<'t> = (Vec<Assignment<'t>>, (Vec<Unread>, HashSet<usize>));

fn read<'t>(text: &'t Text<'_>) -> Result<Read<'t>, Error> {
    let assignments: Vec<_> = Assignments::of(text.as_str()).take(MAX_ENTRIES + 1).collect();
    if assignments.len() > MAX_ENTRIES {
        return Err(Error::Bound("number of entries", MAX_ENTRIES));
    }
    let unread = unread::find(text, &assignments);
    if unread.0.len() > MAX_ENTRIES {
        return Err(Error::Bound("number of lines that are no entries", MAX_ENTRIES));
    }
    Ok((assignments, unread))
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

/// A `.env` without the entries of these names; every other line keeps its bytes, and a torn value stays as a whole.
/// The rest is read again: an edit that changed another entry is an error.
///
/// # Errors
/// As [`parse`]; [`Error::Shape`] when what is left would mean something else.
pub fn without(bytes: &[u8], gone: impl Fn(&str) -> bool) -> Result<SecretBuf, Error> {
    let before = parse(bytes)?;
    let text = Text::of(bytes)?.with_folded_line_ends()?;
    let (assignments, (_, torn)) = read(&text)?;
    let lines = |assignment: &Assignment<'_>| {
        let before = text.as_str().get(..assignment.start).unwrap_or_default();
        let after = text.as_str().get(assignment.written.end..).unwrap_or_default();
        let start =
            before.rfind(js::is_line_end).and_then(|at| Some(at + before.get(at..)?.chars().next()?.len_utf8()));
        let end = after.find(js::is_line_end).and_then(|at| Some(at + after.get(at..)?.chars().next()?.len_utf8()));
        start.unwrap_or(0)..assignment.written.end + end.unwrap_or(after.len())
    };
    let taken = assignments.iter().filter(|one| gone(one.name) && !torn.contains(&one.at));
    let out = SecretBuf::new(text.with(taken.map(|one| (lines(one), String::new())).collect()));
    let plain = |env: Env| {
        let kept = env.entries.into_iter().filter(|(name, _)| !gone(name.as_str()));
        let kept = kept.map(|(name, value)| (name, value.expose().to_owned())).collect::<Vec<_>>();
        let torn = env.unread.into_iter().filter(|unread| unread.kind == UnreadKind::Torn);
        (kept, torn.map(|unread| unread.name).collect::<Vec<_>>())
    };
    let same = plain(parse(out.expose())?) == plain(before);
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
