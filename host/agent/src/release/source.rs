//! Where the documents and components of releases come from, and the records of runs that come to this host.

use async_trait::async_trait;
use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::{Digest, RunId};

/// Envelopes of a release and of its grants, JSON text, not verified.
#[derive(Debug, Clone)]
pub struct ReleaseDocuments {
    /// The release.
    pub release: String,
    /// The grant set.
    pub grants: String,
}

/// Why something could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The source says that it has no such thing: its verdict.
    #[error("{0}")]
    Absent(String),
    /// There was no answer that says anything about the thing itself; ask again later.
    #[error("{0}")]
    Transient(String),
}

/// Gives documents and components by digest, and records by run and number. Nothing that it gives is believed: whoever asks verifies.
#[async_trait]
pub trait ArtifactSource: Send + Sync {
    /// The documents of a release, by the digests of their payloads.
    ///
    /// # Errors
    /// [`SourceError`].
    async fn documents(&self, release: Digest, grants: Digest) -> Result<ReleaseDocuments, SourceError>;

    /// The bytes of a component.
    ///
    /// # Errors
    /// [`SourceError`].
    async fn component(&self, name: &str, digest: Digest) -> Result<Vec<u8>, SourceError>;

    /// The publisher's signed statement about a component, JSON text.
    ///
    /// # Errors
    /// [`SourceError`].
    async fn publication(&self, digest: Digest) -> Result<String, SourceError>;

    /// Records of a run, from this number on: one at least.
    ///
    /// # Errors
    /// [`SourceError`].
    async fn records(&self, run: &RunId, from_seq: u64) -> Result<RecordBatch, SourceError>;
}
