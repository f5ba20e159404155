//! Why a control plane does not start, and why it stops by itself.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use flowforge_store::StoreError;

use crate::app::people::{FirstLinkError, PeopleUrlError};
use crate::database::DatabaseError;
use crate::folder::FolderError;
use crate::keys::KeysError;
use crate::line::LineError;

/// Why the control plane did not start. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The listener for hosts cannot be opened.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The address is not of this machine.
    #[error(
        "{0} is not a loopback address: people and programs call over loopback only, or through a program on this machine \
         that speaks TLS (--url); use 127.0.0.1:{port}, and --hosts-url for hosts of other machines", port = .0.port()
    )]
    NotLoopback(SocketAddr),
    /// People cannot find this server there.
    #[error(transparent)]
    PeopleUrl(#[from] PeopleUrlError),
    /// The first administrator gets no link.
    #[error(transparent)]
    FirstLink(#[from] FirstLinkError),
    /// Another program listens there.
    #[error("{0} is in use by another program; try --listen {ip}:0 (any free port)", ip = .0.ip())]
    InUse(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The data is in another database than was said.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The database cannot be opened.
    #[error(transparent)]
    Store(#[from] flowforge_store::OpenError),
    /// The database cannot be read.
    #[error("the database of the control plane cannot be read")]
    Read(#[from] StoreError),
    /// The registry cannot be opened.
    #[error(transparent)]
    Registry(#[from] flowforge_registry::OpenError),
}

/// Why the control plane stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The disk failed; start again after looking at it.
    #[error(
        "the database {} could not be written or read; look at its disk, then start again: nothing that was confirmed is \
         lost",
        path.display()
    )]
    Store {
        /// The database.
        path: PathBuf,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// A task ended that must not; this is a mistake of the program.
    #[error("a part of the control plane ended: {0}")]
    Task(String),
}
