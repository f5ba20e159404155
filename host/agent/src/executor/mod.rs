//! The executor: one task for each run on this host.
//!
//! Owns which runs are here and what each is doing. A run is driven by the pure state machine of `workflow`; this
//! module gives it time, records what it decides, and calls connectors for it. Leaves verification to admission and
//! storage to the journal. Invariants: a run has one task, and only that task adds records to it; a connector is called
//! only for a job that admission has built as [`VerifiedJob`]; a run's panic ends that run and nothing else.
//!
//! A waiting run keeps its state in memory (a few kilobytes for each thousand of its values) and holds no thread and no
//! timer but one; the number of runs is bounded by `max_runs`.

mod attempts;
mod end;
mod ledger;
mod logs;
mod receipt;
mod recorder;
mod redact;
mod resume;
mod run;
pub(crate) mod secrets;
mod step;
mod table;
mod told;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flowforge_failpoints::FailPoints;
use flowforge_journal::{
    AcceptError, Accepted, AppendError, Entry, JobRefused, Journal, NewRun, OpenRun, Stopped, Ticket,
};
use flowforge_protocol::batch::encode_record;
use flowforge_protocol::job::{Order, StartOrder};
use flowforge_protocol::record::{Event, Record};
use flowforge_protocol::{HostId, RunId, SigningKey};
use flowforge_runtime::artefacts::FileStore;
use flowforge_workflow::RunState;
use futures::FutureExt as _;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, error};

pub use self::table::RunCounts;

use self::ledger::Ledger;
use self::recorder::Recorder;
use self::run::{Control, Rest, RunMessage, RunTask};
use self::secrets::SecretStore;
use self::step::StepHost;
use self::table::{Phase, RunTable};
use crate::admission::{Refusal, VerifiedJob};
use crate::clock::{Clock, Entropy};
use crate::library::{LoadedRelease, ReleaseLibrary};
use crate::status::ResumedStatus;

/// Messages that wait for a run; senders wait when it is full.
const INBOX: usize = 64;

/// What an executor is made of.
pub(crate) struct ExecutorParts {
    pub(crate) journal: Journal,
    pub(crate) library: Arc<ReleaseLibrary>,
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

/// The executor. A cheap handle.
#[derive(Clone)]
pub struct Executor {
    shared: Arc<Shared>,
}

/// What all runs share.
struct Shared {
    journal: Journal,
    library: Arc<ReleaseLibrary>,
    host: HostId,
    signing: SigningKey,
    steps: Arc<StepHost>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    table: RunTable,
    max_runs: u32,
    failpoints: FailPoints,
    resumed: ResumedCounts,
    tasks: TaskTracker,
    drain: CancellationToken,
    halt: CancellationToken,
}

/// What was found of runs that went on after a start.
#[derive(Debug, Default)]
struct ResumedCounts {
    runs: AtomicU64,
    records: AtomicU64,
    steps: AtomicU64,
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

impl Executor {
    pub(crate) fn new(parts: ExecutorParts) -> Self {
        let turns = usize::try_from(parts.max_steps).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            shared: Arc::new(Shared {
                journal: parts.journal,
                library: parts.library,
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
                table: RunTable::default(),
                max_runs: parts.max_runs,
                failpoints: parts.failpoints,
                resumed: ResumedCounts::default(),
                tasks: TaskTracker::new(),
                drain: parts.drain,
                halt: parts.halt,
            }),
        }
    }

    /// Does what a verified job orders: starts a run, or tells one a decision or its cancellation.
    pub(crate) async fn take(&self, job: VerifiedJob) -> Result<Taken, OrderError> {
        match job.release() {
            Some(release) => {
                let release = Arc::clone(release);
                self.start(job, release).await
            }
            None => self.tell(job).await,
        }
    }

    async fn start(&self, job: VerifiedJob, release: Arc<LoadedRelease>) -> Result<Taken, OrderError> {
        let Order::Start(order) = &job.job().order else {
            return self.tell(job).await;
        };
        let run = job.job().run_id.clone();
        let first = Record {
            seq: 0,
            at_ms: self.shared.clock.now_ms(),
            event: accepted_event(job.job(), order),
        };
        let line = encode_record(&first).map_err(|error| Refusal::Document(error.to_string()))?;
        let new = NewRun {
            run: run.clone(),
            epoch: job.job().epoch,
            envelope: job.envelope().to_vec(),
            entry: Entry::lazy(line),
        };
        let (log, ticket) = match self.shared.journal.accept(job.entry(), new).await {
            Ok(Accepted::New(log, ticket)) => (log, ticket),
            Ok(Accepted::Again(ticket)) => return Ok(Taken::Waiting(ticket)),
            // The same run under a newly signed order: the first one expired on its way back.
            Err(AcceptError::RunExists(_)) => return self.remember(&job).await,
            Err(error) => return Err(refused_accept(error)),
        };
        let mut ledger = Ledger::new(job.job().job_id.clone());
        ledger.note(&first);
        let mut state = RunState::new(Arc::clone(&release.plan), run);
        if let Err(error) = state.apply_owned(first) {
            // Cannot be: the first record of a new run always applies. The journal has it; the resume path reports it.
            error!(run_id = %job.job().run_id, %error, "a new run does not begin");
            return Ok(Taken::Waiting(ticket));
        }
        self.drive(Recorder::new(log), release, state, ledger);
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
        let (to_self, inbox) = mpsc::channel(INBOX);
        let phase = self.shared.table.insert(run.clone(), epoch, to_self.clone());
        Control {
            inbox,
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
                () = halt.cancelled() => Ok(Rest::Resting),
            };
            match rest {
                Ok(Rest::Gone) => shared.table.remove(&run),
                Ok(Rest::Resting) => shared.table.rest(&run),
                Err(_) => {
                    error!(run_id = %run, "the run's task failed; it is read anew at the next start");
                    shared.table.rest(&run);
                }
            }
        });
    }

    /// Tells a run that is here what a person decided, or that it is to end.
    async fn tell(&self, job: VerifiedJob) -> Result<Taken, OrderError> {
        let run = job.job().run_id.clone();
        if let Some(ticket) = self.shared.journal.seen(&job.entry()).map_err(replayed)? {
            return Ok(Taken::Waiting(ticket));
        }
        let Some((sender, epoch)) = self.shared.table.find(&run) else {
            if self.shared.journal.knows(&run) {
                debug!(run_id = %run, "an order came for a run that has ended");
                return self.remember(&job).await;
            }
            return Err(Refusal::UnknownRun(run).into());
        };
        if job.job().epoch != epoch {
            return Err(Refusal::Epoch {
                run,
                found: job.job().epoch,
                expected: epoch,
            }
            .into());
        }
        let (reply, answer) = oneshot::channel();
        let message = RunMessage::Order {
            entry: job.entry(),
            order: Box::new(job.job().order.clone()),
            reply,
        };
        if sender.send(message).await.is_err() {
            return Err(OrderError::NotNow);
        }
        match answer.await {
            Ok(Ok(Some(ticket))) => Ok(Taken::Waiting(ticket)),
            Ok(Ok(None)) => self.remember(&job).await,
            Ok(Err(error)) => Err(refused_append(error)),
            Err(_) => Err(OrderError::NotNow),
        }
    }

    /// Remembers an order that changes nothing, so that its repetition is recognised.
    async fn remember(&self, job: &VerifiedJob) -> Result<Taken, OrderError> {
        match self.shared.journal.remember(job.entry()).await {
            Ok(ticket) => Ok(Taken::Waiting(ticket)),
            Err(AppendError::Job(JobRefused::Taken(_))) => Ok(Taken::Durable),
            Err(error) => Err(refused_append(error)),
        }
    }

    /// The run belongs to another host now: it stops here, and its records are dropped.
    pub(crate) async fn drop_run(&self, run: &RunId) {
        if let Some((sender, _)) = self.shared.table.find(run) {
            // A run that has just ended has nothing left to drop.
            let _ = sender.send(RunMessage::Drop).await;
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
        let held = u32::try_from(self.shared.table.len()).unwrap_or(u32::MAX);
        self.shared.max_runs.saturating_sub(held)
    }

    /// What the runs are doing.
    #[must_use]
    pub fn counts(&self) -> RunCounts {
        self.shared.table.counts()
    }

    /// The releases of this host.
    #[must_use]
    pub fn library(&self) -> Arc<ReleaseLibrary> {
        Arc::clone(&self.shared.library)
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

fn accepted_event(job: &flowforge_protocol::job::Job, order: &StartOrder) -> Event {
    Event::Accepted {
        job: job.job_id.clone(),
        release: order.release,
        grants: order.grants,
        input: order.input.clone(),
        trigger: order.trigger.clone(),
        traceparent: job.traceparent.clone(),
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
