use super::*;
use crate::ops::export::tests::{World, make};
use serde_json::{Value, json};
use std::fs;

#[test]
fn everything_that_export_made_goes_and_nothing_else() {
    let world = World::new();
    world.export(|_| {}).unwrap();
    let other = world.view("main").with_file_name("auth-state.json");
    fs::write(&other, "{}").unwrap();
    let report = world.wipe(Changes::Keep).unwrap();
    assert_eq!((report.removed.len(), report.gone.len()), (3, 0));
    assert!(other.exists() && !world.view("main").exists() && !world.dir().join("agents/ops").exists());
    // What the gateway held open goes with the next wipe.
    fs::remove_file(other).unwrap();
    assert!(world.wipe(Changes::Keep).unwrap().removed.is_empty());
    assert!(!world.dir().exists());
}

#[test]
fn directories_that_were_there_before_stay() {
    let world = World::new();
    make(&world.dir().join("agents"));
    world.export(|_| {}).unwrap();
    world.wipe(Changes::Keep).unwrap();
    assert!(world.dir().join("agents").exists() && !world.dir().join("agents/main").exists());
}

#[test]
fn a_view_that_is_gone_is_no_obstacle() {
    let world = World::new();
    world.export(|_| {}).unwrap();
    fs::remove_file(world.view("main")).unwrap();
    assert_eq!(world.wipe(Changes::Keep).unwrap().gone, [world.view("main")]);
    world.export(|_| {}).unwrap();
    fs::remove_dir_all(world.dir()).unwrap();
    assert_eq!(world.wipe(Changes::Keep).unwrap().gone.len(), 3);
    assert_eq!(world.wipe(Changes::Keep).unwrap().gone.len(), 0);
}

#[test]
fn one_changed_view_keeps_all_of_them() {
    let world = World::new();
    world.export(|_| {}).unwrap();
    world.rewrite("main", |store| store["order"]["p"] = json!(["p:one"]));
    fs::write(world.view("ops"), "{\"version\":1,\"prof").unwrap();
    let before = world.snapshot();
    let Err(Error::Changed(names)) = world.wipe(Changes::Keep) else { panic!("not refused") };
    assert_eq!(names, ["order of p for main".to_owned(), world.view("ops").display().to_string()]);
    assert_eq!(world.snapshot(), before);
    assert_eq!(world.wipe(Changes::Discard).unwrap().removed.len(), 3);
    assert!(world.snapshot().is_empty());
}

#[test]
fn a_gateways_way_of_writing_is_no_change() {
    let world = World::new();
    world.export(|_| {}).unwrap();
    world.rewrite("main", |store| {
        // Era A2 drops what it does not know and moves the state out.
        let mut profiles: Vec<_> = store["profiles"].as_object().unwrap().clone().into_iter().collect();
        profiles.reverse();
        for (_, profile) in &mut profiles {
            let mut members: Vec<_> = profile.as_object().unwrap().clone().into_iter().collect();
            members.reverse();
            *profile = members.into_iter().collect::<serde_json::Map<_, _>>().into();
        }
        let profiles: serde_json::Map<_, _> = profiles.into_iter().collect();
        *store = json!({"profiles": profiles, "version": 1});
    });
    world.rewrite("ops", |store| {
        store["lastGood"] = json!({"p": "p:ops"});
        store["usageStats"] = json!({"p:ops": {"lastUsed": 5}});
    });
    assert_eq!(world.wipe(Changes::Keep).unwrap().removed.len(), 3);
}

#[test]
fn state_of_the_gateway_comes_back_with_the_next_export() {
    let world = World::new();
    let stats = json!({"p:ops": {"lastUsed": 5, "failureCounts": {"rate_limit": 2}}});
    let stored = || serde_json::from_slice::<Value>(&fs::read(world.view("ops")).unwrap()).unwrap();
    world.export(|_| {}).unwrap();
    world.rewrite("ops", |store| {
        store["lastGood"] = json!({"p": "p:ops"});
        store["usageStats"] = stats.clone();
    });
    // Replaced,
    world.export(|_| {}).unwrap();
    assert_eq!(stored()["usageStats"], stats);
    // removed and written anew,
    world.wipe(Changes::Keep).unwrap();
    world.export(|_| {}).unwrap();
    assert_eq!((&stored()["usageStats"], &stored()["lastGood"]), (&stats, &json!({"p": "p:ops"})));
    // and changed once more before a wipe by force.
    world.rewrite("ops", |store| {
        store["profiles"] = json!({});
        store["usageStats"]["p:ops"]["lastUsed"] = json!(6);
    });
    world.wipe(Changes::Discard).unwrap();
    world.export(|_| {}).unwrap();
    assert_eq!(stored()["usageStats"]["p:ops"]["lastUsed"], 6);
}

#[test]
fn only_one_target_is_wiped_if_it_is_named() {
    let world = World::new();
    let other = world.dir().with_file_name("other");
    world.export(|_| {}).unwrap();
    world.export_to(&other, |_| {}).unwrap();
    let local = world.local();
    let request =
        Request { dir: Some(&other), changes: Changes::Keep, local: &local, patience: Duration::from_secs(5) };
    assert_eq!(world.with(|vault| wipe(vault, &request)).unwrap().removed.len(), 3);
    assert!(!other.exists() && world.view("main").exists());
    let never = world.dir().join("never");
    let report = world.with(|vault| wipe(vault, &Request { dir: Some(&never), ..request })).unwrap();
    assert!(report.removed.is_empty() && report.gone.is_empty());
}

#[test]
fn what_a_killed_export_left_is_swept() {
    let world = World::new();
    world.export(|_| {}).unwrap();
    let left = world.view("main").with_file_name(".auth-profiles.json.0123456789abcdef.agevault-tmp");
    fs::write(&left, "secret").unwrap();
    world.wipe(Changes::Keep).unwrap();
    assert!(!left.exists() && !world.dir().exists());
}

#[test]
fn a_ledger_that_cannot_be_read_stops_everything() {
    let world = World::new();
    world.export(|_| {}).unwrap();
    let ledger = world.local().join("ledger/6ba7b810-9dad-41d1-80b4-00c04fd430c8.json");
    for broken in [
        "",
        "{}",
        r#"{"version":3,"places":{}}"#,
        r#"{"version":2,"places":{"/x":{"made":[],"views":{"auth/../x":[]}}}}"#,
    ] {
        fs::write(&ledger, broken).unwrap();
        assert!(matches!(world.wipe(Changes::Discard), Err(Error::Record(_))), "{broken}");
        assert!(matches!(world.export(|_| {}), Err(Error::Record(_))), "{broken}");
    }
    assert!(world.view("main").exists());
}
