//! The document: reading it borrowed, writing it canonical.

use super::check::MAX_ENTRIES;
use super::codec::{Members, newer_or_malformed};
use super::{Credential, Error, LazyMap, RawMap, Recipient, SecretId};
use crate::secret::{Secret, SecretBuf};
use serde::de::Deserializer;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The format version that this code reads and writes.
pub(super) const SCHEMA: u64 = 1;
/// The member that marks such a save.
pub const RESEALING: &str = "resealing";
/// Payloads below this size are padded to steps of [`STEP`], larger ones to Padme sizes.
const PADME_FROM: usize = 64 * 1024;
const STEP: usize = 4096;

/// What the vault knows of one agent, or of the shared store.
#[derive(Debug, Default)]
pub struct ScopeEntries<'a> {
    /// Profile id -> credential, as the gateway wrote it.
    pub profiles: RawMap<'a>,
    /// Provider -> profile ids, in the order of use.
    pub order: BTreeMap<String, Vec<String>>,
    pub(super) other: RawMap<'a>,
}

impl ScopeEntries<'_> {
    pub(super) fn to_static(&self) -> ScopeEntries<'static> {
        let (profiles, other) = (self.profiles.to_static(), self.other.to_static());
        ScopeEntries { profiles, order: self.order.clone(), other }
    }
}

/// Keys of local records about this vault: 32 random bytes each, base64.
#[derive(Deserialize)]
pub struct Keys {
    #[serde(deserialize_with = "secret")]
    pub(super) ledger: Secret,
    #[serde(deserialize_with = "secret")]
    pub(super) log: Secret,
}

impl Keys {
    /// The keys of a new vault.
    pub fn new(ledger: Secret, log: Secret) -> Self {
        Self { ledger, log }
    }

    /// The key of the ledger's digests.
    pub fn ledger(&self) -> &Secret {
        &self.ledger
    }
}

/// When and whence a secret came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Meta {
    /// Unix seconds.
    pub added: u64,
    /// Unix seconds of the last change, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<u64>,
    /// The command that brought it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    #[serde(flatten)]
    pub(super) other: BTreeMap<String, serde_json::Value>,
}

impl Meta {
    /// Of a secret that is new now.
    pub fn new(added: u64, source: &str) -> Self {
        Self { added, source: source.to_owned(), ..Self::default() }
    }
}

/// The decrypted document. Values are slices of the text that it was read from.
pub struct Vault<'a> {
    /// Features that a reader must know.
    pub requires: Vec<String>,
    /// The vault's id.
    pub vault_id: String,
    /// 32 random bytes, base64: what a writer must know.
    pub vault_secret: Secret,
    /// Counts the changes of `vault_secret`.
    pub epoch: u64,
    /// Counts the saves.
    pub generation: u64,
    /// Random name of this save.
    pub rev: String,
    /// Host id -> number of its saves.
    pub writers: BTreeMap<String, u64>,
    /// Unix seconds.
    pub created: u64,
    /// Unix seconds of the last save.
    pub updated: u64,
    /// Who can open it.
    pub recipients: Vec<Recipient>,
    /// Profiles by scope.
    pub scopes: BTreeMap<String, ScopeEntries<'a>>,
    /// Env entries: name -> JSON string.
    pub env: RawMap<'a>,
    /// Configuration secrets: encoded path -> JSON string.
    pub config: RawMap<'a>,
    /// Secret id -> [`Meta`].
    pub meta: LazyMap<'a>,
    /// Keys of local records.
    pub keys: Keys,
    /// Succession, tags, lineage, checklist, and members of a newer agevault.
    pub other: RawMap<'a>,
}

impl<'a> Vault<'a> {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Bound`], [`Error::Newer`].
    pub fn parse(text: &'a str) -> Result<Self, Error> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let vault = reader.deserialize_map(Members).map_err(|error| newer_or_malformed(text, &error))?;
        reader.end()?;
        if vault.entries() > MAX_ENTRIES {
            return Err(Error::Bound("number of entries", MAX_ENTRIES));
        }
        Ok(vault)
    }

    /// How many entries there are of all kinds.
    pub fn entries(&self) -> usize {
        self.scopes.values().map(|scope| scope.profiles.len()).sum::<usize>() + self.env.len() + self.config.len()
    }

    /// The payload, padded. `hint` is the expected size in bytes.
    ///
    /// # Errors
    /// A bound of F7, so that nothing is written that cannot be read.
    pub fn render(&self, hint: usize) -> Result<SecretBuf, Error> {
        let mut text = Vec::with_capacity(hint + hint / 8 + 2 * STEP);
        serde_json::to_writer(&mut text, self)?;
        pad(&mut text);
        let text = SecretBuf::new(text);
        if text.expose().len() > super::MAX_PAYLOAD {
            return Err(Error::Bound("vault size", super::MAX_PAYLOAD));
        }
        if self.entries() > MAX_ENTRIES {
            return Err(Error::Bound("number of entries", MAX_ENTRIES));
        }
        Ok(text)
    }

    /// The JSON text of one secret: a credential object, or a string.
    pub fn get(&self, id: &SecretId) -> Option<&RawValue> {
        self.contents().get(id)
    }

    /// The one text that stands for an entry: a value, a key, a token. `None` for OAuth, and for no entry.
    pub fn text(&self, id: &SecretId) -> Option<Secret> {
        let raw = self.get(id)?;
        if let SecretId::Auth(_, profile) = id {
            let credential = Credential::parse(profile, raw).ok()?;
            return credential.text(credential.kind()?.secret_member()?);
        }
        super::text(raw)
    }

    /// When and whence a secret came.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the map of these records is.
    pub fn meta_of(&mut self, id: &SecretId) -> Result<Meta, Error> {
        let raw = self.meta.read()?.get(&id.to_string());
        Ok(raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default())
    }

    /// Whether its last save was a capture.
    pub fn is_captured(&self) -> bool {
        self.other.get(super::change::CAPTURED).is_some_and(|raw| raw.get() == "true")
    }

    /// Every secret id, in the order of `list`. Names that are not valid ids are left out.
    pub fn ids(&self) -> impl Iterator<Item = SecretId> {
        self.contents().ids()
    }
}

/// Pads with spaces, which JSON ignores, so that sizes tell little.
pub fn pad(text: &mut Vec<u8>) {
    let len = text.len();
    let padded = if len <= PADME_FROM {
        len.next_multiple_of(STEP).max(STEP)
    } else {
        // Padme (Nikitin et al. 2019): at most 12 % more, O(log log n) bits of the size leak.
        let exponent = len.ilog2();
        let kept = exponent.ilog2() + 1;
        len.next_multiple_of(1 << (exponent - kept)).next_multiple_of(STEP)
    };
    text.resize(padded, b' ');
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

/// The id of a vault as the name of a file: only the canonical form of a UUID, never a path.
///
/// # Errors
/// [`Error::Malformed`].
pub fn file_stem(vault_id: &str) -> Result<&str, Error> {
    let id = uuid::Uuid::try_parse(vault_id).ok().map(|id| id.hyphenated().to_string());
    if id.as_deref() == Some(vault_id) { Ok(vault_id) } else { Err(Error::Malformed { line: 1, column: 1 }) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::model) const SMALL: &str = r#"{"config":{},"created":1,"env":{"A":"x"},"epoch":0,"future":{"z":[1, 2]},"generation":1,"keys":{"ledger":"bGVkZ2Vy","log":"bG9n"},"meta":{},"recipients":[],"requires":[],"rev":"00","schema":1,"scopes":{"main":{"hint":7,"order":{},"profiles":{"p":{"type":"api_key","b" : 1}}}},"updated":1,"vault_id":"v","vault_secret":"s","writers":{}}"#;

    #[test]
    fn unknown_members_and_spelling_survive_a_save() {
        let vault = Vault::parse(SMALL).expect("vault");
        let saved = vault.render(SMALL.len()).expect("payload");
        assert_eq!(saved.text().expect("text").trim_end(), SMALL);
        assert_eq!(saved.expose().len(), STEP);
    }

    #[test]
    fn a_newer_vault_is_named_as_such() {
        for newer in
            [SMALL.replace("\"schema\":1", "\"schema\":2"), SMALL.replace("\"requires\":[]", "\"requires\":[\"x\"]")]
        {
            assert_eq!(Vault::parse(&newer).err(), Some(Error::Newer));
        }
    }

    #[test]
    fn a_missing_member_or_a_second_one_is_malformed() {
        for broken in [
            SMALL.replace("\"epoch\":0,", ""),
            SMALL.replace("\"epoch\":0,", "\"epoch\":0,\"epoch\":0,"),
            SMALL.replace("\"epoch\":0", "\"epoch\":-1"),
            SMALL.replace("{\"A\":\"x\"}", "{\"A\":\"x\",\"A\":\"y\"}"),
            SMALL.replace("{\"hint\":7,", "{\"order\":{},"),
        ] {
            assert!(matches!(Vault::parse(&broken), Err(Error::Malformed { .. })), "{broken}");
        }
    }

    #[test]
    fn padding_hides_small_sizes_and_wastes_little_of_large_ones() {
        for (len, padded) in [(0, STEP), (1, STEP), (STEP, STEP), (STEP + 1, 2 * STEP), (PADME_FROM, PADME_FROM)] {
            let mut text = vec![b'x'; len];
            pad(&mut text);
            assert_eq!(text.len(), padded);
        }
        for len in [PADME_FROM + 1, 1_000_000, 5_000_001] {
            let mut text = vec![b'x'; len];
            pad(&mut text);
            assert!(text.len() >= len && text.len() < len + len / 8 + STEP && text.len() % STEP == 0);
        }
    }

    #[test]
    fn a_label_must_mean_the_same_recipient_when_it_is_taken_away_or_renamed() {
        use crate::model::{Change, Error, Label, Op, Recipient};
        let label = |name: &str| Label::parse(name).expect("a label");
        let vault = |owners: [(&str, &str); 2]| {
            let mut vault = Vault::parse(SMALL).expect("vault");
            vault.recipients =
                owners.map(|(name, public)| Recipient::new(label(name), public.to_owned(), None, 1)).to_vec();
            vault
        };
        let (seen, now) = (vault([("bob", "age1b"), ("eve", "age1e")]), vault([("eve", "age1b"), ("bob", "age1e")]));
        for op in [Op::RemoveRecipient(label("eve")), Op::RenameRecipient(label("eve"), label("out"))] {
            let change = Change::of(op);
            assert!(change.check_against(&seen, &seen).is_ok());
            assert!(matches!(change.check_against(&seen, &now), Err(Error::Conflict(_))));
        }
    }
}
