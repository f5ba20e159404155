//! Artefacts: large or binary values kept by digest.
//!
//! Owns the file-backed content store. A finished artefact is immutable and survives power loss; an unfinished one is a
//! file in `tmp/` that the next start removes.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use flowforge_protocol::Digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::fs;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A large or binary value, by what identifies it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artefact {
    /// Digest of the content.
    pub digest: Digest,
    /// File name for people, without folders, at most 255 bytes.
    pub name: String,
    /// Media type, `text/csv`.
    pub media_type: String,
    /// Length of the content in bytes.
    pub size: u64,
}

/// Why an artefact could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum ArtefactError {
    /// There is no artefact of this digest here.
    #[error("artefact {0} is not on this host")]
    Absent(Digest),
    /// The disk is full; retry when there is room.
    #[error("no room for the artefact")]
    Full,
    /// Storage failed.
    #[error("artefact storage failed")]
    Storage(#[source] std::io::Error),
}

impl From<std::io::Error> for ArtefactError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Storage(error),
        }
    }
}

/// A content store. Two stores exist: files here, and memory in tests that inject faults.
#[async_trait]
pub trait ArtefactStore: Send + Sync {
    /// Begins a new artefact. Nothing is visible before [`ArtefactWrite::finish`].
    async fn create(&self) -> Result<Box<dyn ArtefactWrite>, ArtefactError>;

    /// Opens the content of a digest.
    async fn open(&self, digest: &Digest) -> Result<Box<dyn ArtefactRead>, ArtefactError>;
}

/// An artefact being written; dropped unfinished, it leaves nothing behind.
#[async_trait]
pub trait ArtefactWrite: Send {
    /// Appends bytes.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), ArtefactError>;

    /// Makes the content durable and gives its digest and length. The object is of no use afterwards.
    async fn finish(&mut self) -> Result<(Digest, u64), ArtefactError>;
}

/// An artefact being read, from its start.
#[async_trait]
pub trait ArtefactRead: Send {
    /// The next bytes, at most `max`; empty at the end.
    async fn read(&mut self, max: usize) -> Result<Vec<u8>, ArtefactError>;
}

/// Makes folders that only this user may enter.
fn private_folder() -> std::fs::DirBuilder {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
}

/// The content store in a folder: `sha256/ab/abcd…`.
#[derive(Debug)]
pub struct FileStore {
    root: PathBuf,
    next_temporary: AtomicU64,
}

impl FileStore {
    /// Opens the store in this folder, made if it is not there, and removes what an earlier process left unfinished.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(root: &Path) -> std::io::Result<Self> {
        private_folder().create(root.join("sha256"))?;
        let temporary = root.join("tmp");
        if temporary.exists() {
            std::fs::remove_dir_all(&temporary)?;
        }
        private_folder().create(&temporary)?;
        Ok(Self {
            root: root.to_owned(),
            next_temporary: AtomicU64::new(0),
        })
    }

    /// Where the content of this digest is or would be.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let shard = hex.get(..2).unwrap_or("00").to_owned();
        self.root.join("sha256").join(shard).join(hex)
    }

    /// Whether the content of this digest is here.
    #[must_use]
    pub fn contains(&self, digest: &Digest) -> bool {
        self.path(digest).exists()
    }

    /// Removes the content of this digest; nothing happens if it is not here.
    ///
    /// # Errors
    /// When the file is here and cannot be removed.
    pub fn remove(&self, digest: &Digest) -> std::io::Result<()> {
        match std::fs::remove_file(self.path(digest)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

#[async_trait]
impl ArtefactStore for FileStore {
    async fn create(&self) -> Result<Box<dyn ArtefactWrite>, ArtefactError> {
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        let path = self.root.join("tmp").join(number.to_string());
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .await?;
        Ok(Box::new(FileWriter {
            file,
            temporary: Some(path),
            root: self.root.clone(),
            hasher: Sha256::new(),
            size: 0,
        }))
    }

    async fn open(&self, digest: &Digest) -> Result<Box<dyn ArtefactRead>, ArtefactError> {
        match fs::File::open(self.path(digest)).await {
            Ok(file) => Ok(Box::new(FileReader { file })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(ArtefactError::Absent(*digest)),
            Err(error) => Err(error.into()),
        }
    }
}

struct FileWriter {
    file: fs::File,
    temporary: Option<PathBuf>,
    root: PathBuf,
    hasher: Sha256,
    size: u64,
}

#[async_trait]
impl ArtefactWrite for FileWriter {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), ArtefactError> {
        self.file.write_all(bytes).await?;
        self.hasher.update(bytes);
        self.size = self.size.saturating_add(bytes.len() as u64);
        Ok(())
    }

    async fn finish(&mut self) -> Result<(Digest, u64), ArtefactError> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        let digest = Digest::from_bytes(self.hasher.clone().finalize().into());
        let hex = digest.hex();
        let folder = self.root.join("sha256").join(hex.get(..2).unwrap_or("00"));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .await?;
        if let Some(temporary) = &self.temporary {
            // The same content may be there already; replacing it by itself is harmless.
            fs::rename(temporary, folder.join(&hex)).await?;
        }
        self.temporary = None;
        // The rename is durable only with its folders.
        fs::File::open(&folder).await?.sync_all().await?;
        fs::File::open(self.root.join("sha256")).await?.sync_all().await?;
        Ok((digest, self.size))
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        if let Some(path) = self.temporary.take() {
            // A file that stays is removed at the next start.
            let _ = std::fs::remove_file(path);
        }
    }
}

struct FileReader {
    file: fs::File,
}

#[async_trait]
impl ArtefactRead for FileReader {
    async fn read(&mut self, max: usize) -> Result<Vec<u8>, ArtefactError> {
        let mut bytes = Vec::new();
        (&mut self.file).take(max as u64).read_to_end(&mut bytes).await?;
        Ok(bytes)
    }
}
