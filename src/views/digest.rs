//! Keyed digests of the fields of a view: they tell whether a value changed, not which it is.

use super::{Error, Kind};
use crate::formats::auth_profiles::{self, Store};
use crate::formats::dotenv::{self, Env, UnreadKind};
use crate::formats::{self, Note, NoteKind};
use crate::model::{self, Credential, SecretId, Vault};
use crate::secret::{Secret, SecretBuf};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::Sha256;
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

const LABEL: &[u8] = b"agevault/ledger/v1";
const DERIVE: &[u8] = b"agevault/ledger-key/v1";
/// Deeper than a vault may be, values are compared by their text.
const MAX_DEPTH: usize = crate::model::MAX_DEPTH;

/// The key of a vault's ledger.
pub struct Key(Zeroizing<Vec<u8>>);

impl Key {
    /// The current key. It changes with the vault secret.
    pub fn of(vault: &Vault<'_>) -> Self {
        Self::of_secret(&vault.vault_secret)
    }

    /// The key that follows from a vault secret.
    pub fn of_secret(secret: &Secret) -> Self {
        // HMAC accepts keys of any length.
        let mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes());
        let key = mac.map(|mac| mac.chain_update(DERIVE).finalize().into_bytes().to_vec());
        Self(Zeroizing::new(key.unwrap_or_default()))
    }

    /// A name that identifies the key without revealing it.
    pub fn name(&self) -> String {
        self.digest([b"name of a key", b"", b"", b"", b""]).chars().take(16).collect()
    }

    /// A key that lasts as long as the vault, for digests that are compared at once or shown.
    ///
    /// # Errors
    /// [`model::Error::Malformed`] when it is not base64.
    pub fn lasting(vault: &Vault<'_>) -> Result<Self, model::Error> {
        let key = BASE64_STANDARD_NO_PAD.decode(vault.keys.ledger().expose());
        key.map(|key| Self(Zeroizing::new(key))).map_err(|_| model::Error::Malformed { line: 1, column: 1 })
    }

    /// Eight hexadecimal digits that show a person whether two values differ.
    pub fn short(&self, id: &SecretId, raw: &RawValue) -> String {
        let id = id.to_string();
        let digest = self.digest([b"short", b"entry", id.as_bytes(), b"value", &canonical(raw.get())]);
        let bytes = BASE64_STANDARD_NO_PAD.decode(digest).unwrap_or_default();
        bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }

    #[cfg(test)]
    pub(super) fn test() -> Self {
        Self(Zeroizing::new(b"a key of a test".to_vec()))
    }

    /// HMAC-SHA256 over the parts, each with its length before it.
    fn digest(&self, parts: [&[u8]; 5]) -> String {
        // HMAC accepts keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(LABEL);
        for part in parts {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part);
        }
        BASE64_STANDARD_NO_PAD.encode(mac.finalize().into_bytes())
    }
}

/// Digests of what a view holds. State of the gateway is not part of it (F6).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// Profile id -> member -> digest; for an env entry the only member is `value`.
    pub entries: BTreeMap<String, BTreeMap<String, String>>,
    /// Provider -> digest of its list.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub order: BTreeMap<String, String>,
}

/// The digests of a view.
///
/// # Errors
/// [`Error::Format`] when the bytes are no such view.
pub fn digests(key: &Key, kind: &Kind, bytes: &SecretBuf) -> Result<Digests, Error> {
    match kind {
        Kind::AuthProfiles(_) => of_store(key, kind, &auth_profiles::parse(bytes.expose())?),
        Kind::Env => Ok(of_env(key, &dotenv::parse(bytes.expose())?)),
    }
}

/// Refuses an empty file: it is half written, and must not look as if its entries had been removed.
///
/// # Errors
/// [`Error::Format`].
pub(super) fn check_written(notes: &[Note]) -> Result<(), Error> {
    let is_empty = notes.iter().any(|note| note.what == NoteKind::Empty);
    if is_empty { Err(Error::Format(formats::Error::Shape("view"))) } else { Ok(()) }
}

/// The digests of one entry: of each member of a credential, or of the one `value` of any other.
///
/// # Errors
/// A credential that cannot be read.
pub fn fields(key: &Key, id: &SecretId, raw: &RawValue) -> Result<BTreeMap<String, String>, model::Error> {
    let entry = id.to_string();
    let digest = |name: &str, value: &RawValue| {
        key.digest([b"entry of a vault", b"entry", entry.as_bytes(), name.as_bytes(), &canonical(value.get())])
    };
    let SecretId::Auth(_, profile) = id else {
        return Ok(BTreeMap::from([("value".to_owned(), digest("value", raw))]));
    };
    let credential = Credential::parse(profile, raw)?;
    Ok(credential.members().map(|(name, value)| (name.to_owned(), digest(name, value))).collect())
}

/// The same of profiles that were read.
pub(super) fn of_store(key: &Key, kind: &Kind, store: &Store) -> Result<Digests, Error> {
    check_written(&store.notes)?;
    let mut digester = Digester { key, view: String::from(kind.clone()), digests: Digests::default() };
    digester.store(store)?;
    Ok(digester.digests)
}

/// The same of a `.env` that was read.
pub(super) fn of_env(key: &Key, env: &Env) -> Digests {
    let mut digester = Digester { key, view: String::from(Kind::Env), digests: Digests::default() };
    digester.env(env);
    digester.digests
}

struct Digester<'k> {
    key: &'k Key,
    view: String,
    digests: Digests,
}

impl Digester<'_> {
    fn store(&mut self, store: &Store) -> Result<(), Error> {
        // What refers to the vault has nothing that could be lost, and changes with the vault only.
        let referred = |raw: &RawValue| auth_profiles::referred(raw).is_some();
        let references: BTreeSet<&String> =
            store.profiles.iter().filter(|(_, raw)| referred(raw)).map(|(profile, _)| profile).collect();
        for (profile, raw) in store.profiles.iter().filter(|(profile, _)| !references.contains(profile)) {
            self.members(profile);
            for (member, value) in Credential::parse(profile, raw)?.members() {
                self.field(profile, member, &canonical(value.get()));
            }
        }
        for (provider, profiles) in &store.order {
            let list = serde_json::to_vec(profiles).unwrap_or_default();
            let digest = self.key.digest([self.view.as_bytes(), b"order", provider.as_bytes(), b"", &list]);
            self.digests.order.insert(provider.clone(), digest);
        }
        // What the gateway ignores is in the file all the same.
        for note in store.notes.iter().filter(|note| !note.name.is_empty() && !references.contains(&note.name)) {
            self.members(&note.name);
        }
        Ok(())
    }

    fn env(&mut self, env: &Env) {
        for (name, value) in &env.entries {
            self.field(name.as_str(), "value", value.expose().as_bytes());
        }
        for note in &env.notes {
            match (note.what, note.lines) {
                // What was left out is in the file all the same, and was not removed.
                (NoteKind::Nul | NoteKind::NotUtf8 | NoteKind::TooLarge | NoteKind::Torn, _) => {
                    self.members(&note.name);
                }
                (NoteKind::NotAName, Some((line, _))) => {
                    self.members(&format!("line {line}"));
                }
                _ => {}
            }
        }
        for unread in env.unread.iter().filter(|unread| unread.kind != UnreadKind::Torn) {
            self.members(&format!("line {}", unread.lines.0));
        }
    }

    fn members(&mut self, entry: &str) -> &mut BTreeMap<String, String> {
        self.digests.entries.entry(entry.to_owned()).or_default()
    }

    fn field(&mut self, entry: &str, name: &str, value: &[u8]) {
        let digest = self.key.digest([self.view.as_bytes(), b"entry", entry.as_bytes(), name.as_bytes(), value]);
        self.members(entry).insert(name.to_owned(), digest);
    }
}

/// The text that all spellings of a JSON value share once JavaScript has read them: no white
/// space, members sorted, the last of equal names, numbers as doubles.
fn canonical(text: &str) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    push_canonical(text, MAX_DEPTH, &mut out);
    out
}

fn push_canonical(text: &str, depth: usize, out: &mut Vec<u8>) {
    let text = text.trim();
    let known = match (text.as_bytes().first(), depth.checked_sub(1)) {
        (Some(b'{'), Some(depth)) => push_object(text, depth, out),
        (Some(b'['), Some(depth)) => push_array(text, depth, out),
        (Some(b'"'), _) => push_string(text, out),
        (Some(b'-' | b'0'..=b'9'), _) => push_number(text, out),
        _ => None,
    };
    if known.is_none() {
        out.extend_from_slice(text.as_bytes());
    }
}

fn push_object(text: &str, depth: usize, out: &mut Vec<u8>) -> Option<()> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
    out.push(b'{');
    for (name, value) in members {
        serde_json::to_writer(&mut *out, &name).ok()?;
        out.push(b':');
        push_canonical(value.get(), depth, out);
        out.push(b',');
    }
    out.push(b'}');
    Some(())
}

fn push_array(text: &str, depth: usize, out: &mut Vec<u8>) -> Option<()> {
    let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    out.push(b'[');
    for item in items {
        push_canonical(item.get(), depth, out);
        out.push(b',');
    }
    out.push(b']');
    Some(())
}

fn push_string(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let text: Zeroizing<String> = Zeroizing::new(serde_json::from_str(text).ok()?);
    serde_json::to_writer(out, text.as_str()).ok()
}

fn push_number(text: &str, out: &mut Vec<u8>) -> Option<()> {
    // The standard library rounds as JavaScript does; serde_json's default does not always.
    let number: f64 = text.parse().ok()?;
    // JavaScript writes an infinity as null, and -0 as 0.
    let text = if number.is_finite() { (number + 0.0).to_string() } else { "null".to_owned() };
    out.extend_from_slice(text.as_bytes());
    Some(())
}

/// The names that two maps have, in order.
pub(super) fn names<'m, V>(one: &'m BTreeMap<String, V>, other: &'m BTreeMap<String, V>) -> BTreeSet<&'m String> {
    one.keys().chain(other.keys()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_that_javascript_reads_alike_are_one() {
        for (one, other) in [
            ("{ \"b\":1, \"a\" : [ 1 , 2 ] }", "{\"a\":[1,2],\"b\":1}"),
            ("{\"a\":1,\"a\":2}", "{\"a\":2}"),
            ("\"\\u0041\\/\"", "\"A/\""),
            ("1750000000000.0", "1.75e12"),
            ("0.1000000000000000055511151231257827", "0.1"),
            ("-0", "0"),
            ("1e999", "null"),
        ] {
            assert_eq!(canonical(one), canonical(other), "{one}");
        }
        for (one, other) in [("\"1\"", "1"), ("[1,2]", "[2,1]"), ("[[1],2]", "[[1,2]]"), ("null", "\"null\"")] {
            assert_ne!(canonical(one), canonical(other), "{one}");
        }
        assert_eq!(&*canonical("\"\\ud800\""), b"\"\\ud800\"");
    }

    #[test]
    fn deep_values_end_the_walk() {
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        assert!(canonical(&deep).ends_with(b"]"));
    }
}
