//! Who this host is to its control plane, as it was told when it joined.
//!
//! A file beside the keys, so that a host starts again without its join file, and also when its journal is gone. It holds
//! nothing secret: what the control plane believes is the identity key.

use std::io;
use std::path::{Path, PathBuf};

use flowforge_protocol::{HostId, TrustRoot, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::files;

/// Name of the file in the data folder.
const FILE: &str = "enrolment.json";

/// Name of the pinned trust root in the data folder.
pub(crate) const TRUST_FILE: &str = "trust-root.json";

/// The pinned trust root, if there is one.
///
/// # Errors
/// Why it cannot be used, for people.
pub(crate) fn pinned_trust(data_dir: &Path) -> Result<Option<TrustRoot>, String> {
    let bytes = files::read_if_present(&data_dir.join(TRUST_FILE)).map_err(|error| error.to_string())?;
    bytes
        .map(|bytes| serde_json::from_slice(&bytes))
        .transpose()
        .map_err(|error| error.to_string())
}

/// What a host remembers of having joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// Its id.
    pub host: HostId,
    /// The tenant.
    pub workspace: String,
    /// Address of the control plane.
    pub server: String,
    /// The name that it was invited under, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The key that enrolled. A host with another key has to enrol anew.
    pub identity_key: VerifyingKey,
}

/// Why an enrolment cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// The file cannot be read or written.
    #[error("cannot read or write {}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the cause says.
        #[source]
        source: io::Error,
    },
    /// It is not what this program wrote.
    #[error("{} is damaged; restore it from a backup, or delete it and start once with --join", path.display())]
    Damaged {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
}

impl Enrolment {
    /// The enrolment in a data folder, if there is one.
    ///
    /// # Errors
    /// [`EnrolmentError`].
    pub fn read(data_dir: &Path) -> Result<Option<Self>, EnrolmentError> {
        let path = data_dir.join(FILE);
        let found = files::read_if_present(&path).map_err(|source| EnrolmentError::File {
            path: path.clone(),
            source,
        })?;
        found
            .map(|bytes| serde_json::from_slice(&bytes))
            .transpose()
            .map_err(|source| EnrolmentError::Damaged { path, source })
    }

    /// Removes it: this host has left.
    ///
    /// # Errors
    /// [`EnrolmentError::File`].
    pub(crate) fn remove(data_dir: &Path) -> Result<(), EnrolmentError> {
        let path = data_dir.join(FILE);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(EnrolmentError::File { path, source })
            }
            _ => Ok(()),
        }
    }

    /// Writes it down.
    ///
    /// # Errors
    /// [`EnrolmentError`].
    pub fn write(&self, data_dir: &Path) -> Result<(), EnrolmentError> {
        let path = data_dir.join(FILE);
        let bytes = serde_json::to_vec_pretty(self).map_err(|source| EnrolmentError::Damaged {
            path: path.clone(),
            source,
        })?;
        files::write_private(&path, &bytes).map_err(|source| EnrolmentError::File { path, source })
    }
}
