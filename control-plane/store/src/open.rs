//! Opening the file: settings, migrations, the writer and the readers.

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flowforge_core::Scope;
use flowforge_failpoints::FailPoints;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::mpsc;

use crate::error::primary_code;
use crate::readers::Readers;
use crate::writer::{Write, Writer};
use crate::{OpenError, StoreError, migrate};

/// How long a statement waits for a lock that another process holds, a backup for example.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements that a connection keeps prepared; more than this crate has.
const PREPARED: usize = 128;
/// Pages of 4 KiB in the log beside the file before they are brought into it. A page that many commits change is brought
/// once, so a longer log means fewer writes; after a crash the log is read once.
const CHECKPOINT_PAGES: u32 = 4_000;

/// Where the store is and how much it takes on.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The database file; its folder must exist.
    pub path: PathBuf,
    /// Whose the rows are of a file from before there were scopes.
    pub older: Scope,
    /// Connections for reading. Default 4.
    pub readers: u32,
    /// Writes that may wait for the writer; further callers wait for room. Default 1,024.
    pub queue: usize,
    /// Writes that share one commit at most. Default 512.
    pub group: usize,
    /// Pages of 4 KiB that the file may have; a write beyond them is refused as on a full disk. Default: no bound.
    pub max_pages: Option<u32>,
}

impl StoreConfig {
    /// The defaults for this file.
    #[must_use]
    pub fn new(path: PathBuf, older: Scope) -> Self {
        Self {
            path,
            older,
            readers: 4,
            queue: 1_024,
            group: 512,
            max_pages: None,
        }
    }
}

/// A cheap, cloneable handle: reads go to a few connections, writes to the one writer.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) readers: Arc<Readers>,
    writes: mpsc::Sender<Write>,
    pub(crate) path: Arc<Path>,
    incarnation: Arc<str>,
}

impl Store {
    /// The name of this opening of the file: random, and another one each time.
    ///
    /// A file that was restored from a backup does not know that it was. Whoever remembers what this store has promised
    /// asks it again when the name changes.
    #[must_use]
    pub fn incarnation(&self) -> &str {
        &self.incarnation
    }

    /// Opens or creates the file and brings its tables up to date.
    ///
    /// The returned [`Writer`] must be run for writes to be answered.
    ///
    /// # Errors
    /// See [`OpenError`]; the file is not changed by a failed opening, except that migrations already applied stay.
    pub async fn open(config: StoreConfig, fail_points: FailPoints) -> Result<(Self, Writer), OpenError> {
        let path: Arc<Path> = config.path.clone().into();
        let place = Arc::clone(&path);
        let (max_pages, older) = (config.max_pages, config.older);
        let (connection, incarnation) =
            tokio::task::spawn_blocking(move || writing_connection(&place, max_pages, &older))
                .await
                .unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))?;
        let (writes, requests) = mpsc::channel(config.queue.max(1));
        let writer = Writer::new(
            connection,
            requests,
            config.group.max(1),
            Arc::clone(&path),
            fail_points,
        );
        let store = Self {
            readers: Arc::new(Readers::new(Arc::clone(&path), config.readers.max(1))),
            writes,
            path,
            incarnation: incarnation.into(),
        };
        Ok((store, writer))
    }

    pub(crate) async fn submit(&self, write: Write) -> Result<(), StoreError> {
        self.writes.send(write).await.map_err(|_| StoreError::Stopped)
    }
}

/// A connection that only reads, to a file that the writer's connection has made.
pub(crate) fn reader(path: &Path) -> Result<Connection, StoreError> {
    Ok(connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
}

fn writing_connection(
    path: &Path,
    max_pages: Option<u32>,
    older: &Scope,
) -> Result<(Connection, String), OpenError> {
    make_private(path).map_err(|error| OpenError::from_io(path, error))?;
    let failed = |error| OpenError::from_store(path, error);
    let mut connection =
        connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|error| match primary_code(&error) {
            Some(14) => OpenError::ReadOnly {
                path: path.to_owned(),
            },
            _ => OpenError::from_sqlite(path, error),
        })?;
    prepare(&connection, max_pages).map_err(|error| OpenError::from_sqlite(path, error))?;
    migrate::run(&mut connection, path, older)?;
    // Also shows a file that can be read but not written now, not at the first run.
    let incarnation = crate::sql::first(
        &connection,
        "insert into meta (key, value) values ('incarnation', lower(hex(randomblob(16)))) \
         on conflict do update set value = excluded.value returning value",
        (),
        |row| Ok(row.get(0)?),
    )
    .map_err(failed)?;
    Ok((connection, incarnation.unwrap_or_default()))
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
