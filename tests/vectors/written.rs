//! The other direction: what is written has the form that the vectors describe.

use super::{document, identity, passphrase};
use agevault::model::{Vault, pad};
use agevault::seal::{Costs, Opener, Recipient, Slot, seal};
use regex_lite::Regex;

const SALT: &str = "AAECAwQFBgcICQoLDA0ODw";

/// Argon2id of "correct horse" with salt 00..0f, M = 8192 KiB, T = 2, P = 1, then HKDF-SHA256
/// with `agevault/argon2id/v1/x25519`, then X25519. Computed with Python's
/// `argon2-cffi` and `cryptography`.
const DERIVED: &str = "age17erwx7eana4enczr93zvqj5hkw4lg740ctwr08spj2vud9qx74mslxjrme";

fn slot() -> Slot {
    Slot::parse(SALT, 8192, 2, 1).unwrap()
}

#[test]
fn a_passphrase_leads_to_the_same_key_for_ever() {
    let (recipient, identity) = slot().recipient(&passphrase("correct horse")).unwrap();
    assert_eq!(recipient.public(), DERIVED);
    assert_eq!(identity.public(), DERIVED);
    assert_eq!(Costs::with_memory(8).unwrap().parts(), (8192, 3, 1));
}

#[test]
fn a_slot_stands_directly_before_its_native_stanza_with_an_empty_body() {
    let recipients =
        [Recipient::parse(&identity(1).public(), None).unwrap(), Recipient::parse(DERIVED, Some(slot())).unwrap()];
    let sealed = seal(b"{}", &recipients).unwrap();
    let end = sealed.windows(5).position(|five| five == b"\n--- ").unwrap();
    let header = std::str::from_utf8(&sealed[..end]).unwrap();
    let form = Regex::new(concat!(
        r"^age-encryption\.org/v1\n",
        r"-> X25519 [A-Za-z0-9+/]{43}\n[A-Za-z0-9+/]{43}\n",
        r"-> agevault/argon2id/v1 AAECAwQFBgcICQoLDA0ODw 8192 2 1\n\n",
        r"-> X25519 [A-Za-z0-9+/]{43}\n[A-Za-z0-9+/]{43}",
        // Grease of the age crate, which is there or not.
        r"(\n-> \S+-grease[^\n]*(\n[A-Za-z0-9+/]*)*)?$",
    ));
    assert!(form.unwrap().is_match(header), "{header}");
}

#[test]
fn every_save_has_a_key_of_its_own() {
    let recipients = [Recipient::parse(&identity(1).public(), None).unwrap()];
    let (one, two) = (seal(b"{}", &recipients).unwrap(), seal(b"{}", &recipients).unwrap());
    assert_ne!(one[22..100], two[22..100]);
    assert_ne!(one[one.len() - 18..], two[two.len() - 18..]);
    assert_eq!(Opener::new(identity(1)).open(&two).unwrap().expose(), b"{}");
}

#[test]
fn a_document_is_written_in_the_order_and_to_the_sizes_of_the_format() {
    let members = [("future", r#"{"z":[1, 2]}"#.to_owned()), ("env", r#"{"A":"x"}"#.to_owned())];
    let text = document::document(&members);
    let written = Vault::parse(&text).unwrap().render(text.len()).unwrap();
    let written = written.text().unwrap();
    assert_eq!(written.trim_end_matches(' '), text, "canonical, and what is not known is kept");
    assert_eq!(written.len(), 4096);
    for (len, padded) in
        [(0, 4096), (4096, 4096), (4097, 8192), (65_536, 65_536), (65_537, 69_632), (1_000_000, 1_015_808)]
    {
        let mut text = vec![b'x'; len];
        pad(&mut text);
        assert_eq!(text.len(), padded, "{len}");
    }
}
