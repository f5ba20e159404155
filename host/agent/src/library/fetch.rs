//! Asking the control plane for documents and components, with a few tries.

use std::sync::Arc;
use std::time::Duration;

use flowforge_protocol::Digest;

use super::LoadError;
use crate::admission::Refusal;
use crate::clock::Entropy;
use crate::link::backoff::Backoff;
use crate::link::control::{LinkError, ReleaseDocuments};
use crate::link::session::SessionKeeper;

/// Tries before the caller has to decide what to do.
const TRIES: u32 = 4;

/// Fetches, trying again what may pass.
#[derive(Clone)]
pub(crate) struct Fetcher {
    pub(crate) session: SessionKeeper,
    pub(crate) entropy: Arc<dyn Entropy>,
}

/// Calls until there is an answer, a refusal, or no try left.
macro_rules! patiently {
    ($fetcher:ident, $call:expr) => {{
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        loop {
            match $call.await {
                Ok(answer) => return Ok(answer),
                Err(error) => $fetcher.pause(&mut backoff, error).await?,
            }
        }
    }};
}

impl Fetcher {
    pub(super) async fn documents(
        &self,
        release: Digest,
        grants: Digest,
    ) -> Result<ReleaseDocuments, LoadError> {
        patiently!(self, self.session.release_documents(release, grants))
    }

    pub(super) async fn component(&self, name: &str, digest: Digest) -> Result<Vec<u8>, LoadError> {
        patiently!(self, self.session.link().component(name, digest))
    }

    pub(super) async fn publication(&self, digest: Digest) -> Result<String, LoadError> {
        patiently!(self, self.session.link().publication(digest))
    }

    /// Waits before the next try, unless the error is final or it was the last.
    async fn pause(&self, backoff: &mut Backoff, error: LinkError) -> Result<(), LoadError> {
        if !error.is_passing() {
            return Err(LoadError::Refused(Refusal::Unavailable(error.to_string())));
        }
        if backoff.failures() + 1 >= TRIES {
            return Err(LoadError::NotNow(error.to_string()));
        }
        tokio::time::sleep(backoff.next(self.entropy.as_ref())).await;
        Ok(())
    }
}
