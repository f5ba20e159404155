//! What a host and its control plane say to each other, as one trait.
//!
//! A seam because a test must be able to lose, repeat, delay and forge answers; [`crate::link::graphql::GraphQlLink`] is
//! the real one. Nothing that comes back is trusted: jobs, releases, grants and publications are signed documents that
//! intake verifies, components are compared with their digest.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::pieces::{KeptValue, ValuePieces};
use flowforge_protocol::sync::{SyncReply, SyncRequest};
use flowforge_protocol::{Digest, HostId, RunId};

use super::registrar::Registrar;
pub use crate::health::CertificateLife;
use crate::release::ReleaseDocuments;
use crate::secrets::SecretAnswer;

/// Largest component fetched, in bytes.
pub const MAX_COMPONENT_BYTES: u64 = 64 * 1024 * 1024;

/// Most jobs asked for in one call.
pub const MAX_JOBS_PER_CALL: u32 = 256;

/// Most orders for runs that are here in one call; wanted also while the host is busy.
pub const MAX_CHANGES_PER_CALL: u32 = 64;

/// Longest time a standing call waits for a job.
pub const STANDING_WAIT: Duration = Duration::from_secs(25);

/// Who wants to work.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The invitation; absent once the host has enrolled.
    pub token: Option<String>,
    /// Name of the host, for people.
    pub name: String,
    /// The Ed25519 public key.
    pub identity_key: [u8; 32],
    /// The X25519 public key that secrets are sealed to.
    pub seal_key: [u8; 32],
    /// Envelope of the registration, signed with the identity key: JSON text.
    pub proof: String,
}

/// The right to call [`ControlLink::sync`], and who the control plane says this host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// This host's id; the same for the same identity key.
    pub host: HostId,
    /// Bearer token of the calls that follow.
    pub session: String,
    /// The tenant.
    pub workspace: String,
}

/// Why a call failed. None of these stops work that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Nobody answered in time; whether the call arrived is unknown. Try again later with the same content.
    #[error("{0}")]
    Unreachable(String),
    /// The session is not known there; register again.
    #[error("the control plane does not know this session")]
    NoSession,
    /// An answer that is a refusal.
    #[error("the control plane refused: {message} ({code})")]
    Refused {
        /// Its code.
        code: String,
        /// For people.
        message: String,
    },
    /// What was asked for is not there.
    #[error("the control plane does not have {0}")]
    Absent(String),
    /// An answer that makes no sense, or is too large.
    #[error("the control plane's answer makes no sense: {0}")]
    Malformed(String),
}

/// Codes of refusals that are about the call itself: the same call is refused again, however often it is made.
const PERMANENT: [&str; 16] = [
    "400",
    "403",
    "404",
    "413",
    "415",
    "FF-API-400",
    "FF-API-403",
    "FF-ENR-009",
    "FF-ENR-010",
    "FF-ENR-011",
    "FF-ENR-014",
    "FF-HOST-001",
    "FF-HOST-002",
    "FF-HOST-003",
    "FF-HTTP-004",
    "FF-LNK-001",
];

impl LinkError {
    /// Whether the same call fails again however often it is made, so that somebody must act. Everything else may pass: a
    /// line that is out, a fault inside the control plane, a full disk there.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::NoSession => false,
            Self::Refused { code, .. } => PERMANENT.contains(&code.as_str()),
            Self::Absent(_) | Self::Malformed(_) => true,
        }
    }
}

/// The calls of a host.
///
/// Cancel safety: every call may be dropped; whether it arrived is then unknown, and repeating it is safe.
#[async_trait]
pub trait ControlLink: Send + Sync {
    /// Says who this host is and gets a session.
    ///
    /// # Errors
    /// [`LinkError`].
    async fn register(&self, registration: &Registration) -> Result<Session, LinkError>;

    /// The standing call and the uploading call.
    ///
    /// # Errors
    /// [`LinkError`].
    async fn sync(&self, session: &str, request: &SyncRequest) -> Result<SyncReply, LinkError>;

    /// The documents of a release, by the digests of their payloads.
    ///
    /// # Errors
    /// [`LinkError`].
    async fn release_documents(
        &self,
        session: &str,
        release: Digest,
        grants: Digest,
    ) -> Result<ReleaseDocuments, LinkError>;

    /// Records of a run that an order of this host speaks of, from this number on: one at least.
    ///
    /// # Errors
    /// [`LinkError`].
    async fn run_records(&self, session: &str, run: &RunId, from_seq: u64) -> Result<RecordBatch, LinkError>;

    /// What the control plane says about the named secrets: each sealed to this host, absent or not granted.
    ///
    /// # Errors
    /// [`LinkError`].
    async fn sealed_secrets(&self, session: &str, names: &[String]) -> Result<Vec<SecretAnswer>, LinkError>;

    /// The bytes of a component, at most [`MAX_COMPONENT_BYTES`]; whether they are the right ones is for the caller to check.
    ///
    /// # Errors
    /// [`LinkError`].
    async fn component(&self, name: &str, digest: Digest) -> Result<Vec<u8>, LinkError>;

    /// The publisher's signed statement about a component, JSON text.
    ///
    /// # Errors
    /// [`LinkError`].
    async fn publication(&self, digest: Digest) -> Result<String, LinkError>;

    /// Asks how much of large values is there, and brings pieces of them: an answer for each value that the call names.
    ///
    /// # Errors
    /// [`LinkError`].
    async fn keep_values(&self, session: &str, pieces: &ValuePieces) -> Result<Vec<KeptValue>, LinkError>;

    /// Renews what this link shows of this host, if that is due; answers when to ask again, milliseconds since 1970 UTC by
    /// the host's clock. `None`: never, there is nothing to renew.
    ///
    /// # Errors
    /// [`LinkError`]; what is shown stays as it was.
    async fn renew(&self, _registrar: &Registrar) -> Result<Option<u64>, LinkError> {
        Ok(None)
    }

    /// The life of the certificate that this link shows; `None` where none is shown.
    fn certificate(&self) -> Option<CertificateLife> {
        None
    }

    /// Uploads the file with this digest; one that is already there is not sent again.
    ///
    /// # Errors
    /// [`LinkError`].
    async fn put_artefact(&self, session: &str, digest: Digest, file: &Path) -> Result<(), LinkError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One HTTP 500 while documents were fetched refused a job for good.
    #[test]
    fn a_fault_or_a_full_disk_may_pass_and_a_wrong_call_does_not() {
        let refused = |code: &str| LinkError::Refused {
            code: code.to_owned(),
            message: String::new(),
        };
        for code in [
            "507",
            "FF-API-507",
            "503",
            "429",
            "500",
            "FF-API-500",
            "504",
            "unknown",
        ] {
            assert!(!refused(code).is_permanent(), "{code}");
        }
        for code in ["400", "403", "413", "FF-HTTP-004", "FF-LNK-001"] {
            assert!(refused(code).is_permanent(), "{code}");
        }
    }
}
