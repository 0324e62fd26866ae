//! Which parts of the text a change replaces, and with what. Comments in them are kept.

use super::super::json5::{Document, Item, Node, Value as Parsed};
use super::super::text::Text;
use super::{Error, js};
use serde_json::Value;
use std::ops::Range;

/// Parts of the text, each with what comes in its place.
pub(super) type Cuts = Vec<(Range<usize>, String)>;

/// How far a level is indented where the text does not show it.
const INDENT: &str = "  ";

/// Puts a value at a path; objects on the way are made where they are missing.
///
/// # Errors
/// [`Error::NotEditable`].
pub(super) fn put(text: &Text<'_>, document: &Document, path: &[String], value: &Value) -> Result<Cuts, Error> {
    let page = Page { text: text.as_str(), document };
    let (mut node, mut rest) = (&document.root, path);
    while let Some((name, below)) = rest.split_first() {
        let items = match &node.value {
            Parsed::Object(items) | Parsed::List(items) => items,
            _ => return Err(in_the_way(text, node, path, rest)),
        };
        match (last(items, name), &node.value) {
            (Some(item), _) => node = &item.value,
            (None, Parsed::Object(_)) => {
                let nested = |value: Value, name: &String| Value::from_iter([(name.clone(), value)]);
                let value = below.iter().rev().fold(value.clone(), nested);
                return Ok(page.insert(node, items, name, &value));
            }
            (None, _) => return Err(in_the_way(text, node, path, rest)),
        }
        rest = below;
    }
    let kept = page.comments(&node.span);
    let value = page.render(value, page.indent(node.span.start));
    Ok(vec![(node.span.clone(), kept + &value)])
}

/// Takes all members of a name away, and objects on the way that are empty then.
pub(super) fn remove(text: &Text<'_>, document: &Document, path: &[String]) -> Cuts {
    let page = Page { text: text.as_str(), document };
    doomed(&document.root, path).map(|(items, name)| page.remove(items, name)).unwrap_or_default()
}

fn in_the_way(text: &Text<'_>, node: &Node, path: &[String], rest: &[String]) -> Error {
    let (line, column) = text.place(node.span.start);
    let way = path.get(..path.len() - rest.len()).unwrap_or_default();
    Error::NotEditable { path: way.join("."), line, column }
}

/// The member or element that counts.
fn last<'d>(items: &'d [Item], name: &str) -> Option<&'d Item> {
    items.iter().rev().find(|item| item.name == name)
}

/// The members among which a name is to be taken away.
fn doomed<'d, 'p>(node: &'d Node, path: &'p [String]) -> Option<(&'d [Item], &'p str)> {
    let (name, rest) = path.split_first()?;
    let (Parsed::Object(items) | Parsed::List(items)) = &node.value else { return None };
    let is_object = matches!(node.value, Parsed::Object(_));
    let item = last(items, name)?;
    if rest.is_empty() {
        return is_object.then_some((items, name));
    }
    let (below, gone) = doomed(&item.value, rest)?;
    let is_own = matches!(&item.value.value, Parsed::Object(own) if std::ptr::eq(own.as_slice(), below));
    let is_empty = below.iter().all(|member| member.name == gone);
    Some(if is_object && is_own && is_empty { (items, name) } else { (below, gone) })
}

struct Page<'d> {
    text: &'d str,
    document: &'d Document,
}

impl Page<'_> {
    fn slice(&self, part: Range<usize>) -> &str {
        self.text.get(part).unwrap_or_default()
    }

    /// The comments in a part, to stand before what replaces it.
    fn comments(&self, part: &Range<usize>) -> String {
        let inside = self.document.comments.iter().filter(|at| part.start <= at.start && at.end <= part.end);
        let kept = inside.map(|at| self.slice(at.clone()));
        kept.flat_map(|comment| [comment, if comment.starts_with("//") { self.line_end() } else { " " }]).collect()
    }

    /// How lines end here.
    fn line_end(&self) -> &'static str {
        let first = self.text.find('\n').and_then(|at| at.checked_sub(1)).and_then(|at| self.text.as_bytes().get(at));
        if first == Some(&b'\r') { "\r\n" } else { "\n" }
    }

    /// Where the line of a place begins.
    fn line_start(&self, at: usize) -> usize {
        self.slice(0..at).rfind(['\n', '\r']).map_or(0, |end| end + 1)
    }

    /// The blanks with which the line of a place begins.
    fn indent(&self, at: usize) -> &str {
        let line = self.slice(self.line_start(at)..at);
        line.get(..line.len() - line.trim_start_matches([' ', '\t']).len()).unwrap_or_default()
    }

    /// A new member at the end of an object.
    fn insert(&self, object: &Node, items: &[Item], name: &str, value: &Value) -> Cuts {
        let close = object.span.end - 1;
        let mut cuts = Cuts::new();
        let after = items.last().map_or(object.span.start + 1, |item| match item.comma {
            Some(comma) => comma + 1,
            None => {
                cuts.push((item.value.span.end..item.value.span.end, ",".to_owned()));
                item.value.span.end
            }
        });
        let comma = if items.last().is_some_and(|item| item.comma.is_some()) { "," } else { "" };
        // After the last comment: one at the end of a line would swallow what follows it.
        let comments = self.document.comments.iter().filter(|at| after <= at.start && at.end <= close);
        let after = comments.map(|at| at.end).max().unwrap_or(after);
        let name = Value::from(name);
        let is_on_lines = items.is_empty() || self.slice(object.span.clone()).contains(js::is_line_end);
        if !is_on_lines {
            let value = self.render(value, self.indent(object.span.start));
            cuts.push((after..after, format!(" {name}: {value}{comma}")));
            return cuts;
        }
        let own = self.indent(object.span.start);
        let first = items.first().filter(|item| self.indent(item.at).len() == item.at - self.line_start(item.at));
        let indent = first.map_or_else(|| format!("{own}{INDENT}"), |item| self.indent(item.at).to_owned());
        let line_end = self.line_end();
        let value = self.render(value, &indent);
        let closing = if self.slice(after..close).contains(['\n', '\r']) { "" } else { &format!("{line_end}{own}") };
        let replaced = if closing.is_empty() { after } else { close };
        cuts.push((after..replaced, format!("{line_end}{indent}{name}: {value}{comma}{closing}")));
        cuts
    }

    /// Takes the members of a name out of an object.
    fn remove(&self, items: &[Item], name: &str) -> Cuts {
        let mut cuts = Cuts::new();
        for item in items.iter().filter(|item| item.name == name) {
            let part = item.at..item.comma.map_or(item.value.span.end, |comma| comma + 1);
            let kept = self.comments(&part);
            let part = if kept.is_empty() { self.with_blanks(part, item.comma.is_some()) } else { part };
            cuts.push((part, kept));
        }
        // The comma before the last one goes with it.
        if items.last().is_some_and(|item| item.name == name && item.comma.is_none()) {
            let comma = items.iter().rev().find(|item| item.name != name).and_then(|item| item.comma);
            cuts.extend(comma.map(|comma| (comma..comma + 1, String::new())));
        }
        cuts
    }

    /// A part together with its lines if nothing else is on them, or else with the blanks on one side of it.
    fn with_blanks(&self, part: Range<usize>, is_followed: bool) -> Range<usize> {
        let blanks = |text: &str| text.len() - text.trim_start_matches([' ', '\t']).len();
        let end = part.end + blanks(self.slice(part.end..self.text.len()));
        let after = self.slice(end..self.text.len());
        let line_end = ["\r\n", "\n"].into_iter().find(|line_end| after.starts_with(line_end));
        let start = part.start - self.indent(part.start).len();
        match line_end {
            Some(line_end) if start == self.line_start(part.start) => start..end + line_end.len(),
            _ if is_followed => part.start..end,
            _ => {
                let before = self.slice(0..part.start);
                before.trim_end_matches([' ', '\t']).len()..part.end
            }
        }
    }

    /// A value as it is written, with `indent` before its lines but the first.
    fn render(&self, value: &Value, indent: &str) -> String {
        let member = |(name, value): (&String, String)| format!("{}: {value}", Value::from(name.as_str()));
        match value {
            // On one line: a reference is read as one thing.
            Value::Object(members) if members.len() == 3 && members.contains_key("source") => {
                let members = members.iter().map(|(name, value)| member((name, value.to_string())));
                format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
            }
            Value::Object(members) if !members.is_empty() => {
                let (line_end, inner) = (self.line_end(), format!("{indent}{INDENT}"));
                let members = members.iter().map(|(name, value)| member((name, self.render(value, &inner))));
                let members: Vec<String> = members.map(|member| format!("{line_end}{inner}{member}")).collect();
                format!("{{{}{line_end}{indent}}}", members.join(","))
            }
            Value::Array(elements) => {
                let elements = elements.iter().map(|element| self.render(element, indent));
                format!("[{}]", elements.collect::<Vec<_>>().join(", "))
            }
            other => other.to_string(),
        }
    }
}
