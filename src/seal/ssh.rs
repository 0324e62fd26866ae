//! SSH keys as recipients and identities: age's `ssh-ed25519` stanza, as every age implementation
//! reads and writes it, over keys in OpenSSH's own files.
//!
//! Only ed25519: the reasons against the others are [`Refused`]. RSA code is not even built.

use super::{Error, Passphrase};
use crate::harden::{LockedBytes, scrub_stack};
use crate::secret::SecretBuf;
use age_core::format::{FILE_KEY_BYTES, FileKey, Stanza};
use age_core::primitives::{aead_decrypt, aead_encrypt, hkdf};
use age_core::secrecy::ExposeSecret;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::montgomery::MontgomeryPoint;
use curve25519_dalek::traits::IsIdentity;
use sha2::{Digest, Sha256, Sha512};
use ssh_key::{Algorithm, PrivateKey};
use zeroize::Zeroizing;

const TYPE: &str = "ssh-ed25519";
const TAG: &str = "ssh-ed25519";
const LABEL: &[u8] = b"age-encryption.org/v1/ssh-ed25519";
/// Of the wire form of a key: both lengths and the type, before its 32 bytes.
const BLOB_HEAD: &[u8] = b"\0\0\0\x0bssh-ed25519\0\0\0\x20";
/// Most rounds of bcrypt in an encrypted key file: about ten seconds.
const MAX_ROUNDS: u32 = 1024;

/// Why an SSH key is none that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// RSA: what its decryption takes in time gives the key away.
    Rsa,
    /// ECDSA or DSA, for which age has no stanza.
    OtherCurve,
    /// On a security key, which signs and decrypts nothing.
    Hardware,
    /// A PEM file that is not OpenSSH's.
    OldForm,
    /// A certificate.
    Certificate,
}

impl Refused {
    /// From the type's name in a public key.
    fn of(name: &str) -> Option<Self> {
        match name {
            _ if name.contains("-cert-v") => Some(Self::Certificate),
            "ssh-rsa" => Some(Self::Rsa),
            "ssh-dss" => Some(Self::OtherCurve),
            _ if name.starts_with("ecdsa-") => Some(Self::OtherCurve),
            _ if name.starts_with("sk-") => Some(Self::Hardware),
            _ => None,
        }
    }
}

/// Whether a text is meant as the public half of an SSH key.
pub fn is_ssh_public(text: &str) -> bool {
    let name = text.split_ascii_whitespace().next().unwrap_or_default();
    name == TYPE || Refused::of(name).is_some()
}

/// The public half of an ed25519 key.
#[derive(Clone)]
pub struct Recipient {
    /// The wire form, which the stanza's tag is made of.
    blob: Vec<u8>,
    point: MontgomeryPoint,
}

impl Recipient {
    /// Reads `ssh-ed25519 AAAA... [comment]`.
    ///
    /// # Errors
    /// [`Error::Ssh`] for a type that is refused, [`Error::BadRecipient`] for anything else.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let mut words = text.split_ascii_whitespace();
        let (name, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if let Some(refused) = Refused::of(name) {
            return Err(Error::Ssh(refused));
        }
        if name != TYPE {
            return Err(Error::BadRecipient);
        }
        let blob = BASE64_STANDARD.decode(key).map_err(|_| Error::BadRecipient)?;
        Self::from_blob(blob)
    }

    fn from_blob(blob: Vec<u8>) -> Result<Self, Error> {
        let key = blob.strip_prefix(BLOB_HEAD).and_then(|key| CompressedEdwardsY::from_slice(key).ok());
        let point = key.and_then(|key| key.decompress()).ok_or(Error::BadRecipient)?;
        // What is sealed to a point of small order opens with any key.
        if point.is_small_order() {
            return Err(Error::LowOrder);
        }
        Ok(Self { point: point.to_montgomery(), blob })
    }

    fn from_key(key: &[u8; 32]) -> Result<Self, Error> {
        Self::from_blob([BLOB_HEAD, key].concat())
    }

    /// `ssh-ed25519 AAAA...`
    pub(super) fn public(&self) -> String {
        format!("{TYPE} {}", BASE64_STANDARD.encode(&self.blob))
    }

    /// First four bytes of the digest: which key a stanza is for.
    fn tag(&self) -> String {
        let digest = Sha256::digest(&self.blob);
        BASE64_STANDARD_NO_PAD.encode(digest.get(..4).unwrap_or_default())
    }

    /// The key that wraps the file key, from the secret shared with the other side.
    fn wrapping_key(&self, share: &MontgomeryPoint, shared: &MontgomeryPoint) -> Zeroizing<[u8; 32]> {
        let tweak = Zeroizing::new(hkdf(&self.blob, LABEL, &[]));
        let tweaked = Zeroizing::new(shared.mul_clamped(*tweak).to_bytes());
        let salt = [share.to_bytes(), self.point.to_bytes()].concat();
        Zeroizing::new(hkdf(&salt, LABEL, &*tweaked))
    }

    pub(super) fn wrap(&self, file_key: &FileKey) -> Result<Stanza, Error> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::getrandom(&mut *secret).map_err(|_| Error::Failed("reading random bytes"))?;
        let share = MontgomeryPoint::mul_base_clamped(*secret);
        let shared = self.point.mul_clamped(*secret);
        let key = self.wrapping_key(&share, &shared);
        let share = BASE64_STANDARD_NO_PAD.encode(share.to_bytes());
        let body = aead_encrypt(&key, file_key.expose_secret());
        Ok(Stanza { tag: TAG.to_owned(), args: vec![self.tag(), share], body })
    }
}

/// An ed25519 key.
pub struct Identity {
    public: Recipient,
    /// The scalar: the first half of the seed's SHA-512.
    scalar: LockedBytes,
}

impl Identity {
    fn new(key: &PrivateKey) -> Result<Self, Error> {
        let bad = Error::BadIdentity(0, "holds an SSH key that is damaged");
        let pair = key.key_data().ed25519().ok_or(bad.clone())?;
        let scalar = LockedBytes::fill(32, |room| {
            let hash = Zeroizing::new(Sha512::digest(pair.private.as_ref()).to_vec());
            room.copy_from_slice(hash.get(..32).unwrap_or_default());
            Ok::<_, std::io::Error>(32)
        })
        .map_err(|_| Error::Failed("mapping memory"))?;
        let identity = Self { public: Recipient::from_key(&pair.public.0)?, scalar };
        // The stanza is made for the public half: both must be of one key.
        let fits = identity
            .scalar()
            .is_some_and(|scalar| EdwardsPoint::mul_base_clamped(*scalar).compress().as_bytes() == &pair.public.0);
        scrub_stack();
        if fits { Ok(identity) } else { Err(bad) }
    }

    /// What only the owner of the key knows.
    pub(super) fn secret(&self) -> &[u8] {
        &self.scalar
    }

    fn scalar(&self) -> Option<Zeroizing<[u8; 32]>> {
        (*self.scalar).try_into().ok().map(Zeroizing::new)
    }

    /// The public half.
    pub(super) fn public(&self) -> String {
        self.public.public()
    }

    /// The file key, if the stanza is for this key. One that only claims to be is as good as
    /// none: it must not keep other keys from opening.
    pub(super) fn unwrap(&self, stanza: &Stanza) -> Option<FileKey> {
        let [tag, share] = stanza.args.as_slice() else { return None };
        if stanza.tag != TAG || *tag != self.public.tag() {
            return None;
        }
        let share = BASE64_STANDARD_NO_PAD.decode(share).ok()?;
        let share = MontgomeryPoint(share.try_into().ok()?);
        let shared = share.mul_clamped(*self.scalar()?);
        if shared.is_identity() {
            return None;
        }
        let key = self.public.wrapping_key(&share, &shared);
        let plain = Zeroizing::new(aead_decrypt(&key, FILE_KEY_BYTES, &stanza.body).ok()?);
        FileKey::try_init_with_mut(|room| {
            let plain: &[u8; FILE_KEY_BYTES] = plain.as_slice().try_into().map_err(|_| ())?;
            room.copy_from_slice(plain);
            Ok::<_, ()>(())
        })
        .ok()
    }
}

/// A private key file of OpenSSH's, perhaps encrypted.
pub struct KeyFile(PrivateKey);

impl KeyFile {
    /// Whether these bytes are one, or another PEM file that might be meant as one.
    pub fn is(file: &SecretBuf) -> bool {
        file.expose().starts_with(b"-----BEGIN ") && !file.expose().starts_with(b"-----BEGIN AGE ")
    }

    /// Reads one. Whose key it is stands there in the clear.
    ///
    /// # Errors
    /// [`Error::Ssh`] with the reason, [`Error::BadIdentity`], a bound on what decryption costs.
    pub fn parse(file: &SecretBuf) -> Result<Self, Error> {
        let text = file.text().ok_or(Error::BadIdentity(1, "not text"))?;
        match text.lines().next().unwrap_or_default().trim_end() {
            "-----BEGIN OPENSSH PRIVATE KEY-----" => {}
            "-----BEGIN RSA PRIVATE KEY-----" => return Err(Error::Ssh(Refused::Rsa)),
            "-----BEGIN EC PRIVATE KEY-----" | "-----BEGIN DSA PRIVATE KEY-----" => {
                return Err(Error::Ssh(Refused::OtherCurve));
            }
            _ => return Err(Error::Ssh(Refused::OldForm)),
        }
        let damaged = Error::BadIdentity(0, "holds an SSH key that is damaged");
        let key = PrivateKey::from_openssh(text.trim_end()).map_err(|_| type_of(text).map_or(damaged, Error::Ssh))?;
        match key.algorithm() {
            Algorithm::Ed25519 => {}
            other => return Err(Error::Ssh(Refused::of(other.as_str()).unwrap_or(Refused::OtherCurve))),
        }
        match key.kdf() {
            ssh_key::Kdf::Bcrypt { rounds, .. } if *rounds > MAX_ROUNDS => {
                Err(Error::Bound("number of bcrypt rounds of an SSH key", u64::from(MAX_ROUNDS)))
            }
            _ => Ok(Self(key)),
        }
    }

    /// Whether a passphrase is needed.
    pub fn is_encrypted(&self) -> bool {
        self.0.is_encrypted()
    }

    /// The key of a file that needs no passphrase.
    ///
    /// # Errors
    /// [`Error::BadIdentity`].
    pub fn open(&self) -> Result<super::Identity, Error> {
        Identity::new(&self.0).map(super::Identity::from)
    }

    /// The key of an encrypted file.
    ///
    /// # Errors
    /// [`Error::NoMatch`] for the wrong passphrase.
    pub fn decrypt(&self, passphrase: &Passphrase) -> Result<super::Identity, Error> {
        let key = self.0.decrypt(passphrase.bytes());
        scrub_stack();
        Identity::new(&key.map_err(|_| Error::NoMatch)?).map(super::Identity::from)
    }
}

/// Why the key of a file is refused that could not be read for its type: the crate is built without
/// the curves of others. The type stands in the clear near the beginning.
fn type_of(text: &str) -> Option<Refused> {
    let body: String = text.lines().skip(1).take_while(|line| !line.starts_with('-')).take(8).collect();
    let start = BASE64_STANDARD_NO_PAD.decode(body.get(..body.len() / 4 * 4)?.trim_end_matches('=')).ok()?;
    let has = |name: &str| memchr::memmem::find(&start, name.as_bytes()).is_some();
    ["ecdsa-sha2-nistp", "sk-ssh-ed25519", "sk-ecdsa-sha2", "ssh-dss", "ssh-rsa"]
        .into_iter()
        .find(|name| has(name))
        .and_then(Refused::of)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
