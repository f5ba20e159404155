//! A file as it is at one moment, in another file, and whether a file is whole.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rusqlite::{OpenFlags, OptionalExtension as _};

/// Why a file was not copied, or not looked at.
#[derive(Debug)]
pub(crate) enum CopyFailed {
    /// The new file cannot be made.
    Io(io::Error),
    /// SQLite refuses.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for CopyFailed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<io::Error> for CopyFailed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Copies what is committed now into a new file of this user alone; it is on the disk when this returns.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), CopyFailed> {
    let connection = super::connect(from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    let name = to.to_str().ok_or_else(|| {
        let what = "its name is not UTF-8";
        io::Error::new(io::ErrorKind::InvalidInput, what)
    })?;
    // SQLite takes an empty file for none.
    connection.execute("vacuum into ?1", [name])?;
    drop(file);
    File::open(to)?.sync_all()?;
    Ok(())
}

/// What is wrong with a file that nobody else has open, if anything is.
pub(crate) fn fault(path: &Path) -> Result<Option<String>, CopyFailed> {
    let connection = super::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let found: String = connection.query_row("pragma integrity_check(1)", (), |row| row.get(0))?;
    if found != "ok" {
        return Ok(Some(found));
    }
    let lost = connection
        .query_row("pragma foreign_key_check", (), |row| row.get::<_, String>(0))
        .optional()?;
    Ok(lost.map(|table| format!("a row of `{table}` refers to one that is not there")))
}
