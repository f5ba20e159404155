//! The content store in a folder: `sha256/ab/abcd…`.
//!
//! Knows how many bytes it keeps and refuses what is above its limits before the disk is full. What a start finds in `tmp/` was left unfinished by an earlier process and is removed.

use std::collections::HashMap;
use std::fs::DirEntry;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use flowforge_protocol::Digest;
use sha2::{Digest as _, Sha256};
use tokio::fs;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{ArtefactError, ArtefactRead, ArtefactStore, ArtefactWrite, Quota};

/// What a store may take of its disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreLimits {
    /// All artefacts of the host, unfinished ones counted. Default 16 GiB.
    pub bytes_max: u64,
    /// What stays free on the disk for everything else, above all the journal. Default 256 MiB.
    pub free_bytes_min: u64,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            bytes_max: 16 << 30,
            free_bytes_min: 256 << 20,
        }
    }
}

/// Makes folders that only this user may enter.
fn private_folder() -> std::fs::DirBuilder {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
}

/// The content store in a folder.
#[derive(Debug)]
pub struct FileStore {
    pub(super) shared: Arc<Shared>,
    next_temporary: AtomicU64,
}

#[derive(Debug)]
pub(super) struct Shared {
    root: PathBuf,
    pub(super) quota: Quota,
    pub(super) free_bytes_min: u64,
    holds: Mutex<HashMap<Digest, usize>>,
}

/// Keeps an artefact from being swept while it lives.
#[derive(Debug)]
pub struct Hold {
    shared: Arc<Shared>,
    digest: Digest,
}

impl FileStore {
    /// Opens the store in this folder with the default limits.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(root: &Path) -> std::io::Result<Self> {
        Self::open_within(root, &StoreLimits::default())
    }

    /// Opens the store in this folder, made if it is not there, removes what an earlier process left unfinished, and counts
    /// what is kept.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open_within(root: &Path, limits: &StoreLimits) -> std::io::Result<Self> {
        private_folder().create(root.join("sha256"))?;
        let temporary = root.join("tmp");
        if temporary.exists() {
            std::fs::remove_dir_all(&temporary)?;
        }
        private_folder().create(&temporary)?;
        let shared = Shared {
            root: root.to_owned(),
            quota: Quota::new("host", limits.bytes_max),
            free_bytes_min: limits.free_bytes_min,
            holds: Mutex::default(),
        };
        for kept in shared.kept()? {
            shared.quota.count(kept.bytes);
        }
        Ok(Self {
            shared: Arc::new(shared),
            next_temporary: AtomicU64::new(0),
        })
    }

    /// Where the content of this digest is or would be.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.shared.path(digest)
    }

    /// Whether the content of this digest is here; then it counts as used now.
    #[must_use]
    pub fn touch(&self, digest: &Digest) -> bool {
        match std::fs::File::options().write(true).open(self.path(digest)) {
            Ok(file) => {
                touch(&file);
                true
            }
            Err(_) => false,
        }
    }

    /// Bytes of the content of this digest; nothing if it is not here.
    #[must_use]
    pub fn size(&self, digest: &Digest) -> Option<u64> {
        let metadata = std::fs::metadata(self.path(digest)).ok()?;
        Some(metadata.len())
    }

    /// Whether the content of this digest is here.
    #[must_use]
    pub fn contains(&self, digest: &Digest) -> bool {
        self.path(digest).exists()
    }

    /// Bytes of all artefacts here, unfinished ones counted.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shared.quota.taken()
    }

    /// Removes the content of this digest; nothing happens if it is not here.
    ///
    /// # Errors
    /// When the file is here and cannot be removed.
    pub fn remove(&self, digest: &Digest) -> std::io::Result<()> {
        self.shared.remove(digest).map(|_| ())
    }

    /// Keeps the content of this digest, whether it is here already or comes later, until the answer is dropped. Several
    /// holds of one digest count.
    #[must_use]
    pub fn hold(&self, digest: Digest) -> Hold {
        let mut holds = self.shared.holds.lock().unwrap_or_else(PoisonError::into_inner);
        let count = holds.entry(digest).or_default();
        *count = count.saturating_add(1);
        Hold {
            shared: self.shared.clone(),
            digest,
        }
    }
}

/// A finished artefact, as the folder shows it.
pub(super) struct Kept {
    pub(super) digest: Digest,
    bytes: u64,
    pub(super) touched: SystemTime,
}

impl Shared {
    fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let shard = hex.get(..2).unwrap_or("00").to_owned();
        self.root.join("sha256").join(shard).join(hex)
    }

    /// Removes a file and tells its length, if it was there.
    pub(super) fn remove(&self, digest: &Digest) -> std::io::Result<Option<u64>> {
        let path = self.path(digest);
        let absent = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
        let bytes = match std::fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        match std::fs::remove_file(&path) {
            Ok(()) => {
                self.quota.give_back(bytes);
                Ok(Some(bytes))
            }
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn is_held(&self, digest: &Digest) -> bool {
        let holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        holds.contains_key(digest)
    }

    /// Every finished artefact. A file that is no artefact is left alone.
    pub(super) fn kept(&self) -> std::io::Result<Vec<Kept>> {
        let mut kept = Vec::new();
        for shard in std::fs::read_dir(self.root.join("sha256"))? {
            let shard = shard?;
            if !shard.file_type()?.is_dir() {
                continue;
            }
            for file in std::fs::read_dir(shard.path())? {
                kept.extend(artefact_of(&file?)?);
            }
        }
        Ok(kept)
    }

    pub(super) fn free_bytes(&self) -> std::io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.root)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Whether the disk has room for more.
    fn check_space(&self) -> Result<(), ArtefactError> {
        let free_bytes = self.free_bytes()?;
        if free_bytes < self.free_bytes_min {
            return Err(ArtefactError::LowSpace {
                free_bytes,
                kept_bytes: self.free_bytes_min,
            });
        }
        Ok(())
    }
}

fn artefact_of(file: &DirEntry) -> std::io::Result<Option<Kept>> {
    let name = file.file_name();
    let digest = name.to_str().and_then(|hex| format!("sha256:{hex}").parse().ok());
    let Some(digest) = digest else { return Ok(None) };
    let metadata = match file.metadata() {
        Ok(metadata) => metadata,
        // Removed since the folder was read.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(Kept {
        digest,
        bytes: metadata.len(),
        touched: metadata.modified()?,
    }))
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut holds = self.shared.holds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = holds.get_mut(&self.digest) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                holds.remove(&self.digest);
            }
        }
    }
}

#[async_trait]
impl ArtefactStore for FileStore {
    fn keep(&self, digest: Digest) -> Option<Hold> {
        Some(self.hold(digest))
    }

    async fn create(&self) -> Result<Box<dyn ArtefactWrite>, ArtefactError> {
        self.shared.check_space()?;
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        let path = self.shared.root.join("tmp").join(number.to_string());
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .await?;
        Ok(Box::new(FileWriter {
            file,
            temporary: Some(path),
            shared: self.shared.clone(),
            hasher: Sha256::new(),
            size: 0,
        }))
    }

    async fn open(&self, digest: &Digest) -> Result<Box<dyn ArtefactRead>, ArtefactError> {
        match fs::File::open(self.path(digest)).await {
            Ok(file) => {
                let file = file.into_std().await;
                touch(&file);
                let file = fs::File::from_std(file);
                Ok(Box::new(FileReader { file }))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(ArtefactError::Absent(*digest)),
            Err(error) => Err(error.into()),
        }
    }
}

/// Notes that the file was used now. A store that cannot note it only sweeps a little less well.
fn touch(file: &std::fs::File) {
    let _ = file.set_modified(SystemTime::now());
}

struct FileWriter {
    file: fs::File,
    /// Absent once the file has its name.
    temporary: Option<PathBuf>,
    shared: Arc<Shared>,
    hasher: Sha256,
    size: u64,
}

#[async_trait]
impl ArtefactWrite for FileWriter {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), ArtefactError> {
        let more = bytes.len() as u64;
        self.shared.check_space()?;
        self.shared.quota.take(more)?;
        // What was taken is given back with the whole file, should the write fail.
        self.size = self.size.saturating_add(more);
        self.file.write_all(bytes).await?;
        self.hasher.update(bytes);
        Ok(())
    }

    async fn finish(&mut self) -> Result<(Digest, u64), ArtefactError> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        let digest = Digest::from_bytes(self.hasher.clone().finalize().into());
        let hex = digest.hex();
        let content = self.shared.root.join("sha256");
        let folder = content.join(hex.get(..2).unwrap_or("00"));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .await?;
        let path = folder.join(&hex);
        if let Some(temporary) = &self.temporary {
            // The same content may be there already; replacing it by itself is harmless, and it counts once.
            let replaces = fs::try_exists(&path).await?;
            fs::rename(temporary, &path).await?;
            if replaces {
                self.shared.quota.give_back(self.size);
            }
        }
        self.temporary = None;
        // The rename is durable only with its folders.
        fs::File::open(&folder).await?.sync_all().await?;
        fs::File::open(&content).await?.sync_all().await?;
        Ok((digest, self.size))
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        if let Some(path) = self.temporary.take() {
            self.shared.quota.give_back(self.size);
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn store(folder: &Path, bytes_max: u64) -> FileStore {
        let limits = StoreLimits {
            bytes_max,
            free_bytes_min: 0,
        };
        FileStore::open_within(folder, &limits).unwrap()
    }

    pub(in super::super) async fn write(store: &FileStore, content: &[u8]) -> Result<Digest, ArtefactError> {
        let mut writer = store.create().await?;
        writer.write(content).await?;
        writer.finish().await.map(|(digest, _)| digest)
    }

    /// A connector that wrote file after file filled the disk, and every run of the host stopped with it.
    #[tokio::test]
    async fn a_store_keeps_within_its_bytes_and_counts_what_it_finds() {
        let folder = tempfile::tempdir().unwrap();
        let first = store(folder.path(), 12);
        write(&first, b"123456").await.unwrap();
        write(&first, b"123456").await.unwrap();
        assert_eq!(first.bytes(), 6, "equal content counts once");
        let refused = write(&first, b"abcdefg").await;
        assert!(
            matches!(refused, Err(ArtefactError::Quota(exceeded)) if exceeded.scope == "host"),
            "{refused:?}"
        );
        assert_eq!(first.bytes(), 6, "what was refused is given back");
        drop(first);
        let second = store(folder.path(), 12);
        assert_eq!(second.bytes(), 6);
        assert!(write(&second, b"abcdef").await.is_ok());
    }

    #[tokio::test]
    async fn a_store_leaves_the_disk_some_room() {
        let folder = tempfile::tempdir().unwrap();
        let limits = StoreLimits {
            free_bytes_min: u64::MAX,
            ..StoreLimits::default()
        };
        let store = FileStore::open_within(folder.path(), &limits).unwrap();
        assert!(matches!(
            write(&store, b"1").await,
            Err(ArtefactError::LowSpace { .. })
        ));
    }
}
