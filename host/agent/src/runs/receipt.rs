//! What the host signs when a run ends. The signature is made when it goes out, over all that go out together.

use std::collections::BTreeMap;

use flowforge_protocol::envelope::payload;
use flowforge_protocol::facts::RunFacts;
use flowforge_protocol::receipt::Receipt;
use flowforge_protocol::release::Release;
use flowforge_protocol::strict::StrictError;
use flowforge_protocol::{Digest, HostId, RunId};

/// Where a run stands at its end.
pub(super) struct End<'a> {
    pub(super) run: &'a RunId,
    pub(super) epoch: u64,
    pub(super) facts: &'a RunFacts,
    pub(super) chain: Digest,
    /// The release; absent if this process never loaded it: then the receipt can name no connector, and none ran here
    /// since the start of this process.
    pub(super) release: Option<&'a Release>,
}

/// Why there is no receipt.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReceiptError {
    /// The run has no beginning or no end.
    #[error("the run has not ended")]
    NotEnded,
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] StrictError),
}

/// The receipt as it will be signed: JSON text.
pub(super) fn write(end: &End<'_>, host: &HostId) -> Result<Vec<u8>, ReceiptError> {
    let facts = end.facts;
    let (Some(accepted), Some(outcome)) = (facts.accepted(), facts.outcome()) else {
        return Err(ReceiptError::NotEnded);
    };
    let receipt = Receipt {
        workspace: accepted.workspace.clone(),
        project: accepted.project.clone(),
        host: host.clone(),
        run_id: end.run.clone(),
        epoch: end.epoch,
        job: accepted.origin.job().clone(),
        release: accepted.release,
        grants: accepted.grants,
        connectors: end.release.map(|release| ran(release, facts)).unwrap_or_default(),
        state: outcome.state().to_owned(),
        outcome: outcome.digest(),
        steps: facts.steps(),
        records: facts.records(),
        chain: end.chain,
        used: facts.used(),
        ended_at_ms: facts.last_at_ms(),
    };
    Ok(payload(&receipt)?)
}

/// The connectors of which an attempt was made.
fn ran(release: &Release, facts: &RunFacts) -> BTreeMap<String, Digest> {
    let names = facts.tried().iter().filter_map(|node| release.calls.get(node));
    names
        .filter_map(|name| Some((name.clone(), release.connectors.get(name)?.digest)))
        .collect()
}
