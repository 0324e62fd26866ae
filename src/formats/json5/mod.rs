//! JSON5 as the npm package json5 2 reads it, with the place of everything in the text.

mod characters;
mod number;
#[cfg(test)]
mod tests;
mod walk;

pub(super) use walk::{Sink, plain, walk};

use super::Error;
use super::js::{is_line_end, is_space};
use super::text::Text;
use serde_json::Number;
use std::ops::Range;

/// Deepest nesting.
pub(super) const MAX_DEPTH: usize = 256;
/// Most members, elements and comments together.
const MAX_ITEMS: usize = 250_000;

/// A document; all offsets in it are of its text.
pub(super) struct Document {
    pub(super) root: Node,
    /// All comments, in order, without the end of the line.
    pub(super) comments: Vec<Range<usize>>,
}

/// A value and its place.
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) value: Value,
}

pub(super) enum Value {
    Null,
    Bool(bool),
    /// `None` for what JSON cannot express: an infinity, or not a number.
    Number(Option<Number>),
    /// With U+FFFD for half a surrogate pair, and whether there was one.
    Text(String, bool),
    List(Vec<Item>),
    /// In the order of the text; of members with one name the last counts.
    Object(Vec<Item>),
}

/// A member or an element.
pub(super) struct Item {
    /// The name, or the index.
    pub(super) name: String,
    /// Where it begins.
    pub(super) at: usize,
    pub(super) value: Node,
    /// The comma after it.
    pub(super) comma: Option<usize>,
}

/// Reads a document.
///
/// # Errors
/// [`Error::Syntax`], [`Error::Bound`].
pub(super) fn parse(text: &Text<'_>) -> Result<Document, Error> {
    let mut parser = Parser { text: text.as_str(), at: 0, depth: 0, items: 0, comments: Vec::new() };
    let root = parser.value().and_then(|root| {
        parser.space()?;
        if parser.peek().is_none() { Ok(root) } else { Err(Fault::Syntax) }
    });
    match root {
        Ok(root) => Ok(Document { root, comments: parser.comments }),
        Err(Fault::Bound(what, bound)) => Err(Error::Bound(what, bound)),
        Err(Fault::Syntax) => {
            let (line, column) = text.place(parser.at);
            Err(Error::Syntax { line, column })
        }
    }
}

enum Fault {
    /// At the place where the parser is.
    Syntax,
    Bound(&'static str, usize),
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    items: usize,
    comments: Vec<Range<usize>>,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Passes over a text that is next.
    fn take(&mut self, text: &str) -> bool {
        let is_next = self.rest().starts_with(text);
        self.at += if is_next { text.len() } else { 0 };
        is_next
    }

    fn expect(&mut self, text: &str) -> Result<(), Fault> {
        if self.take(text) { Ok(()) } else { Err(Fault::Syntax) }
    }

    fn next(&mut self) -> Result<char, Fault> {
        let next = self.peek().ok_or(Fault::Syntax)?;
        self.at += next.len_utf8();
        Ok(next)
    }

    /// Passes over white space and comments.
    fn space(&mut self) -> Result<(), Fault> {
        loop {
            self.at += self.rest().len() - self.rest().trim_start_matches(is_space).len();
            let start = self.at;
            if self.take("//") {
                self.at += self.rest().find(is_line_end).unwrap_or(self.rest().len());
            } else if self.take("/*") {
                let Some(end) = self.rest().find("*/") else {
                    self.at = self.text.len();
                    return Err(Fault::Syntax);
                };
                self.at += end + 2;
            } else {
                return Ok(());
            }
            self.comments.push(start..self.at);
            self.count()?;
        }
    }

    fn value(&mut self) -> Result<Node, Fault> {
        self.space()?;
        let start = self.at;
        let value = match self.peek().ok_or(Fault::Syntax)? {
            '{' => Value::Object(self.items("}")?),
            '[' => Value::List(self.items("]")?),
            '"' | '\'' => {
                let (text, is_half) = self.string()?;
                Value::Text(text, is_half)
            }
            _ if self.take("null") => Value::Null,
            _ if self.take("true") => Value::Bool(true),
            _ if self.take("false") => Value::Bool(false),
            _ => Value::Number(self.number()?),
        };
        Ok(Node { span: start..self.at, value })
    }

    /// What is between brackets, of which `close` is the closing one.
    fn items(&mut self, close: &str) -> Result<Vec<Item>, Fault> {
        if self.depth == MAX_DEPTH {
            return Err(Fault::Bound("nesting depth", MAX_DEPTH));
        }
        self.depth += 1;
        self.next()?;
        let mut items = Vec::new();
        loop {
            self.space()?;
            if self.take(close) {
                break;
            }
            self.count()?;
            let at = self.at;
            let name = if close == "}" { self.name()? } else { items.len().to_string() };
            let value = self.value()?;
            self.space()?;
            let comma = self.take(",").then(|| self.at - 1);
            items.push(Item { name, at, value, comma });
            if comma.is_none() {
                self.expect(close)?;
                break;
            }
        }
        self.depth -= 1;
        Ok(items)
    }

    /// Counts what is kept of the text: of a hostile one that is far more than its bytes.
    fn count(&mut self) -> Result<(), Fault> {
        self.items += 1;
        if self.items > MAX_ITEMS { Err(Fault::Bound("number of members and comments", MAX_ITEMS)) } else { Ok(()) }
    }

    /// The name of a member, and the colon after it.
    fn name(&mut self) -> Result<String, Fault> {
        let name = if matches!(self.peek(), Some('"' | '\'')) { self.string()?.0 } else { self.identifier()? };
        self.space()?;
        self.expect(":")?;
        Ok(name)
    }

    fn identifier(&mut self) -> Result<String, Fault> {
        let mut name = String::new();
        while let Some(next) = self.peek() {
            let start = self.at;
            let is_escape = self.take("\\u");
            let character = if is_escape { char::from_u32(self.digits(4)?).ok_or(Fault::Syntax)? } else { next };
            let is_fine = if name.is_empty() { characters::starts_name } else { characters::is_in_name };
            if !is_fine(character) {
                return if is_escape || name.is_empty() { Err(Fault::Syntax) } else { Ok(name) };
            }
            self.at = self.at.max(start + next.len_utf8());
            name.push(character);
        }
        Err(Fault::Syntax)
    }

    /// A string in either kind of quotes, and whether it had half a surrogate pair.
    fn string(&mut self) -> Result<(String, bool), Fault> {
        let quote = self.next()?;
        let (mut text, mut is_half) = (String::new(), false);
        loop {
            let plain = self.rest().find([quote, '\\', '\n', '\r']).ok_or(Fault::Syntax).inspect_err(|_| {
                self.at = self.text.len();
            })?;
            text.push_str(self.rest().get(..plain).unwrap_or_default());
            self.at += plain;
            match self.peek() {
                Some('\\') => {
                    self.next()?;
                    let escaped = self.escape()?;
                    is_half |= escaped == Escaped::Half;
                    match escaped {
                        Escaped::Nothing => {}
                        Escaped::Character(character) => text.push(character),
                        Escaped::Half => text.push(char::REPLACEMENT_CHARACTER),
                    }
                }
                Some(next) if next == quote => {
                    self.next()?;
                    return Ok((text, is_half));
                }
                _ => return Err(Fault::Syntax),
            }
        }
    }

    /// What follows a backslash in a string.
    fn escape(&mut self) -> Result<Escaped, Fault> {
        let start = self.at;
        let character = match self.next()? {
            'b' => '\u{8}',
            't' => '\t',
            'n' => '\n',
            'v' => '\u{b}',
            'f' => '\u{c}',
            'r' => '\r',
            '0' if !self.peek().is_some_and(|next| next.is_ascii_digit()) => '\0',
            '0'..='9' => {
                self.at = start;
                return Err(Fault::Syntax);
            }
            'x' => char::from_u32(self.digits(2)?).ok_or(Fault::Syntax)?,
            'u' => {
                let first = self.digits(4)?;
                let pair = self.text.get(self.at..self.at + 6).and_then(|next| next.strip_prefix("\\u"));
                let second = pair.and_then(|digits| u32::from_str_radix(digits, 16).ok());
                match (first, second) {
                    (0xd800..=0xdbff, Some(second @ 0xdc00..=0xdfff)) => {
                        self.at += 6;
                        char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)).ok_or(Fault::Syntax)?
                    }
                    _ => return Ok(char::from_u32(first).map_or(Escaped::Half, Escaped::Character)),
                }
            }
            '\r' => {
                self.take("\n");
                return Ok(Escaped::Nothing);
            }
            other if is_line_end(other) => return Ok(Escaped::Nothing),
            other => other,
        };
        Ok(Escaped::Character(character))
    }

    fn digits(&mut self, count: usize) -> Result<u32, Fault> {
        let digits = self.rest().get(..count).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let value = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).ok_or(Fault::Syntax)?;
        self.at += count;
        Ok(value)
    }
}

/// What an escape stands for.
#[derive(PartialEq)]
enum Escaped {
    /// A line that goes on in the next one.
    Nothing,
    Character(char),
    /// Half a surrogate pair.
    Half,
}
