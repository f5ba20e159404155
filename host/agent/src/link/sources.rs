//! The line as the rooms below see it: a source of documents and of sealed secrets.

use async_trait::async_trait;
use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::{Digest, RunId};

use super::control::LinkError;
use super::session::SessionKeeper;
use crate::release::{self, ArtifactSource, ReleaseDocuments};
use crate::secrets::{self, SecretAnswer, SecretSource};

/// Only the control plane's word that it has no such thing is a verdict; every other failure may pass.
fn absent_or_transient(error: LinkError) -> release::SourceError {
    match error {
        LinkError::Absent(_) => release::SourceError::Absent(error.to_string()),
        _ => release::SourceError::Transient(error.to_string()),
    }
}

#[async_trait]
impl ArtifactSource for SessionKeeper {
    async fn documents(
        &self,
        release: Digest,
        grants: Digest,
    ) -> Result<ReleaseDocuments, release::SourceError> {
        self.release_documents(release, grants)
            .await
            .map_err(absent_or_transient)
    }

    async fn component(&self, name: &str, digest: Digest) -> Result<Vec<u8>, release::SourceError> {
        self.link()
            .component(name, digest)
            .await
            .map_err(absent_or_transient)
    }

    async fn publication(&self, digest: Digest) -> Result<String, release::SourceError> {
        self.link().publication(digest).await.map_err(absent_or_transient)
    }

    async fn records(&self, run: &RunId, from_seq: u64) -> Result<RecordBatch, release::SourceError> {
        let page = self.run_records(run, from_seq).await;
        page.map_err(absent_or_transient)
    }
}

#[async_trait]
impl SecretSource for SessionKeeper {
    async fn sealed(&self, names: &[String]) -> Result<Vec<SecretAnswer>, secrets::SourceError> {
        self.sealed_secrets(names)
            .await
            .map_err(|error| secrets::SourceError(error.to_string()))
    }
}
