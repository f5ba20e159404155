//! Why there is no copy of a store, or no store of a copy.

use std::io;
use std::path::PathBuf;

use crate::OpenError;

/// Why a store was not copied, or not made of a copy.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// There is no store, or it cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The copy is not what a store is made of.
    #[error("{} is damaged: {fault}", path.display())]
    Damaged {
        /// The copy.
        path: PathBuf,
        /// What SQLite says.
        fault: String,
    },
    /// The database has tables already.
    #[error("{place} is not empty; name a new one (createdb NAME): nothing was changed")]
    NotEmpty {
        /// Which.
        place: String,
    },
    /// A program of PostgreSQL is not there.
    #[error(
        "`{tool}` was not found: install the client programs of PostgreSQL, of the server's version or later, or put them \
         into PATH"
    )]
    NoTool {
        /// Which.
        tool: &'static str,
    },
    /// A program of PostgreSQL failed.
    #[error("`{tool}` failed: {said}")]
    Tool {
        /// Which.
        tool: &'static str,
        /// What it said last.
        said: String,
    },
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
