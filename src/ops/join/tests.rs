use super::*;
use crate::model::{Change, Op, Scope};
use crate::ops::intake::{self, Presence};
use crate::seal::{Identity, Opener};
use crate::store::{Checked, Edit, Local, Place, Policy, Seen};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

/// A host with its copy of the vault, in real files.
struct Host {
    local: Local,
    place: Place,
    policy: Policy,
}

impl Host {
    fn read(&self, key: &Opener) -> Seen {
        let sealed = self.place.read().unwrap();
        let plain = key.open(&sealed).unwrap();
        Seen::new(sealed, plain, key.clone())
    }

    fn with<R>(&self, key: &Opener, then: impl FnOnce(&Self, &Seen, Checked<'_>) -> R) -> R {
        let seen = self.read(key);
        let checked = store::check(&self.local, &self.place, &seen, &self.policy).unwrap();
        store::accept(&self.local, &checked).unwrap();
        store::hold_to(&self.local, &self.place, &checked).unwrap();
        then(self, &seen, checked)
    }

    fn save(&self, seen: &Seen, checked: Checked<'_>, change: Change) {
        let (local, place, policy) = (&self.local, &self.place, &self.policy);
        let edit = Edit { local, place, seen, policy, patience: Duration::from_secs(5), command: "test" };
        edit.save(checked, change).unwrap();
    }

    /// All entries and orders, as text.
    fn contents(&self, key: &Opener) -> BTreeMap<String, String> {
        let seen = self.read(key);
        let vault = store::check(&self.local, &self.place, &seen, &self.policy).unwrap().vault;
        contents(vault.contents())
    }
}

fn contents(of: Contents<'_>) -> BTreeMap<String, String> {
    let entries = of.ids().map(|id| (id.to_string(), of.get(&id).unwrap().get().to_owned()));
    let orders = of.orders().map(|(scope, provider)| {
        let order = of.order(&scope, &provider).unwrap().join(" ");
        (Subject::Order(scope, provider).to_string(), order)
    });
    entries.chain(orders).collect()
}

/// Hosts with copies of one vault, and the key that opens them.
fn hosts(root: &std::path::Path, count: usize) -> (Vec<Host>, Opener) {
    let identity = Identity::generate();
    let public = identity.public();
    let label = crate::model::Label::parse("key").unwrap();
    let recipient = crate::model::Recipient::new(label, public, None, 1);
    let key = Opener::new(identity);
    let host = |number: usize| {
        let dir = root.join(number.to_string());
        let local = Local::new(dir.join("state"));
        Host { local, place: Place::prepare(&dir.join("vault.age")).unwrap(), policy: Policy::default() }
    };
    let mut all: Vec<Host> = (0..count).map(host).collect();
    let first = &all[0];
    let made =
        store::create(&first.local, &first.place, vec![recipient], std::slice::from_ref(&key), Duration::ZERO).unwrap();
    let sealed = first.place.read().unwrap();
    for other in &mut all[1..] {
        std::fs::write(other.place.path(), &sealed).unwrap();
        other.policy.pin = Some(made.pin.to_string());
    }
    (all, key)
}

#[derive(Clone, Debug)]
enum Step {
    /// A host sets an entry to a value that was never used before.
    Set(usize, usize),
    Remove(usize, usize),
    Reorder(usize),
    /// A host merges the state of another host.
    Merge(usize, usize),
    /// Another program replaces a host's file with that of another host; then the host merges its forks.
    Replace(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (host, entry) = (0..3_usize, 0..4_usize);
    prop_oneof![
        4 => (host.clone(), entry.clone()).prop_map(|(host, entry)| Step::Set(host, entry)),
        1 => (host.clone(), entry).prop_map(|(host, entry)| Step::Remove(host, entry)),
        1 => host.clone().prop_map(Step::Reorder),
        3 => (host.clone(), host.clone()).prop_map(|(to, from)| Step::Merge(to, from)),
        1 => (host.clone(), host).prop_map(|(to, from)| Step::Replace(to, from)),
    ]
}

fn id(entry: usize) -> SecretId {
    match entry {
        0 => SecretId::parse("auth/main/p:a").unwrap(),
        1 => SecretId::parse("auth/main/p:b").unwrap(),
        other => SecretId::parse(&format!("env/E{other}")).unwrap(),
    }
}

/// The combined history of all hosts.
#[derive(Default)]
struct World {
    values: usize,
    /// Values that were replaced or removed, or that lost a conflict.
    gone: BTreeSet<String>,
    removed: BTreeSet<String>,
    ever: BTreeSet<String>,
}

impl World {
    fn edit(&mut self, host: &Host, key: &Opener, step: &Step) {
        let before = host.contents(key);
        let change = host.with(key, |_, _, checked| match step {
            Step::Set(_, entry) => {
                self.values += 1;
                let (id, name) = (id(*entry), self.values);
                let value = match id {
                    SecretId::Auth(..) => format!(r#"{{"type":"api_key","provider":"p","key":"value-{name}"}}"#),
                    _ => format!("\"value-{name}\""),
                };
                self.gone.extend(before.get(&id.to_string()).cloned());
                self.ever.insert(id.to_string());
                Some(Change::of(intake::put(&checked.vault, &id, raw(&value), "test", Presence::Attended).unwrap()))
            }
            Step::Remove(_, entry) => checked.vault.get(&id(*entry)).map(|_| {
                self.gone.extend(before.get(&id(*entry).to_string()).cloned());
                self.removed.insert(id(*entry).to_string());
                Change::of(Op::Remove(id(*entry)))
            }),
            _ => {
                self.values += 1;
                let order = vec!["p:a".to_owned(), format!("p:{}", self.values)];
                Some(Change::of(Op::Order(Scope::main(), "p".to_owned(), Some(order))))
            }
        });
        let Some(change) = change else { return };
        let was = host.read(key);
        host.with(key, |host, seen, checked| host.save(seen, checked, change));
        // Taking the last save back restores exactly the state before it.
        host.with(key, |host, _, now| {
            let was =
                store::check(&host.local, &host.place, &was, &Policy { report_only: true, ..host.policy.clone() });
            let was = was.unwrap().vault;
            let sides = Sides { bases: &[&now.vault], theirs: &was, ours: &now.vault };
            let undone = sides.join(&Choice::default()).unwrap();
            assert_eq!((contents(undone.entries.contents()), undone.conflicts), (before, Vec::new()));
        });
    }

    /// Merges a state into a host, with conflicts resolved in favour of that state.
    fn merge(&mut self, host: &Host, key: &Opener, sealed: Vec<u8>) {
        let plain = key.open(&sealed).unwrap();
        let their = Seen::new(sealed, plain, key.clone());
        host.with(key, |host, seen, ours| {
            let report = Policy { report_only: true, ..host.policy.clone() };
            let theirs = store::check(&host.local, &host.place, &their, &report).unwrap();
            let bases = store::common(&host.place, seen, &ours.vault, &theirs.vault).unwrap();
            let look = |base| store::check(&host.local, &host.place, base, &report).unwrap();
            let bases: Vec<Checked<'_>> = bases.iter().map(look).collect();
            let bases: Vec<&Vault<'_>> = bases.iter().map(|base| &base.vault).collect();
            let sides = Sides { bases: &bases, theirs: &theirs.vault, ours: &ours.vault };
            let mut choice = Choice::default();
            if let Merged::Conflicts(conflicts) = merge(sides, &choice).unwrap() {
                choice.theirs = conflicts.into_iter().map(|conflict| conflict.subject).collect();
                let lost = |subject: &Subject| match subject {
                    Subject::Entry(id) => ours.vault.get(id).map(|raw| raw.get().to_owned()),
                    Subject::Order(..) => None,
                };
                self.gone.extend(choice.theirs.iter().filter_map(lost));
                // A value that wins a conflict is current, even if it was replaced before.
                for subject in &choice.theirs {
                    if let Subject::Entry(id) = subject
                        && let Some(value) = theirs.vault.get(id)
                    {
                        self.gone.remove(value.get());
                    }
                }
                let goes = |subject: &&Subject| !theirs.vault.contents().has(subject);
                self.removed.extend(choice.theirs.iter().filter(goes).map(ToString::to_string));
            }
            let covered = ours.is_covered_by(&theirs.vault);
            match merge(sides, &choice).unwrap() {
                Merged::Nothing => {}
                Merged::Forward(_) => {
                    let policy = Policy { accept_rollback: covered, ..host.policy.clone() };
                    let (local, place) = (&host.local, &host.place);
                    let patience = Duration::from_secs(5);
                    let edit = Edit { local, place, seen, policy: &policy, patience, command: "merge" };
                    edit.forward(ours, &their).unwrap();
                }
                Merged::Conflicts(conflicts) => panic!("{conflicts:?} were decided"),
                Merged::Joins { joining, .. } => {
                    store::keep_state(&host.place, &their, &theirs.vault, Duration::ZERO).unwrap();
                    let policy = Policy { accept_rollback: covered, ..host.policy.clone() };
                    let (local, place) = (&host.local, &host.place);
                    let patience = Duration::from_secs(5);
                    let edit = Edit { local, place, seen, policy: &policy, patience, command: "merge" };
                    edit.save(ours, joining.change).unwrap();
                }
            }
        });
    }

    fn step(&mut self, hosts: &[Host], key: &Opener, step: &Step) {
        match step {
            Step::Set(host, _) | Step::Remove(host, _) | Step::Reorder(host) => self.edit(&hosts[*host], key, step),
            Step::Merge(to, from) => self.merge(&hosts[*to], key, hosts[*from].place.read().unwrap()),
            Step::Replace(to, from) => {
                let host = &hosts[*to];
                let before = host.place.read().unwrap();
                let sealed = hosts[*from].place.read().unwrap();
                std::fs::write(host.place.path(), sealed).unwrap();
                let forks = host.with(key, |host, seen, checked| store::forks(&host.place, seen, &checked).unwrap());
                for (_, sealed) in forks {
                    self.merge(host, key, sealed);
                }
                // A state that this host has only read has no kept copy: losing it is a rollback, which is refused.
                if host.with(key, |_, _, checked| checked.behind.is_some()) {
                    std::fs::write(host.place.path(), before).unwrap();
                }
            }
        }
    }
}

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Hosts that edit and merge in any order converge: no entry vanishes unless it was removed, and no replaced value
    /// comes back.
    #[test]
    fn copies_converge_and_nothing_is_lost(steps in proptest::collection::vec(step(), 1..14)) {
        let root = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let (hosts, key) = hosts(root.path(), 3);
        let mut world = World::default();
        for step in &steps {
            world.step(&hosts, &key, step);
        }
        for step in [Step::Merge(0, 1), Step::Merge(0, 2), Step::Merge(1, 0), Step::Merge(2, 0)] {
            world.step(&hosts, &key, &step);
        }
        // All hosts now have the same file.
        let files: Vec<Vec<u8>> = hosts.iter().map(|host| host.place.read().unwrap()).collect();
        prop_assert!(files[0] == files[1] && files[0] == files[2]);
        let end: Vec<_> = hosts.iter().map(|host| host.contents(&key)).collect();
        prop_assert!(end[0] == end[1] && end[0] == end[2], "{end:#?}");
        for name in world.ever.difference(&world.removed) {
            prop_assert!(end[0].contains_key(name), "{name} has gone: {:#?}", end[0]);
        }
        for value in end[0].values() {
            prop_assert!(!world.gone.contains(value), "{value} was replaced");
        }
    }
}
