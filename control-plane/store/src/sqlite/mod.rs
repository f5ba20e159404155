//! SQLite: one file, one connection that writes and a few that read.

mod copy;
mod migrate;

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use flowforge_core::Scope;
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, Statement, StatementStatus, ToSql, params_from_iter};

use crate::cells::{Cell, Cells, Row};
use crate::error::{primary_code, sqlite_open_error};
use crate::{OpenError, StoreError};

pub(crate) use copy::{CopyFailed, copy, fault};

/// How long a statement waits for a lock that another process holds, a backup for example.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements that a connection keeps prepared; more than this crate has.
const PREPARED: usize = 128;
/// Pages of 4 KiB in the log beside the file before they are brought into it. A page that many commits change is brought
/// once, so a longer log means fewer writes; after a crash the log is read once.
const CHECKPOINT_PAGES: u32 = 4_000;

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Cell::Null => ValueRef::Null,
            Cell::Int(number) => ValueRef::Integer(number),
            Cell::Text(text) => ValueRef::Text(text.as_bytes()),
            Cell::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl Cells for rusqlite::Row<'_> {
    fn cell(&self, column: usize) -> Result<Cell<'_>, StoreError> {
        Ok(match self.get_ref(column)? {
            ValueRef::Null => Cell::Null,
            ValueRef::Integer(number) => Cell::Int(number),
            ValueRef::Blob(bytes) => Cell::Bytes(bytes),
            ValueRef::Text(text) => Cell::Text(
                std::str::from_utf8(text).map_err(|error| StoreError::unreadable("column", error))?,
            ),
            ValueRef::Real(_) => return Err(StoreError::unreadable("column", "a fraction")),
        })
    }
}

/// Shows each row; returns the steps that SQLite took.
pub(crate) fn each(
    connection: &Connection,
    sql: &str,
    params: &[Cell<'_>],
    show: &mut dyn FnMut(&Row<'_>) -> Result<bool, StoreError>,
) -> Result<u64, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params_from_iter(params))?;
    while let Some(row) = rows.next()? {
        if !show(&Row(row))? {
            break;
        }
    }
    drop(rows);
    Ok(steps(&statement))
}

/// Returns how many rows it changed, and the steps that SQLite took.
pub(crate) fn run(
    connection: &Connection,
    sql: &str,
    params: &[Cell<'_>],
) -> Result<(usize, u64), StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let changed = statement.execute(params_from_iter(params))?;
    Ok((changed, steps(&statement)))
}

/// Steps of SQLite's machine since this was asked last.
fn steps(statement: &Statement<'_>) -> u64 {
    u64::try_from(statement.reset_status(StatementStatus::VmStep)).unwrap_or(0)
}

/// A connection that only reads, to a file that the writer's connection has made.
pub(crate) fn reader(path: &Path) -> Result<Connection, StoreError> {
    Ok(connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
}

/// The connection that writes, to a file whose tables are up to date, and the name of this opening.
pub(crate) fn writer(
    path: &Path,
    max_pages: Option<u32>,
    older: &Scope,
) -> Result<(Connection, String), OpenError> {
    make_private(path).map_err(|error| OpenError::from_io(path, error))?;
    let failed = |error| sqlite_open_error(path, error);
    let mut connection =
        connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|error| match primary_code(&error) {
            Some(14) => OpenError::ReadOnly {
                path: path.to_owned(),
            },
            _ => failed(error.into()),
        })?;
    prepare(&connection, max_pages).map_err(|error| failed(error.into()))?;
    migrate::run(&mut connection, path, older)?;
    // Also shows a file that can be read but not written now, not at the first run.
    let incarnation: Result<String, _> = connection.query_row(
        "insert into meta (key, value) values ('incarnation', lower(hex(randomblob(16)))) \
         on conflict do update set value = excluded.value returning value",
        (),
        |row| row.get(0),
    );
    let incarnation = incarnation.map_err(|error| failed(error.into()))?;
    Ok((connection, incarnation))
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, rusqlite::Error> {
    // A connection is used by one thread at a time: SQLite need not guard it.
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(PREPARED);
    // A statement keeps its plan whatever is bound to it; otherwise many are compiled anew at each use.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // KiB.
    connection.pragma_update(None, "cache_size", -16_384)?;
    Ok(connection)
}

fn prepare(connection: &Connection, max_pages: Option<u32>) -> Result<(), rusqlite::Error> {
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "full")?;
    // A statement over a whole group keeps the pages it changes, to take them back alone; that needs no file.
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", CHECKPOINT_PAGES, |_| Ok(()))?;
    if let Some(pages) = max_pages {
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    Ok(())
}

/// Makes the file for this user alone before SQLite does, whose log and index beside it take their mode from it; and
/// takes from everybody else what an older program, or a person, let them do with it.
fn make_private(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(0o600))
}
