//! Opening a file or a database: settings, the writer and the readers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flowforge_core::{AuditEntry, Scope};
use flowforge_failpoints::FailPoints;
use tokio::sync::mpsc;

use crate::connection::{Connection, Engine};
use crate::life::Life;
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
    /// A PostgreSQL database in the place of the file, `postgres://…`; on this machine. Several servers may have it open.
    /// Default: none.
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

/// Where a store is, and where its connections count their steps.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    engine: PlaceOf,
    steps: Arc<AtomicU64>,
}

#[derive(Debug, Clone)]
enum PlaceOf {
    Sqlite(Arc<Path>),
    Postgres(postgres::Place),
}

impl Place {
    /// Where a store with these settings is.
    pub(crate) fn of(config: &StoreConfig) -> Result<Self, OpenError> {
        let engine = match config.database.as_deref() {
            Some(url) => PlaceOf::Postgres(postgres::Place::parse(url)?),
            None => PlaceOf::Sqlite(config.path.clone().into()),
        };
        Ok(Self {
            engine,
            steps: Arc::default(),
        })
    }

    /// A connection that only reads.
    pub(crate) fn reader(&self) -> Result<Connection, StoreError> {
        let engine = match &self.engine {
            PlaceOf::Sqlite(path) => Engine::Sqlite(sqlite::reader(path)?),
            PlaceOf::Postgres(place) => Engine::Postgres(postgres::reader(place)),
        };
        Ok(Connection::new(engine, Arc::clone(&self.steps)))
    }

    /// The database, if it is no file.
    pub(crate) fn database(&self) -> Option<&postgres::Place> {
        match &self.engine {
            PlaceOf::Sqlite(_) => None,
            PlaceOf::Postgres(place) => Some(place),
        }
    }

    /// The connection that writes, with tables that are up to date. `life` is set.
    fn writer(&self, max_pages: Option<u32>, older: &Scope, life: &Life) -> Result<Connection, OpenError> {
        let engine = match &self.engine {
            PlaceOf::Sqlite(path) => {
                let (connection, incarnation) = sqlite::writer(path, max_pages, older)?;
                life.become_(incarnation);
                Engine::Sqlite(connection)
            }
            PlaceOf::Postgres(place) => Engine::Postgres(postgres::writer(place, life)?),
        };
        Ok(Connection::new(engine, Arc::clone(&self.steps)))
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.engine {
            PlaceOf::Sqlite(path) => write!(f, "{}", path.display()),
            PlaceOf::Postgres(place) => write!(f, "{place}"),
        }
    }
}

/// A cheap, cloneable handle: reads go to a few connections, writes to the one writer.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) readers: Arc<Readers>,
    writes: mpsc::Sender<Write>,
    pub(crate) path: Arc<Path>,
    steps: Arc<AtomicU64>,
    life: Life,
    /// What the next change that takes effect writes beside itself.
    pub(crate) note: Option<Arc<AuditEntry>>,
    /// Where the statements of questions are counted.
    pub(crate) asked: Option<Arc<AtomicU64>>,
}

impl Store {
    /// The life of the store: 32 hexadecimal digits. A file has another one at each opening; a database has one for all
    /// servers, and another one after it started anew, was promoted or restored, which a running store notices, too.
    ///
    /// What was restored from a backup does not know that it was. Whoever remembers what this store has promised asks it
    /// again when the name changes.
    #[must_use]
    pub fn incarnation(&self) -> Arc<str> {
        self.life.name()
    }

    /// Steps of SQLite's machine since the store was opened, by the writer and all readers: about one for each column that
    /// was looked at, so that what a call costs can be told apart from how long it took. 0 with PostgreSQL.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    /// Opens or creates the file and brings its tables up to date.
    ///
    /// The returned [`Writer`] must be run for writes to be answered.
    ///
    /// # Errors
    /// See [`OpenError`]; the file is not changed by a failed opening, except that migrations already applied stay.
    pub async fn open(config: StoreConfig, fail_points: FailPoints) -> Result<(Self, Writer), OpenError> {
        let place = Place::of(&config)?;
        let path: Arc<Path> = match &place.engine {
            PlaceOf::Sqlite(path) => Arc::clone(path),
            PlaceOf::Postgres(place) => PathBuf::from(place.to_string()).into(),
        };
        let steps = Arc::clone(&place.steps);
        let opened = place.clone();
        let (max_pages, older) = (config.max_pages, config.older);
        let life = Life::default();
        let named = life.clone();
        let connection = tokio::task::spawn_blocking(move || opened.writer(max_pages, &older, &named))
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
            steps,
            life,
            note: None,
            asked: None,
        };
        Ok((store, writer))
    }

    pub(crate) async fn submit(&self, write: Write) -> Result<(), StoreError> {
        self.writes.send(write).await.map_err(|_| StoreError::Stopped)
    }
}
