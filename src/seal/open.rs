//! Opening: whole, authenticated, with one derivation per command.

use super::passphrase::{Passphrase, PassphraseIdentity};
use super::{Error, Holder, Identity, Recipient, bounds, copy, holder};
use crate::secret::SecretBuf;
use age::DecryptError;
use age_core::format::{FileKey, Stanza};
use sha2::{Digest, Sha256};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

/// What somebody has to open a vault with.
pub enum Key {
    /// The keys of identity files.
    Identities(Vec<Identity>),
    /// A passphrase, tried on every slot.
    Passphrase(Passphrase),
}

/// The one key that has opened the vault, ready to open it again without a derivation.
///
/// That of a plugin also keeps the keys of single files that it has opened or seen sealed: a person
/// is asked for a PIN or a touch once, however often a command looks at the same file.
#[derive(Clone)]
pub struct Opener {
    held: Held,
    /// Digest of the header -> key of that file. Empty unless the identity is a plugin's.
    known: Arc<Mutex<BTreeMap<[u8; 32], SealedKey>>>,
    /// Other keys that were given with it.
    beside: Vec<Opener>,
}

#[derive(Clone)]
enum Held {
    Here(Arc<Identity>),
    Elsewhere(Arc<dyn Holder>),
}

/// The key of one sealed file.
pub struct SealedKey(pub(super) FileKey);

impl age::Identity for SealedKey {
    fn unwrap_stanza(&self, _: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        Some(Ok(copy(&self.0)))
    }
}

impl Opener {
    /// A key that is known to open the vault, such as one just made for it.
    pub fn new(identity: Identity) -> Self {
        Self { held: Held::Here(Arc::new(identity)), known: Arc::default(), beside: Vec::new() }
    }

    /// A key that somebody else holds, who is asked for each state.
    pub fn held_by(holder: impl Holder + 'static) -> Self {
        Self { held: Held::Elsewhere(Arc::new(holder)), known: Arc::default(), beside: Vec::new() }
    }

    /// The same key with others that were given as well; what it opens does not change by them.
    #[must_use]
    pub fn with(mut self, others: impl IntoIterator<Item = Opener>) -> Self {
        self.beside.extend(others);
        self
    }

    /// This key, then those that were given with it.
    pub fn all(&self) -> impl Iterator<Item = &Opener> + Clone {
        std::iter::once(self).chain(&self.beside)
    }

    /// The name of the plugin that the key is one of, if it is.
    pub fn plugin(&self) -> Option<&str> {
        self.identity().and_then(Identity::plugin)
    }

    /// Takes note of the key of a file that this opener is among the recipients of.
    ///
    /// # Errors
    /// As [`unlock`].
    pub fn learn(&self, sealed: &[u8], key: &SealedKey) -> Result<(), Error> {
        if self.plugin().is_some() {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(digest(sealed)?, SealedKey(copy(&key.0)));
        }
        Ok(())
    }

    /// Whether it really opens what is sealed to `recipients` alone. What an identity of a plugin says of itself proves
    /// nothing: that plugin is run for it, with a touch if it wants one.
    ///
    /// # Errors
    /// As [`super::seal`]; a plugin that fails.
    pub fn opens(&self, recipients: &[Recipient]) -> Result<bool, Error> {
        let (sealed, _) = super::seal_known(b"agevault", recipients)?;
        match self.open(&sealed) {
            Ok(_) => Ok(true),
            Err(Error::NoMatch) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Opens another state of the same vault.
    ///
    /// # Errors
    /// As [`unlock`].
    pub fn open(&self, sealed: &[u8]) -> Result<SecretBuf, Error> {
        let identity = match &self.held {
            Held::Here(identity) => identity,
            Held::Elsewhere(holder) => return holder::open(sealed, &holder.file_key(holder::header(sealed)?)?),
        };
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.is_empty()
            && let Some(key) = known.get(&digest(sealed)?)
        {
            return decrypt(sealed, key);
        }
        drop(known);
        let any = AnyOf::new(std::slice::from_ref(&**identity));
        let plain = any.decrypt(sealed)?;
        if let Some(key) = any.key.take() {
            self.learn(sealed, &key)?;
        }
        Ok(plain)
    }

    /// The public half of the key: which recipient this is.
    pub fn public(&self) -> String {
        match &self.held {
            Held::Here(identity) => identity.public(),
            Held::Elsewhere(holder) => holder.public(),
        }
    }

    /// Vouches for `message` as nobody can who has the public half alone: the same key gives the
    /// same 32 bytes. `None` if the secret half is out of reach, as in a hardware token.
    pub fn tag(&self, message: &[u8]) -> Option<[u8; 32]> {
        match &self.held {
            Held::Here(identity) => {
                let tag = identity.tag(message);
                crate::harden::scrub_stack();
                tag
            }
            Held::Elsewhere(holder) => holder.tag(message),
        }
    }

    /// The key itself, for `export-identity` and `unlock`; `None` if somebody else holds it.
    pub fn identity(&self) -> Option<&Identity> {
        match &self.held {
            Held::Here(identity) => Some(identity),
            Held::Elsewhere(_) => None,
        }
    }
}

/// Opens `sealed` with `key` and says which key it was.
///
/// # Errors
/// [`Error::NoMatch`] when no key fits, [`Error::NoSlot`] when a passphrase is given and the
/// file has no slot, [`Error::Damaged`] and the bounds of F4.
pub fn unlock(sealed: &[u8], key: Key) -> Result<(SecretBuf, Opener), Error> {
    let opened = try_key(sealed, key);
    // An identity that was moved has left itself behind.
    crate::harden::scrub_stack();
    opened
}

#[inline(never)]
fn try_key(sealed: &[u8], key: Key) -> Result<(SecretBuf, Opener), Error> {
    match key {
        Key::Identities(identities) => {
            let any = AnyOf::new(&identities);
            let plain = any.decrypt(sealed)?;
            let (matched, key) = (any.matched.get(), any.key.take());
            let mut openers: Vec<Opener> = identities.into_iter().map(Opener::new).collect();
            if matched >= openers.len() {
                return Err(Error::NoMatch);
            }
            let opener = openers.remove(matched).with(openers);
            if let Some(key) = key {
                opener.learn(sealed, &key)?;
            }
            Ok((plain, opener))
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

/// Whether one of these identities opens `sealed`, by its header alone. Plugins are not run.
///
/// # Errors
/// [`Error::Damaged`], [`Error::NotAge`] and the bounds of F4.
pub fn fits(sealed: &[u8], identities: &[Identity]) -> Result<bool, Error> {
    bounds::check_header(sealed)?;
    let decryptor = age::Decryptor::new_buffered(sealed).map_err(|error| from_age(&error))?;
    let any = AnyOf { plugins: false, ..AnyOf::new(identities) };
    let opened = decryptor.decrypt(std::iter::once(&any as &dyn age::Identity));
    crate::harden::scrub_stack();
    match opened.map_err(|error| from_age(&error)) {
        Ok(_) => Ok(true),
        Err(Error::NoMatch) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Decrypts whole; nothing is handed out before the last chunk was authenticated.
pub(super) fn decrypt(sealed: &[u8], identity: &dyn age::Identity) -> Result<SecretBuf, Error> {
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

/// Which file this is.
fn digest(sealed: &[u8]) -> Result<[u8; 32], Error> {
    Ok(Sha256::digest(bounds::check_header(sealed)?).into())
}

pub(super) fn from_age(error: &DecryptError) -> Error {
    match error {
        DecryptError::NoMatchingKeys | DecryptError::DecryptionFailed => Error::NoMatch,
        DecryptError::UnknownFormat => Error::NotAge,
        _ => Error::Damaged,
    }
}

/// Several identities as one that remembers which of them it was, and why others failed.
struct AnyOf<'a> {
    identities: &'a [Identity],
    matched: Cell<usize>,
    /// Whether plugins may run.
    plugins: bool,
    /// The file key, if a plugin has opened it.
    key: RefCell<Option<SealedKey>>,
    fault: RefCell<Option<Error>>,
}

impl<'a> AnyOf<'a> {
    fn new(identities: &'a [Identity]) -> Self {
        Self { identities, matched: Cell::new(0), plugins: true, key: RefCell::default(), fault: RefCell::default() }
    }

    fn decrypt(&self, sealed: &[u8]) -> Result<SecretBuf, Error> {
        decrypt(sealed, self).map_err(|error| match (error, self.fault.take()) {
            (Error::NoMatch, Some(fault)) => fault,
            (error, _) => error,
        })
    }
}

impl age::Identity for AnyOf<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        self.unwrap_stanzas(std::slice::from_ref(stanza))
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        // Plugins last: a key that lies here needs nobody's touch.
        let (here, plugins): (Vec<_>, Vec<_>) =
            self.identities.iter().enumerate().partition(|(_, identity)| identity.plugin().is_none());
        for (at, identity) in here.into_iter().chain(plugins.into_iter().filter(|_| self.plugins)) {
            match identity.unwrap(stanzas) {
                Ok(Some(key)) => {
                    self.matched.set(at);
                    if identity.plugin().is_some() {
                        *self.key.borrow_mut() = Some(SealedKey(copy(&key)));
                    }
                    return Some(Ok(key));
                }
                Ok(None) => {}
                Err(fault) => _ = self.fault.borrow_mut().get_or_insert(fault),
            }
        }
        None
    }
}
