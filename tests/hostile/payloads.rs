//! Documents that only somebody with a recipient string could have sealed.

use super::document::document;
use super::forge::{native, seal_exactly};
use super::limits::{bounded, own_public, refused};
use super::world::World;

const VAULT: &str = ".local/share/agevault/vault.age";
const MB: usize = 1_000_000;

fn check(name: &str, world: &World, payload: &[u8], codes: &[i32]) {
    let sealed = seal_exactly(payload, &[&native(&own_public(world))]);
    world.write(VAULT, &sealed);
    let before = world.tree();
    // The file and its payload are both in memory by nature; everything else is bounded.
    let ran = bounded(world, &["get", "env/A"], None, 2 * sealed.len() as u64);
    refused(name, world, &ran, codes, &before);
    let ran = bounded(world, &["set", "env/A"], None, 2 * sealed.len() as u64);
    refused(name, world, &ran, codes, &before);
}

#[test]
fn the_template_of_these_documents_is_a_vault() {
    assert!(agevault::model::Vault::parse(&document(&[])).is_ok());
    check("never seen here", &World::with_vault(), document(&[]).as_bytes(), &[9]);
}

#[test]
fn documents_that_are_none_are_refused() {
    let world = World::with_vault();
    let huge = |text: &str| text.repeat(60 * MB / text.len()).into_bytes();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("spaces", vec![b' '; 4096]),
        ("null", b"null".to_vec()),
        ("an array", b"[]".to_vec()),
        ("an empty object", b"{}".to_vec()),
        ("two documents", document(&[]).repeat(2).into_bytes()),
        ("a byte order mark", format!("\u{feff}{}", document(&[])).into_bytes()),
        (
            "invalid UTF-8",
            document(&[("future", "\"?\"".to_owned())])
                .replace('?', "\u{1}")
                .replace('\u{1}', "x")
                .into_bytes()
                .into_iter()
                .map(|byte| if byte == b'x' { 0xff } else { byte })
                .collect(),
        ),
        ("a NUL at the end", format!("{}\0", document(&[])).into_bytes()),
        ("60 MB of NUL", vec![0; 60 * MB]),
        ("60 MB of brackets", huge("[")),
        ("60 MB of nested objects", huge("{\"a\":")),
        ("60 MB of quotes", huge("\"")),
        ("60 MB of backslashes", huge("\\")),
        ("60 MB of duplicate members", format!("{{{}", "\"a\":1,".repeat(10 * MB)).into_bytes()),
        ("60 MB in one string", format!("{{\"a\":\"{}\"", "x".repeat(60 * MB)).into_bytes()),
        ("60 MB of digits", format!("{{\"created\":{}", "1".repeat(60 * MB)).into_bytes()),
    ];
    for (name, payload) in cases {
        check(name, &world, &payload, &[7]);
    }
}

#[test]
fn documents_that_break_a_rule_are_refused() {
    let world = World::with_vault();
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let entries = |count: usize| {
        let all: Vec<String> = (0..count).map(|at| format!("\"E{at:06}\":\"x\"")).collect();
        format!("{{{}}}", all.join(","))
    };
    let cases = [
        ("a newer schema", vec![("schema", "2".to_owned())]),
        ("an unknown feature", vec![("requires", "[\"x\"]".to_owned())]),
        ("an older schema", vec![("schema", "0".to_owned())]),
        ("nesting of 33", vec![("future", nested(32))]),
        ("nesting of 100,000 in a value", vec![("env", format!("{{\"A\":{}}}", nested(100_000)))]),
        ("100,001 entries", vec![("env", entries(100_001))]),
        ("a name of 1025 bytes", vec![("env", format!("{{\"{}\":\"x\"}}", "N".repeat(1025)))]),
        ("a value beyond 1 MiB", vec![("env", format!("{{\"A\":\"{}\"}}", "x".repeat(1024 * 1024)))]),
        ("a duplicate name", vec![("env", r#"{"A":"x","A":"y"}"#.to_owned())]),
        ("an escaped duplicate", vec![("env", r#"{"A":"x","\u0041":"y"}"#.to_owned())]),
        ("names out of order", vec![("env", r#"{"B":"x","A":"y"}"#.to_owned())]),
        ("a number beyond 64 bits", vec![("generation", "18446744073709551616".to_owned())]),
        ("a number with a fraction", vec![("generation", "1.5".to_owned())]),
        ("a negative number", vec![("epoch", "-1".to_owned())]),
        ("an infinite number", vec![("created", "1e999".to_owned())]),
        ("an integer beyond 2^53", vec![("generation", "9007199254740992".to_owned())]),
        ("a save count beyond 2^53", vec![("writers", r#"{"00":9007199254740992}"#.to_owned())]),
        ("a path as the name of a save", vec![("rev", "\"../../../../escaped\"".to_owned())]),
        ("a long name of a save", vec![("rev", format!("\"{}\"", "0".repeat(65)))]),
        ("a path as a host", vec![("writers", r#"{"../../escaped":1}"#.to_owned())]),
        ("300 KB of features", vec![("requires", format!("[{}\"\"]", "\"\",".repeat(100_000)))]),
        ("300 KB of hosts", vec![("writers", format!("{{\"{}\":1}}", "0".repeat(300_000)))]),
        ("20 MB of features", vec![("requires", format!("[{}\"\"]", "\"\",".repeat(7_000_000)))]),
        ("40 MB of entries", vec![("env", entries(3_000_000))]),
        ("a secret that is no base64", vec![("vault_secret", "\"!\"".to_owned())]),
        ("a short secret", vec![("vault_secret", "\"AAAA\"".to_owned())]),
    ];
    for (name, replaced) in cases {
        check(name, &world, document(&replaced).as_bytes(), &[7]);
    }
}

#[test]
fn a_vault_id_is_never_a_path() {
    let world = World::with_vault();
    let ids = [
        "",
        ".",
        "..",
        "../../../../escaped",
        "/tmp/escaped",
        "a/b",
        "a\\u0000b",
        "6F8B9F0A-3F1E-4C55-9F5D-0F1B5B3C2A10",
        "6f8b9f0a3f1e4c559f5d0f1b5b3c2a10",
        "{6f8b9f0a-3f1e-4c55-9f5d-0f1b5b3c2a10}",
        "6f8b9f0a-3f1e-4c55-9f5d-0f1b5b3c2a10/..",
    ];
    for id in ids {
        let payload = document(&[("vault_id", format!("\"{id}\""))]);
        check(id, &world, payload.as_bytes(), &[7]);
        // `trust` writes down what it believes, so it must not be led elsewhere either.
        let before = world.tree();
        refused(id, &world, &world.run(&["trust", "-y"], b""), &[7], &before);
    }
}
