//! Going on with a run that the journal holds.
//!
//! The records rebuild the state; no connector is called for what is recorded. What was under way when the host stopped
//! is given again by the state machine, which knows from the recorded intents whether a repetition is safe and how
//! often the host has stopped at this step before.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use flowforge_journal::OpenRun;
use flowforge_protocol::batch::records;
use flowforge_protocol::record::{Event, Record};
use flowforge_protocol::{Digest, RunId};
use flowforge_workflow::RunState;
use tracing::{error, info, warn};

use super::Shared;
use super::ledger::Ledger;
use super::recorder::Recorder;
use super::run::{Control, Rest, RunTask};
use crate::connectors::with_causes;
use crate::library::{LoadError, LoadedRelease};
use crate::link::backoff::Backoff;

/// Rebuilds a run and drives it.
pub(super) async fn resume(shared: Arc<Shared>, open: OpenRun, control: Control) -> Rest {
    let run = open.log.run().clone();
    let recorded = match records(&open.lines, 0).collect::<Result<Vec<_>, _>>() {
        Ok(recorded) => recorded,
        Err(error) => {
            error!(run_id = %run, error = %with_causes(&error), "its records cannot be read; it rests in the journal");
            return Rest::Resting;
        }
    };
    drop(open.lines);
    let Some(Record {
        event: Event::Accepted {
            job, release, grants, ..
        },
        ..
    }) = recorded.first()
    else {
        error!(run_id = %run, "its first record is not its acceptance; it rests in the journal");
        return Rest::Resting;
    };
    let mut ledger = Ledger::new(job.clone());
    let Some(release) = load(&shared, &run, *release, *grants).await else {
        return Rest::Resting;
    };
    let mut state = RunState::new(Arc::clone(&release.plan), run.clone());
    let records = recorded.len();
    for record in recorded {
        let seq = record.seq;
        ledger.note(&record);
        if let Err(error) = state.apply_owned(record) {
            error!(run_id = %run, seq, error = %with_causes(&error),
                   "a record does not fit its release; the run rests in the journal");
            return Rest::Resting;
        }
    }
    let counts = &shared.resumed;
    counts.runs.fetch_add(1, Ordering::Relaxed);
    counts
        .records
        .fetch_add(u64::try_from(records).unwrap_or(u64::MAX), Ordering::Relaxed);
    counts.steps.fetch_add(ledger.steps(), Ordering::Relaxed);
    info!(run_id = %run, records, steps = ledger.steps(), "run goes on");
    RunTask::new(shared, control, release, state, Recorder::new(open.log), ledger)
        .run()
        .await
}

/// The run's release, however long it takes; `None` when the host stops or the run goes to another host.
async fn load(
    shared: &Arc<Shared>,
    run: &RunId,
    release: Digest,
    grants: Digest,
) -> Option<Arc<LoadedRelease>> {
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
    loop {
        let loaded = tokio::select! {
            loaded = shared.library.load(release, grants) => loaded,
            () = shared.drain.cancelled() => return None,
        };
        match loaded {
            Ok(loaded) => return Some(loaded),
            Err(LoadError::NotNow(reason)) => {
                warn!(run_id = %run, error = reason, "its release is not here yet")
            }
            Err(LoadError::Refused(refusal)) => {
                error!(run_id = %run, code = refusal.code(), error = %refusal, "its release cannot be loaded; it is tried again");
            }
        }
        // What is told to the run meanwhile waits in its inbox.
        tokio::select! {
            () = tokio::time::sleep(backoff.next(shared.entropy.as_ref())) => {}
            () = shared.drain.cancelled() => return None,
        }
    }
}
