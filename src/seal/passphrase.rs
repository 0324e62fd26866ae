//! The passphrase recipient: Argon2id, HKDF, a native age identity.
//!
//! The header holds `-> agevault/argon2id/v1 SALT M T P` directly before the ordinary X25519
//! stanza of the derived key, so stock tools open the file with that key and a save needs
//! only its public half. RFC 9106; bounds are in `bounds`.

use super::bounds::check_slots;
use super::{Costs, Error, Identity, Recipient};
use crate::harden::{LockedBytes, available_mib, scrub_stack};
use crate::secret::SecretBuf;
use age_core::format::{FileKey, Stanza};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use std::cell::RefCell;
use unicode_normalization::UnicodeNormalization;

pub(super) const TAG: &str = "agevault/argon2id/v1";
const INFO: &[u8] = b"agevault/argon2id/v1/x25519";
const MAX_PASSPHRASE: usize = 1024;
const SALT: usize = 16;

/// A passphrase: UTF-8 in NFC on locked pages.
pub struct Passphrase(LockedBytes);

/// Why a text is no passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Nothing there.
    Empty,
    /// More than 1 KiB.
    TooLong,
    /// Not UTF-8.
    NotText,
    /// A NUL, a line break or another control character.
    Control,
    /// No page could be had.
    Memory,
}

impl From<std::io::Error> for Refused {
    fn from(_: std::io::Error) -> Self {
        Self::Memory
    }
}

impl Passphrase {
    /// Takes a passphrase from what was typed or read, without one trailing line break.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(input: &SecretBuf) -> Result<Self, Refused> {
        let text = input.text().ok_or(Refused::NotText)?;
        let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
        if text.is_empty() {
            return Err(Refused::Empty);
        }
        if text.chars().any(char::is_control) {
            return Err(Refused::Control);
        }
        LockedBytes::fill(MAX_PASSPHRASE, |room| {
            let mut used = 0;
            for character in text.nfc() {
                let place = room.get_mut(used..used + character.len_utf8()).ok_or(Refused::TooLong)?;
                used += character.encode_utf8(place).len();
            }
            Ok(used)
        })
        .map(Self)
    }

    /// Whether two entries are the same.
    pub fn equals(&self, other: &Self) -> bool {
        *self.0 == *other.0
    }

    /// Length in characters, for advice on its strength.
    pub fn chars(&self) -> usize {
        std::str::from_utf8(&self.0).map_or(0, |text| text.chars().count())
    }

    /// For what decrypts key files of others.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// For age's own scrypt recipient.
    pub(super) fn to_age(&self) -> age::secrecy::SecretString {
        age::secrecy::SecretString::from(String::from_utf8_lossy(&self.0).into_owned())
    }
}

/// Salt and costs of one passphrase recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    salt: [u8; SALT],
    /// What a derivation costs.
    pub costs: Costs,
}

impl Slot {
    /// A slot with a fresh salt.
    ///
    /// # Errors
    /// [`Error::Failed`] when the system gives no randomness.
    pub fn generate(costs: Costs) -> Result<Self, Error> {
        let mut salt = [0; SALT];
        getrandom::getrandom(&mut salt).map_err(|_| Error::Failed("reading random bytes"))?;
        Ok(Self { salt, costs })
    }

    /// From the salt's canonical base64 and the costs.
    ///
    /// # Errors
    /// [`Error::Damaged`] for another salt; as [`Costs::new`].
    pub fn parse(salt: &str, m: u32, t: u32, p: u32) -> Result<Self, Error> {
        let salt = BASE64_STANDARD_NO_PAD.decode(salt).map_err(|_| Error::Damaged)?;
        Ok(Self { salt: salt.try_into().map_err(|_| Error::Damaged)?, costs: Costs::new(m, t, p)? })
    }

    /// The salt in unpadded standard base64.
    pub fn salt(&self) -> String {
        BASE64_STANDARD_NO_PAD.encode(self.salt)
    }

    /// The recipient that this passphrase makes with this slot, and its identity.
    ///
    /// # Errors
    /// [`Error::Memory`] when the machine has too little.
    pub fn recipient(&self, passphrase: &Passphrase) -> Result<(Recipient, Identity), Error> {
        let identity = self.derive(passphrase)?;
        Ok((Recipient::parse(&identity.public(), Some(self.clone()))?, identity))
    }

    /// How long a derivation with `costs` takes here.
    pub(super) fn time(costs: Costs) -> Result<std::time::Duration, Error> {
        let slot = Self { salt: [0; SALT], costs };
        let zero = LockedBytes::fill(1, |_| Ok::<_, Refused>(1)).map_err(|_| Error::Failed("mapping memory"))?;
        let start = std::time::Instant::now();
        slot.derive(&Passphrase(zero))?;
        Ok(start.elapsed())
    }

    /// Argon2id, then HKDF-SHA256, then the string form that `age` takes.
    fn derive(&self, passphrase: &Passphrase) -> Result<Identity, Error> {
        let needed = u64::from(self.costs.memory_mib());
        if available_mib().is_some_and(|available| available < needed) {
            return Err(Error::Memory(needed));
        }
        let identity = self.derive_on_this_stack(passphrase);
        scrub_stack();
        identity
    }

    #[inline(never)]
    fn derive_on_this_stack(&self, passphrase: &Passphrase) -> Result<Identity, Error> {
        let (m, t, p) = self.costs.parts();
        let params = argon2::Params::new(m, t, p, Some(32)).map_err(|_| Error::Failed("Argon2id"))?;
        let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        // The blocks are freed through the global allocator, which wipes them.
        let seed = LockedBytes::fill(32, |seed| {
            let done = argon2.hash_password_into(&passphrase.0, &self.salt, seed);
            done.map(|()| 32).map_err(|_| std::io::Error::from(std::io::ErrorKind::OutOfMemory))
        })
        .map_err(|_| Error::Memory(u64::from(self.costs.memory_mib())))?;
        let key = zeroize::Zeroizing::new(age_core::primitives::hkdf(&[], INFO, &seed));
        let prefix = bech32::Hrp::parse_unchecked("age-secret-key-");
        let text = zeroize::Zeroizing::new(age_core::primitives::bech32_encode(prefix, &*key));
        Identity::parse(&text)
    }

    /// `-> agevault/argon2id/v1 SALT M T P` with an empty body.
    pub(super) fn stanza(&self) -> Stanza {
        let (m, t, p) = self.costs.parts();
        Stanza {
            tag: TAG.to_owned(),
            args: vec![self.salt(), m.to_string(), t.to_string(), p.to_string()],
            body: vec![],
        }
    }

    /// Not ours, ours but broken, ours and good.
    fn from_stanza(stanza: &Stanza) -> Option<Result<Self, Error>> {
        if stanza.tag != TAG {
            return None;
        }
        if !stanza.body.is_empty() {
            return Some(Err(Error::Damaged));
        }
        Some(Self::from_args(&stanza.args.iter().map(String::as_str).collect::<Vec<_>>()))
    }

    fn from_args(args: &[&str]) -> Result<Self, Error> {
        let [salt, m, t, p] = args else { return Err(Error::Damaged) };
        let (Some(m), Some(t), Some(p)) = (canonical(m), canonical(t), canonical(p)) else {
            return Err(Error::Damaged);
        };
        Self::parse(salt, m, t, p)
    }
}

/// `[1-9][0-9]*`; more digits than fit are as good as the largest number, for the bounds.
fn canonical(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits && !text.starts_with('0')).then(|| text.parse().unwrap_or(u32::MAX))
}

/// A passphrase as an identity: finds its slot when it sees the header.
pub(super) struct PassphraseIdentity {
    passphrase: Passphrase,
    outcome: RefCell<Result<Identity, Error>>,
}

impl PassphraseIdentity {
    pub(super) fn new(passphrase: Passphrase) -> Self {
        Self { passphrase, outcome: RefCell::new(Err(Error::NoSlot)) }
    }

    /// The derived identity that fitted, or why none did.
    pub(super) fn into_result(self) -> Result<Identity, Error> {
        self.outcome.into_inner()
    }

    fn find(&self, stanzas: &[Stanza]) -> Result<(Identity, FileKey), Error> {
        let mut slots = Vec::new();
        for pair in stanzas.windows(2) {
            if let [first, second] = pair
                && let Some(slot) = Slot::from_stanza(first)
            {
                slots.push((slot?, second));
            }
        }
        // One at the very end has no native stanza behind it.
        if stanzas.last().is_some_and(|last| last.tag == TAG) {
            return Err(Error::Damaged);
        }
        if slots.is_empty() {
            return Err(Error::NoSlot);
        }
        check_slots(slots.iter().map(|(slot, _)| slot))?;
        for (slot, native) in &slots {
            let identity = slot.derive(&self.passphrase)?;
            match identity.unwrap(std::slice::from_ref(*native)) {
                Ok(Some(file_key)) => return Ok((identity, file_key)),
                Err(_) => return Err(Error::Damaged),
                Ok(None) => {}
            }
        }
        Err(Error::NoMatch)
    }
}

impl age::Identity for PassphraseIdentity {
    fn unwrap_stanza(&self, _: &Stanza) -> Option<Result<FileKey, age::DecryptError>> {
        None
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, age::DecryptError>> {
        match self.find(stanzas) {
            Ok((identity, file_key)) => {
                *self.outcome.borrow_mut() = Ok(identity);
                Some(Ok(file_key))
            }
            Err(error) => {
                *self.outcome.borrow_mut() = Err(error);
                None
            }
        }
    }
}

/// Whether the header of a sealed file has a passphrase slot, well-formed or not.
///
/// # Errors
/// [`Error::NotAge`] and the bounds of F4.
pub fn has_slot(sealed: &[u8]) -> Result<bool, Error> {
    let head = super::bounds::check_header(sealed)?;
    Ok(memchr::memmem::find(head, format!("\n-> {TAG} ").as_bytes()).is_some())
}

/// The slots of a sealed file, without opening it: for listing what a backup needs.
///
/// # Errors
/// As [`has_slot`]; [`Error::Damaged`] for a malformed slot.
pub fn slots(sealed: &[u8]) -> Result<Vec<Slot>, Error> {
    let head = super::bounds::check_header(sealed)?;
    let text = std::str::from_utf8(head).map_err(|_| Error::Damaged)?;
    let lines = text.lines().filter_map(|line| line.strip_prefix("-> ")?.strip_prefix(TAG)?.strip_prefix(' '));
    let slots: Vec<Slot> =
        lines.map(|args| Slot::from_args(&args.split(' ').collect::<Vec<_>>())).collect::<Result<_, _>>()?;
    check_slots(slots.iter())?;
    Ok(slots)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_is_normalized_to_nfc() {
        let passphrase = |text: &str| Passphrase::new(&SecretBuf::new(text.as_bytes().to_vec())).unwrap();
        assert!(passphrase("caf\u{e9}").equals(&passphrase("cafe\u{301}\n")));
    }
}
