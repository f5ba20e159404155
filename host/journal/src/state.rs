//! What the writer knows without reading: the head of every run, what may be dropped, the sums.

use std::collections::{BTreeMap, BTreeSet};

use crate::rows::RunHead;
use crate::tombstones::Graves;
use crate::value_index::ValueIndex;

/// Everything the writer knows.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Boxed, because a tree's pages are half empty and heads are most of what a waiting run takes.
    pub(crate) heads: BTreeMap<u64, Box<RunHead>>,
    /// Runs that ended and of which nothing is unsent, by the time of their end.
    pub(crate) finished: BTreeSet<(u64, u64)>,
    /// Their bytes, without their large values.
    pub(crate) run_finished_bytes: u64,
    pub(crate) next_number: u64,
    /// Number of the last commit.
    pub(crate) commit: u64,
    /// Bytes of all runs, without their large values.
    pub(crate) run_bytes: u64,
    /// Large values of records, beside the runs that hold them.
    pub(crate) values: ValueIndex,
    pub(crate) graves: Graves,
    /// Number of the next order that is stored.
    pub(crate) next_job: u64,
}

impl State {
    /// Bytes of all runs and of their large values; what the size limit counts.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.run_bytes + self.values.bytes()
    }

    /// Bytes that go as soon as room is wanted.
    pub(crate) fn finished_bytes(&self) -> u64 {
        self.run_finished_bytes + self.values.finished_bytes()
    }

    /// A run that ended and has nothing left to send may be dropped from now on.
    pub(crate) fn settle(&mut self, number: u64) {
        if let Some(head) = self.heads.get(&number)
            && !head.is_open()
            && !head.parked
            && head.cursor >= head.end()
            && self.finished.insert((head.at_ms, number))
        {
            self.run_finished_bytes += head.bytes;
            self.values.finish(number, true);
        }
    }

    /// It has something to send again, or it goes.
    pub(crate) fn unsettle(&mut self, number: u64) {
        if let Some(head) = self.heads.get(&number)
            && self.finished.remove(&(head.at_ms, number))
        {
            self.run_finished_bytes = self.run_finished_bytes.saturating_sub(head.bytes);
            self.values.finish(number, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::RunKey;
    use crate::queue::Known;

    /// Ten thousand waiting runs took 220 MiB. What the journal keeps of each is its head, its place in two trees, and no
    /// record: counted here at the usual fill of a tree's pages, seven tenths.
    #[test]
    fn ten_thousand_heads_take_two_mebibytes_and_a_quarter() {
        let rounded = |bytes: usize| bytes.next_multiple_of(16);
        let in_tree = |bytes: usize| bytes * 10 / 7;
        let head = rounded(size_of::<RunHead>()) + in_tree(size_of::<u64>() + size_of::<Box<RunHead>>());
        let known = in_tree(size_of::<RunKey>() + size_of::<Known>());
        let all = 10_000 * (head + known);
        assert!(all <= 9 << 18, "{all} bytes, {head} and {known} for each");
    }
}
