//! The sealed copies of this host.

use std::sync::Arc;
use std::time::Duration;

use flowforge_journal::{Journal, Space, Urgency};
use flowforge_protocol::grants::SecretGrant;
use flowforge_protocol::seal::{SealContext, SealKey, Sealed, open};
use flowforge_protocol::{Failure, FailureKind, HostId};
use flowforge_runtime::OpenSecret;
use serde::{Deserialize, Serialize};
use tracing::{debug, warn};

use super::source::{SealedCopy, SecretSource};
use crate::text::with_causes;

/// How long the control plane may take to say whether there is a newer version.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);

/// Opens what was sealed for this host.
pub(crate) struct SecretStore {
    pub(crate) journal: Journal,
    pub(crate) source: Arc<dyn SecretSource>,
    pub(crate) key: SealKey,
    pub(crate) workspace: String,
    pub(crate) host: HostId,
}

/// A sealed secret as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    kind: String,
    sealed: Sealed,
}

impl SecretStore {
    /// The secret of this grant, open: the newest version if the control plane answers at once, else the stored one.
    pub(crate) async fn open(&self, grant: &SecretGrant) -> Result<OpenSecret, Failure> {
        let stored = match tokio::time::timeout(ASK_TIMEOUT, self.ask(&grant.secret)).await {
            Ok(Ok(newest)) => newest,
            Ok(Err(reason)) => self.fall_back(grant, &reason).await?,
            Err(_) => {
                self.fall_back(grant, "the control plane did not answer in time")
                    .await?
            }
        };
        let denied = |message: String| Failure::new(FailureKind::Denied, message).with_code("FF-SEC-002");
        if stored.kind != grant.kind {
            return Err(denied(format!(
                "secret {} is of kind {}, the release was granted one of kind {}",
                grant.secret, stored.kind, grant.kind
            )));
        }
        let context = SealContext {
            workspace: &self.workspace,
            host: &self.host,
            secret: &grant.secret,
            version: u64::from(stored.version),
        };
        let value = open(&self.key, &context, &stored.sealed)
            .map_err(|error| denied(format!("secret {}: {error}", grant.secret)))?;
        Ok(OpenSecret {
            name: grant.secret.clone(),
            kind: stored.kind,
            version: stored.version,
            // The sealed value does not say yet where it may go; the grant does.
            destinations: grant.destinations.clone(),
            value,
        })
    }

    async fn ask(&self, name: &str) -> Result<Stored, String> {
        let names = [name.to_owned()];
        let answer = self
            .source
            .sealed(&names)
            .await
            .map_err(|error| error.to_string())?;
        let document = answer
            .into_iter()
            .find(|document| document.name == name)
            .ok_or_else(|| "the control plane does not give it to this host".to_owned())?;
        self.keep(document).await
    }

    /// Stores the sealed value for the time without a line.
    async fn keep(&self, document: SealedCopy) -> Result<Stored, String> {
        let sealed = serde_json::from_str(&document.sealed)
            .map_err(|_| "the sealed value cannot be read".to_owned())?;
        let stored = Stored {
            version: document.version,
            kind: document.kind,
            sealed,
        };
        let bytes = serde_json::to_vec(&stored).map_err(|error| error.to_string())?;
        let known = self
            .journal
            .get(Space::SealedSecret, &document.name)
            .await
            .ok()
            .flatten();
        if known.as_deref() != Some(bytes.as_slice())
            && let Err(error) = self
                .journal
                .put(Space::SealedSecret, &document.name, bytes, Urgency::Lazy)
                .await
        {
            warn!(secret = document.name, error = %with_causes(&error), "a sealed secret is not kept for offline use");
        }
        Ok(stored)
    }

    async fn fall_back(&self, grant: &SecretGrant, reason: &str) -> Result<Stored, Failure> {
        let stored = match self.journal.get(Space::SealedSecret, &grant.secret).await {
            Ok(Some(bytes)) => serde_json::from_slice(&bytes).ok(),
            Ok(None) => None,
            Err(error) => {
                warn!(secret = grant.secret, error = %with_causes(&error), "a sealed secret cannot be read");
                None
            }
        };
        let Some(stored) = stored else {
            let message = format!(
                "secret {} is not on this host: {reason}; set it with `flowforge secret set {}`",
                grant.secret, grant.secret
            );
            return Err(Failure::new(FailureKind::Unavailable, message).with_code("FF-SEC-001"));
        };
        debug!(
            secret = grant.secret,
            reason, "the stored version of a secret is used"
        );
        Ok(stored)
    }
}
