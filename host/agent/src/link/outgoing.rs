//! What is to be told about jobs: received or refused.
//!
//! In memory only: what is lost with the process is told again when the job is delivered again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flowforge_protocol::JobId;
use tokio::sync::Notify;

use super::control::RefusedJob;

/// Most answers that wait; the oldest are dropped beyond it, and said again after redelivery.
const WAITING_MAX: usize = 10_000;

/// Answers that wait for the next upload. A cheap handle.
#[derive(Debug, Clone, Default)]
pub struct Outgoing {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    answers: Mutex<Answers>,
    more: Notify,
}

/// Answers about jobs.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// Durable here.
    pub received: Vec<JobId>,
    /// Not done here.
    pub refused: Vec<RefusedJob>,
}

impl Answers {
    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.received.is_empty() && self.refused.is_empty()
    }
}

impl Outgoing {
    /// This job is durable here.
    pub fn received(&self, job: JobId) {
        let mut answers = self.lock();
        if answers.received.len() < WAITING_MAX {
            answers.received.push(job);
        }
        drop(answers);
        self.inner.more.notify_one();
    }

    /// This job is not done here.
    pub fn refused(&self, job: RefusedJob) {
        let mut answers = self.lock();
        if answers.refused.len() < WAITING_MAX {
            answers.refused.push(job);
        }
        drop(answers);
        self.inner.more.notify_one();
    }

    /// Takes what waits, at most `most` of each kind.
    #[must_use]
    pub fn take(&self, most: usize) -> Answers {
        let mut answers = self.lock();
        let received = answers.received.len().min(most);
        let refused = answers.refused.len().min(most);
        Answers {
            received: answers.received.drain(..received).collect(),
            refused: answers.refused.drain(..refused).collect(),
        }
    }

    /// Puts back what could not be told.
    pub fn put_back(&self, mut told: Answers) {
        let mut answers = self.lock();
        told.received.append(&mut answers.received);
        told.refused.append(&mut answers.refused);
        told.received.truncate(WAITING_MAX);
        told.refused.truncate(WAITING_MAX);
        *answers = told;
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Returns when something waits, or waited a moment ago.
    ///
    /// Cancel safety: safe.
    pub async fn more(&self) {
        if self.is_empty() {
            self.inner.more.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Answers> {
        self.inner.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
