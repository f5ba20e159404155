//! The newest rows of records, in memory: what was just committed is not read back from the file to be sent.
//!
//! Bounded; the oldest leave it first and are then read from the file. A row is known by its place, so what is found here
//! is what the file holds there.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::records_row::RecordsRow;

/// Most bytes that are held: two calls' worth of the uploader.
const BYTES_MAX: usize = 4 << 20;

/// The newest rows, by run number and first record.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    rows: BTreeMap<(u64, u64), Arc<RecordsRow>>,
    /// In the order in which they came; some may be gone.
    order: VecDeque<(u64, u64)>,
    bytes: usize,
}

impl Recent {
    /// A row became durable.
    pub(crate) fn add(&mut self, number: u64, first_seq: u64, row: Arc<RecordsRow>) {
        let place = (number, first_seq);
        self.bytes += row.weight();
        if let Some(old) = self.rows.insert(place, row) {
            self.bytes = self.bytes.saturating_sub(old.weight());
        }
        self.order.push_back(place);
        while self.bytes > BYTES_MAX
            && let Some(place) = self.order.pop_front()
        {
            self.remove(place);
        }
    }

    pub(crate) fn get(&self, number: u64, first_seq: u64) -> Option<Arc<RecordsRow>> {
        self.rows.get(&(number, first_seq)).cloned()
    }

    /// What lies before this record of the run was sent, but for its last row if a receipt still waits in there.
    pub(crate) fn sent(&mut self, number: u64, before: u64) {
        let gone: Vec<_> = self
            .rows
            .range((number, 0)..(number, before))
            .filter(|((_, first_seq), row)| {
                first_seq + u64::from(row.count) <= before && row.receipt.is_none()
            })
            .map(|(place, _)| *place)
            .collect();
        gone.into_iter().for_each(|place| self.remove(place));
        self.tidy();
    }

    /// Everything of the run was sent, or it is gone.
    pub(crate) fn forget(&mut self, number: u64) {
        let range = (number, 0)..=(number, u64::MAX);
        let gone: Vec<_> = self.rows.range(range).map(|(place, _)| *place).collect();
        gone.into_iter().for_each(|place| self.remove(place));
        self.tidy();
    }

    fn remove(&mut self, place: (u64, u64)) {
        if let Some(row) = self.rows.remove(&place) {
            self.bytes = self.bytes.saturating_sub(row.weight());
        }
    }

    /// Keeps the order from growing by what left it.
    fn tidy(&mut self) {
        if self.order.len() > 64 + 2 * self.rows.len() {
            self.order.retain(|place| self.rows.contains_key(place));
        }
    }
}

#[cfg(test)]
mod tests {
    use flowforge_protocol::Digest;

    use super::*;

    fn row(bytes: usize, receipt: bool) -> Arc<RecordsRow> {
        Arc::new(RecordsRow {
            epoch: 1,
            count: 2,
            before: Digest::of(b"w"),
            chain: Digest::of(b"x"),
            artefacts: Vec::new(),
            receipt: receipt.then(Vec::new),
            values_stay: false,
            lines: vec![7; bytes],
        })
    }

    fn places(recent: &Recent) -> Vec<(u64, u64)> {
        recent.rows.keys().copied().collect()
    }

    #[test]
    fn what_was_sent_leaves_it() {
        let mut recent = Recent::default();
        for (number, first_seq) in [(1, 0), (1, 2), (2, 0), (1, 4)] {
            recent.add(number, first_seq, row(10, first_seq == 4));
        }
        recent.sent(1, 3);
        assert_eq!(places(&recent), [(1, 2), (1, 4), (2, 0)]);
        recent.sent(1, 6);
        assert_eq!(places(&recent), [(1, 4), (2, 0)], "its receipt still waits");
        assert!(recent.get(1, 4).is_some() && recent.get(1, 2).is_none());
        recent.forget(1);
        recent.forget(2);
        assert_eq!((places(&recent), recent.bytes), (vec![], 0));
    }

    #[test]
    fn above_its_bound_the_oldest_are_left_to_the_file() {
        let mut recent = Recent::default();
        recent.add(1, 0, row(BYTES_MAX - 1000, false));
        recent.add(2, 0, row(10, false));
        recent.add(3, 0, row(1000, false));
        assert_eq!(places(&recent), [(2, 0), (3, 0)]);
        recent.add(4, 0, row(BYTES_MAX, false));
        assert_eq!((places(&recent), recent.bytes), (vec![], 0));
        for n in 0..1000 {
            recent.add(5, n, row(1, false));
            recent.forget(5);
        }
        assert!(recent.order.len() < 100, "what left takes no room");
    }
}
