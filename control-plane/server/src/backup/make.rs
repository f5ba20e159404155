//! Writing a backup.

use std::path::Path;

use super::error::BackupError;
use super::files::{self, Taken};
use super::list::{Engine, List};
use super::outcome::{BackedUp, Progress};
use crate::clock::{Clock as _, SystemClock};
use crate::database;
use crate::folder::create_private_dir;

/// Writes a backup of the control plane in `data_dir` to the folder `to`, which must be absent or empty. It may be running.
///
/// # Errors
/// See [`BackupError`]; what was written is removed again.
pub async fn back_up(
    data_dir: &Path,
    database: Option<String>,
    to: &Path,
    progress: Progress<'_>,
) -> Result<BackedUp, BackupError> {
    let data = data_dir
        .canonicalize()
        .map_err(|source| BackupError::io(data_dir, source))?;
    if !data.join("trust-root.json").is_file() {
        return Err(BackupError::NoControlPlane { folder: data });
    }
    database::check(&data, database.is_some())?;
    if files::place_of(to)?.starts_with(&data) {
        let folder = to.to_owned();
        return Err(BackupError::Inside { folder });
    }
    files::must_be_empty(to)?;
    create_private_dir(to)?;
    let to = to.canonicalize().map_err(|source| BackupError::io(to, source))?;
    let written = write(&data, database, &to, progress).await;
    if written.is_err() {
        files::clear(&to);
    }
    written
}

async fn write(
    data: &Path,
    database: Option<String>,
    to: &Path,
    progress: Progress<'_>,
) -> Result<BackedUp, BackupError> {
    let engine = Engine::of(database.as_deref());
    let name = match engine {
        Engine::Sqlite => database::FILE,
        Engine::Postgresql => files::DUMP,
    };
    let config = files::store_config(data, database);
    flowforge_store::copy_store(&config, &to.join(name)).await?;
    let mut taken = Taken::default();
    taken.add(files::listed(to, name)?, progress);
    for content in [false, true] {
        let found = files::of_data(data)?;
        for path in found.iter().filter(|path| files::is_content(path) == content) {
            // A file that left meanwhile is not missed: nothing that was named before leaves without what names it.
            if let Some(file) = files::copy(data, to, path)? {
                taken.add(file, progress);
            }
        }
    }
    let at_ms = SystemClock.now_ms();
    let (files, bytes) = (taken.files.len() as u64, taken.bytes);
    List::new(engine, at_ms, taken.files).write(to)?;
    Ok(BackedUp {
        folder: to.to_owned(),
        engine,
        files,
        bytes,
        at_ms,
    })
}
