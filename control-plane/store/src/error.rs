//! What can go wrong, by what the caller can do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowforge_failpoints::Injected;

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
    #[error("{path} was written by a newer version of FlowForge; use that version, the file was not changed")]
    NewerFormat {
        /// The file.
        path: PathBuf,
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
    /// SQLite refused; nothing was stored.
    #[error("the database failed")]
    Database(#[source] Arc<rusqlite::Error>),
    /// A test asked for this failure.
    #[error(transparent)]
    Injected(#[from] Injected),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

impl StoreError {
    /// The same, with the place where space is missing if that is the reason.
    pub(crate) fn at(self, path: &Path) -> Self {
        match &self {
            Self::Database(error) if primary_code(error) == Some(13) => Self::Full(DiskFull {
                path: path.to_owned(),
            }),
            _ => self,
        }
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
            // 13: the disk is full, for everybody.
            Self::Database(error) => !self.is_fatal() && primary_code(error) != Some(13),
            Self::Unreadable { .. } => true,
            Self::Full(_) | Self::Busy | Self::Stopped | Self::Injected(_) => false,
        }
    }

    /// True after an I/O error: what the disk holds is uncertain until the file is opened again.
    pub(crate) fn is_fatal(&self) -> bool {
        match self {
            Self::Database(error) => matches!(primary_code(error), Some(10 | 11 | 26)),
            Self::Full(_) | Self::Busy | Self::Stopped | Self::Unreadable { .. } | Self::Injected(_) => false,
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

    pub(crate) fn from_sqlite(path: &Path, source: rusqlite::Error) -> Self {
        Self::from_store(path, source.into())
    }

    pub(crate) fn from_store(path: &Path, source: StoreError) -> Self {
        let path = path.to_owned();
        let code = match &source {
            StoreError::Database(error) => primary_code(error),
            _ => None,
        };
        match code {
            Some(8) => Self::ReadOnly { path },
            Some(13) => Self::Full { path },
            Some(11 | 26) => Self::Corrupt { path, source },
            _ => Self::Other { path, source },
        }
    }
}
