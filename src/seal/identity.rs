//! Identities, and the files that `age-keygen` writes native ones to.

use super::passphrase::Passphrase;
use super::{Error, bounds, plugin, ssh};
use crate::secret::{Secret, SecretBuf};
use age::secrecy::ExposeSecret;
use age::x25519;
use age_core::format::{FileKey, Stanza};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::io::Read;
use zeroize::Zeroizing;

/// What the key of a tag is derived for.
const TAG: &[u8] = b"agevault/tag/v1";
/// Most keys in one file.
const MAX_KEYS: usize = 64;
/// Largest scrypt work factor of an encrypted identity file: 2^20, 1 GiB.
const MAX_WORK_FACTOR: u8 = 20;

/// One key that opens what is sealed to its public half.
pub struct Identity(Kind);

enum Kind {
    Native(x25519::Identity),
    Ssh(ssh::Identity),
    Plugin(plugin::Identity),
}

impl From<ssh::Identity> for Identity {
    fn from(identity: ssh::Identity) -> Self {
        Self(Kind::Ssh(identity))
    }
}

impl Identity {
    /// A new key pair from the system's randomness.
    pub fn generate() -> Self {
        Self(Kind::Native(x25519::Identity::generate()))
    }

    /// Reads `AGE-SECRET-KEY-1...`.
    ///
    /// # Errors
    /// [`Error::BadIdentity`] at line 1.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let native = text.parse().map_err(|_| Error::BadIdentity(1, "not an age identity"))?;
        Ok(Self(Kind::Native(native)))
    }

    /// The public half, as [`super::Recipient::public`] has it; empty for a plugin's that does not tell.
    pub fn public(&self) -> String {
        match &self.0 {
            Kind::Native(native) => native.to_public().to_string(),
            Kind::Ssh(ssh) => ssh.public(),
            Kind::Plugin(plugin) => plugin.public().unwrap_or_default().to_owned(),
        }
    }

    /// Whether a program has to be run to open with it.
    pub fn needs_plugin(&self) -> bool {
        self.plugin().is_some()
    }

    /// The plugin that this is an identity of.
    pub(super) fn plugin(&self) -> Option<&str> {
        match &self.0 {
            Kind::Native(_) | Kind::Ssh(_) => None,
            Kind::Plugin(plugin) => Some(plugin.name()),
        }
    }

    /// The file key, if one of the stanzas is for this key.
    pub(super) fn unwrap(&self, stanzas: &[Stanza]) -> Result<Option<FileKey>, Error> {
        match &self.0 {
            Kind::Native(native) => age::Identity::unwrap_stanzas(native, stanzas)
                .transpose()
                .map_err(|error| super::open::from_age(&error)),
            Kind::Ssh(ssh) => Ok(stanzas.iter().find_map(|stanza| ssh.unwrap(stanza))),
            Kind::Plugin(plugin) => plugin.unwrap(stanzas),
        }
    }

    /// `AGE-SECRET-KEY-1...` of a native identity.
    pub fn to_secret(&self) -> Option<Secret> {
        match &self.0 {
            Kind::Native(native) => Some(Secret::new(native.to_string().expose_secret().to_owned())),
            Kind::Ssh(_) | Kind::Plugin(_) => None,
        }
    }

    /// HMAC-SHA256 of `message` under a key that only who has this identity can derive: HKDF-SHA256 of
    /// its text `AGE-SECRET-KEY-1...`, of an SSH key's scalar. `None` for a key whose secret is not at hand.
    pub fn tag(&self, message: &[u8]) -> Option<[u8; 32]> {
        let derive = |secret: &[u8]| Zeroizing::new(age_core::primitives::hkdf(&[], TAG, secret));
        let key = match &self.0 {
            Kind::Native(_) => derive(self.to_secret()?.expose().as_bytes()),
            Kind::Ssh(ssh) => derive(ssh.secret()),
            Kind::Plugin(_) => return None,
        };
        let mut mac = Hmac::<Sha256>::new_from_slice(&*key).ok()?;
        mac.update(message);
        Some(mac.finalize().into_bytes().into())
    }

    /// The content of an identity file, as `age-keygen` writes it, for a native identity. `created` is
    /// RFC 3339.
    pub fn to_file(&self, created: &str, note: &str) -> Option<SecretBuf> {
        let key = self.to_secret()?;
        let head = format!("# created: {created}\n# {note}\n# public key: {}\n", self.public());
        let mut text = Vec::with_capacity(head.len() + key.expose().len() + 1);
        text.extend_from_slice(head.as_bytes());
        text.extend_from_slice(key.expose().as_bytes());
        text.push(b'\n');
        Some(SecretBuf::new(text))
    }
}

/// Reads the identities of a file: one a line, with comments and empty lines between.
///
/// # Errors
/// [`Error::BadIdentity`] with the line and what seems to stand there; never the text.
pub fn parse_file(file: &SecretBuf) -> Result<Vec<Identity>, Error> {
    let text = file.text().ok_or(Error::BadIdentity(1, "not text"))?;
    let mut identities = Vec::new();
    // Plugins write the recipient of an identity into a comment before it.
    let mut named = None;
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            named = plugin::named_in(line).or(named);
            continue;
        }
        if identities.len() == MAX_KEYS {
            return Err(Error::Bound("number of keys in one file", MAX_KEYS as u64));
        }
        let bad = |what| Error::BadIdentity(at + 1, what);
        let identity = match plugin::Identity::parse(line, named.take()) {
            Some(plugin) => Identity(Kind::Plugin(plugin)),
            None => Identity::parse(line).map_err(|_| bad(looks_like(line)))?,
        };
        identities.push(identity);
    }
    if identities.is_empty() { Err(Error::BadIdentity(0, "holds no identity")) } else { Ok(identities) }
}

/// What a line that is no native identity seems to be, for the message.
fn looks_like(line: &str) -> &'static str {
    if line.starts_with("AGE-PLUGIN-") {
        "a plugin identity with a typing error"
    } else if line.starts_with("-----BEGIN") {
        "the beginning of an SSH or PEM key, which needs a file of its own"
    } else if line.starts_with("age1") {
        "a recipient, which is the public half"
    } else if line.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-PQ-") {
        "a post-quantum identity, which this version cannot use"
    } else if line.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-1") {
        "an age identity with a typing error"
    } else {
        "not an age identity"
    }
}

/// Whether a key file is itself an age file, to be opened with its passphrase.
pub fn is_encrypted(file: &SecretBuf) -> bool {
    file.expose().starts_with(b"age-encryption.org/")
        || file.expose().starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----")
}

/// The binary form of an identity file that a passphrase opens.
///
/// # Errors
/// [`Error::BadIdentity`] for one that is sealed to something else, so that nobody is asked
/// for a passphrase that there is not; a damaged file.
pub fn sealed_to_passphrase(file: &SecretBuf) -> Result<Vec<u8>, Error> {
    let mut binary = Vec::with_capacity(file.expose().len());
    age::armor::ArmoredReader::new(file.expose()).read_to_end(&mut binary).map_err(|_| Error::Damaged)?;
    bounds::check_header(&binary)?;
    let decryptor = age::Decryptor::new_buffered(&binary[..]).map_err(|_| Error::Damaged)?;
    if decryptor.is_scrypt() {
        Ok(binary)
    } else {
        Err(Error::BadIdentity(0, "is an age file that is not sealed to a passphrase"))
    }
}

/// Opens a passphrase-encrypted identity file, binary or armored.
///
/// # Errors
/// [`Error::NoMatch`] for the wrong passphrase; a file that is damaged, costs too much, or
/// is not sealed to a passphrase.
pub fn decrypt_file(file: &SecretBuf, passphrase: &Passphrase) -> Result<SecretBuf, Error> {
    let binary = sealed_to_passphrase(file)?;
    let decryptor = age::Decryptor::new_buffered(&binary[..]).map_err(|_| Error::Damaged)?;
    let mut identity = age::scrypt::Identity::new(passphrase.to_age());
    identity.set_max_work_factor(MAX_WORK_FACTOR);
    let opened = decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity));
    crate::harden::scrub_stack();
    let mut reader = opened.map_err(|error| match error {
        age::DecryptError::ExcessiveWork { .. } => Error::Bound("scrypt work factor", u64::from(MAX_WORK_FACTOR)),
        age::DecryptError::KeyDecryptionFailed | age::DecryptError::DecryptionFailed => Error::NoMatch,
        _ => Error::Damaged,
    })?;
    let mut plain = Vec::with_capacity(binary.len());
    let read = reader.read_to_end(&mut plain);
    let plain = SecretBuf::new(plain);
    read.map(|_| plain).map_err(|_| Error::Damaged)
}
