//! Files that are either whole and on the disk, or not there.
//!
//! Everything here blocks; callers in asynchronous code go through [`blocking`].

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::refusal::Refusal;

/// Writes a file so that after a power cut it has either its old content or all of the new one. `temporary` is a path
/// on the same file system that nobody else uses.
pub(crate) fn write_whole(temporary: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    create_folder(path.parent().ok_or(io::ErrorKind::InvalidInput)?)?;
    let written = write_new(temporary, bytes).and_then(|()| rename_durably(temporary, path));
    if written.is_err() {
        // On a full disk every byte counts; what stays is removed at the next start.
        let _ = fs::remove_file(temporary);
    }
    written
}

/// Makes a file that is not there yet, for this user alone.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Moves a file that is already on the disk to its place.
pub(crate) fn rename_durably(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_folder(to.parent().ok_or(io::ErrorKind::InvalidInput)?)
}

/// Removes a file so that it stays gone after a power cut; one that is not there is gone already.
pub(crate) fn remove_durably(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => sync_folder(path.parent().ok_or(io::ErrorKind::InvalidInput)?),
    }
}

/// Makes a folder and those above it, for this user alone, each entered durably into the one that holds it.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create_folder(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => path.parent().map_or(Ok(()), sync_folder),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    // The folder above a relative path is the empty path.
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    File::open(path)?.sync_all()
}

/// Names of the entries of a folder, sorted; none if there is no such folder.
pub(crate) fn entries(path: &Path) -> io::Result<Vec<String>> {
    let listing = match fs::read_dir(path) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in listing {
        // What has no name in Unicode is none of ours.
        names.extend(entry?.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}

/// Runs file work off the threads that serve requests. `what` names it in the log if it fails.
pub(crate) async fn blocking<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    let result = done.unwrap_or_else(|error| Err(io::Error::other(error)));
    result.map_err(|error| Refusal::storage(what, &error))
}
