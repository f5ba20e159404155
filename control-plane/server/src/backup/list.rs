//! The list of a backup: what it has in it, and by which digests.

use std::fs;
use std::io;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use super::error::BackupError;
use crate::folder::write_private;

/// Name of the list.
pub(super) const FILE: &str = "backup.json";
/// The form that this program writes and reads.
const FORMAT: &str = "flowforge-backup/1";
/// Largest list, in bytes: of about 400,000 files.
const LIST_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What kind of database a control plane has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// A file in its data folder.
    Sqlite,
    /// A PostgreSQL database.
    Postgresql,
}

impl Engine {
    pub(super) fn of(database: Option<&str>) -> Self {
        if database.is_some() {
            Self::Postgresql
        } else {
            Self::Sqlite
        }
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgresql => "postgresql",
        }
    }
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListedFile {
    /// From the folder on, with `/`.
    pub(super) path: String,
    pub(super) bytes: u64,
    /// 64 hexadecimal digits.
    pub(super) sha256: String,
}

/// All of them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    format: String,
    /// Version of the program that wrote it.
    program: String,
    pub(super) engine: Engine,
    pub(super) at_ms: u64,
    pub(super) files: Vec<ListedFile>,
}

impl List {
    pub(super) fn new(engine: Engine, at_ms: u64, files: Vec<ListedFile>) -> Self {
        Self {
            format: FORMAT.to_owned(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            engine,
            at_ms,
            files,
        }
    }

    /// Makes the folder a backup.
    pub(super) fn write(&self, folder: &Path) -> Result<(), BackupError> {
        let path = folder.join(FILE);
        let bytes = serde_json::to_vec_pretty(self).map_err(|error| BackupError::List {
            path: path.clone(),
            why: error.to_string(),
        })?;
        Ok(write_private(&path, &bytes)?)
    }

    pub(super) fn read(folder: &Path) -> Result<Self, BackupError> {
        let path = folder.join(FILE);
        let wrong = |why: String| BackupError::List {
            path: path.clone(),
            why,
        };
        let metadata = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = folder.to_owned();
                return Err(BackupError::NoList { folder });
            }
            metadata => metadata.map_err(|source| BackupError::io(&path, source))?,
        };
        if metadata.len() > LIST_BYTES_MAX {
            return Err(wrong(format!("it is larger than {LIST_BYTES_MAX} bytes")));
        }
        let bytes = fs::read(&path).map_err(|source| BackupError::io(&path, source))?;
        let list: Self = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        if list.format != FORMAT {
            let why = format!(
                "it is written as `{}`, this program reads `{FORMAT}`",
                list.format
            );
            return Err(wrong(why));
        }
        match list.files.iter().find(|file| !stays_inside(&file.path)) {
            Some(file) => Err(wrong(format!("`{}` leads out of the folder", file.path))),
            None => Ok(list),
        }
    }
}

/// Whether a path of the list names something inside the folder, however the folder is called.
fn stays_inside(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    !path.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(path: &str) -> ListedFile {
        ListedFile {
            path: path.to_owned(),
            bytes: 1,
            sha256: "0".repeat(64),
        }
    }

    #[test]
    fn a_list_that_leads_out_of_its_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["../keys", "/etc/passwd", "a/../../b", ""] {
            let list = List::new(Engine::Sqlite, 1, vec![listed(path)]);
            list.write(folder.path()).unwrap();
            let error = List::read(folder.path()).unwrap_err();
            assert!(error.to_string().contains("leads out of the folder"), "{error}");
        }
        let list = List::new(Engine::Sqlite, 1, vec![listed("keys/a.pem")]);
        list.write(folder.path()).unwrap();
        assert_eq!(List::read(folder.path()).unwrap().files, list.files);
    }

    #[test]
    fn what_is_no_list_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = List::read(folder.path()).unwrap_err();
        assert!(matches!(error, BackupError::NoList { .. }), "{error:?}");
        for (text, said) in [
            ("{", "EOF"),
            (
                r#"{"format":"flowforge-backup/2","program":"9","engine":"sqlite","at_ms":1,"files":[]}"#,
                "flowforge-backup/2",
            ),
        ] {
            fs::write(folder.path().join(FILE), text).unwrap();
            let error = List::read(folder.path()).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
