//! Content by digest: one file each, shared by all repositories, never changed.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use flowforge_protocol::Digest;

use crate::files;
use crate::layout::Layout;
use crate::refusal::{Code, Refusal};

#[derive(Debug)]
pub(crate) struct Blobs {
    layout: Layout,
    stored_bytes: AtomicU64,
    stored_bytes_max: u64,
    /// When each blob was pushed last, milliseconds since 1970 UTC, as far as this process saw it.
    pushed: Mutex<HashMap<Digest, u64>>,
}

impl Blobs {
    /// Opens the folder. `stored_bytes` is what it holds already.
    pub(crate) fn new(layout: Layout, stored_bytes: u64, stored_bytes_max: u64) -> Self {
        Self {
            layout,
            stored_bytes: AtomicU64::new(stored_bytes),
            stored_bytes_max,
            pushed: Mutex::default(),
        }
    }

    fn pushed(&self) -> MutexGuard<'_, HashMap<Digest, u64>> {
        // Changes are single insertions and removals, whole even if their task panicked.
        self.pushed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a blob as much time as if it had been pushed now.
    pub(crate) fn touch(&self, digest: &Digest, now_ms: u64) {
        self.pushed().insert(*digest, now_ms);
    }

    /// All that is kept.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.stored_bytes.load(Ordering::Relaxed)
    }

    /// Removes every blob that is not `named` and was not pushed since `before_ms`; returns them. Blocks.
    pub(crate) fn sweep(&self, named: &HashSet<Digest>, before_ms: u64) -> io::Result<Vec<Digest>> {
        let mut removed = Vec::new();
        for file in files::entries(&self.layout.blobs())? {
            let Ok(digest) = format!("sha256:{file}").parse::<Digest>() else {
                continue;
            };
            // Held while the file goes: whoever pushes the same bytes now finds them gone, or they stay.
            let mut pushed = self.pushed();
            if named.contains(&digest) || pushed.get(&digest).is_some_and(|at| *at >= before_ms) {
                continue;
            }
            let Some(size) = self.size(&digest)? else { continue };
            fs::remove_file(self.layout.blob(&digest))?;
            pushed.remove(&digest);
            let less = |stored: u64| Some(stored.saturating_sub(size));
            let _ = self
                .stored_bytes
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
            removed.push(digest);
        }
        Ok(removed)
    }

    /// Size in bytes, if it is here. Blocks.
    fn size(&self, digest: &Digest) -> io::Result<Option<u64>> {
        match fs::metadata(self.layout.blob(digest)) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Size in bytes, if it is here.
    pub(crate) async fn stat(&self, digest: Digest) -> Result<Option<u64>, Refusal> {
        let path = self.layout.blob(&digest);
        files::blocking("look up a blob", move || match fs::metadata(path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    /// Opens a blob to send it.
    pub(crate) async fn open(&self, digest: Digest) -> Result<(tokio::fs::File, u64), Refusal> {
        let path = self.layout.blob(&digest);
        let (file, size) = files::blocking("open a blob", move || {
            let file = File::open(path)?;
            let size = file.metadata()?.len();
            Ok((file, size))
        })
        .await?;
        Ok((tokio::fs::File::from_std(file), size))
    }

    /// Reads a whole blob of at most `bytes_max` bytes and checks that it is still what its name says.
    pub(crate) async fn read(&self, digest: Digest, bytes_max: u64) -> Result<Bytes, Refusal> {
        let path = self.layout.blob(&digest);
        files::blocking("read a blob", move || read_checked(&path, &digest, bytes_max)).await
    }

    /// Moves a complete file of known digest, already on the disk, to its place. Blocks.
    pub(crate) fn adopt(&self, file: &Path, digest: &Digest, size: u64, now_ms: u64) -> Result<(), Refusal> {
        let mut pushed = self.pushed();
        let failed = |error: io::Error| Refusal::storage("keep a blob", &error);
        if self.size(digest).map_err(failed)?.is_some() {
            pushed.insert(*digest, now_ms);
            return fs::remove_file(file).map_err(failed);
        }
        let reserve = |stored: u64| {
            stored
                .checked_add(size)
                .filter(|sum| *sum <= self.stored_bytes_max)
        };
        if self
            .stored_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, reserve)
            .is_err()
        {
            let message = format!(
                "the registry is full: it may keep {} bytes",
                self.stored_bytes_max
            );
            return Err(Refusal::new(Code::Denied, message));
        }
        files::rename_durably(file, &self.layout.blob(digest)).map_err(failed)?;
        pushed.insert(*digest, now_ms);
        Ok(())
    }
}

/// Reads a file of at most `bytes_max` bytes whose content has this digest. Blocks.
pub(crate) fn read_checked(path: &Path, digest: &Digest, bytes_max: u64) -> io::Result<Bytes> {
    if fs::metadata(path)?.len() > bytes_max {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("{digest} is too large"),
        ));
    }
    let bytes = fs::read(path)?;
    if Digest::of(&bytes) != *digest {
        let message = format!("the file of {digest} was changed on the disk");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(bytes.into())
}
