//! A receipt: what the host signs when a run ends.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::envelope::Document;
use crate::used::Used;
use crate::{Digest, HostId, JobId, RunId};

/// Payload type of the envelope that carries a [`Receipt`].
pub const RECEIPT_TYPE: &str = "application/vnd.flowforge.receipt.v1+json";

/// Proof of what ran: signed by the host's identity key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Tenant.
    pub workspace: String,
    /// Project inside it.
    pub project: String,
    /// The host.
    pub host: HostId,
    /// The run.
    pub run_id: RunId,
    /// Fencing number at its end.
    pub epoch: u64,
    /// The order that started it.
    pub job: JobId,
    /// The release.
    pub release: Digest,
    /// The grants.
    pub grants: Digest,
    /// Connector name → digest of the bytes that ran. What was pinned and never ran is not here.
    pub connectors: BTreeMap<String, Digest>,
    /// `done`, `failed`, `rejected`, `expired` or `cancelled`.
    pub state: String,
    /// Digest of the last record's outcome in canonical form.
    pub outcome: Digest,
    /// Number of steps that completed.
    pub steps: u64,
    /// Number of records.
    pub records: u64,
    /// Chain value after the last record.
    pub chain: Digest,
    /// What was used outside, failed attempts counted.
    pub used: Vec<Used>,
    /// When the run ended, milliseconds since 1970 UTC.
    pub ended_at_ms: u64,
}

impl Document for Receipt {
    const TYPE: &'static str = RECEIPT_TYPE;
}
