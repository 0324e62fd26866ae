//! Keys that are held elsewhere: a file key comes from whoever has the key, the payload is opened here.

use super::open::{SealedKey, decrypt, from_age};
use super::{Error, Identity, bounds};
use crate::secret::SecretBuf;
use age::DecryptError;
use age::secrecy::ExposeSecret;
use age_core::format::{FileKey, Stanza};
use std::cell::RefCell;

/// Bytes of a file key.
const FILE_KEY: usize = age_core::format::FILE_KEY_BYTES;
/// Bytes of the nonce behind a header.
const NONCE: usize = 16;

/// Somebody who has a key and does not give it away.
pub trait Holder: Send + Sync {
    /// The file key of the file that has this header.
    ///
    /// # Errors
    /// [`Error::NoMatch`], [`Error::Damaged`]; [`Error::Gone`] when there is no answer.
    fn file_key(&self, header: &[u8]) -> Result<SecretBuf, Error>;

    /// What [`super::Opener::tag`] is for a key that is at hand; `None` when there is no answer.
    fn tag(&self, message: &[u8]) -> Option<[u8; 32]>;

    /// The public half of its key.
    fn public(&self) -> String;
}

/// The header of a sealed file, its MAC included: what a [`Holder`] needs to see of it.
///
/// # Errors
/// [`Error::NotAge`], [`Error::Damaged`], the bounds of F4.
pub fn header(sealed: &[u8]) -> Result<&[u8], Error> {
    let stanzas = bounds::check_header(sealed)?.len();
    // Behind the line break that ends the stanzas comes the line of the MAC.
    let mac = sealed.get(stanzas + 1..).and_then(|rest| memchr::memchr(b'\n', rest)).ok_or(Error::Damaged)?;
    let end = stanzas + 1 + mac + 1;
    if end > bounds::MAX_HEADER {
        return Err(Error::Bound("header size", bounds::MAX_HEADER as u64));
    }
    sealed.get(..end).ok_or(Error::Damaged)
}

/// Unwraps the file key of the file that begins with exactly this header, and checks the header's MAC with it.
///
/// # Errors
/// [`Error::NoMatch`], [`Error::NotAge`], [`Error::Damaged`], the bounds of F4.
pub fn unwrap(whole: &[u8], identity: &Identity) -> Result<SecretBuf, Error> {
    if header(whole)?.len() != whole.len() {
        return Err(Error::Damaged);
    }
    let taken = Taking { identity, key: RefCell::new(None) };
    // The payload is of no interest; the MAC is checked before any of it is read.
    let file = [whole, &[0; NONCE]].concat();
    let decryptor = age::Decryptor::new_buffered(&file[..]).map_err(|error| from_age(&error))?;
    let opened = decryptor.decrypt(std::iter::once(&taken as &dyn age::Identity)).map(drop);
    crate::harden::scrub_stack();
    opened.map_err(|error| from_age(&error))?;
    taken.key.into_inner().ok_or(Error::Damaged)
}

/// Opens a file with its file key: the MAC of the header says whether it is.
pub(super) fn open(sealed: &[u8], file_key: &SecretBuf) -> Result<SecretBuf, Error> {
    let given = <[u8; FILE_KEY]>::try_from(file_key.expose()).map_err(|_| Error::Damaged)?;
    decrypt(sealed, &SealedKey(FileKey::init_with_mut(|key| *key = given)))
}

/// An identity that notes the file key that it has unwrapped.
struct Taking<'a> {
    identity: &'a Identity,
    key: RefCell<Option<SecretBuf>>,
}

impl age::Identity for Taking<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        self.unwrap_stanzas(std::slice::from_ref(stanza))
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        let key = self.identity.unwrap(stanzas).ok()??;
        *self.key.borrow_mut() = Some(SecretBuf::new(key.expose_secret().to_vec()));
        Some(Ok(key))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::{Recipient, seal};
    use super::*;

    #[test]
    fn a_file_key_opens_one_state_and_a_header_that_was_changed_gives_none() {
        let (owner, other) = (Identity::generate(), Identity::generate());
        let to = [Recipient::parse(&owner.public(), None).unwrap()];
        let (first, second) = (seal(b"one", &to).unwrap(), seal(b"two", &to).unwrap());
        let head = header(&first).unwrap();
        let key = unwrap(head, &owner).unwrap();
        assert_eq!(open(&first, &key).unwrap().expose(), b"one");
        // Each save has a key of its own (F2).
        assert_eq!(open(&second, &key).unwrap_err(), Error::Damaged);
        assert_eq!(unwrap(head, &other).unwrap_err(), Error::NoMatch);
        assert_eq!(unwrap(&first, &owner).unwrap_err(), Error::Damaged);
        assert_eq!(unwrap(&head[..head.len() - 1], &owner).unwrap_err(), Error::Damaged);
        for at in 22..head.len() {
            let mut changed = head.to_vec();
            changed[at] ^= 1;
            assert!(unwrap(&changed, &owner).is_err(), "{at}");
        }
        assert_eq!(open(&first, &SecretBuf::new(vec![0; 15])).unwrap_err(), Error::Damaged);
    }

    #[test]
    fn a_header_is_bounded_with_its_last_line() {
        let mut long = b"age-encryption.org/v1\n-> x\n\n--- ".to_vec();
        long.resize(bounds::MAX_HEADER, b'x');
        long.push(b'\n');
        assert_eq!(header(&long), Err(Error::Bound("header size", bounds::MAX_HEADER as u64)));
        long.pop();
        assert_eq!(header(&long), Err(Error::Damaged));
    }
}
