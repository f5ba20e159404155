//! Why there is no backup, or no control plane of one.

use std::io;
use std::path::{Path, PathBuf};

use flowforge_store::CopyError;

use crate::database::DatabaseError;
use crate::ends::{OpenError, RunError};
use crate::folder::FolderError;

/// Why a backup was not made, restored or rehearsed. Nothing of it is left where it was to go.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The folder is not one of a control plane.
    #[error("{} is no data folder of a control plane: name the --data-dir of `flowforge server`", folder.display())]
    NoControlPlane {
        /// The folder.
        folder: PathBuf,
    },
    /// The backup would be a part of what is backed up.
    #[error("{} lies in the data folder: choose a place outside of it, best on another disk", folder.display())]
    Inside {
        /// Where it was to go.
        folder: PathBuf,
    },
    /// There is something where the backup or the data folder is to be made.
    #[error("{} is not empty: name a new folder, nothing was changed", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// No backup, or one that was cut off.
    #[error(
        "{} is no complete backup: it has no {}, which is written last; make the backup again", folder.display(),
        super::list::FILE
    )]
    NoList {
        /// The folder.
        folder: PathBuf,
    },
    /// The list of a backup cannot be understood.
    #[error("{} cannot be read: {why}", path.display())]
    List {
        /// The list.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A file of a backup is not what it was.
    #[error("{} is not what was backed up: {why}; use another backup", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// How it differs.
        why: String,
    },
    /// The backup is of a PostgreSQL database.
    #[error("the backup is of a PostgreSQL database: name a new, empty one with --database postgres://…")]
    NeedsDatabase,
    /// The backup has its database in a file.
    #[error("the backup has its database in a file: leave --database out")]
    NeedsNoDatabase,
    /// A secret does not open.
    #[error("the secrets of the backup do not open with its key: {why}")]
    Secrets {
        /// Which, and why.
        why: String,
    },
    /// The database was not copied.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] flowforge_store::OpenError),
    /// A folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The data is in another database than was said.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The control plane of a backup does not start.
    #[error("a control plane made of this backup does not start")]
    Start(#[source] Box<OpenError>),
    /// It started and did not end well.
    #[error("a control plane made of this backup does not run")]
    Run(#[source] RunError),
    /// A file cannot be read or written.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl BackupError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}
