//! Whatever is taken into a vault can be read again: no accepted input may lock everybody out.

use super::document::document;
use super::world::World;
use agevault::model::Vault;
use agevault::seal::{self, Identity, Key, Recipient};

#[test]
fn a_credential_of_any_depth_is_refused_or_can_be_read_again() {
    let world = World::with_vault();
    let mut taken = 0;
    for depth in 20..40 {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        let text = format!(
            r#"{{"version":1,"profiles":{{"p:a{depth}":{{"type":"api_key","provider":"p","key":"k","x":{open}{close}}}}}}}"#
        );
        world.write("auth-profiles.json", text.as_bytes());
        let ran = world.run(&["import", "auth-profiles.json"], b"");
        assert!(matches!(ran.code, Some(0 | 2 | 7)), "{depth}: {ran:?}");
        taken += usize::from(ran.stderr.contains("added auth/main/p:a"));
        let listed = world.run(&["list"], b"");
        listed.expect(0).unwrap_or_else(|why| panic!("after {depth} levels: {why}"));
        assert_eq!(listed.stdout.iter().filter(|byte| **byte == b'\n').count(), taken, "after {depth} levels");
    }
    assert!(taken > 0 && taken < 20, "the bound is somewhere between");
}

#[test]
fn a_value_of_any_size_is_refused_or_can_be_read_again() {
    let world = World::with_vault();
    const MIB: usize = 1024 * 1024;
    // Escapes make the JSON text longer than the value.
    for (what, value) in [
        ("just fits", "x".repeat(MIB - 2)),
        ("quotes do not fit", "x".repeat(MIB - 1)),
        ("1 MiB", "x".repeat(MIB)),
        ("half of it escaped", "\"".repeat(MIB / 2 - 1)),
        ("all of it escaped", "\\".repeat(MIB - 2)),
        ("control characters", "\u{1}".repeat(MIB / 6)),
        ("more of them", "\u{1}".repeat(MIB / 6 + 1)),
    ] {
        let ran = world.run(&["set", "config/gateway/auth/token", "-q"], value.as_bytes());
        assert!(matches!(ran.code, Some(0 | 2 | 7)), "{what}: {ran:?}");
        let got = world.run(&["get", "config/gateway/auth/token"], b"");
        got.expect(0).unwrap_or_else(|why| panic!("{what}: {why}"));
        assert!(ran.code != Some(0) || got.stdout == value.as_bytes(), "{what} comes back");
    }
}

#[test]
fn a_name_of_any_length_is_refused_or_can_be_read_again() {
    let world = World::with_vault();
    // Each of the second kind is `_x2f_` in the name that is written.
    for (what, segment) in [
        ("N", "N".repeat(1000)),
        ("long", "N".repeat(1025)),
        ("escaped", "%".repeat(203)),
        ("more escaped", "%".repeat(210)),
    ] {
        let ran = world.run(&["set", &format!("config/{segment}"), "-q"], b"value");
        assert!(matches!(ran.code, Some(0 | 2 | 7)), "{what}: {ran:?}");
        world.run(&["list"], b"").expect(0).unwrap_or_else(|why| panic!("after {what}: {why}"));
    }
}

#[test]
fn a_vault_of_the_largest_size_that_is_written_can_be_read_again() {
    const MIB: usize = 1024 * 1024;
    let identity = Identity::generate();
    let to = [Recipient::parse(&identity.public(), None).unwrap()];
    let file = identity.to_secret().unwrap().expose().to_owned();
    let mut written = 0;
    for size in [62 * MIB, 63 * MIB - 9000, 63 * MIB + 9000, 64 * MIB - 9000, 64 * MIB + 9000] {
        let entries: Vec<String> =
            (0..128).map(|at| format!("\"E{at:03}\":\"{}\"", "x".repeat(size / 128 - 10))).collect();
        let text = document(&[("env", format!("{{{}}}", entries.join(",")))]);
        let Ok(payload) = Vault::parse(&text).unwrap().render(text.len()) else { continue };
        let Ok(sealed) = seal::seal(payload.expose(), &to) else { continue };
        written += 1;
        let key = Key::Identities(vec![Identity::parse(&file).unwrap()]);
        let opened = seal::unlock(&sealed, key)
            .unwrap_or_else(|error| panic!("{size} bytes are written and not read: {error:?}"));
        Vault::parse(opened.0.text().unwrap()).unwrap();
    }
    assert!((2..5).contains(&written), "the bound is somewhere between");
}
