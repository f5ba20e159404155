//! Why a job is not done: one code for each check.

use flowforge_protocol::envelope::{OpenError, VerifyError};
use flowforge_protocol::job::JobRefusal;
use flowforge_protocol::sync::RefusedJob;
use flowforge_protocol::{Digest, JobId, RunId};

/// A check that a job failed. Nothing of the job was done, nothing of it was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Larger than a job may be; it was not read.
    #[error("the job is {actual_bytes} bytes, above the limit of {limit_bytes}")]
    TooLarge {
        /// Its size.
        actual_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// No signed envelope.
    #[error("the job is no signed envelope: {0}")]
    Envelope(String),
    /// A signed document of another kind.
    #[error("the envelope holds `{found}`, which is no job")]
    Type {
        /// What it holds.
        found: String,
    },
    /// Not signed by a scheduler key of the trust root, or changed after it was signed.
    #[error("the job's signature does not hold: {0}")]
    Signature(String),
    /// Signed, but not a job as this version knows it.
    #[error("the signed job cannot be read: {0}")]
    Document(String),
    /// For another tenant, another host, another time, or with another input than was signed for.
    #[error(transparent)]
    NotForNow(#[from] JobRefusal),
    /// The same id with other content, or a sequence that was used: a replay or a forgery.
    #[error("the job was seen before: {0}")]
    Replay(String),
    /// So far behind the newest order that it cannot be told from a replay: it must be signed anew.
    #[error("the job is too old to be told from a replay: {0}")]
    TooOld(String),
    /// The release is not signed by a release key, is not the one named, or cannot be planned.
    #[error("release {release} is refused: {reason}")]
    Release {
        /// The release it is about.
        release: Digest,
        /// What is wrong, for people.
        reason: String,
    },
    /// The grant set is not signed by a grant key, or is for another release.
    #[error("grant set {grants} is refused: {reason}")]
    Grants {
        /// The grants it is about.
        grants: Digest,
        /// What is wrong, for people.
        reason: String,
    },
    /// It goes beyond what this site allows.
    #[error("release {release} is refused by this site: {reason}")]
    Site {
        /// The release it is about.
        release: Digest,
        /// What goes beyond, by name.
        reason: String,
    },
    /// The registry served other bytes than the release pins.
    #[error(
        "connector {connector} is refused: the registry served bytes with digest {found}, the release pins {expected}"
    )]
    ConnectorBytes {
        /// Its name.
        connector: String,
        /// Of the bytes.
        found: Digest,
        /// In the release.
        expected: Digest,
    },
    /// No trusted publisher vouches for the bytes.
    #[error("connector {connector} is refused: {reason}")]
    Publication {
        /// Its name.
        connector: String,
        /// What is wrong, for people.
        reason: String,
    },
    /// The bytes cannot run here.
    #[error("connector {connector} cannot run on this host: {reason}")]
    ConnectorLoad {
        /// Its name.
        connector: String,
        /// What is wrong, for people.
        reason: String,
    },
    /// The run is not on this host.
    #[error("run {0} is not on this host")]
    UnknownRun(RunId),
    /// The order belongs to another time of the run.
    #[error("the job has epoch {found}, run {run} is at {expected}")]
    Epoch {
        /// The run.
        run: RunId,
        /// The job's.
        found: u64,
        /// The run's.
        expected: u64,
    },
    /// The records that came of a run are not those that the order names, or cannot be followed.
    #[error("the records of run {run} are refused: {reason}")]
    Records {
        /// Whose.
        run: RunId,
        /// What is wrong, for people.
        reason: String,
    },
    /// The run could never be read again here, and was dropped because the order ends it.
    #[error("run {run} could not be read any more and is dropped: {reason}")]
    GivenUp {
        /// The run.
        run: RunId,
        /// What could not be read.
        reason: String,
    },
    /// The order is signed, and the answers in it are not such that they decide the question: it stays open.
    #[error("the decision of a question of run {run} is refused: {reason}")]
    Decision {
        /// The run that asks.
        run: RunId,
        /// What is wrong, for people.
        reason: String,
    },
    /// The control plane or its registry does not have what the job needs, or did not give it.
    #[error("what the job needs cannot be had: {0}")]
    Unavailable(String),
}

impl Refusal {
    /// The code that ends a run elsewhere, because it could not be read any more and is dropped here.
    pub const GIVEN_UP: &'static str = "FF-ADM-018";

    /// The code that reopens a question elsewhere, because the answers to it do not count here.
    pub const DECISION: &'static str = "FF-ADM-020";

    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "FF-ADM-001",
            Self::Envelope(_) => "FF-ADM-002",
            Self::Type { .. } => "FF-ADM-003",
            Self::Signature(_) => "FF-ADM-004",
            Self::Document(_) => "FF-ADM-005",
            Self::NotForNow(refusal) => refusal.code(),
            Self::Replay(_) => "FF-ADM-006",
            Self::TooOld(_) => "FF-JOB-007",
            Self::Release { .. } => "FF-ADM-007",
            Self::Grants { .. } => "FF-ADM-008",
            Self::Site { .. } => "FF-ADM-019",
            Self::ConnectorBytes { .. } => "FF-ADM-009",
            Self::Publication { .. } => "FF-ADM-010",
            Self::ConnectorLoad { .. } => "FF-ADM-011",
            Self::UnknownRun(_) => "FF-ADM-012",
            Self::Epoch { .. } => "FF-ADM-013",
            Self::Unavailable(_) => "FF-ADM-014",
            Self::Records { .. } => "FF-ADM-017",
            Self::GivenUp { .. } => Self::GIVEN_UP,
            Self::Decision { .. } => Self::DECISION,
        }
    }

    /// What the control plane is told of this job.
    #[must_use]
    pub fn answer(&self, job: JobId) -> RefusedJob {
        RefusedJob {
            job,
            code: self.code().to_owned(),
            message: self.to_string(),
        }
    }

    /// Whether somebody may be attacking: logged as an error, not as a warning.
    #[must_use]
    pub fn is_alarming(&self) -> bool {
        matches!(
            self,
            Self::Signature(_)
                | Self::Decision { .. }
                | Self::NotForNow(
                    JobRefusal::WrongWorkspace { .. }
                        | JobRefusal::WrongAudience { .. }
                        | JobRefusal::WrongInput { .. }
                )
                | Self::Replay(_)
                | Self::ConnectorBytes { .. }
                | Self::Publication { .. }
                | Self::Records { .. }
        )
    }
}

impl From<OpenError> for Refusal {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Envelope(VerifyError::TooLarge {
                actual_bytes,
                limit_bytes,
            }) => Self::TooLarge {
                actual_bytes,
                limit_bytes,
            },
            OpenError::Envelope(VerifyError::Malformed(reason)) => Self::Envelope(reason),
            OpenError::Envelope(VerifyError::WrongType { found, .. }) => Self::Type { found },
            OpenError::Envelope(
                error @ (VerifyError::BadSignature { .. } | VerifyError::UntrustedKey { .. }),
            ) => Self::Signature(error.to_string()),
            OpenError::Document(error) => Self::Document(error.to_string()),
        }
    }
}
