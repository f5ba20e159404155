//! What waits for the writer, and everything that is decided in order before it is stored.
//!
//! Owns the order: an entry gets its position and its place in the queue in one step, so positions, replay checks, the
//! inbox and stored rows agree. What need not be durable by itself (acknowledgements, marks of attempts) waits here for
//! the next commit. Pure but for the lock its user puts around it; time is a parameter.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::cell_index::CellIndex;
use crate::config::{Batching, Limits};
use crate::entry::Urgency;
use crate::error::{JobRefused, Stopped};
use crate::flights::Flights;
use crate::inbox_index::InboxIndex;
use crate::key::RunKey;
use crate::pace::Pace;
use crate::replay::{FORGET_BATCH, JobEntry, ReplayMemory, Seen};
use crate::rows::NO_TIME;
use crate::tombstones::Gone;
use crate::work::{Dropped, JobRow, Request, Work};

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
    pub(crate) work: Work,
    /// Room it gives back.
    pub(crate) weight: usize,
    /// Position of its last request.
    pub(crate) position: u64,
}

/// A run that was here, whether or not that is durable yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// It is open under this fencing number; it is to be looked at when this time comes.
    Open { number: u64, epoch: u64, due_ms: u64 },
    /// It ended, its records are still here.
    Ended { number: u64, epoch: u64 },
    /// It is gone since then; `ended`, or another host has it under this fencing number or a later one.
    Gone { epoch: u64, ended: bool, at_ms: u64 },
}

impl Known {
    /// Its number, while it is here.
    pub(crate) fn number(self) -> Option<u64> {
        match self {
            Self::Open { number, .. } | Self::Ended { number, .. } => Some(number),
            Self::Gone { .. } => None,
        }
    }

    /// The highest fencing number that is known of it.
    pub(crate) fn epoch(self) -> u64 {
        match self {
            Self::Open { epoch, .. } | Self::Ended { epoch, .. } | Self::Gone { epoch, .. } => epoch,
        }
    }

    /// What is known of a run that is gone when this is added: the highest fencing number and the last time count.
    pub(crate) fn buried(before: Option<Self>, gone: Gone, at_ms: u64) -> Self {
        let (epoch, ended, last_ms) = match before {
            Some(Self::Gone { epoch, ended, at_ms }) => (epoch, ended, at_ms),
            _ => (0, false, 0),
        };
        Self::Gone {
            epoch: epoch.max(gone.epoch),
            ended: ended || gone.ended,
            // One that is not stored yet has no time.
            at_ms: if last_ms == NO_TIME {
                at_ms
            } else {
                at_ms.max(last_ms)
            },
        }
    }
}

/// Everything that is decided in order, under one lock.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: VecDeque<Waiting>,
    /// Position of the last request that came; 0 before the first.
    position: u64,
    pub(crate) pace: Pace,
    pub(crate) stopped: Option<Stopped>,
    /// The orders that were taken.
    pub(crate) replay: ReplayMemory,
    pub(crate) runs: BTreeMap<RunKey, Known>,
    pub(crate) open_runs: usize,
    pub(crate) next_number: u64,
    /// Runs of which somebody holds the log.
    pub(crate) loaded: BTreeSet<u64>,
    /// No run is due before this.
    pub(crate) earliest_ms: u64,
    pub(crate) inbox: InboxIndex,
    pub(crate) cells: CellIndex,
    pub(crate) flights: Flights,
    /// Cursors that moved, by run number.
    pub(crate) acks: BTreeMap<u64, u64>,
    /// The control plane was told of every order before this one.
    pub(crate) told: u64,
    told_changed: bool,
}

impl Queue {
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

    /// Remembers a new order; answers what is to be stored of it.
    pub(crate) fn remember(&mut self, job: JobEntry, now_ms: u64, limits: &Limits) -> JobRow {
        let number = self.replay.take(&job);
        let forgotten = self.replay.forget(now_ms, limits.remembered_jobs, FORGET_BATCH);
        JobRow {
            number,
            job,
            forgotten,
        }
    }

    /// Gives a new run its number.
    pub(crate) fn begin_run(&mut self, run: RunKey, epoch: u64) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.open_runs += 1;
        let due_ms = NO_TIME;
        let open = Known::Open {
            number,
            epoch,
            due_ms,
        };
        self.runs.insert(run, open);
        number
    }

    /// Under which fencing number the run goes on elsewhere, or ended, so that whoever holds the log of this number may
    /// write no more; `None` if he may.
    pub(crate) fn fence(&self, run: &RunKey, number: u64) -> Option<u64> {
        match self.runs.get(run) {
            Some(known) if known.number() == Some(number) => None,
            Some(known) => Some(known.epoch()),
            // So long ago that it is forgotten.
            None => Some(0),
        }
    }

    /// The run's records carry this fencing number from now on.
    pub(crate) fn raise(&mut self, run: &RunKey, to: u64) {
        if let Some(Known::Open { epoch, .. }) = self.runs.get_mut(run) {
            *epoch = to.max(*epoch);
        }
    }

    /// An open run ended or is gone; answers the messages that leave with it.
    pub(crate) fn close_run(&mut self, run: RunKey, number: Option<u64>, now: Known) -> Vec<u64> {
        if let Some(Known::Open { .. }) = self.runs.insert(run, now) {
            self.open_runs = self.open_runs.saturating_sub(1);
        }
        if let Some(number) = number {
            self.flights.forget(number);
        }
        self.inbox.remove_run(&run)
    }

    /// What a commit took away.
    pub(crate) fn gone(&mut self, dropped: &[Dropped], released: &[Vec<u8>], forgotten: &[(RunKey, u64)]) {
        for Dropped { number, gone, at_ms } in dropped {
            let known = self.runs.get(&gone.run).copied();
            let here = known.and_then(Known::number);
            // One that came back under a higher number has another number.
            if here.is_none() || here == *number {
                self.runs.insert(gone.run, Known::buried(known, *gone, *at_ms));
            }
        }
        for document in released {
            self.cells.release(document);
        }
        for (run, since_ms) in forgotten {
            // One that came back and went again since is remembered for that.
            if let Some(Known::Gone { at_ms, .. }) = self.runs.get(run)
                && at_ms <= since_ms
            {
                self.runs.remove(run);
            }
        }
    }

    pub(crate) fn is_open(&self, run: &RunKey) -> bool {
        matches!(self.runs.get(run), Some(Known::Open { .. }))
    }

    /// The run is to be looked at then.
    pub(crate) fn set_due(&mut self, run: &RunKey, due: u64) {
        if let Some(Known::Open { due_ms, .. }) = self.runs.get_mut(run) {
            *due_ms = due;
            self.earliest_ms = self.earliest_ms.min(due);
        }
    }

    /// The runs that are due by now and that nobody holds, the earliest first.
    pub(crate) fn due_before(&mut self, now_ms: u64) -> Vec<RunKey> {
        if self.earliest_ms > now_ms {
            return Vec::new();
        }
        let mut due: Vec<(u64, RunKey)> = self.dues().filter(|(due, _)| *due <= now_ms).collect();
        due.sort_unstable();
        due.into_iter().map(|(_, run)| run).collect()
    }

    fn dues(&self) -> impl Iterator<Item = (u64, RunKey)> {
        self.runs.iter().filter_map(|(run, known)| match known {
            Known::Open { number, due_ms, .. } if *due_ms != NO_TIME && !self.loaded.contains(number) => {
                Some((*due_ms, *run))
            }
            _ => None,
        })
    }

    /// When the next run is due.
    pub(crate) fn next_due_ms(&mut self) -> Option<u64> {
        let next = self.dues().map(|(due, _)| due).min();
        self.earliest_ms = next.unwrap_or(NO_TIME);
        next
    }

    /// A cursor moved.
    pub(crate) fn acknowledged(&mut self, number: u64, cursor: u64) {
        let known = self.acks.entry(number).or_insert(cursor);
        *known = cursor.max(*known);
    }

    /// The control plane was told of every order before this one.
    pub(crate) fn told(&mut self, before: u64) {
        if before > self.told {
            (self.told, self.told_changed) = (before.min(self.replay.next_number()), true);
        }
    }

    /// Whether something waits that goes with the next commit and asks for none.
    pub(crate) fn has_riders(&self) -> bool {
        !self.acks.is_empty() || self.told_changed || self.flights.has_changes()
    }

    /// Position of the last request that came.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Takes the front of the queue: everything, or as much as one commit may carry; and all that rides along.
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
        // A mark may name a run whose beginning waits behind this batch: then it waits too.
        let flights = if left == 0 {
            self.flights.drain()
        } else {
            Vec::new()
        };
        Batch {
            work: Work {
                requests: taken.into_iter().map(|waiting| waiting.request).collect(),
                acks: std::mem::take(&mut self.acks),
                told: std::mem::take(&mut self.told_changed).then_some(self.told),
                flights,
            },
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
        let counted = |batch: &Batch| (batch.work.requests.len(), batch.position, batch.weight);
        let batch = queue.drain(&by_entries);
        assert_eq!(counted(&batch), (4, 4, 400));
        let by_bytes = Batching {
            bytes: 250,
            ..Batching::default()
        };
        let batch = queue.drain(&by_bytes);
        assert_eq!(counted(&batch), (2, 6, 200));
        let tiny = Batching {
            bytes: 1,
            ..Batching::default()
        };
        assert_eq!(queue.drain(&tiny).position, 7);
        assert_eq!(queue.drain(&Batching::default()).position, 10);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn what_rides_along_asks_for_no_commit() {
        let mut queue = Queue::default();
        queue.acknowledged(1, 5);
        queue.acknowledged(1, 4);
        queue.flights.begin(1, &"a".parse().unwrap(), 1);
        assert!(queue.has_riders());
        assert_eq!(
            queue.pace.next(&Batching::default(), Duration::ZERO),
            crate::pace::Next::Idle
        );
        push(&mut queue, 1);
        let work = queue.drain(&Batching::default()).work;
        assert_eq!((work.acks.get(&1), work.flights.len()), (Some(&5), 1));
        assert!(!queue.has_riders());
    }

    #[test]
    fn runs_are_due_in_their_order() {
        let mut queue = Queue::default();
        let run = |n: u8| RunKey::of(&flowforge_protocol::RunId::from_entropy([n; 16]));
        for n in 1..=3 {
            queue.begin_run(run(n), 1);
        }
        assert_eq!(queue.next_due_ms(), None);
        queue.set_due(&run(1), 30);
        queue.set_due(&run(3), 20);
        assert_eq!(queue.due_before(19), []);
        assert_eq!(queue.due_before(30), [run(3), run(1)]);
        queue.set_due(&run(3), NO_TIME);
        assert_eq!(queue.next_due_ms(), Some(30));
        let ended = Known::Ended { number: 0, epoch: 1 };
        queue.close_run(run(1), Some(0), ended);
        assert_eq!((queue.due_before(99), queue.open_runs), (vec![], 2));
    }
}
