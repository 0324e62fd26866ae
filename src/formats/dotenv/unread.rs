//! The text of a `.env` that dotenv passes over, which may hold secrets all the same.

use super::super::js::{self, is_line_end};
use super::super::text::Text;
use super::super::{Note, NoteKind, provider, suspicion};
use super::grammar::Assignment;
use crate::model::MAX_ENTRIES;
use std::collections::HashSet;
use std::ops::Range;

/// Lines that nothing reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// First and last line, from 1.
    pub lines: (usize, usize),
    /// What they look like.
    pub kind: UnreadKind,
    /// The name that they give a value.
    pub name: Option<String>,
    /// Their bytes in the file, without the end of the last line.
    pub bytes: Range<usize>,
}

/// What unread lines look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnreadKind {
    /// A value of several lines without quotes, from its assignment on: dotenv takes the first line for the value.
    Torn,
    /// An assignment in a comment, with a value that looks like a key.
    Commented,
    /// An assignment for a shell: `set`, `setenv`, `$env:`.
    Shell,
    /// Anything else.
    Other,
}

impl Unread {
    /// What there is to say about it.
    pub(super) fn note(&self) -> Note {
        let what = match self.kind {
            UnreadKind::Torn => NoteKind::Torn,
            UnreadKind::Commented => NoteKind::Commented,
            UnreadKind::Shell => NoteKind::Shell,
            UnreadKind::Other => NoteKind::Unread,
        };
        Note { lines: Some(self.lines), ..Note::new(self.name.as_deref().unwrap_or_default(), what) }
    }
}

/// All unread lines, and the places of assignments that are no entries: torn ones, and lines of their values that look
/// like one.
pub(super) fn find(text: &Text<'_>, assignments: &[Assignment<'_>]) -> (Vec<Unread>, HashSet<usize>) {
    let mut search = Search { text, found: Vec::new(), open: None };
    let mut torn = HashSet::new();
    let mut read = 0;
    for (nth, assignment) in assignments.iter().enumerate() {
        if read <= assignment.start {
            read = search.gap(read..assignment.start);
        }
        if assignment.start < read {
            torn.insert(assignment.at);
            continue;
        }
        read = assignment.written.end;
        let next = assignments.get(nth + 1).map_or(text.as_str().len(), |next| next.start);
        if let Some(end) = torn_end(text.as_str(), assignment, next) {
            torn.insert(assignment.at);
            search.push(UnreadKind::Torn, Some(assignment.name), assignment.start..end);
            read = end;
        }
    }
    search.gap(read..text.as_str().len());
    (search.found, torn)
}

/// Where the value of an assignment really ends, if dotenv reads its first line alone. `next` is where the next
/// assignment begins.
fn torn_end(text: &str, assignment: &Assignment<'_>, next: usize) -> Option<usize> {
    let end = assignment.written.end;
    let value = js::trim(&assignment.value);
    let bare = value.trim_start_matches(['"', '\'', '`']);
    let is_pem = bare.starts_with("-----BEGIN ") && !bare.contains("-----END") && !bare.contains('\n');
    let opens = is_pem || matches!(value, "{" | "[") || bare.len() < value.len();
    if !opens || text.get(..end)?.ends_with(is_line_end) {
        return None;
    }
    if let Some(close) = is_pem.then(|| pem_end(text, end)).flatten() {
        return Some(close);
    }
    let is_value = |line: &Range<usize>| {
        let slice = js::trim(text.get(line.clone()).unwrap_or_default());
        line.end <= next && !slice.is_empty() && !slice.starts_with('#')
    };
    let last = lines(text, end..next).skip(1).take_while(is_value).last();
    last.map(|line| line.end).or(is_pem.then_some(end))
}

/// Where the PEM ends that begins on the line of a place. Assignments count as lines of it: the last line of base64 looks
/// like one.
fn pem_end(text: &str, begin: usize) -> Option<usize> {
    let slice = |line: &Range<usize>| text.get(line.clone()).unwrap_or_default();
    let is_limit = |line: &Range<usize>| slice(line).contains("-----END ") || slice(line).contains("-----BEGIN ");
    let limit = lines(text, begin..text.len()).skip(1).find(is_limit)?;
    slice(&limit).contains("-----END ").then_some(limit.end)
}

/// The lines of a part of the text, from the one in which it begins, without their ends.
fn lines(text: &str, part: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut at = Some(part.start);
    std::iter::from_fn(move || {
        let start = at?;
        let rest = text.get(start..part.end)?;
        let end = rest.find(is_line_end);
        at = end.and_then(|end| Some(start + end + rest.get(end..)?.chars().next()?.len_utf8()));
        Some(start..start + end.unwrap_or(rest.len()))
    })
}

struct Search<'s, 'b> {
    text: &'s Text<'b>,
    found: Vec<Unread>,
    /// Lines that may go on in the next one.
    open: Option<(UnreadKind, Option<String>, Range<usize>)>,
}

impl Search<'_, '_> {
    /// Notes a part of the text. More of them than entries are an error, and one more says so.
    fn push(&mut self, kind: UnreadKind, name: Option<&str>, part: Range<usize>) {
        if self.found.len() > MAX_ENTRIES {
            return;
        }
        let lines = (self.text.line(part.start), self.text.line(part.end));
        self.found.push(Unread { lines, kind, name: name.map(str::to_owned), bytes: self.text.bytes_of(&part) });
    }

    fn close(&mut self) {
        if let Some((kind, name, part)) = self.open.take() {
            self.push(kind, name.as_deref(), part);
        }
    }

    /// Goes through the lines between two assignments, and further if a PEM begins there; up to where.
    fn gap(&mut self, part: Range<usize>) -> usize {
        let mut pem = part.start;
        for line in lines(self.text.as_str(), part.clone()) {
            if line.start < pem {
                continue;
            }
            let slice = self.text.as_str().get(line.clone()).unwrap_or_default();
            let start = line.start + (slice.len() - slice.trim_start_matches(js::is_space).len());
            let word = js::trim(slice);
            let line = start..start + word.len();
            if let Some(comment) = word.strip_prefix('#') {
                self.comment(comment, line);
            } else if word.is_empty() {
                self.close();
            } else if word.contains("-----BEGIN ")
                && let Some(end) = pem_end(self.text.as_str(), line.start)
            {
                self.close();
                self.push(UnreadKind::Other, None, line.start..end);
                pem = end;
            } else if let Some(name) = shell_name(word) {
                self.close();
                self.push(UnreadKind::Shell, Some(name), line);
            } else {
                match &mut self.open {
                    Some((UnreadKind::Other, _, open)) => open.end = line.end,
                    _ => {
                        self.close();
                        self.open = Some((UnreadKind::Other, None, line));
                    }
                }
            }
        }
        self.close();
        part.end.max(pem)
    }

    /// A comment may hold an assignment, or a private key over several lines.
    fn comment(&mut self, comment: &str, line: Range<usize>) {
        if let Some((UnreadKind::Commented, _, open)) = &mut self.open {
            open.end = line.end;
            if comment.contains("-----END ") {
                self.close();
            }
            return;
        }
        self.close();
        let name = commented_name(comment);
        if comment.contains("-----BEGIN ") && comment.contains("PRIVATE KEY-----") {
            let whole = comment.contains("-----END ");
            self.open = Some((UnreadKind::Commented, name.map(|(name, _)| name.to_owned()), line));
            if whole {
                self.close();
            }
        } else if let Some((name, _)) = name.filter(|(name, value)| looks_like_key(name, value)) {
            self.push(UnreadKind::Commented, Some(name), line);
        }
    }
}

/// A name of a variable at the beginning of a text, and what follows it.
fn split_name(text: &str) -> Option<(&str, &str)> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let end = text.find(|next| !is_name(next)).unwrap_or(text.len());
    text.split_at_checked(end).filter(|(name, _)| name.starts_with(|first: char| !first.is_ascii_digit()))
}

/// The name that an assignment for a shell gives a value.
fn shell_name(line: &str) -> Option<&str> {
    let word = |word: &str| {
        let rest = line.strip_prefix(word)?;
        let rest = rest.strip_prefix(js::is_space)?.trim_start_matches(js::is_space).trim_start_matches('"');
        split_name(rest)
    };
    let dollar = || split_name(line.strip_prefix("$env:").or_else(|| line.strip_prefix("$Env:"))?);
    let is_set = |&(_, rest): &(&str, &str)| js::trim(rest).starts_with('=');
    let set = ["set", "SET", "export", "declare -x", "typeset -x"].into_iter().find_map(word).filter(is_set);
    let setenv = || word("setenv").filter(|(_, rest)| rest.starts_with(js::is_space));
    set.or_else(setenv).or_else(|| dollar().filter(is_set)).map(|(name, _)| name)
}

/// Name and value of an assignment in a comment.
fn commented_name(comment: &str) -> Option<(&str, &str)> {
    let text = comment.trim_start_matches(|next| next == '#' || js::is_space(next));
    let text = text.strip_prefix("export ").or_else(|| text.strip_prefix("set ")).unwrap_or(text);
    let (name, rest) = split_name(js::trim(text))?;
    let value = js::trim(rest).strip_prefix('=')?;
    let value = value.split_once(" #").map_or(value, |(value, _)| value);
    Some((name, js::trim(value).trim_matches(['"', '\'', '`'])))
}

/// Whether a value in a comment is rather a key than an example of one.
fn looks_like_key(name: &str, value: &str) -> bool {
    let is_example = ["...", "…", "<", "${", "xxx", "XXX", "***"].iter().any(|mark| value.contains(mark));
    let has = |test: fn(char) -> bool| value.contains(test);
    if is_example || has(js::is_space) || !has(|next| next.is_ascii_digit()) {
        return false;
    }
    let is_secret = suspicion::is_key(value) || suspicion::names_secret(name) || provider::is_variable(name);
    let is_mixed = has(|next| next.is_ascii_alphabetic()) && !has(|next| matches!(next, '/' | ':' | '.'));
    (value.len() >= 8 && is_secret) || (value.len() >= 20 && is_mixed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
