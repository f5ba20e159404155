//! The files of a data folder and of a backup: which belong to it, and how they are copied.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use flowforge_core::Scope;
use flowforge_store::StoreConfig;
use sha2::{Digest as _, Sha256};

use super::error::BackupError;
use super::list::ListedFile;
use super::outcome::Progress;
use crate::database;

/// Name of a copied database in a backup of PostgreSQL.
pub(super) const DUMP: &str = "database.dump";
/// How much is read at once.
const CHUNK_BYTES: usize = 128 * 1024;
/// Folders, from the data folder on, of which nothing is taken: unfinished uploads, and the host of a development server.
const LEFT_OUT_FOLDERS: [&str; 2] = ["registry/uploads", "host"];
/// Files of which the same is true: locks, and addresses that each start writes.
const LEFT_OUT_FILES: [&str; 5] = [
    "server.lock",
    "making.lock",
    "registry/lock",
    "client.json",
    "host-join.json",
];
/// Folders of content by its digest: what names it is copied before.
const CONTENT_FOLDERS: [&str; 2] = ["registry/blobs", "artefacts"];

/// What is in a backup so far.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) files: Vec<ListedFile>,
    pub(super) bytes: u64,
}

impl Taken {
    pub(super) fn add(&mut self, file: ListedFile, progress: Progress<'_>) {
        self.bytes = self.bytes.saturating_add(file.bytes);
        self.files.push(file);
        progress(self.files.len() as u64, self.bytes);
    }
}

/// Where the database of a data folder is.
pub(super) fn store_config(data: &Path, database: Option<String>) -> StoreConfig {
    // Whose rows are that are older than scopes is said when the store is opened, not when it is copied.
    let older = Scope::default_of("dev");
    StoreConfig {
        database,
        ..StoreConfig::new(data.join(database::FILE), older)
    }
}

/// Whether a file is content that others name.
pub(super) fn is_content(path: &str) -> bool {
    CONTENT_FOLDERS.iter().any(|folder| lies_in(path, folder))
}

/// The files of a data folder that belong to a backup, from the folder on, in the order of their names.
pub(super) fn of_data(data: &Path) -> Result<Vec<String>, BackupError> {
    let (mut found, mut folders) = (Vec::new(), vec![String::new()]);
    while let Some(folder) = folders.pop() {
        let path = data.join(&folder);
        let failed = |source| BackupError::io(&path, source);
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let inner = if folder.is_empty() {
                name
            } else {
                format!("{folder}/{name}")
            };
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() && !LEFT_OUT_FOLDERS.contains(&inner.as_str()) {
                folders.push(inner);
            } else if kind.is_file() && belongs(&inner) {
                found.push(inner);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn belongs(path: &str) -> bool {
    let is_unfinished = path.ends_with(".new") || lies_in(path, "artefacts") && path.contains("/part-");
    // The database with what SQLite keeps beside it is copied by the store.
    let is_database = path.starts_with(database::FILE);
    !is_unfinished && !is_database && !LEFT_OUT_FILES.contains(&path)
}

fn lies_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// Copies one file, for this user alone, with the time of its last change; nothing if it has left meanwhile.
pub(super) fn copy(from: &Path, to: &Path, path: &str) -> Result<Option<ListedFile>, BackupError> {
    let (source, target) = (from.join(path), to.join(path));
    let mut file = match File::open(&source) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|error| BackupError::io(&source, error))?,
    };
    if let Some(folder) = target.parent() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| BackupError::io(folder, error))?;
    }
    let mut written = || -> io::Result<(u64, String)> {
        let mut copy = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&target)?;
        let told = digest_of(&mut file, |bytes| copy.write_all(bytes))?;
        copy.set_modified(file.metadata()?.modified()?)?;
        copy.sync_all()?;
        Ok(told)
    };
    let (bytes, sha256) = written().map_err(|error| BackupError::io(&target, error))?;
    Ok(Some(ListedFile {
        path: path.to_owned(),
        bytes,
        sha256,
    }))
}

/// How a file that is there is listed.
pub(super) fn listed(folder: &Path, path: &str) -> Result<ListedFile, BackupError> {
    let file = folder.join(path);
    let read = || digest_of(&mut File::open(&file)?, |_| Ok(()));
    let (bytes, sha256) = read().map_err(|source| BackupError::io(&file, source))?;
    Ok(ListedFile {
        path: path.to_owned(),
        bytes,
        sha256,
    })
}

/// Whether a file of a backup is still what the list says.
pub(super) fn compare(folder: &Path, expected: &ListedFile) -> Result<(), BackupError> {
    let changed = |why: &str| BackupError::Changed {
        path: folder.join(&expected.path),
        why: why.to_owned(),
    };
    match listed(folder, &expected.path) {
        Err(BackupError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Err(changed("it is not there"))
        }
        Err(error) => Err(error),
        Ok(found) if found == *expected => Ok(()),
        Ok(found) if found.bytes != expected.bytes => {
            let (is, was) = (found.bytes, expected.bytes);
            Err(changed(&format!("it has {is} bytes, not {was}")))
        }
        Ok(_) => Err(changed("its bytes are others")),
    }
}

fn digest_of(file: &mut File, mut also: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<(u64, String)> {
    let (mut digest, mut bytes) = (Sha256::new(), 0_u64);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = file.read(&mut chunk)?;
        let Some(part) = chunk.get(..read).filter(|part| !part.is_empty()) else {
            let digest = digest.finalize();
            return Ok((bytes, digest.iter().map(|byte| format!("{byte:02x}")).collect()));
        };
        digest.update(part);
        also(part)?;
        bytes = bytes.saturating_add(part.len() as u64);
    }
}

/// A folder that something is to be made in: absent, or empty.
pub(super) fn must_be_empty(folder: &Path) -> Result<(), BackupError> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(BackupError::io(folder, source)),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(BackupError::NotEmpty {
                folder: folder.to_owned(),
            }),
        },
    }
}

/// Where a folder is or would be, links followed.
pub(super) fn place_of(folder: &Path) -> Result<PathBuf, BackupError> {
    let mut there = std::path::absolute(folder).map_err(|source| BackupError::io(folder, source))?;
    let mut missing = Vec::new();
    while let (false, Some(name)) = (there.exists(), there.file_name().map(ToOwned::to_owned)) {
        missing.push(name);
        there.pop();
    }
    let mut place = there
        .canonicalize()
        .map_err(|source| BackupError::io(&there, source))?;
    place.extend(missing.iter().rev());
    Ok(place)
}

/// Removes what was made in a folder that was empty.
pub(super) fn clear(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        tracing::warn!(folder = %folder.display(), %error, "what was written there could not be removed");
    }
}

/// Has the names of all files on the disk.
pub(super) fn settle(folder: &Path) -> Result<(), BackupError> {
    let mut folders = vec![folder.to_owned()];
    while let Some(path) = folders.pop() {
        let settle = || -> io::Result<Vec<_>> {
            let mut inner = Vec::new();
            for entry in fs::read_dir(&path)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    inner.push(entry.path());
                }
            }
            File::open(&path)?.sync_all()?;
            Ok(inner)
        };
        folders.extend(settle().map_err(|source| BackupError::io(&path, source))?);
    }
    Ok(())
}
