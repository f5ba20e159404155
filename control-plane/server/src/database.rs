//! Whether the data of a folder is in its own file or in a PostgreSQL database: one folder never changes its mind, because
//! its hosts would then be told that their runs are not known.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Name of the file in the data folder.
pub(crate) const FILE: &str = "server.db";
/// Name of the note that the data is elsewhere.
const NOTE: &str = "database.txt";
const NOTED: &str = "The data of this control plane is in a PostgreSQL database: start it with --database.\n";

/// Why the database that was asked for is not the folder's.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The folder has a database of its own.
    #[error("{} holds the data of this folder: start without --database, or with another --data-dir", file.display())]
    HasFile {
        /// The file.
        file: PathBuf,
    },
    /// The folder's data is in a database that was not named.
    #[error("the data of {} is in a PostgreSQL database: name it with --database, or use another --data-dir", folder.display())]
    IsElsewhere {
        /// The folder.
        folder: PathBuf,
    },
    /// The note could not be read or written.
    #[error("cannot use {}", file.display())]
    Note {
        /// The note.
        file: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// Checks that a folder's data is where it is looked for.
pub(crate) fn check(folder: &Path, uses_database: bool) -> Result<(), DatabaseError> {
    let file = folder.join(FILE);
    match (uses_database, file.exists(), folder.join(NOTE).exists()) {
        (true, true, _) => Err(DatabaseError::HasFile { file }),
        (false, _, true) => Err(DatabaseError::IsElsewhere {
            folder: folder.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Notes that the folder's data is in a database, once that could be opened.
pub(crate) fn note(folder: &Path) -> Result<(), DatabaseError> {
    let file = folder.join(NOTE);
    fs::write(&file, NOTED).map_err(|source| DatabaseError::Note { file, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stays_with_its_database() {
        let own = tempfile::tempdir().unwrap();
        check(own.path(), false).unwrap();
        check(own.path(), true).unwrap();
        fs::write(own.path().join(FILE), "").unwrap();
        check(own.path(), false).unwrap();
        let error = check(own.path(), true).unwrap_err();
        assert!(matches!(error, DatabaseError::HasFile { .. }), "{error:?}");
        let elsewhere = tempfile::tempdir().unwrap();
        note(elsewhere.path()).unwrap();
        check(elsewhere.path(), true).unwrap();
        let error = check(elsewhere.path(), false).unwrap_err();
        assert!(matches!(error, DatabaseError::IsElsewhere { .. }), "{error:?}");
    }
}
