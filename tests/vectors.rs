//! The vault format as small files, each named for the defect it holds.
//!
//! A file in `fixtures/vectors/` begins with lines `NAME: VALUE`, then an empty line, then the
//! sealed bytes:
//!
//! | name | value |
//! |---|---|
//! | `expect` | what reading it comes to, one of the words of [`outcome`] |
//! | `clause` | the clause of the format that says so |
//! | `with` | the key: `key N` is the age identity whose 32 bytes are all N, `passphrase TEXT` a passphrase; each one given must lead to the same outcome |
//! | `holds` | `success` only: an id and the JSON text of its value |
//! | `note` | the defect, where the name does not say it |
//!
//! Vectors are never changed: whoever reads version 1 of the format reads these in the same
//! way for ever. `UPDATE_VECTORS=1` writes those of `vectors/make*.rs` that are missing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
// Figures of a run, for those who ask with `--nocapture`.
#![allow(clippy::print_stdout)]

#[path = "hostile/document.rs"]
mod document;
#[path = "hostile/forge.rs"]
mod forge;
#[path = "vectors/make.rs"]
mod make;
#[path = "vectors/make_documents.rs"]
mod make_documents;
#[path = "vectors/written.rs"]
mod written;

use agevault::model::{self, Credential, SecretId, Vault};
use agevault::seal::{self, Identity, Key, Passphrase};
use agevault::secret::SecretBuf;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/vectors");

/// What a vector says of itself, and the sealed bytes.
struct Vector {
    head: Vec<(String, String)>,
    sealed: Vec<u8>,
}

impl Vector {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(2).position(|two| two == b"\n\n").expect("an empty line ends the head");
        let text = std::str::from_utf8(&bytes[..end]).expect("the head is text");
        let line = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        let head = text.lines().map(|text| line(text).expect("NAME: VALUE")).collect();
        Self { head, sealed: bytes[end + 2..].to_vec() }
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.head.iter().filter(move |(have, _)| have == name).map(|(_, value)| value.as_str())
    }
}

/// The age identity whose secret is 32 times this byte: no secret stands in the fixtures.
fn identity(byte: u8) -> Identity {
    let prefix = bech32::Hrp::parse("age-secret-key-").unwrap();
    Identity::parse(&bech32::encode::<bech32::Bech32>(prefix, &[byte; 32]).unwrap().to_uppercase()).unwrap()
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(&SecretBuf::new(text.as_bytes().to_vec())).unwrap()
}

fn key(with: &str) -> Key {
    match with.split_once(' ').unwrap() {
        ("key", byte) => Key::Identities(vec![identity(byte.parse().unwrap())]),
        ("passphrase", text) => Key::Passphrase(passphrase(text)),
        _ => panic!("{with}"),
    }
}

/// What reading comes to, in a word, and what was read.
fn outcome(sealed: &[u8], key: Key) -> (String, BTreeMap<String, String>) {
    let nothing = |word: &str| (word.to_owned(), BTreeMap::new());
    let plain = match seal::unlock(sealed, key) {
        Ok((plain, _)) => plain,
        Err(seal::Error::NotAge) => return nothing("not-age"),
        Err(seal::Error::Bound(what, _)) => return nothing(&format!("bound ({what})")),
        Err(seal::Error::Damaged) => return nothing("damaged"),
        Err(seal::Error::NoMatch) => return nothing("no-match"),
        Err(seal::Error::NoSlot) => return nothing("no-slot"),
        Err(other) => return nothing(&format!("{other:?}")),
    };
    let Some(text) = plain.text() else { return nothing("malformed") };
    let vault = match Vault::parse(text) {
        Ok(vault) => vault,
        Err(error) => return nothing(&of_model(error)),
    };
    let mut values = BTreeMap::new();
    for id in vault.ids() {
        let raw = vault.get(&id).unwrap();
        if let SecretId::Auth(..) = id
            && let Err(error) = Credential::parse(&id.to_string(), raw)
        {
            return nothing(&of_model(error));
        }
        values.insert(id.to_string(), raw.get().to_owned());
    }
    ("success".to_owned(), values)
}

fn of_model(error: model::Error) -> String {
    match error {
        model::Error::Malformed { .. } => "malformed".to_owned(),
        model::Error::Bound(what, _) => format!("bound ({what})"),
        model::Error::Newer => "newer".to_owned(),
        model::Error::Duplicate(_) => "duplicate".to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn every_vector_comes_to_what_it_says() {
    if std::env::var_os("UPDATE_VECTORS").is_some_and(|value| value == "1") {
        write_missing();
    }
    let mut failures = Vec::new();
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for entry in fs::read_dir(VECTORS).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name == "README.md" {
            continue;
        }
        let vector = Vector::parse(&fs::read(&path).unwrap());
        let expected = vector.all("expect").next().expect("expect").to_owned();
        assert!(vector.all("clause").next().is_some(), "{name} names no clause");
        assert!(vector.all("with").next().is_some(), "{name} has no key");
        for with in vector.all("with") {
            let (got, values) = outcome(&vector.sealed, key(with));
            if got != expected {
                failures.push(format!("{name} with {with}: {got}, not {expected}"));
                continue;
            }
            for holds in vector.all("holds") {
                let (id, value) = holds.split_once(' ').unwrap();
                if values.get(id).map(String::as_str) != Some(value) {
                    failures.push(format!("{name}: {id} is {:?}, not {value}", values.get(id)));
                }
            }
        }
        *count.entry(expected).or_default() += 1;
    }
    println!("{} vectors: {count:?}", count.values().sum::<usize>());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A vector that is not in the list was renamed or lost its making: both are to be noticed.
#[test]
fn every_vector_can_be_made_again() {
    let made: Vec<String> = make::all().into_iter().map(|made| made.name).collect();
    let mut there: Vec<String> =
        fs::read_dir(VECTORS).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    there.retain(|name| name != "README.md");
    let missing: Vec<&String> = made.iter().filter(|name| !there.contains(name)).collect();
    let unknown: Vec<&String> = there.iter().filter(|name| !made.contains(name)).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "missing: {missing:?}, unknown: {unknown:?}");
}

fn write_missing() {
    for made in make::all() {
        let path = Path::new(VECTORS).join(&made.name);
        if !path.exists() {
            fs::write(&path, [made.head.as_bytes(), b"\n", &(made.seal)()].concat()).unwrap();
        }
    }
}
