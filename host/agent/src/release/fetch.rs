//! Asking for documents and components, with a few tries.

use std::sync::Arc;
use std::time::Duration;

use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::{Digest, RunId};

use super::LoadError;
use super::source::{ArtifactSource, ReleaseDocuments, SourceError};
use crate::backoff::Backoff;
use crate::clock::Entropy;
use crate::order::Refusal;

/// Tries before the caller has to decide what to do.
const TRIES: u32 = 4;

/// Fetches, trying again what may pass.
#[derive(Clone)]
pub(super) struct Fetcher {
    pub(super) source: Arc<dyn ArtifactSource>,
    pub(super) entropy: Arc<dyn Entropy>,
}

impl Fetcher {
    pub(super) async fn documents(
        &self,
        release: Digest,
        grants: Digest,
    ) -> Result<ReleaseDocuments, LoadError> {
        self.retry(|| self.source.documents(release, grants)).await
    }

    pub(super) async fn component(&self, name: &str, digest: Digest) -> Result<Vec<u8>, LoadError> {
        self.retry(|| self.source.component(name, digest)).await
    }

    pub(super) async fn publication(&self, digest: Digest) -> Result<String, LoadError> {
        self.retry(|| self.source.publication(digest)).await
    }

    pub(super) async fn records(&self, run: &RunId, from_seq: u64) -> Result<RecordBatch, LoadError> {
        self.retry(|| self.source.records(run, from_seq)).await
    }

    /// Asks until there is an answer, a verdict, or no try left.
    async fn retry<T, F>(&self, ask: impl Fn() -> F) -> Result<T, LoadError>
    where
        F: Future<Output = Result<T, SourceError>>,
    {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        loop {
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(SourceError::Absent(reason)) => {
                    return Err(LoadError::Refused(Refusal::Unavailable(reason)));
                }
                Err(SourceError::Transient(reason)) if backoff.failures() + 1 >= TRIES => {
                    return Err(LoadError::NotNow(reason));
                }
                Err(SourceError::Transient(_)) => {
                    tokio::time::sleep(backoff.next(self.entropy.as_ref())).await;
                }
            }
        }
    }
}
