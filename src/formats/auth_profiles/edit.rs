//! Edits of a file of profiles, and of the state beside it, that leave everything else byte for byte as it is.

use super::super::{Error, js, json, pretty};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A file that a gateway makes before it puts the first profile into it.
const EMPTY: &str = "{\n  \"version\": 1,\n  \"profiles\": {}\n}\n";
/// The same of the state.
const NO_STATE: &str = "{\n  \"version\": 1\n}\n";
/// A name with a special meaning in JavaScript: the gateway never stores a profile under it.
const RESERVED: &str = "__proto__";

/// Orders to set, by provider; `None` forgets one.
pub type Orders = BTreeMap<String, Option<Vec<String>>>;

/// An `auth-profiles.json` with profiles put, each one whole, and removed. `orders` are those that change in this
/// file. Without `bytes`, a new file; a file in the flat shape gets the current one, with everything that it held.
///
/// # Errors
/// [`Error::Shape`] for a text that is not a JSON object; as [`parse`](super::parse()) for a flat file.
pub fn edit(
    bytes: Option<&[u8]>,
    put: &BTreeMap<String, Box<RawValue>>,
    remove: &[String],
    orders: &Orders,
) -> Result<Vec<u8>, Error> {
    let before = text(bytes, EMPTY);
    let (mut file, edges) = top(&before, "auth-profiles")?;
    if file.get("profiles").is_none() {
        unflatten(&mut file, before.as_bytes())?;
    }
    if !put.is_empty() || !remove.is_empty() {
        let text = file.get("profiles").unwrap_or_default().to_owned();
        let mut profiles = Members::read(&text).ok_or(Error::Shape("auth-profiles"))?;
        remove.iter().for_each(|name| profiles.remove(name));
        for (name, credential) in put.iter().filter(|(name, _)| *name != RESERVED) {
            profiles.set(name, credential.get(), 2);
        }
        file.set_text("profiles", profiles.text(1), 1);
    }
    reorder(&mut file, orders);
    Ok([edges.0, &file.text(0), edges.1].concat().into_bytes())
}

/// An `auth-state.json` with other orders. `None` if nothing is left in it: the gateway has no such file then.
///
/// # Errors
/// [`Error::Shape`] for a text that is not a JSON object.
pub fn edit_state(bytes: Option<&[u8]>, orders: &Orders) -> Result<Option<Vec<u8>>, Error> {
    let before = text(bytes, NO_STATE);
    let (mut file, edges) = top(&before, "auth-state")?;
    reorder(&mut file, orders);
    let is_empty = file.members.iter().all(|member| member.name == "version");
    Ok((!is_empty).then(|| [edges.0, &file.text(0), edges.1].concat().into_bytes()))
}

/// The text as the gateway decodes it; one of an empty file is that of none.
fn text<'t>(bytes: Option<&'t [u8]>, none: &'static str) -> Cow<'t, str> {
    let text = bytes.map(String::from_utf8_lossy).unwrap_or_default();
    if js::is_blank(&text) { Cow::Borrowed(none) } else { text }
}

/// The object of a document, and the white space before and after it.
fn top<'t>(text: &'t str, what: &'static str) -> Result<(Members<'t>, (&'t str, &'t str)), Error> {
    let object = text.trim_ascii();
    let edges = text.split_once(object).ok_or(Error::Shape(what))?;
    Ok((Members::read(object).ok_or(Error::Shape(what))?, edges))
}

/// Gives a flat file, whose members are the profiles, the current shape.
fn unflatten(file: &mut Members<'_>, bytes: &[u8]) -> Result<(), Error> {
    let store = super::parse(bytes)?;
    let mut profiles = Members::default();
    for (name, credential) in &store.profiles {
        profiles.set(name, credential.get(), 2);
        let flat = name.strip_suffix(":default").unwrap_or(name);
        [flat, name].into_iter().for_each(|name| file.remove(name));
    }
    if file.get("version").is_none() {
        file.set("version", "1", 1);
    }
    file.set_text("profiles", profiles.text(1), 1);
    Ok(())
}

fn reorder(file: &mut Members<'_>, orders: &Orders) {
    if orders.is_empty() {
        return;
    }
    let text = file.get("order").unwrap_or_default().to_owned();
    let mut all = Members::read(&text).unwrap_or_default();
    for (provider, ids) in orders {
        match ids {
            Some(ids) => all.set(provider, &Value::from(ids.clone()).to_string(), 2),
            None => all.remove(provider),
        }
    }
    if all.members.is_empty() {
        file.remove("order");
    } else {
        file.set_text("order", all.text(1), 1);
    }
}

/// One member of an object, in the pieces of its text.
struct Member<'t> {
    name: Cow<'t, str>,
    /// White space before the comma that separates it from the member before, of the first one nothing.
    gap: &'t str,
    /// White space before its name.
    indent: Cow<'t, str>,
    /// Its name in quotes, the colon and the white space around that.
    label: Cow<'t, str>,
    value: Cow<'t, str>,
}

/// The members of an object in their order, with everything between them.
#[derive(Default)]
struct Members<'t> {
    members: Vec<Member<'t>>,
    /// White space before the closing brace.
    tail: Cow<'t, str>,
}

impl<'t> Members<'t> {
    /// Takes the text of an object apart; `None` if it is something else.
    fn read(text: &'t str) -> Option<Self> {
        let object = json::written(text)?;
        // Each value is a slice of the text, so that its place is known.
        let place = |value: &str| value.as_ptr().addr().checked_sub(text.as_ptr().addr());
        let (mut at, mut members) = (1_usize, Vec::with_capacity(object.len()));
        for (name, value) in object {
            let start = place(value.get())?;
            let lead = text.get(at..start)?;
            let (between, label) = lead.split_at_checked(lead.find('"')?)?;
            let (gap, indent) = between.split_once(',').unwrap_or(("", between));
            at = start + value.get().len();
            let value = Cow::Borrowed(text.get(start..at)?);
            members.push(Member { name, gap, indent: Cow::Borrowed(indent), label: Cow::Borrowed(label), value });
        }
        Some(Self { members, tail: Cow::Borrowed(text.get(at..)?.strip_suffix('}')?) })
    }

    /// The text of a member's value. Of several with one name the last counts, as in JavaScript.
    fn get(&self, name: &str) -> Option<&str> {
        self.members.iter().rfind(|member| member.name == name).map(|member| member.value.as_ref())
    }

    fn remove(&mut self, name: &str) {
        self.members.retain(|member| member.name != name);
    }

    /// Puts a value, laid out as the members around it, in the place of what has the name, or else at the end.
    /// `level` is how many objects it is in.
    fn set(&mut self, name: &str, value: &str, level: usize) {
        let in_lines = self.members.last().is_none_or(|last| last.indent.contains('\n'));
        let value = if in_lines { in_lines_at(value, level) } else { value.to_owned() };
        self.set_text(name, value, level);
    }

    /// The same with the very text of a value.
    fn set_text(&mut self, name: &str, value: String, level: usize) {
        let last = self.members.iter().rposition(|member| member.name == name);
        // Others of this name are dead text, and may hold a secret.
        let mut nth = 0_usize..;
        self.members.retain(|member| nth.next() == last || member.name != name);
        if let Some(member) = self.members.iter_mut().find(|member| member.name == name) {
            member.value = Cow::Owned(value);
            return;
        }
        let indent = self.members.last().map_or_else(|| Cow::Owned(line(level)), |last| last.indent.clone());
        let colon = if self.members.last().is_none_or(|last| last.label.ends_with(' ')) { ": " } else { ":" };
        let label = Cow::Owned(format!("{}{colon}", Value::from(name)));
        let name = Cow::Owned(name.to_owned());
        self.members.push(Member { name, gap: "", indent, label, value: Cow::Owned(value) });
    }

    /// The text of the object; `level` is how many objects it is in.
    fn text(&self, level: usize) -> String {
        let mut text = String::from("{");
        for (nth, member) in self.members.iter().enumerate() {
            if nth > 0 {
                text.extend([member.gap, ","]);
            }
            text.extend([&*member.indent, &*member.label, &*member.value]);
        }
        // The first members of an object that had none are on lines of their own.
        let in_lines = self.members.first().is_some_and(|first| first.indent.contains('\n'));
        let tail = if in_lines && !self.tail.contains('\n') { line(level) } else { self.tail.to_string() };
        if !self.members.is_empty() {
            text.push_str(&tail);
        }
        text.push('}');
        text
    }
}

/// The start of a line.
fn line(level: usize) -> String {
    format!("\n{}", "  ".repeat(level))
}

/// JSON on lines, for a place at this level.
fn in_lines_at(value: &str, level: usize) -> String {
    let lines = String::from_utf8(pretty::indent(value)).unwrap_or_default();
    // A text in JSON holds no line break.
    lines.trim_end().replace('\n', &line(level))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn credentials(value: &Value) -> BTreeMap<String, Box<RawValue>> {
        let raw = |value: &Value| RawValue::from_string(value.to_string()).unwrap();
        value.as_object().unwrap().iter().map(|(name, value)| (name.clone(), raw(value))).collect()
    }

    fn edited(text: &str, put: &Value, remove: &[&str], orders: &[(&str, Option<&[&str]>)]) -> String {
        let remove: Vec<String> = remove.iter().map(|name| (*name).to_owned()).collect();
        let after = edit(Some(text.as_bytes()), &credentials(put), &remove, &ordered(orders)).unwrap();
        String::from_utf8(after).unwrap()
    }

    fn ordered(orders: &[(&str, Option<&[&str]>)]) -> Orders {
        let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        orders.iter().map(|(provider, ids)| ((*provider).to_owned(), ids.map(owned))).collect()
    }

    #[test]
    fn only_what_changes_changes_and_a_credential_is_replaced_whole() {
        let before = "{\n  \"version\": 1,\n  \"x\": [1,2],\n  \"profiles\": {\n    \"p:\\u0061\": {\"type\":\"api_key\",\"provider\":\"p\",\"key\":\"k\",\"apiKey\":\"old\"},\n    \"unknown\": {\"type\": \"new\", \"n\": 1e3}\n  },\n  \"usageStats\": {}\n}\n";
        let put = json!({"p:a": {"type": "api_key", "provider": "p", "keyRef": {"id": "i"}}, "p:b": {"n": 1}});
        let after = "{\n  \"version\": 1,\n  \"x\": [1,2],\n  \"profiles\": {\n    \"p:\\u0061\": {\n      \"type\": \"api_key\",\n      \"provider\": \"p\",\n      \"keyRef\": {\n        \"id\": \"i\"\n      }\n    },\n    \"unknown\": {\"type\": \"new\", \"n\": 1e3},\n    \"p:b\": {\n      \"n\": 1\n    }\n  },\n  \"usageStats\": {}\n}\n";
        assert_eq!(edited(before, &put, &[], &[]), after);
        // Without line breaks there, there are none afterwards.
        let before = r#" {"profiles":{"a":{"n":1},"b":{"n":2}} , "version":1}"#;
        let after = r#" {"profiles":{"b":{"n":3},"c":{"n":4}} , "version":1}"#;
        assert_eq!(edited(before, &json!({"b": {"n": 3}, "c": {"n": 4}}), &["a"], &[]), after);
        assert_eq!(edited(before, &json!({}), &["none"], &[]), before);
    }

    #[test]
    fn a_new_file_is_laid_out_as_the_gateway_does_it() {
        let put = json!({"p:a": {"type": "token"}});
        for nothing in [None, Some(&b""[..]), Some(b" \n")] {
            let after = edit(nothing, &credentials(&put), &[], &ordered(&[("p", Some(&["p:a"]))])).unwrap();
            let value = json!({"version": 1, "profiles": put, "order": {"p": ["p:a"]}});
            assert_eq!(String::from_utf8(after).unwrap(), serde_json::to_string_pretty(&value).unwrap() + "\n");
        }
    }

    #[test]
    fn a_name_that_is_there_twice_leaves_no_dead_value_behind() {
        let before = r#"{"profiles":{"a":{"key":"dead"}},"profiles":{"a":{"key":"older"},"b":{},"a":{"key":"old"}}}"#;
        assert_eq!(edited(before, &json!({"a": {"n": 1}}), &[], &[]), r#"{"profiles":{"b":{},"a":{"n":1}}}"#);
        assert_eq!(edited(before, &json!({}), &["a"], &[]), r#"{"profiles":{"b":{}}}"#);
        assert_eq!(edited(before, &json!({RESERVED: {"n": 1}}), &["a"], &[]), r#"{"profiles":{"b":{}}}"#);
    }

    #[test]
    fn a_flat_file_gets_the_current_shape_with_all_it_held() {
        let before =
            r#"{"openai":{"key":"one"},"p:mine":{"type":"token","token":"two"},"other":7,"order":{"p":["p:x"]}}"#;
        let after = edited(before, &json!({"openai:default": {"n": 1}}), &[], &[]);
        let expected = json!({
            "other": 7, "order": {"p": ["p:x"]}, "version": 1,
            "profiles": {"openai:default": {"n": 1}, "p:mine": {"type": "token", "token": "two", "provider": "p"}},
        });
        assert_eq!(serde_json::from_str::<Value>(&after).unwrap(), expected);
    }

    #[test]
    fn orders_change_alone_and_an_empty_state_is_none() {
        let state = |text: Option<&str>, orders: &[(&str, Option<&[&str]>)]| {
            let after = edit_state(text.map(str::as_bytes), &ordered(orders)).unwrap();
            after.map(|after| serde_json::from_slice::<Value>(&after).unwrap())
        };
        let before = r#"{"version":1,"order":{"a":["a:1"],"b":["b:1"]},"lastGood":{"a":"a:1"},"x":{"y":1}}"#;
        assert_eq!(
            state(Some(before), &[("a", None), ("b", Some(&["b:2", "b:1"])), ("c", Some(&["c:1"]))]),
            Some(
                json!({"version": 1, "order": {"b": ["b:2", "b:1"], "c": ["c:1"]}, "lastGood": {"a": "a:1"}, "x": {"y": 1}})
            )
        );
        assert_eq!(state(None, &[("p", Some(&["p:1"]))]), Some(json!({"version": 1, "order": {"p": ["p:1"]}})));
        assert_eq!(state(Some(r#"{"version":1,"order":{"p":["p:1"]}}"#), &[("p", None)]), None);
        assert_eq!(state(Some(r#"{"order":7,"x":1}"#), &[("p", None)]), Some(json!({"x": 1})));
        assert!(matches!(edit_state(Some(b"[]"), &Orders::new()), Err(Error::Shape(_))));
        assert!(matches!(edit(Some(b"{"), &BTreeMap::new(), &[], &Orders::new()), Err(Error::Shape(_))));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(Value::Null), any::<i32>().prop_map(Value::from), "\\PC{0,6}".prop_map(Value::from)];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                objects(inner).prop_map(Value::Object),
            ]
        })
    }

    fn objects(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = serde_json::Map<String, Value>> {
        proptest::collection::btree_map("[a-c\"\\\\é:]{0,2}", inner, 0..4).prop_map(|all| all.into_iter().collect())
    }

    proptest! {
        #[test]
        fn every_edit_means_what_it_means_in_the_plain_value(
            mut file in objects(any_json()),
            mut profiles in objects(any_json()),
            put in objects(objects(any_json()).prop_map(Value::Object)),
            remove in proptest::collection::vec("[a-c\"\\\\é:]{0,2}", 0..3),
            lines in any::<bool>(),
        ) {
            file.insert("profiles".to_owned(), Value::Object(profiles.clone()));
            let write = |value: &serde_json::Map<String, Value>| {
                if lines { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) }.unwrap()
            };
            let text = write(&file);
            let after = edit(Some(text.as_bytes()), &credentials(&Value::Object(put.clone())), &remove, &Orders::new());
            remove.iter().for_each(|name| _ = profiles.shift_remove(name));
            let at_the_end = put.iter().filter(|(name, _)| !profiles.contains_key(*name)).count();
            profiles.extend(put);
            file.insert("profiles".to_owned(), Value::Object(profiles.clone()));
            let after = String::from_utf8(after.unwrap()).unwrap();
            prop_assert_eq!(serde_json::from_str::<Value>(&after).unwrap(), Value::Object(file.clone()));
            // In the gateway's own layout, the result has it too.
            if lines && (at_the_end == 0 || !profiles.is_empty()) {
                prop_assert_eq!(after, write(&file));
            }
        }
    }
}
