//! What becomes of a run that the control plane does not take from this host: it is parked, or let go, and shown either way.

use flowforge_journal::{Journal, Park, Stopped};
use flowforge_protocol::sync::{RejectCode, Rejected};
use tracing::warn;

use crate::health::LinkHealth;
use crate::runs::Runs;

/// Whether another host has the run, or this one under a later number.
pub(super) fn is_gone(rejected: &Rejected) -> bool {
    matches!(rejected.code, RejectCode::NotOwner | RejectCode::StaleEpoch)
}

/// The run's uploads rest, and are offered again later.
pub(super) async fn park(journal: &Journal, health: &LinkHealth, rejected: &Rejected) -> Result<(), Stopped> {
    let why = Park {
        code: rejected.code.to_string(),
        reason: rejected.message.clone(),
    };
    if journal.park(&rejected.run, why).await?.is_some() {
        let (code, reason) = (rejected.code.to_string(), rejected.message.clone());
        health.parked(&rejected.run, code, reason);
    }
    Ok(())
}

/// The run is no longer this host's: it stops here. What was not stored of it is not sent any more.
pub(super) async fn let_go(
    runs: &Runs,
    journal: &Journal,
    health: &LinkHealth,
    rejected: &Rejected,
) -> Result<(), Stopped> {
    let run = &rejected.run;
    warn!(run_id = %run, code = %rejected.code, message = %rejected.message,
          "the run is no longer this host's; it stops here");
    health.let_go(run, rejected.code.to_string(), rejected.message.clone());
    runs.revoke(run).await;
    // One that could not be told so now is not offered at once again.
    park(journal, health, rejected).await
}
