//! Artefacts by digest: files beside the database.
//!
//! A file has the digest's name only after its bytes were checked and are on disk; until then it is a numbered file, which
//! goes when its sender does, or at the next start. All together have a bound; the time of a file says when it was brought
//! last, and what is old leaves.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use flowforge_protocol::Digest;
use futures::{Stream, StreamExt as _};
use sha2::Digest as _;
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt as _;

use crate::clock::Clock;

/// Largest artefact in bytes.
pub(crate) const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// An unfinished file of a process that shares the folder: nobody sends one artefact for so long.
const UNFINISHED_LIFE_MS: u64 = 60 * 60 * 1_000;

/// Why an artefact was not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PutError {
    #[error("the artefact is larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error(
        "the artefacts of this control plane use all of their {bytes_max} bytes; older ones leave by themselves, or raise \
         the limit"
    )]
    Full { bytes_max: u64 },
    #[error("the bytes have digest {found}, not {expected}")]
    WrongDigest { expected: Digest, found: Digest },
    #[error("the sender stopped")]
    Cut,
    #[error("the artefact cannot be stored")]
    Io(#[from] std::io::Error),
}

/// The folder of artefacts.
pub(crate) struct Artefacts {
    folder: PathBuf,
    next: AtomicU64,
    bytes_max: u64,
    clock: Arc<dyn Clock>,
    shelf: Mutex<Shelf>,
}

impl std::fmt::Debug for Artefacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Artefacts")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// What is there, finished or not.
#[derive(Default)]
struct Shelf {
    files: HashMap<Digest, Kept>,
    /// Of all files, the unfinished ones too.
    bytes: u64,
}

#[derive(Clone, Copy)]
struct Kept {
    bytes: u64,
    brought_at_ms: u64,
}

/// An unfinished file. Dropped before it is finished, it goes, and its bytes are given back.
struct Part<'a> {
    artefacts: &'a Artefacts,
    path: PathBuf,
    bytes: u64,
    finished: bool,
}

impl Part<'_> {
    fn grow(&mut self, more: u64) -> Result<(), PutError> {
        let bytes_max = self.artefacts.bytes_max;
        let mut shelf = self.artefacts.shelf();
        let all = shelf.bytes.saturating_add(more);
        if all > bytes_max {
            return Err(PutError::Full { bytes_max });
        }
        shelf.bytes = all;
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        {
            let mut shelf = self.artefacts.shelf();
            shelf.bytes = shelf.bytes.saturating_sub(self.bytes);
        }
        // One that stays all the same is removed by the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Artefacts {
    /// Opens the folder, counts what is there, and removes what an earlier process left unfinished. In a folder that others
    /// share that is what nobody has written to for [`UNFINISHED_LIFE_MS`].
    pub(crate) async fn open(
        folder: &Path,
        bytes_max: u64,
        clock: Arc<dyn Clock>,
        shared: bool,
    ) -> std::io::Result<Self> {
        let now_ms = clock.now_ms();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .await?;
        let mut shelf = Shelf::default();
        let mut entries = fs::read_dir(folder).await?;
        while let Some(entry) = entries.next_entry().await? {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("part-") {
                let age_ms = now_ms.saturating_sub(milliseconds(entry.metadata().await?.modified()?));
                if !shared || age_ms > UNFINISHED_LIFE_MS {
                    fs::remove_file(entry.path()).await?;
                }
            } else if let Ok(digest) = format!("sha256:{name}").parse::<Digest>() {
                let metadata = entry.metadata().await?;
                let kept = Kept {
                    bytes: metadata.len(),
                    brought_at_ms: milliseconds(metadata.modified()?),
                };
                shelf.bytes = shelf.bytes.saturating_add(kept.bytes);
                shelf.files.insert(digest, kept);
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            next: AtomicU64::new(0),
            bytes_max,
            clock,
            shelf: Mutex::new(shelf),
        })
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Keeps the bytes under their digest. False if they were here already; then they count as brought now.
    pub(crate) async fn put<S, E>(&self, digest: &Digest, body: S) -> Result<bool, PutError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
    {
        let now_ms = self.clock.now_ms();
        if fs::try_exists(self.path(digest)).await? {
            self.date(&self.path(digest), now_ms).await?;
            if let Some(kept) = self.shelf().files.get_mut(digest) {
                kept.brought_at_ms = now_ms;
            }
            return Ok(false);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut part = Part {
            artefacts: self,
            path: self.folder.join(format!("part-{}-{number}", std::process::id())),
            bytes: 0,
            finished: false,
        };
        write_checked(&mut part, digest, body).await?;
        self.date(&part.path, now_ms).await?;
        fs::rename(&part.path, self.path(digest)).await?;
        part.finished = true;
        let kept = Kept {
            bytes: part.bytes,
            brought_at_ms: now_ms,
        };
        {
            let mut shelf = self.shelf();
            // Another sender may have finished the same bytes meanwhile: one file is there, and counts once.
            if let Some(other) = shelf.files.insert(*digest, kept) {
                shelf.bytes = shelf.bytes.saturating_sub(other.bytes);
            }
        }
        File::open(&self.folder).await?.sync_all().await?;
        Ok(true)
    }

    /// Writes the time at which a file was brought where a later process finds it.
    async fn date(&self, path: &Path, at_ms: u64) -> std::io::Result<()> {
        let file = fs::OpenOptions::new().write(true).open(path).await?;
        let file = file.into_std().await;
        file.set_modified(UNIX_EPOCH + Duration::from_millis(at_ms))
    }

    /// Removes what was brought before `old_before_ms`, and, while all use more than nine tenths of their bytes, the oldest
    /// of what was brought before `evict_before_ms`.
    pub(crate) async fn collect(&self, old_before_ms: u64, evict_before_ms: u64) {
        let mut by_age: Vec<(Digest, Kept)> = {
            let shelf = self.shelf();
            shelf
                .files
                .iter()
                .map(|(digest, kept)| (*digest, *kept))
                .collect()
        };
        by_age.sort_unstable_by_key(|(_, kept)| kept.brought_at_ms);
        let comfortable = self.bytes_max / 10 * 9;
        let mut removed = 0_usize;
        for (digest, kept) in by_age {
            let crowded = self.shelf().bytes > comfortable;
            let old = kept.brought_at_ms < old_before_ms;
            if !(old || crowded && kept.brought_at_ms < evict_before_ms) {
                break;
            }
            // Another process that shares the folder may have been brought it again.
            let brought_at_ms = fs::metadata(self.path(&digest))
                .await
                .and_then(|file| file.modified());
            if let Ok(brought_at_ms) = brought_at_ms.map(milliseconds)
                && brought_at_ms > kept.brought_at_ms
            {
                if let Some(kept) = self.shelf().files.get_mut(&digest) {
                    kept.brought_at_ms = brought_at_ms;
                }
                continue;
            }
            let removed_now = match fs::remove_file(self.path(&digest)).await {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                done => done,
            };
            match removed_now {
                Ok(()) => {
                    let mut shelf = self.shelf();
                    if let Some(gone) = shelf.files.remove(&digest) {
                        shelf.bytes = shelf.bytes.saturating_sub(gone.bytes);
                    }
                    removed += 1;
                }
                Err(error) => tracing::error!(%digest, %error, "an old artefact could not be removed"),
            }
        }
        if removed > 0 {
            tracing::info!(removed, "old artefacts were removed");
        }
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

async fn write_checked<S, E>(part: &mut Part<'_>, digest: &Digest, mut body: S) -> Result<(), PutError>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part.path)
        .await?;
    let mut hasher = sha2::Sha256::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| PutError::Cut)?;
        if part.bytes.saturating_add(chunk.len() as u64) > MAX_BYTES {
            return Err(PutError::TooLarge);
        }
        part.grow(chunk.len() as u64)?;
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

    async fn open(folder: &Path, bytes_max: u64) -> Artefacts {
        Artefacts::open(folder, bytes_max, Arc::new(crate::clock::SystemClock), false)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn only_the_right_bytes_get_the_name() {
        let home = tempfile::tempdir().unwrap();
        let artefacts = open(home.path(), 1_000).await;
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
        let artefacts = open(home.path(), 1_000).await;
        let cut = stream::iter(vec![Ok(Bytes::from_static(b"hel")), Err(())]);
        let error = artefacts.put(&Digest::of(b"hello"), cut).await.unwrap_err();
        assert!(matches!(error, PutError::Cut));
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_start_removes_what_was_left_unfinished() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("part-9"), "x").unwrap();
        open(home.path(), 1_000).await;
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }

    /// Nothing bounded the folder: a connector could fill the disk with files of 64 MiB each.
    #[tokio::test]
    async fn all_together_have_a_bound_and_the_oldest_leave() {
        let home = tempfile::tempdir().unwrap();
        let artefacts = open(home.path(), 10).await;
        let put = |bytes: &'static [u8]| artefacts.put_bytes(bytes);
        assert!(put(b"12345").await.unwrap());
        let full = put(b"123456").await.unwrap_err();
        assert!(matches!(full, PutError::Full { bytes_max: 10 }), "{full:?}");
        assert!(put(b"abcde").await.unwrap(), "what was refused is given back");
        assert_eq!(artefacts.shelf().bytes, 10);
        artefacts.collect(0, 0).await;
        assert_eq!(artefacts.shelf().bytes, 10, "nothing is old");
        drop(artefacts);
        let reopened = open(home.path(), 10).await;
        assert_eq!(reopened.shelf().bytes, 10, "counted at the next start");
        let first = Digest::of(b"12345");
        reopened.date(&reopened.path(&first), 1_000).await.unwrap();
        drop(reopened);
        let reopened = open(home.path(), 10).await;
        reopened.collect(0, 2_000).await;
        assert!(
            reopened.get(&first).await.unwrap().is_none(),
            "the oldest, for the room"
        );
        assert!(reopened.get(&Digest::of(b"abcde")).await.unwrap().is_some());
        reopened.collect(u64::MAX, 0).await;
        assert_eq!(reopened.shelf().bytes, 0);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }

    /// A caller that went away left its unfinished file until the next start.
    #[tokio::test]
    async fn a_call_that_is_dropped_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let artefacts = open(home.path(), 10).await;
        let begun = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"hel"))]);
        let mut never = Box::pin(begun.chain(stream::pending()));
        let digest = Digest::of(b"hello");
        {
            let put = artefacts.put(&digest, &mut never);
            tokio::pin!(put);
            while artefacts.shelf().bytes == 0 {
                let polled = futures::poll!(put.as_mut());
                assert!(polled.is_pending());
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(artefacts.shelf().bytes, 0);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }

    impl Artefacts {
        async fn put_bytes(&self, bytes: &'static [u8]) -> Result<bool, PutError> {
            self.put(&Digest::of(bytes), body(&[bytes])).await
        }
    }
}
