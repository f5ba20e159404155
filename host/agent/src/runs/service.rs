//! The runs of this host, as the rooms above see them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flowforge_failpoints::FailPoints;
use flowforge_journal::{
    AcceptError, Accepted, AppendError, Entry, JobRefused, Journal, NewRun, OpenRun, Stopped, Ticket,
};
use flowforge_protocol::batch::encode_record;
use flowforge_protocol::job::StartOrder;
use flowforge_protocol::record::{Event, Record};
use flowforge_protocol::sync::RestingRun;
use flowforge_protocol::{HostId, RunId, SigningKey};
use flowforge_runtime::artefacts::FileStore;
use flowforge_workflow::RunState;
use futures::FutureExt as _;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, error};

use super::ledger::Ledger;
use super::mailbox::{Change, RunMessage};
use super::recorder::Recorder;
use super::registry::{Phase, Registry};
use super::resume;
use super::step::StepHost;
use super::task::{Control, Rest, RunTask};
use crate::clock::{Clock, Entropy};
use crate::health::{ResumedStatus, RunCounts, StandingRun};
use crate::order::{About, Gate, Refusal, Verified, VerifiedOrder};
use crate::release::{LoadedRelease, ReadyStart, Releases};
use crate::secrets::SecretStore;

/// Messages that wait for a run. When it is full, attempts of the run wait, and orders are offered again later.
const MAILBOX: usize = 64;
/// How long a run may take to answer an order.
const TELL_TIMEOUT: Duration = Duration::from_secs(5);

/// What the runs need.
pub(crate) struct RunsParts {
    pub(crate) journal: Journal,
    pub(crate) gate: Gate,
    pub(crate) releases: Arc<Releases>,
    pub(crate) workspace: String,
    pub(crate) host: HostId,
    pub(crate) signing: SigningKey,
    pub(crate) secrets: SecretStore,
    pub(crate) artefacts: Arc<FileStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) max_steps: u32,
    pub(crate) max_runs: u32,
    pub(crate) failpoints: FailPoints,
    /// No new step starts; running ones end.
    pub(crate) drain: CancellationToken,
    /// Everything stops where it is.
    pub(crate) halt: CancellationToken,
}

/// The runs of this host. A cheap handle.
#[derive(Clone)]
pub struct Runs {
    shared: Arc<Shared>,
}

/// What all runs share.
pub(super) struct Shared {
    pub(super) journal: Journal,
    pub(super) gate: Gate,
    pub(super) releases: Arc<Releases>,
    pub(super) workspace: String,
    pub(super) host: HostId,
    pub(super) signing: SigningKey,
    pub(super) steps: Arc<StepHost>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    registry: Registry,
    max_runs: u32,
    pub(super) failpoints: FailPoints,
    pub(super) resumed: ResumedCounts,
    tasks: TaskTracker,
    pub(super) drain: CancellationToken,
    pub(super) halt: CancellationToken,
}

/// What was found of runs that went on after a start.
#[derive(Debug, Default)]
pub(super) struct ResumedCounts {
    pub(super) runs: AtomicU64,
    pub(super) records: AtomicU64,
    pub(super) steps: AtomicU64,
}

/// What became of an order.
pub(crate) enum Taken {
    /// It began a run; `received` may be said when the ticket is durable, and records to be sent are durable with it.
    Begun(Ticket),
    /// It is in the journal; `received` may be said when the ticket is durable.
    Waiting(Ticket),
    /// It is durable.
    Durable,
}

/// Why an order was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    /// It must not be done here.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The run cannot hear it now; offer it again.
    #[error("the run cannot be reached now")]
    NotNow,
    /// The journal has stopped: nothing can be said about it.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Runs {
    pub(crate) fn new(parts: RunsParts) -> Self {
        let turns = usize::try_from(parts.max_steps).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            shared: Arc::new(Shared {
                journal: parts.journal,
                gate: parts.gate,
                releases: parts.releases,
                workspace: parts.workspace.clone(),
                host: parts.host,
                signing: parts.signing,
                steps: Arc::new(StepHost {
                    failpoints: parts.failpoints.clone(),
                    workspace: parts.workspace,
                    turns: Arc::new(Semaphore::new(turns)),
                    secrets: Arc::new(parts.secrets),
                    artefacts: parts.artefacts,
                    clock: Arc::clone(&parts.clock),
                    entropy: Arc::clone(&parts.entropy),
                }),
                clock: parts.clock,
                entropy: parts.entropy,
                registry: Registry::default(),
                max_runs: parts.max_runs,
                failpoints: parts.failpoints,
                resumed: ResumedCounts::default(),
                tasks: TaskTracker::new(),
                drain: parts.drain,
                halt: parts.halt,
            }),
        }
    }

    /// Starts a run.
    pub(crate) async fn start(&self, ready: &ReadyStart) -> Result<Taken, OrderError> {
        let order = ready.order();
        let about = order.about();
        let shared = &self.shared;
        let most = usize::try_from(shared.max_runs).unwrap_or(usize::MAX);
        let place = shared.registry.reserve(most);
        // The same order again, or the same run under a newer one, needs no place.
        if place.is_none() && !shared.journal.knows(&about.run) {
            return Err(OrderError::NotNow);
        }
        let first = Record {
            seq: 0,
            at_ms: self.shared.clock.now_ms(),
            event: accepted_event(order),
        };
        let line = encode_record(&first).map_err(|error| Refusal::Document(error.to_string()))?;
        let new = NewRun {
            run: about.run.clone(),
            epoch: about.epoch,
            envelope: about.envelope.clone(),
            entry: Entry::lazy(line),
        };
        let (log, ticket) = match self.shared.journal.accept(about.entry.clone(), new).await {
            Ok(Accepted::New(log, ticket)) => (log, ticket),
            Ok(Accepted::Again(ticket)) => return Ok(Taken::Waiting(ticket)),
            // The same run under a newly signed order: the first one expired on its way back.
            Err(AcceptError::RunExists(_)) => return self.remember(about).await,
            Err(error) => return Err(refused_accept(error)),
        };
        let mut ledger = Ledger::new(about.job.clone());
        ledger.note(&first);
        let mut state = RunState::new(Arc::clone(&ready.release().plan), about.run.clone());
        if let Err(error) = state.apply_owned(first) {
            // Cannot be: the first record of a new run always applies. The journal has it; the resume path reports it.
            error!(run_id = %about.run, %error, "a new run does not begin");
            return Ok(Taken::Waiting(ticket));
        }
        self.drive(Recorder::new(log), Arc::clone(ready.release()), state, ledger);
        Ok(Taken::Begun(ticket))
    }

    /// Starts the task of a run.
    fn drive(&self, recorder: Recorder, release: Arc<LoadedRelease>, state: RunState, ledger: Ledger) {
        let run = state.run().clone();
        let control = self.control(&run, recorder.epoch());
        let task = RunTask::new(
            Arc::clone(&self.shared),
            control,
            release,
            state,
            recorder,
            ledger,
        );
        self.spawn(run, task.run());
    }

    /// Makes a run reachable.
    fn control(&self, run: &RunId, epoch: u64) -> Control {
        let (to_self, mailbox) = mpsc::channel(MAILBOX);
        let phase = self.shared.registry.insert(run.clone(), epoch, to_self.clone());
        Control {
            mailbox,
            to_self,
            phase,
        }
    }

    fn spawn(&self, run: RunId, task: impl Future<Output = Rest> + Send + 'static) {
        let shared = Arc::clone(&self.shared);
        self.shared.tasks.spawn(async move {
            let halt = shared.halt.clone();
            let rest = tokio::select! {
                rest = AssertUnwindSafe(task).catch_unwind() => rest,
                () = halt.cancelled() => Ok(Rest::Resting("the host is stopping".to_owned())),
            };
            match rest {
                Ok(Rest::Gone) => shared.registry.remove(&run),
                Ok(Rest::Resting(reason)) => shared.registry.rest(&run, reason),
                Err(_) => {
                    error!(run_id = %run, "the run's task failed; it is read anew at the next start");
                    let reason = "the host's own code failed on it; it goes on at the next start of the host";
                    shared.registry.rest(&run, reason.to_owned());
                }
            }
        });
    }

    /// Tells a run that is here what a person decided, or that it is to end. A start has its own way.
    pub(crate) async fn tell(&self, order: &VerifiedOrder) -> Result<Taken, OrderError> {
        let about = order.about();
        let change = match order {
            VerifiedOrder::Decide(decide) => Change::Decide(decide.order().clone()),
            VerifiedOrder::Cancel(cancel) => Change::Cancel(cancel.order().clone()),
            VerifiedOrder::Start(_) => return self.remember(about).await,
        };
        if let Some(ticket) = self.shared.journal.seen(&about.entry).map_err(replayed)? {
            return Ok(Taken::Waiting(ticket));
        }
        let Some((sender, epoch)) = self.shared.registry.find(&about.run) else {
            if self.shared.journal.knows(&about.run) {
                debug!(run_id = %about.run, "an order came for a run that has ended");
                return self.remember(about).await;
            }
            return Err(Refusal::UnknownRun(about.run.clone()).into());
        };
        if about.epoch != epoch {
            return Err(Refusal::Epoch {
                run: about.run.clone(),
                found: about.epoch,
                expected: epoch,
            }
            .into());
        }
        let (reply, answer) = oneshot::channel();
        let message = RunMessage::Change {
            entry: about.entry.clone(),
            change: Box::new(change),
            reply,
        };
        if sender.try_send(message).is_err() {
            return Err(OrderError::NotNow);
        }
        // A run that is slow to answer may still do it; the journal knows the order then, when it is offered again.
        match tokio::time::timeout(TELL_TIMEOUT, answer).await {
            Ok(Ok(Ok(Some(ticket)))) => Ok(Taken::Waiting(ticket)),
            Ok(Ok(Ok(None))) => self.remember(about).await,
            Ok(Ok(Err(error))) => Err(refused_append(error)),
            Ok(Err(_)) | Err(_) => Err(OrderError::NotNow),
        }
    }

    /// Remembers an order that changes nothing, so that its repetition is recognised.
    async fn remember(&self, about: &About) -> Result<Taken, OrderError> {
        match self.shared.journal.remember(about.entry.clone()).await {
            Ok(ticket) => Ok(Taken::Waiting(ticket)),
            Err(AppendError::Job(JobRefused::Taken(_))) => Ok(Taken::Durable),
            Err(error) => Err(refused_append(error)),
        }
    }

    /// The run belongs to another host now: it stops here, and its records are dropped.
    pub(crate) async fn revoke(&self, run: &RunId) {
        if let Some((sender, _)) = self.shared.registry.find(run) {
            // A run that has just ended has nothing left to drop; one that does not read its mailbox is told again when its
            // records are rejected again.
            let _ = tokio::time::timeout(TELL_TIMEOUT, sender.send(RunMessage::Drop)).await;
        }
    }

    /// Goes on with the runs that a journal holds.
    pub(crate) fn resume_all(&self, runs: Vec<OpenRun>) {
        for open in runs {
            let run = open.log.run().clone();
            let control = self.control(&run, open.log.epoch());
            control.phase.set(Phase::Loading);
            self.spawn(run, resume::resume(Arc::clone(&self.shared), open, control));
        }
    }

    /// How many more runs may come.
    #[must_use]
    pub fn room(&self) -> u32 {
        let held = u32::try_from(self.shared.registry.len()).unwrap_or(u32::MAX);
        self.shared.max_runs.saturating_sub(held)
    }

    /// What the runs are doing.
    #[must_use]
    pub fn counts(&self) -> RunCounts {
        self.shared.registry.counts()
    }

    /// Up to `most` runs that wait or rest, with the reason: those that rest first.
    #[must_use]
    pub fn standing(&self, most: usize) -> Vec<StandingRun> {
        self.shared.registry.standing(most)
    }

    /// Every run that rests, with the reason.
    #[must_use]
    pub fn resting(&self) -> Vec<RestingRun> {
        self.shared.registry.resting()
    }

    /// What was found of the runs that went on after the start.
    #[must_use]
    pub fn resumed(&self) -> ResumedStatus {
        let resumed = &self.shared.resumed;
        ResumedStatus {
            runs: resumed.runs.load(Ordering::Relaxed),
            records: resumed.records.load(Ordering::Relaxed),
            steps: resumed.steps.load(Ordering::Relaxed),
        }
    }

    /// Returns when every run's task has ended; only after the drain or halt token was cancelled.
    pub(crate) async fn idle(&self) {
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

fn accepted_event(start: &Verified<StartOrder>) -> Event {
    let (about, order) = (start.about(), start.order());
    Event::Accepted {
        job: about.job.clone(),
        release: order.release,
        grants: order.grants,
        input: order.input.clone(),
        trigger: order.trigger.clone(),
        traceparent: about.traceparent.clone(),
    }
}

fn refused_accept(error: AcceptError) -> OrderError {
    match error {
        AcceptError::Append(error) => refused_append(error),
        error => {
            debug!(%error, "a job has to wait");
            OrderError::NotNow
        }
    }
}

fn refused_append(error: AppendError) -> OrderError {
    match error {
        AppendError::Stopped(stopped) => stopped.into(),
        AppendError::Job(refused) => replayed(refused),
        error => {
            debug!(%error, "a job has to wait");
            OrderError::NotNow
        }
    }
}

fn replayed(refused: JobRefused) -> OrderError {
    match refused {
        JobRefused::TooOld { .. } => Refusal::TooOld(refused.to_string()).into(),
        refused => Refusal::Replay(refused.to_string()).into(),
    }
}
