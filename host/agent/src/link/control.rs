//! What a host and its control plane say to each other, as one trait.
//!
//! A seam because a test must be able to lose, repeat, delay and forge answers; [`crate::link::graphql::GraphQlLink`] is
//! the real one. Nothing that comes back is trusted: jobs, releases, grants and publications are signed documents that
//! intake verifies, components are compared with their digest.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::{Digest, HostId, JobId, RunId};

use crate::intake::RefusedJob;
use crate::release::ReleaseDocuments;
use crate::secrets::SealedCopy;

/// Largest component fetched, in bytes.
pub const MAX_COMPONENT_BYTES: u64 = 64 * 1024 * 1024;

/// Most jobs asked for in one call.
pub const MAX_JOBS_PER_CALL: u32 = 256;

/// Longest time a standing call waits for a job.
pub const STANDING_WAIT: Duration = Duration::from_secs(25);

/// Who wants to work.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The invitation.
    pub token: String,
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

/// One call in both directions: what the host has to tell, and how much work it wants.
#[derive(Debug, Clone, Default)]
pub struct SyncRequest {
    /// Jobs that are durable here.
    pub received: Vec<JobId>,
    /// Jobs that this host will not do.
    pub refused: Vec<RefusedJob>,
    /// Records, in order within each run.
    pub batches: Vec<RecordBatch>,
    /// Receipts of runs that ended.
    pub receipts: Vec<ReceiptUpload>,
    /// Most jobs to bring; 0 brings none.
    pub max_jobs: u32,
    /// How long to wait when there is no job.
    pub wait: Duration,
    /// The `delivery` of the last answer with jobs that arrived here; what was lost on the way comes again at once.
    pub seen_delivery: Option<u64>,
    /// Whether new runs are unwelcome; absent: as said before.
    pub busy: Option<bool>,
}

/// A receipt on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptUpload {
    /// The run.
    pub run: RunId,
    /// The envelope, JSON text.
    pub envelope: String,
}

/// What came back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncReply {
    /// Signed jobs, JSON text.
    pub jobs: Vec<String>,
    /// Number of this answer; 0 if it carries no jobs.
    pub delivery: u64,
    /// For each run with a batch in the call: `seq` of the last record stored there, if any is.
    pub acknowledged: Vec<(RunId, Option<u64>)>,
    /// Batches and receipts that were not stored.
    pub rejected: Vec<Rejected>,
    /// Runs whose receipt is stored.
    pub receipts_stored: Vec<RunId>,
}

/// A batch or receipt that the control plane would not store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The run.
    pub run: RunId,
    /// Stable word: `stale_epoch`, `unknown_run`, …
    pub code: String,
    /// For people.
    pub message: String,
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

/// Codes of refusals that are about the control plane's own state: too many calls, a proxy without its server, a full
/// disk.
const TRANSIENT: [&str; 6] = ["429", "502", "503", "504", "507", "FF-API-507"];

impl LinkError {
    /// Whether the same call may succeed later although nothing is wrong with the call.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::NoSession => true,
            Self::Refused { code, .. } => TRANSIENT.contains(&code.as_str()),
            Self::Absent(_) | Self::Malformed(_) => false,
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

    /// The named secrets, sealed to this host; those that are not set are left out.
    ///
    /// # Errors
    /// [`LinkError`].
    async fn sealed_secrets(&self, session: &str, names: &[String]) -> Result<Vec<SealedCopy>, LinkError>;

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

    /// Uploads the file with this digest; one that is already there is not sent again.
    ///
    /// # Errors
    /// [`LinkError`].
    async fn put_artefact(&self, session: &str, digest: Digest, file: &Path) -> Result<(), LinkError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_control_plane_is_asked_again_and_a_wrong_call_is_not() {
        let refused = |code: &str| LinkError::Refused {
            code: code.to_owned(),
            message: String::new(),
        };
        for code in ["507", "FF-API-507", "503", "429"] {
            assert!(refused(code).is_transient(), "{code}");
        }
        for code in ["400", "403", "413", "500", "FF-API-400", "FF-API-500"] {
            assert!(!refused(code).is_transient(), "{code}");
        }
    }
}
