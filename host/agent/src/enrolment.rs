//! Who this host is to its control plane, as it was told when it joined.
//!
//! A file beside the keys, so that a host starts again without its join file, and also when its journal is gone. It holds
//! nothing secret: what the control plane believes is the identity key.

use std::io;
use std::path::{Path, PathBuf};

use flowforge_protocol::{HostId, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::files;

/// Name of the file in the data folder.
const FILE: &str = "enrolment.json";

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
    /// The key that enrolled. A host with another key has to enrol anew.
    pub identity_key: VerifyingKey,
}

/// Why an enrolment cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// The file cannot be read or written.
    #[error("cannot read or write {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not what this program wrote.
    #[error("{} is damaged; restore it from a backup, or delete it and start once with --join", path.display())]
    Damaged {
        /// Which.
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
