//! Uploads under way: a bounded number of temporary files, each hashed while it is written.
//!
//! When the table is full a new upload takes the place of the one that has been idle longest, if that is long enough;
//! otherwise it is refused, so that a flood of beginnings cannot end the pushes of others.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use flowforge_protocol::digest::Hasher;
use flowforge_protocol::{ConnectorName, Digest};
use futures::StreamExt as _;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, timeout};

use crate::blobs::Blobs;
use crate::config::RegistryConfig;
use crate::files;
use crate::layout::Layout;
use crate::refusal::{Code, Refusal};

/// One unfinished upload. Its file goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Upload {
    file: File,
    path: PathBuf,
    hasher: Hasher,
    /// Bytes taken so far.
    pub(crate) offset: u64,
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Gone already if the upload was completed; otherwise the next start removes what stays.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[derive(Debug, Clone)]
struct Slot {
    repo: ConnectorName,
    used: Instant,
    upload: Arc<tokio::sync::Mutex<Upload>>,
}

#[derive(Debug)]
pub(crate) struct Uploads {
    layout: Layout,
    slots: Mutex<HashMap<String, Slot>>,
    uploads_max: usize,
    idle: Duration,
    body_wait: Duration,
    bytes_max: u64,
}

impl Uploads {
    pub(crate) fn new(layout: Layout, config: &RegistryConfig) -> Self {
        Self {
            layout,
            slots: Mutex::new(HashMap::new()),
            uploads_max: config.uploads_max,
            idle: config.upload_idle,
            body_wait: config.body_wait,
            bytes_max: config.component_bytes_max,
        }
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, HashMap<String, Slot>> {
        // A panic while the table was held leaves the table itself whole.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an upload; returns its id.
    pub(crate) async fn begin(&self, repo: &ConnectorName) -> Result<String, Refusal> {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random)
            .map_err(|error| Refusal::storage("draw random bytes", &std::io::Error::other(error)))?;
        let id = hex::encode(random);
        let path = self.layout.uploads().join(&id);
        let file = files::blocking("begin an upload", {
            let path = path.clone();
            move || files::create_new(&path)
        })
        .await?;
        let upload = Upload {
            file: File::from_std(file),
            path,
            hasher: Hasher::default(),
            offset: 0,
        };
        self.insert(id.clone(), repo, upload)?;
        Ok(id)
    }

    fn insert(&self, id: String, repo: &ConnectorName, upload: Upload) -> Result<(), Refusal> {
        let mut slots = self.slots();
        if slots.len() >= self.uploads_max {
            let oldest = slots.iter().min_by_key(|(_, slot)| slot.used);
            let idle = oldest
                .filter(|(_, slot)| slot.used.elapsed() >= self.idle)
                .map(|(id, _)| id.clone());
            let Some(idle) = idle else {
                let message = format!(
                    "{} uploads are under way; try again when one has ended",
                    self.uploads_max
                );
                return Err(Refusal::new(Code::TooManyRequests, message));
            };
            slots.remove(&idle);
        }
        let slot = Slot {
            repo: repo.clone(),
            used: Instant::now(),
            upload: Arc::new(tokio::sync::Mutex::new(upload)),
        };
        slots.insert(id, slot);
        Ok(())
    }

    fn get(&self, repo: &ConnectorName, id: &str) -> Result<Arc<tokio::sync::Mutex<Upload>>, Refusal> {
        let mut slots = self.slots();
        let slot = slots.get_mut(id).filter(|slot| slot.repo == *repo);
        let slot =
            slot.ok_or_else(|| Refusal::new(Code::BlobUploadUnknown, "no such upload; begin a new one"))?;
        slot.used = Instant::now();
        Ok(Arc::clone(&slot.upload))
    }

    /// Bytes taken so far.
    pub(crate) async fn offset(&self, repo: &ConnectorName, id: &str) -> Result<u64, Refusal> {
        Ok(self.get(repo, id)?.lock().await.offset)
    }

    /// Ends an upload without keeping anything.
    pub(crate) fn cancel(&self, repo: &ConnectorName, id: &str) -> Result<(), Refusal> {
        self.get(repo, id)?;
        self.slots().remove(id);
        Ok(())
    }

    /// Takes the next bytes, which must begin at `start` if it is given. Returns how many there are now.
    ///
    /// # Cancel safety
    /// Bytes that were taken stay taken and counted; the client can ask for the offset and go on.
    pub(crate) async fn append(
        &self,
        repo: &ConnectorName,
        id: &str,
        start: Option<u64>,
        body: Body,
    ) -> Result<u64, Refusal> {
        let upload = self.get(repo, id)?;
        let mut upload = upload.lock().await;
        if let Some(start) = start.filter(|start| *start != upload.offset) {
            return Err(Refusal::new(
                Code::BlobUploadInvalid,
                format!("the bytes begin at {start}, expected {}", upload.offset),
            ));
        }
        let mut stream = body.into_data_stream();
        loop {
            let next = timeout(self.body_wait, stream.next()).await.map_err(|_| {
                let message = format!(
                    "no bytes came for {} s; go on from the offset",
                    self.body_wait.as_secs()
                );
                Refusal::new(Code::BlobUploadInvalid, message)
            })?;
            let Some(chunk) = next else { break };
            let chunk = chunk.map_err(|error| {
                Refusal::new(Code::BlobUploadInvalid, format!("the body broke off: {error}"))
            })?;
            let offset = upload.offset.saturating_add(chunk.len() as u64);
            if offset > self.bytes_max {
                drop(upload);
                self.cancel(repo, id)?;
                let message = format!("the content is above the limit of {} bytes", self.bytes_max);
                return Err(Refusal::new(Code::SizeInvalid, message));
            }
            if let Err(error) = upload.file.write_all(&chunk).await {
                drop(upload);
                self.cancel(repo, id)?;
                return Err(Refusal::storage("write an upload", &error));
            }
            upload.hasher.update(&chunk);
            upload.offset = offset;
        }
        Ok(upload.offset)
    }

    /// Keeps the upload as the blob that it is said to be; returns its size. Ends the upload either way.
    pub(crate) async fn finish(
        &self,
        repo: &ConnectorName,
        id: &str,
        expected: Digest,
        blobs: &Arc<Blobs>,
        now_ms: u64,
    ) -> Result<u64, Refusal> {
        let upload = self.get(repo, id)?;
        self.slots().remove(id);
        let mut upload = upload.lock().await;
        let found = upload.hasher.clone().finish();
        if found != expected {
            let message = format!("the content has digest {found}, expected {expected}");
            return Err(Refusal::new(Code::DigestInvalid, message));
        }
        let failed = |error| Refusal::storage("finish an upload", &error);
        upload.file.flush().await.map_err(failed)?;
        upload.file.sync_all().await.map_err(failed)?;
        let (path, size, blobs) = (upload.path.clone(), upload.offset, Arc::clone(blobs));
        files::blocking("keep a blob", move || {
            Ok(blobs.adopt(&path, &expected, size, now_ms))
        })
        .await??;
        Ok(size)
    }
}
