//! What can go wrong, by what the caller can do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowforge_failpoints::Injected;
use tokio_postgres::error::SqlState;

/// Why the store could not be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or file cannot be written.
    #[error(
        "cannot write {path}: it is read-only for this user; make it writable or choose another --data-dir"
    )]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// No space.
    #[error("cannot write {path}: the disk is full; free some space or choose another --data-dir")]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Written by a newer program.
    #[error("{place} was written by a newer version of FlowForge; use that version, nothing was changed")]
    NewerFormat {
        /// The file or database.
        place: String,
    },
    /// The address of a database cannot be read.
    #[error("the address of the database is not readable: {why}; write it as postgres://USER@127.0.0.1/NAME")]
    Address {
        /// Why.
        why: String,
    },
    /// The database is on another machine.
    #[error(
        "the database is at {host}, and the connection to it would not be encrypted: use one on this machine, by \
         127.0.0.1 or by the folder of its socket (postgres:///NAME?host=/run/postgresql)"
    )]
    Remote {
        /// Where.
        host: String,
    },
    /// The tables are to be changed, and servers of an older version use them.
    #[error(
        "{place} is used by servers of an older version of FlowForge, and its tables must be changed for this one: stop \
         them all, then start this one again; nothing was changed"
    )]
    OtherServers {
        /// Which.
        place: String,
    },
    /// The database is too old.
    #[error("{place} is older than PostgreSQL 15, which is needed")]
    OldDatabase {
        /// Which.
        place: String,
    },
    /// The database cannot be used.
    #[error("cannot use {place}")]
    Database {
        /// Which.
        place: String,
        /// What the database says.
        #[source]
        source: StoreError,
    },
    /// The file is no database of ours, or it is damaged.
    #[error("{path} is damaged or is not a FlowForge database; restore it from a backup")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: StoreError,
    },
    /// The system refused the file for another reason.
    #[error("cannot open {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Anything else.
    #[error("cannot open {path}")]
    Other {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: StoreError,
    },
}

/// There is no space for a write. The same call succeeds when there is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the disk of the control plane is full: nothing was stored; free some space for {}, then try again", path.display())]
pub struct DiskFull {
    /// What could not grow.
    pub path: PathBuf,
}

/// The database does not answer. The same call, under the same key, succeeds when it does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the database does not answer, and what was under way may or may not be stored: {why}; try again in a moment"
)]
pub struct DatabaseAway {
    /// What was found.
    pub why: String,
}

/// Why a read or a write did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk is full: nothing was stored; free some space and call again.
    #[error("{0}")]
    Full(#[source] DiskFull),
    /// Too many questions wait for a connection: try again in a moment.
    #[error("the store is busy: too many questions wait; try again in a moment")]
    Busy,
    /// The writer has stopped: the outcome is unknown; retry with the same key.
    #[error("the store has stopped")]
    Stopped,
    /// A stored value is not what this program writes.
    #[error("stored {what} is not readable: {detail}")]
    Unreadable {
        /// Which value.
        what: &'static str,
        /// Why.
        detail: String,
    },
    /// The database refused; nothing was stored.
    #[error("the database failed")]
    Database(#[source] Arc<EngineError>),
    /// The database does not answer: what was under way has an unknown outcome; call again with the same key in a moment.
    #[error("{0}")]
    Away(#[source] DatabaseAway),
    /// A program of an older kind, which shares a database with nobody, has it; or the tables are being changed.
    #[error(
        "a server of another version of FlowForge uses this database, or is changing its tables; stop it first, or wait"
    )]
    Taken,
    /// The tables were changed by a newer program while this one was cut off.
    #[error("a newer version of FlowForge has changed this database; start that version here, too")]
    Outdated,
    /// A test asked for this failure.
    #[error(transparent)]
    Injected(#[from] Injected),
}

/// What an engine says.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// SQLite.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL.
    #[error("{}", said(.0))]
    Postgres(#[from] tokio_postgres::Error),
}

/// The driver's own text names only the kind of failure.
fn said(error: &tokio_postgres::Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

/// What a failure means, whichever engine tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// There is no space, for anybody.
    Full,
    /// What the disk holds is uncertain.
    Uncertain,
    /// One write may have caused it.
    OfOne,
}

impl EngineError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Sqlite(error) => match primary_code(error) {
                Some(13) => Meaning::Full,
                Some(10 | 11 | 26) => Meaning::Uncertain,
                _ => Meaning::OfOne,
            },
            Self::Postgres(error) if error.code() == Some(&SqlState::DISK_FULL) => Meaning::Full,
            Self::Postgres(_) => Meaning::OfOne,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(Arc::new(error.into()))
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        // Class 08: the connection; 57P: the database is stopped by somebody. Without a code nothing was answered.
        let of_connection = error.code().is_some_and(|code| {
            let code = code.code();
            code.starts_with("08") || code.starts_with("57P")
        });
        if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) {
            return Self::Busy;
        }
        let unanswered = error.is_closed() || error.as_db_error().is_none() && is_io(&error);
        if of_connection || unanswered {
            return Self::away(said(&error));
        }
        Self::Database(Arc::new(error.into()))
    }
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<io::Error>())
}

impl StoreError {
    /// The same, with the place where space is missing if that is the reason.
    pub(crate) fn at(self, path: &Path) -> Self {
        match &self {
            Self::Database(error) if error.meaning() == Meaning::Full => Self::Full(DiskFull {
                path: path.to_owned(),
            }),
            _ => self,
        }
    }

    /// No connection could be made: whatever the reason, nothing was asked.
    pub(crate) fn unreached(error: &tokio_postgres::Error) -> Self {
        Self::away(said(error))
    }

    /// The connection to the database is gone.
    pub(crate) fn gone() -> Self {
        Self::away("the connection broke".to_owned())
    }

    fn away(why: String) -> Self {
        Self::Away(DatabaseAway { why })
    }

    pub(crate) fn unreadable(what: &'static str, detail: impl std::fmt::Display) -> Self {
        Self::Unreadable {
            what,
            detail: detail.to_string(),
        }
    }

    /// True if one write of a group may have caused this, so that the others may succeed without it.
    pub(crate) fn may_be_of_one(&self) -> bool {
        match self {
            Self::Database(error) => error.meaning() == Meaning::OfOne,
            Self::Unreadable { .. } => true,
            Self::Full(_)
            | Self::Busy
            | Self::Stopped
            | Self::Away(_)
            | Self::Taken
            | Self::Outdated
            | Self::Injected(_) => false,
        }
    }

    /// True after an I/O error: what the disk holds is uncertain until the file is opened again.
    pub(crate) fn is_fatal(&self) -> bool {
        match self {
            Self::Database(error) => error.meaning() == Meaning::Uncertain,
            // No write of this program can be meant for those tables.
            Self::Outdated => true,
            Self::Full(_)
            | Self::Busy
            | Self::Stopped
            | Self::Away(_)
            | Self::Taken
            | Self::Unreadable { .. }
            | Self::Injected(_) => false,
        }
    }
}

/// SQLite's primary result code (the low byte of the extended one).
pub(crate) fn primary_code(error: &rusqlite::Error) -> Option<i32> {
    Some(error.sqlite_error()?.extended_code & 0xff)
}

impl OpenError {
    pub(crate) fn from_io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io { path, source },
        }
    }
}

/// Why a file could not be opened.
pub(crate) fn sqlite_open_error(path: &Path, source: StoreError) -> OpenError {
    let path = path.to_owned();
    let code = match &source {
        StoreError::Database(error) => match &**error {
            EngineError::Sqlite(error) => primary_code(error),
            EngineError::Postgres(_) => None,
        },
        _ => None,
    };
    match code {
        Some(8) => OpenError::ReadOnly { path },
        Some(13) => OpenError::Full { path },
        Some(11 | 26) => OpenError::Corrupt { path, source },
        _ => OpenError::Other { path, source },
    }
}
