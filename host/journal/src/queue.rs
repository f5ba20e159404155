//! What waits for the writer, and when it goes.
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
use crate::replay::{FORGET_BATCH, JobEntry, ReplayMemory, Seen};
use crate::state::State;

/// Something that waits.
#[derive(Debug)]
struct Waiting {
    request: Request,
    /// Room it takes in the queue.
    weight: u32,
}

/// What the writer is to do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Commit what waits.
    Commit,
    /// Look again when something comes, or after this time at the latest.
    Within(Duration),
    /// Look again when something comes.
    Idle,
    /// Nothing waits and nothing comes any more.
    Finished,
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
    /// How many of `waiting`, from the front, are asked for at once.
    urgent: usize,
    /// When the oldest lazy one came.
    lazy_since: Option<Duration>,
    pub(crate) closing: bool,
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
        match urgency {
            Urgency::Now => self.urgent = self.waiting.len(),
            Urgency::Lazy => {
                self.lazy_since.get_or_insert(now);
            }
        }
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

    /// Position of the last request that came.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// What is waiting goes as soon as the writer is free.
    pub(crate) fn hurry(&mut self) {
        self.urgent = self.waiting.len();
    }

    pub(crate) fn next(&self, batching: &Batching, now: Duration) -> Next {
        if self.waiting.is_empty() {
            return if self.closing { Next::Finished } else { Next::Idle };
        }
        if self.urgent > 0 || self.closing || self.waiting.len() >= batching.entries {
            return Next::Commit;
        }
        let due = self.lazy_since.unwrap_or(now) + batching.flush_after;
        match due.checked_sub(now) {
            None | Some(Duration::ZERO) => Next::Commit,
            Some(left) => Next::Within(left),
        }
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
        // What stays goes with the next commit, so that nothing waits longer because there is much.
        self.urgent = left;
        self.lazy_since = None;
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

    const MS: Duration = Duration::from_millis(1);

    fn batching() -> Batching {
        Batching {
            flush_after: 50 * MS,
            entries: 4,
            bytes: 1000,
        }
    }

    fn push(queue: &mut Queue, urgency: Urgency, at: u32) -> u64 {
        queue.push(Request::Barrier, 100, urgency, at * MS)
    }

    #[test]
    fn a_lazy_entry_waits_for_the_bound_and_no_longer() {
        let mut queue = Queue::default();
        assert_eq!(queue.next(&batching(), Duration::ZERO), Next::Idle);
        push(&mut queue, Urgency::Lazy, 10);
        push(&mut queue, Urgency::Lazy, 40);
        assert_eq!(queue.next(&batching(), 40 * MS), Next::Within(20 * MS));
        assert_eq!(queue.next(&batching(), 59 * MS), Next::Within(MS));
        assert_eq!(queue.next(&batching(), 60 * MS), Next::Commit);
        assert_eq!(queue.drain(&batching()).position, 2);
        assert_eq!(queue.next(&batching(), 60 * MS), Next::Idle);
    }

    #[test]
    fn an_urgent_entry_pulls_the_lazy_ones_along() {
        let mut queue = Queue::default();
        push(&mut queue, Urgency::Lazy, 0);
        push(&mut queue, Urgency::Now, 1);
        push(&mut queue, Urgency::Lazy, 1);
        assert_eq!(queue.next(&batching(), MS), Next::Commit);
        assert_eq!(queue.drain(&batching()).requests.len(), 3);
    }

    #[test]
    fn a_commit_is_bounded_and_what_stays_is_still_urgent() {
        let mut queue = Queue::default();
        for _ in 0..6 {
            push(&mut queue, Urgency::Now, 0);
        }
        let batch = queue.drain(&batching());
        assert_eq!((batch.requests.len(), batch.position, batch.weight), (4, 4, 400));
        assert_eq!(queue.next(&batching(), MS), Next::Commit);
        assert_eq!(queue.drain(&batching()).position, 6);

        let small = Batching {
            bytes: 250,
            ..batching()
        };
        for _ in 0..3 {
            push(&mut queue, Urgency::Lazy, 2);
        }
        assert_eq!(queue.drain(&small).requests.len(), 2);
        assert_eq!(queue.next(&small, 2 * MS), Next::Commit);
        let tiny = Batching {
            bytes: 1,
            ..batching()
        };
        assert_eq!(queue.drain(&tiny).requests.len(), 1, "one always goes");
    }

    #[test]
    fn many_lazy_entries_go_before_their_time_and_closing_flushes() {
        let mut queue = Queue::default();
        for _ in 0..4 {
            push(&mut queue, Urgency::Lazy, 0);
        }
        assert_eq!(queue.next(&batching(), Duration::ZERO), Next::Commit);
        queue.drain(&batching());
        push(&mut queue, Urgency::Lazy, 0);
        queue.closing = true;
        assert_eq!(queue.next(&batching(), Duration::ZERO), Next::Commit);
        queue.drain(&batching());
        assert_eq!(queue.next(&batching(), Duration::ZERO), Next::Finished);
    }
}
