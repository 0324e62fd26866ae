//! What a capture, and a watch between two of them, leave in memory.

use super::world::{AGEVAULT, World};
use super::{NEW, Needles, found_in, left_behind, world};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

/// A vault whose `.env` view the gateway has changed.
fn changed() -> (World, Needles) {
    let (world, needles) = world();
    world.ok(&["export", "views", "--on-disk", "-q"], b"");
    world.write("views/.env", format!("A={NEW}\n").as_bytes());
    (world, needles)
}

#[test]
fn capture_leaves_no_secret_in_memory() {
    let (world, needles) = changed();
    let found = left_behind(&world, &["capture"], "", &needles);
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(world.ok(&["get", "env/A"], b"").stdout, NEW.as_bytes());
}

/// A watch keeps its key, or it could save nothing; of what is in the vault it keeps nothing.
#[test]
fn between_captures_a_watch_holds_its_key_and_no_value() {
    let (world, needles) = changed();
    let mut command = world.command(AGEVAULT);
    command.args(["capture", "--watch", "--no-input"]).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let ready = stderr.lines().map_while(Result::ok).any(|line| line.starts_with("watching"));
    std::thread::sleep(Duration::from_millis(500));
    let found = found_in(child.id(), &needles);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(ready);
    let secrets: BTreeSet<&str> = found.keys().map(|(name, _)| *name).collect();
    assert_eq!(secrets, BTreeSet::from(["identity key"]), "{found:?}");
}
