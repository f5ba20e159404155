//! Going on with a run that the journal holds.
//!
//! The stored envelope is verified again before anything else: what is on the disk is obeyed no more than what comes over
//! the line. The records rebuild the state; no connector is called for what is recorded. What was under way when the host
//! stopped is given again by the state machine, which knows from the recorded intents whether a repetition is safe and
//! how often the host has stopped at this step before.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use flowforge_journal::OpenRun;
use flowforge_protocol::batch::{BatchError, records};
use flowforge_protocol::job::StartOrder;
use flowforge_protocol::record::{Event, Record};
use flowforge_workflow::{ApplyError, RunState};
use tracing::{error, info, warn};

use super::ledger::Ledger;
use super::recorder::Recorder;
use super::resting::{Over, Resting};
use super::service::Shared;
use super::task::{Control, Rest, RunTask};
use crate::backoff::Backoff;
use crate::order::{Refusal, Verified};
use crate::release::{LoadError, ReadyStart};
use crate::text::with_causes;

/// Why a run of the journal does not go on.
#[derive(Debug, thiserror::Error)]
enum ResumeError {
    /// Its stored order is not one that this host obeys.
    #[error("its stored order is refused")]
    Order(#[from] Refusal),
    /// Its records cannot be read.
    #[error("its records cannot be read")]
    Records(#[from] BatchError),
    /// Its records are not those of its order.
    #[error("its records do not belong to its stored order")]
    OtherOrder,
    /// A record does not fit its release.
    #[error("record {seq} does not fit its release")]
    Record {
        seq: u64,
        #[source]
        source: ApplyError,
    },
}

/// Rebuilds a run and drives it. One that cannot go on rests here: it hears what it is told, and ends when it is told to.
pub(super) async fn resume(shared: Arc<Shared>, open: OpenRun, control: Control) -> Rest {
    let run = open.log.run().clone();
    let readmitted = readmit(&shared, &open);
    drop((open.lines, open.envelope));
    let mut resting = Resting::new(shared, control, open.log);
    let (order, recorded) = match readmitted {
        Ok(found) => found,
        Err(error) => {
            error!(run_id = %run, error = %with_causes(&error), "the run does not go on; it rests");
            return resting.for_good(with_causes(&error)).await;
        }
    };
    let ready = match load(&mut resting, &order).await {
        Ok(ready) => ready,
        Err(over) => return resting.leave(over).await,
    };
    let count = recorded.len();
    let (state, ledger) = match replay(&ready, recorded) {
        Ok(replayed) => replayed,
        Err(error) => {
            error!(run_id = %run, error = %with_causes(&error), "the run does not go on; it rests");
            return resting.for_good(with_causes(&error)).await;
        }
    };
    let (shared, control, log) = resting.into_parts();
    let counts = &shared.resumed;
    counts.runs.fetch_add(1, Ordering::Relaxed);
    counts
        .records
        .fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    counts.steps.fetch_add(ledger.steps(), Ordering::Relaxed);
    info!(run_id = %run, records = count, steps = ledger.steps(), "run goes on");
    let release = Arc::clone(ready.release());
    RunTask::new(shared, control, release, state, Recorder::new(log), ledger)
        .run()
        .await
}

/// The run's order, let in again, and the records that follow from it.
fn readmit(shared: &Shared, open: &OpenRun) -> Result<(Arc<Verified<StartOrder>>, Vec<Record>), ResumeError> {
    let order = shared.gate.readmit(&open.envelope)?;
    let recorded = records(&open.lines, 0).collect::<Result<Vec<_>, _>>()?;
    let accepted = recorded.first().map(|record| &record.event);
    let same = matches!(accepted, Some(Event::Accepted { job, release, grants, .. })
        if *job == order.about().job && *release == order.order().release && *grants == order.order().grants)
        && order.about().run == *open.log.run();
    if !same {
        return Err(ResumeError::OtherOrder);
    }
    Ok((Arc::new(order), recorded))
}

fn replay(ready: &ReadyStart, recorded: Vec<Record>) -> Result<(RunState, Ledger), ResumeError> {
    let about = ready.order().about();
    let mut ledger = Ledger::new(about.job.clone());
    let mut state = RunState::new(Arc::clone(&ready.release().plan), about.run.clone());
    for record in recorded {
        let seq = record.seq;
        ledger.note(&record);
        state
            .apply_owned(record)
            .map_err(|source| ResumeError::Record { seq, source })?;
    }
    Ok((state, ledger))
}

/// The order with its release, however long it takes; an error when the run is over before, or the host stops.
async fn load(resting: &mut Resting, order: &Arc<Verified<StartOrder>>) -> Result<ReadyStart, Over> {
    let shared = Arc::clone(resting.shared());
    let run = &order.about().run;
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
    loop {
        let loaded = tokio::select! {
            loaded = shared.releases.make_ready(order) => loaded,
            () = shared.drain.cancelled() => return Err(Over::Stopping("the host is stopping".to_owned())),
        };
        let reason = match loaded {
            Ok(ready) => return Ok(ready),
            Err(LoadError::NotNow(reason)) => {
                warn!(run_id = %run, error = reason, "its release is not here yet");
                format!("its release is not here yet: {reason}")
            }
            Err(LoadError::Refused(refusal)) => {
                error!(run_id = %run, code = refusal.code(), error = %refusal, "its release cannot be loaded; it is tried again");
                format!("its release cannot be loaded ({}): {refusal}", refusal.code())
            }
        };
        let pause = tokio::time::sleep(backoff.next(shared.entropy.as_ref()));
        resting.until(reason, pause).await?;
    }
}
