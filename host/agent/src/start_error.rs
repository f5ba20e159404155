//! Why a host does not start, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use flowforge_journal::OpenError;
use flowforge_runtime::RuntimeError;

use crate::config::HostConfig;
use crate::enrolment::EnrolmentError;
use crate::files::Exposure;
use crate::identity::IdentityError;
use crate::link::TlsSetupError;
use crate::link::credential::CredentialError;

/// Why a host does not start. Nothing was changed that was there before.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be used.
    #[error("cannot use the data folder {}{}", path.display(), fix(source))]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// What the cause says.
        #[source]
        source: io::Error,
    },
    /// Others could read or change the data folder.
    #[error(
        "the data folder {} {exposure}; `chmod 700` it, or use a folder that this user makes", path.display()
    )]
    Exposed {
        /// The file or folder.
        path: PathBuf,
        /// How far.
        exposure: Exposure,
    },
    /// What was written down when the host joined cannot be used.
    #[error(transparent)]
    Enrolment(#[from] EnrolmentError),
    /// The host has another identity key than the one that enrolled, and no invitation for it.
    #[error(
        "this host's identity key is new: start it once with --join to enrol anew; runs that it holds under its old \
         identity then rest here until they are cancelled"
    )]
    NotInvited,
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// The keys cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The join file names other trust than this host pinned.
    #[error(
        "the join file's trust root differs from the one this host pinned in {}: {reason}. If the control plane was set up \
         anew, use a new data folder for this host; if not, somebody may be posing as it",
        path.display()
    )]
    Trust {
        /// The pinned one.
        path: PathBuf,
        /// In what it differs.
        reason: &'static str,
    },
    /// No randomness.
    #[error("the operating system gives no randomness")]
    Entropy(#[source] getrandom::Error),
    /// The host has no certificate, or one that it cannot use.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The certificate is there and of no use.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
    /// The host enrolled over the hosts' line, and its certificate is gone.
    #[error(
        "keys/link.json is missing in the data folder; restore it from a backup, or enrol anew with --token-file"
    )]
    NoCredential,
    /// No sandbox.
    #[error("the sandbox cannot be set up")]
    Runtime(#[from] RuntimeError),
}

/// What a person can do about a folder that cannot be used.
fn fix(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; make it writable for this user, or choose another --data-dir"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; its disk is full: free some space and start again, nothing is lost"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "; it is no folder: choose another --data-dir"
        }
        _ => "",
    }
}

impl StartError {
    /// Trouble with a folder below the data folder is trouble with that folder, not with the sandbox.
    pub(crate) fn sandbox(config: &HostConfig, error: RuntimeError) -> Self {
        match error {
            RuntimeError::Cache(source) => Self::folder(&config.data_dir.join("compiled"), source),
            other => Self::Runtime(other),
        }
    }

    pub(crate) fn folder(path: &Path, source: io::Error) -> Self {
        Self::Folder {
            path: path.to_owned(),
            source,
        }
    }
}
