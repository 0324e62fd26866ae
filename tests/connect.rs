//! `connect` against whole kinds of states, generated: every list of the table of references, every place where a
//! gateway may have a secret. The gateway's program only answers what it is asked; tests/e2e.rs has real ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg(target_os = "linux")]

#[path = "connect/arrays.rs"]
mod arrays;
#[path = "connect/places.rs"]
mod places;
#[allow(dead_code, reason = "shared with tests/crash.rs, which uses all of it")]
#[path = "crash/world.rs"]
mod world;

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use world::{Ran, World};

/// The table of places that take a reference.
const TARGETS: &str = include_str!("../src/formats/data/targets.txt");

/// A release as year, month and number.
type Release = (u16, u16, u16);

/// A home with a vault and a gateway of this version, which does not run.
fn with_gateway(version: Release) -> World {
    let world = World::with_vault();
    let (year, month, number) = version;
    let package = json!({"name": "openclaw", "version": format!("{year}.{month}.{number}")});
    world.write("fake/package.json", package.to_string().as_bytes());
    world.write("fake/openclaw.mjs", b"");
    let node = world.write("fake/node", b"#!/bin/sh\necho '{\"ok\":false}'; exit 1\n");
    fs::set_permissions(node, fs::Permissions::from_mode(0o700)).unwrap();
    world.write(".openclaw/openclaw.json", b"{}");
    world
}

fn agevault(world: &World, args: &[&str]) -> Ran {
    world.run(&[&["--openclaw", "fake"], args].concat(), b"")
}

/// Writes the configuration, nobody listening at the gateway's port.
fn configure(world: &World, config: &Value) {
    let mut config = config.clone();
    config["gateway"]["port"] = json!(1);
    world.write(".openclaw/openclaw.json", serde_json::to_string_pretty(&config).unwrap().as_bytes());
}

fn configuration(world: &World) -> Value {
    let mut config: Value = serde_json::from_slice(&fs::read(world.path(".openclaw/openclaw.json")).unwrap()).unwrap();
    config.as_object_mut().unwrap().remove("gateway");
    config
}

/// The paths of the table that a release takes a reference at, by segments: `[]` an element, `*` any name.
fn targets(version: Release) -> Vec<Vec<&'static str>> {
    let release = |text: &str| {
        let mut numbers = text.split('.').map(|number| number.parse().unwrap());
        (numbers.next().unwrap(), numbers.next().unwrap(), numbers.next().unwrap())
    };
    let takes = |line: &&str| {
        let mut words = line.split_whitespace();
        let (first, last) = (release(words.next().unwrap()), words.next().unwrap());
        first <= version && (last == "-" || version <= release(last))
    };
    let lines = TARGETS.lines().filter(|line| line.starts_with("2026."));
    let path = |line: &'static str| {
        let path = line.split_whitespace().nth(2).unwrap();
        path.split('.').flat_map(|part| part.strip_suffix("[]").map_or(vec![part], |list| vec![list, "[]"])).collect()
    };
    lines.filter(takes).map(path).collect()
}

/// Puts a value at a path of names.
fn put(tree: &mut Value, path: &[&str], value: Value) {
    match path {
        [] => *tree = value,
        [name, rest @ ..] => put(&mut tree[*name], rest, value),
    }
}
