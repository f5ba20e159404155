//! Making a control plane of a backup.

use std::path::Path;

use super::error::BackupError;
use super::files::{self, Taken};
use super::list::{Engine, List};
use super::outcome::{BackedUp, Progress};
use crate::database;
use crate::folder::create_private_dir;

/// Makes the control plane of a backup in the folder `data_dir`, which must be absent or empty, and in `database`, which
/// must be empty, if the backup is of one. Every file is compared with the backup's list before anything is written.
///
/// # Errors
/// See [`BackupError`]; what was written is removed again.
pub async fn restore(
    from: &Path,
    data_dir: &Path,
    database: Option<String>,
    progress: Progress<'_>,
) -> Result<BackedUp, BackupError> {
    let list = List::read(from)?;
    match (list.engine, &database) {
        (Engine::Postgresql, None) => return Err(BackupError::NeedsDatabase),
        (Engine::Sqlite, Some(_)) => return Err(BackupError::NeedsNoDatabase),
        _ => {}
    }
    files::must_be_empty(data_dir)?;
    for file in &list.files {
        files::compare(from, file)?;
    }
    create_private_dir(data_dir)?;
    let restored = read_in(from, &list, data_dir, database, progress).await;
    if restored.is_err() {
        files::clear(data_dir);
    }
    restored
}

async fn read_in(
    from: &Path,
    list: &List,
    data: &Path,
    database: Option<String>,
    progress: Progress<'_>,
) -> Result<BackedUp, BackupError> {
    let config = files::store_config(data, database);
    let mut taken = Taken::default();
    for file in &list.files {
        if file.path == database::FILE || file.path == files::DUMP {
            flowforge_store::load_copy(&config, &from.join(&file.path)).await?;
            taken.add(file.clone(), progress);
        } else if let Some(file) = files::copy(from, data, &file.path)? {
            taken.add(file, progress);
        }
    }
    if list.engine == Engine::Postgresql {
        database::note(data)?;
    }
    files::settle(data)?;
    Ok(BackedUp {
        folder: data.to_owned(),
        engine: list.engine,
        files: taken.files.len() as u64,
        bytes: taken.bytes,
        at_ms: list.at_ms,
    })
}
