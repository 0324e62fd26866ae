//! The grammar of npm dotenv 17, which all gateways use, without a regular expression engine:
//!
//! ```text
//! /(?:^|^)\s*(?:export\s+)?([\w.-]+)(?:\s*=\s*?|:\s+?)
//!  (\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*`(?:\\`|[^`])*`|[^#\r\n]+)?\s*(?:#.*)?(?:$|$)/mg
//! ```
//!
//! Each function stands for a part of it and takes the choice that the backtracking of the
//! expression would end with. All take time linear in what they pass over.

use super::super::js::{is_line_end, is_space, trim};
use std::ops::Range;

/// One assignment.
pub(super) struct Assignment<'t> {
    /// Where its first word begins, which may be `export`.
    pub(super) start: usize,
    /// Where its name begins.
    pub(super) at: usize,
    pub(super) name: &'t str,
    /// Where its value is written, with quotes.
    pub(super) written: Range<usize>,
    pub(super) value: String,
}

/// The assignments of a text in which CRLF and CR already are LF.
pub(super) struct Assignments<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Assignments<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self { text, at: 0 }
    }
}

impl<'t> Iterator for Assignments<'t> {
    type Item = Assignment<'t>;

    fn next(&mut self) -> Option<Assignment<'t>> {
        loop {
            let word = after_space(self.text, line_start(self.text, self.at)?);
            let exported = from(self.text, word).strip_prefix("export").map(|_| word + "export".len());
            let exported = exported.filter(|&end| after_space(self.text, end) > end);
            let found = exported
                .and_then(|end| assignment(self.text, after_space(self.text, end)))
                .or_else(|| assignment(self.text, word));
            if let Some((assignment, end)) = found {
                self.at = end;
                return Some(Assignment { start: word, ..assignment });
            }
            // Every line start up to the word leads to the same word.
            self.at = word + from(self.text, word).chars().next()?.len_utf8();
        }
    }
}

fn from(text: &str, at: usize) -> &str {
    text.get(at..).unwrap_or_default()
}

fn after_space(text: &str, at: usize) -> usize {
    text.len() - from(text, at).trim_start_matches(is_space).len()
}

/// The first place from `at` on where `^` matches.
fn line_start(text: &str, at: usize) -> Option<usize> {
    let before = text.get(..at)?.chars().next_back();
    if before.is_none_or(is_line_end) {
        return Some(at);
    }
    let rest = from(text, at);
    let end = rest.find(is_line_end)?;
    Some(at + end + from(rest, end).chars().next()?.len_utf8())
}

/// Name, separator, value and what may follow; with the end of all that.
fn assignment(text: &str, at: usize) -> Option<(Assignment<'_>, usize)> {
    let rest = from(text, at);
    let is_name = |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
    let name = rest.get(..rest.find(|next| !is_name(next)).unwrap_or(rest.len())).filter(|name| !name.is_empty())?;
    let separator = at + name.len();
    let equals = after_space(text, separator);
    let start = if from(text, equals).starts_with('=') {
        equals + 1
    } else {
        let space = from(text, separator).strip_prefix(':')?.chars().next().filter(|&next| is_space(next))?;
        separator + 1 + space.len_utf8()
    };
    let (raw, end) = quoted(text, start).unwrap_or_else(|| unquoted(text, start));
    let written = start..start + raw.len();
    Some((Assignment { start: at, at, name, written, value: unwrap(trim(raw)) }, end))
}

/// A value in quotes. A quote after a backslash is passed over, unless nothing else closes.
fn quoted(text: &str, start: usize) -> Option<(&str, usize)> {
    let open = after_space(text, start);
    let quote = from(text, open).chars().next().filter(|next| "'\"`".contains(*next))?;
    let content = from(text, open + 1);
    let mut escaped = Vec::new();
    let mut plain = None;
    for (at, _) in content.match_indices(quote) {
        if content.get(..at).is_some_and(|before| before.ends_with('\\')) {
            escaped.push(at);
        } else {
            plain = Some(at);
            break;
        }
    }
    plain.into_iter().chain(escaped.into_iter().rev()).find_map(|close| {
        let after = open + 1 + close + 1;
        Some((text.get(start..after)?, trailer(text, after)?))
    })
}

/// A value without quotes: up to a comment or the end of the line, perhaps nothing.
fn unquoted(text: &str, start: usize) -> (&str, usize) {
    let rest = from(text, start);
    let raw = rest.get(..rest.find(['#', '\n']).unwrap_or(rest.len())).unwrap_or_default();
    let after = start + raw.len();
    (raw, trailer(text, after).unwrap_or(after))
}

/// `\s*(?:#.*)?$`: white space, line ends included, and a comment. `None` if something else
/// stands on the line.
fn trailer(text: &str, at: usize) -> Option<usize> {
    let word = after_space(text, at);
    match from(text, word).chars().next() {
        None => Some(word),
        Some('#') => Some(word + from(text, word).find(is_line_end).unwrap_or(text.len() - word)),
        Some(_) => text.get(at..word)?.rfind(is_line_end).map(|last| at + last),
    }
}

/// What dotenv makes of a trimmed value: `replace(/^(['"`])([\s\S]*)\1$/mg, '$2')`, and line
/// breaks for `\n` and `\r` if it began with a double quote.
fn unwrap(value: &str) -> String {
    // The expression is greedy: whatever quote opens, the last one that ends a line closes.
    let ends = |at: usize| from(value, at + 1).chars().next().is_none_or(is_line_end);
    let last = |quote: char| value.rmatch_indices(quote).map(|(at, _)| at).find(|&at| ends(at));
    let closing = ['\'', '"', '`'].map(|quote| (quote, last(quote)));
    let close_of = |quote: char| closing.iter().find(|(have, _)| *have == quote).and_then(|&(_, close)| close);
    let mut out = String::with_capacity(value.len());
    let mut at = 0;
    let mut at_line_start = true;
    while let Some(first) = from(value, at).chars().next() {
        let close = close_of(first).filter(|&close| at_line_start && close > at);
        if let Some(close) = close {
            out.push_str(value.get(at + 1..close).unwrap_or_default());
            at = close + 1;
            at_line_start = false;
        } else {
            out.push(first);
            at += first.len_utf8();
            at_line_start = is_line_end(first);
        }
    }
    if value.starts_with('"') { out.replace("\\n", "\n").replace("\\r", "\r") } else { out }
}
