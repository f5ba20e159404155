//! What an error of the storage means for the file: full, read-only, open elsewhere, damaged, or something else.

use std::io;
use std::path::Path;

use crate::error::{OpenError, ReadError};

/// The file is not what was written.
pub(crate) fn damaged(path: &Path, what: impl ToString) -> OpenError {
    OpenError::Damaged {
        path: path.to_owned(),
        what: what.to_string(),
    }
}

/// What an error of the file system means for the file at `path`.
pub(crate) fn classify_io(path: &Path, source: io::Error) -> OpenError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            OpenError::ReadOnly { path, source }
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => OpenError::Full { path, source },
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => damaged(&path, source),
        _ => OpenError::Storage {
            path,
            source: Box::new(redb::Error::Io(source)),
        },
    }
}

/// What an error of the database means for its file at `path`.
pub(crate) fn classify(path: &Path, error: redb::Error) -> OpenError {
    match error {
        redb::Error::Io(source) => classify_io(path, source),
        redb::Error::DatabaseAlreadyOpen => OpenError::AlreadyOpen {
            path: path.to_owned(),
            pid: None,
        },
        redb::Error::Corrupted(what) => damaged(path, what),
        redb::Error::UpgradeRequired(version) => {
            damaged(path, format_args!("its pages have the unknown layout {version}"))
        }
        error @ (redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableDoesNotExist(_)
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::TableIsMultimap(_)) => damaged(path, error),
        error => OpenError::Storage {
            path: path.to_owned(),
            source: Box::new(error),
        },
    }
}

/// What an error while rows were read means for the file at `path`.
pub(crate) fn classify_read(path: &Path, error: ReadError) -> OpenError {
    match error {
        ReadError::Damaged(damage) => damaged(path, damage),
        ReadError::Storage(error) => classify(path, *error),
        ReadError::Stopped(stopped) => damaged(path, stopped),
    }
}
