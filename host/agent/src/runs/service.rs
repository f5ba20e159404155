//! The runs of this host, as the rooms above see them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flowforge_failpoints::FailPoints;
use flowforge_journal::{
    AcceptError, AppendError, DamagedRun, DeliverError, Delivered, Head, HeadState, JobRefused, Journal,
    Stopped, Ticket,
};
use flowforge_protocol::progress::StepProgress;
use flowforge_protocol::sync::RestingRun;
use flowforge_protocol::{HostId, RunId};
use flowforge_runtime::artefacts::FileStore;
use flowforge_telemetry::Telemetry;
use flowforge_workflow::Execution;
use futures::FutureExt as _;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, info};

use super::halt::Rest;
use super::leases::Leases;
use super::mailbox::RunMessage;
use super::marking::{Careful, Marking};
use super::progress::Board;
use super::recorder::Recorder;
use super::registry::{Phase, Reach, Registry};
use super::resume;
use super::sleepers::Alarm;
use super::step::StepHost;
use super::task::{Control, RunTask};
use crate::apart::Apart;
use crate::clock::{Clock, Entropy};
use crate::health::{ResumedStatus, RunCounts, StandingRun};
use crate::order::{Gate, Outgoing, Refusal, VerifiedOrder};
use crate::release::{LoadedRelease, Releases};
use crate::secrets::SecretStore;

/// Messages that wait for a run. When it is full, attempts of the run wait, and orders are offered again later.
pub(super) const MAILBOX: usize = 64;
/// How long a run may take to hear that another host has it.
pub(super) const TELL_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause before a run is looked for again that is just falling asleep, waking or ending.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Runs that are read from the journal at the same time.
const LOADS_MAX: usize = 16;
/// So many new runs after a start that followed a death are durable before their first attempts begin: a run that takes
/// the host down at once is among the first that come again, and is known for it then.
const CAREFUL_RUNS: u32 = 256;
/// The same of runs that go on: more than go on at once.
const CAREFUL_RESUMES: u32 = 2_048;
/// Fencing number of a run whose head is damaged.
pub(super) const UNKNOWN_EPOCH: u64 = 0;

/// What the runs need.
pub(crate) struct RunsParts {
    pub(crate) journal: Journal,
    pub(crate) gate: Gate,
    /// Answers that wait for the next upload.
    pub(crate) outgoing: Outgoing,
    pub(crate) releases: Arc<Releases>,
    pub(crate) host: HostId,
    pub(crate) secrets: SecretStore,
    pub(crate) artefacts: Arc<FileStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) max_steps: u32,
    /// Where records are read again.
    pub(crate) readings: Apart,
    /// How long the expressions of one step may take.
    pub(crate) evaluation_timeout: Duration,
    /// Larger values, in bytes, are kept once by the journal.
    pub(crate) inline_bytes: usize,
    /// Whom runs are told to, if anybody.
    pub(crate) telemetry: Option<Telemetry>,
    pub(crate) max_runs: u32,
    pub(crate) max_waiting: u32,
    pub(crate) failpoints: FailPoints,
    /// No new step starts; running ones end.
    pub(crate) drain: CancellationToken,
    /// Everything stops where it is.
    pub(crate) halt: CancellationToken,
}

/// The runs of this host. A cheap handle.
#[derive(Clone)]
pub struct Runs {
    pub(super) shared: Arc<Shared>,
}

/// What all runs share.
pub(super) struct Shared {
    pub(super) journal: Journal,
    pub(super) gate: Gate,
    pub(super) outgoing: Outgoing,
    pub(super) releases: Arc<Releases>,
    /// The journal took no new run: none is wanted before this monotonic time.
    pub(super) full_until_ms: AtomicU64,
    /// New runs with which care is still to be taken.
    careful_runs: Careful,
    /// The same of runs that go on.
    pub(super) careful_resumes: Careful,
    /// How many runs are read from the journal at the same time.
    pub(super) loads: Semaphore,
    /// Where records are read again.
    pub(super) readings: Apart,
    /// Where expressions are evaluated that take long.
    pub(super) evaluations: Apart,
    pub(super) evaluation_timeout: Duration,
    /// Held while the list of runs that were given up changes.
    pub(super) given_up: tokio::sync::Mutex<()>,
    pub(super) host: HostId,
    pub(super) steps: Arc<StepHost>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) registry: Registry,
    pub(super) alarm: Alarm,
    pub(super) leases: Arc<Leases>,
    pub(super) inline_bytes: usize,
    pub(super) telemetry: Option<Telemetry>,
    pub(super) max_runs: u32,
    max_waiting: u32,
    pub(super) failpoints: FailPoints,
    resumed: ResumedCounts,
    pub(super) tasks: TaskTracker,
    pub(super) drain: CancellationToken,
    pub(super) halt: CancellationToken,
}

/// What was found of unfinished runs at the start.
#[derive(Debug, Default)]
pub(super) struct ResumedCounts {
    runs: AtomicU64,
    records: AtomicU64,
}

/// What became of an order.
pub(crate) enum Taken {
    /// It began a run; `received` may be said when the ticket is durable, and records to be sent are durable with it.
    Begun(Ticket),
    /// It is in the journal; `received` may be said when the ticket is durable.
    Waiting(Ticket),
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
        let leases = Arc::<Leases>::default();
        Self {
            shared: Arc::new(Shared {
                journal: parts.journal.clone(),
                gate: parts.gate,
                outgoing: parts.outgoing,
                releases: parts.releases,
                full_until_ms: AtomicU64::new(0),
                careful_runs: Careful::default(),
                careful_resumes: Careful::default(),
                loads: Semaphore::new(LOADS_MAX),
                readings: parts.readings,
                evaluations: Apart::default(),
                evaluation_timeout: parts.evaluation_timeout,
                given_up: tokio::sync::Mutex::default(),
                host: parts.host,
                steps: Arc::new(StepHost {
                    journal: parts.journal.clone(),
                    failpoints: parts.failpoints.clone(),
                    turns: Arc::new(Semaphore::new(turns)),
                    secrets: Arc::new(parts.secrets),
                    artefacts: parts.artefacts,
                    clock: Arc::clone(&parts.clock),
                    entropy: Arc::clone(&parts.entropy),
                    progress: Board::default(),
                    leases: Arc::clone(&leases),
                }),
                clock: parts.clock,
                entropy: parts.entropy,
                registry: Registry::default(),
                alarm: Alarm::default(),
                leases,
                inline_bytes: parts.inline_bytes,
                telemetry: parts.telemetry,
                max_runs: parts.max_runs,
                max_waiting: parts.max_waiting,
                failpoints: parts.failpoints,
                resumed: ResumedCounts::default(),
                tasks: TaskTracker::new(),
                drain: parts.drain,
                halt: parts.halt,
            }),
        }
    }

    /// Starts the task of a run.
    pub(super) fn drive(&self, recorder: Recorder, release: Arc<LoadedRelease>, execution: Execution) {
        let run = execution.state().run().clone();
        let control = self.control(&run, recorder.epoch());
        let task = RunTask::new(Arc::clone(&self.shared), control, release, execution, recorder);
        let task = if self.shared.careful_runs.take() {
            task.marking(Marking::CAREFUL)
        } else {
            task
        };
        self.spawn(run, task.run());
    }

    /// The process before this one died, maybe of something of which no mark was durable yet: of such a thing no deaths can
    /// be counted. The next new runs, and those that go on, are durable with the marks of what they begin with before that
    /// begins.
    pub(crate) fn be_careful(&self) {
        self.shared.careful_runs.set(CAREFUL_RUNS);
        self.shared.careful_resumes.set(CAREFUL_RESUMES);
    }

    /// Makes a run reachable.
    pub(super) fn control(&self, run: &RunId, epoch: u64) -> Control {
        let (to_self, mailbox) = mpsc::channel(MAILBOX);
        let phase = self.shared.registry.insert(run.clone(), epoch, to_self.clone());
        Control {
            mailbox,
            to_self,
            phase,
        }
    }

    pub(super) fn spawn(&self, run: RunId, task: impl Future<Output = Rest> + Send + 'static) {
        let runs = self.clone();
        self.shared.tasks.spawn(async move {
            let shared = &runs.shared;
            let halt = shared.halt.clone();
            let rest = tokio::select! {
                rest = AssertUnwindSafe(task).catch_unwind() => rest,
                () = halt.cancelled() => Ok(Rest::Resting("the host is stopping".to_owned())),
            };
            match rest {
                Ok(Rest::Gone) => {
                    shared.leases.remove(&run);
                    shared.registry.remove(&run);
                }
                Ok(Rest::Asleep(wait)) => runs.fell_asleep(&run, wait),
                Ok(Rest::Resting(reason)) => {
                    shared.registry.rest(&run, reason);
                    runs.give_up_if_told(&run).await;
                }
                Err(_) => {
                    error!(run_id = %run, "the run's task failed; it is read anew at the next start");
                    let reason = "the host's own code failed on it; it goes on at the next start of the host";
                    shared.registry.rest(&run, reason.to_owned());
                }
            }
        });
    }

    /// Keeps a decision or a cancellation for its run, whatever state that is in, until it took effect. A start has its
    /// own way.
    ///
    /// A run that is not here is said to be unknown, so that the control plane can show it; its order is kept all the same,
    /// because it may have overtaken the start.
    pub(crate) async fn tell(&self, order: &VerifiedOrder) -> Result<Taken, OrderError> {
        let about = order.about();
        if let Some((_, epoch)) = self.shared.registry.find(&about.run)
            && epoch != UNKNOWN_EPOCH
            && about.epoch != epoch
        {
            return Err(Refusal::Epoch {
                run: about.run.clone(),
                found: about.epoch,
                expected: epoch,
            }
            .into());
        }
        if let Some(by) = order.erasure() {
            return self.erase(about, by).await;
        }
        if let Some(given_up) = self.give_up(order).await {
            return Err(given_up);
        }
        let journal = &self.shared.journal;
        let delivered = journal
            .deliver(&about.run, about.envelope.clone(), about.entry.clone())
            .await
            .map_err(refused_delivery)?;
        if !journal.knows(&about.run) {
            return Err(Refusal::UnknownRun(about.run.clone()).into());
        }
        match delivered {
            Delivered::Waiting(_, ticket) => {
                self.nudge(order).await;
                Ok(Taken::Waiting(ticket))
            }
            Delivered::Again(ticket) | Delivered::Over(ticket) => Ok(Taken::Waiting(ticket)),
        }
    }

    /// Has a run look into its inbox, where this order is.
    async fn nudge(&self, order: &VerifiedOrder) {
        let run = &order.about().run;
        let looks = async {
            while let Some((reach, _)) = self.shared.registry.find(run) {
                let Reach::Awake(sender) = reach else {
                    return self.wake(run);
                };
                // A mailbox that is full holds another message, behind which the run looks into its inbox, too.
                if !matches!(sender.try_send(RunMessage::Inbox), Err(TrySendError::Closed(_))) {
                    return;
                }
                // It has no task, or will have none in a moment. One that falls asleep looks into its inbox then; one
                // that comes to rest does not, and is read again when it is to end.
                if order.cancellation().is_none() || self.shared.drain.is_cancelled() || self.read_again(run)
                {
                    return;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        // A run that does not come to rest so long is heard of at the next start.
        let _ = tokio::time::timeout(TELL_TIMEOUT, looks).await;
    }

    /// The run belongs to another host now: it stops here, and its records are dropped.
    pub(crate) async fn revoke(&self, run: &RunId) {
        let told = async {
            while let Some((reach, epoch)) = self.shared.registry.find(run) {
                if let Reach::Awake(sender) = reach
                    && sender.send(RunMessage::Drop).await.is_ok()
                {
                    return;
                }
                // It has no task: it sleeps, or something of it is damaged.
                match self.shared.journal.forget(run, epoch).await {
                    Ok(Some(_)) => {
                        info!(run_id = %run, "run dropped: another host has it");
                        self.shared.leases.remove(run);
                        return self.shared.registry.remove(run);
                    }
                    Ok(None) => tokio::time::sleep(LOOK_AGAIN).await,
                    Err(error) => return error!(run_id = %run, %error, "its records could not be dropped"),
                }
            }
            // It has ended here, and its end is not wanted: it goes on elsewhere.
            if let Some(epoch) = self.shared.journal.epoch(run)
                && let Err(error) = self.shared.journal.forget(run, epoch).await
            {
                error!(run_id = %run, %error, "its records could not be dropped");
            }
        };
        // One that does not read its mailbox is told again when its records are rejected again.
        let _ = tokio::time::timeout(TELL_TIMEOUT, told).await;
    }

    /// Goes on with the runs that a journal holds, as far as they do not wait. Those of which something is damaged are shown.
    pub(crate) fn resume_all(&self, runs: Vec<Head>, damaged: Vec<DamagedRun>) {
        let counts = &self.shared.resumed;
        for head in runs {
            counts.runs.fetch_add(1, Ordering::Relaxed);
            counts.records.fetch_add(head.next_seq, Ordering::Relaxed);
            if matches!(head.state, HeadState::Waiting { .. }) && head.messages == 0 {
                self.shared.registry.insert_asleep(head.run, head.epoch);
                continue;
            }
            let control = self.control(&head.run, head.epoch);
            control.phase.set(Phase::Loading);
            let resumed = resume::resume(Arc::clone(&self.shared), head.run.clone(), control);
            self.spawn(head.run, resumed);
        }
        self.show_damaged(damaged);
        let runs = self.clone();
        self.shared.tasks.spawn(async move { runs.tell_given_up().await });
        self.shared.tasks.spawn(self.clone().watch_times());
        self.shared.tasks.spawn(self.clone().describe_sleepers());
        self.shared.tasks.spawn(self.clone().sweep_artefacts());
    }

    /// How many more runs may come.
    #[must_use]
    pub fn room(&self) -> u32 {
        let shared = &self.shared;
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let taken = count(shared.registry.places_taken());
        let waiting = count(shared.registry.sleepers());
        let full_until_ms = shared.full_until_ms.load(Ordering::Relaxed);
        if shared.clock.monotonic_ms() < full_until_ms {
            return 0;
        }
        let more = shared.max_runs.saturating_sub(taken);
        more.min(shared.max_waiting.saturating_sub(waiting))
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

    /// How far the attempts are that have said so.
    #[must_use]
    pub fn progress(&self) -> Vec<StepProgress> {
        self.shared.steps.progress.all()
    }

    /// Returns when [`Runs::progress`] has changed since it was last asked, for one caller.
    ///
    /// # Cancel safety
    /// Safe.
    pub(crate) async fn progress_news(&self) {
        self.shared.steps.progress.news().await;
    }

    /// What was found of unfinished runs at the start.
    #[must_use]
    pub fn resumed(&self) -> ResumedStatus {
        let resumed = &self.shared.resumed;
        ResumedStatus {
            runs: resumed.runs.load(Ordering::Relaxed),
            records: resumed.records.load(Ordering::Relaxed),
        }
    }

    /// Returns when every run's task has ended; only after the drain or halt token was cancelled.
    pub(crate) async fn idle(&self) {
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

pub(super) fn refused_accept(error: AcceptError) -> OrderError {
    match error {
        AcceptError::Append(error) => refused_append(error),
        error => {
            debug!(%error, "a job has to wait");
            OrderError::NotNow
        }
    }
}

pub(super) fn refused_append(error: AppendError) -> OrderError {
    match error {
        AppendError::Stopped(stopped) => stopped.into(),
        AppendError::Job(refused) => replayed(refused),
        error => {
            debug!(%error, "a job has to wait");
            OrderError::NotNow
        }
    }
}

fn refused_delivery(error: DeliverError) -> OrderError {
    match error {
        DeliverError::Job(refused) => replayed(refused),
        DeliverError::Stopped(stopped) => stopped.into(),
        DeliverError::TooLarge { .. } => Refusal::Document(error.to_string()).into(),
        DeliverError::Full { .. } => {
            debug!(%error, "an order has to wait");
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
