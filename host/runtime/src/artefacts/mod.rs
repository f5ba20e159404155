//! Artefacts: large or binary values kept by digest.
//!
//! Owns what an artefact is, the seam to the store that keeps it, the file-backed store and the quotas. Leaves to the
//! embedder: which artefacts are still wanted, see [`FileStore::sweep`]. Invariant: a finished artefact is immutable and
//! survives power loss; an unfinished one leaves nothing behind.

mod files;
mod quota;
mod sweep;

use async_trait::async_trait;
use flowforge_protocol::Digest;
use serde::{Deserialize, Serialize};

pub use files::{FileStore, Hold, StoreLimits};
pub use quota::{Quota, QuotaExceeded};
pub use sweep::Swept;

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
    /// A quota of the attempt, the run or the host is used up; nothing was stored.
    #[error(transparent)]
    Quota(#[from] QuotaExceeded),
    /// Less space would be left on the disk than the host keeps free; retry when there is room.
    #[error("the disk has {free_bytes} bytes left, {kept_bytes} are kept free")]
    LowSpace {
        /// What is left.
        free_bytes: u64,
        /// What is kept free.
        kept_bytes: u64,
    },
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
    /// Keeps the content of this digest from being swept until the answer is dropped; nothing if this store sweeps nothing.
    fn keep(&self, _digest: Digest) -> Option<Hold> {
        None
    }

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
