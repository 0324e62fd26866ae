//! Headers that would cost a reader time or memory, or lock somebody out.

use super::forge::{Raw, native, seal, slot};
use super::limits::{bounded, own_public, refused};
use super::world::World;
use age_core::format::Stanza;

const VAULT: &str = ".local/share/agevault/vault.age";
const SALT: &str = "AAAAAAAAAAAAAAAAAAAAAA";

fn world() -> World {
    let world = World::with_vault();
    world.write("pw", b"some passphrase");
    world
}

/// A header as text, in front of a body that is never reached.
fn file(stanzas: &str) -> Vec<u8> {
    let mac = "--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";
    [b"age-encryption.org/v1\n", stanzas.as_bytes(), mac.as_bytes(), &[0; 64]].concat()
}

fn slots(costs: &str, count: usize) -> String {
    format!("-> agevault/argon2id/v1 {SALT} {costs}\n\n-> X25519 {}\n{}\n", "A".repeat(43), "A".repeat(43))
        .repeat(count)
}

#[test]
fn a_header_beyond_a_bound_is_refused_before_any_work_and_the_bound_is_named() {
    let world = world();
    let cases = [
        ("16,000 stanzas", "-> x\n\n".repeat(16_000), "number of stanzas"),
        ("129 stanzas", "-> x\n\n".repeat(129), "number of stanzas"),
        ("a header without end", "x".repeat(10_000_000), "header size"),
        ("one stanza of 10 MB", format!("-> x {}\n\n", "y".repeat(10_000_000)), "header size"),
        ("a body of 10 MB", format!("-> x\n{}\n", format!("{}\n", "A".repeat(64)).repeat(150_000)), "header size"),
        ("4 TB", slots("4294967295 16 1", 1), "Argon2id memory"),
        ("more memory than numbers", slots("99999999999999999999 1 1", 1), "Argon2id memory"),
        ("just too much memory", slots("1048577 1 1", 1), "Argon2id memory"),
        ("too little memory", slots("8191 1 1", 1), "Argon2id memory"),
        ("17 passes", slots("8192 17 1", 1), "Argon2id passes"),
        ("9 lanes", slots("8192 1 9", 1), "Argon2id lanes"),
        ("a dear slot", slots("1048576 5 1", 1), "Argon2id cost of one slot"),
        ("three slots", slots("1048576 4 1", 3), "Argon2id cost of all slots"),
        ("9 slots", slots("8192 1 1", 9), "number of passphrase slots"),
    ];
    for (name, stanzas, bound) in cases {
        world.write(VAULT, &file(&stanzas));
        let before = world.tree();
        let ran = bounded(&world, &["get", "env/A", "--passphrase-file", "pw"], None, 2 * stanzas.len() as u64);
        refused(name, &world, &ran, &[7], &before);
        assert!(ran.stderr.contains(bound), "{name} does not name the bound: {}", ran.stderr);
    }
}

#[test]
fn a_malformed_slot_is_refused_as_damage() {
    let world = world();
    let cases = [
        ("no arguments", "-> agevault/argon2id/v1\n\n".to_owned()),
        ("three arguments", slots("8192 1", 1)),
        ("five arguments", slots("8192 1 1 1", 1)),
        ("a leading zero", slots("08192 1 1", 1)),
        ("a plus sign", slots("+8192 1 1", 1)),
        ("a minus sign", slots("-8192 1 1", 1)),
        ("zero passes", slots("8192 0 1", 1)),
        ("hexadecimal", slots("0x2000 1 1", 1)),
        ("other digits", slots("٨١٩٢ 1 1", 1)),
        ("a short salt", slots("8192 1 1", 1).replace(SALT, "AAAA")),
        ("a padded salt", slots("8192 1 1", 1).replace(SALT, &format!("{SALT}=="))),
        ("a salt that is not canonical", slots("8192 1 1", 1).replace(SALT, "AAAAAAAAAAAAAAAAAAAAAB")),
        ("a body", slots("8192 1 1", 1).replacen("\n\n", "\nAAAA\n", 1)),
        ("nothing behind it", format!("-> agevault/argon2id/v1 {SALT} 8192 1 1\n\n")),
    ];
    for (name, stanzas) in cases {
        world.write(VAULT, &file(&stanzas));
        let before = world.tree();
        let ran = bounded(&world, &["get", "env/A", "--passphrase-file", "pw"], None, 0);
        refused(name, &world, &ran, &[7], &before);
    }
}

#[test]
fn a_malformed_or_dear_slot_does_not_lock_the_device_key_out() {
    let world = world();
    world.ok(&["set", "env/A", "-q"], b"value");
    let start = world.tree();
    let before = world.sealed().unwrap();
    let (plain, _) = agevault::seal::unlock(&before, super::world::identity_key(&world.identity())).unwrap();
    let device = native(&own_public(&world));
    let stranger = agevault::seal::Identity::generate();
    let forged = [
        ("no arguments", vec![slot("", b"")]),
        ("terabytes", vec![slot(&format!("{SALT} 4294967295 16 1"), b"")]),
        ("a body", vec![slot(&format!("{SALT} 8192 1 1"), b"body")]),
        ("nine of them", (0..9).map(|_| slot(&format!("{SALT} 8192 1 1"), b"")).collect::<Vec<Stanza>>()),
        ("a newer version", vec![Stanza { tag: "agevault/argon2id/v2".to_owned(), args: vec![], body: vec![1] }]),
    ];
    for (name, stanzas) in forged {
        let raw = Raw(stanzas);
        let stranger = native(&stranger.public());
        // Before and behind the device key's own stanza.
        for recipients in [[&raw as &dyn age::Recipient, &stranger, &device], [&device, &raw, &stranger]] {
            world.reset(&start);
            world.write(VAULT, &seal(plain.expose(), &recipients));
            let ran = world.run(&["get", "env/A"], b"");
            ran.expect(0).unwrap_or_else(|why| panic!("{name}: {why}"));
            assert_eq!(ran.stdout, b"value", "{name}");
            world.ok(&["set", "env/B", "-q"], b"b");
        }
    }
}
