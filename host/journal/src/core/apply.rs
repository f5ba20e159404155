//! Requests become rows.

use std::collections::BTreeSet;

use flowforge_protocol::StepKey;

use super::{Append, Collected, CollectedRuns, Committed, Failure, Request};
use crate::codec::{BodyWriter, seal};
use crate::entry::{Ack, OutboxItem, Upload};
use crate::replay::JobEntry;
use crate::state::{RunHead, State};
use crate::tables::{self, EndedRow, OutboxRow, RecordsRow, RunRow, Tables, Waiting};

/// A row of records is closed when it reaches this size, so that reading one row stays cheap.
const ROW_BYTES: usize = 1 << 20;

/// One transaction in the making.
pub(super) struct Apply<'t, 's> {
    pub(super) tables: Tables<'t>,
    pub(super) state: &'s mut State,
    pub(super) now_ms: u64,
    collected: CollectedRuns,
    /// The runs of `collected` in the order in which they came.
    order: Vec<u64>,
    ended: Vec<u64>,
    windows: BTreeSet<String>,
    pub(super) committed: Committed,
}

impl<'t, 's> Apply<'t, 's> {
    pub(super) fn new(tables: Tables<'t>, state: &'s mut State, now_ms: u64) -> Self {
        Self {
            tables,
            state,
            now_ms,
            collected: CollectedRuns::new(),
            order: Vec::new(),
            ended: Vec::new(),
            windows: BTreeSet::new(),
            committed: Committed::default(),
        }
    }

    pub(super) fn request(&mut self, request: Request) -> Result<(), Failure> {
        match request {
            Request::Append(append) => self.append(*append),
            Request::Ack(acks) => acks.into_iter().try_for_each(|ack| self.ack(ack)),
            Request::Put { key, value } => self.put(&key, &value),
            Request::Remove { key } => self.remove(&key),
            Request::Remember(job) => self.remember(&job),
            Request::Forget(number) => {
                self.flush(number)?;
                self.drop_run(number)
            }
            Request::Barrier => Ok(()),
        }
    }

    fn append(&mut self, append: Append) -> Result<(), Failure> {
        let Append {
            number,
            epoch,
            first_seq,
            count,
            chain,
            entry,
            new,
        } = append;
        if let Some(row) = new {
            self.begin_run(number, &row)?;
        }
        if let Some(job) = &entry.job {
            self.remember(job)?;
        }
        let head = self
            .state
            .runs
            .get_mut(&number)
            .ok_or(Failure::Contradiction("append to no run"))?;
        if head.next_seq != first_seq || (head.ended_at_ms.is_some() && count > 0) {
            return Err(Failure::Contradiction("records out of sequence"));
        }
        head.next_seq += u64::from(count);
        head.chain = chain;
        head.epoch = epoch;
        self.committed.records += u64::from(count);
        self.collect(number, epoch, first_seq, count, &entry.lines)?;
        if let Some(row) = self.collected.get_mut(&number) {
            row.chain = chain;
            for upload in entry.uploads {
                match upload {
                    Upload::Artefact { digest, about } => {
                        row.artefacts.push(Waiting::Artefact { digest, about })
                    }
                    Upload::Receipt { envelope } => row.receipts.push(Waiting::Receipt { envelope }),
                }
            }
        }
        for step in entry.disarm {
            self.disarm(number, &step)?;
        }
        for (step, due_ms) in entry.arm {
            self.arm(number, step, due_ms)?;
        }
        if entry.ended {
            self.ended.push(number);
        }
        Ok(())
    }

    fn begin_run(&mut self, number: u64, row: &RunRow) -> Result<(), Failure> {
        if self.state.runs.contains_key(&number) {
            return Err(Failure::Contradiction("a run number was used twice"));
        }
        let key = tables::number_key(number);
        let value = row.seal(&key);
        self.tables.runs.insert(&key[..], &value[..])?;
        let mut head = RunHead::new(row);
        head.bytes = bytes_of(&value);
        self.state.stored_bytes += head.bytes;
        self.state.numbers.insert(row.run.clone(), number);
        self.state.runs.insert(number, head);
        self.state.next_number = self.state.next_number.max(number + 1);
        Ok(())
    }

    fn remember(&mut self, job: &JobEntry) -> Result<(), Failure> {
        let key = tables::number_key(self.state.replay.take(job));
        self.tables
            .jobs
            .insert(&key[..], &tables::seal_job(&key, job)[..])?;
        self.windows.insert(job.scheduler_key.clone());
        Ok(())
    }

    /// Adds lines to what is collected of the run, beginning a new row where one must begin.
    fn collect(
        &mut self,
        number: u64,
        epoch: u64,
        first_seq: u64,
        count: u32,
        lines: &[u8],
    ) -> Result<(), Failure> {
        let full = self
            .collected
            .get(&number)
            .is_some_and(|row| row.epoch != epoch || row.lines.len() + lines.len() > ROW_BYTES);
        if full {
            self.flush(number)?;
        }
        let chain = self.state.runs.get(&number).map(|head| head.chain);
        let row = self.collected.entry(number).or_insert_with(|| {
            self.order.push(number);
            Collected {
                epoch,
                first_seq,
                count: 0,
                chain: chain.unwrap_or_else(|| flowforge_protocol::Digest::of(b"")),
                lines: Vec::new(),
                artefacts: Vec::new(),
                receipts: Vec::new(),
            }
        });
        row.count += count;
        row.lines.extend_from_slice(lines);
        Ok(())
    }

    fn flush(&mut self, number: u64) -> Result<(), Failure> {
        let Some(row) = self.collected.remove(&number) else {
            return Ok(());
        };
        self.order.retain(|other| *other != number);
        self.write_row(number, row)
    }

    fn write_row(&mut self, number: u64, row: Collected) -> Result<(), Failure> {
        for artefact in row.artefacts {
            self.send(number, artefact, None)?;
        }
        if row.count > 0 {
            let (first_seq, last_seq) = (row.first_seq, row.first_seq + u64::from(row.count) - 1);
            let key = tables::record_key(number, first_seq);
            let stored = RecordsRow {
                epoch: row.epoch,
                count: row.count,
                chain: row.chain,
                lines: row.lines,
            };
            let value = stored.seal(&key);
            self.tables.records.insert(&key[..], &value[..])?;
            let bytes = bytes_of(&value);
            self.state.stored_bytes += bytes;
            if let Some(head) = self.state.runs.get_mut(&number) {
                head.bytes += bytes;
            }
            let what = Waiting::Records { first_seq, last_seq };
            self.send(number, what, Some((stored, bytes)))?;
        }
        for receipt in row.receipts {
            self.send(number, receipt, None)?;
        }
        Ok(())
    }

    /// Puts an item into the outbox, with the records it refers to and the bytes they take.
    fn send(
        &mut self,
        number: u64,
        what: Waiting,
        records: Option<(RecordsRow, u64)>,
    ) -> Result<(), Failure> {
        let head = self
            .state
            .runs
            .get(&number)
            .ok_or(Failure::Contradiction("an item of no run"))?;
        let last_seq = match what {
            Waiting::Records { last_seq, .. } => Some(last_seq),
            Waiting::Receipt { .. } | Waiting::Artefact { .. } => None,
        };
        let (position, run) = (self.state.next_place, head.run.clone());
        let key = tables::number_key(position);
        let row = OutboxRow { number, run, what };
        let value = row.seal(&key);
        self.tables.outbox.insert(&key[..], &value[..])?;
        let (records, besides) = records.unzip();
        let bytes = bytes_of(&value) + besides.unwrap_or(0);
        self.state.place(position, number, last_seq, bytes);
        let body = row.into_body(|_| records.ok_or(Failure::Contradiction("an item without its records")))?;
        self.committed.sent.push(OutboxItem { position, body });
        Ok(())
    }

    fn ack(&mut self, ack: Ack) -> Result<(), Failure> {
        match ack {
            Ack::Item(position) => self.trim(position),
            Ack::Records { run, through } => {
                let Some(&number) = self.state.numbers.get(&run) else {
                    return Ok(());
                };
                let sent: Vec<u64> = self.state.runs.get(&number).map_or_else(Vec::new, |head| {
                    let acknowledged = head
                        .unsent
                        .iter()
                        .filter(|(_, last)| last.is_some_and(|l| l <= through));
                    acknowledged.map(|(place, _)| *place).collect()
                });
                sent.into_iter().try_for_each(|place| self.trim(place))
            }
        }
    }

    pub(super) fn trim(&mut self, position: u64) -> Result<(), Failure> {
        if self.state.unplace(position) {
            self.tables.outbox.remove(&tables::number_key(position)[..])?;
            self.committed.trimmed.push(position);
        }
        Ok(())
    }

    fn arm(&mut self, number: u64, step: StepKey, due_ms: u64) -> Result<(), Failure> {
        let key = tables::timer_key(number, &step);
        let mut body = BodyWriter::with_capacity(8);
        body.u64(due_ms);
        self.tables
            .timers
            .insert(&key[..], &seal(tables::TIMERS, &key, &body.finish())[..])?;
        if let Some(head) = self.state.runs.get_mut(&number) {
            head.timers.insert(step);
        }
        Ok(())
    }

    pub(super) fn disarm(&mut self, number: u64, step: &StepKey) -> Result<(), Failure> {
        let armed = self
            .state
            .runs
            .get_mut(&number)
            .is_some_and(|head| head.timers.remove(step));
        if armed {
            self.tables.timers.remove(&tables::timer_key(number, step)[..])?;
        }
        Ok(())
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        let sealed = seal(tables::CELLS, key, value);
        let old = self
            .tables
            .cells
            .insert(key, &sealed[..])?
            .map_or(0, |old| bytes_of(old.value()));
        self.state.cells_bytes = (self.state.cells_bytes + bytes_of(&sealed)).saturating_sub(old);
        Ok(())
    }

    fn remove(&mut self, key: &[u8]) -> Result<(), Failure> {
        let old = self
            .tables
            .cells
            .remove(key)?
            .map_or(0, |old| bytes_of(old.value()));
        self.state.cells_bytes = self.state.cells_bytes.saturating_sub(old);
        Ok(())
    }

    /// Writes what was collected: the runs' rows in the order in which they came, ends, replay windows.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        for number in std::mem::take(&mut self.order) {
            if let Some(row) = self.collected.remove(&number) {
                self.write_row(number, row)?;
            }
        }
        for number in std::mem::take(&mut self.ended) {
            self.end_run(number)?;
        }
        for scheduler_key in std::mem::take(&mut self.windows) {
            if let Some(window) = self.state.replay.window(&scheduler_key) {
                let key = scheduler_key.as_bytes();
                let value = seal(tables::REPLAY, key, &window.encode());
                self.tables.replay.insert(key, &value[..])?;
            }
        }
        Ok(())
    }

    fn end_run(&mut self, number: u64) -> Result<(), Failure> {
        let Some(head) = self.state.runs.get_mut(&number) else {
            return Ok(());
        };
        let key = tables::number_key(number);
        let row = EndedRow {
            ended_at_ms: self.now_ms,
            epoch: head.epoch,
            next_seq: head.next_seq,
            chain: head.chain,
            bytes: head.bytes,
        };
        // Only now: what the run's end sends is in the outbox, so nobody takes the run for settled before it is.
        head.ended_at_ms = Some(self.now_ms);
        let timers = std::mem::take(&mut head.timers);
        self.tables.ended.insert(&key[..], &row.seal(&key)[..])?;
        for step in timers {
            self.tables.timers.remove(&tables::timer_key(number, &step)[..])?;
        }
        self.state.settle(number);
        Ok(())
    }
}

pub(super) fn bytes_of(value: &[u8]) -> u64 {
    u64::try_from(value.len()).unwrap_or(u64::MAX)
}
