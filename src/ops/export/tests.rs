use super::*;

use crate::ops::wipe;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use tempfile::TempDir;

/// A vault in memory, a place for its views, and local state.
pub(in crate::ops) struct World {
    home: TempDir,
    pub(in crate::ops) vault: Value,
    /// Whether the vault in hand is the one in the file.
    current: bool,
}

impl World {
    pub(in crate::ops) fn new() -> Self {
        let profile = |key: &str| json!({"type": "api_key", "provider": "p", "key": key, "other": {"b": 1.5, "a": []}});
        let vault = json!({
            "config": {}, "created": 1, "env": {"A": "a b'c", "B": "b"}, "epoch": 0, "generation": 1,
            "keys": {"ledger": "bGVkZ2Vy", "log": "bG9n"}, "meta": {}, "recipients": [], "requires": [],
            "rev": "00", "schema": 1, "updated": 1, "vault_secret": "s", "writers": {},
            "vault_id": "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
            "scopes": {
                "_shared": {"order": {}, "profiles": {"p:shared": profile("s")}},
                "main": {"order": {"p": ["p:two", "p:one"]}, "profiles": {"p:one": profile("1"), "p:two": profile("2")}},
                "ops": {"order": {}, "profiles": {"p:ops": profile("o")}},
            },
        });
        Self { home: tempfile::tempdir().unwrap(), vault, current: true }
    }

    pub(in crate::ops) fn dir(&self) -> PathBuf {
        fs::canonicalize(self.home.path()).unwrap().join("views/openclaw")
    }

    pub(in crate::ops) fn view(&self, agent: &str) -> PathBuf {
        self.dir().join("agents").join(agent).join("agent/auth-profiles.json")
    }

    pub(in crate::ops) fn local(&self) -> PathBuf {
        self.home.path().join("state")
    }

    pub(in crate::ops) fn with<T>(&self, job: impl FnOnce(&Vault<'_>) -> T) -> T {
        let text = sorted(&self.vault);
        job(&Vault::parse(&text).unwrap())
    }

    pub(in crate::ops) fn export(&self, change: impl FnOnce(&mut Request<'_>)) -> Result<Report, Error> {
        self.export_to(&self.dir(), change)
    }

    pub(in crate::ops) fn export_to(&self, dir: &Path, change: impl FnOnce(&mut Request<'_>)) -> Result<Report, Error> {
        let local = self.local();
        let mut request = Request {
            link: None,
            content: Content::Values,
            every: BTreeSet::new(),
            era: None,
            dir,
            agent: None,
            only: Only::Everything,
            disk: Guard::Waive,
            store: Guard::Refuse,
            changes: Changes::Keep,
            stay: Stay::ForGood,
            local: &local,
            patience: Duration::from_secs(5),
        };
        change(&mut request);
        self.with(|vault| export(vault, &request, &|| self.current))
    }

    pub(in crate::ops) fn wipe(&self, changes: Changes) -> Result<wipe::Report, Error> {
        let local = self.local();
        let request = wipe::Request { dir: None, changes, local: &local, patience: Duration::from_secs(5) };
        self.with(|vault| wipe::wipe(vault, &request))
    }

    /// Every path below the place for views, with content, to see that nothing was touched.
    pub(in crate::ops) fn snapshot(&self) -> Vec<(PathBuf, Vec<u8>)> {
        fn walk(dir: &Path, into: &mut Vec<(PathBuf, Vec<u8>)>) {
            for entry in fs::read_dir(dir).into_iter().flatten() {
                let path = entry.unwrap().path();
                let meta = fs::symlink_metadata(&path).unwrap();
                into.push((path.clone(), if meta.is_file() { fs::read(&path).unwrap() } else { Vec::new() }));
                if meta.is_dir() {
                    walk(&path, into);
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.home.path().join("views"), &mut found);
        found.sort();
        found
    }

    /// The gateway rewrites a view.
    pub(in crate::ops) fn rewrite(&self, agent: &str, change: impl FnOnce(&mut Value)) {
        let path = self.view(agent);
        let mut store: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut store);
        fs::write(&path, serde_json::to_vec(&store).unwrap()).unwrap();
    }
}

/// Makes a directory that is ours alone, whatever the umask.
pub(in crate::ops) fn make(dir: &Path) {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).unwrap();
}

/// The canonical text of a vault: members in byte order.
pub(in crate::ops) fn sorted(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| name.as_str());
            let members = members.into_iter().map(|(name, value)| format!("{}:{}", json!(name), sorted(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_vault_that_was_saved_again_since_it_was_read_replaces_no_view() {
    let mut world = World::new();
    world.export(|_| {}).unwrap();
    let before = fs::read(world.view("main")).unwrap();
    world.vault["scopes"]["main"]["profiles"]["p:one"]["key"] = json!("old");
    world.current = false;
    assert!(matches!(world.export(|_| {}), Err(Error::Stale)));
    assert_eq!(fs::read(world.view("main")).unwrap(), before);
}

#[test]
fn views_lie_where_the_gateway_looks_and_only_its_user_reads_them() {
    let world = World::new();
    let report = world.export(|_| {}).unwrap();
    let paths: Vec<_> = report.written.iter().map(|view| view.path.clone()).collect();
    assert_eq!(paths, [world.view("main"), world.view("ops"), world.dir().join(".env")]);
    assert_eq!(report.written[0].ids, ["auth/main/p:one", "auth/main/p:two"]);
    assert_eq!(report.written[2].ids, ["env/A", "env/B"]);
    assert_eq!(report.skipped, ["_shared"]);
    assert_eq!(fs::read_to_string(world.dir().join(".env")).unwrap(), "A=`a b'c`\nB=b\n");
    let store: Value = serde_json::from_slice(&fs::read(world.view("main")).unwrap()).unwrap();
    assert_eq!(store["order"], json!({"p": ["p:two", "p:one"]}));
    for path in paths {
        assert_eq!(mode(&path), 0o600);
        path.ancestors()
            .skip(1)
            .take_while(|dir| dir.starts_with(world.dir()))
            .for_each(|dir| assert_eq!(mode(dir), 0o700));
    }
    let ledger = fs::read_to_string(world.local().join("ledger/6ba7b810-9dad-41d1-80b4-00c04fd430c8.json")).unwrap();
    assert!(!ledger.contains("a b'c"));
}

#[test]
fn an_export_again_leaves_the_same_files_alone() {
    let world = World::new();
    world.export(|_| {}).unwrap();
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap());
    let before = (world.snapshot(), inode(&world.view("main")));
    assert_eq!(world.export(|_| {}).unwrap().written.len(), 3);
    assert_eq!((world.snapshot(), inode(&world.view("main"))), before);
}

#[test]
fn an_export_of_a_changed_view_touches_nothing_unless_it_is_given_up() {
    let mut world = World::new();
    world.export(|_| {}).unwrap();
    world.rewrite("ops", |store| {
        store["profiles"]["p:new"] = json!({"type": "token", "provider": "p", "token": "t"});
        store["profiles"]["p:ops"]["key"] = json!("rotated");
    });
    world.vault["env"]["A"] = json!("other");
    let before = world.snapshot();
    let Err(Error::Changed(names)) = world.export(|_| {}) else { panic!("not refused") };
    assert_eq!(names, ["auth/ops/p:new", "auth/ops/p:ops"]);
    assert_eq!(world.snapshot(), before);
    // Neither does it stand in the way of other views.
    world.export(|request| request.only = Only::Env).unwrap();
    world.export(|request| request.changes = Changes::Discard).unwrap();
    assert!(fs::read_to_string(world.view("ops")).unwrap().contains("\"o\""));
}

#[test]
fn what_the_vault_has_no_longer_is_removed_by_the_same_export() {
    let mut world = World::new();
    world.export(|_| {}).unwrap();
    world.vault["scopes"]["ops"]["profiles"] = json!({});
    world.vault["env"] = json!({});
    let report = world.export(|request| request.only = Only::Env).unwrap();
    assert_eq!(report.removed, [world.dir().join(".env")]);
    assert!(world.view("ops").exists());
    assert_eq!(world.export(|_| {}).unwrap().removed, [world.view("ops")]);
    assert!(!world.dir().join("agents/ops").exists() && world.view("main").exists());
}

#[test]
fn links_and_other_writers_are_refused_before_anything_is_written() {
    for obstacle in 0..6 {
        let world = World::new();
        let agent = world.view("main").parent().unwrap().to_owned();
        let elsewhere = world.home.path().join("elsewhere");
        make(&elsewhere);
        make(&agent);
        fs::write(elsewhere.join("file"), "{}").unwrap();
        match obstacle {
            0 => symlink(elsewhere.join("file"), world.view("main")).unwrap(),
            1 => fs::hard_link(elsewhere.join("file"), world.view("main")).unwrap(),
            2 => {
                fs::remove_dir(&agent).unwrap();
                symlink(&elsewhere, &agent).unwrap();
            }
            3 => fs::set_permissions(&agent, fs::Permissions::from_mode(0o770)).unwrap(),
            4 => symlink("nowhere", world.dir().join(".env")).unwrap(),
            _ => fs::create_dir(world.view("main")).unwrap(),
        }
        let before = world.snapshot();
        let refused = world.export(|request| request.changes = Changes::Discard);
        let Err(Error::File(fsio::Error::Link(_) | fsio::Error::Mode(..) | fsio::Error::Kind(_))) = refused else {
            panic!("{obstacle}: {refused:?}")
        };
        assert_eq!(world.snapshot(), before, "{obstacle}");
        assert_eq!(fs::read(elsewhere.join("file")).unwrap(), b"{}");
        assert!(world.wipe(Changes::Keep).unwrap().removed.is_empty());
    }
}

#[test]
fn a_target_that_is_a_link_is_refused() {
    let world = World::new();
    make(world.dir().parent().unwrap());
    symlink(world.home.path(), world.dir()).unwrap();
    assert!(matches!(world.export(|_| {}), Err(Error::File(fsio::Error::Link(_)))));
}

#[test]
fn files_of_others_are_kept_unless_the_vault_has_everything_in_them() {
    let world = World::new();
    make(&world.dir());
    let env = world.dir().join(".env");
    fs::write(&env, "B=b\nOWN=1\n").unwrap();
    let before = world.snapshot();
    let Err(Error::NotOurs(paths)) = world.export(|_| {}) else { panic!("not refused") };
    assert_eq!((paths, world.snapshot()), (vec![env.clone()], before));
    fs::write(&env, "B='b'\n").unwrap();
    world.export(|_| {}).unwrap();
    assert_eq!((mode(&env), fs::read_to_string(&env).unwrap()), (0o600, "A=`a b'c`\nB=b\n".to_owned()));
}

#[test]
fn a_value_that_no_env_file_carries_stops_the_export_by_name() {
    let mut world = World::new();
    world.vault["env"]["B"] = json!("'`\"\r");
    let Err(Error::Unrepresentable(name)) = world.export(|_| {}) else { panic!("not refused") };
    assert_eq!((name.as_str(), world.snapshot().len()), ("B", 0));
    assert_eq!(world.export(|request| request.only = Only::AuthProfiles).unwrap().written.len(), 2);
}

#[test]
fn one_agent_can_be_exported_and_an_unknown_one_not() {
    let world = World::new();
    let agent = |name: &str| Some(Scope::parse(name).unwrap());
    assert!(matches!(world.export(|request| request.agent = agent("none")), Err(Error::NoAgent(_))));
    world.export(|request| (request.agent, request.only) = (agent("ops"), Only::AuthProfiles)).unwrap();
    assert!(world.view("ops").exists() && !world.view("main").exists() && !world.dir().join(".env").exists());
}

#[test]
fn a_gateway_with_a_database_is_left_alone_unless_forced() {
    for store in ["state/openclaw.sqlite", "agents/x/agent/openclaw-agent.sqlite"] {
        let world = World::new();
        let store = world.dir().join(store);
        make(store.parent().unwrap());
        fs::write(&store, "").unwrap();
        assert!(matches!(world.export(|_| {}), Err(Error::HoldsStore(path)) if path == store));
        world.export(|request| request.store = Guard::Waive).unwrap();
    }
}

#[test]
fn plaintext_stays_in_memory_unless_a_disk_is_allowed() {
    let world = World::new();
    let result = world.export(|request| request.disk = Guard::Refuse);
    if fsio::in_memory(world.home.path()).unwrap() {
        assert_eq!(result.unwrap().written.len(), 3);
    } else {
        assert!(matches!(result, Err(Error::OnDisk(_))));
        assert!(world.snapshot().is_empty());
    }
}

#[test]
fn a_refresh_token_that_another_one_followed_is_never_exported() {
    use base64::Engine;
    use hmac::Mac;
    let mut world = World::new();
    world.vault["scopes"]["ops"]["profiles"]["p:ops"] =
        json!({"type": "oauth", "provider": "p", "access": "a", "refresh": "stale", "expires": 5});
    world.export(|_| {}).unwrap();
    // As a merge by another tool would leave it.
    let key = world.vault["keys"]["ledger"].as_str().unwrap().as_bytes();
    let mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
    let digest = mac.chain_update(b"agevault/lineage/v1").chain_update(b"stale").finalize().into_bytes();
    let digest = base64::prelude::BASE64_STANDARD_NO_PAD.encode(digest);
    world.vault["lineage"] = json!({"auth/ops/p:ops": [digest]});
    let error = world.export(|_| {}).unwrap_err();
    assert!(matches!(&error, Error::Superseded(ids) if ids[..] == ["auth/ops/p:ops"]), "{error:?}");
    world.export(|request| request.agent = Some(Scope::main())).unwrap();
}
