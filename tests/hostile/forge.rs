//! Sealed files that agevault would not write.

use age::secrecy::ExposeSecret;
use age::x25519;
use age_core::format::{FileKey, Stanza};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::cell::RefCell;
use std::collections::HashSet;
use std::io::Write;

/// Stanzas of a header, as they are.
pub struct Raw(pub Vec<Stanza>);

impl age::Recipient for Raw {
    fn wrap_file_key(&self, _: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), age::EncryptError> {
        let copy = |one: &Stanza| Stanza { tag: one.tag.clone(), args: one.args.clone(), body: one.body.clone() };
        Ok((self.0.iter().map(copy).collect(), HashSet::new()))
    }
}

/// `-> agevault/argon2id/v1 ARGS` with a body.
pub fn slot(args: &str, body: &[u8]) -> Stanza {
    let args = args.split_whitespace().map(str::to_owned).collect();
    Stanza { tag: "agevault/argon2id/v1".to_owned(), args, body: body.to_vec() }
}

/// A genuine stanza for `public`, as a part of a forged list.
pub fn native(public: &str) -> x25519::Recipient {
    public.parse().unwrap()
}

/// An age file with a sound MAC, of whatever recipients.
pub fn seal(payload: &[u8], recipients: &[&dyn age::Recipient]) -> Vec<u8> {
    let encryptor = age::Encryptor::with_recipients(recipients.iter().copied()).unwrap();
    let mut sealed = Vec::new();
    let mut writer = encryptor.wrap_output(&mut sealed).unwrap();
    writer.write_all(payload).unwrap();
    writer.finish().unwrap();
    sealed
}

/// Hands the file key out while it is wrapped.
struct Spy(RefCell<[u8; 16]>);

impl age::Recipient for Spy {
    fn wrap_file_key(&self, key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), age::EncryptError> {
        self.0.borrow_mut().copy_from_slice(key.expose_secret());
        Ok((Vec::new(), HashSet::new()))
    }
}

/// The same without the stanza that the age crate adds at random, so that what stands last is
/// what was meant to.
pub fn seal_exactly(payload: &[u8], recipients: &[&dyn age::Recipient]) -> Vec<u8> {
    let spy = Spy(RefCell::new([0; 16]));
    let sealed = seal(payload, &[recipients, &[&spy]].concat());
    let find = |what: &[u8]| sealed.windows(what.len()).position(|window| window == what).unwrap();
    let end = find(b"\n--- ");
    let text = String::from_utf8_lossy(&sealed[..end]).into_owned();
    let header = &text[..text.rfind("\n-> ").unwrap()];
    assert!(text[header.len()..].lines().nth(1).unwrap().contains("-grease"));
    let mac_key = age_core::primitives::hkdf(&[], b"header", &*spy.0.borrow());
    let mac = Hmac::<Sha256>::new_from_slice(&mac_key).unwrap();
    let mac = mac.chain_update(header).chain_update("\n---").finalize().into_bytes();
    let body = end + "\n--- ".len() + 43;
    [header.as_bytes(), b"\n--- ", BASE64_STANDARD_NO_PAD.encode(mac).as_bytes(), &sealed[body..]].concat()
}
