//! What waits for the writer.
//!
//! Owns the order: an entry gets its position and its place in the queue in one step, so positions, replay checks and
//! stored rows agree. Pure but for the lock its user puts around it; time is a parameter.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use flowforge_protocol::RunId;

use crate::config::Batching;
use crate::core::Request;
use crate::entry::Urgency;
use crate::error::{JobRefused, Stopped};
use crate::pace::Pace;
use crate::replay::{FORGET_BATCH, JobEntry, ReplayMemory, Seen};
use crate::state::State;

/// Something that waits.
#[derive(Debug)]
struct Waiting {
    request: Request,
    /// Room it takes in the queue.
    weight: u32,
}

/// A batch for one commit.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) requests: Vec<Request>,
    /// Room it gives back.
    pub(crate) weight: usize,
    /// Position of its last request.
    pub(crate) position: u64,
}

/// Everything that is decided in order, under one lock.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: VecDeque<Waiting>,
    /// Position of the last request that came; 0 before the first.
    position: u64,
    pub(crate) pace: Pace,
    pub(crate) stopped: Option<Stopped>,
    /// The orders that were taken, whether or not they are durable yet.
    pub(crate) replay: ReplayMemory,
    /// The runs that are here, whether or not they are durable yet.
    pub(crate) runs: BTreeMap<RunId, u64>,
    pub(crate) open_runs: usize,
    pub(crate) next_number: u64,
}

impl Queue {
    /// An empty queue for a journal that holds this.
    pub(crate) fn resuming(state: &State) -> Self {
        Self {
            replay: state.replay.clone(),
            runs: state.numbers.clone(),
            open_runs: state.open_runs(),
            next_number: state.next_number,
            ..Self::default()
        }
    }

    /// Takes a request; answers its position.
    pub(crate) fn push(&mut self, request: Request, weight: u32, urgency: Urgency, now: Duration) -> u64 {
        self.waiting.push_back(Waiting { request, weight });
        self.position += 1;
        self.pace.came(urgency, now);
        self.position
    }

    /// Refuses an order that was taken before, or that cannot be told from one.
    pub(crate) fn check_new(&self, job: &JobEntry) -> Result<(), JobRefused> {
        match self.replay.check(job)? {
            Seen::Never => Ok(()),
            Seen::Before => Err(JobRefused::Taken(job.job_id.clone())),
        }
    }

    /// Remembers a new order; the writer does the same when it stores it.
    pub(crate) fn remember(&mut self, job: &JobEntry, now_ms: u64, limit: usize) {
        self.replay.take(job);
        self.replay.forget(now_ms, limit, FORGET_BATCH);
    }

    /// Gives a new run its number.
    pub(crate) fn begin_run(&mut self, run: &RunId, ended: bool) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.runs.insert(run.clone(), number);
        if !ended {
            self.open_runs += 1;
        }
        number
    }

    /// These runs are no longer here.
    pub(crate) fn dropped(&mut self, runs: &[RunId]) {
        for run in runs {
            self.runs.remove(run);
        }
    }

    /// Position of the last request that came.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Takes the front of the queue: everything, or as much as one commit may carry.
    pub(crate) fn drain(&mut self, batching: &Batching) -> Batch {
        let mut bytes = 0;
        let mut count = 0;
        for waiting in self.waiting.iter().take(batching.entries) {
            bytes += usize::try_from(waiting.weight).unwrap_or(usize::MAX);
            if count > 0 && bytes > batching.bytes {
                break;
            }
            count += 1;
        }
        let left = self.waiting.len() - count;
        let taken: Vec<_> = self.waiting.drain(..count).collect();
        self.pace.taken(left);
        let position = self.position - u64::try_from(left).unwrap_or(0);
        let weight = taken
            .iter()
            .map(|waiting| usize::try_from(waiting.weight).unwrap_or(0))
            .sum();
        Batch {
            requests: taken.into_iter().map(|waiting| waiting.request).collect(),
            weight,
            position,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queue: &mut Queue, count: usize) {
        for _ in 0..count {
            queue.push(Request::Barrier, 100, Urgency::Lazy, Duration::ZERO);
        }
    }

    #[test]
    fn a_batch_is_bounded_by_entries_and_bytes_and_one_entry_always_goes() {
        let mut queue = Queue::default();
        push(&mut queue, 10);
        let by_entries = Batching {
            entries: 4,
            ..Batching::default()
        };
        let batch = queue.drain(&by_entries);
        assert_eq!((batch.requests.len(), batch.position, batch.weight), (4, 4, 400));
        let by_bytes = Batching {
            bytes: 250,
            ..Batching::default()
        };
        let batch = queue.drain(&by_bytes);
        assert_eq!((batch.requests.len(), batch.position, batch.weight), (2, 6, 200));
        let tiny = Batching {
            bytes: 1,
            ..Batching::default()
        };
        assert_eq!(queue.drain(&tiny).position, 7);
        assert_eq!(queue.drain(&Batching::default()).position, 10);
        assert_eq!(queue.len(), 0);
    }
}
