//! Something else in the place of a file: what never ends, never begins, or is no file.

use super::limits::{bounded, refused};
use super::world::World;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

/// Every option and argument that names a file to be read.
fn readers(path: &str) -> Vec<(Vec<&str>, &[i32])> {
    vec![
        (vec!["get", "env/A", "--vault", path], &[7, 8]),
        (vec!["set", "env/A", "--vault", path], &[7, 8]),
        (vec!["get", "env/A", "-i", path], &[4, 7, 8]),
        (vec!["get", "env/A", "--passphrase-file", path], &[4, 7, 8]),
        (vec!["set", "env/A", "--value-file", path], &[2, 7, 8]),
        (vec!["import", path], &[2, 3, 7, 8]),
        (vec!["recipients", "add", path, "--label", "other"], &[4, 7, 8]),
        (vec!["recipients", "add", "passphrase", "--label", "other", "--new-passphrase-file", path], &[4, 7, 8]),
        (vec!["restore", path], &[4, 7, 8]),
        (vec!["restore", path, "--backup-identity", path], &[4, 7, 8]),
    ]
}

fn all_refuse(world: &World, path: &str, what: &str) {
    let before = world.tree();
    for (args, codes) in readers(path) {
        let ran = bounded(world, &args, None, 0);
        refused(&format!("{what}: {args:?}"), world, &ran, codes, &before);
        assert!(ran.took < Duration::from_secs(10), "{what}: {args:?} took {:?}", ran.took);
    }
}

#[test]
fn a_fifo_in_place_of_a_file_hangs_nobody() {
    let world = World::with_vault();
    let made = std::process::Command::new("mkfifo").args(["-m", "600"]).arg(world.path("fifo")).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo is missing: run tests/run");
    all_refuse(&world, "fifo", "a FIFO");
}

#[test]
fn a_directory_in_place_of_a_file_is_refused() {
    let world = World::with_vault();
    fs::create_dir(world.path("empty")).unwrap();
    all_refuse(&world, "empty", "a directory");
}

#[test]
fn a_device_that_never_ends_is_refused() {
    all_refuse(&World::with_vault(), "/dev/zero", "/dev/zero");
}

#[test]
fn a_link_to_nothing_or_to_itself_is_refused() {
    let world = World::with_vault();
    symlink("nowhere", world.path("dangling")).unwrap();
    symlink("loop", world.path("loop")).unwrap();
    for path in ["dangling", "loop"] {
        let before = world.tree();
        for (args, _) in readers(path) {
            refused(&format!("{path}: {args:?}"), &world, &bounded(&world, &args, None, 0), &[2, 3, 4, 8], &before);
        }
    }
}

#[test]
fn a_file_beyond_its_bound_is_refused_unread() {
    let world = World::with_vault();
    let big = world.write("big", b"age-encryption.org/v1\n");
    fs::File::options().write(true).open(&big).unwrap().set_len(100 * 1024 * 1024 * 1024).unwrap();
    // Not `World::tree`, which would read it: the file is 100 GB of nothing.
    for (args, codes) in readers("big") {
        let ran = bounded(&world, &args, None, 0);
        assert!(ran.code.is_some_and(|code| codes.contains(&code)), "{args:?}: {ran:?}");
        assert!(ran.stdout.is_empty() && ran.stderr.starts_with("agevault: "), "{args:?}: {ran:?}");
    }
}

#[test]
fn standard_input_that_never_ends_is_refused() {
    let world = World::with_vault();
    let before = world.tree();
    let cases: [(&[&str], &[i32]); 4] = [
        (&["set", "env/A"], &[2, 7]),
        (&["get", "env/A", "-i", "-"], &[4, 7]),
        (&["import", "-", "--format", "dotenv"], &[2, 7]),
        (&["import", "-", "--format", "auth-profiles"], &[2, 7]),
    ];
    for (args, codes) in cases {
        let ran = bounded(&world, args, Some(Path::new("/dev/zero")), 0);
        refused(&format!("{args:?}"), &world, &ran, codes, &before);
    }
}

#[test]
fn identity_files_of_garbage_are_refused_without_repeating_it() {
    let world = World::with_vault();
    let canary = "canary-in-a-key-file";
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("NUL", vec![0; 4096]),
        ("not UTF-8", vec![0xff; 100]),
        ("text", canary.as_bytes().to_vec()),
        ("a damaged key", format!("AGE-SECRET-KEY-1{canary}").into_bytes()),
        ("one line of 1 MB", canary.repeat(50_000).into_bytes()),
        (
            "65 keys",
            (0..65)
                .map(|_| format!("{}\n", agevault::seal::Identity::generate().to_secret().unwrap().expose()))
                .collect::<String>()
                .into_bytes(),
        ),
        ("an age file", b"age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 63\nAAAA\n--- A\n".to_vec()),
        (
            "an armored age file",
            b"-----BEGIN AGE ENCRYPTED FILE-----\nAAAA\n-----END AGE ENCRYPTED FILE-----\n".to_vec(),
        ),
    ];
    for (name, bytes) in cases {
        let file = world.write("key.txt", &bytes);
        let before = world.tree();
        let ran = bounded(&world, &["get", "env/A", "-i", file.to_str().unwrap()], None, bytes.len() as u64);
        refused(name, &world, &ran, &[4], &before);
        assert!(!ran.stderr.contains(canary), "{name}: {}", ran.stderr);
    }
}
