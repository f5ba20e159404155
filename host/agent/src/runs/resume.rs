//! Going on with a run that the journal holds.
//!
//! The stored envelope is verified again before anything else: what is on the disk is obeyed no more than what comes over
//! the line. The newest snapshot and the records behind it rebuild the state; no connector is called for what is recorded.
//! A snapshot that does not fit is a shortcut that is not taken: then all records are read. What was under way when the host
//! stopped is given again by the state machine, which knows from the recorded intents whether a repetition is safe and
//! how often the host has stopped at this step before.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use flowforge_journal::{CrashedStep, OpenRun, ReadError, Snapshot};
use flowforge_protocol::chain::{ChainError, records};
use flowforge_protocol::record::{Accepted, Record};
use flowforge_protocol::{Digest, NodeId, RunId, StepKey};
use flowforge_workflow::run::SEMANTICS;
use flowforge_workflow::{ApplyError, Execution, NodeState, RunState, ViewOnly};
use tracing::{error, info, warn};

use super::halt::Rest;
use super::lean::{is_lean, whole};
use super::marking::Marking;
use super::recorder::{Recorder, Sealing};
use super::resting::{Over, Resting};
use super::service::Shared;
use super::task::{Control, RunTask};
use super::wait::Wait;
use crate::apart::Stopping;
use crate::backoff::Backoff;
use crate::order::{Refusal, RunOrder, Verified};
use crate::release::{LoadError, ReadyRun};
use crate::text::with_causes;

/// A pure step during which the host died so often is not tried again by itself: what a step computes is the likeliest
/// reason.
const PURE_CRASHES_MAX: u32 = 3;
/// The same of a step that asks something outside. It takes long and is under way whenever a host is killed, so that more
/// deaths than these few say nothing of it; it is bounded so that one that kills its host does so no more.
const EFFECT_CRASHES_MAX: u32 = 20;

/// Why a run of the journal does not go on.
#[derive(Debug, thiserror::Error)]
enum ResumeError {
    /// Its stored order is not one that this host obeys.
    #[error("its stored order is refused")]
    Order(#[from] Refusal),
    /// Its records cannot be read.
    #[error("its records cannot be read")]
    Records(#[from] ChainError),
    /// Its records cannot be read once more.
    #[error("its records cannot be read")]
    Read(#[from] ReadError),
    /// Its records are not those of its order.
    #[error("its records do not belong to its stored order")]
    OtherOrder,
    /// The host stops.
    #[error(transparent)]
    Stopping(#[from] Stopping),
    /// It can only be shown here.
    #[error("it can only be shown")]
    ViewOnly(#[from] ViewOnly),
    /// A record does not fit its release.
    #[error("record {seq} does not fit its release")]
    Record {
        seq: u64,
        #[source]
        source: ApplyError,
    },
}

/// What is known of a run before its release is loaded.
struct Stored {
    snapshot: Option<Snapshot>,
    /// Those behind the snapshot.
    records: Vec<Record>,
}

/// Reads a run from the journal, rebuilds it and drives it. One that cannot go on rests here: it hears what it is told,
/// and ends when it is told to.
pub(super) async fn resume(shared: Arc<Shared>, run: RunId, control: Control) -> Rest {
    let open = match read(&shared, &run).await {
        Ok(open) => open,
        Err(rest) => return rest,
    };
    let readmitted = readmit(&shared, &open);
    let mut resting = Resting::new(shared, control, open.log);
    let (order, records) = match readmitted {
        Ok(found) => found,
        Err(error) => return rest_for_good(resting, &error).await,
    };
    if let Some(life_ms) = order.order().lease_ms() {
        let shared = resting.shared();
        shared.leases.note(&run, life_ms);
        if !shared.leases.is_held(&run, shared.clock.monotonic_ms()) {
            return wait_for_lease(&resting).await;
        }
    }
    let releases = Arc::clone(&resting.shared().releases);
    let mut ready = match load(&mut resting, || releases.with_release(&order)).await {
        Ok(ready) => ready,
        Err(over) => return resting.leave(over).await,
    };
    let behind = u64::try_from(records.len()).unwrap_or(u64::MAX);
    let stored = Stored {
        snapshot: open.snapshot,
        records,
    };
    let state = match rebuild(resting.shared(), &ready, stored).await {
        Ok(state) => state,
        Err(error) => return rest_for_good(resting, &error).await,
    };
    if let Some(crashed) = open
        .crashed
        .iter()
        .find(|step| step.crashes >= crashes_max(&state, &step.step))
    {
        error!(run_id = %run, step = %crashed.step, crashes = crashed.crashes, "the host died again and again during a step; its run rests");
        return resting.for_good(needs_review(crashed)).await;
    }
    if lacks_results(&state, order.order()) {
        match load(&mut resting, || releases.results_before(order.order())).await {
            Ok(results) => ready.give(results),
            Err(over) => return resting.leave(over).await,
        }
    }
    let (shared, control, log) = resting.into_parts();
    info!(run_id = %run, records = state.next_seq(), read = behind, "run goes on");
    let release = Arc::clone(ready.release());
    let recorder = Recorder::new(log, behind, Sealing::new(&shared));
    let execution = Execution::new(state, ready.given().clone());
    let marking = match open.crashed.is_empty() {
        false => Marking::All,
        true if shared.careful_resumes.take() => Marking::CAREFUL,
        true => Marking::First,
    };
    let quota = shared.registry.quota(&run).quota();
    RunTask::new(shared, control, release, execution, recorder)
        .within(quota)
        .marking(marking)
        .run()
        .await
}

/// It goes on when the control plane says that it is still this host's.
async fn wait_for_lease(resting: &Resting) -> Rest {
    let (shared, run, wait) = (resting.shared(), resting.run(), Wait::of_lease());
    // No time ends this wait.
    match shared.journal.set_standing(run, wait.standing()).await {
        Ok(_) => Rest::Asleep(wait),
        Err(error) => Rest::Resting(with_causes(&error)),
    }
}

async fn rest_for_good(resting: Resting, error: &ResumeError) -> Rest {
    error!(run_id = %resting.run(), error = %with_causes(error), "the run does not go on; it rests");
    resting.for_good(with_causes(error)).await
}

/// What the journal has of a run. One that cannot be read rests without a task: its inbox keeps what it is told.
async fn read(shared: &Shared, run: &RunId) -> Result<OpenRun, Rest> {
    let Ok(_turn) = shared.loads.acquire().await else {
        return Err(Rest::Resting("the host is stopping".to_owned()));
    };
    shared.journal.load(run, SEMANTICS).await.map_err(|error| {
        error!(run_id = %run, error = %with_causes(&error), "the run cannot be read; it rests");
        Rest::Resting(with_causes(&error))
    })
}

/// How often the host may die during this step before its run rests.
fn crashes_max(state: &RunState, step: &StepKey) -> u32 {
    if state.is_pure(step) {
        PURE_CRASHES_MAX
    } else {
        EFFECT_CRASHES_MAX
    }
}

/// Why a run rests during whose step the host died too often.
fn needs_review(crashed: &CrashedStep) -> String {
    format!(
        "it needs review (FF-RUN-102): the host died {} times while step {} was under way; cancel it, or start it anew \
         when the step is mended",
        crashed.crashes, crashed.step
    )
}

/// The run's order, let in again, and the records that were read.
fn readmit(shared: &Shared, open: &OpenRun) -> Result<(Arc<Verified<RunOrder>>, Vec<Record>), ResumeError> {
    let order = shared.gate.readmit_run(&open.envelope)?;
    let fetch = |digest: &Digest| open.values.get(digest).cloned();
    let recorded = records(&open.lines, open.first_seq, &fetch).collect::<Result<Vec<_>, _>>()?;
    Ok((Arc::new(order), recorded))
}

/// Whether the run is still to take results from the generation before: the host stopped while it took them.
fn lacks_results(state: &RunState, order: &RunOrder) -> bool {
    let Some(reuse) = order.reuse() else {
        return false;
    };
    let nodes: BTreeSet<NodeId> = reuse.steps.iter().map(|step| step.node).collect();
    let view = state.view();
    view.nodes.iter().any(|row| {
        let is_open = matches!(row.state, NodeState::Pending | NodeState::Running);
        is_open && nodes.contains(&row.node)
    })
}

/// Whether these records are those of the order.
fn is_of(order: &Verified<RunOrder>, accepted: &Accepted) -> bool {
    let about = order.about();
    let (release, grants) = (order.order().release(), order.order().grants());
    let is_begun_by_it = match order.order() {
        RunOrder::Start(_) => *accepted.origin.job() == about.job,
        // Another order began it; its records came with the chain value that this one names.
        RunOrder::Resume(_) => accepted.workspace == about.workspace && accepted.project == about.project,
    };
    is_begun_by_it && accepted.release == release && accepted.grants == grants
}

/// The state of the run: its snapshot and the records behind it, or all its records.
async fn rebuild(shared: &Shared, ready: &ReadyRun, stored: Stored) -> Result<RunState, ResumeError> {
    let run = &ready.order().about().run;
    let plan = || Arc::clone(&ready.release().plan);
    let Some(mut snapshot) = stored.snapshot else {
        let state = RunState::new(plan(), run.clone());
        return replay(shared, ready, state, stored.records).await;
    };
    if is_lean(&snapshot.bytes)
        && let Some(bytes) = whole(&snapshot.bytes, &shared.journal.values(run).await?)
    {
        snapshot.bytes = bytes;
    }
    match RunState::restore(plan(), run, snapshot.seq, &snapshot.bytes) {
        Ok(state) => replay(shared, ready, state, stored.records).await,
        Err(error) => {
            warn!(run_id = %run, error = %with_causes(&error), "a snapshot is not used; all records are read");
            let batches = shared.journal.batches(run).await?.unwrap_or_default();
            let all: Vec<u8> = batches.into_iter().flat_map(|batch| batch.lines).collect();
            let values = shared.journal.values(run).await?;
            let fetch = |digest: &Digest| values.get(digest).cloned();
            let all = records(&all, 0, &fetch).collect::<Result<Vec<_>, _>>()?;
            let state = RunState::new(plan(), run.clone());
            replay(shared, ready, state, all).await
        }
    }
}

async fn replay(
    shared: &Shared,
    ready: &ReadyRun,
    state: RunState,
    recorded: Vec<Record>,
) -> Result<RunState, ResumeError> {
    let state = if state.plan().computes_in_replay() {
        let applied = move |_: &_| apply_all(state, recorded);
        shared.readings.run(None, applied).await??
    } else {
        apply_all(state, recorded)?
    };
    if let Some(why) = state.view_only() {
        return Err(why.clone().into());
    }
    match state.facts().accepted() {
        Some(accepted) if is_of(ready.order(), accepted) => Ok(state),
        _ => Err(ResumeError::OtherOrder),
    }
}

fn apply_all(mut state: RunState, recorded: Vec<Record>) -> Result<RunState, ResumeError> {
    for record in recorded {
        let seq = record.seq;
        state
            .apply_owned(record)
            .map_err(|source| ResumeError::Record { seq, source })?;
    }
    Ok(state)
}

/// What the run needs, however long it takes; an error when the run is over before, or the host stops.
async fn load<T, F>(resting: &mut Resting, ask: impl Fn() -> F) -> Result<T, Over>
where
    F: Future<Output = Result<T, LoadError>>,
{
    let shared = Arc::clone(resting.shared());
    let run = resting.run().clone();
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
    loop {
        let loaded = tokio::select! {
            loaded = ask() => loaded,
            () = shared.drain.cancelled() => return Err(Over::Stopping("the host is stopping".to_owned())),
        };
        let reason = match loaded {
            Ok(loaded) => return Ok(loaded),
            Err(LoadError::NotNow(reason)) => {
                warn!(run_id = %run, error = reason, "what it needs is not here yet");
                format!("what it needs is not here yet: {reason}")
            }
            Err(LoadError::Refused(refusal)) => {
                error!(run_id = %run, code = refusal.code(), error = %refusal, "what it needs cannot be loaded; it is tried again");
                format!("what it needs cannot be loaded ({}): {refusal}", refusal.code())
            }
        };
        let pause = tokio::time::sleep(backoff.next(shared.entropy.as_ref()));
        resting.until(reason, pause).await?;
    }
}
