//! The way of one order, from its bytes to the run that it starts or concerns.

use std::sync::Arc;
use std::time::Duration;

use flowforge_failpoints::{FailPoints, Point};
use flowforge_journal::{Journal, Space, Urgency};
use flowforge_protocol::JobId;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, warn};

use crate::backoff::Backoff;
use crate::clock::{Clock, Entropy, TimeFloor};
use crate::health::Disk;
use crate::order::{About, Gate, Outgoing, Refusal, RunOrder, Verified, VerifiedOrder, unverified_job_id};
use crate::release::{LoadError, Releases};
use crate::runs::{OrderError, Runs, Taken};

/// Starts whose release is being fetched; the line waits beyond it.
const PENDING_MAX: usize = 1_024;
/// Runs whose records are being fetched: each may hold as many bytes as a run may have.
const BRINGING_MAX: usize = 2;
/// Key of the time floor in the journal.
pub(crate) const TIME_FLOOR_KEY: &str = "time_floor";

/// What the intake is made of.
pub(crate) struct IntakeParts {
    pub(crate) gate: Gate,
    pub(crate) journal: Journal,
    pub(crate) releases: Arc<Releases>,
    pub(crate) runs: Runs,
    pub(crate) outgoing: Outgoing,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) floor: TimeFloor,
    pub(crate) failpoints: FailPoints,
    pub(crate) max_outbox_bytes: u64,
    pub(crate) disk: Arc<Disk>,
    pub(crate) stop: CancellationToken,
}

/// The intake. A cheap handle.
#[derive(Clone)]
pub struct Intake {
    shared: Arc<Shared>,
}

struct Shared {
    parts: IntakeParts,
    pending: Arc<Semaphore>,
    bringing: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Intake {
    pub(crate) fn new(parts: IntakeParts) -> Self {
        Self {
            shared: Arc::new(Shared {
                parts,
                pending: Arc::new(Semaphore::new(PENDING_MAX)),
                bringing: Arc::new(Semaphore::new(BRINGING_MAX)),
                tasks: TaskTracker::new(),
            }),
        }
    }

    /// How many new runs may come now; 0 while the host is at a limit.
    #[must_use]
    pub fn room(&self) -> u32 {
        let parts = &self.shared.parts;
        let full = parts.journal.outbox_bytes() >= parts.max_outbox_bytes || !parts.disk.has_room();
        if full { 0 } else { parts.runs.room() }
    }

    /// Verifies an order and has it done. What cannot be done at once goes on by itself; the answer goes to the uploader.
    pub async fn offer(&self, envelope: Vec<u8>) {
        let parts = &self.shared.parts;
        let now_ms = parts.floor.trusted(parts.clock.now_ms());
        let order = match parts.gate.admit(&envelope, now_ms) {
            Ok(order) => order,
            Err(refusal) => return self.refuse(unverified_job_id(&envelope), &refusal),
        };
        drop(envelope);
        if parts.failpoints.hit(Point::B3).is_err() {
            return;
        }
        match order {
            VerifiedOrder::Begin(order) => self.offer_run(Arc::from(order)).await,
            order @ VerifiedOrder::Change(_) => {
                let told = parts.runs.tell(&order).await;
                // What there is no room for now is left to the next delivery.
                self.answer(order.about(), told).await.unwrap_or(());
            }
        }
    }

    async fn offer_run(&self, order: Arc<Verified<RunOrder>>) {
        let parts = &self.shared.parts;
        if !parts.disk.has_room() {
            // A call that was already open brought it. Without an answer it comes again.
            return debug!(job_id = %order.about().job, "the disk is nearly full; the job is left to a later delivery");
        }
        if let Some(ready) = parts.releases.ready_now(&order) {
            let taken = parts.runs.begin(&ready).await;
            // A failure that may pass is left to the next delivery.
            return self.answer(order.about(), taken).await.unwrap_or(());
        }
        let places = if order.order().stands_alone() {
            &self.shared.pending
        } else {
            &self.shared.bringing
        };
        let Ok(permit) = Arc::clone(places).acquire_owned().await else {
            return;
        };
        let intake = self.clone();
        self.shared.tasks.spawn(async move {
            intake.complete(&order).await;
            drop(permit);
        });
    }

    /// The checks that need documents and records, then the start itself; again and again while what is in the way may pass.
    async fn complete(&self, order: &Arc<Verified<RunOrder>>) {
        let parts = &self.shared.parts;
        let mut pause = self.pauses(order.about());
        loop {
            match parts.releases.make_ready(order).await {
                Ok(ready) => {
                    let taken = parts.runs.begin(&ready).await;
                    if self.answer(order.about(), taken).await.is_ok() {
                        return;
                    }
                }
                Err(LoadError::Refused(refusal)) => {
                    return self.refuse(Some(order.about().job.clone()), &refusal);
                }
                Err(LoadError::NotNow(reason)) => {
                    warn!(run_id = %order.about().run, error = reason, "what a job needs is not here yet");
                }
            }
            if !pause.pass().await {
                return;
            }
        }
    }

    fn pauses<'a>(&'a self, about: &'a About) -> Pauses<'a> {
        Pauses {
            parts: &self.shared.parts,
            about,
            backoff: Backoff::new(Duration::from_millis(500), Duration::from_secs(15)),
        }
    }

    /// Answers an order by what became of it. An error says that it may be possible later.
    async fn answer(&self, about: &About, taken: Result<Taken, OrderError>) -> Result<(), ()> {
        let parts = &self.shared.parts;
        let id = about.job.clone();
        match taken {
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
            self.shared.parts.outgoing.refused(refusal.answer(job));
        }
    }
}

/// The pauses between the tries of one order.
struct Pauses<'a> {
    parts: &'a IntakeParts,
    about: &'a About,
    backoff: Backoff,
}

impl Pauses<'_> {
    /// Waits for the next try; false when there is none: the order has expired, or the host stops.
    async fn pass(&mut self) -> bool {
        if self.parts.clock.now_ms() >= self.about.expires_at_ms {
            debug!(job_id = %self.about.job, "the job expired before it could be done; it is left to the next delivery");
            return false;
        }
        tokio::select! {
            () = self.parts.stop.cancelled() => false,
            () = tokio::time::sleep(self.backoff.next(self.parts.entropy.as_ref())) => true,
        }
    }
}
