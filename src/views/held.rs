//! What a gateway holds now, by name.

use super::digest::{check_written, of_env, of_store};
use super::{Digests, Error, Key, Kind};
use crate::formats::{self, Note, NoteKind, auth_profiles, dotenv};
use crate::secret::SecretBuf;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeMap;

/// A view as it was read.
pub struct Held {
    /// Profile id or name -> JSON text of the credential or of the value.
    pub entries: BTreeMap<String, Box<RawValue>>,
    /// Provider -> profile ids. `None` when nothing is said of orders: a gateway of era A2 keeps
    /// them in a file of its own, which is not there yet.
    pub order: Option<BTreeMap<String, Vec<String>>>,
    /// Digests of all that, and of what the gateway itself ignores.
    pub digests: Digests,
    /// What is there and cannot be taken, and why; without one of these reasons the gateway ignores it.
    pub flaws: BTreeMap<String, NoteKind>,
    /// The digests of the file alone, where a file beside it has other orders.
    pub alone: Option<Digests>,
}

impl Held {
    /// Reads a view; `state` is the `auth-state.json` beside it, which wins per provider.
    ///
    /// # Errors
    /// [`Error::Format`] when the bytes are no such view.
    pub fn read(key: &Key, kind: &Kind, bytes: &SecretBuf, state: Option<&SecretBuf>) -> Result<Self, Error> {
        match kind {
            Kind::AuthProfiles(_) => {
                let mut store = auth_profiles::parse(bytes.expose())?;
                let alone = of_store(key, kind, &store)?;
                if let Some(state) = state {
                    let state = auth_profiles::parse_state(state.expose())?;
                    check_written(&state.notes)?;
                    store.overlay(state);
                }
                let digests = of_store(key, kind, &store)?;
                let order = (state.is_some() || !store.order.is_empty()).then_some(store.order);
                let alone = (alone != digests).then_some(alone);
                let flaws = flaws(&store.notes);
                Ok(Self { entries: store.profiles.into_iter().collect(), order, digests, flaws, alone })
            }
            Kind::Env => {
                let env = dotenv::parse(bytes.expose())?;
                let digests = of_env(key, &env);
                let text = |value: &str| to_raw_value(value).map_err(|_| formats::Error::NotText);
                let entries =
                    env.entries.iter().map(|(name, value)| Ok((name.as_str().to_owned(), text(value.expose())?)));
                let entries = entries.collect::<Result<_, formats::Error>>()?;
                Ok(Self { entries, order: None, digests, flaws: flaws(&env.notes), alone: None })
            }
        }
    }
}

fn flaws(notes: &[Note]) -> BTreeMap<String, NoteKind> {
    let is_flaw = |note: &&Note| matches!(note.what, NoteKind::TooLarge | NoteKind::Nul | NoteKind::NotUtf8);
    notes.iter().filter(is_flaw).map(|note| (note.name.clone(), note.what)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::digests;
    use super::*;

    fn buf(text: impl AsRef<[u8]>) -> SecretBuf {
        SecretBuf::new(text.as_ref().to_vec())
    }

    #[test]
    fn an_empty_file_is_not_read_as_one_whose_entries_were_removed() {
        let kind = Kind::try_from("auth/main".to_owned()).unwrap();
        let (key, whole) = (Key::test(), buf(r#"{"profiles":{}}"#));
        for empty in ["", " \n"].map(buf) {
            assert!(Held::read(&key, &kind, &empty, None).is_err() && digests(&key, &kind, &empty).is_err());
            assert!(Held::read(&key, &kind, &whole, Some(&empty)).is_err());
        }
        assert!(Held::read(&key, &kind, &whole, None).is_ok());
    }

    /// Every flaw x both kinds of view: what is left out has no value, and is there all the same.
    #[test]
    fn what_is_left_out_was_not_removed() {
        let deep = format!("{}0{}", "[".repeat(99), "]".repeat(99));
        let profile = |token: &[u8], other: &str| {
            let start = [&br#"{"profiles":{"A":{"type":"token","provider":"x","token":""#[..], token, b"\""].concat();
            [start, format!(r#","other":{other}}}}}}}"#).into_bytes()].concat()
        };
        for (kind, text) in [
            ("auth/main", profile(b"t\\u0000", "0")),
            ("auth/main", profile(b"t\xff", "0")),
            ("auth/main", profile(b"t\\ud800", "0")),
            ("auth/main", profile(b"t", &deep)),
            ("env", b"A=1\0".to_vec()),
            ("env", b"A=1\xff".to_vec()),
            ("env", b"A=-----BEGIN X-----\nabc\n-----END X-----".to_vec()),
        ] {
            let kind = Kind::try_from(kind.to_owned()).unwrap();
            let held = Held::read(&Key::test(), &kind, &buf(&text), None).unwrap();
            assert!(held.entries.is_empty(), "{text:?}");
            assert_eq!(held.digests.entries.keys().collect::<Vec<_>>(), ["A"], "{text:?}");
        }
    }

    #[test]
    fn orders_come_from_the_state_beside_the_profiles_where_it_has_them() {
        let kind = Kind::try_from("auth/main".to_owned()).unwrap();
        let read = |view: &str, state: Option<&str>| {
            Held::read(&Key::test(), &kind, &buf(view), state.map(buf).as_ref()).unwrap()
        };
        let (plain, ordered) = (r#"{"profiles":{}}"#, r#"{"profiles":{},"order":{"p":["p:a"],"q":["q:a"]}}"#);
        assert!(read(plain, None).order.is_none());
        assert!(read(plain, Some("{}")).order.unwrap().is_empty());
        let held = read(ordered, Some(r#"{"order":{"p":["p:b"]}}"#));
        let order = held.order.unwrap();
        assert_eq!(
            (order.get("p").unwrap()[..].concat(), order.get("q").unwrap().concat()),
            ("p:b".into(), "q:a".into())
        );
        assert_eq!(held.alone.unwrap(), read(ordered, None).digests);
    }
}
