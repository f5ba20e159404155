//! The jobs of one host that it has not confirmed: ready, or delivered and waiting for a word.
//!
//! Delivered jobs come again when the answer that carried them was lost (the host says which answer it saw last), or
//! when nothing was heard of them for [`REDELIVER_AFTER_MS`]. At most [`MAX_IN_MEMORY`] are kept here; the rest stays in
//! the store and is read when there is room.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use flowforge_protocol::{JobId, RunId};
use flowforge_store::{NewJob, OpenJob};

/// A delivered job of which nothing was heard for so long is delivered again.
pub(crate) const REDELIVER_AFTER_MS: u64 = 3_000;
/// Jobs kept in memory for one host.
pub(crate) const MAX_IN_MEMORY: usize = 4_096;
/// A job that expires within this time is signed anew instead of being delivered.
pub(crate) const EXPIRY_MARGIN_MS: u64 = 60_000;

/// A signed job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueuedJob {
    pub(crate) id: JobId,
    pub(crate) sequence: u64,
    pub(crate) run: RunId,
    pub(crate) envelope: Arc<str>,
    pub(crate) expires_at_ms: u64,
    pub(crate) issue: u32,
}

impl From<NewJob> for QueuedJob {
    fn from(job: NewJob) -> Self {
        Self {
            id: job.id,
            sequence: job.sequence,
            run: job.run,
            envelope: job.envelope.into(),
            expires_at_ms: job.expires_at_ms,
            issue: job.issue,
        }
    }
}

impl From<OpenJob> for QueuedJob {
    fn from(job: OpenJob) -> Self {
        Self {
            id: job.id,
            sequence: job.sequence,
            run: job.run,
            envelope: job.envelope.into(),
            expires_at_ms: job.expires_at_ms,
            issue: job.issue,
        }
    }
}

#[derive(Debug)]
struct Delivered {
    job: QueuedJob,
    delivery: u64,
    at_ms: u64,
}

/// What one call takes away.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Envelopes by ascending sequence.
    pub(crate) jobs: Vec<Arc<str>>,
    /// Number of this delivery; 0 without jobs.
    pub(crate) delivery: u64,
    /// Jobs that must be signed anew first.
    pub(crate) expired: Vec<QueuedJob>,
}

/// The queue of one host.
#[derive(Debug, Default)]
pub(crate) struct JobQueue {
    ready: BTreeMap<u64, QueuedJob>,
    delivered: BTreeMap<u64, Delivered>,
    places: HashMap<JobId, u64>,
    deliveries: u64,
    /// True if the store holds jobs that are not here.
    spilled: bool,
}

impl JobQueue {
    /// A queue whose jobs must be read from the store first.
    pub(crate) fn unread() -> Self {
        Self {
            spilled: true,
            ..Self::default()
        }
    }

    pub(crate) fn push(&mut self, job: QueuedJob) {
        if self.places.contains_key(&job.id) {
            return;
        }
        if self.spilled || self.places.len() >= MAX_IN_MEMORY {
            self.spilled = true;
            return;
        }
        self.places.insert(job.id.clone(), job.sequence);
        self.ready.insert(job.sequence, job);
    }

    /// True if the store should be read: nothing is ready here, and more is there.
    pub(crate) fn wants_refill(&self) -> bool {
        self.spilled && self.ready.is_empty()
    }

    /// The store is about to be read for up to the returned number of jobs. What is pushed from now on stays here, so that
    /// no job falls between the reading and its result.
    pub(crate) fn begin_refill(&mut self) -> usize {
        self.spilled = false;
        // The jobs that are known here are read again, and there must be room for others.
        self.places.len() + MAX_IN_MEMORY
    }

    /// Jobs read from the store, by ascending sequence; `complete` if there are no more.
    pub(crate) fn refill(&mut self, jobs: Vec<QueuedJob>, complete: bool) {
        for job in jobs {
            self.push(job);
        }
        self.spilled |= !complete;
    }

    /// The host has these.
    pub(crate) fn settle(&mut self, jobs: &[JobId]) {
        for job in jobs {
            if let Some(sequence) = self.places.remove(job) {
                self.ready.remove(&sequence);
                self.delivered.remove(&sequence);
            }
        }
    }

    /// Nothing that was delivered is believed to have arrived.
    pub(crate) fn redeliver_all(&mut self) {
        for (sequence, delivered) in std::mem::take(&mut self.delivered) {
            self.ready.insert(sequence, delivered.job);
        }
    }

    /// Removes a job that the host will not do, and says which it was if it is known here.
    pub(crate) fn give_back(&mut self, job: &JobId) -> Option<QueuedJob> {
        let sequence = self.places.remove(job)?;
        let ready = self.ready.remove(&sequence);
        ready.or_else(|| self.delivered.remove(&sequence).map(|delivered| delivered.job))
    }

    /// Takes up to `max` jobs of together about `max_bytes`, one in any case. `seen` is the last delivery that the host
    /// says it got.
    pub(crate) fn take(&mut self, max: usize, max_bytes: usize, seen: Option<u64>, now_ms: u64) -> Taken {
        let lost = |delivered: &Delivered| {
            let unseen = seen.is_some_and(|seen| delivered.delivery > seen);
            unseen || delivered.at_ms.saturating_add(REDELIVER_AFTER_MS) <= now_ms
        };
        let again: Vec<u64> = self
            .delivered
            .iter()
            .filter(|(_, d)| lost(d))
            .map(|(sequence, _)| *sequence)
            .collect();
        for sequence in again {
            if let Some(delivered) = self.delivered.remove(&sequence) {
                self.ready.insert(sequence, delivered.job);
            }
        }
        let mut taken = Taken::default();
        let mut bytes = 0;
        while taken.jobs.len() < max && bytes < max_bytes {
            let Some((sequence, job)) = self.ready.pop_first() else {
                break;
            };
            if job.expires_at_ms <= now_ms.saturating_add(EXPIRY_MARGIN_MS) {
                self.places.remove(&job.id);
                taken.expired.push(job);
                continue;
            }
            if taken.delivery == 0 {
                self.deliveries += 1;
                taken.delivery = self.deliveries;
            }
            bytes += job.envelope.len();
            taken.jobs.push(Arc::clone(&job.envelope));
            let delivered = Delivered {
                job,
                delivery: taken.delivery,
                at_ms: now_ms,
            };
            self.delivered.insert(sequence, delivered);
        }
        taken
    }

    /// When the earliest delivered job comes again, if nothing is heard of it.
    pub(crate) fn next_redelivery_ms(&self) -> Option<u64> {
        self.delivered
            .values()
            .map(|delivered| delivered.at_ms.saturating_add(REDELIVER_AFTER_MS))
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(sequence: u64) -> QueuedJob {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&sequence.to_be_bytes());
        QueuedJob {
            id: JobId::from_entropy(bytes),
            sequence,
            run: RunId::from_entropy(bytes),
            envelope: sequence.to_string().into(),
            expires_at_ms: 1_000_000,
            issue: 0,
        }
    }

    fn texts(taken: &Taken) -> Vec<&str> {
        taken.jobs.iter().map(|text| &**text).collect()
    }

    #[test]
    fn jobs_go_out_in_order_and_once() {
        let mut queue = JobQueue::default();
        for sequence in [3, 1, 2] {
            queue.push(job(sequence));
        }
        queue.push(job(2));
        assert_eq!(texts(&queue.take(2, 1_000, None, 0)), ["1", "2"]);
        assert_eq!(texts(&queue.take(2, 1_000, Some(1), 0)), ["3"]);
        assert_eq!(queue.take(2, 1_000, Some(2), 0), Taken::default());
        queue.settle(&[job(1).id, job(2).id, job(3).id]);
        assert_eq!(queue.take(9, 1_000, Some(0), 1_000_000), Taken::default());
    }

    #[test]
    fn a_lost_answer_brings_its_jobs_again_at_once_before_newer_ones() {
        let mut queue = JobQueue::default();
        queue.push(job(1));
        assert_eq!(queue.take(9, 1_000, Some(0), 0).delivery, 1);
        queue.push(job(2));
        assert_eq!(texts(&queue.take(9, 1_000, Some(0), 1)), ["1", "2"]);
    }

    #[test]
    fn an_unconfirmed_job_comes_again_after_a_while() {
        let mut queue = JobQueue::default();
        queue.push(job(1));
        queue.take(9, 1_000, None, 0);
        assert_eq!(queue.next_redelivery_ms(), Some(REDELIVER_AFTER_MS));
        assert!(queue.take(9, 1_000, None, REDELIVER_AFTER_MS - 1).jobs.is_empty());
        assert_eq!(texts(&queue.take(9, 1_000, None, REDELIVER_AFTER_MS)), ["1"]);
    }

    #[test]
    fn an_expired_job_is_given_back_for_a_new_signature() {
        let mut queue = JobQueue::default();
        queue.push(job(1));
        let taken = queue.take(9, 1_000, None, 1_000_000 - EXPIRY_MARGIN_MS);
        assert!(taken.jobs.is_empty());
        assert_eq!(taken.expired, [job(1)]);
    }

    #[test]
    fn beyond_the_bound_jobs_wait_in_the_store() {
        let mut queue = JobQueue::default();
        for sequence in 0..=MAX_IN_MEMORY as u64 {
            queue.push(job(sequence));
        }
        assert_eq!(queue.places.len(), MAX_IN_MEMORY);
        assert!(!queue.wants_refill());
        queue.take(MAX_IN_MEMORY, usize::MAX, None, 0);
        assert!(queue.wants_refill());
        queue.settle(&[job(0).id]);
        queue.begin_refill();
        queue.refill(vec![job(1), job(MAX_IN_MEMORY as u64)], true);
        assert_eq!(queue.take(9, 1_000, None, 0).jobs.len(), 1);
        assert!(!queue.wants_refill());
    }
}
