//! Edits of a configuration that leave comments, spelling and the order of names as they are.

use super::{Error, parse};
use crate::formats::secretref::ExecRef;
use crate::model::SecretId;
use crate::secret::SecretBuf;
use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstNode, CstObject, CstRootNode};
use serde_json::Value;

/// One change, at a path of names and indexes.
#[derive(Clone, PartialEq)]
pub enum Step {
    /// Puts a value; objects on the way are made where they are missing.
    Put(Vec<String>, Value),
    /// Takes a member of an object away, and objects on the way that are empty then.
    Remove(Vec<String>),
}

/// The path of nothing: the whole document.
const ROOT: &[String] = &[];

/// Applies `steps` to a configuration in JSON5. What comes out is read again and compared with the
/// same change made to the plain value: an edit that went wrong is an error.
///
/// # Errors
/// As [`parse`]; [`Error::Shape`] when a step leads through something that is neither object nor list,
/// or the text cannot be edited.
pub fn edit(bytes: &[u8], steps: &[Step]) -> Result<SecretBuf, Error> {
    parse(bytes)?;
    let text = crate::formats::text(bytes)?;
    let (before, mark) = text.strip_prefix('\u{feff}').map_or((text, ""), |rest| (rest, "\u{feff}"));
    let root = CstRootNode::parse(before, &ParseOptions::default()).map_err(|_| misfit())?;
    let mut expected: Value = json5::from_str(before).map_err(|_| misfit())?;
    for step in steps {
        match step {
            Step::Put(path, value) => {
                put(&root.object_value().ok_or_else(misfit)?, path, value)?;
                put_plain(&mut expected, path, value)?;
            }
            Step::Remove(path) => {
                remove(&root.object_value().ok_or_else(misfit)?, path);
                remove_plain(&mut expected, path);
            }
        }
    }
    let after = SecretBuf::new(format!("{mark}{root}").into_bytes());
    let read: Value = json5::from_str(after.text().unwrap_or_default()).map_err(|_| misfit())?;
    if read == expected { Ok(after) } else { Err(misfit()) }
}

/// The plain value of a configuration, for looking things up. It holds its secrets.
///
/// # Errors
/// As [`parse`].
pub fn tree(bytes: &[u8]) -> Result<Value, Error> {
    parse(bytes)?;
    let text = crate::formats::text(bytes)?;
    json5::from_str(text.trim_start_matches('\u{feff}')).map_err(|_| misfit())
}

/// What stands at a path of names and indexes.
pub fn at<'t>(tree: &'t Value, path: &[String]) -> Option<&'t Value> {
    path.iter().try_fold(tree, |at, name| match at {
        Value::Object(members) => members.get(name),
        Value::Array(elements) => elements.get(name.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Every reference to the vault in it, with its path.
pub fn references(tree: &Value) -> Vec<(Vec<String>, SecretId)> {
    let all = asked(tree).into_iter();
    all.filter_map(|(path, text)| Some((path, SecretId::parse(&text).ok()?))).collect()
}

/// The same with what the vault will be asked for, which need not be an id.
pub fn asked(tree: &Value) -> Vec<(Vec<String>, String)> {
    fn walk(at: &Value, path: &mut Vec<String>, found: &mut Vec<(Vec<String>, String)>) {
        let members: Vec<(String, &Value)> = match at {
            Value::Object(members) => {
                let reference = members.contains_key("source").then(|| ExecRef::asked(&at.to_string())).flatten();
                if let Some(id) = reference {
                    return found.push((path.clone(), id));
                }
                members.iter().map(|(name, value)| (name.clone(), value)).collect()
            }
            Value::Array(elements) => {
                elements.iter().enumerate().map(|(nth, value)| (nth.to_string(), value)).collect()
            }
            _ => return,
        };
        for (name, value) in members {
            path.push(name);
            walk(value, path, found);
            path.pop();
        }
    }
    let mut found = Vec::new();
    walk(tree, &mut Vec::new(), &mut found);
    found
}

fn misfit() -> Error {
    Error::Shape("openclaw.json")
}

fn put(object: &CstObject, path: &[String], value: &Value) -> Result<(), Error> {
    let (name, rest) = path.split_first().ok_or_else(misfit)?;
    match (object.get(name), rest) {
        (Some(member), ROOT) => member.set_value(input(value)),
        (None, ROOT) => drop(object.append(name, input(value))),
        (Some(member), rest) => return put_below(&member.value().ok_or_else(misfit)?, rest, value),
        (None, rest) => return put(&object.object_value_or_create(name).ok_or_else(misfit)?, rest, value),
    }
    Ok(())
}

fn put_below(node: &CstNode, path: &[String], value: &Value) -> Result<(), Error> {
    if let Some(object) = node.as_object() {
        return put(&object, path, value);
    }
    let (index, rest) = path.split_first().ok_or_else(misfit)?;
    let elements = node.as_array().ok_or_else(misfit)?.elements();
    let element = index.parse().ok().and_then(|index: usize| elements.into_iter().nth(index)).ok_or_else(misfit)?;
    match (rest, element.as_string_lit()) {
        (ROOT, Some(text)) => text.replace_with(input(value)).map(drop).ok_or_else(misfit),
        (ROOT, None) => Err(misfit()),
        (rest, _) => put_below(&element, rest, value),
    }
}

/// Takes a member away; whether the object is empty then.
fn remove(object: &CstObject, path: &[String]) -> bool {
    let Some((name, rest)) = path.split_first() else { return false };
    let Some(member) = object.get(name) else { return false };
    let gone = rest == ROOT || member.object_value().is_some_and(|below| remove(&below, rest));
    if gone {
        member.remove();
    }
    gone && object.properties().is_empty()
}

fn put_plain(at: &mut Value, path: &[String], value: &Value) -> Result<(), Error> {
    let Some((name, rest)) = path.split_first() else {
        *at = value.clone();
        return Ok(());
    };
    let below = match at {
        Value::Object(members) => members.entry(name.clone()).or_insert_with(|| Value::Object(serde_json::Map::new())),
        Value::Array(elements) => name.parse().ok().and_then(|at: usize| elements.get_mut(at)).ok_or_else(misfit)?,
        _ => return Err(misfit()),
    };
    put_plain(below, rest, value)
}

fn remove_plain(at: &mut Value, path: &[String]) -> bool {
    let (Some((name, rest)), Some(members)) = (path.split_first(), at.as_object_mut()) else { return false };
    let gone = match members.get_mut(name) {
        None => false,
        Some(below) => rest == ROOT || remove_plain(below, rest),
    };
    if gone {
        members.shift_remove(name);
    }
    gone && members.is_empty()
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(elements) => CstInputValue::Array(elements.iter().map(input).collect()),
        // Written as it is, on one line: a reference is read as one thing.
        Value::Object(members) if members.len() == 3 && members.contains_key("source") => {
            let text = members.iter().map(|(name, value)| format!("{}: {value}", Value::from(name.as_str())));
            CstInputValue::Number(format!("{{ {} }}", text.collect::<Vec<_>>().join(", ")))
        }
        Value::Object(members) => {
            CstInputValue::Object(members.iter().map(|(name, value)| (name.clone(), input(value))).collect())
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn path(text: &str) -> Vec<String> {
        text.split('.').map(str::to_owned).collect()
    }

    fn edited(text: &str, steps: &[Step]) -> String {
        edit(text.as_bytes(), steps).unwrap().text().unwrap().to_owned()
    }

    #[test]
    fn comments_spelling_and_order_survive() {
        let before = "// mine\n{\n  gateway: { port: 0x10, auth: { token: 'old', }, }, // here\n  list: [ { 'key': \"a\" }, ],\n}\n";
        let reference = json!({"source": "exec", "provider": "agevault", "id": "config/x"});
        let steps = [
            Step::Put(path("gateway.auth.token"), reference.clone()),
            Step::Put(path("list.0.key"), reference),
            Step::Put(path("secrets.providers.agevault"), json!({"timeoutMs": 1})),
        ];
        let after = edited(before, &steps);
        for kept in [
            "// mine\n{\n  gateway: { port: 0x10, auth: {",
            "}, // here\n  list: [ {",
            "'key': { \"source\": \"exec\", \"provider\": \"agevault\", \"id\": \"config/x\" }",
        ] {
            assert!(after.contains(kept), "{after}");
        }
        assert_eq!(edited(&after, &steps), after, "done twice is done once");
        let back = [
            Step::Put(path("gateway.auth.token"), json!("old")),
            Step::Put(path("list.0.key"), json!("a")),
            Step::Remove(path("secrets.providers.agevault")),
        ];
        let value = |text: &str| json5::from_str::<Value>(text).unwrap();
        assert_eq!(value(&edited(&after, &back)), value(before));
    }

    #[test]
    fn a_path_through_something_else_is_refused() {
        for (text, at) in
            [("{a: 1}", "a.b"), ("{a: ['x']}", "a.1"), ("{a: [[1]]}", "a.0"), ("[]", "a"), ("{a: null}", "a.b")]
        {
            let steps = [Step::Put(path(at), json!("v"))];
            assert!(edit(text.as_bytes(), &steps).is_err(), "{text}");
        }
        assert!(edit(b"{a: 1, a: 2}", &[]).is_err(), "a name twice");
    }

    proptest! {
        #[test]
        fn what_was_not_touched_means_the_same(
            names in proptest::collection::vec("[a-z]{1,3}", 1..4),
            value in "\\PC{0,8}",
            document in prop_oneof![
                Just("{}"), Just("{ }"), Just("{\n}\n"), Just("{a:{}}"), Just("{a:{b:{c:1}},/* x */b:[1,2,],}"),
                Just("{\"a\":{\"b\":'\\x41'},\n\n// end\n}"), Just("{z:+1,y:.5,x:Infinity}")
            ],
        ) {
            let step = Step::Put(names.clone(), json!(value));
            // A name on the way that is no object is refused; everything else is compared inside.
            if let Ok(after) = edit(document.as_bytes(), &[step]) {
                let read: Value = json5::from_str(after.text().unwrap()).unwrap();
                prop_assert_eq!(read.pointer(&format!("/{}", names.join("/"))), Some(&json!(value)));
            }
        }
    }
}
