//! Admission: from bytes that came over the line to a job that may be done.
//!
//! Fails closed: the checks come in one order, each with its own code, and the first that fails decides. Nothing is
//! stored and nothing is run before all of them passed. Invariant: a [`VerifiedJob`] is built here and nowhere else,
//! and the executor takes nothing else.
//!
//! Order: size, envelope, payload type, signature by a scheduler key, strict reading, tenant and audience, time, input;
//! then release and grants by their own keys, each connector's bytes and publisher; then, in the commit that accepts the
//! job, the memory against replay.

mod checks;
mod refusal;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flowforge_failpoints::{FailPoints, Point};
use flowforge_journal::{JobEntry, Journal, Space, Urgency};
use flowforge_protocol::job::{Job, Order};
use flowforge_protocol::{HostId, JobId, RunId, TrustRoot};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, warn};

pub use self::checks::{CheckedJob, Gate, unverified_job_id};
pub use self::refusal::Refusal;

use crate::clock::{Clock, Entropy, TimeFloor};
use crate::disk::Disk;
use crate::executor::{Executor, OrderError, Taken};
use crate::library::{LoadError, LoadedRelease, ReleaseLibrary};
use crate::link::backoff::Backoff;
use crate::link::control::RefusedJob;
use crate::link::outgoing::Outgoing;

/// Jobs whose release is being fetched, or whose run cannot hear them yet; the line waits beyond it.
const PENDING_MAX: usize = 1_024;
/// Key of the time floor in the journal.
pub(crate) const TIME_FLOOR_KEY: &str = "time_floor";

/// A job that passed every check. Only this module can make one.
pub struct VerifiedJob {
    checked: CheckedJob,
    release: Option<Arc<LoadedRelease>>,
}

impl VerifiedJob {
    /// The order.
    #[must_use]
    pub fn job(&self) -> &Job {
        self.checked.job()
    }

    /// The release to run, for a start.
    #[must_use]
    pub fn release(&self) -> Option<&Arc<LoadedRelease>> {
        self.release.as_ref()
    }

    /// The signed envelope.
    #[must_use]
    pub fn envelope(&self) -> &[u8] {
        &self.checked.envelope
    }

    /// The job as the memory against replay knows it.
    #[must_use]
    pub fn entry(&self) -> JobEntry {
        self.checked.entry()
    }
}

/// What admission is made of.
pub(crate) struct AdmissionParts {
    pub(crate) trust: Arc<TrustRoot>,
    pub(crate) host: HostId,
    pub(crate) journal: Journal,
    pub(crate) library: Arc<ReleaseLibrary>,
    pub(crate) executor: Executor,
    pub(crate) outgoing: Outgoing,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) floor: TimeFloor,
    pub(crate) failpoints: FailPoints,
    pub(crate) max_outbox_bytes: u64,
    pub(crate) disk: Arc<Disk>,
    pub(crate) stop: CancellationToken,
}

/// Admission. A cheap handle.
#[derive(Clone)]
pub struct Admission {
    shared: Arc<Shared>,
}

struct Shared {
    parts: AdmissionParts,
    pending: Semaphore,
    /// Runs whose start is still being verified: what concerns them waits.
    starting: Mutex<HashSet<RunId>>,
    started: Notify,
    tasks: TaskTracker,
}

impl Admission {
    pub(crate) fn new(parts: AdmissionParts) -> Self {
        Self {
            shared: Arc::new(Shared {
                parts,
                pending: Semaphore::new(PENDING_MAX),
                starting: Mutex::default(),
                started: Notify::new(),
                tasks: TaskTracker::new(),
            }),
        }
    }

    /// How many new runs may come now; 0 while the host is at a limit.
    #[must_use]
    pub fn room(&self) -> u32 {
        let parts = &self.shared.parts;
        let full = parts.journal.outbox_bytes() >= parts.max_outbox_bytes || !parts.disk.has_room();
        if full { 0 } else { parts.executor.room() }
    }

    /// Verifies a job and has it done. What cannot be done at once goes on by itself; the answer goes to the uploader.
    pub async fn offer(&self, envelope: Vec<u8>) {
        let checked = match self.check(&envelope) {
            Ok(checked) => checked,
            Err(refusal) => return self.refuse(unverified_job_id(&envelope), &refusal),
        };
        if self.shared.parts.failpoints.hit(Point::B3).is_err() {
            return;
        }
        if matches!(checked.job().order, Order::Start(_)) && !self.shared.parts.disk.has_room() {
            // A call that was already open brought it. Without an answer it comes again.
            return debug!(job_id = %checked.job().job_id, "the disk is nearly full; the job is left to a later delivery");
        }
        let ready = match &checked.job().order {
            Order::Start(start) => self.shared.parts.library.get(start.release, start.grants),
            Order::Decide(_) | Order::Cancel { .. } => None,
        };
        if ready.is_some() {
            // A failure that may pass is left to the next delivery.
            return self
                .take(VerifiedJob {
                    checked,
                    release: ready,
                })
                .await
                .unwrap_or(());
        }
        let Ok(permit) = self.shared.pending.acquire().await else {
            return;
        };
        permit.forget();
        let starts = matches!(checked.job().order, Order::Start(_));
        if starts {
            self.starting().insert(checked.job().run_id.clone());
        }
        let admission = self.clone();
        self.shared.tasks.spawn(async move {
            let run = checked.job().run_id.clone();
            admission.complete(checked).await;
            if starts {
                admission.starting().remove(&run);
                admission.shared.started.notify_waiters();
            }
            admission.shared.pending.add_permits(1);
        });
    }

    fn check(&self, envelope: &[u8]) -> Result<CheckedJob, Refusal> {
        let parts = &self.shared.parts;
        let gate = Gate {
            trust: &parts.trust,
            host: &parts.host,
            now_ms: parts.floor.trusted(parts.clock.now_ms()),
        };
        gate.check(envelope)
    }

    /// The checks that need documents, then the order itself; again and again while what is in the way may pass.
    async fn complete(&self, checked: CheckedJob) {
        let parts = &self.shared.parts;
        let expires_at_ms = checked.job().expires_at_ms;
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(15));
        loop {
            match self.documents(&checked).await {
                Ok(release) => {
                    let verified = VerifiedJob {
                        checked: checked.clone(),
                        release,
                    };
                    if self.take(verified).await.is_ok() {
                        return;
                    }
                }
                Err(LoadError::Refused(refusal)) => {
                    return self.refuse(Some(checked.job().job_id.clone()), &refusal);
                }
                Err(LoadError::NotNow(reason)) => {
                    warn!(run_id = %checked.job().run_id, error = reason, "what a job needs is not here yet");
                }
            }
            if parts.clock.now_ms() >= expires_at_ms {
                return debug!(job_id = %checked.job().job_id, "the job expired before it could be done; it is left to the next delivery");
            }
            tokio::select! {
                () = parts.stop.cancelled() => return,
                () = tokio::time::sleep(backoff.next(parts.entropy.as_ref())) => {}
            }
        }
    }

    async fn documents(&self, checked: &CheckedJob) -> Result<Option<Arc<LoadedRelease>>, LoadError> {
        match &checked.job().order {
            Order::Start(start) => self
                .shared
                .parts
                .library
                .load(start.release, start.grants)
                .await
                .map(Some),
            Order::Decide(_) | Order::Cancel { .. } => {
                self.after_start(&checked.job().run_id).await;
                Ok(None)
            }
        }
    }

    /// Returns when the run's start is not under way.
    async fn after_start(&self, run: &RunId) {
        loop {
            let mut started = std::pin::pin!(self.shared.started.notified());
            started.as_mut().enable();
            if !self.starting().contains(run) {
                return;
            }
            started.await;
        }
    }

    /// Has a verified job done. An error says that it may be possible later.
    async fn take(&self, job: VerifiedJob) -> Result<(), ()> {
        let parts = &self.shared.parts;
        let id = job.job().job_id.clone();
        match parts.executor.take(job).await {
            Ok(Taken::Durable) => parts.outgoing.received(id),
            Ok(Taken::Begun(ticket)) => {
                self.raise_floor().await;
                parts.outgoing.begun(id, ticket);
            }
            Ok(Taken::Waiting(ticket)) => {
                self.raise_floor().await;
                parts.outgoing.accepted(id, ticket);
            }
            Err(OrderError::Refused(refusal)) => self.refuse(Some(id), &refusal),
            Err(OrderError::NotNow) => return Err(()),
            Err(OrderError::Stopped(stopped)) => {
                error!(job_id = %id, error = %stopped, "a job cannot be accepted")
            }
        }
        Ok(())
    }

    /// Writes down, now and then, that this time was reached.
    async fn raise_floor(&self) {
        let parts = &self.shared.parts;
        if let Some(floor) = parts.floor.raise(parts.clock.now_ms())
            && let Err(error) = parts
                .journal
                .put(
                    Space::Host,
                    TIME_FLOOR_KEY,
                    floor.to_string().into_bytes(),
                    Urgency::Lazy,
                )
                .await
        {
            warn!(%error, "the time floor cannot be written down");
        }
    }

    /// Says why a job is not done; one whose id cannot be read is only logged.
    fn refuse(&self, job: Option<JobId>, refusal: &Refusal) {
        let id = job.as_ref().map_or("unreadable", JobId::as_str);
        if refusal.is_alarming() {
            error!(job_id = id, code = refusal.code(), error = %refusal, "job refused: this may be an attack");
        } else {
            warn!(job_id = id, code = refusal.code(), error = %refusal, "job refused");
        }
        if let Some(job) = job {
            self.shared.parts.outgoing.refused(RefusedJob {
                job,
                code: refusal.code().to_owned(),
                message: refusal.to_string(),
            });
        }
    }

    fn starting(&self) -> MutexGuard<'_, HashSet<RunId>> {
        self.shared
            .starting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
