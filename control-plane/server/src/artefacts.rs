//! Artefacts by digest: files beside the database.
//!
//! A file has the digest's name only after its bytes were checked and are on disk; until then it is a numbered file that
//! the next start removes.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use flowforge_protocol::Digest;
use futures::{Stream, StreamExt as _};
use sha2::Digest as _;
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt as _;

/// Largest artefact in bytes.
pub(crate) const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Why an artefact was not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PutError {
    #[error("the artefact is larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("the bytes have digest {found}, not {expected}")]
    WrongDigest { expected: Digest, found: Digest },
    #[error("the sender stopped")]
    Cut,
    #[error("the artefact cannot be stored")]
    Io(#[from] std::io::Error),
}

/// The folder of artefacts.
#[derive(Debug)]
pub(crate) struct Artefacts {
    folder: PathBuf,
    next: AtomicU64,
}

impl Artefacts {
    /// Opens the folder and removes what an earlier process left unfinished.
    pub(crate) async fn open(folder: &Path) -> std::io::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .await?;
        let mut entries = fs::read_dir(folder).await?;
        while let Some(entry) = entries.next_entry().await? {
            if entry.file_name().to_string_lossy().starts_with("part-") {
                fs::remove_file(entry.path()).await?;
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            next: AtomicU64::new(0),
        })
    }

    /// Where they are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(digest.hex())
    }

    /// The file and its length, if it is here.
    pub(crate) async fn get(&self, digest: &Digest) -> std::io::Result<Option<(File, u64)>> {
        match File::open(self.path(digest)).await {
            Ok(file) => {
                let bytes = file.metadata().await?.len();
                Ok(Some((file, bytes)))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps the bytes under their digest. False if they were here already.
    pub(crate) async fn put<S, E>(&self, digest: &Digest, body: S) -> Result<bool, PutError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
    {
        if fs::try_exists(self.path(digest)).await? {
            return Ok(false);
        }
        let part = self
            .folder
            .join(format!("part-{}", self.next.fetch_add(1, Ordering::Relaxed)));
        let written = write_checked(&part, digest, body).await;
        if let Err(error) = written {
            // The numbered file is of no use; the next start would remove it, too.
            let _ = fs::remove_file(&part).await;
            return Err(error);
        }
        fs::rename(&part, self.path(digest)).await?;
        File::open(&self.folder).await?.sync_all().await?;
        Ok(true)
    }
}

async fn write_checked<S, E>(part: &Path, digest: &Digest, mut body: S) -> Result<(), PutError>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(part)
        .await?;
    let mut hasher = sha2::Sha256::new();
    let mut total = 0_u64;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| PutError::Cut)?;
        total = total.saturating_add(chunk.len() as u64);
        if total > MAX_BYTES {
            return Err(PutError::TooLarge);
        }
        hasher.update(&chunk);
        file.write_all(&chunk).await?;
    }
    file.flush().await?;
    file.sync_all().await?;
    let found = Digest::from_bytes(hasher.finalize().into());
    if found == *digest {
        Ok(())
    } else {
        Err(PutError::WrongDigest {
            expected: *digest,
            found,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::stream;
    use tokio::io::AsyncReadExt as _;

    use super::*;

    fn body(parts: &[&'static [u8]]) -> impl Stream<Item = Result<Bytes, Infallible>> + Unpin {
        stream::iter(
            parts
                .iter()
                .map(|part| Ok(Bytes::from_static(part)))
                .collect::<Vec<_>>(),
        )
    }

    #[tokio::test]
    async fn only_the_right_bytes_get_the_name() {
        let home = tempfile::tempdir().unwrap();
        let artefacts = Artefacts::open(home.path()).await.unwrap();
        let digest = Digest::of(b"hello");
        let wrong = artefacts.put(&digest, body(&[b"hel", b"p"])).await.unwrap_err();
        assert!(matches!(wrong, PutError::WrongDigest { .. }), "{wrong:?}");
        assert!(artefacts.get(&digest).await.unwrap().is_none());
        assert!(artefacts.put(&digest, body(&[b"hel", b"lo"])).await.unwrap());
        assert!(!artefacts.put(&digest, body(&[b"anything"])).await.unwrap());
        let (mut file, bytes) = artefacts.get(&digest).await.unwrap().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).await.unwrap();
        assert_eq!((text.as_str(), bytes), ("hello", 5));
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_sender_that_stops_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let artefacts = Artefacts::open(home.path()).await.unwrap();
        let cut = stream::iter(vec![Ok(Bytes::from_static(b"hel")), Err(())]);
        let error = artefacts.put(&Digest::of(b"hello"), cut).await.unwrap_err();
        assert!(matches!(error, PutError::Cut));
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_start_removes_what_was_left_unfinished() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("part-9"), "x").unwrap();
        Artefacts::open(home.path()).await.unwrap();
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
