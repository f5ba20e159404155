//! What waits to be sent, run by run.
//!
//! Owns one cursor for each run: what lies behind it is at the control plane. Hands out what lies before it, the run that
//! waited longest first and each run in turn, so that one run with much to send holds up no other; a run whose uploads
//! were rejected is left out until somebody has seen to it. Knows rows by place and size only. Invariant: it holds
//! exactly the durable rows from the cursor on of every run that has any.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::key::RunKey;

/// A durable row of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) first_seq: u64,
    /// Behind its last record.
    pub(crate) end: u64,
    pub(crate) bytes: u32,
}

/// What a run has to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) run: RunKey,
    /// The first record that the control plane does not have.
    pub(crate) cursor: u64,
    pub(crate) rows: VecDeque<Row>,
    /// Its receipt waits, in the last row.
    pub(crate) receipt: Option<Row>,
    pub(crate) parked: bool,
}

impl Pending {
    pub(crate) fn new(run: RunKey, cursor: u64) -> Self {
        Self {
            run,
            cursor,
            rows: VecDeque::new(),
            receipt: None,
            parked: false,
        }
    }

    fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.receipt.is_none()
    }

    fn bytes(&self) -> u64 {
        let alone = if self.rows.is_empty() { self.receipt } else { None };
        let rows = self.rows.iter().chain(alone.iter());
        rows.map(|row| u64::from(row.bytes)).sum()
    }
}

/// What one call of the uploader takes of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Portion {
    pub(crate) number: u64,
    pub(crate) run: RunKey,
    pub(crate) cursor: u64,
    /// First records of the rows to send, in order.
    pub(crate) rows: Vec<u64>,
    /// The row whose receipt is to be sent behind them.
    pub(crate) receipt: Option<u64>,
}

/// Whether something waits, and whether it may wait for company.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Ready {
    #[default]
    Nothing,
    /// A few records of runs that go on.
    MayWait,
    /// The end of a run, or so much that company would not fit.
    Now,
}

/// From so many bytes on what waits is sent at once.
const FULL_BYTES: u64 = 1024 * 1024;

/// How much waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Backlog {
    pub(crate) rows: usize,
    pub(crate) bytes: u64,
    /// Of the rows, receipts: so many runs have ended.
    pub(crate) ends: usize,
    pub(crate) parked_runs: usize,
    pub(crate) parked_bytes: u64,
}

/// Everything that waits to be sent.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    runs: BTreeMap<u64, Pending>,
    /// Runs with something to send, by how long they wait for their turn.
    line: VecDeque<u64>,
    /// The same; a run that has nothing to send any more stays until its turn.
    in_line: BTreeSet<u64>,
    backlog: Backlog,
}

impl Outbox {
    pub(crate) fn backlog(&self) -> Backlog {
        self.backlog
    }

    /// Whether something can be sent now.
    pub(crate) fn ready(&self) -> Ready {
        match self.backlog {
            Backlog { rows: 0, .. } => Ready::Nothing,
            Backlog {
                ends: 0,
                bytes: ..FULL_BYTES,
                ..
            } => Ready::MayWait,
            _ => Ready::Now,
        }
    }

    /// Changes a run's part; the sums and the line follow.
    fn change<T>(&mut self, number: u64, change: impl FnOnce(&mut Option<Pending>) -> T) -> T {
        let mut pending = self.runs.remove(&number);
        self.count(pending.as_ref(), false);
        let answer = change(&mut pending);
        if let Some(pending) = pending.filter(|pending| pending.parked || !pending.is_empty()) {
            if !pending.parked && self.in_line.insert(number) {
                self.line.push_back(number);
            }
            self.count(Some(&pending), true);
            self.runs.insert(number, pending);
        }
        answer
    }

    fn count(&mut self, pending: Option<&Pending>, comes: bool) {
        let Some(pending) = pending else { return };
        let ends = usize::from(pending.receipt.is_some() && !pending.parked);
        let (rows, bytes) = (
            pending.rows.len() + usize::from(pending.receipt.is_some()),
            pending.bytes(),
        );
        let Backlog {
            rows: all_rows,
            bytes: all_bytes,
            ends: all_ends,
            parked_runs,
            parked_bytes,
        } = &mut self.backlog;
        let (count, of, sum) = match pending.parked {
            true => (parked_runs, 1, parked_bytes),
            false => (all_rows, rows, all_bytes),
        };
        if comes {
            (*count, *sum) = (*count + of, *sum + bytes);
            *all_ends += ends;
        } else {
            (*count, *sum) = (count.saturating_sub(of), sum.saturating_sub(bytes));
            *all_ends = all_ends.saturating_sub(ends);
        }
    }

    /// A row became durable; `cursor` is what its head says of what was sent before.
    pub(crate) fn add(&mut self, number: u64, run: RunKey, cursor: u64, row: Row, receipt: bool) {
        self.change(number, |pending| {
            // What is not here was sent, even if the file does not say so yet.
            let pending = pending.get_or_insert_with(|| Pending::new(run, cursor.max(row.first_seq)));
            pending.rows.push_back(row);
            if receipt {
                pending.receipt = Some(row);
            }
        });
    }

    /// The run's part is this from now on.
    pub(crate) fn reset(&mut self, number: u64, new: Pending) {
        self.change(number, |pending| {
            let parked = new.parked || pending.as_ref().is_some_and(|old| old.parked);
            *pending = Some(Pending { parked, ..new });
        });
    }

    /// The control plane has every record before this one; answers the cursor that the file is to hold, if it moved.
    pub(crate) fn acknowledge(&mut self, number: u64, before: u64) -> Option<u64> {
        self.change(number, |pending| {
            let pending = pending.as_mut()?;
            let end = pending.rows.back().map_or(pending.cursor, |row| row.end);
            let before = before.min(end);
            if before <= pending.cursor {
                return None;
            }
            pending.cursor = before;
            while pending.rows.front().is_some_and(|row| row.end <= before) {
                pending.rows.pop_front();
            }
            Some(before)
        })
    }

    /// The control plane has the receipt; answers the cursor that the file is to hold, once the records are there too.
    pub(crate) fn acknowledge_receipt(&mut self, number: u64) -> Option<u64> {
        self.change(number, |pending| {
            let pending = pending.as_mut().filter(|pending| pending.rows.is_empty())?;
            pending.receipt.take().map(|row| row.end + 1)
        })
    }

    pub(crate) fn park(&mut self, number: u64, run: RunKey, parked: bool) {
        self.change(number, |pending| {
            pending.get_or_insert_with(|| Pending::new(run, 0)).parked = parked;
        });
    }

    /// The run is gone.
    pub(crate) fn forget(&mut self, number: u64) {
        self.change(number, |pending| *pending = None);
    }

    /// Takes the next portions: of each run at most `run_bytes`, in all at most `bytes`, unless a single row is larger.
    /// The runs that are served go to the end of the line.
    pub(crate) fn take(&mut self, rows: usize, bytes: u64, run_bytes: u64) -> Vec<Portion> {
        let mut portions = Vec::new();
        let (mut rows_left, mut bytes_left) = (rows.max(1), bytes);
        for _ in 0..self.line.len() {
            if rows_left == 0 || (bytes_left == 0 && !portions.is_empty()) {
                break;
            }
            let Some(number) = self.line.pop_front() else {
                break;
            };
            let pending = self.runs.get(&number);
            let Some(pending) = pending.filter(|pending| !pending.parked && !pending.is_empty()) else {
                self.in_line.remove(&number);
                continue;
            };
            let most = if portions.is_empty() {
                run_bytes
            } else {
                run_bytes.min(bytes_left)
            };
            let Some((portion, taken)) = portion(number, pending, rows_left, most, portions.is_empty())
            else {
                // Its first row is too large for what is left of this call: it is first in the next one.
                self.line.push_front(number);
                break;
            };
            self.line.push_back(number);
            rows_left = rows_left.saturating_sub(portion.rows.len().max(1));
            bytes_left = bytes_left.saturating_sub(taken);
            portions.push(portion);
        }
        portions
    }
}

fn portion(number: u64, pending: &Pending, rows: usize, bytes: u64, any: bool) -> Option<(Portion, u64)> {
    let (mut taken, mut first_seqs) = (0, Vec::new());
    for row in pending.rows.iter().take(rows) {
        let size = u64::from(row.bytes);
        let goes_alone = any && first_seqs.is_empty();
        if taken + size > bytes && !goes_alone {
            break;
        }
        taken += size;
        first_seqs.push(row.first_seq);
    }
    let all = first_seqs.len() == pending.rows.len();
    let receipt = pending.receipt.filter(|_| all).map(|row| row.first_seq);
    if first_seqs.is_empty() && receipt.is_none() {
        return None;
    }
    let portion = Portion {
        number,
        run: pending.run,
        cursor: pending.cursor,
        rows: first_seqs,
        receipt,
    };
    Some((portion, taken.max(1)))
}

#[cfg(test)]
mod tests {
    use flowforge_protocol::RunId;

    use super::*;

    fn run(n: u64) -> RunKey {
        RunKey::of(&RunId::from_entropy(u128::from(n).to_be_bytes()))
    }

    fn row(first_seq: u64, bytes: u32) -> Row {
        Row {
            first_seq,
            end: first_seq + 2,
            bytes,
        }
    }

    fn taken(outbox: &mut Outbox, rows: usize, bytes: u64, run_bytes: u64) -> Vec<(u64, Vec<u64>, bool)> {
        let portions = outbox.take(rows, bytes, run_bytes);
        portions
            .into_iter()
            .map(|portion| (portion.number, portion.rows, portion.receipt.is_some()))
            .collect()
    }

    /// One run with a million bytes was sent to its end before any other run had its turn.
    #[test]
    fn every_run_has_its_turn_and_a_large_row_goes_alone() {
        let mut outbox = Outbox::default();
        for n in 0..5 {
            outbox.add(1, run(1), 0, row(2 * n, 400), false);
        }
        outbox.add(2, run(2), 0, row(0, 100), true);
        outbox.add(3, run(3), 0, row(0, 5_000), false);
        assert_eq!(
            taken(&mut outbox, 9, 1_500, 1_000),
            [(1, vec![0, 2], false), (2, vec![0], true)]
        );
        assert_eq!(taken(&mut outbox, 9, 1_500, 1_000), [(3, vec![0], false)]);
        assert_eq!(outbox.backlog().bytes, 7_100);
        assert_eq!(outbox.acknowledge(1, 3), Some(3));
        let next = outbox.take(1, 1_500, 1_000);
        assert_eq!((next[0].number, next[0].cursor, &next[0].rows), (1, 3, &vec![2]));
    }

    #[test]
    fn the_cursor_moves_forward_only_and_the_receipt_comes_last() {
        let mut outbox = Outbox::default();
        outbox.add(1, run(1), 0, row(0, 10), false);
        outbox.add(1, run(1), 0, row(2, 10), true);
        assert_eq!(outbox.acknowledge_receipt(1), None, "its records come first");
        assert_eq!(outbox.acknowledge(1, 2), Some(2));
        assert_eq!(outbox.acknowledge(1, 1), None);
        assert_eq!(
            outbox.acknowledge(1, 9),
            Some(4),
            "nothing is acknowledged that is not here"
        );
        assert_eq!(taken(&mut outbox, 9, 99, 99), [(1, vec![], true)]);
        assert_eq!(outbox.acknowledge_receipt(1), Some(5));
        assert!(outbox.ready() == Ready::Nothing && outbox.runs.is_empty());
        assert_eq!(outbox.backlog(), Backlog::default());
        assert_eq!(taken(&mut outbox, 9, 99, 99), []);
        outbox.add(1, run(1), 0, row(4, 10), false);
        assert_eq!(taken(&mut outbox, 9, 99, 99), [(1, vec![4], false)]);
    }

    #[test]
    fn a_run_stands_in_the_line_once() {
        let mut outbox = Outbox::default();
        for n in 0..9 {
            outbox.add(1, run(1), 0, row(2 * n, 10), false);
            assert_eq!(taken(&mut outbox, 9, 99, 99), [(1, vec![2 * n], false)]);
            outbox.acknowledge(1, 2 * n + 2);
        }
        assert_eq!(outbox.line.len(), 1);
    }

    #[test]
    fn a_parked_run_holds_up_nobody_and_loses_nothing() {
        let mut outbox = Outbox::default();
        outbox.add(1, run(1), 0, row(0, 10), false);
        outbox.add(2, run(2), 0, row(0, 10), false);
        outbox.park(1, run(1), true);
        outbox.add(1, run(1), 0, row(2, 10), false);
        assert_eq!(taken(&mut outbox, 9, 99, 99), [(2, vec![0], false)]);
        let backlog = outbox.backlog();
        assert_eq!(
            (backlog.rows, backlog.parked_runs, backlog.parked_bytes),
            (1, 1, 20)
        );
        outbox.park(1, run(1), false);
        assert_eq!(taken(&mut outbox, 9, 99, 99).len(), 2);
        outbox.forget(1);
        outbox.forget(2);
        assert_eq!(outbox.backlog(), Backlog::default());
    }

    #[test]
    fn the_end_of_a_run_and_much_are_told_apart_until_they_are_there_or_parked() {
        let mut outbox = Outbox::default();
        outbox.add(1, run(1), 0, row(0, 10), false);
        assert_eq!(outbox.ready(), Ready::MayWait);
        outbox.add(2, run(2), 0, row(0, 10), true);
        assert_eq!(outbox.ready(), Ready::Now);
        outbox.park(2, run(2), true);
        assert_eq!(outbox.ready(), Ready::MayWait);
        outbox.park(2, run(2), false);
        assert_eq!(outbox.ready(), Ready::Now);
        outbox.acknowledge(2, 2);
        outbox.acknowledge_receipt(2);
        assert_eq!(outbox.ready(), Ready::MayWait);
        outbox.add(1, run(1), 0, row(2, 1 << 20), false);
        assert_eq!(outbox.ready(), Ready::Now);
        outbox.acknowledge(1, 4);
        assert_eq!(outbox.ready(), Ready::Nothing);
    }

    #[test]
    fn a_run_that_is_sent_again_from_an_earlier_record_keeps_its_place() {
        let mut outbox = Outbox::default();
        outbox.add(1, run(1), 0, row(4, 10), false);
        let mut from_one = Pending::new(run(1), 1);
        from_one.rows.extend([row(0, 10), row(2, 10), row(4, 10)]);
        outbox.reset(1, from_one);
        let again = outbox.take(9, 99, 99);
        assert_eq!((again.len(), again[0].cursor), (1, 1));
        assert_eq!(again[0].rows, [0, 2, 4]);
        assert_eq!(outbox.line.len(), 1);
    }
}
