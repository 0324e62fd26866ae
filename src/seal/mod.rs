//! Bytes to sealed bytes and back: the only user of `age`.
//!
//! A sealed vault is an ordinary age v1 file (DESIGN F1, F2). Everything that opens one is an
//! `age::Identity`, everything that it is sealed to an `age::Recipient`; the passphrase
//! recipient of F3 is one more of each ([`Recipient`], [`Key`]).

mod bounds;
mod costs;
mod identity;
mod open;
mod passphrase;
mod ssh;

pub use bounds::{MAX_COST_ALL, MAX_COST_SLOT, MAX_FILE, MAX_HEADER, MAX_SLOTS, MAX_STANZAS};
pub use costs::{Costs, calibrate};
pub use identity::{Identity, decrypt_file, is_encrypted, parse_file, sealed_to_passphrase};
pub use open::{Key, Opener, fits, unlock};
pub use passphrase::{Passphrase, Refused, Slot, has_slot, slots};
pub use ssh::{KeyFile as SshKeyFile, Refused as SshRefused, is_ssh_public};

use age::x25519;
use std::io::Write;

/// What can be wrong with sealed bytes or with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Not an age file.
    NotAge,
    /// A bound of F4 is broken: which one, and its value.
    Bound(&'static str, u64),
    /// Changed or cut off since it was written.
    Damaged,
    /// No key at hand opens it.
    NoMatch,
    /// The passphrase is to be tried, but the file has no passphrase recipient.
    NoSlot,
    /// This machine lacks the memory for the derivation, in MiB.
    Memory(u64),
    /// Line of a key file that is no age identity, and what it seems to be.
    BadIdentity(usize, &'static str),
    /// Not a recipient that can be used here.
    BadRecipient,
    /// An SSH key of a kind that is not used.
    Ssh(SshRefused),
    /// The operating system or a crate failed: no randomness, no thread.
    Failed(&'static str),
}

/// What a vault is sealed to.
#[derive(Clone)]
pub enum Recipient {
    /// A native age public key.
    Native(x25519::Recipient),
    /// The public half of a passphrase, with the salt and costs that lead to it.
    Passphrase(x25519::Recipient, Slot),
    /// The public half of an SSH key.
    Ssh(ssh::Recipient),
}

impl Recipient {
    /// Reads `age1...`, with the slot for a passphrase, or `ssh-ed25519 AAAA...`.
    ///
    /// # Errors
    /// [`Error::BadRecipient`] for anything else, [`Error::Ssh`] for other SSH keys.
    pub fn parse(public: &str, slot: Option<Slot>) -> Result<Self, Error> {
        if is_ssh_public(public) && slot.is_none() {
            return ssh::Recipient::parse(public).map(Self::Ssh);
        }
        let native: x25519::Recipient = public.parse().map_err(|_| Error::BadRecipient)?;
        Ok(match slot {
            Some(slot) => Self::Passphrase(native, slot),
            None => Self::Native(native),
        })
    }

    /// `age1...`, or `ssh-ed25519 AAAA...` without a comment.
    pub fn public(&self) -> String {
        match self {
            Self::Native(native) | Self::Passphrase(native, _) => native.to_string(),
            Self::Ssh(ssh) => ssh.public(),
        }
    }
}

impl age::Recipient for Recipient {
    fn wrap_file_key(
        &self,
        file_key: &age_core::format::FileKey,
    ) -> Result<(Vec<age_core::format::Stanza>, std::collections::HashSet<String>), age::EncryptError> {
        match self {
            Self::Native(native) => native.wrap_file_key(file_key),
            Self::Passphrase(native, slot) => {
                let (mut stanzas, labels) = native.wrap_file_key(file_key)?;
                stanzas.insert(0, slot.stanza());
                Ok((stanzas, labels))
            }
            Self::Ssh(ssh) => {
                let stanza = ssh.wrap(file_key).map_err(|_| std::io::Error::from(std::io::ErrorKind::Other))?;
                Ok((vec![stanza], std::collections::HashSet::new()))
            }
        }
    }
}

/// Seals `plain` to every recipient, with a fresh file key (DESIGN F2).
///
/// # Errors
/// No recipient, too many, or costs beyond the bounds of F4.
pub fn seal(plain: &[u8], recipients: &[Recipient]) -> Result<Vec<u8>, Error> {
    bounds::check_recipients(recipients)?;
    let encryptor = age::Encryptor::with_recipients(recipients.iter().map(|recipient| recipient as _))
        .map_err(|_| Error::Failed("sealing"))?;
    let mut sealed = Vec::with_capacity(plain.len() + plain.len() / 4096 + 512 + 256 * recipients.len());
    let mut writer = encryptor.wrap_output(&mut sealed).map_err(|_| Error::Failed("sealing"))?;
    writer.write_all(plain).map_err(|_| Error::Failed("sealing"))?;
    writer.finish().map_err(|_| Error::Failed("sealing"))?;
    Ok(sealed)
}
