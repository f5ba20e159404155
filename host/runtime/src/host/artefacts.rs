//! `artefacts`: making and reading large values. Storage on this host is no effect; what leaves it leaves by other ways.

use std::sync::Arc;

use flowforge_protocol::Digest;
use wasmtime::component::Resource;

use super::bindings::flowforge::connector::artefacts::{self, ArtefactError as WitError};
use super::bindings::flowforge::connector::types;
use crate::artefacts::{ArtefactError, ArtefactRead, ArtefactWrite, Quota};
use crate::redact::Scanner;
use crate::state::StepState;
use crate::step::StepShared;

/// Most bytes of one `write` or `read`.
const PIECE_BYTES_MAX: usize = 1 << 20;

/// Longest file name and media type.
const NAME_BYTES_MAX: usize = 255;

/// An artefact that a guest writes.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct ArtefactWriter {
    /// Absent after `finish`, and after content that may not be kept.
    inner: Option<Box<dyn ArtefactWrite>>,
    name: String,
    media_type: String,
    limit: u64,
    scanner: Scanner,
    taken: Taken,
}

/// Bytes of the attempt's quota, given back unless the artefact was finished.
struct Taken {
    quota: Arc<Quota>,
    bytes: u64,
    is_kept: bool,
}

impl Drop for Taken {
    fn drop(&mut self) {
        if !self.is_kept {
            self.quota.give_back(self.bytes);
        }
    }
}

impl ArtefactWriter {
    /// Begins an artefact, from whichever door it comes.
    pub(crate) async fn begin(step: &StepShared, name: String, media_type: String) -> Result<Self, WitError> {
        check_name(&name)?;
        if media_type.is_empty()
            || media_type.len() > NAME_BYTES_MAX
            || media_type.chars().any(char::is_control)
        {
            return Err(WitError::Invalid(
                "the media type is empty, too long or no plain text".to_owned(),
            ));
        }
        let inner = step.services.artefacts().create().await.map_err(refusal)?;
        Ok(Self {
            inner: Some(inner),
            name,
            media_type,
            limit: step.limits.artefact_bytes,
            scanner: Scanner::new(step.redactor.clone()),
            taken: Taken {
                quota: step.artefact_quota.clone(),
                bytes: 0,
                is_kept: false,
            },
        })
    }

    pub(crate) async fn append(&mut self, bytes: &[u8]) -> Result<(), WitError> {
        let Some(inner) = &mut self.inner else {
            return Err(finished());
        };
        let more = bytes.len() as u64;
        if self.taken.bytes.saturating_add(more) > self.limit {
            self.inner = None;
            return Err(WitError::TooLarge(self.limit));
        }
        if let Some(secret) = self.scanner.pass(bytes) {
            self.inner = None;
            return Err(WitError::HoldsSecret(secret.to_string()));
        }
        self.taken
            .quota
            .take(more)
            .map_err(|exceeded| refusal(exceeded.into()))?;
        self.taken.bytes = self.taken.bytes.saturating_add(more);
        inner.write(bytes).await.map_err(refusal)
    }

    pub(crate) async fn close(&mut self, step: &StepShared) -> Result<types::Artefact, WitError> {
        let Some(mut inner) = self.inner.take() else {
            return Err(finished());
        };
        let (digest, size) = inner.finish().await.map_err(refusal)?;
        self.taken.is_kept = true;
        step.grant_artefact(digest, size);
        Ok(types::Artefact {
            digest: digest.to_string(),
            name: self.name.clone(),
            media_type: self.media_type.clone(),
            size,
        })
    }
}

fn finished() -> WitError {
    WitError::Invalid("the artefact is finished, or its content was refused".to_owned())
}

/// An artefact that a guest reads.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct ArtefactReader {
    inner: Box<dyn ArtefactRead>,
}

impl ArtefactReader {
    /// Opens an artefact, from whichever door it is asked for.
    pub(crate) async fn open(step: &StepShared, digest: &str) -> Result<Self, WitError> {
        let known = digest
            .parse::<Digest>()
            .ok()
            .filter(|digest| step.may_open(digest));
        let digest = known.ok_or_else(|| {
            let shown: String = digest.chars().take(80).collect();
            WitError::NotGranted(format!(
                "artefact `{shown}` did not come in by a port of this step"
            ))
        })?;
        let inner = step.services.artefacts().open(&digest).await.map_err(refusal)?;
        Ok(Self { inner })
    }

    pub(crate) async fn next(&mut self, max: usize) -> Result<Vec<u8>, WitError> {
        self.inner.read(max.min(PIECE_BYTES_MAX)).await.map_err(refusal)
    }
}

fn check_name(name: &str) -> Result<(), WitError> {
    let wrong = name.is_empty()
        || name.len() > NAME_BYTES_MAX
        || matches!(name, "." | "..")
        || name.chars().any(|c| c.is_control() || matches!(c, '/' | '\\'));
    if wrong {
        let shown: String = name.chars().take(80).collect();
        return Err(WitError::Invalid(format!("`{shown}` is not a file name")));
    }
    Ok(())
}

fn refusal(error: ArtefactError) -> WitError {
    if let ArtefactError::Quota(exceeded) = error {
        return WitError::Quota(exceeded.to_string());
    }
    // The cause names a path of this host; it belongs in its log, not in a guest.
    tracing::warn!(error = %flowforge_connect::words::describe(&error), "artefact storage failed");
    WitError::Storage(error.to_string())
}

impl artefacts::Host for StepState {
    async fn create(
        &mut self,
        name: String,
        media_type: String,
    ) -> wasmtime::Result<Result<Resource<ArtefactWriter>, WitError>> {
        match ArtefactWriter::begin(&self.step, name, media_type).await {
            Ok(writer) => Ok(Ok(self.table.push(writer)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn open(
        &mut self,
        artefact: types::Artefact,
    ) -> wasmtime::Result<Result<Resource<ArtefactReader>, WitError>> {
        match ArtefactReader::open(&self.step, &artefact.digest).await {
            Ok(reader) => Ok(Ok(self.table.push(reader)?)),
            Err(error) => Ok(Err(error)),
        }
    }
}

impl artefacts::HostWriter for StepState {
    async fn write(
        &mut self,
        writer: Resource<ArtefactWriter>,
        bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<(), WitError>> {
        if bytes.len() > PIECE_BYTES_MAX {
            return Ok(Err(WitError::TooLarge(PIECE_BYTES_MAX as u64)));
        }
        Ok(self.table.get_mut(&writer)?.append(&bytes).await)
    }

    async fn finish(
        &mut self,
        writer: Resource<ArtefactWriter>,
    ) -> wasmtime::Result<Result<types::Artefact, WitError>> {
        let step = self.step.clone();
        Ok(self.table.get_mut(&writer)?.close(&step).await)
    }

    async fn drop(&mut self, writer: Resource<ArtefactWriter>) -> wasmtime::Result<()> {
        self.table.delete(writer)?;
        Ok(())
    }
}

impl artefacts::HostReader for StepState {
    async fn read(
        &mut self,
        reader: Resource<ArtefactReader>,
        max: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, WitError>> {
        Ok(self.table.get_mut(&reader)?.next(max as usize).await)
    }

    async fn drop(&mut self, reader: Resource<ArtefactReader>) -> wasmtime::Result<()> {
        self.table.delete(reader)?;
        Ok(())
    }
}
