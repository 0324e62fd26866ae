//! `openclaw.json` and the files that it includes: the secrets in the gateway's configuration.

mod edit;
mod places;
mod splice;

pub use super::suspicion::{is_key, is_pointer, names_secret};
pub use edit::{Step, at, edit, tree};
pub use places::{Content, Member, Role, members};

use super::json5::{self, Sink};
use super::text::Text;
use super::{Error, Note, NoteKind, js, suspicion, targets};
use crate::secret::Secret;
use serde_json::Value;
use std::collections::BTreeSet;

/// A file of a configuration, read. It holds secrets, and so has no `Debug`.
#[derive(Default)]
pub struct Config {
    /// Its plain value. It holds its secrets. Of members with one name the last counts.
    pub tree: Value,
    /// Texts that nothing can use as they are written, by names of members and indexes of elements.
    pub flawed: BTreeSet<Vec<String>>,
    /// Secrets in members whose name comes again later, where nothing reads them.
    pub shadowed: Vec<(Vec<String>, Secret)>,
    /// First and last line of each comment with what looks like a key.
    pub commented: Vec<(usize, usize)>,
    /// What is remarkable, by dotted path.
    pub notes: Vec<Note>,
}

/// Reads a file of a configuration in JSON5; one of white space alone has nothing in it.
///
/// # Errors
/// Any of [`Error`] but `NotEditable` and `Unrepresentable`; [`Error::Shape`] for anything but an object.
pub fn parse(bytes: &[u8]) -> Result<Config, Error> {
    let text = Text::of(bytes)?;
    if js::is_blank(text.as_str()) {
        return Ok(Config { tree: tree(bytes)?, notes: vec![Note::new("", NoteKind::Empty)], ..Config::default() });
    }
    let document = json5::parse(&text)?;
    let tree = Some(json5::plain(&document.root)).filter(Value::is_object).ok_or(Error::Shape("openclaw.json"))?;
    let mut config = Config { tree, ..Config::default() };
    json5::walk(&document, &text, &mut config);
    for part in document.comments {
        let comment = text.as_str().get(part.clone()).unwrap_or_default();
        let words = comment.split(is_edge).map(|word| word.trim_start_matches(['/', '*']));
        if words.flat_map(|word| [word, word.rsplit(':').next().unwrap_or_default()]).any(suspicion::is_key) {
            let lines = (text.line(part.start), text.line(part.end));
            config.notes.push(Note { lines: Some(lines), ..Note::new("", NoteKind::Commented) });
            config.commented.push(lines);
        }
    }
    Ok(config)
}

/// What is around a key in a comment.
fn is_edge(character: char) -> bool {
    character.is_whitespace() || "\"'`=,;()[]{}<>".contains(character)
}

impl Sink for Config {
    fn flawed(&mut self, path: &[String], line: usize, flaw: NoteKind) {
        self.flawed.insert(path.to_vec());
        if may_be_secret(path, "") {
            self.notes.push(Note::new(&path.join("."), flaw).at(line));
        }
    }

    fn shadowed(&mut self, path: &[String], line: usize) {
        self.notes.push(Note::new(&path.join("."), NoteKind::Duplicate).at(line));
    }

    fn shadowed_text(&mut self, path: &[String], line: usize, value: &str) {
        if may_be_secret(path, value) && !js::is_blank(value) {
            self.notes.push(Note::new(&path.join("."), NoteKind::Shadowed).at(line));
            self.shadowed.push((path.to_vec(), Secret::new(value.to_owned())));
        }
    }
}

/// Whether a text at this place may be a secret.
fn may_be_secret(path: &[String], value: &str) -> bool {
    let segments: Vec<&str> = path.iter().map(String::as_str).collect();
    let of_env = matches!(segments.as_slice(), ["env", "vars", _] | ["env", _]);
    let named = segments.last().is_some_and(|name| suspicion::names_secret(name));
    of_env || named || targets::is_target(&segments) || suspicion::is_key(value)
}

/// The text that the gateway makes of one in its configuration: `$${NAME}` is `${NAME}`. `None`
/// if it puts a variable in.
fn literal(value: &str) -> Option<String> {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        out.push('$');
        rest = after;
        if braced(after).is_some() {
            return None;
        }
        if let Some((name, after)) = after.strip_prefix('$').and_then(braced) {
            out.extend(["{", name, "}"]);
            rest = after;
        }
    }
    out.push_str(rest);
    Some(out)
}

/// A text with each `${NAME}` reduced to `$`.
fn untemplated(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('$') {
        out.extend([before, "$"]);
        rest = braced(after).map_or(after, |(_, after)| after);
    }
    out.push_str(rest);
    out
}

/// The text from which the gateway makes this one.
pub fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('$') {
        out.extend([before, if braced(after).is_some() { "$$" } else { "$" }]);
        rest = after;
    }
    out + rest
}

/// `{NAME}` and what follows.
fn braced(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('{')?;
    let is_name = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    let (name, rest) = text.split_at_checked(text.bytes().take_while(is_name).count())?;
    let starts = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    Some((name, rest.strip_prefix('}').filter(|_| starts)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
