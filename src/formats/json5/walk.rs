//! What a document means: of members with one name the last counts.

use super::{Document, Item, Node, Value};
use crate::formats::NoteKind;
use crate::formats::text::Text;
use std::collections::HashMap;

/// What wants to know what is in a document. Paths are names of members and indices from the root, lines from 1.
pub(in crate::formats) trait Sink {
    /// A text that nothing can use as it is written: [`NoteKind::Nul`] or [`NoteKind::NotUtf8`].
    fn flawed(&mut self, path: &[String], line: usize, flaw: NoteKind);
    /// A member whose name comes again later in its object: nothing reads this one.
    fn shadowed(&mut self, path: &[String], line: usize);
    /// A text in such a member.
    fn shadowed_text(&mut self, path: &[String], line: usize, value: &str);
}

/// Shows a document to `sink`.
pub(in crate::formats) fn walk(document: &Document, text: &Text<'_>, sink: &mut impl Sink) {
    Walk { text, sink, path: Vec::new() }.node(&document.root, false);
}

struct Walk<'w, S> {
    text: &'w Text<'w>,
    sink: &'w mut S,
    path: Vec<String>,
}

impl<S: Sink> Walk<'_, S> {
    fn node(&mut self, node: &Node, is_shadowed: bool) {
        match &node.value {
            Value::Text(value, _) if is_shadowed => {
                self.sink.shadowed_text(&self.path, self.text.line(node.span.start), value);
            }
            Value::Text(value, is_half) => {
                let flaw = if value.contains('\0') {
                    Some(NoteKind::Nul)
                } else {
                    (*is_half || self.text.was_replaced(&node.span)).then_some(NoteKind::NotUtf8)
                };
                if let Some(flaw) = flaw {
                    self.sink.flawed(&self.path, self.text.line(node.span.start), flaw);
                }
            }
            Value::List(elements) => elements.iter().for_each(|element| self.item(element, is_shadowed)),
            Value::Object(members) => {
                let last = last(members);
                for (nth, member) in members.iter().enumerate() {
                    let counts = last.get(member.name.as_str()) == Some(&nth);
                    self.item(member, is_shadowed || !counts);
                    if !counts && !is_shadowed {
                        self.path.push(member.name.clone());
                        self.sink.shadowed(&self.path, self.text.line(member.at));
                        self.path.pop();
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn item(&mut self, item: &Item, is_shadowed: bool) {
        self.path.push(item.name.clone());
        self.node(&item.value, is_shadowed);
        self.path.pop();
    }
}

/// Each name, and which of the members with it counts.
fn last(members: &[Item]) -> HashMap<&str, usize> {
    members.iter().enumerate().map(|(nth, member)| (member.name.as_str(), nth)).collect()
}

/// The plain value, with null for what JSON cannot express.
pub(in crate::formats) fn plain(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => number.clone().map_or(serde_json::Value::Null, serde_json::Value::Number),
        Value::Text(text, _) => text.as_str().into(),
        Value::List(elements) => elements.iter().map(|element| plain(&element.value)).collect(),
        Value::Object(members) => {
            let members = members.iter().map(|member| (member.name.clone(), plain(&member.value)));
            serde_json::Value::Object(members.collect())
        }
    }
}
