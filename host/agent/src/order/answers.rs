//! What is to be told about jobs: received or refused.
//!
//! In memory only: what is lost with the process is told again when the job is delivered again. A job that was accepted
//! is told as received once its commit is durable; that is looked at when the answers are taken, so that they leave in
//! the same call as the records of that commit.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flowforge_journal::Ticket;
use flowforge_protocol::JobId;
use flowforge_protocol::sync::RefusedJob;
use tokio::sync::Notify;

/// Most answers of a kind that wait; further ones are dropped, and said after the job's next delivery.
const WAITING_MAX: usize = 10_000;

/// Answers that wait for the next upload. A cheap handle.
#[derive(Debug, Clone, Default)]
pub struct Outgoing {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: Mutex<Waiting>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    answers: Answers,
    /// In the journal's order, so that the first is the first to be durable.
    accepted: VecDeque<(JobId, Ticket)>,
}

impl Waiting {
    /// Those whose commit is durable are received.
    fn settle(&mut self) {
        while let Some((job, _)) = self.accepted.pop_front_if(|(_, ticket)| ticket.is_durable()) {
            self.answers.received.push(job);
        }
    }
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
        let received = &mut self.lock().answers.received;
        if received.len() < WAITING_MAX {
            received.push(job);
        }
        self.inner.more.notify_one();
    }

    /// This job is in the journal, and received when the ticket is durable.
    pub fn accepted(&self, job: JobId, ticket: Ticket) {
        self.add_accepted(job, ticket);
        self.inner.more.notify_one();
    }

    /// As [`Outgoing::accepted`], for a job whose commit has something to send besides: whoever waits for that takes this
    /// along, and need not be woken before.
    pub fn begun(&self, job: JobId, ticket: Ticket) {
        self.add_accepted(job, ticket.clone());
        if ticket.is_durable() {
            // What its commit had to send may have left already.
            self.inner.more.notify_one();
        }
    }

    fn add_accepted(&self, job: JobId, ticket: Ticket) {
        let accepted = &mut self.lock().accepted;
        if accepted.len() < WAITING_MAX {
            accepted.push_back((job, ticket));
        }
    }

    /// This job is not done here.
    pub fn refused(&self, job: RefusedJob) {
        let refused = &mut self.lock().answers.refused;
        if refused.len() < WAITING_MAX {
            refused.push(job);
        }
        self.inner.more.notify_one();
    }

    /// Takes what waits, at most `most` of each kind.
    #[must_use]
    pub fn take(&self, most: usize) -> Answers {
        let mut waiting = self.lock();
        waiting.settle();
        let answers = &mut waiting.answers;
        let received = answers.received.len().min(most);
        let refused = answers.refused.len().min(most);
        Answers {
            received: answers.received.drain(..received).collect(),
            refused: answers.refused.drain(..refused).collect(),
        }
    }

    /// Puts back what could not be told.
    pub fn put_back(&self, mut told: Answers) {
        let answers = &mut self.lock().answers;
        told.received.append(&mut answers.received);
        told.refused.append(&mut answers.refused);
        told.received.truncate(WAITING_MAX);
        told.refused.truncate(WAITING_MAX);
        *answers = told;
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let waiting = self.lock();
        waiting.answers.is_empty() && waiting.accepted.is_empty()
    }

    /// Returns when there is something to take, or was a moment ago. Never once the journal has stopped and nothing else
    /// waits: then nothing more is confirmed.
    ///
    /// Cancel safety: safe.
    pub async fn more(&self) {
        loop {
            let first = {
                let waiting = self.lock();
                if !waiting.answers.is_empty() {
                    return;
                }
                waiting.accepted.front().map(|(_, ticket)| ticket.clone())
            };
            let durable = async {
                let confirmed = match first {
                    Some(mut ticket) => ticket.durable().await.is_ok(),
                    None => false,
                };
                if !confirmed {
                    std::future::pending().await
                }
            };
            tokio::select! {
                () = durable => return,
                () = self.inner.more.notified() => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.inner.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
