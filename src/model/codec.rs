//! The document's JSON, both ways: members in strictly increasing order, unknown ones kept.

use super::check::is_too_deep;
use super::raw::Name;
use super::vault::{SCHEMA, ScopeEntries, Vault};
use super::{Error, LazyMap, RawMap};
use crate::secret::Secret;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

fn required<T, E: serde::de::Error>(value: Option<T>) -> Result<T, E> {
    value.ok_or_else(|| E::custom("a member is missing"))
}

/// A document of another schema, or one that requires what we do not know, may break any
/// other rule too: that it is newer is the better answer.
pub(super) fn newer_or_malformed(text: &str, error: &serde_json::Error) -> Error {
    #[derive(serde::Deserialize)]
    struct Version<'a> {
        schema: u64,
        #[serde(borrow)]
        requires: Option<&'a RawValue>,
    }
    let any = |raw: &RawValue| {
        raw.get().starts_with('[') && !raw.get().trim_matches(['[', ']', ' ', '\n', '\r', '\t']).is_empty()
    };
    match serde_json::from_str::<Version<'_>>(text) {
        Ok(version) if version.schema > SCHEMA || version.requires.is_some_and(any) => Error::Newer,
        _ => Error::Malformed { line: error.line(), column: error.column() },
    }
}

pub(super) struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vault<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a vault")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Vault<'de>, A::Error> {
        let (mut schema, mut requires, mut vault_id, mut vault_secret) = (None::<u64>, None::<Vec<String>>, None, None);
        let (mut epoch, mut generation, mut rev, mut writers) = (None, None, None, None);
        let (mut created, mut updated, mut recipients, mut keys) = (None, None, None, None);
        let (mut scopes, mut env, mut config, mut meta) = (None::<Scopes<'de>>, None, None, None);
        let mut other = RawMap::default();
        let mut last = Name(Cow::Borrowed(""));
        while let Some(name) = members.next_key::<Name<'de>>()? {
            if name <= last {
                return Err(A::Error::custom("not in order"));
            }
            match name.0.as_ref() {
                "schema" => schema = Some(members.next_value()?),
                "requires" => requires = Some(small(members.next_value()?)?),
                "vault_id" => vault_id = Some(members.next_value()?),
                "vault_secret" => vault_secret = Some(Secret::new(members.next_value()?)),
                "epoch" => epoch = Some(members.next_value()?),
                "generation" => generation = Some(members.next_value()?),
                "rev" => rev = Some(members.next_value()?),
                "writers" => writers = Some(small(members.next_value()?)?),
                "created" => created = Some(members.next_value()?),
                "updated" => updated = Some(members.next_value()?),
                "recipients" => recipients = Some(small(members.next_value()?)?),
                "scopes" => scopes = Some(members.next_value()?),
                "env" => env = Some(members.next_value()?),
                "config" => config = Some(members.next_value()?),
                "meta" => meta = Some(LazyMap::Text(members.next_value()?)),
                "keys" => keys = Some(members.next_value()?),
                _ => {
                    let value: &'de RawValue = members.next_value()?;
                    if is_too_deep(value.get()) {
                        return Err(A::Error::custom("too deep"));
                    }
                    other.push(name.0.clone(), Cow::Borrowed(value));
                }
            }
            last = name;
        }
        if required::<_, A::Error>(schema)? != SCHEMA || !required::<_, A::Error>(requires.as_ref())?.is_empty() {
            return Err(A::Error::custom("newer"));
        }
        let vault = Vault {
            requires: required(requires)?,
            vault_id: required(vault_id)?,
            vault_secret: required(vault_secret)?,
            epoch: required(epoch)?,
            generation: required(generation)?,
            rev: required(rev)?,
            writers: required(writers)?,
            created: required(created)?,
            updated: required(updated)?,
            recipients: required(recipients)?,
            scopes: required(scopes)?.0,
            env: required(env)?,
            config: required(config)?,
            meta: required(meta)?,
            keys: required(keys)?,
            other,
        };
        if is_sound(&vault) { Ok(vault) } else { Err(A::Error::custom("not sound")) }
    }
}

/// `scopes`, whose names are in order like those of every map of ours.
struct Scopes<'a>(BTreeMap<String, ScopeEntries<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Scopes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ordered(deserializer).map(Self)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for ScopeEntries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;
        impl<'de> Visitor<'de> for Parts {
            type Value = ScopeEntries<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a scope")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<ScopeEntries<'de>, A::Error> {
                let mut scope = ScopeEntries::default();
                let mut last = Name(Cow::Borrowed(""));
                while let Some(name) = members.next_key::<Name<'de>>()? {
                    if name <= last {
                        return Err(A::Error::custom("not in order"));
                    }
                    match name.0.as_ref() {
                        "profiles" => scope.profiles = members.next_value()?,
                        "order" => scope.order = small::<Ordered<Vec<String>>, A::Error>(members.next_value()?)?.0,
                        _ => {
                            let value: &'de RawValue = members.next_value()?;
                            if is_too_deep(value.get()) {
                                return Err(A::Error::custom("too deep"));
                            }
                            scope.other.push(name.0.clone(), Cow::Borrowed(value));
                        }
                    }
                    last = name;
                }
                Ok(scope)
            }
        }
        deserializer.deserialize_map(Parts)
    }
}

/// Largest JSON text of the small members: whoever knows a recipient's public key can make a
/// file that opens, and its parsing must not cost more than its size.
const MAX_SMALL: usize = 256 * 1024;
/// Most scopes.
const MAX_SCOPES: usize = 1024;
/// Largest integer that every reader of JSON agrees on.
const MAX_INTEGER: u64 = (1 << 53) - 1;

fn small<T: serde::de::DeserializeOwned, E: serde::de::Error>(raw: &RawValue) -> Result<T, E> {
    if raw.get().len() > MAX_SMALL || is_too_deep(raw.get()) {
        return Err(E::custom("too large"));
    }
    serde_json::from_str(raw.get()).map_err(|_| E::custom("malformed member"))
}

/// Names that become file names are hexadecimal, integers are those of every reader.
fn is_sound(vault: &Vault<'_>) -> bool {
    let hex = |text: &str| text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let numbers = [vault.epoch, vault.generation, vault.created, vault.updated];
    let mut numbers = numbers.iter().chain(vault.writers.values());
    hex(&vault.rev) && vault.writers.keys().all(|host| hex(host)) && numbers.all(|number| *number <= MAX_INTEGER)
}

struct Ordered<T>(BTreeMap<String, T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ordered(deserializer).map(Self)
    }
}

/// A map whose names must strictly increase.
fn ordered<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error> {
    struct InOrder<T>(std::marker::PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for InOrder<T> {
        type Value = BTreeMap<String, T>;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some((name, value)) = entries.next_entry::<String, T>()? {
                if map.len() == MAX_SCOPES || map.last_key_value().is_some_and(|(last, _)| *last >= name) {
                    return Err(A::Error::custom("not in order"));
                }
                map.insert(name, value);
            }
            Ok(map)
        }
    }
    deserializer.deserialize_map(InOrder(std::marker::PhantomData))
}

impl Serialize for ScopeEntries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members: BTreeMap<&str, Member<'_>> =
            self.other.iter().map(|(name, value)| (name, Member::Raw(value))).collect();
        members.insert("order", Member::Order(&self.order));
        members.insert("profiles", Member::Map(&self.profiles));
        serializer.collect_map(members)
    }
}

/// The members of an object, ours and others, to be written in one order.
#[derive(serde::Serialize)]
#[serde(untagged)]
enum Member<'a> {
    Raw(&'a RawValue),
    Owned(Box<RawValue>),
    Map(&'a RawMap<'a>),
    Lazy(&'a LazyMap<'a>),
    Order(&'a BTreeMap<String, Vec<String>>),
    Scopes(&'a BTreeMap<String, ScopeEntries<'a>>),
}

impl Serialize for Vault<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fn owned<E: serde::ser::Error>(value: &impl Serialize) -> Result<Member<'static>, E> {
            to_raw_value(value).map(Member::Owned).map_err(|_| E::custom("cannot be written"))
        }
        let keys = BTreeMap::from([("ledger", self.keys.ledger.expose()), ("log", self.keys.log.expose())]);
        let mut members: BTreeMap<&str, Member<'_>> =
            self.other.iter().map(|(name, value)| (name, Member::Raw(value))).collect();
        members.extend([
            ("config", Member::Map(&self.config)),
            ("created", owned(&self.created)?),
            ("env", Member::Map(&self.env)),
            ("epoch", owned(&self.epoch)?),
            ("generation", owned(&self.generation)?),
            ("keys", owned(&keys)?),
            ("meta", Member::Lazy(&self.meta)),
            ("recipients", owned(&self.recipients)?),
            ("requires", owned(&self.requires)?),
            ("rev", owned(&self.rev)?),
            ("schema", owned(&SCHEMA)?),
            ("scopes", Member::Scopes(&self.scopes)),
            ("updated", owned(&self.updated)?),
            ("vault_id", owned(&self.vault_id)?),
            ("vault_secret", owned(&self.vault_secret.expose())?),
            ("writers", owned(&self.writers)?),
        ]);
        let mut map = serializer.serialize_map(Some(members.len()))?;
        for (name, member) in &members {
            map.serialize_entry(name, member)?;
        }
        map.end()
    }
}
