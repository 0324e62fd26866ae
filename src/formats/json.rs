//! JSON as `JSON.parse` reads it: of members with one name the last counts. What is not asked for is only skipped, at
//! any depth, without recursion.

use super::text::Text;
use super::{Error, js};
use crate::model::members;
use serde::de::{Deserialize, Deserializer, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;

/// Most members of one object.
const MAX_MEMBERS: usize = 250_000;

/// The document of a text, checked as a whole; `None` if there is nothing but white space.
///
/// # Errors
/// [`Error::ByteOrderMark`], [`Error::Syntax`].
pub(super) fn document<'t>(text: &'t Text<'_>) -> Result<Option<&'t RawValue>, Error> {
    if js::is_blank(text.as_str()) {
        return Ok(None);
    }
    if text.as_str().starts_with('\u{feff}') {
        return Err(Error::ByteOrderMark);
    }
    let failed = |error: serde_json::Error| Error::Syntax { line: error.line(), column: error.column() };
    serde_json::from_str(text.as_str()).map(Some).map_err(failed)
}

/// An object: its members in their order, values as they are written.
pub(super) struct Object<'a> {
    /// The members that count: of those with one name, the last.
    pub(super) members: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// Names that several members have, with the values that do not count.
    pub(super) shadowed: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Object<'a> {
    /// Reads the text of a value; `None` if it is not an object, or has more than `MAX_MEMBERS` members.
    pub(super) fn read(raw: &'a str) -> Option<Self> {
        let mut members = written(raw)?;
        let mut last: HashMap<&str, usize> = HashMap::with_capacity(members.len());
        for (at, (name, _)) in members.iter().enumerate() {
            last.insert(name, at);
        }
        if last.len() == members.len() {
            return Some(Self { members, shadowed: Vec::new() });
        }
        let counts: HashSet<usize> = last.into_values().collect();
        let mut at = 0..;
        let shadowed = members.extract_if(.., |_| at.next().is_some_and(|at| !counts.contains(&at))).collect();
        Some(Self { members, shadowed })
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.members.iter().find(|(have, _)| have == name).map(|&(_, value)| value)
    }

    /// A member that is a string.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }
}

/// Every member of an object in their order, also those that do not count; `None` as for [`Object::read`].
pub(super) fn written(raw: &str) -> Option<Vec<(Cow<'_, str>, &RawValue)>> {
    serde_json::from_str(raw).ok().map(|Members(members)| members)
}

/// The text of a value without white space between tokens and without members that do not count. Their names are
/// added to `shadowed`, as dotted paths. Half a surrogate pair, which no text outside of JavaScript can have, becomes
/// U+FFFD. The depth of the value must be bounded.
pub(super) fn settled(raw: &RawValue, shadowed: &mut Vec<String>) -> String {
    let mut out = String::with_capacity(raw.get().len());
    settle(raw.get(), &mut Vec::new(), shadowed, &mut out);
    out
}

fn settle(raw: &str, path: &mut Vec<String>, shadowed: &mut Vec<String>, out: &mut String) {
    if let Some(object) = Object::read(raw) {
        let paths = object.shadowed.iter().map(|(name, _)| format!("{}{name}", path.concat()));
        shadowed.extend(paths);
        out.push('{');
        for (nth, (name, value)) in object.members.into_iter().enumerate() {
            out.push_str(if nth == 0 { "" } else { "," });
            out.extend([&serde_json::Value::from(&*name).to_string(), ":"]);
            path.push(format!("{name}."));
            settle(value.get(), path, shadowed, out);
            path.pop();
        }
        out.push('}');
    } else if let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(raw) {
        out.push('[');
        for (nth, element) in elements.into_iter().enumerate() {
            out.push_str(if nth == 0 { "" } else { "," });
            path.push(format!("{nth}."));
            settle(element.get(), path, shadowed, out);
            path.pop();
        }
        out.push(']');
    } else {
        out.push_str(&with_whole_characters(raw));
    }
}

/// Whether a value has half a surrogate pair somewhere.
pub(super) fn has_half_character(raw: &RawValue) -> bool {
    matches!(with_whole_characters(raw.get()), Cow::Owned(_))
}

/// JSON text with an escaped U+FFFD for each escape of a surrogate that is not part of a pair.
fn with_whole_characters(raw: &str) -> Cow<'_, str> {
    let unit = |text: &str| u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok();
    let mut out = String::new();
    let (mut kept, mut at) = (0, 0);
    while let Some(found) = raw.get(at..).and_then(|rest| memchr::memchr(b'\\', rest.as_bytes())) {
        at += found;
        let escape = raw.get(at..).unwrap_or_default();
        let next = escape.get(6..).and_then(unit);
        at += match (unit(escape), next) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                out.extend([raw.get(kept..at).unwrap_or_default(), "\\ufffd"]);
                kept = at + 6;
                6
            }
            _ => 2,
        };
    }
    if kept == 0 { Cow::Borrowed(raw) } else { Cow::Owned(out + raw.get(kept..).unwrap_or_default()) }
}

struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut found = Vec::new();
        members(deserializer, |Name(name), value| {
            found.push((name, value));
            if found.len() > MAX_MEMBERS { Err("too many") } else { Ok(()) }
        })?;
        Ok(Self(found))
    }
}

/// A name, read as bytes, for it may have half a surrogate pair.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = Name<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a name")
            }

            fn visit_borrowed_bytes<E>(self, name: &'de [u8]) -> Result<Name<'de>, E> {
                Ok(Name(String::from_utf8_lossy(name)))
            }

            fn visit_bytes<E>(self, name: &[u8]) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(String::from_utf8_lossy(name).into_owned())))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<Option<String>, Error> {
        let text = Text::of(bytes)?;
        Ok(document(&text)?.map(|raw| raw.get().to_owned()))
    }

    #[test]
    fn a_document_is_what_json_parse_takes() {
        for text in ["", " \n\t", "\u{feff}"] {
            assert_eq!(read(text.as_bytes()), Ok(None), "{text:?}");
        }
        assert_eq!(read("\u{feff}{}".as_bytes()), Err(Error::ByteOrderMark));
        for text in [
            "{} x",
            "{\"a\":1,}",
            "{a:1}",
            "[01]",
            "{\"a\":\"\t\"}",
            "{\"a\":\"\0\"}",
            "{\"a\":\"\\x\"}",
            "[",
            "\u{a0}1",
        ] {
            assert!(matches!(read(text.as_bytes()), Err(Error::Syntax { line: 1, column: 1.. })), "{text}");
        }
        for text in ["1", r#"{"a":"\u0000","a":"\ud800"}"#, "[1e999]"] {
            assert_eq!(read(text.as_bytes()), Ok(Some(text.to_owned())));
        }
    }

    #[test]
    fn depth_costs_neither_stack_nor_time() {
        let deep = format!("{{\"a\":{}1{},\"b\":2}}", "[{\"x\":".repeat(1_000_000), "}]".repeat(1_000_000));
        let text = Text::of(deep.as_bytes()).unwrap();
        let object = Object::read(document(&text).unwrap().unwrap().get()).unwrap();
        assert_eq!(object.get("b").unwrap().get(), "2");
        assert!(matches!(read("{\"a\":".repeat(1_000_000).as_bytes()), Err(Error::Syntax { .. })));
    }

    #[test]
    fn of_one_name_the_last_value_counts() {
        let object = Object::read(r#"{"a":1,"b":2,"\u0061":3,"c":4,"a":5}"#).unwrap();
        let plain = |members: &[(Cow<'_, str>, &RawValue)]| {
            members.iter().map(|(name, raw)| format!("{name}{}", raw.get())).collect::<Vec<_>>()
        };
        assert_eq!(plain(&object.members), ["b2", "c4", "a5"]);
        assert_eq!(plain(&object.shadowed), ["a1", "a3"]);
    }

    #[test]
    fn half_a_character_becomes_the_replacement_and_a_whole_one_stays() {
        for (text, wanted) in [
            (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\ude00\ud83d""#, r#""\ufffd\ufffd""#),
            (r#""\\ud800 \" \uD800x""#, r#""\\ud800 \" \ufffdx""#),
        ] {
            assert_eq!(with_whole_characters(text), wanted);
        }
    }

    /// JSON text with spaces, names that several members have, and odd spellings.
    fn any_json() -> impl Strategy<Value = String> {
        let text = "\"([ab]|\\\\u00e9|\\\\ud83d\\\\ude00|\\\\n|\\\\\\\\|\\\\\"|é){0,3}\"";
        let leaf = prop_oneof![Just("null".to_owned()), Just("1.50".to_owned()), Just("-0e1".to_owned()), text];
        leaf.prop_recursive(3, 24, 4, move |inner| {
            let member =
                (text, " ?", inner.clone()).prop_map(|(name, space, value)| format!("{name}{space}:{space}{value}"));
            prop_oneof![
                proptest::collection::vec(inner, 0..4).prop_map(|all| format!("[{}]", all.join(" ,"))),
                proptest::collection::vec(member, 0..5).prop_map(|all| format!("{{ {} }}", all.join(", "))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_settled_means_the_same_and_has_every_name_once(text in any_json()) {
            let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            let raw: Box<RawValue> = serde_json::from_str(&text).unwrap();
            let mut shadowed = Vec::new();
            let out = settled(&raw, &mut shadowed);
            prop_assert_eq!(value(&out), value(&text));
            let mut again = Vec::new();
            let twice = settled(&RawValue::from_string(out.clone()).unwrap(), &mut again);
            prop_assert_eq!((twice, again), (out, Vec::<String>::new()));
        }
    }
}
