//! How each vector was made.

use super::document::document;
use super::forge::{Raw, native, seal, seal_exactly, slot};
use super::{identity, passphrase};
use agevault::seal::{Recipient, Slot};
use std::rc::Rc;

const SALT: &str = "AAECAwQFBgcICQoLDA0ODw";
/// As cheap as the format allows: 8 MiB, one pass.
const CHEAP: &str = "AAECAwQFBgcICQoLDA0ODw 8192 1 1";
const WORDS: &str = "correct horse";

/// One vector: its name, its head, and what makes its bytes.
pub struct Made {
    pub name: String,
    pub head: String,
    pub seal: Rc<dyn Fn() -> Vec<u8>>,
}

pub fn made(name: &str, clause: &str, expect: &str, lines: &[&str], seal: impl Fn() -> Vec<u8> + 'static) -> Made {
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    Made { name: name.to_owned(), head: format!("expect: {expect}\nclause: {clause}\n{lines}"), seal: Rc::new(seal) }
}

pub const KEY: &str = "with: key 1";
const PASS: &str = "with: passphrase correct horse";
pub const HOLDS: &str = "holds: env/A \"value\"";

pub fn content() -> String {
    document(&[("env", r#"{"A":"value"}"#.to_owned())])
}

pub fn public(byte: u8) -> String {
    identity(byte).public()
}

fn with_passphrase(text: &str, m: u32, t: u32) -> Recipient {
    Slot::parse(SALT, m, t, 1).unwrap().recipient(&passphrase(text)).unwrap().0
}

/// A vault for key 1.
fn simple() -> Vec<u8> {
    seal_exactly(content().as_bytes(), &[&native(&public(1))])
}

/// A vault for key 1 and the passphrase.
fn both() -> Vec<u8> {
    seal_exactly(content().as_bytes(), &[&native(&public(1)), &with_passphrase(WORDS, 8192, 1)])
}

/// The stanza `raw` before a native one of key 2, then key 1.
fn beside(raw: &'static str, body: &'static [u8]) -> impl Fn() -> Vec<u8> {
    move || seal_exactly(content().as_bytes(), &[&Raw(vec![slot(raw, body)]), &native(&public(2)), &native(&public(1))])
}

/// Every vector, in the order of the clauses.
pub fn all() -> Vec<Made> {
    let mut all = files();
    all.extend(slots());
    all.extend(bounds());
    all.extend(super::make_documents::payloads());
    all
}

/// F1, F2, F7: an age file, whole or not at all.
fn files() -> Vec<Made> {
    let cut = |from: usize| {
        move || {
            let mut file = simple();
            file.truncate(file.len() - from);
            file
        }
    };
    let flipped = |back: usize| {
        move || {
            let mut file = simple();
            let at = file.len() - back;
            file[at] ^= 1;
            file
        }
    };
    let replaced = |from: &'static str, to: &'static str| {
        move || {
            let file = simple();
            let at = file.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
            [&file[..at], to.as_bytes(), &file[at + from.len()..]].concat()
        }
    };
    vec![
        made("good_identity", "F1", "success", &[KEY, HOLDS], simple),
        made("good_two_identities", "F2", "success", &[KEY, "with: key 2", HOLDS], || {
            seal_exactly(content().as_bytes(), &[&native(&public(2)), &native(&public(1))])
        }),
        made("other_identity", "F2", "no-match", &["with: key 3", "with: passphrase other words"], || {
            seal_exactly(content().as_bytes(), &[&native(&public(1)), &with_passphrase(WORDS, 8192, 1)])
        }),
        made("empty_file", "F1", "not-age", &[KEY], Vec::new),
        made("plain_json", "F1", "not-age", &[KEY], || content().into_bytes()),
        made("armored", "F1", "not-age", &[KEY], || {
            b"-----BEGIN AGE ENCRYPTED FILE-----\nYWdlLWVuY3J5cHRpb24ub3JnL3YxCg==\n-----END AGE ENCRYPTED FILE-----\n"
                .to_vec()
        }),
        made("age_version_2", "F1", "not-age", &[KEY], replaced("org/v1", "org/v2")),
        made("line_break_of_windows", "F1", "not-age", &[KEY], replaced("org/v1\n", "org/v1\r\n")),
        made("sealed_to_a_stock_passphrase", "F3", "no-slot", &[PASS], || {
            let mut scrypt = age::scrypt::Recipient::new(age::secrecy::SecretString::from(WORDS.to_owned()));
            scrypt.set_work_factor(2);
            seal(content().as_bytes(), &[&scrypt])
        }),
        made("header_only", "F7", "damaged", &[KEY], || {
            let file = simple();
            let end = file.windows(5).position(|five| five == b"\n--- ").unwrap();
            file[..end + 49].to_vec()
        }),
        made("header_without_mac", "F7", "damaged", &[KEY], || {
            let file = simple();
            let end = file.windows(5).position(|five| five == b"\n--- ").unwrap();
            file[..=end].to_vec()
        }),
        made("header_mac_changed", "F7", "damaged", &[KEY], || {
            let mut file = simple();
            let end = file.windows(5).position(|five| five == b"\n--- ").unwrap();
            file[end + 6] = if file[end + 6] == b'A' { b'B' } else { b'A' };
            file
        }),
        made("nonce_changed", "F7", "damaged", &[KEY], || {
            let mut file = simple();
            let end = file.windows(5).position(|five| five == b"\n--- ").unwrap();
            file[end + 49] ^= 1;
            file
        }),
        made("last_byte_missing", "F7", "damaged", &[KEY], cut(1)),
        made("last_tag_missing", "F7", "damaged", &[KEY], cut(16)),
        made("last_byte_changed", "F7", "damaged", &[KEY], flipped(1)),
        made("a_byte_of_the_payload_changed", "F7", "damaged", &[KEY], flipped(100)),
        made("one_byte_more", "F7", "damaged", &[KEY], || [simple(), vec![0]].concat()),
        made(
            "last_chunk_missing",
            "F7",
            "damaged",
            &[KEY, "note: cut after the first of two chunks of 64 KiB, whose content is a whole document"],
            || {
                let mut text = content().into_bytes();
                text.resize(65_536 + 1, b' ');
                let mut file = seal_exactly(&text, &[&native(&public(1))]);
                file.truncate(file.len() - 17);
                file
            },
        ),
    ]
}

/// F3: the passphrase recipient.
fn slots() -> Vec<Made> {
    let bad = |name: &str, args: &'static str, body: &'static [u8], note: &str| {
        made(&format!("slot_{name}"), "F3", "damaged", &[PASS, &format!("note: {note}")], beside(args, body))
    };
    let good = |name: &str, args: &'static str, body: &'static [u8]| {
        made(&format!("device_key_beside_{name}"), "F3", "success", &[KEY, HOLDS], beside(args, body))
    };
    vec![
        made("good_passphrase", "F3", "success", &[PASS, KEY, HOLDS], both),
        made(
            "good_passphrase_normal_form",
            "F3",
            "success",
            &[
                "with: passphrase caf\u{e9}",
                "with: passphrase cafe\u{301}",
                HOLDS,
                "note: both are the same text in NFC",
            ],
            || seal_exactly(content().as_bytes(), &[&with_passphrase("caf\u{e9}", 8192, 1)]),
        ),
        made("good_passphrase_costs", "F3", "success", &[PASS, HOLDS, "note: 16 MiB, 3 passes"], || {
            seal_exactly(content().as_bytes(), &[&with_passphrase(WORDS, 16_384, 3)])
        }),
        made("good_two_passphrases", "F3", "success", &[PASS, "with: passphrase other words", HOLDS], || {
            seal_exactly(
                content().as_bytes(),
                &[&with_passphrase(WORDS, 8192, 1), &with_passphrase("other words", 8192, 2)],
            )
        }),
        made("good_eight_slots", "F4", "success", &[PASS, HOLDS], || {
            let others: Vec<Recipient> = (0..7).map(|at| with_passphrase(&format!("other {at}"), 8192, 1)).collect();
            let last = with_passphrase(WORDS, 8192, 1);
            let all: Vec<&dyn age::Recipient> = others.iter().chain([&last]).map(|one| one as _).collect();
            seal_exactly(content().as_bytes(), &all)
        }),
        made(
            "slot_costs_changed",
            "F3",
            "no-match",
            &[PASS, "note: the native stanza is of the key at one pass"],
            || {
                let genuine = with_passphrase(WORDS, 8192, 1);
                seal_exactly(
                    content().as_bytes(),
                    &[&Raw(vec![slot(&format!("{SALT} 8192 2 1"), b"")]), &native(&genuine.public())],
                )
            },
        ),
        made("slot_not_directly_before", "F3", "no-match", &[PASS, "note: an unknown stanza stands between"], || {
            let genuine = with_passphrase(WORDS, 8192, 1);
            let between = age_core::format::Stanza { tag: "between".to_owned(), args: vec![], body: vec![] };
            seal_exactly(content().as_bytes(), &[&Raw(vec![slot(CHEAP, b""), between]), &native(&genuine.public())])
        }),
        made("slot_behind", "F3", "damaged", &[PASS, "note: nothing stands behind it"], || {
            let genuine = with_passphrase(WORDS, 8192, 1);
            seal_exactly(content().as_bytes(), &[&native(&genuine.public()), &Raw(vec![slot(CHEAP, b"")])])
        }),
        made("slot_of_a_newer_version", "F3", "no-slot", &[PASS], || {
            seal_exactly(
                content().as_bytes(),
                &[
                    &Raw(vec![age_core::format::Stanza {
                        tag: "agevault/argon2id/v2".to_owned(),
                        args: vec![],
                        body: vec![],
                    }]),
                    &native(&public(1)),
                ],
            )
        }),
        bad("no_arguments", "", b"", "no arguments"),
        bad("three_arguments", "AAECAwQFBgcICQoLDA0ODw 8192 1", b"", "the lanes are missing"),
        bad("five_arguments", "AAECAwQFBgcICQoLDA0ODw 8192 1 1 1", b"", "one too many"),
        bad("body", CHEAP, b"body", "a body"),
        bad("leading_zero", "AAECAwQFBgcICQoLDA0ODw 08192 1 1", b"", "not canonical"),
        bad("plus_sign", "AAECAwQFBgcICQoLDA0ODw +8192 1 1", b"", "not canonical"),
        bad("minus_sign", "AAECAwQFBgcICQoLDA0ODw -8192 1 1", b"", "not a number"),
        bad("zero_passes", "AAECAwQFBgcICQoLDA0ODw 8192 0 1", b"", "numbers begin with 1 to 9"),
        bad("fraction", "AAECAwQFBgcICQoLDA0ODw 8192.0 1 1", b"", "not a number"),
        bad("salt_short", "AAECAwQFBgcICQoLDA0O 8192 1 1", b"", "15 bytes"),
        bad("salt_long", "AAECAwQFBgcICQoLDA0ODxA 8192 1 1", b"", "17 bytes"),
        bad("salt_padded", "AAECAwQFBgcICQoLDA0ODw== 8192 1 1", b"", "unpadded base64 only"),
        bad("salt_not_canonical", "AAECAwQFBgcICQoLDA0ODx 8192 1 1", b"", "bits behind the last byte"),
        bad("salt_urlsafe", "__ECAwQFBgcICQoLDA0ODw 8192 1 1", b"", "standard base64 only"),
        good("a_malformed_slot", "", b""),
        good("a_dear_slot", "AAECAwQFBgcICQoLDA0ODw 4294967295 16 8", b""),
        good("a_slot_with_a_body", CHEAP, b"body"),
    ]
}

/// F4: bounds before any work.
fn bounds() -> Vec<Made> {
    let cost = |name: &str, args: &'static str, bound: &str| {
        made(&format!("bound_{name}"), "F4", &format!("bound ({bound})"), &[PASS], beside(args, b""))
    };
    let memory = "Argon2id memory in KiB (8192 to 1048576)";
    let many = |name: &str, args: &'static str, count: usize, bound: &str| {
        made(&format!("bound_{name}"), "F4", &format!("bound ({bound})"), &[PASS], move || {
            let pairs: Vec<Raw> = (0..count).map(|_| Raw(vec![slot(args, b"")])).collect();
            let key = native(&public(2));
            let all: Vec<&dyn age::Recipient> =
                pairs.iter().flat_map(|raw| [raw as &dyn age::Recipient, &key]).collect();
            seal_exactly(content().as_bytes(), &all)
        })
    };
    let stanzas = |count: usize| {
        move || {
            let unknown = |_| age_core::format::Stanza { tag: "x".to_owned(), args: vec![], body: vec![] };
            seal_exactly(content().as_bytes(), &[&Raw((1..count).map(unknown).collect()), &native(&public(1))])
        }
    };
    vec![
        cost("memory_least", "AAECAwQFBgcICQoLDA0ODw 8191 1 1", memory),
        cost("memory_most", "AAECAwQFBgcICQoLDA0ODw 1048577 1 1", memory),
        cost("memory_terabytes", "AAECAwQFBgcICQoLDA0ODw 4294967295 16 1", memory),
        cost("memory_beyond_numbers", "AAECAwQFBgcICQoLDA0ODw 99999999999999999999 1 1", memory),
        cost("passes", "AAECAwQFBgcICQoLDA0ODw 8192 17 1", "Argon2id passes (1 to 16)"),
        cost("lanes", "AAECAwQFBgcICQoLDA0ODw 8192 1 9", "Argon2id lanes (1 to 8)"),
        cost("one_slot", "AAECAwQFBgcICQoLDA0ODw 1048576 5 1", "Argon2id cost of one slot"),
        many("all_slots", "AAECAwQFBgcICQoLDA0ODw 1048576 4 1", 3, "Argon2id cost of all slots"),
        many("nine_slots", CHEAP, 9, "number of passphrase slots"),
        made("good_128_stanzas", "F4", "success", &[KEY, HOLDS], stanzas(128)),
        made("bound_129_stanzas", "F4", "bound (number of stanzas)", &[KEY, PASS], stanzas(129)),
        made("bound_header", "F4", "bound (header size)", &[KEY, PASS], || {
            let long = age_core::format::Stanza { tag: "x".to_owned(), args: vec!["y".repeat(65_536)], body: vec![] };
            seal_exactly(content().as_bytes(), &[&Raw(vec![long]), &native(&public(1))])
        }),
    ]
}
