//! The file: made whole or not at all, held by one process, looked at before it is touched.
//!
//! A new journal, and one that is rewritten because it holds much more space than it needs, is written beside the old
//! place under another name, made durable, and renamed; the folder is synced after. All files are for this user alone: a
//! journal holds the results of steps.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Builder, Database, ReadableDatabase, ReadableTable};

use crate::classify::{classify, classify_io, classify_read, damaged};
use crate::config::JournalConfig;
use crate::error::{Damage, OpenError};
use crate::identity::LostCommits;
use crate::load::{Loaded, OpenFailure, format_of, initialise, load};
use crate::lock::{FileLock, Note, private_file};
use crate::overlay::Overlay;
use crate::tables::{self, Format, begin};

/// A file this small is never rewritten.
const REWRITE_ABOVE_BYTES: u64 = 32 << 20;
/// A file this many times as large as its content is rewritten at start-up, or compacted when nobody waits.
const REWRITE_FACTOR: u64 = 4;

/// A file that takes up to this on the disk is checked page by page before it is opened; that reads all of it, about 0.1 s
/// at this size.
/// Larger ones are trusted as far as their values' own digests prove them.
const CHECK_BELOW_BYTES: u64 = 128 << 20;

/// An open journal file.
pub(crate) struct Opened {
    pub(crate) db: Arc<Database>,
    pub(crate) loaded: Loaded,
    pub(crate) lock: FileLock,
}

/// Opens the journal, making or rewriting it first where needed.
pub(crate) fn open(config: &JournalConfig) -> Result<Opened, OpenError> {
    // A file whose pages contradict each other can make the database panic; that is damage too, not a fault of the
    // program, and its operator is to be told which file to move away. Nothing of what was begun is used afterwards.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| open_or_make(config)))
        .unwrap_or_else(|_| Err(classify_read(&config.path, Damage::pages().into())))
}

fn open_or_make(config: &JournalConfig) -> Result<Opened, OpenError> {
    let path = &config.path;
    let failed = |error| classify_io(path, error);
    if let Some(folder) = folder_of(path) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed)?;
    }
    let (lock, noted) = FileLock::take(&beside(path, ".lock"), path)?;
    let unfinished = beside(path, ".new");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    if fs::exists(path).map_err(failed)? {
        make_private(path).map_err(failed)?;
        look(path, config.cache_bytes)?;
    } else {
        let db = create(path, &unfinished, config.cache_bytes)?;
        initialise(&db, config.incarnation).map_err(|error| classify(path, error))?;
        put_in_place(path, &unfinished, db)?;
    }
    let (mut db, mut loaded) = open_existing(path, config, noted)?;
    let file_bytes = fs::metadata(path).map_err(failed)?.len();
    let content = loaded.state.stored_bytes() + loaded.queue.cells.bytes() + loaded.queue.inbox.bytes();
    if worth_rewriting(file_bytes, content) {
        rewrite(path, &unfinished, db, config.cache_bytes)?;
        let lost = loaded.lost;
        (db, loaded) = open_existing(path, config, None)?;
        loaded.lost = lost;
        tracing::info!(
            file_bytes,
            content_bytes = content,
            "journal was rewritten to give back space"
        );
    }
    if let Some(LostCommits { confirmed, found }) = loaded.lost {
        tracing::error!(
            path = %path.display(),
            code = "FF-JRN-011",
            confirmed,
            found,
            "the journal lost what it had confirmed: its last commits are damaged, or it was put back from an older copy; \
             it goes on as another journal"
        );
    }
    Ok(Opened {
        db: Arc::new(db),
        loaded,
        lock,
    })
}

/// Moves a journal that cannot be opened out of the way, so that the next start begins with an empty one; answers its new
/// name. `None`, and nothing is moved, if there is no journal or it can be opened.
///
/// What only it held is lost to this host. The new one is another incarnation, so the control plane can tell, and resume
/// the runs that it has records of under a new fencing number.
///
/// # Errors
/// [`OpenError`] for every other reason why it cannot be opened: another process has it, its folder cannot be written, a
/// newer program wrote it. The file is then where it was.
pub fn quarantine(config: &JournalConfig) -> Result<Option<PathBuf>, OpenError> {
    let path = &config.path;
    let failed = |error| classify_io(path, error);
    if !fs::exists(path).map_err(failed)? {
        return Ok(None);
    }
    match open(config) {
        Ok(_) => return Ok(None),
        Err(OpenError::Damaged { .. } | OpenError::OtherFormat { .. }) => {}
        Err(other) => return Err(other),
    }
    // Nobody opens it while it goes.
    let _lock = FileLock::take(&beside(path, ".lock"), path)?;
    for number in 1..=u32::MAX {
        let target = beside(path, &format!(".damaged-{number}"));
        if !fs::exists(&target).map_err(failed)? {
            fs::rename(path, &target).map_err(failed)?;
            sync_folder(path).map_err(failed)?;
            return Ok(Some(target));
        }
    }
    Err(failed(io::Error::other(
        "every name for a damaged journal is taken",
    )))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// What a file takes on the disk: unlike its length without what was never written. 0 if there is none.
pub(crate) fn disk_bytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |meta| meta.len().min(meta.blocks().saturating_mul(512)))
}

fn folder_of(path: &Path) -> Option<&Path> {
    path.parent().map(|folder| {
        if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        }
    })
}

fn sync_folder(path: &Path) -> io::Result<()> {
    folder_of(path).map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Takes from everybody else what an older program, or a person, let them do with the file.
fn make_private(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

fn builder(cache_bytes: usize) -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(cache_bytes);
    builder
}

/// Refuses a file of a newer format, and one that is no journal, without changing a byte of it.
fn look(path: &Path, cache_bytes: usize) -> Result<(), OpenError> {
    let failed = |error| classify_io(path, error);
    let overlay = File::open(path).and_then(Overlay::new).map_err(failed)?;
    let bytes = redb::StorageBackend::len(&overlay).map_err(failed)?;
    if bytes == 0 {
        return Err(damaged(path, "the file is empty"));
    }
    // Its length says little: it grows by doubling, and what was never written takes no time.
    inspect(path, overlay, cache_bytes, disk_bytes(path) <= CHECK_BELOW_BYTES)
}

/// Looks at a storage: what it writes while it does that is lost with the backend.
pub(crate) fn inspect(
    path: &Path,
    storage: impl redb::StorageBackend,
    cache_bytes: usize,
    check_pages: bool,
) -> Result<(), OpenError> {
    let mut builder = builder(cache_bytes);
    builder.set_check_integrity_on_open(check_pages);
    let db = builder
        .create_with_backend(storage)
        .map_err(|error| classify(path, error.into()))?;
    match format_of(&db).map_err(|error| classify_read(path, error))? {
        Some(Format::Ours | Format::Raised) => Ok(()),
        Some(Format::Newer(found)) => Err(newer(path, found)),
        Some(Format::Other(found)) => Err(other(path, found)),
        None => Err(damaged(path, "it holds no tables")),
    }
}

fn newer(path: &Path, found: u32) -> OpenError {
    OpenError::NewerFormat {
        path: path.to_owned(),
        found,
        supported: tables::FORMAT,
    }
}

fn other(path: &Path, found: String) -> OpenError {
    OpenError::OtherFormat {
        path: path.to_owned(),
        found,
        expected: tables::format_name(tables::FORMAT),
    }
}

fn create(path: &Path, unfinished: &Path, cache_bytes: usize) -> Result<Database, OpenError> {
    private_file(unfinished).map_err(|error| classify_io(path, error))?;
    builder(cache_bytes)
        .create(unfinished)
        .map_err(|error| classify(path, error.into()))
}

fn put_in_place(path: &Path, unfinished: &Path, db: Database) -> Result<(), OpenError> {
    db.close().map_err(|error| classify(path, error.into()))?;
    let finish = || -> io::Result<()> {
        File::open(unfinished)?.sync_all()?;
        fs::rename(unfinished, path)?;
        sync_folder(path)
    };
    finish().map_err(|error| classify_io(path, error))
}

fn open_existing(
    path: &Path,
    config: &JournalConfig,
    noted: Option<Note>,
) -> Result<(Database, Loaded), OpenError> {
    let db = builder(config.cache_bytes)
        .open(path)
        .map_err(|error| classify(path, error.into()))?;
    match load(&db, config.incarnation, noted) {
        Ok(loaded) => Ok((db, loaded)),
        Err(OpenFailure::Read(error)) => Err(classify_read(path, error)),
        Err(OpenFailure::Newer(found)) => Err(newer(path, found)),
        Err(OpenFailure::Other(found)) => Err(other(path, found)),
    }
}

/// Whether a file holds so much more space than content that a copy pays.
pub(crate) fn worth_rewriting(file_bytes: u64, content_bytes: u64) -> bool {
    file_bytes > REWRITE_ABOVE_BYTES && file_bytes > content_bytes.saturating_mul(REWRITE_FACTOR)
}

/// Copies every row into a new file and puts that in the place of the old one.
pub(crate) fn rewrite(
    path: &Path,
    unfinished: &Path,
    old: Database,
    cache_bytes: usize,
) -> Result<(), OpenError> {
    let copy = || -> Result<Database, redb::Error> {
        private_file(unfinished)?;
        let new = builder(cache_bytes).create(unfinished)?;
        let (source, target) = (old.begin_read()?, begin(&new)?);
        for name in tables::ALL {
            let from = source.open_table(tables::Definition::new(name))?;
            let mut to = target.open_table(tables::Definition::new(name))?;
            for entry in from.iter()? {
                let (key, value) = entry?;
                to.insert(key.value(), value.value())?;
            }
        }
        target.commit()?;
        Ok(new)
    };
    let new = copy().map_err(|error| classify(path, error))?;
    drop(old);
    put_in_place(path, unfinished, new)
}
