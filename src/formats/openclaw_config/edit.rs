//! Edits of a configuration that leave comments, spelling and the order of names as they are.

use super::super::json5;
use super::super::text::Text;
use super::{Error, js, splice};
use crate::secret::SecretBuf;
use serde_json::Value;

/// One change, at a path of names and indexes.
#[derive(Clone, PartialEq)]
#[cfg_attr(test, derive(Debug))]
pub enum Step {
    /// Puts a value; objects on the way are made where they are missing.
    Put(Vec<String>, Value),
    /// Takes a member of an object away, and objects on the way that are empty then.
    Remove(Vec<String>),
}

/// Applies `steps` to a configuration in JSON5, byte by byte the same elsewhere. Of members with one name the last is
/// changed, and all are taken away. What comes out is read again and compared with the same changes made to the plain
/// value, comment by comment too: an edit that went wrong is an error.
///
/// # Errors
/// As [`super::parse`]; [`Error::NotEditable`] when a step leads through something that is neither object nor list;
/// [`Error::Shape`] if the edited text does not mean what was asked for, which would be a fault of this code.
pub fn edit(bytes: &[u8], steps: &[Step]) -> Result<SecretBuf, Error> {
    let mut expected = tree(bytes)?;
    let mut after = SecretBuf::new(bytes.to_vec());
    for step in steps {
        let text = Text::of(after.expose())?;
        let document = json5::parse(&text)?;
        let cuts = match step {
            Step::Put(path, value) => {
                let cuts = splice::put(&text, &document, path, value)?;
                put_plain(&mut expected, path, value)?;
                cuts
            }
            Step::Remove(path) => {
                remove_plain(&mut expected, path);
                splice::remove(&text, &document, path)
            }
        };
        let edited = SecretBuf::new(text.with(cuts));
        after = edited;
    }
    let same = tree(after.expose())? == expected && comments(bytes)? == comments(after.expose())?;
    if same { Ok(after) } else { Err(misfit()) }
}

/// The texts of all comments.
fn comments(bytes: &[u8]) -> Result<Vec<String>, Error> {
    let text = Text::of(bytes)?;
    let comments = json5::parse(&text)?.comments.into_iter();
    Ok(comments.map(|part| text.as_str().get(part).unwrap_or_default().to_owned()).collect())
}

/// The plain value of a configuration, for looking things up. It holds its secrets. Of members with one name the last
/// counts, and one of white space alone is an empty object.
///
/// # Errors
/// As [`super::parse`].
pub fn tree(bytes: &[u8]) -> Result<Value, Error> {
    let text = Text::of(bytes)?;
    if js::is_blank(text.as_str()) {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    let tree = json5::plain(&json5::parse(&text)?.root);
    if tree.is_object() { Ok(tree) } else { Err(misfit()) }
}

/// What stands at a path of names and indexes.
pub fn at<'t>(tree: &'t Value, path: &[String]) -> Option<&'t Value> {
    path.iter().try_fold(tree, |at, name| match at {
        Value::Object(members) => members.get(name),
        Value::Array(elements) => elements.get(name.parse::<usize>().ok()?),
        _ => None,
    })
}

fn misfit() -> Error {
    Error::Shape("openclaw.json")
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

/// Takes a member away; whether its object is empty then.
fn remove_plain(at: &mut Value, path: &[String]) -> bool {
    let Some((name, rest)) = path.split_first() else { return false };
    match at {
        Value::Object(members) => {
            let gone = members.get_mut(name).is_some_and(|below| rest.is_empty() || remove_plain(below, rest));
            if gone {
                members.shift_remove(name);
            }
            gone && members.is_empty()
        }
        Value::Array(elements) => {
            if let Some(element) = name.parse().ok().and_then(|at: usize| elements.get_mut(at)) {
                remove_plain(element, rest);
            }
            false
        }
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
