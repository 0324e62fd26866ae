//! One way to open the vault, as the payload describes it.

use super::Error;
use serde::{Deserialize, Serialize};

/// How the public half of an SSH key begins.
const SSH: &str = "ssh-ed25519 ";
/// Longest public half, in bytes.
const MAX_PUBLIC: usize = 4096;

/// The name by which a person speaks of a recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Label(String);

impl TryFrom<String> for Label {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a label")
    }
}

impl Label {
    /// Maximum number of characters.
    pub const MAX: usize = 64;

    /// 1 to 64 characters, none of them a control character, none at the edges white space.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::MAX).contains(&text.chars().count());
        let clean = !text.chars().any(|character| character.is_control() || is_invisible(character));
        (fits && clean && text.trim() == text).then(|| Self(text.to_owned()))
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Marks that reorder or hide text on a terminal.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// What kind of key opens the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecipientKind {
    /// A native age key pair.
    X25519,
    /// A passphrase.
    Passphrase,
    /// An SSH key.
    Ssh,
    /// What a plugin opens, a key on hardware for instance.
    Plugin,
}

impl RecipientKind {
    /// The word in `--json` and on the terminal.
    pub fn word(self) -> &'static str {
        match self {
            Self::X25519 => "x25519",
            Self::Passphrase => "passphrase",
            Self::Ssh => "ssh",
            Self::Plugin => "plugin",
        }
    }
}

/// Salt and costs of a passphrase recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kdf {
    /// 16 bytes, unpadded standard base64.
    pub salt: String,
    /// Memory in KiB.
    pub m: u32,
    /// Passes.
    pub t: u32,
    /// Lanes.
    pub p: u32,
}

/// One recipient of the vault.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recipient {
    /// Its name; unique in the vault.
    pub label: Label,
    /// What it is.
    pub kind: RecipientKind,
    /// The public half, `age1...`, `age1NAME1...` or `ssh-ed25519 AAAA...`.
    #[serde(deserialize_with = "public")]
    pub public: String,
    /// Only for passphrases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kdf: Option<Kdf>,
    /// When it was added, in Unix seconds.
    pub added: u64,
    /// Members that a newer agevault wrote.
    #[serde(flatten)]
    other: serde_json::Map<String, serde_json::Value>,
}

impl Recipient {
    /// A recipient added now.
    pub fn new(label: Label, public: String, kdf: Option<Kdf>, added: u64) -> Self {
        let kind = match &kdf {
            Some(_) => RecipientKind::Passphrase,
            None if public.starts_with(SSH) => RecipientKind::Ssh,
            // The part before the last 1 is the plugin's name.
            None if public.rsplit_once('1').is_some_and(|(name, _)| name != "age") => RecipientKind::Plugin,
            None => RecipientKind::X25519,
        };
        Self { label, kind, public, kdf, added, other: serde_json::Map::new() }
    }

    /// The memory that opening needs, in MiB; 0 for keys.
    pub fn memory_mib(&self) -> u32 {
        self.kdf.as_ref().map_or(0, |kdf| kdf.m.div_ceil(1024))
    }
}

/// Bech32, or base64 behind the one type of SSH keys: it is shown, and written to headers.
fn public<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bech32 = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-._".contains(&byte);
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    let plain = match text.strip_prefix(SSH) {
        Some(key) => key.bytes().all(base64),
        None => text.bytes().all(bech32),
    };
    if plain && text.len() <= MAX_PUBLIC { Ok(text) } else { Err(serde::de::Error::custom("not a recipient")) }
}

/// The recipients with one more.
pub(super) fn add(recipients: &mut Vec<Recipient>, new: Recipient) -> Result<(), Error> {
    if let Some(have) = recipients.iter().find(|have| have.label == new.label || have.public == new.public) {
        return Err(Error::Taken(have.label.as_str().to_owned()));
    }
    recipients.push(new);
    Ok(())
}

/// The index of the recipient with this label.
pub(super) fn position(recipients: &[Recipient], label: &Label) -> Result<usize, Error> {
    let found = recipients.iter().position(|have| have.label == *label);
    found.ok_or_else(|| Error::NoEntry(label.as_str().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_plain_words() {
        for good in ["laptop", "ops team (Anna)", "пароль"] {
            assert!(Label::parse(good).is_some(), "{good}");
        }
        let long = "x".repeat(65);
        for bad in ["", " a", "a\n", "a\u{202e}b", "a\u{7}", long.as_str()] {
            assert!(Label::parse(bad).is_none(), "{bad:?}");
        }
    }
}
