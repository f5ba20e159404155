//! A job: a signed order from the control plane to one host.

use serde::{Deserialize, Serialize};

use crate::envelope::Document;
use crate::{ApprovalId, Digest, HostId, JobId, RunId};

/// Payload type of the envelope that carries a [`Job`].
pub const JOB_TYPE: &str = "application/vnd.flowforge.job.v1+json";

/// One order. Every field is signed; a host acts on nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Unique; the same id with other bytes is an attack.
    pub job_id: JobId,
    /// Tenant.
    pub workspace: String,
    /// The one host that may act on it.
    pub audience: HostId,
    /// The run it concerns.
    pub run_id: RunId,
    /// Fencing number of the run.
    pub epoch: u64,
    /// Grows with every job of this scheduler key for this host; a host remembers a window of them.
    pub sequence: u64,
    /// Milliseconds since 1970 UTC.
    pub issued_at_ms: u64,
    /// Not to be accepted at or after this time.
    pub expires_at_ms: u64,
    /// What to do.
    pub order: Order,
    /// W3C trace context of the request that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl Document for Job {
    const TYPE: &'static str = JOB_TYPE;
    // The input alone may be 256 KiB.
    const MAX_BYTES: usize = 320 * 1024;
}

/// What a job asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// Start a run.
    Start(StartOrder),
    /// Tell a waiting run what a person decided.
    Decide(Decision),
    /// Stop a run.
    Cancel {
        /// Who asked and why, for people.
        reason: String,
    },
}

/// What a run needs to start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartOrder {
    /// Digest of the release's payload bytes.
    pub release: Digest,
    /// Digest of the grant set's payload bytes.
    pub grants: Digest,
    /// Digest of `input` in canonical form.
    pub input_digest: Digest,
    /// The run's input, at most 256 KiB.
    pub input: serde_json::Value,
    /// What started it.
    pub trigger: Trigger,
}

/// What started a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Trigger {
    /// A person or a program, by the API.
    Manual {
        /// Who.
        by: String,
    },
    /// A webhook.
    Webhook {
        /// Its path below `/hooks/`.
        path: String,
    },
    /// A schedule.
    Schedule {
        /// The time it was due, milliseconds since 1970 UTC.
        due_ms: u64,
    },
}

/// What a person decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The question.
    pub approval: ApprovalId,
    /// Yes or no.
    pub approved: bool,
    /// Who decided.
    pub by: String,
    /// Their words, if any; at most 4 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// When, milliseconds since 1970 UTC.
    pub at_ms: u64,
}
