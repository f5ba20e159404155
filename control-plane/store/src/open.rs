//! Opening a file or a database: settings, the writer and the readers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use flowforge_core::{AuditEntry, Scope};
use flowforge_failpoints::FailPoints;
use tokio::sync::mpsc;

use crate::connection::Connection;
use crate::readers::Readers;
use crate::writer::{Write, Writer};
use crate::{OpenError, StoreError, postgres, sqlite};

/// Where the store is and how much it takes on.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The database file; its folder must exist. Not used with a database.
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
    /// A PostgreSQL database in the place of the file, `postgres://…`; on this machine. Default: none.
    pub database: Option<String>,
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
            database: None,
        }
    }
}

/// Where a store is.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Sqlite(Arc<Path>),
    Postgres(postgres::Place),
}

impl Place {
    /// A connection that only reads.
    pub(crate) fn reader(&self) -> Result<Connection, StoreError> {
        match self {
            Self::Sqlite(path) => sqlite::reader(path).map(Connection::Sqlite),
            Self::Postgres(place) => Ok(Connection::Postgres(postgres::reader(place))),
        }
    }

    /// The connection that writes, with tables that are up to date, and the name of this opening.
    fn writer(&self, max_pages: Option<u32>, older: &Scope) -> Result<(Connection, String), OpenError> {
        match self {
            Self::Sqlite(path) => {
                let (connection, incarnation) = sqlite::writer(path, max_pages, older)?;
                Ok((Connection::Sqlite(connection), incarnation))
            }
            Self::Postgres(place) => {
                let (session, incarnation) = postgres::writer(place)?;
                Ok((Connection::Postgres(session), incarnation))
            }
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
    /// What the next change that takes effect writes beside itself.
    pub(crate) note: Option<Arc<AuditEntry>>,
    /// Where the statements of questions are counted.
    pub(crate) asked: Option<Arc<AtomicU64>>,
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
        let database = config
            .database
            .as_deref()
            .map(postgres::Place::parse)
            .transpose()?;
        let (place, path): (_, Arc<Path>) = match database {
            Some(database) => {
                let named = PathBuf::from(database.to_string());
                (Place::Postgres(database), named.into())
            }
            None => (Place::Sqlite(Arc::clone(&path)), path),
        };
        let opened = place.clone();
        let (max_pages, older) = (config.max_pages, config.older);
        let (connection, incarnation) = tokio::task::spawn_blocking(move || opened.writer(max_pages, &older))
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
            readers: Arc::new(Readers::new(place, config.readers.max(1))),
            writes,
            path,
            incarnation: incarnation.into(),
            note: None,
            asked: None,
        };
        Ok((store, writer))
    }

    pub(crate) async fn submit(&self, write: Write) -> Result<(), StoreError> {
        self.writes.send(write).await.map_err(|_| StoreError::Stopped)
    }
}
