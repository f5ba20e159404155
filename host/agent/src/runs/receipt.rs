//! What the host signs when a run ends.

use std::collections::BTreeMap;

use flowforge_protocol::envelope::sign_document;
use flowforge_protocol::receipt::Receipt;
use flowforge_protocol::record::Outcome;
use flowforge_protocol::strict::StrictError;
use flowforge_protocol::{Digest, HostId, JobId, RunId, SigningKey};

use crate::release::LoadedRelease;

/// What the run ran on.
pub(super) struct RanOn {
    pub(super) workspace: String,
    pub(super) release: Digest,
    pub(super) grants: Digest,
    /// Empty if the release was never loaded by this process: then nothing of it ran here since.
    pub(super) connectors: BTreeMap<String, Digest>,
}

impl From<&LoadedRelease> for RanOn {
    fn from(release: &LoadedRelease) -> Self {
        Self {
            workspace: release.release.workspace.clone(),
            release: release.digest,
            grants: release.grants_digest,
            connectors: release.connector_digests(),
        }
    }
}

/// Where a run stands at its end.
pub(super) struct End<'a> {
    pub(super) run: &'a RunId,
    pub(super) epoch: u64,
    pub(super) job: &'a JobId,
    pub(super) outcome: &'a Outcome,
    pub(super) records: u64,
    pub(super) chain: Digest,
    pub(super) at_ms: u64,
    pub(super) steps: u64,
    pub(super) used: &'a BTreeMap<String, u64>,
}

/// The signed receipt: envelope, JSON text.
pub(super) fn sign(
    end: &End<'_>,
    ran_on: RanOn,
    host: &HostId,
    key: &SigningKey,
) -> Result<String, StrictError> {
    let receipt = Receipt {
        workspace: ran_on.workspace,
        host: host.clone(),
        run_id: end.run.clone(),
        epoch: end.epoch,
        job: end.job.clone(),
        release: ran_on.release,
        grants: ran_on.grants,
        connectors: ran_on.connectors,
        state: end.outcome.state().to_owned(),
        outcome: end.outcome.digest(),
        steps: end.steps,
        records: end.records,
        chain: end.chain,
        used: end.used.clone(),
        ended_at_ms: end.at_ms,
    };
    sign_document(&receipt, key)
}
