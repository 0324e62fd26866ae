//! One database of a gateway, read without a trace: not a byte of it changes, no file appears
//! beside it, and a gateway that has it open notices nothing.
//!
//! Who made the file is not known (a copy, a backup, a bad disk): what sqlite.org/security.html
//! asks for such databases is done, two plain columns of plain tables are all that can be read,
//! and size, memory and time are bounded.

use super::Error;
use crate::formats::MAX_INPUT;
use crate::fsio::{self, Stamp};
use crate::harden;
use crate::secret::SecretBuf;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How long somebody else may hold the database.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long one reading may take.
const LONGEST: Duration = Duration::from_secs(10);
/// How often it is begun anew when a gateway wrote meanwhile.
const ATTEMPTS: usize = 5;
/// All memory that SQLite may have, in bytes.
const MAX_HEAP: i64 = 128 * 1024 * 1024;
/// Longest statement of a schema, in bytes.
const MAX_SQL: i32 = 1024 * 1024;

/// What is wrong with a gateway's database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not a database.
    NotOne,
    /// A database with damage.
    Damaged,
    /// Somebody writes to it and does not end.
    Busy,
    /// Its last writer died in the middle: the gateway must repair it first.
    HalfWritten,
    /// It is larger, or reading it takes longer, than anything that a gateway writes.
    Bound,
    /// The table of this name is not as a gateway makes it.
    Table(&'static str),
    /// It does not say in known words where the shared store is.
    Owner,
    /// The system or the disk refuses.
    Unreadable,
}

/// Where one text stands: at most one row of a table; without a key, all rows of the table, as a JSON object of keys and
/// values.
#[derive(Clone, Copy)]
pub(super) struct Cell {
    pub table: &'static str,
    pub key_column: &'static str,
    pub key: Option<&'static str>,
    pub value_column: &'static str,
}

/// Reads the texts of `cells`, all of the same moment; `None` for what is not there.
///
/// # Errors
/// Another user's file; [`Error::Database`].
pub(super) fn read<const N: usize>(path: &Path, cells: &[Cell; N]) -> Result<[Option<SecretBuf>; N], Error> {
    let nothing = || [const { None }; N];
    let path = match fsio::real_path(path) {
        Ok(real) => real,
        Err(error) if error.is_not_found() => return Ok(nothing()),
        Err(error) => return Err(error.into()),
    };
    let failed = |fault| Error::Database(path.clone(), fault);
    for _ in 0..ATTEMPTS {
        let Some(before) = Files::look(&path)? else { return Ok(nothing()) };
        let way = before.way().map_err(failed)?;
        let texts = way.connect(&path).and_then(|mut database| texts(&mut database, cells));
        // Without its locks a reading counts only if nobody wrote meanwhile; with them a failure
        // may still come from files that a gateway made or removed just then.
        let counts = way == Way::Shared && matches!(texts, Ok(_) | Err(Fault::Busy));
        if counts || Files::look(&path)?.as_ref() == Some(&before) {
            return texts.map_err(failed);
        }
    }
    Err(failed(Fault::Busy))
}

/// The database and what SQLite keeps beside it, as they are at one moment.
#[derive(PartialEq, Eq)]
struct Files {
    database: Stamp,
    wal: Option<Stamp>,
    index: bool,
    /// The bytes of the header that say how it is written: 1 with a journal, 2 with a log.
    versions: [u8; 2],
}

impl Files {
    /// `None` if there is no database, or one without a byte in it.
    fn look(path: &Path) -> Result<Option<Self>, Error> {
        let beside = |suffix: &str| {
            let mut name = OsString::from(path);
            name.push(suffix);
            Stamp::of_own(&PathBuf::from(name))
        };
        let Some(database) = Stamp::of_own(path)?.filter(|stamp| stamp.size > 0) else { return Ok(None) };
        let wal = beside("-wal")?.filter(|stamp| stamp.size > 0);
        let index = beside("-shm")?.is_some();
        beside("-journal")?;
        let header = fsio::read_start::<20>(path)?;
        let versions = match header {
            Some(
                [b'S', b'Q', b'L', b'i', b't', b'e', b' ', b'f', b'o', b'r', b'm', b'a', b't', b' ', b'3', 0, .., w, r],
            ) => [w, r],
            _ => return Err(Error::Database(path.to_owned(), Fault::NotOne)),
        };
        Ok(Some(Self { database, wal, index, versions }))
    }

    fn way(&self) -> Result<Way, Fault> {
        match (self.versions, self.wal.is_some(), self.index) {
            ([1, 1], _, _) => Ok(Way::Shared),
            ([2, 2], false, _) => Ok(Way::Still),
            ([2, 2], true, true) => Ok(Way::Shared),
            ([2, 2], true, false) => Ok(Way::Alone),
            _ => Err(Fault::NotOne),
        }
    }
}

/// How to read without writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// With the locks of everybody else. The index of a log is read as it stands, or, if nobody
    /// has it open, made again in memory.
    Shared,
    /// No log, so nobody has written since the last gateway ended. With locks SQLite would make
    /// a log and an index.
    Still,
    /// A log without its index, as in a copy: the index is made in memory.
    Alone,
}

impl Way {
    fn connect(self, path: &Path) -> Result<Connection, Fault> {
        if !harden::wipe_sqlite_memory() {
            return Err(Fault::Unreadable);
        }
        let option = match self {
            Self::Shared => "readonly_shm=1",
            Self::Still => "immutable=1",
            Self::Alone => "vfs=unix-none",
        };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut database =
            Connection::open_with_flags(uri(path, option), flags).map_err(|error| fault(&error, None))?;
        harden_connection(&mut database, self).map_err(|error| fault(&error, None))?;
        Ok(database)
    }
}

fn uri(path: &Path, option: &str) -> String {
    use std::fmt::Write;
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => uri.push(char::from(*byte)),
            _ => write!(uri, "%{byte:02X}").unwrap_or_default(),
        }
    }
    uri.push('?');
    uri.push_str(option);
    uri
}

/// Nothing here reads the file yet.
fn harden_connection(database: &mut Connection, way: Way) -> rusqlite::Result<()> {
    database.busy_timeout(PATIENCE)?;
    for (switch, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true),
    ] {
        database.set_db_config(switch, on)?;
    }
    let longest = i32::try_from(MAX_INPUT).unwrap_or(i32::MAX).saturating_add(MAX_SQL);
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_LENGTH, longest),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, MAX_SQL),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        database.set_limit(limit, most)?;
    }
    database.pragma_update(None, "hard_heap_limit", MAX_HEAP)?;
    database.pragma_update(None, "query_only", true)?;
    database.pragma_update(None, "cell_size_check", true)?;
    if way == Way::Alone {
        // Alone, it needs no index that others could see.
        database.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    }
    let end = Instant::now() + LONGEST;
    database.progress_handler(10_000, Some(move || Instant::now() > end))
}

fn texts<const N: usize>(database: &mut Connection, cells: &[Cell; N]) -> Result<[Option<SecretBuf>; N], Fault> {
    let failed = |error: rusqlite::Error| fault(&error, None);
    database.execute_batch("BEGIN").map_err(failed)?;
    let tables: Vec<&'static str> = cells.iter().map(|cell| cell.table).collect();
    let only_these = move |asked: AuthContext<'_>| match asked.action {
        AuthAction::Select => Authorization::Allow,
        AuthAction::Read { table_name, .. } if table_name == "sqlite_master" || tables.contains(&table_name) => {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    };
    database.authorizer(Some(only_these)).map_err(failed)?;
    let mut texts = [const { None }; N];
    for (cell, place) in cells.iter().zip(&mut texts) {
        if has_table(database, cell)? {
            *place = match cell.key {
                Some(key) => text(database, cell, key)?,
                None => all(database, cell)?,
            };
        }
    }
    Ok(texts)
}

/// Whether there is a table of that name; views and virtual tables have no root page.
fn has_table(database: &Connection, cell: &Cell) -> Result<bool, Fault> {
    let failed = |error: rusqlite::Error| fault(&error, None);
    let mut found = database.prepare("SELECT type, rootpage FROM sqlite_master WHERE name = ?1").map_err(failed)?;
    let mut rows = found.query([cell.table]).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else { return Ok(false) };
    match (row.get_ref(0), row.get_ref(1)) {
        (Ok(ValueRef::Text(b"table")), Ok(ValueRef::Integer(1..))) => Ok(true),
        _ => Err(Fault::Table(cell.table)),
    }
}

/// All rows; of two with one key the last counts. `None` if there is none.
fn all(database: &Connection, cell: &Cell) -> Result<Option<SecretBuf>, Fault> {
    let failed = |error: rusqlite::Error| fault(&error, Some(cell.table));
    let Cell { table, key_column, value_column, .. } = cell;
    let mut found =
        database.prepare(&format!("SELECT {key_column}, {value_column} FROM main.{table}")).map_err(failed)?;
    let mut rows = found.query([]).map_err(failed)?;
    let (mut all, mut size) = (BTreeMap::new(), 0);
    while let Some(row) = rows.next().map_err(failed)? {
        let (Ok(ValueRef::Text(key)), Ok(ValueRef::Text(value))) = (row.get_ref(0), row.get_ref(1)) else {
            return Err(Fault::Table(table));
        };
        size += key.len() + value.len();
        if size > MAX_INPUT {
            return Err(Fault::Bound);
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        all.insert(text(key), Zeroizing::new(text(value)));
    }
    let plain: BTreeMap<&str, &str> = all.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let object = serde_json::to_vec(&plain).map_err(|_| Fault::Table(table))?;
    Ok((!all.is_empty()).then(|| SecretBuf::new(object)))
}

fn text(database: &Connection, cell: &Cell, key: &str) -> Result<Option<SecretBuf>, Fault> {
    let failed = |error: rusqlite::Error| fault(&error, Some(cell.table));
    let Cell { table, key_column, value_column, .. } = cell;
    let sql = format!("SELECT {value_column} FROM main.{table} WHERE {key_column} = ?1 LIMIT 2");
    let mut found = database.prepare(&sql).map_err(failed)?;
    let mut rows = found.query([key]).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
    let text = match row.get_ref(0) {
        Ok(ValueRef::Text(text)) if text.len() > MAX_INPUT => return Err(Fault::Bound),
        Ok(ValueRef::Text(text)) => SecretBuf::new(text.to_vec()),
        _ => return Err(Fault::Table(table)),
    };
    // A gateway's key is unique: nobody could tell which of two rows it would use.
    if rows.next().map_err(failed)?.is_some() { Err(Fault::Table(table)) } else { Ok(Some(text)) }
}

/// What an error of SQLite means; its text, which may quote the schema, is dropped. `table` is
/// what was read when there is one.
fn fault(error: &rusqlite::Error, table: Option<&'static str>) -> Fault {
    let Some(code) = error.sqlite_error_code() else { return table.map_or(Fault::Damaged, Fault::Table) };
    match code {
        ErrorCode::NotADatabase => Fault::NotOne,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => Fault::Busy,
        ErrorCode::ReadOnly => Fault::HalfWritten,
        ErrorCode::TooBig | ErrorCode::OutOfMemory | ErrorCode::OperationInterrupted => Fault::Bound,
        ErrorCode::CannotOpen | ErrorCode::SystemIoFailure | ErrorCode::PermissionDenied => Fault::Unreadable,
        ErrorCode::DatabaseCorrupt => Fault::Damaged,
        _ => table.map_or(Fault::Damaged, Fault::Table),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
