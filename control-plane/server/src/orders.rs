//! Making and signing jobs: the only use of the scheduler key.
//!
//! A job is signed when it goes out, with one signature over all that go out together; what is stored is the order itself.

use std::ops::Range;
use std::time::Duration;

use flowforge_core::Scope;
use flowforge_protocol::envelope::{Document, payload, sign_all};
use flowforge_protocol::job::{JOB_LIFE_MS, Job, Order};
use flowforge_protocol::strict::{StrictError, parse_strict};
use flowforge_protocol::{HostId, JobId, RunId, SigningKey};
use flowforge_store::{JobKind, NewJob, Store, StoreError};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::entropy::{EntropyError, fresh};

/// Why a job could not be made.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum OrderError {
    #[error("the run does not fit into a job: {0}")]
    DoesNotFit(#[from] StrictError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error("a stored job is not readable: {0}")]
    Unreadable(String),
    #[error("a job could not be numbered")]
    Numbers(#[source] StoreError),
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

/// How long numbers of jobs are good that are one of several servers': the others go on meanwhile.
const NUMBERS_GOOD_FOR: Duration = Duration::from_secs(1);

/// Numbers of jobs that are this process's.
#[derive(Debug)]
struct Numbers {
    left: Range<u64>,
    since: Instant,
}

/// Signs jobs.
#[derive(Debug)]
pub(crate) struct Scheduler {
    key: SigningKey,
    scope: Scope,
    store: Store,
    numbers: Mutex<Numbers>,
}

impl Scheduler {
    pub(crate) async fn open(
        store: &Store,
        key: SigningKey,
        scope: Scope,
        now_ms: u64,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            key,
            scope,
            store: store.clone(),
            numbers: Mutex::new(Numbers {
                left: store.sequences(now_ms).await?,
                since: Instant::now(),
            }),
        })
    }

    /// Envelopes of these orders, in their order, under one signature.
    pub(crate) fn sign_all<'a>(&self, documents: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let payloads: Vec<&[u8]> = documents.into_iter().map(str::as_bytes).collect();
        sign_all(Job::TYPE, &payloads, &self.key)
    }

    pub(crate) async fn write(&self, draft: Draft<'_>) -> Result<NewJob, OrderError> {
        let (kind, subject) = match &draft.order {
            Order::Start(_) => (JobKind::Start, None),
            Order::Decide(decision) => (JobKind::Decide, Some(decision.approval.to_string())),
            Order::Review { step, .. } => (JobKind::Review, Some(step.to_string())),
            Order::Signal(signal) => (JobKind::Signal, Some(signal.message.to_string())),
            Order::ChildEnded(child) => (JobKind::ChildEnded, Some(child.run.to_string())),
            Order::Pause { .. } => (JobKind::Pause, None),
            Order::Unpause { .. } => (JobKind::Unpause, None),
            Order::Cancel { .. } => (JobKind::Cancel, None),
            Order::Erase { .. } => (JobKind::Erase, None),
            Order::Resume(_) => (JobKind::Resume, None),
        };
        let job = Job {
            job_id: JobId::from_entropy(fresh::<16>()?),
            workspace: self.scope.workspace().to_owned(),
            project: self.scope.project().to_owned(),
            audience: draft.host.clone(),
            run_id: draft.run.clone(),
            epoch: draft.epoch,
            sequence: 0,
            issued_at_ms: draft.now_ms,
            expires_at_ms: draft.now_ms.saturating_add(JOB_LIFE_MS),
            order: draft.order,
            traceparent: draft.traceparent,
        };
        self.number(job, kind, subject).await
    }

    /// The same order as an expired job, with a new id, sequence and expiry. The epoch stays: the lease never moved.
    pub(crate) async fn write_again(
        &self,
        document: &str,
        issue: u32,
        now_ms: u64,
    ) -> Result<NewJob, OrderError> {
        let old = read(document)?;
        let draft = Draft {
            host: &old.audience,
            run: &old.run_id,
            epoch: old.epoch,
            order: old.order,
            traceparent: old.traceparent,
            now_ms,
        };
        let mut again = self.write(draft).await?;
        again.issue = issue.saturating_add(1);
        Ok(again)
    }

    /// The next number. One process on a file has them all; one of several on a database asks for some more now and then.
    async fn next_number(&self, now_ms: u64) -> Result<u64, StoreError> {
        let mut numbers = self.numbers.lock().await;
        let is_old = self.store.notices().is_some() && numbers.since.elapsed() > NUMBERS_GOOD_FOR;
        if let (false, Some(number)) = (is_old, numbers.left.next()) {
            return Ok(number);
        }
        numbers.left = self.store.sequences(now_ms).await?;
        numbers.since = Instant::now();
        numbers.left.next().ok_or(StoreError::Stopped)
    }

    async fn number(
        &self,
        mut job: Job,
        kind: JobKind,
        subject: Option<String>,
    ) -> Result<NewJob, OrderError> {
        let number = self.next_number(job.issued_at_ms).await;
        job.sequence = number.map_err(OrderError::Numbers)?;
        Ok(NewJob {
            document: text_of(&job)?,
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

/// A stored order.
pub(crate) fn read(document: &str) -> Result<Job, OrderError> {
    parse_strict(document.as_bytes(), Job::MAX_BYTES)
        .map_err(|error| OrderError::Unreadable(error.to_string()))
}

fn text_of(job: &Job) -> Result<String, OrderError> {
    String::from_utf8(payload(job)?).map_err(|error| OrderError::Unreadable(error.to_string()))
}
