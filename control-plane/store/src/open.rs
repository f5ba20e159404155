//! Opening the file: settings, migrations, the writer and the readers.

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flowforge_failpoints::FailPoints;
use sqlx::ConnectOptions as _;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use tokio::sync::mpsc;

use crate::error::primary_code;
use crate::writer::{Write, Writer};
use crate::{OpenError, StoreError};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Where the store is and how much it takes on.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The database file; its folder must exist.
    pub path: PathBuf,
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
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            readers: 4,
            queue: 1_024,
            group: 512,
            max_pages: None,
        }
    }
}

/// A cheap, cloneable handle: reads go to a pool, writes to the one writer.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) readers: SqlitePool,
    writes: mpsc::Sender<Write>,
    pub(crate) path: Arc<Path>,
}

impl Store {
    /// Opens or creates the file and brings its tables up to date.
    ///
    /// The returned [`Writer`] must be run for writes to be answered.
    ///
    /// # Errors
    /// See [`OpenError`]; the file is not changed by a failed opening, except that migrations already applied stay.
    pub async fn open(config: StoreConfig, fail_points: FailPoints) -> Result<(Self, Writer), OpenError> {
        let path = config.path.clone();
        let failed = |error| OpenError::from_sqlx(path.clone(), error);
        make_private(&config.path).map_err(|error| OpenError::from_io(path.clone(), error))?;
        let mut options = SqliteConnectOptions::new()
            .filename(&config.path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5))
            .pragma("cache_size", "-16384")
            .disable_statement_logging();
        if let Some(pages) = config.max_pages {
            options = options.pragma("max_page_count", pages.to_string());
        }
        let mut connection = options
            .connect()
            .await
            .map_err(|error| match primary_code(&error) {
                Some(14) => OpenError::ReadOnly { path: path.clone() },
                _ => failed(error),
            })?;
        migrate(&mut connection, &config).await?;
        // Shows a file that can be read but not written now, not at the first run.
        sqlx::query(
            "insert into meta (key, value) values ('opened', '1') on conflict do update set value = '1'",
        )
        .execute(&mut connection)
        .await
        .map_err(failed)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(config.readers)
            .min_connections(1)
            .acquire_timeout(Duration::from_secs(10))
            .connect_with(options.read_only(true).create_if_missing(false))
            .await
            .map_err(failed)?;
        let (writes, requests) = mpsc::channel(config.queue.max(1));
        let path: Arc<Path> = path.into();
        let writer = Writer::new(
            connection,
            requests,
            config.group.max(1),
            Arc::clone(&path),
            fail_points,
        );
        let store = Self {
            readers,
            writes,
            path,
        };
        Ok((store, writer))
    }

    pub(crate) async fn submit(&self, write: Write) -> Result<(), StoreError> {
        self.writes.send(write).await.map_err(|_| StoreError::Stopped)
    }

    /// Closes the readers, after the writer has ended.
    pub async fn close(&self) {
        self.readers.close().await;
    }
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

async fn migrate(connection: &mut SqliteConnection, config: &StoreConfig) -> Result<(), OpenError> {
    let path = config.path.clone();
    MIGRATIONS.run(connection).await.map_err(|error| match error {
        MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => OpenError::NewerFormat { path },
        MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => {
            OpenError::from_sqlx(path, source)
        }
        other => OpenError::Other {
            path,
            source: sqlx::Error::Migrate(Box::new(other)),
        },
    })
}
