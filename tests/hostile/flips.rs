//! Every single-byte change and every truncation.

use super::world::{World, entries, passphrase_key};
use agevault::model::Vault;
use agevault::seal::{self, Error, Key};
use agevault::secret::SecretBuf;

const PASSPHRASE: &str = "four words and more";

fn small_vault() -> World {
    let world = World::new();
    world.write("pw", PASSPHRASE.as_bytes());
    world.ok(&["init", "-q", "--generate-identity", "--passphrase-file", "pw", "--kdf-memory", "8"], b"");
    world.ok(&["set", "env/A", "-q"], b"value");
    world
}

/// Whether it is refused, with the exit code 4 or 7 that the command line gives.
fn is_refused(sealed: &[u8], key: Key) -> Result<(), String> {
    match seal::unlock(sealed, key) {
        Err(Error::NoMatch | Error::NoSlot | Error::Damaged | Error::NotAge | Error::Bound(..)) => Ok(()),
        Err(other) => Err(format!("{other:?}")),
        Ok((plain, _)) if plain.text().is_none_or(|text| Vault::parse(text).is_err()) => {
            Err("opens, and holds something else".to_owned())
        }
        Ok(_) => Err("opens".to_owned()),
    }
}

#[test]
fn every_changed_byte_and_every_truncation_is_refused() {
    let world = small_vault();
    let sealed = world.sealed().unwrap();
    let file = SecretBuf::new(std::fs::read(world.identity()).unwrap());
    let identity = || Key::Identities(seal::parse_file(&file).unwrap());
    is_refused(&sealed, identity()).expect_err("the vault itself opens");
    let mut changed = sealed.clone();
    let mut tried = 0;
    for at in 0..sealed.len() {
        let other = sealed[at].wrapping_add(u8::try_from(1 + at % 255).unwrap());
        for byte in [sealed[at] ^ (1 << (at % 8)), other] {
            changed[at] = byte;
            is_refused(&changed, identity()).unwrap_or_else(|why| panic!("byte {at} set to {byte}: {why}"));
            tried += 1;
        }
        changed[at] = sealed[at];
    }
    for len in 0..sealed.len() {
        is_refused(&sealed[..len], identity()).unwrap_or_else(|why| panic!("cut to {len} bytes: {why}"));
    }
    let longer = [&sealed[..], b"\0"].concat();
    is_refused(&longer, identity()).expect("one byte more");
    println!("{tried} changed bytes and {} truncations of {} bytes refused", sealed.len(), sealed.len());
}

#[test]
fn every_changed_byte_of_a_passphrase_slot_is_refused() {
    let world = small_vault();
    let sealed = world.sealed().unwrap();
    assert!(entries(&sealed, passphrase_key(PASSPHRASE)).is_ok());
    let find = |what: &[u8]| sealed.windows(what.len()).position(|window| window == what).unwrap();
    // The slot and the native stanza behind it.
    let start = find(b"\n-> agevault/argon2id/v1 ");
    let end = start + 200;
    let mut changed = sealed.clone();
    for at in start..end {
        changed[at] ^= 1 << (at % 8);
        is_refused(&changed, passphrase_key(PASSPHRASE)).unwrap_or_else(|why| panic!("byte {at}: {why}"));
        changed[at] = sealed[at];
    }
}

#[test]
fn the_command_refuses_changed_and_cut_files_without_a_word_on_stdout() {
    let world = small_vault();
    let sealed = world.sealed().unwrap();
    let header = sealed.windows(5).position(|window| window == b"\n--- ").unwrap();
    let mut variants = Vec::new();
    for at in (0..header + 48).step_by(12).chain((header + 48..sealed.len()).step_by(101)) {
        let mut changed = sealed.clone();
        changed[at] ^= 1 << (at % 8);
        variants.push((format!("byte {at}"), changed));
    }
    for len in (0..sealed.len()).step_by(397) {
        variants.push((format!("{len} bytes"), sealed[..len].to_vec()));
    }
    for (at, (name, bytes)) in variants.iter().enumerate() {
        world.write(".local/share/agevault/vault.age", bytes);
        let before = world.tree();
        let commands: &[&[&str]] =
            &[&["get", "env/A"], &["set", "env/A"], &["render", "dotenv"], &["list"], &["trust", "-y"]];
        let ran = world.run(commands[at % commands.len()], b"value");
        super::limits::refused(name, &world, &ran, &[4, 7], &before);
    }
    println!("{} changed and cut files refused by the command", variants.len());
}
