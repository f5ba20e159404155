//! Making and signing jobs: the only use of the scheduler key.

use std::sync::atomic::{AtomicU64, Ordering};

use flowforge_protocol::envelope::{Signed, sign_document};
use flowforge_protocol::job::{JOB_LIFE_MS, Job, Order};
use flowforge_protocol::strict::StrictError;
use flowforge_protocol::{DEFAULT_PROJECT, HostId, JobId, RunId, SigningKey, VerifyingKey};
use flowforge_store::{JobKind, NewJob, Store, StoreError};

use crate::entropy::{EntropyError, fresh};

/// Why a job could not be made.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum OrderError {
    #[error("the run does not fit into a job: {0}")]
    DoesNotFit(#[from] StrictError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error("an order to {0} has no lane here")]
    NoLane(&'static str),
    #[error("a stored job is not readable: {0}")]
    Unreadable(String),
}

/// What a job is to say.
pub(crate) struct Draft<'a> {
    pub(crate) host: &'a HostId,
    pub(crate) run: &'a RunId,
    pub(crate) epoch: u64,
    pub(crate) order: Order,
    pub(crate) traceparent: Option<String>,
    pub(crate) now_ms: u64,
}

/// Signs jobs.
#[derive(Debug)]
pub(crate) struct Scheduler {
    key: SigningKey,
    workspace: String,
    next: AtomicU64,
}

impl Scheduler {
    pub(crate) async fn open(
        store: &Store,
        key: SigningKey,
        workspace: String,
        now_ms: u64,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            key,
            workspace,
            next: AtomicU64::new(store.first_sequence(now_ms).await?),
        })
    }

    /// The public half of the key.
    pub(crate) fn verifying_key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    pub(crate) fn sign(&self, draft: Draft<'_>) -> Result<NewJob, OrderError> {
        let (kind, subject) = match &draft.order {
            Order::Start(_) => (JobKind::Start, None),
            Order::Decide(decision) => (JobKind::Decide, Some(decision.approval.to_string())),
            Order::Review { step, .. } => (JobKind::Review, Some(step.to_string())),
            Order::Signal(signal) => (JobKind::Signal, Some(signal.message.to_string())),
            Order::ChildEnded(child) => (JobKind::ChildEnded, Some(child.run.to_string())),
            Order::Pause { .. } => (JobKind::Pause, None),
            Order::Unpause { .. } => (JobKind::Unpause, None),
            Order::Cancel { .. } => (JobKind::Cancel, None),
            other @ Order::Resume(_) => return Err(OrderError::NoLane(other.name())),
        };
        let job = Job {
            job_id: JobId::from_entropy(fresh::<16>()?),
            workspace: self.workspace.clone(),
            project: DEFAULT_PROJECT.to_owned(),
            audience: draft.host.clone(),
            run_id: draft.run.clone(),
            epoch: draft.epoch,
            sequence: 0,
            issued_at_ms: draft.now_ms,
            expires_at_ms: draft.now_ms.saturating_add(JOB_LIFE_MS),
            order: draft.order,
            traceparent: draft.traceparent,
        };
        self.seal(job, kind, subject)
    }

    /// The same order as an expired job, with a new id, sequence and expiry. The epoch stays: the lease never moved.
    pub(crate) fn sign_again(&self, envelope: &str, issue: u32, now_ms: u64) -> Result<NewJob, OrderError> {
        let old = Signed::<Job>::open(envelope.as_bytes(), &[self.key.verifying_key()])
            .map_err(|error| OrderError::Unreadable(error.to_string()))?
            .into_document();
        let mut again = self.sign(Draft {
            host: &old.audience,
            run: &old.run_id,
            epoch: old.epoch,
            order: old.order,
            traceparent: old.traceparent,
            now_ms,
        })?;
        again.issue = issue.saturating_add(1);
        Ok(again)
    }

    fn seal(&self, mut job: Job, kind: JobKind, subject: Option<String>) -> Result<NewJob, OrderError> {
        job.sequence = self.next.fetch_add(1, Ordering::Relaxed);
        Ok(NewJob {
            envelope: sign_document(&job, &self.key)?,
            id: job.job_id,
            sequence: job.sequence,
            host: job.audience,
            run: job.run_id,
            kind,
            subject,
            expires_at_ms: job.expires_at_ms,
            issue: 0,
        })
    }
}
