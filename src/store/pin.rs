//! Pins: they distinguish a vault from one that was forged with its public keys.

use super::{Error, random};
use crate::model::{MAX_LINKS, Rotation, SUCCESSION, Vault};
use crate::secret::Secret;
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

const LABEL: &[u8] = b"agevault/pin/v1";
const LINK_LABEL: &[u8] = b"agevault/succession/v1";
/// Bytes of a pin that its fingerprint shows: 128 bits, against second preimages.
const SHOWN: usize = 16;

/// SHA-256(label || vault id || vault secret). Shown as the fingerprint of its first 128 bits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pin(String);

impl Pin {
    /// The pin of a vault.
    ///
    /// # Errors
    /// [`crate::model::Error::Malformed`] when its secret is not 32 bytes in base64.
    pub fn of(vault: &Vault<'_>) -> Result<Self, Error> {
        Self::from_parts(&vault.vault_id, &vault.vault_secret)
    }

    fn from_parts(vault_id: &str, secret: &Secret) -> Result<Self, Error> {
        let secret = decode(secret)?;
        let digest = Sha256::new().chain_update(LABEL).chain_update(vault_id).chain_update(&*secret).finalize();
        Ok(Self(super::hex(&digest)))
    }

    /// All of it, in hexadecimal.
    pub(super) fn digits(&self) -> &str {
        &self.0
    }

    /// Whether `text` has the form of a fingerprint, or of a whole pin.
    pub fn is_fingerprint(text: &str) -> bool {
        let digits = text.trim().chars().filter(|character| *character != '-');
        let count = digits.clone().count();
        (2 * SHOWN..=64).contains(&count) && digits.into_iter().all(|digit| digit.is_ascii_hexdigit())
    }

    /// Whether `text` is this pin's fingerprint: as shown, or without dashes, or the whole pin.
    pub fn matches(&self, text: &str) -> bool {
        let given: String = text.trim().chars().filter(|character| *character != '-').collect();
        let given = given.to_ascii_lowercase();
        given.len() >= 2 * SHOWN && self.0.starts_with(&given)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, character) in self.0.chars().take(2 * SHOWN).enumerate() {
            if at > 0 && at % 4 == 0 {
                out.write_str("-")?;
            }
            write!(out, "{character}")?;
        }
        Ok(())
    }
}

fn decode(secret: &Secret) -> Result<Zeroizing<Vec<u8>>, Error> {
    let bytes = BASE64_STANDARD_NO_PAD.decode(secret.expose()).map(Zeroizing::new);
    let malformed = crate::model::Error::Malformed { line: 1, column: 1 };
    bytes.ok().filter(|bytes| bytes.len() == 32).ok_or(Error::Model(malformed))
}

/// 32 random bytes, base64.
pub(super) fn new_secret() -> Result<Secret, Error> {
    let bytes = Zeroizing::new(random::<32>()?);
    Ok(Secret::new(BASE64_STANDARD_NO_PAD.encode(*bytes)))
}

/// One change of the vault secret, as `succession` holds it. The old secret is disclosed to
/// those who can open the vault: nobody gains by it, since who knows it could forge under the
/// old pin anyway, and without it a host that holds only the old pin could check nothing.
#[derive(Serialize, Deserialize)]
struct Link {
    from: Pin,
    to: Pin,
    secret: String,
    mac: String,
}

impl Link {
    fn mac(vault_id: &str, secret: &Secret, from: &Pin, to: &Pin) -> Result<Hmac<Sha256>, Error> {
        let key = decode(secret)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| Error::Random)?;
        for part in [LINK_LABEL, vault_id.as_bytes(), from.0.as_bytes(), to.0.as_bytes()] {
            mac.update(part);
        }
        Ok(mac)
    }

    /// Whether the holder of the secret behind `from` named `to` as its successor.
    fn holds(&self, vault_id: &str) -> bool {
        let secret = Secret::new(self.secret.clone());
        let proves_from = Pin::from_parts(vault_id, &secret).is_ok_and(|pin| pin == self.from);
        let mac = Self::mac(vault_id, &secret, &self.from, &self.to);
        proves_from && mac.is_ok_and(|mac| super::hex(&mac.finalize().into_bytes()) == self.mac)
    }
}

/// A new vault secret, and the link by which a host with the old pin finds the new one: an
/// HMAC of both pins under the old secret.
///
/// # Errors
/// No randomness; a vault whose secret cannot be read.
pub fn rotation(vault: &Vault<'_>) -> Result<Rotation, Error> {
    let secret = new_secret()?;
    let (from, to) = (Pin::of(vault)?, Pin::from_parts(&vault.vault_id, &secret)?);
    let mac = Link::mac(&vault.vault_id, &vault.vault_secret, &from, &to)?;
    let mac = super::hex(&mac.finalize().into_bytes());
    let link = Link { from, to, secret: vault.vault_secret.expose().to_owned(), mac };
    Ok(Rotation { secret, link: to_raw_value(&link).map_err(crate::model::Error::from)? })
}

/// The newest links, at most [`MAX_LINKS`]; a vault that this program saved has no more.
fn links(vault: &Vault<'_>) -> Vec<Link> {
    let links = vault.other.get(SUCCESSION).map_or("[]", RawValue::get);
    let links: Vec<&RawValue> = serde_json::from_str(links).unwrap_or_default();
    let newest = links.iter().skip(links.len().saturating_sub(MAX_LINKS));
    newest.map(|link| serde_json::from_str(link.get())).collect::<Result<_, _>>().unwrap_or_default()
}

/// The earlier secrets of a vault, the oldest first.
pub fn former_secrets(vault: &Vault<'_>) -> Vec<Secret> {
    links(vault).into_iter().map(|link| Secret::new(link.secret)).collect()
}

/// The earlier pins of this vault: those from which an unbroken chain of links leads to its own. After a merge there
/// may be several chains.
pub(super) fn retired(vault: &Vault<'_>) -> Vec<Pin> {
    let Ok(own) = Pin::of(vault) else { return Vec::new() };
    let mut found = vec![own];
    for link in links(vault).into_iter().rev() {
        if found.contains(&link.to) && !found.contains(&link.from) && link.holds(&vault.vault_id) {
            found.insert(0, link.from);
        }
    }
    found.pop();
    found
}

/// Whether an unbroken chain of links leads from `known` to the vault's own pin.
pub(super) fn succeeds(vault: &Vault<'_>, known: &Pin, pin: &Pin) -> bool {
    known == pin || (Pin::of(vault).is_ok_and(|own| own == *pin) && retired(vault).contains(known))
}

/// The links of both states, for the joined one. One more link, made with their secret, leads from their pin to ours.
///
/// # Errors
/// A malformed secret.
pub(super) fn joined_links(ours: &Vault<'_>, theirs: &Vault<'_>) -> Result<Box<RawValue>, Error> {
    let (from, to) = (Pin::of(theirs)?, Pin::of(ours)?);
    let mac = Link::mac(&theirs.vault_id, &theirs.vault_secret, &from, &to)?;
    let mac = super::hex(&mac.finalize().into_bytes());
    let link = Link { from, to, secret: theirs.vault_secret.expose().to_owned(), mac };
    let mut all = links(theirs);
    all.push(link);
    let known: Vec<(Pin, Pin)> = all.iter().map(|link| (link.from.clone(), link.to.clone())).collect();
    all.extend(links(ours).into_iter().filter(|link| !known.contains(&(link.from.clone(), link.to.clone()))));
    Ok(to_raw_value(&all).map_err(crate::model::Error::from)?)
}

/// The same for a given fingerprint.
pub(super) fn succeeds_fingerprint(vault: &Vault<'_>, given: &str, pin: &Pin) -> bool {
    Pin::of(vault).is_ok_and(|own| own == *pin) && retired(vault).iter().any(|known| known.matches(given))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_compared_whole() {
        let pin = Pin("00112233445566778899aabbccddeeff0011223344556677".to_owned());
        assert_eq!(pin.to_string(), "0011-2233-4455-6677-8899-aabb-ccdd-eeff");
        assert!(pin.matches("0011-2233-4455-6677-8899-AABB-CCDD-EEFF\n"));
        assert!(pin.matches("00112233445566778899aabbccddeeff"));
        assert!(!pin.matches("0011-2233-4455-6677"));
        assert!(!pin.matches(""));
        assert!(!pin.matches("1011-2233-4455-6677-8899-aabb-ccdd-eeff"));
    }

    #[test]
    fn the_newest_links_stay_however_often_the_secret_changes() {
        use crate::model::{Change, Op};
        let secret = "A".repeat(43);
        let text = format!(
            r#"{{"config":{{}},"created":1,"env":{{}},"epoch":0,"generation":1,"keys":{{"ledger":"bGVkZ2Vy","log":"bG9n"}},"meta":{{}},"recipients":[],"requires":[],"rev":"00","schema":1,"scopes":{{}},"updated":1,"vault_id":"v","vault_secret":"{secret}","writers":{{}}}}"#
        );
        let mut vault = Vault::parse(&text).unwrap();
        let mut pins = vec![Pin::of(&vault).unwrap()];
        for _ in 0..MAX_LINKS + 100 {
            Change::of(Op::Rotate(rotation(&vault).unwrap())).apply(&mut vault, 1).unwrap();
            pins.push(Pin::of(&vault).unwrap());
        }
        let now = pins.pop().unwrap();
        let rendered = vault.render(0).unwrap();
        let vault = Vault::parse(rendered.text().unwrap()).unwrap();
        let follows: Vec<bool> = pins.iter().map(|pin| succeeds(&vault, pin, &now)).collect();
        assert!(follows.iter().rev().take(MAX_LINKS).all(|follows| *follows));
        assert!(!follows.iter().rev().skip(MAX_LINKS).any(|follows| *follows));
        assert_eq!(retired(&vault), pins[100..]);
    }
}
