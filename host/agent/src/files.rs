//! Files that only this user may read, written so that a crash leaves the old content or the new one.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Distinguishes files that are written at the same time by one process.
static WRITES: AtomicU64 = AtomicU64::new(0);

/// Makes a folder, and those above it, for this user alone. An existing one is left as it is.
pub(crate) fn make_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// How far a file or folder is open to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// It belongs to another user.
    Owner {
        /// Whose it is.
        uid: u32,
    },
    /// Others may read or change it.
    Mode {
        /// Its permission bits.
        mode: u32,
    },
}

impl std::fmt::Display for Exposure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Owner { uid } => write!(f, "belongs to another user (uid {uid})"),
            Self::Mode { mode } => write!(f, "is open to other users (mode {mode:o})"),
        }
    }
}

/// Whether anybody but this user may read or change this; `None` if nobody may.
pub(crate) fn exposure(path: &Path) -> io::Result<Option<Exposure>> {
    let found = std::fs::metadata(path)?;
    let mode = found.mode() & 0o777;
    Ok(if found.uid() != rustix::process::geteuid().as_raw() {
        Some(Exposure::Owner { uid: found.uid() })
    } else if mode & 0o077 != 0 {
        Some(Exposure::Mode { mode })
    } else {
        None
    })
}

/// Writes a whole file with mode 0600: temporary file, fsync, rename, fsync of the folder.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let count = WRITES.fetch_add(1, Ordering::Relaxed);
    let temporary = folder.join(format!(".{name}.{}-{count}.new", std::process::id()));
    let written = write_synced(&temporary, content).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        // The temporary file is of no use to anybody; that it cannot be removed changes nothing.
        let _ = std::fs::remove_file(&temporary);
    }
    written?;
    File::open(folder)?.sync_all()
}

fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// The content of a file, or `None` if there is no such file.
pub(crate) fn read_if_present(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
