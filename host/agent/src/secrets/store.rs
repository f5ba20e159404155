//! The sealed copies of this host.

use std::sync::Arc;
use std::time::Duration;

use flowforge_journal::{Journal, Space, Urgency};
use flowforge_protocol::grants::SecretGrant;
use flowforge_protocol::seal::{SealContext, SealKey, Sealed, open};
use flowforge_protocol::{Failure, FailureKind, HostId};
use flowforge_runtime::OpenSecret;
use serde::{Deserialize, Serialize};
use tracing::{debug, info, warn};

use super::source::{SealedCopy, SecretAnswer, SecretSource, SourceError};
use crate::clock::Clock;
use crate::text::with_causes;

/// How long the control plane may take to say whether there is a newer version.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// The project that every secret belongs to.
const PROJECT: &str = "default";
/// The lease of a stored copy is renewed on the disk when this part of it is used up.
const RENEW_PARTS: u64 = 24;

/// Opens what was sealed for this host.
pub(crate) struct SecretStore {
    pub(crate) journal: Journal,
    pub(crate) source: Arc<dyn SecretSource>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) key: SealKey,
    pub(crate) workspace: String,
    pub(crate) host: HostId,
    /// How long a copy is used after the control plane last said that it is right.
    pub(crate) lease: Duration,
}

/// A sealed secret as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    kind: String,
    destinations: Vec<String>,
    sealed: Sealed,
    /// When the control plane last said that it is right, milliseconds since 1970 UTC.
    confirmed_at_ms: u64,
}

impl SecretStore {
    /// The secret of this grant, open: the newest version if the control plane answers at once, else the stored one as long
    /// as its lease lasts. What the control plane says is gone or not granted is wiped and refused.
    pub(crate) async fn open(&self, grant: &SecretGrant) -> Result<OpenSecret, Failure> {
        let names = [grant.secret.clone()];
        let answer = match tokio::time::timeout(ASK_TIMEOUT, self.source.sealed(&names)).await {
            Ok(Ok(answers)) => answers.into_iter().find(|answer| answer.name() == grant.secret),
            Ok(Err(SourceError(reason))) => return self.open_stored(grant, &reason).await,
            Err(_) => {
                return self
                    .open_stored(grant, "the control plane did not answer in time")
                    .await;
            }
        };
        match answer {
            Some(SecretAnswer::Sealed(copy)) => match self.keep(copy).await {
                Ok(stored) => self.unseal(grant, stored),
                Err(reason) => self.open_stored(grant, &reason).await,
            },
            Some(SecretAnswer::Absent { .. }) => {
                self.wipe(&grant.secret).await;
                let message = format!(
                    "secret {} is not set; set it with `flowforge secret set {}`",
                    grant.secret, grant.secret
                );
                Err(Failure::new(FailureKind::Denied, message).with_code("FF-SEC-101"))
            }
            Some(SecretAnswer::NotGranted { .. }) => {
                self.wipe(&grant.secret).await;
                let message = format!("secret {} is not granted to this host", grant.secret);
                Err(Failure::new(FailureKind::Denied, message).with_code("FF-SEC-103"))
            }
            None => {
                self.open_stored(grant, "the control plane said nothing about it")
                    .await
            }
        }
    }

    fn unseal(&self, grant: &SecretGrant, stored: Stored) -> Result<OpenSecret, Failure> {
        let denied = |message: String| Failure::new(FailureKind::Denied, message).with_code("FF-SEC-102");
        if stored.kind != grant.kind {
            return Err(denied(format!(
                "secret {} is of kind {}, the release was granted one of kind {}",
                grant.secret, stored.kind, grant.kind
            )));
        }
        let context = SealContext {
            workspace: &self.workspace,
            project: PROJECT,
            host: &self.host,
            secret: &grant.secret,
            version: u64::from(stored.version),
            kind: &stored.kind,
            destinations: &stored.destinations,
        };
        let value = open(&self.key, &context, &stored.sealed)
            .map_err(|error| denied(format!("secret {}: {error}", grant.secret)))?;
        Ok(OpenSecret {
            name: grant.secret.clone(),
            kind: stored.kind,
            version: stored.version,
            destinations: stored.destinations,
            value,
        })
    }

    /// Stores the sealed value for the time without a line, and renews the lease of one that is stored.
    async fn keep(&self, copy: SealedCopy) -> Result<Stored, String> {
        let sealed =
            serde_json::from_str(&copy.sealed).map_err(|_| "the sealed value cannot be read".to_owned())?;
        let now_ms = self.clock.now_ms();
        let new = Stored {
            version: copy.version,
            kind: copy.kind,
            destinations: copy.destinations,
            sealed,
            confirmed_at_ms: now_ms,
        };
        let known = self.stored(&copy.name).await;
        let fresh = known.is_some_and(|known| {
            let age_ms = now_ms.abs_diff(known.confirmed_at_ms);
            let same = (known.version, &known.kind, &known.destinations)
                == (new.version, &new.kind, &new.destinations);
            same && age_ms < self.lease_ms() / RENEW_PARTS
        });
        if !fresh {
            let bytes = serde_json::to_vec(&new).map_err(|error| error.to_string())?;
            let put = self
                .journal
                .put(Space::SealedSecret, &copy.name, bytes, Urgency::Lazy)
                .await;
            if let Err(error) = put {
                warn!(secret = copy.name, error = %with_causes(&error), "a sealed secret is not kept for offline use");
            }
        }
        Ok(new)
    }

    /// The control plane said no: there is nothing to fall back to any more.
    async fn wipe(&self, name: &str) {
        if self.stored(name).await.is_none() {
            return;
        }
        info!(secret = name, "the sealed copy of a secret is wiped");
        if let Err(error) = self.journal.remove(Space::SealedSecret, name).await {
            warn!(secret = name, %error, "the sealed copy of a secret could not be wiped");
        }
    }

    async fn stored(&self, name: &str) -> Option<Stored> {
        match self.journal.get(Space::SealedSecret, name).await {
            Ok(bytes) => serde_json::from_slice(&bytes?).ok(),
            Err(error) => {
                warn!(secret = name, error = %with_causes(&error), "a sealed secret cannot be read");
                None
            }
        }
    }

    async fn open_stored(&self, grant: &SecretGrant, reason: &str) -> Result<OpenSecret, Failure> {
        let unavailable = |code: &str, message: String| {
            Err(Failure::new(FailureKind::Unavailable, message).with_code(code))
        };
        let Some(stored) = self.stored(&grant.secret).await else {
            let message = format!("secret {} is not on this host: {reason}", grant.secret);
            return unavailable("FF-SEC-104", message);
        };
        let age_ms = self.clock.now_ms().saturating_sub(stored.confirmed_at_ms);
        if age_ms > self.lease_ms() {
            let message = format!(
                "the copy of secret {} is {} s old and may be used for {} s without the control plane: {reason}",
                grant.secret,
                age_ms / 1_000,
                self.lease.as_secs()
            );
            return unavailable("FF-SEC-105", message);
        }
        debug!(
            secret = grant.secret,
            reason, "the stored version of a secret is used"
        );
        self.unseal(grant, stored)
    }

    fn lease_ms(&self) -> u64 {
        u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX)
    }
}
