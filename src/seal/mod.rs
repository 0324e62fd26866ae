//! Bytes to sealed bytes and back: the only user of `age`.
//!
//! A sealed vault is an ordinary age v1 file. Everything that opens one is an
//! `age::Identity`, everything that it is sealed to an `age::Recipient`; the passphrase
//! recipient of F3 is one more of each ([`Recipient`], [`Key`]).

mod bounds;
mod costs;
mod holder;
mod identity;
mod open;
mod passphrase;
mod plugin;
mod ssh;

pub use bounds::{MAX_COST_ALL, MAX_COST_SLOT, MAX_FILE, MAX_HEADER, MAX_SLOTS, MAX_STANZAS, is_native, stanza_kinds};
pub use costs::{Costs, calibrate};
pub use holder::{Holder, header, unwrap};
pub use identity::{Identity, decrypt_file, is_encrypted, parse_file, sealed_to_passphrase};
pub use open::{Key, Opener, SealedKey, fits, unlock};
pub use passphrase::{Passphrase, Refused, Slot, has_slot, slots};
pub use plugin::{Fault as PluginFault, Host as PluginHost, set_host as set_plugin_host};
pub use ssh::{KeyFile as SshKeyFile, Refused as SshRefused, is_ssh_public};

use age::x25519;
use age_core::format::{FileKey, Stanza};
use age_core::secrecy::ExposeSecret;
use std::cell::RefCell;
use std::collections::HashSet;
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
    /// A recipient for which everybody has the key.
    LowOrder,
    /// An SSH key of a kind that is not used.
    Ssh(SshRefused),
    /// A post-quantum recipient, which age keeps from standing beside any other.
    PostQuantum,
    /// The plugin of this name did not do its work.
    Plugin(String, PluginFault),
    /// Whoever held the key does not answer any more.
    Gone,
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
    /// The public half of a key on hardware, sealed to without its plugin: `age1tag1...`.
    Tag(age::tag::Recipient),
    /// What a plugin seals to.
    Plugin(plugin::Recipient),
}

impl Recipient {
    /// Reads `age1...`, with the slot for a passphrase, `ssh-ed25519 AAAA...` or `age1NAME1...`.
    ///
    /// # Errors
    /// [`Error::BadRecipient`] for anything else, [`Error::Ssh`] for other SSH keys, [`Error::LowOrder`],
    /// [`Error::PostQuantum`].
    pub fn parse(public: &str, slot: Option<Slot>) -> Result<Self, Error> {
        if slot.is_none() {
            if is_ssh_public(public) {
                return ssh::Recipient::parse(public).map(Self::Ssh);
            }
            match public.rsplit_once('1').map(|(prefix, _)| prefix) {
                Some("age1tag") => return public.parse().map(Self::Tag).map_err(|_| Error::BadRecipient),
                Some("age1tagpq" | "age1pq") => return Err(Error::PostQuantum),
                Some(prefix) if prefix.starts_with("age1") => {
                    return plugin::Recipient::parse(public).map(Self::Plugin);
                }
                _ => {}
            }
        }
        let native: x25519::Recipient = public.parse().map_err(|_| Error::BadRecipient)?;
        if is_low_order(public) {
            return Err(Error::LowOrder);
        }
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
            Self::Tag(tag) => tag.to_string(),
            Self::Plugin(plugin) => plugin.public().to_owned(),
        }
    }
}

/// Whether everybody could open what is sealed to a native recipient: its point has a small order, so that the shared
/// secret would be zero (RFC 7748, section 6.1).
fn is_low_order(public: &str) -> bool {
    use curve25519_dalek::traits::IsIdentity;
    let point = bech32::decode(public).ok().and_then(|(_, bytes)| <[u8; 32]>::try_from(bytes).ok());
    let cleared = point.map(|point| curve25519_dalek::MontgomeryPoint(point) * curve25519_dalek::Scalar::from(8_u8));
    cleared.is_none_or(|cleared| cleared.is_identity())
}

impl Recipient {
    /// Whether a program has to be run whenever something is sealed to it.
    pub fn needs_plugin(&self) -> bool {
        matches!(self, Self::Plugin(_))
    }

    fn wrap(&self, file_key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), Error> {
        use age::Recipient as _;
        let failed = |_| Error::Failed("sealing");
        match self {
            Self::Native(native) => native.wrap_file_key(file_key).map_err(failed),
            Self::Passphrase(native, slot) => {
                let (mut stanzas, labels) = native.wrap_file_key(file_key).map_err(failed)?;
                stanzas.insert(0, slot.stanza());
                Ok((stanzas, labels))
            }
            Self::Ssh(ssh) => Ok((vec![ssh.wrap(file_key)?], HashSet::new())),
            Self::Tag(tag) => tag.wrap_file_key(file_key).map_err(failed),
            Self::Plugin(plugin) => plugin.wrap(file_key),
        }
    }
}

impl age::Recipient for Recipient {
    fn wrap_file_key(&self, file_key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), age::EncryptError> {
        self.wrap(file_key).map_err(|_| std::io::Error::from(std::io::ErrorKind::Other).into())
    }
}

/// A recipient while something is sealed. Age's errors say less than ours, and it keeps the file key to itself.
struct Noting<'a> {
    recipient: &'a Recipient,
    key: &'a RefCell<Option<FileKey>>,
    fault: &'a RefCell<Option<Error>>,
}

impl age::Recipient for Noting<'_> {
    fn wrap_file_key(&self, file_key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), age::EncryptError> {
        *self.key.borrow_mut() = Some(copy(file_key));
        self.recipient.wrap(file_key).map_err(|fault| {
            *self.fault.borrow_mut() = Some(fault);
            std::io::Error::from(std::io::ErrorKind::Other).into()
        })
    }
}

fn copy(key: &FileKey) -> FileKey {
    FileKey::init_with_mut(|room| room.copy_from_slice(key.expose_secret()))
}

/// Seals `plain` to every recipient, with a fresh file key.
///
/// # Errors
/// No recipient, too many, or costs beyond the bounds of F4; a plugin that fails.
pub fn seal(plain: &[u8], recipients: &[Recipient]) -> Result<Vec<u8>, Error> {
    Ok(seal_known(plain, recipients)?.0)
}

/// The same, and the key of what was sealed, by which [`Opener::learn`] opens it again.
///
/// # Errors
/// As [`seal`].
pub fn seal_known(plain: &[u8], recipients: &[Recipient]) -> Result<(Vec<u8>, SealedKey), Error> {
    bounds::check_recipients(recipients)?;
    let (key, fault) = (RefCell::new(None), RefCell::new(None));
    let noting: Vec<Noting<'_>> =
        recipients.iter().map(|recipient| Noting { recipient, key: &key, fault: &fault }).collect();
    let failed = |error: age::EncryptError| match (fault.take(), error) {
        (Some(fault), _) => fault,
        // Labels that differ: in practice those of post-quantum recipients.
        (None, age::EncryptError::IncompatibleRecipients { .. }) => Error::PostQuantum,
        _ => Error::Failed("sealing"),
    };
    let encryptor = age::Encryptor::with_recipients(noting.iter().map(|recipient| recipient as _)).map_err(&failed)?;
    let mut sealed = Vec::with_capacity(plain.len() + plain.len() / 4096 + 512 + 256 * recipients.len());
    let mut writer = encryptor.wrap_output(&mut sealed).map_err(|_| Error::Failed("sealing"))?;
    writer.write_all(plain).map_err(|_| Error::Failed("sealing"))?;
    writer.finish().map_err(|_| Error::Failed("sealing"))?;
    let key = key.take().ok_or(Error::Failed("sealing"))?;
    Ok((sealed, SealedKey(key)))
}
