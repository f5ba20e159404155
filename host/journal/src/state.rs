//! What the writer knows without reading: the head of every run, the outbox's places, the accounts.

use std::collections::{BTreeMap, BTreeSet};

use flowforge_protocol::{Digest, RunId};

use crate::replay::ReplayMemory;

/// The head of a run.
#[derive(Debug, Clone)]
pub(crate) struct RunHead {
    pub(crate) run: RunId,
    pub(crate) epoch: u64,
    pub(crate) next_seq: u64,
    pub(crate) chain: Digest,
    /// Stored bytes.
    pub(crate) bytes: u64,
    pub(crate) ended_at_ms: Option<u64>,
    /// Places in the outbox that are not acknowledged; with the last `seq`, if records wait there.
    pub(crate) unsent: BTreeMap<u64, Option<u64>>,
    /// Armed timers.
    pub(crate) timers: BTreeSet<flowforge_protocol::StepKey>,
}

/// A place in the outbox.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) number: u64,
    pub(crate) bytes: u64,
}

/// Everything the writer knows.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) runs: BTreeMap<u64, RunHead>,
    pub(crate) numbers: BTreeMap<RunId, u64>,
    /// Runs that ended and of which nothing is unsent, by the time of their end.
    pub(crate) finished: BTreeSet<(u64, u64)>,
    pub(crate) replay: ReplayMemory,
    pub(crate) outbox: BTreeMap<u64, Place>,
    pub(crate) outbox_bytes: u64,
    pub(crate) next_place: u64,
    pub(crate) next_number: u64,
    /// Bytes of runs and outbox; what the size limit counts.
    pub(crate) stored_bytes: u64,
    pub(crate) cells_bytes: u64,
}

impl State {
    pub(crate) fn open_runs(&self) -> usize {
        self.runs
            .values()
            .filter(|head| head.ended_at_ms.is_none())
            .count()
    }

    /// A run that ended and has nothing left to send may be forgotten from now on.
    pub(crate) fn settle(&mut self, number: u64) {
        if let Some(head) = self.runs.get(&number)
            && let Some(ended_at_ms) = head.ended_at_ms
            && head.unsent.is_empty()
        {
            self.finished.insert((ended_at_ms, number));
        }
    }

    pub(crate) fn place(&mut self, place: u64, number: u64, last_seq: Option<u64>, bytes: u64) {
        self.outbox.insert(place, Place { number, bytes });
        self.outbox_bytes += bytes;
        self.next_place = self.next_place.max(place + 1);
        if let Some(head) = self.runs.get_mut(&number) {
            head.unsent.insert(place, last_seq);
        }
    }

    /// Takes an item out of the outbox; answers whether it was there.
    pub(crate) fn unplace(&mut self, position: u64) -> bool {
        let Some(place) = self.outbox.remove(&position) else {
            return false;
        };
        self.outbox_bytes = self.outbox_bytes.saturating_sub(place.bytes);
        if let Some(head) = self.runs.get_mut(&place.number) {
            head.unsent.remove(&position);
        }
        self.settle(place.number);
        true
    }
}
