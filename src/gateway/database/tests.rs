use super::*;
use std::fs;
use tempfile::TempDir;

const CELL: Cell =
    Cell { table: "auth_profile_store", key_column: "store_key", key: Some("primary"), value_column: "store_json" };
const TABLE: &str =
    "CREATE TABLE auth_profile_store (store_key TEXT PRIMARY KEY, store_json TEXT, updated_at INTEGER);";

/// A database that `sql` makes, and what reading it gives.
fn hostile(sql: &str) -> Result<Option<SecretBuf>, Fault> {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.sqlite");
    assert!(harden::wipe_sqlite_memory());
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    cell(&path)
}

fn cell(path: &Path) -> Result<Option<SecretBuf>, Fault> {
    match read(path, &[CELL]) {
        Ok([text]) => Ok(text),
        Err(Error::Database(_, fault)) => Err(fault),
        Err(other) => panic!("{other:?}"),
    }
}

const NO_TABLE: Option<Fault> = Some(Fault::Table("auth_profile_store"));

#[test]
fn only_a_plain_table_is_read() {
    let endless = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT 'primary' AS store_key, i AS store_json FROM n";
    for (sql, why) in [
        (format!("CREATE VIEW auth_profile_store AS {endless}"), "a view"),
        ("CREATE TABLE auth_profile_store (other TEXT)".to_owned(), "other columns"),
        (format!("{TABLE}INSERT INTO auth_profile_store VALUES ('primary', x'7b7d', 1)"), "no text"),
        (
            "CREATE TABLE auth_profile_store (store_key TEXT, store_json TEXT); \
             INSERT INTO auth_profile_store VALUES ('primary', '{}'), ('primary', '{}')"
                .to_owned(),
            "the key twice",
        ),
        (
            "PRAGMA writable_schema = 1; INSERT INTO sqlite_master VALUES ('table', 'auth_profile_store', \
             'auth_profile_store', 0, 'CREATE VIRTUAL TABLE auth_profile_store USING pragma_table_info')"
                .to_owned(),
            "a virtual table",
        ),
    ] {
        assert_eq!(hostile(&sql).err(), NO_TABLE, "{why}");
    }
}

#[test]
fn a_value_that_the_schema_computes_is_bounded() {
    let sql = "CREATE TABLE auth_profile_store (store_key TEXT, updated_at INTEGER, \
               store_json TEXT GENERATED ALWAYS AS (hex(zeroblob(10000000)))); \
               INSERT INTO auth_profile_store (store_key, updated_at) VALUES ('primary', 1)";
    assert_eq!(hostile(sql).err(), Some(Fault::Bound));
}

#[test]
fn what_no_gateway_writes_is_beyond_the_bounds() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.sqlite");
    assert!(harden::wipe_sqlite_memory());
    let database = Connection::open(&path).unwrap();
    database.execute_batch(TABLE).unwrap();
    let put = |size: usize| {
        let sql = "INSERT OR REPLACE INTO auth_profile_store VALUES ('primary', ?1, 1)";
        database.execute(sql, ["x".repeat(size)]).unwrap();
        cell(&path).map(|text| text.unwrap().expose().len())
    };
    // Not much more: the bound of memory is that of the whole process, the writer's too.
    assert_eq!(put(MAX_INPUT * 3 / 2), Err(Fault::Bound));
    assert_eq!(put(MAX_INPUT), Ok(MAX_INPUT));
    assert_eq!(put(MAX_INPUT + 1), Err(Fault::Bound));
}

#[test]
fn damage_is_an_error_and_no_crash() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.sqlite");
    for bytes in [&b"no database"[..], b"SQLite format 3\0", &[0; 4096]] {
        fs::write(&path, bytes).unwrap();
        assert_eq!(cell(&path).err(), Some(Fault::NotOne));
    }
    fs::remove_file(&path).unwrap();
    assert!(harden::wipe_sqlite_memory());
    let sql = format!("{TABLE}INSERT INTO auth_profile_store VALUES ('primary', '{}', 1)", "x".repeat(20_000));
    Connection::open(&path).unwrap().execute_batch(&sql).unwrap();
    let whole = fs::read(&path).unwrap();
    let mut refused = 0;
    for at in (0..whole.len()).filter(|at| *at < 100 || at % 61 == 0) {
        for change in [0xff, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= change;
            fs::write(&path, bytes).unwrap();
            refused += usize::from(cell(&path).is_err());
        }
    }
    assert!(refused > 20, "{refused}");
    for len in (1..whole.len()).step_by(1000) {
        fs::write(&path, &whole[..len]).unwrap();
        assert!(cell(&path).is_err(), "{len} bytes of {}", whole.len());
    }
}

#[test]
fn a_damaged_log_or_index_is_no_crash() {
    let dir = TempDir::new().unwrap();
    let [made, path] = ["made", "copy"].map(|name| dir.path().join(format!("{name}.sqlite")));
    assert!(harden::wipe_sqlite_memory());
    let held = Connection::open(&made).unwrap();
    held.pragma_update(None, "journal_mode", "WAL").unwrap();
    held.execute_batch(&format!("{TABLE}INSERT INTO auth_profile_store VALUES ('primary', '{{}}', 1)")).unwrap();
    let named = |path: &Path, suffix: &str| PathBuf::from(format!("{}{suffix}", path.display()));
    for (suffix, step) in [("-wal", 131), ("-shm", 5003)] {
        let whole = fs::read(named(&made, suffix)).unwrap();
        // Damage in the log's own header: SQLite waits ten seconds for a writer that would explain it.
        for at in (32..whole.len()).step_by(step) {
            for suffix in ["", "-wal", "-shm"] {
                fs::copy(named(&made, suffix), named(&path, suffix)).unwrap();
            }
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            fs::write(named(&path, suffix), bytes).unwrap();
            // What a log says only counts up to its first damage: an older state, or nothing.
            let text = cell(&path);
            assert!(text.is_err() || text.is_ok_and(|text| text.is_none_or(|text| text.expose() == b"{}")));
        }
    }
}
