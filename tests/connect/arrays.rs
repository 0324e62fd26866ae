//! Ids are made of names, never of positions: whatever happens to a list between two runs, each element keeps its own
//! secrets, in the vault and on the way back.

use super::world::World;
use super::{Release, agevault, configuration, configure, put, targets, with_gateway};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The releases at which the lists of the table differ.
const RELEASES: [Release; 4] = [(2026, 4, 25), (2026, 6, 11), (2026, 7, 35), (2026, 9, 6)];

/// The lists of a release, each with the paths of secrets below its elements.
fn lists(version: Release) -> BTreeMap<Vec<&'static str>, Vec<Vec<&'static str>>> {
    let mut lists: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for path in targets(version) {
        let Some(at) = path.iter().position(|segment| *segment == "[]") else { continue };
        lists.entry(path[..at].to_vec()).or_default().push(path[at + 1..].to_vec());
    }
    lists
}

/// An element with a secret of its own at each of the paths; `named` is what tells it from the others.
fn element(list: &[&str], below: &[Vec<&str>], name: &str, named: bool) -> Value {
    let mut element = if named { json!({"id": name}) } else { json!({"enabled": true}) };
    for path in below {
        let value = format!("canary-{}-{}-{name}-0123456789", list.join("-"), path.join("-").replace('*', "star"));
        put(&mut element, path, Value::from(value));
    }
    element
}

/// A configuration with every list of the release, of these elements.
fn config(version: Release, names: &[&str], named: bool) -> Value {
    let mut config = json!({});
    for (list, below) in lists(version) {
        let elements: Vec<Value> = names.iter().map(|name| element(&list, &below, name, named)).collect();
        put(&mut config, &list, Value::from(elements));
    }
    config
}

/// The configuration with the value of the vault in the place of each reference.
fn resolved(world: &World) -> Value {
    fn resolve(value: &mut Value, entries: &BTreeMap<String, String>) {
        if value["provider"] == "agevault" {
            let raw = &entries[value["id"].as_str().unwrap()];
            *value = serde_json::from_str(raw).unwrap();
            return;
        }
        match value {
            Value::Array(elements) => elements.iter_mut().for_each(|element| resolve(element, entries)),
            Value::Object(members) => members.values_mut().for_each(|member| resolve(member, entries)),
            _ => {}
        }
    }
    let mut config = configuration(world);
    config.as_object_mut().unwrap().remove("secrets");
    resolve(&mut config, &world.entries().unwrap());
    config
}

fn has_plaintext(world: &World) -> bool {
    std::fs::read_to_string(world.path(".openclaw/openclaw.json")).unwrap().contains("canary-")
}

#[test]
fn a_list_that_changes_between_two_runs_swaps_no_secret() {
    for version in RELEASES {
        assert!(!lists(version).is_empty(), "{version:?} has lists");
        for (what, names) in [
            ("one is put before the others", &["new", "a", "b", "c"][..]),
            ("one is put between them", &["a", "new", "b", "c"]),
            ("the first goes", &["b", "c"]),
            ("they are turned round", &["c", "b", "a"]),
            ("one goes, one comes, the rest is turned round", &["new", "c", "a"]),
        ] {
            let what = format!("{version:?}: {what}");
            let world = with_gateway(version);
            configure(&world, &config(version, &["a", "b", "c"], true));
            agevault(&world, &["connect"]).expect(0).unwrap_or_else(|why| panic!("{what}: {why}"));
            assert!(!has_plaintext(&world), "{what}");
            assert_eq!(resolved(&world), config(version, &["a", "b", "c"], true), "{what}");

            // A person edits the list: what is there keeps its references, what is new has its secret in plaintext.
            let (mut now, plain) = (configuration(&world), config(version, names, true));
            for list in lists(version).keys() {
                let pointer = format!("/{}", list.join("/"));
                let have: Vec<Value> = now.pointer(&pointer).unwrap().as_array().unwrap().clone();
                let of = |element: &Value| have.iter().find(|have| have["id"] == element["id"]).cloned();
                let wanted = plain.pointer(&pointer).unwrap().as_array().unwrap().iter();
                let edited: Vec<Value> = wanted.map(|element| of(element).unwrap_or_else(|| element.clone())).collect();
                *now.pointer_mut(&pointer).unwrap() = Value::from(edited);
            }
            configure(&world, &now);
            agevault(&world, &["connect"]).expect(0).unwrap_or_else(|why| panic!("{what}, again: {why}"));
            assert!(!has_plaintext(&world), "{what}, again");
            assert_eq!(resolved(&world), plain, "{what}, again");

            agevault(&world, &["connect", "--undo", "--yes"]).expect(0).unwrap_or_else(|why| panic!("{what}: {why}"));
            assert_eq!(configuration(&world), plain, "{what}, on the way back");
        }
    }
}

/// And the same if the gateway has all its secrets in plaintext again, in another order: what is known is known again.
#[test]
fn a_list_that_is_written_anew_in_another_order_is_no_conflict() {
    for version in RELEASES {
        let world = with_gateway(version);
        configure(&world, &config(version, &["a", "b", "c"], true));
        agevault(&world, &["connect"]).expect(0).unwrap();
        let turned = config(version, &["new", "c", "a", "b"], true);
        configure(&world, &turned);
        agevault(&world, &["connect"]).expect(0).unwrap_or_else(|why| panic!("{version:?}: {why}"));
        assert!(!has_plaintext(&world));
        assert_eq!(resolved(&world), turned, "{version:?}");
    }
}

#[test]
fn elements_without_a_name_are_named_and_keep_what_they_have() {
    for version in RELEASES {
        let world = with_gateway(version);
        let plain = config(version, &["a", "b"], false);
        configure(&world, &plain);
        for turn in ["first", "again"] {
            let ran = agevault(&world, &["connect"]);
            ran.expect(10).unwrap_or_else(|why| panic!("{version:?}, {turn}: {why}"));
            for (list, below) in lists(version) {
                for (nth, path) in (0..2).flat_map(|nth| below.iter().map(move |path| (nth, path))) {
                    let place = format!("{}.{nth}.{}", list.join("."), path.join("."));
                    assert!(ran.stderr.contains(&place), "{version:?}, {turn}: {place} is named: {}", ran.stderr);
                }
            }
            assert_eq!(resolved(&world), plain, "{version:?}, {turn}");
        }
        assert!(world.entries().unwrap().is_empty(), "nothing is taken that no reference could mean");
    }
}
