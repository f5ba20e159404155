//! Content by digest: one file each, shared by all repositories, never changed.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

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
}

impl Blobs {
    /// Opens the folder. `stored_bytes` is what it holds already.
    pub(crate) fn new(layout: Layout, stored_bytes: u64, stored_bytes_max: u64) -> Self {
        Self {
            layout,
            stored_bytes: AtomicU64::new(stored_bytes),
            stored_bytes_max,
        }
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
    pub(crate) fn adopt(&self, file: &Path, digest: &Digest, size: u64) -> Result<(), Refusal> {
        let failed = |error: io::Error| Refusal::storage("keep a blob", &error);
        if self.size(digest).map_err(failed)?.is_some() {
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
        files::rename_durably(file, &self.layout.blob(digest)).map_err(failed)
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
