//! One credential as the gateway keeps it: its members in their order, unknown ones too.

use super::raw::{Name, members};
use super::{Error, RawMap};
use crate::secret::Secret;
use serde::de::{Deserialize, Deserializer};
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;
use std::fmt;

/// Most members of one credential.
pub const MAX_MEMBERS: usize = 256;

/// The type of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A key that does not expire.
    ApiKey,
    /// A bearer token, perhaps with an expiry.
    Token,
    /// Access and refresh tokens.
    Oauth,
}

impl Kind {
    /// The word of the gateway.
    pub fn word(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Token => "token",
            Self::Oauth => "oauth",
        }
    }

    /// The member that holds the secret, if there is one that stands for the whole.
    pub fn secret_member(self) -> Option<&'static str> {
        match self {
            Self::ApiKey => Some("key"),
            Self::Token => Some("token"),
            Self::Oauth => None,
        }
    }
}

/// Whether two JSON texts mean the same; members in another order do.
pub fn same_json(one: &RawValue, other: &RawValue) -> bool {
    let value = |raw: &RawValue| serde_json::from_str::<serde_json::Value>(raw.get()).ok();
    one.get() == other.get() || value(one).is_some_and(|one| value(other) == Some(one))
}

/// A JSON text, read.
pub fn text(raw: &RawValue) -> Option<Secret> {
    serde_json::from_str(raw.get()).ok().map(Secret::new)
}

/// Whether it is a login.
pub fn is_oauth(raw: &RawValue) -> bool {
    Credential::parse("", raw).is_ok_and(|credential| credential.kind() == Some(Kind::Oauth))
}

/// Whether a credential has a refresh token that could be one.
pub fn has_refresh(raw: &RawValue) -> bool {
    let refresh = Credential::parse("", raw).ok().and_then(|credential| credential.text("refresh"));
    // The gateway's language calls U+FEFF white space too.
    let is_blank = |character: char| character.is_whitespace() || character == '\u{feff}';
    refresh.is_some_and(|text| !text.expose().chars().all(is_blank))
}

/// The members of a credential, read without a copy; by default none.
#[derive(Default)]
pub struct Credential<'a>(Vec<(Cow<'a, str>, Cow<'a, RawValue>)>);

/// A member as [`Credential::members`] gives it: name and JSON text.
pub type Member<'b> = (&'b str, &'b RawValue);

impl<'a> Credential<'a> {
    /// Reads the JSON text of a credential.
    ///
    /// # Errors
    /// [`Error::Duplicate`] with `name` for a member that occurs twice,
    /// [`Error::Malformed`] for anything but an object.
    pub fn parse(name: &str, raw: &'a RawValue) -> Result<Self, Error> {
        let members: Members<'a> = serde_json::from_str(raw.get())?;
        let mut names: Vec<&str> = members.0.iter().map(|(name, _)| name.as_ref()).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(Error::Duplicate(name.to_owned()));
        }
        Ok(Self(members.0))
    }

    /// A new credential of a kind and provider, without its secret.
    pub fn new(kind: Kind, provider: &str) -> Self {
        let mut credential = Self(Vec::new());
        credential.put("type", &kind.word());
        credential.put("provider", &provider);
        credential
    }

    /// The JSON text of a member.
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_ref())
    }

    /// A member that is a string.
    pub fn text(&self, name: &str) -> Option<Secret> {
        text(self.get(name)?)
    }

    /// A member that is a finite number.
    pub fn number(&self, name: &str) -> Option<f64> {
        serde_json::from_str(self.get(name)?.get()).ok().filter(|number: &f64| number.is_finite())
    }

    /// What it says it is, `None` for a type that no gateway knows.
    pub fn kind(&self) -> Option<Kind> {
        match self.text("type")?.expose() {
            "api_key" => Some(Kind::ApiKey),
            "token" => Some(Kind::Token),
            "oauth" => Some(Kind::Oauth),
            _ => None,
        }
    }

    /// Whose credential it is; not a secret.
    pub fn provider(&self) -> String {
        self.text("provider").map(|text| text.expose().to_owned()).unwrap_or_default()
    }

    /// Sets a member, in its place or at the end.
    pub fn put(&mut self, name: &str, value: &impl serde::Serialize) {
        // A string, number or map of strings always has a JSON text.
        if let Ok(raw) = to_raw_value(value) {
            match self.0.iter_mut().find(|(have, _)| have == name) {
                Some(entry) => entry.1 = Cow::Owned(raw),
                None => self.0.push((Cow::Owned(name.to_owned()), Cow::Owned(raw))),
            }
        }
    }

    /// Gives a member another name, in its place.
    pub fn rename(&mut self, from: &str, to: &str) {
        if let Some(entry) = self.0.iter_mut().find(|(have, _)| have == from) {
            entry.0 = Cow::Owned(to.to_owned());
        }
    }

    /// Takes a member away.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(have, _)| have != name);
    }

    /// Takes away the members that `keep` does not want, by name and JSON text.
    pub fn retain(&mut self, keep: impl Fn(&str, &RawValue) -> bool) {
        self.0.retain(|(name, value)| keep(name, value));
    }

    /// All members in their order.
    pub fn members(&self) -> impl Iterator<Item = Member<'_>> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// The JSON text of the whole.
    ///
    /// # Errors
    /// [`Error::Bound`] when it is longer than a value may be.
    pub fn to_raw(&self) -> Result<Box<RawValue>, Error> {
        struct InOrder<'b, 'a>(&'b Credential<'a>);
        impl serde::Serialize for InOrder<'_, '_> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.members())
            }
        }
        let raw = to_raw_value(&InOrder(self))?;
        if raw.get().len() > super::MAX_VALUE { Err(Error::Bound("value size", super::MAX_VALUE)) } else { Ok(raw) }
    }
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Credential({} members)", self.0.len())
    }
}

struct Members<'a>(Vec<(Cow<'a, str>, Cow<'a, RawValue>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut found = Vec::new();
        members(deserializer, |Name(name), value| {
            found.push((name, Cow::Borrowed(value)));
            if found.len() > MAX_MEMBERS { Err("too many members") } else { Ok(()) }
        })?;
        Ok(Self(found))
    }
}

/// The profiles of a map that can be read as credentials.
impl<'m> RawMap<'m> {
    /// Each profile with its credential; one that cannot be read is an error with its name.
    pub fn credentials(&self) -> impl Iterator<Item = (&str, Result<Credential<'_>, Error>)> {
        self.iter().map(|(name, raw)| (name, Credential::parse(name, raw)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).expect("json")
    }

    #[test]
    fn unknown_members_keep_their_place_and_bytes() {
        let text = r#"{"type":"token","zeta":{"b" : 1},"token":"t","provider":"p"}"#;
        let raw = raw(text);
        let mut credential = Credential::parse("p", &raw).expect("credential");
        assert_eq!(credential.to_raw().expect("raw").get(), text);
        credential.put("token", &"new");
        credential.put("expires", &5);
        let expected = r#"{"type":"token","zeta":{"b" : 1},"token":"new","provider":"p","expires":5}"#;
        assert_eq!(credential.to_raw().expect("raw").get(), expected);
    }

    #[test]
    fn values_that_cannot_be_read_are_the_same_only_byte_by_byte() {
        let same = |one: &str, other: &str| same_json(&raw(one), &raw(other));
        assert!(same(r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#));
        assert!(same(r#"{"a":1e999}"#, r#"{"a":1e999}"#));
        assert!(!same(r#"{"a":1e999}"#, r#"{"b":1e999}"#));
    }

    #[test]
    fn a_member_that_stands_there_twice_is_refused() {
        let raw = raw(r#"{"type":"api_key","key":"a","k\u0065y":"b"}"#);
        assert_eq!(Credential::parse("p", &raw).err(), Some(Error::Duplicate("p".to_owned())));
    }
}
