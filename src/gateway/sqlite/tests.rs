use super::super::{Error, Fault, Found, Shape};
use super::{of_agent, open, shared};
use crate::harden;
use crate::model::Scope;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The tables as gateways make them: 2026.9.6, and 2026.7.1 without STRICT.
const SHARED: &str = "CREATE TABLE config_machine_state (
      state_key TEXT NOT NULL PRIMARY KEY,
      value_json TEXT NOT NULL,
      updated_at_ms INTEGER NOT NULL
    ) STRICT;";
const AGENT: &str = "CREATE TABLE auth_profile_store (
  store_key TEXT NOT NULL PRIMARY KEY,
  store_json TEXT NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
CREATE TABLE auth_profile_state (
  state_key TEXT NOT NULL PRIMARY KEY,
  state_json TEXT NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;";
const STORE: &str = r#"{"version":1,"profiles":{"p:a":{"type":"api_key","provider":"p","key":"k"}}}"#;

struct Gateway(TempDir);

impl Gateway {
    fn new() -> Self {
        let gateway = Self(TempDir::new().unwrap());
        fs::create_dir_all(gateway.path("state")).unwrap();
        fs::create_dir_all(gateway.path("agents/ops/agent")).unwrap();
        gateway
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn shared(&self) -> PathBuf {
        self.path("state/openclaw.sqlite")
    }

    fn agent(&self) -> PathBuf {
        self.path("agents/ops/agent/openclaw-agent.sqlite")
    }

    /// Shape and text of each row; and that nothing was changed to get them.
    fn read(&self) -> Result<Vec<(Shape, String)>, Error> {
        let before = everything(self.0.path());
        let found = shared(&self.shared()).and_then(|mut found| {
            found.extend(of_agent(ops(), &self.agent())?);
            Ok(found)
        });
        assert_eq!(everything(self.0.path()), before, "nothing is made, removed or changed");
        let text = |row: Found| (row.shape, row.bytes.text().unwrap().to_owned());
        Ok(found?.into_iter().map(text).collect())
    }

    fn fault(&self) -> Option<Fault> {
        match self.read() {
            Err(Error::Database(_, fault)) => Some(fault),
            other => panic!("{other:?}"),
        }
    }
}

/// Path -> bytes and time of writing of everything below `dir`.
fn everything(dir: &Path) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(everything(&path));
        } else {
            let written = fs::symlink_metadata(&path).unwrap().modified().unwrap();
            all.insert(path.clone(), (fs::read(&path).unwrap_or_default(), written));
        }
    }
    all
}

/// A database in the mode of a gateway's; what the connection keeps open stays so.
fn database(path: &Path, sql: &str) -> Connection {
    assert!(harden::wipe_sqlite_memory());
    let database = Connection::open(path).unwrap();
    database.pragma_update(None, "journal_mode", "WAL").unwrap();
    database.execute_batch(sql).unwrap();
    database
}

fn with_row(table: &str, key: &str, value: &str) -> String {
    format!(
        "{}INSERT INTO {table} VALUES ('{key}', '{value}', 1);",
        if table == "config_machine_state" { SHARED } else { AGENT }
    )
}

fn copy_beside(from: &Path, to: &Path, suffixes: &[&str]) {
    for suffix in suffixes {
        let named = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        fs::copy(named(from), named(to)).unwrap();
    }
}

fn ops() -> Scope {
    Scope::parse("ops").unwrap()
}

#[test]
fn shared_and_local_rows_are_read_apart() {
    let gateway = Gateway::new();
    let shared = format!(
        "{SHARED}INSERT INTO config_machine_state VALUES ('auth.sharedStore', '{{\"location\":\"state-db\"}}', 1), \
         ('authProfiles.store', '{STORE}', 1), ('authProfiles.state', '{{\"version\":1}}', 1), ('other', 'x', 1);"
    );
    drop(database(&gateway.shared(), &shared));
    drop(database(&gateway.agent(), &with_row("auth_profile_store", "primary", "{\"version\":1}")));
    let expected = [
        (Shape::Store(Scope::shared()), STORE.to_owned()),
        (Shape::State(Scope::shared()), "{\"version\":1}".to_owned()),
        (Shape::Store(ops()), "{\"version\":1}".to_owned()),
    ];
    assert_eq!(gateway.read().unwrap(), expected);
    let one = open(&gateway.agent(), &ops()).unwrap().unwrap();
    assert_eq!(one.iter().map(|row| row.shape.clone()).collect::<Vec<_>>(), [Shape::Store(ops())]);
}

#[test]
fn what_a_log_holds_is_read_with_and_without_its_index() {
    let made = Gateway::new();
    let held = database(&made.agent(), &with_row("auth_profile_store", "primary", STORE));
    assert!(fs::metadata(made.agent()).unwrap().len() <= 4096, "the row is in the log only");
    let expected = [(Shape::Store(ops()), STORE.to_owned())];
    for suffixes in [&["", "-wal", "-shm"][..], &["", "-wal"]] {
        let left = Gateway::new();
        copy_beside(&made.agent(), &left.agent(), suffixes);
        assert_eq!(left.read().unwrap(), expected, "{suffixes:?}");
    }
    held.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let left = Gateway::new();
    copy_beside(&made.agent(), &left.agent(), &["", "-wal", "-shm"]);
    assert_eq!(left.read().unwrap(), expected, "an empty log");
}

#[test]
fn a_database_without_a_log_is_read_and_a_half_written_one_refused() {
    let made = Gateway::new();
    let held = database(&made.agent(), &with_row("auth_profile_store", "primary", STORE));
    held.pragma_update(None, "journal_mode", "DELETE").unwrap();
    assert_eq!(made.read().unwrap().len(), 1);
    held.execute_batch("PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN; CREATE TABLE big (text)").unwrap();
    for _ in 0..100 {
        held.execute("INSERT INTO big VALUES (?1)", ["x".repeat(4000)]).unwrap();
    }
    let cut_short = Gateway::new();
    copy_beside(&made.agent(), &cut_short.agent(), &["", "-journal"]);
    assert_eq!(cut_short.fault(), Some(Fault::HalfWritten));
    assert_eq!(made.fault(), Some(Fault::Busy), "its writer is at work");
}

#[test]
fn nothing_is_no_error() {
    let gateway = Gateway::new();
    assert_eq!(gateway.read().unwrap(), []);
    fs::write(gateway.shared(), b"").unwrap();
    drop(database(&gateway.agent(), "CREATE TABLE other (a)"));
    assert_eq!(gateway.read().unwrap(), []);
    assert!(open(&gateway.agent(), &ops()).is_ok_and(|found| found.is_some_and(|rows| rows.is_empty())));
    assert!(open(&gateway.path("none.sqlite"), &ops()).is_err());
}

#[test]
fn the_ownership_row_decides_whether_the_shared_store_counts() {
    for (row, expected) in [
        ("{\"location\":\"state-db\"}", Ok(Shape::Store(Scope::shared()))),
        ("{\"location\":\"legacy-main\"}", Ok(Shape::UnusedStore)),
        ("{\"location\":\"cloud\"}", Err(Fault::Owner)),
        ("{\"location\":\"state-db\",\"more\":1}", Err(Fault::Owner)),
        ("broken", Err(Fault::Owner)),
    ] {
        let gateway = Gateway::new();
        let store = with_row("config_machine_state", "authProfiles.store", STORE);
        let sql = format!("{store}INSERT INTO config_machine_state VALUES ('auth.sharedStore', '{row}', 1);");
        drop(database(&gateway.shared(), &sql));
        match expected {
            Ok(shape) => assert_eq!(gateway.read().unwrap(), [(shape, STORE.to_owned())]),
            Err(fault) => assert_eq!(gateway.fault(), Some(fault), "{row}"),
        }
    }
    let gateway = Gateway::new();
    drop(database(&gateway.shared(), &with_row("config_machine_state", "authProfiles.store", STORE)));
    assert_eq!(gateway.read().unwrap()[0].0, Shape::UnusedStore, "no such row");
}

#[test]
fn links_and_other_things_in_the_place_of_files_are_refused() {
    let gateway = Gateway::new();
    let held = database(&gateway.agent(), &with_row("auth_profile_store", "primary", STORE));
    let linked = Gateway::new();
    std::os::unix::fs::symlink(gateway.agent(), linked.agent()).unwrap();
    assert_eq!(linked.read().unwrap().len(), 1, "a link to a database of ours, with its log");
    drop(held);
    let wal = gateway.path("agents/ops/agent/openclaw-agent.sqlite-wal");
    std::os::unix::fs::symlink("/etc/hostname", &wal).unwrap();
    assert!(matches!(gateway.read(), Err(Error::File(crate::fsio::Error::Link(_)))));
    fs::remove_file(&wal).unwrap();
    fs::remove_file(gateway.agent()).unwrap();
    fs::create_dir(gateway.agent()).unwrap();
    assert!(matches!(gateway.read(), Err(Error::File(crate::fsio::Error::Kind(_)))));
}
