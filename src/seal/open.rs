//! Opening: whole, authenticated, with one derivation per command (DESIGN F7, F8).

use super::passphrase::{Passphrase, PassphraseIdentity};
use super::{Error, Identity, bounds};
use crate::secret::SecretBuf;
use age::DecryptError;
use age_core::format::{FileKey, Stanza};
use std::cell::Cell;
use std::io::Read;

/// What somebody has to open a vault with.
pub enum Key {
    /// The keys of identity files.
    Identities(Vec<Identity>),
    /// A passphrase, tried on every slot.
    Passphrase(Passphrase),
}

/// The one key that has opened the vault, ready to open it again without a derivation.
#[derive(Clone)]
pub struct Opener(std::sync::Arc<Identity>);

impl Opener {
    /// A key that is known to open the vault, such as one just made for it.
    pub fn new(identity: Identity) -> Self {
        Self(std::sync::Arc::new(identity))
    }

    /// Opens another state of the same vault.
    ///
    /// # Errors
    /// As [`unlock`].
    pub fn open(&self, sealed: &[u8]) -> Result<SecretBuf, Error> {
        decrypt(sealed, &*self.0)
    }

    /// The public half of the key: which recipient this is.
    pub fn public(&self) -> String {
        self.0.public()
    }

    /// Vouches for `message` as nobody can who has the public half alone: the same key gives the
    /// same 32 bytes. `None` if the secret half is out of reach, as in a hardware token.
    pub fn tag(&self, message: &[u8]) -> Option<[u8; 32]> {
        let tag = self.0.tag(message);
        crate::harden::scrub_stack();
        tag
    }

    /// The key itself, for `export-identity`.
    pub fn identity(&self) -> &Identity {
        &self.0
    }
}

/// Opens `sealed` with `key` and says which key it was.
///
/// # Errors
/// [`Error::NoMatch`] when no key fits, [`Error::NoSlot`] when a passphrase is given and the
/// file has no slot, [`Error::Damaged`] and the bounds of F4.
pub fn unlock(sealed: &[u8], key: Key) -> Result<(SecretBuf, Opener), Error> {
    match key {
        Key::Identities(identities) => {
            let any = AnyOf { identities: &identities, matched: Cell::new(0) };
            let plain = decrypt(sealed, &any)?;
            let matched = any.matched.get();
            let identity = identities.into_iter().nth(matched).ok_or(Error::NoMatch)?;
            Ok((plain, Opener::new(identity)))
        }
        Key::Passphrase(passphrase) => {
            let lazy = PassphraseIdentity::new(passphrase);
            let plain = decrypt(sealed, &lazy);
            // Why no stanza could be unwrapped is only known to the identity itself.
            let derived = lazy.into_result();
            match (plain, derived) {
                (Ok(plain), Ok(identity)) => Ok((plain, Opener::new(identity))),
                (Err(Error::NoMatch), Err(error)) => Err(error),
                (Err(error), _) | (_, Err(error)) => Err(error),
            }
        }
    }
}

/// Whether one of these identities opens `sealed`, by its header alone.
///
/// # Errors
/// [`Error::Damaged`], [`Error::NotAge`] and the bounds of F4.
pub fn fits(sealed: &[u8], identities: &[Identity]) -> Result<bool, Error> {
    bounds::check_header(sealed)?;
    let decryptor = age::Decryptor::new_buffered(sealed).map_err(|error| from_age(&error))?;
    let any = AnyOf { identities, matched: Cell::new(0) };
    let opened = decryptor.decrypt(std::iter::once(&any as &dyn age::Identity));
    crate::harden::scrub_stack();
    match opened.map_err(|error| from_age(&error)) {
        Ok(_) => Ok(true),
        Err(Error::NoMatch) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Decrypts whole; nothing is handed out before the last chunk was authenticated.
fn decrypt(sealed: &[u8], identity: &dyn age::Identity) -> Result<SecretBuf, Error> {
    bounds::check_header(sealed)?;
    let decryptor = age::Decryptor::new_buffered(sealed).map_err(|error| from_age(&error))?;
    let opened = decryptor.decrypt(std::iter::once(identity));
    crate::harden::scrub_stack();
    let mut reader = opened.map_err(|error| from_age(&error))?;
    // The payload is shorter than the file, so this is never moved.
    let mut plain = Vec::with_capacity(sealed.len());
    let read = reader.read_to_end(&mut plain);
    let plain = SecretBuf::new(plain);
    read.map(|_| plain).map_err(|_| Error::Damaged)
}

fn from_age(error: &DecryptError) -> Error {
    match error {
        DecryptError::NoMatchingKeys | DecryptError::DecryptionFailed => Error::NoMatch,
        DecryptError::UnknownFormat => Error::NotAge,
        _ => Error::Damaged,
    }
}

/// Several identities as one that remembers which of them it was.
struct AnyOf<'a> {
    identities: &'a [Identity],
    matched: Cell<usize>,
}

impl age::Identity for AnyOf<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        self.unwrap_stanzas(std::slice::from_ref(stanza))
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        self.identities.iter().enumerate().find_map(|(at, identity)| {
            let unwrapped = age::Identity::unwrap_stanzas(identity, stanzas)?;
            self.matched.set(at);
            Some(unwrapped)
        })
    }
}
