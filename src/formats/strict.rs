//! A strict walk over a JSON document: no name twice in an object, bounded depth and sizes,
//! no NUL. Parsers of JSON and JSON5 both drive it; since every level passes through it, the
//! depth of the input never becomes the depth of the stack.

use super::Error;
use crate::model::{MAX_DEPTH, MAX_NAME, MAX_VALUE};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

/// Most members of all objects of a document together.
const MAX_MEMBERS: usize = 250_000;

/// Who wants to know what the walk meets. Paths are member names and indices from the root.
pub(super) trait Sink {
    /// A text.
    fn text(&mut self, _path: &[String], _value: &str) {}
    /// An object, after its members.
    fn object(&mut self, _path: &[String], _names: &HashSet<String>) {}
}

/// Nobody: the walk only checks.
impl Sink for () {}

/// What the walk refuses, beside what the parser under it refuses.
#[derive(Clone, Copy)]
enum Fault {
    Duplicate,
    Nul,
    Bound(&'static str, usize),
}

/// The state of a walk.
pub(super) struct Walk<S> {
    sink: S,
    path: Vec<String>,
    members: usize,
    fault: Option<Fault>,
}

impl<S: Sink> Walk<S> {
    pub(super) fn new(sink: S) -> Self {
        Self { sink, path: Vec::new(), members: 0, fault: None }
    }

    /// Walks a whole document of any syntax.
    pub(super) fn drive<'de, D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        Step(self).deserialize(deserializer)
    }

    /// What the sink gathered, or what was refused, given the parser's outcome and the place
    /// that it names.
    pub(super) fn finish(self, outcome: Result<(), (usize, usize)>) -> Result<S, Error> {
        match (self.fault, outcome) {
            (None, Ok(())) => Ok(self.sink),
            (Some(Fault::Bound(what, bound)), _) => Err(Error::Bound(what, bound)),
            (fault, place) => {
                let (line, column) = place.err().unwrap_or_default();
                Err(match fault {
                    Some(Fault::Duplicate) => Error::Duplicate { line, column },
                    Some(Fault::Nul) => Error::Nul { line, column },
                    _ => Error::Syntax { line, column },
                })
            }
        }
    }

    fn refuse<E: serde::de::Error>(&mut self, fault: Fault) -> E {
        self.fault = Some(fault);
        E::custom("refused")
    }

    fn check<E: serde::de::Error>(&mut self, text: &str, what: &'static str, bound: usize) -> Result<(), E> {
        if text.contains('\0') {
            return Err(self.refuse(Fault::Nul));
        }
        if text.len() > bound { Err(self.refuse(Fault::Bound(what, bound))) } else { Ok(()) }
    }

    fn enter<E: serde::de::Error>(&mut self) -> Result<(), E> {
        if self.path.len() < MAX_DEPTH { Ok(()) } else { Err(self.refuse(Fault::Bound("nesting depth", MAX_DEPTH))) }
    }
}

/// One value of the document.
struct Step<'w, S>(&'w mut Walk<S>);

impl<'de, S: Sink> DeserializeSeed<'de> for Step<'_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: Sink> Visitor<'de> for Step<'_, S> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.0.check(text, "value size", MAX_VALUE)?;
        self.0.sink.text(&self.0.path, text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.0.enter()?;
        for index in 0_usize.. {
            self.0.path.push(index.to_string());
            let more = items.next_element_seed(Step(&mut *self.0))?;
            self.0.path.pop();
            if more.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        self.0.enter()?;
        let mut names = HashSet::new();
        while let Some(name) = members.next_key_seed(Name(&mut *self.0, &names))? {
            self.0.path.push(name.clone());
            names.insert(name);
            members.next_value_seed(Step(&mut *self.0))?;
            self.0.path.pop();
        }
        self.0.sink.object(&self.0.path, &names);
        Ok(())
    }
}

/// The name of a member; an error raised here has its place.
struct Name<'w, S>(&'w mut Walk<S>, &'w HashSet<String>);

impl<'de, S: Sink> DeserializeSeed<'de> for Name<'_, S> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<S: Sink> Visitor<'_> for Name<'_, S> {
    type Value = String;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<String, E> {
        self.0.check(name, "name length", MAX_NAME)?;
        self.0.members += 1;
        if self.0.members > MAX_MEMBERS {
            return Err(self.0.refuse(Fault::Bound("number of members", MAX_MEMBERS)));
        }
        if self.1.contains(name) { Err(self.0.refuse(Fault::Duplicate)) } else { Ok(name.to_owned()) }
    }
}

/// The text of a JSON document that passed the walk.
///
/// # Errors
/// Any of [`Error`] but `Shape` and `Unrepresentable`.
pub(super) fn json(bytes: &[u8]) -> Result<&str, Error> {
    let text = super::text(bytes)?;
    let mut walk = Walk::new(());
    let mut parser = serde_json::Deserializer::from_str(text);
    let outcome = walk.drive(&mut parser).and_then(|()| parser.end());
    walk.finish(outcome.map_err(|error| (error.line(), error.column())))?;
    Ok(text)
}

/// An object with its members in their order, values as they are written.
pub(super) struct Object<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Object<'a> {
    /// Reads text that passed [`json`]; `None` if it is something else.
    pub(super) fn read(raw: &'a str) -> Option<Self> {
        serde_json::from_str(raw).ok()
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(have, _)| have == name).map(|&(_, value)| value)
    }

    /// A member that is a string.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Object<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((Text(name), value)) = entries.next_entry::<Text<'de>, &'de RawValue>()? {
                    members.push((name, value));
                    if members.len() > MAX_MEMBERS {
                        return Err(A::Error::custom("too many"));
                    }
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_stands_there_twice_is_refused_at_any_depth() {
        for text in [r#"{"a":1,"a":2}"#, "{\"a\":1,\n\"\\u0061\":2}", r#"[{"x":{"b":{},"b":[]}}]"#] {
            assert!(matches!(json(text.as_bytes()), Err(Error::Duplicate { line: 1..=2, column: 1.. })), "{text}");
        }
        assert!(json(br#"{"a":{"a":1},"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn depth_is_bounded_before_the_stack_is() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(json(nested(MAX_DEPTH).as_bytes()).is_ok());
        let deep = Error::Bound("nesting depth", MAX_DEPTH);
        assert_eq!(json(nested(MAX_DEPTH + 1).as_bytes()), Err(deep.clone()));
        assert_eq!(json("{\"a\":".repeat(1_000_000).as_bytes()), Err(deep));
    }

    #[test]
    fn nul_surrogates_and_trailing_text_are_refused() {
        assert!(matches!(json(br#"{"a":"x\u0000"}"#), Err(Error::Nul { line: 1, .. })));
        assert!(matches!(json(br#"{"a\u0000":1}"#), Err(Error::Nul { .. })));
        for text in ["{\"a\":\"\\ud800\"}", "{} x", "", "{\"a\":1,}", "\u{feff}{}", "{a:1}", "[01]"] {
            assert!(matches!(json(text.as_bytes()), Err(Error::Syntax { .. })), "{text}");
        }
    }

    #[test]
    fn sizes_are_bounded() {
        let long = format!("{{\"{}\":1}}", "n".repeat(MAX_NAME + 1));
        assert_eq!(json(long.as_bytes()), Err(Error::Bound("name length", MAX_NAME)));
        let large = format!("[\"{}\"]", "v".repeat(MAX_VALUE + 1));
        assert_eq!(json(large.as_bytes()), Err(Error::Bound("value size", MAX_VALUE)));
        let many: Vec<String> = (0..=MAX_MEMBERS).map(|index| format!("\"{index}\":0")).collect();
        assert_eq!(
            json(format!("{{{}}}", many.join(",")).as_bytes()),
            Err(Error::Bound("number of members", MAX_MEMBERS))
        );
    }
}
