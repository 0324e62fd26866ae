//! Files to be imported that no gateway wrote.

use super::limits::{bounded, refused};
use super::world::World;

const MB: usize = 1_000_000;
/// Just below what is read at all.
const LARGEST: usize = 16 * 1024 * 1024 - 1024;
const NAMES: [&str; 5] = ["auth-profiles.json", "auth.json", "oauth.json", "openclaw.json", ".env"];

/// Enough of a text to fill the size.
fn fill(head: &str, text: &str, size: usize) -> Vec<u8> {
    format!("{head}{}", text.repeat(size.saturating_sub(head.len()) / text.len())).into_bytes()
}

fn all_refuse(world: &World, what: &str, bytes: &[u8], names: &[&str]) {
    for name in names {
        world.write(&format!("in/{name}"), bytes);
        let before = world.tree();
        // What is read is kept once as bytes and may be kept once as values.
        let ran = bounded(world, &["import", &format!("in/{name}")], None, 2 * bytes.len() as u64);
        refused(&format!("{what} as {name}"), world, &ran, &[2, 3, 6, 7], &before);
        std::fs::remove_dir_all(world.path("in")).unwrap();
    }
}

#[test]
fn a_hundred_megabytes_are_refused() {
    let world = World::with_vault();
    all_refuse(&world, "100 MB of brackets", &fill("", "[", 100 * MB), &NAMES);
    all_refuse(
        &world,
        "100 MB of nested objects",
        &fill("", "{\"a\":", 100 * MB),
        &["auth-profiles.json", "openclaw.json"],
    );
    all_refuse(
        &world,
        "100 MB of duplicates",
        &fill("{", "\"a\":1,", 100 * MB),
        &["auth-profiles.json", "openclaw.json"],
    );
    all_refuse(&world, "100 MB of NUL", &vec![0; 100 * MB], &NAMES);
}

#[test]
fn the_largest_hostile_input_that_is_read_costs_little() {
    let world = World::with_vault();
    for (what, head, text) in [
        ("brackets", "", "["),
        ("nested objects", "", "{\"a\":"),
        ("duplicates", "{", "\"a\":1,"),
        (
            "duplicate profiles",
            "{\"version\":1,\"profiles\":{",
            "\"p\":{\"type\":\"api_key\",\"provider\":\"x\",\"key\":\"k\"},",
        ),
        ("quotes", "", "\""),
        ("backslashes", "\"", "\\"),
        ("comments", "", "/*"),
        ("line comments", "", "//\n"),
        ("digits", "", "1"),
        ("NUL", "", "\0"),
        ("line breaks", "{", "\n"),
    ] {
        all_refuse(&world, what, &fill(head, text, LARGEST), &NAMES[..4]);
    }
    let invalid = vec![0xff; LARGEST];
    all_refuse(&world, "invalid UTF-8", &invalid, &NAMES);
}

#[test]
fn a_dotenv_file_of_many_names_costs_little() {
    let world = World::with_vault();
    let lines = |name: &dyn Fn(usize) -> String| -> Vec<u8> {
        let mut text = String::new();
        let mut at = 0;
        while text.len() < LARGEST {
            text.push_str(&name(at));
            text.push_str("=x\n");
            at += 1;
        }
        text.into_bytes()
    };
    all_refuse(&world, "a million names", &lines(&|at| format!("N{at}")), &[".env"]);
    all_refuse(&world, "a million names, last first", &lines(&|at| format!("N{}", 9_999_999 - at)), &[".env"]);
    all_refuse(&world, "CRLF", &fill("A=x", "\r\n", LARGEST), &[".env"]);
    all_refuse(&world, "keys in comments", &fill("", "#A=sk-012345678\n", LARGEST), &[".env"]);
}

#[test]
fn as_many_entries_as_a_vault_holds_are_taken_in_any_order() {
    let world = World::with_vault();
    let text: String = (0..50_000).map(|at| format!("N{}=x\n", 99_999 - at)).collect();
    world.write("in/.env", text.as_bytes());
    let ran = bounded(&world, &["import", "in/.env", "-q"], None, 64 * MB as u64);
    ran.expect(0).unwrap();
    assert_eq!(world.entries().unwrap().len(), 50_000);
}

/// What the gateway reads is read the same way, and what no vault can hold is left out by its name.
#[test]
fn a_credential_that_is_odd_takes_no_other_with_it() {
    let profile = |members: &str| {
        format!(
            "{{\"version\":1,\"profiles\":{{\"good:a\":{{\"type\":\"api_key\",\"provider\":\"good\",\"key\":\"k\"}},\"p:a\":{members}}}}}"
        )
    };
    let nested = format!("{}{}", "[".repeat(40), "]".repeat(40));
    let long = "x".repeat(1024 * 1024 + 1);
    for (what, members, key) in [
        ("a duplicate member", r#"{"type":"api_key","provider":"p","key":"a","key":"b"}"#, Some("b")),
        ("an escaped duplicate", r#"{"type":"api_key","provider":"p","key":"a","k\u0065y":"b"}"#, Some("b")),
        (
            "a duplicate deep inside",
            r#"{"type":"api_key","provider":"p","key":"b","x":{"y":[{"z":1,"z":2}]}}"#,
            Some("b"),
        ),
        (
            "a duplicate profile",
            r#"{"type":"api_key","provider":"p","key":"a"},"p:a":{"type":"api_key","provider":"p","key":"b"}"#,
            Some("b"),
        ),
        ("a NUL", r#"{"type":"api_key","provider":"p","key":"a\u0000b"}"#, None),
        ("half a character", r#"{"type":"api_key","provider":"p","key":"\ud800"}"#, None),
        ("nesting of 40", &format!(r#"{{"type":"api_key","provider":"p","key":"a","x":{nested}}}"#), None),
        ("a value beyond 1 MiB", &format!(r#"{{"type":"api_key","provider":"p","key":"{long}"}}"#), None),
    ] {
        let world = World::with_vault();
        world.write("in/auth-profiles.json", profile(members).as_bytes());
        let ran = bounded(&world, &["import", "in/auth-profiles.json"], None, 8 * MB as u64);
        ran.expect(0).unwrap_or_else(|why| panic!("{what}: {why}"));
        assert!(ran.stderr.contains("note: auth/main/p:a, "), "{what} is named: {}", ran.stderr);
        let got = world.run(&["get", "auth/main/p:a"], b"");
        assert_eq!((got.code == Some(0)).then_some(got.stdout.as_slice()), key.map(str::as_bytes), "{what}");
        world.ok(&["get", "auth/main/good:a"], b"");
    }
    let world = World::with_vault();
    let behind = format!("{} x", profile(r#"{"type":"api_key","provider":"p","key":"a"}"#));
    all_refuse(&world, "something behind it", behind.as_bytes(), &["auth-profiles.json"]);
}
