use super::*;
use crate::formats::auth_profiles::{self, Carried};
use crate::model::{RawMap, Scope};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::time::Duration;
use tempfile::TempDir;

const ID: &str = "6ba7b810-9dad-41d1-80b4-00c04fd430c8";

struct Desk {
    home: TempDir,
    key: Key,
    ledger: Ledger,
    carry: Carry,
    target: Target,
}

impl Desk {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let state = home.path().join("state");
        let ledger = Ledger::load(&state, ID, Duration::ZERO).unwrap();
        let carry = Carry::load(&state, ID).unwrap();
        let target = Target::resolve(&home.path().join("a/b")).unwrap();
        Self { home, key: Key::test(), ledger, carry, target }
    }

    fn seen(&self, agent: &str) -> Seen {
        let kind = Kind::AuthProfiles(Scope::parse(agent).unwrap());
        Seen::look(&self.target, &self.ledger, &self.key, kind).unwrap()
    }

    fn new_view(&self, agent: &str, key: &str) -> New {
        New::of(&self.key, self.seen(agent), view(key)).unwrap()
    }

    fn write(&mut self, views: &[New]) -> Result<(), Error> {
        replace(&mut self.ledger, &mut self.carry, &self.target, views, &[], Changes::Keep, Stay::ForGood)
    }
}

fn view(key: &str) -> SecretBuf {
    let mut profiles = RawMap::default();
    let raw = format!(r#"{{"type":"api_key","provider":"p","key":"{key}"}}"#);
    profiles.put("p:one", RawValue::from_string(raw).unwrap());
    auth_profiles::render(&profiles, &BTreeMap::new(), &Carried::default()).unwrap()
}

#[test]
fn a_crash_between_the_ledger_and_the_rename_is_not_a_change() {
    let mut desk = Desk::new();
    desk.write(&[desk.new_view("main", "1")]).unwrap();
    // Killed after the ledger said what will be: the old file stands.
    let new = [desk.new_view("main", "2")];
    announce(&mut desk.ledger, &desk.target, &new, Stay::ForGood);
    assert_eq!(*desk.seen("main").verdict(), Verdict::Unchanged);
    // Killed again, in an export of something else.
    let new = [desk.new_view("main", "3")];
    announce(&mut desk.ledger, &desk.target, &new, Stay::ForGood);
    assert_eq!(*desk.seen("main").verdict(), Verdict::Unchanged);
    // Killed after the rename: the new one stands; the one given up on is nobody's.
    let path = desk.seen("main").path().to_owned();
    fs::write(&path, view("3").expose()).unwrap();
    assert_eq!(*desk.seen("main").verdict(), Verdict::Unchanged);
    fs::write(&path, view("2").expose()).unwrap();
    assert!(matches!(desk.seen("main").verdict(), Verdict::Changed(_)));
}

#[test]
fn a_crash_does_not_make_a_file_ours_that_is_not() {
    let mut desk = Desk::new();
    desk.write(&[desk.new_view("main", "1")]).unwrap();
    fs::write(desk.seen("main").path(), view("rotated").expose()).unwrap();
    let new = [desk.new_view("main", "2")];
    announce(&mut desk.ledger, &desk.target, &new, Stay::ForGood);
    assert!(matches!(desk.seen("main").verdict(), Verdict::Changed(_)));
}

#[test]
fn if_one_view_cannot_be_prepared_none_is_written() {
    let mut desk = Desk::new();
    let new = [desk.new_view("main", "1"), desk.new_view("ops", "1")];
    // Appears after it was looked at.
    let agents = desk.home.path().join("a/b/agents");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&agents).unwrap();
    std::os::unix::fs::symlink(desk.home.path(), agents.join("ops")).unwrap();
    assert!(matches!(desk.write(&new), Err(Error::File(crate::fsio::Error::Link(_)))));
    assert!(!agents.join("main").exists());
    assert_eq!(desk.ledger.dirs().count(), 0);
}

#[test]
fn what_the_gateway_writes_meanwhile_is_not_lost() {
    let mut desk = Desk::new();
    desk.write(&[desk.new_view("main", "1"), desk.new_view("ops", "1")]).unwrap();
    let new = [desk.new_view("main", "2"), desk.new_view("ops", "2")];
    let path = desk.seen("ops").path().to_owned();
    fs::write(&path, view("rotated").expose()).unwrap();
    assert!(matches!(desk.write(&new), Err(Error::Changed(names)) if names == [path.display().to_string()]));
    assert_eq!(fs::read(&path).unwrap(), view("rotated").expose());
    assert_eq!(fs::read(desk.seen("main").path()).unwrap(), view("1").expose());
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    let seen = vec![desk.seen("main"), desk.seen("ops")];
    fs::write(&path, view("again").expose()).unwrap();
    let places = [(Target::known(desk.target.path()).unwrap(), seen)];
    assert!(matches!(remove(&mut desk.ledger, &mut desk.carry, &places), Err(Error::Changed(_))));
    assert!(desk.seen("main").path().exists());
}

#[test]
fn a_directory_that_was_replaced_by_a_link_is_not_followed() {
    let mut desk = Desk::new();
    desk.write(&[desk.new_view("main", "1")]).unwrap();
    let (there, moved) = (desk.home.path().join("a"), desk.home.path().join("moved"));
    fs::rename(&there, &moved).unwrap();
    std::os::unix::fs::symlink(&moved, &there).unwrap();
    let dir = desk.target.path().to_owned();
    assert!(matches!(Target::known(&dir), Err(Error::File(crate::fsio::Error::Link(_)))));
}

#[test]
fn two_processes_do_not_write_views_at_once() {
    let desk = Desk::new();
    let again = Ledger::load(&desk.home.path().join("state"), ID, Duration::ZERO);
    assert!(matches!(again, Err(Error::File(crate::fsio::Error::Busy(_)))));
}
