//! Work becomes rows.

use std::collections::BTreeSet;
use std::sync::Arc;

use flowforge_protocol::Digest;
use redb::ReadableTable as _;

use super::Failure;
use super::collect::{Collected, CollectedRuns, Part};
use super::split::{parts, split_uploads};
use crate::codec::seal;
use crate::config::Retention;
use crate::entry::{Snapshot, Standing};
use crate::flights::FlightChange;
use crate::key::{self, RunKey};
use crate::outbox::{Pending, Row};
use crate::records_row::RecordsRow;
use crate::rows::{NO_TIME, Note, NoteKind, Phase, RunHead, RunRow, SnapshotRow, seal_job};
use crate::state::State;
use crate::tables::{self, Tables};
use crate::tombstones::Gone;
use crate::work::{Append, Committed, JobRow, Request, Sent, Work};

/// One transaction in the making.
pub(super) struct Apply<'t, 's> {
    pub(super) tables: Tables<'t>,
    pub(super) state: &'s mut State,
    pub(super) retention: &'s Retention,
    pub(super) now_ms: u64,
    collected: CollectedRuns,
    /// Runs whose heads changed.
    pub(super) changed: BTreeSet<u64>,
    ended: Vec<u64>,
    /// Runs that go with this commit.
    pub(super) gone: Vec<Gone>,
    pub(super) committed: Committed,
}

impl<'t, 's> Apply<'t, 's> {
    pub(super) fn new(
        tables: Tables<'t>,
        state: &'s mut State,
        retention: &'s Retention,
        now_ms: u64,
    ) -> Self {
        Self {
            tables,
            state,
            retention,
            now_ms,
            collected: CollectedRuns::default(),
            changed: BTreeSet::new(),
            ended: Vec::new(),
            gone: Vec::new(),
            committed: Committed::default(),
        }
    }

    pub(super) fn work(&mut self, work: Work) -> Result<(), Failure> {
        for (number, cursor) in work.acks {
            self.acknowledge(number, cursor);
        }
        if let Some(told) = work.told {
            self.put_meta(tables::TOLD_KEY, &told.to_be_bytes())?;
        }
        for request in work.requests {
            self.request(request)?;
        }
        work.flights
            .into_iter()
            .try_for_each(|change| self.flight(change))
    }

    fn request(&mut self, request: Request) -> Result<(), Failure> {
        match request {
            Request::Append(append) => self.append(*append),
            Request::Deliver { key, row, job } => {
                self.remember(job)?;
                self.tables.inbox()?.insert(&key[..], &row.seal(&key)[..])?;
                Ok(())
            }
            Request::Consume { run, messages } => self.consume(run, &messages),
            Request::Stand { number, standing } => self.stand(number, standing),
            Request::Rewind { number, to_seq } => self.rewind(number, to_seq),
            Request::Park { number, why } => self.park(number, why),
            Request::Put { key, value, leaving } => {
                let cells = self.tables.cells()?;
                for other in leaving {
                    cells.remove(&other[..])?;
                }
                cells.insert(&key[..], &seal(tables::CELLS, &key, &value)[..])?;
                Ok(())
            }
            Request::Remove { key } => {
                self.tables.cells()?.remove(&key[..])?;
                Ok(())
            }
            Request::Remember(job) => self.remember(job),
            Request::Forget {
                number,
                gone,
                messages,
            } => {
                self.consume(gone.run, &messages)?;
                self.forget(number, gone)
            }
            Request::Plane(incarnation) => self.put_meta(tables::PLANE_KEY, &incarnation),
            Request::Barrier => Ok(()),
        }
    }

    /// Drops what is here of a run that goes on elsewhere.
    fn forget(&mut self, number: Option<u64>, gone: Gone) -> Result<(), Failure> {
        match number.filter(|number| self.state.heads.contains_key(number)) {
            Some(number) => {
                self.flush(number)?;
                self.drop_run(number, gone)
            }
            None => {
                self.bury(None, gone);
                Ok(())
            }
        }
    }

    /// The commit has this number.
    pub(super) fn number(&mut self, commit: u64) -> Result<(), Failure> {
        self.put_meta(tables::COMMIT_KEY, &commit.to_be_bytes())
    }

    fn put_meta(&mut self, key: &[u8], body: &[u8]) -> Result<(), Failure> {
        self.tables
            .meta()?
            .insert(key, &seal(tables::META, key, body)[..])?;
        Ok(())
    }

    pub(super) fn head(&mut self, number: u64) -> Result<&mut RunHead, Failure> {
        self.changed.insert(number);
        self.state
            .heads
            .get_mut(&number)
            .map(AsMut::as_mut)
            .ok_or(Failure::Contradiction("a change of no run"))
    }

    fn acknowledge(&mut self, number: u64, cursor: u64) {
        if let Some(head) = self.state.heads.get_mut(&number)
            && cursor > head.cursor
        {
            head.cursor = cursor.min(head.end());
            self.changed.insert(number);
            self.state.settle(number);
        }
    }

    fn append(&mut self, append: Append) -> Result<(), Failure> {
        let Append {
            number,
            epoch,
            first_seq,
            count,
            chain,
            mut entry,
            pieces,
            value_bytes,
            job,
            dropped_messages,
            new,
        } = append;
        if let Some((row, acknowledged, values_stay)) = new {
            self.begin_run(number, &row, acknowledged)?;
            self.head(number)?.values_stay = values_stay;
        }
        if let Some(job) = job {
            self.remember(job)?;
        }
        self.keep_values(number, std::mem::take(&mut entry.values))?;
        let (artefacts, receipt) = split_uploads(std::mem::take(&mut entry.uploads));
        let head = self.head(number)?;
        if head.next_seq != first_seq || (!head.is_open() && count > 0) {
            return Err(Failure::Contradiction("records out of sequence"));
        }
        if epoch < head.epoch {
            return Err(Failure::Contradiction("records of an older fencing number"));
        }
        let (run, mut before, values_stay) = (head.run, head.chain, head.values_stay);
        head.next_seq += u64::from(count);
        head.receipt |= receipt.is_some();
        head.value_bytes += value_bytes;
        (head.chain, head.epoch) = (chain, epoch);
        self.committed.records += u64::from(count);
        if count > 0 {
            let whole = Part {
                count,
                chain,
                weight: entry.lines.len() + usize::try_from(value_bytes).unwrap_or(usize::MAX),
                lines: std::mem::take(&mut entry.lines),
                artefacts,
                receipt,
                values_stay,
            };
            let mut seq = first_seq;
            for part in parts(whole, &pieces) {
                if self.collected.begins_anew(number, epoch, part.weight) {
                    self.flush(number)?;
                }
                let (records, after) = (u64::from(part.count), part.chain);
                self.collected.add(number, seq, epoch, before, part);
                (seq, before) = (seq + records, after);
            }
        }
        self.consume(run, &entry.consumes)?;
        self.consume(run, &dropped_messages)?;
        if let Some(snapshot) = entry.snapshot {
            self.flush(number)?;
            self.snapshot(number, chain, snapshot)?;
        }
        let standing = entry.standing.or((count > 0).then_some(Standing::Running));
        if let Some(standing) = standing.filter(|_| !entry.ended) {
            self.stand(number, standing)?;
        }
        if entry.ended {
            self.ended.push(number);
        }
        Ok(())
    }

    fn begin_run(&mut self, number: u64, row: &RunRow, acknowledged: u64) -> Result<(), Failure> {
        let key = key::number_key(number);
        let value = row.seal(&key);
        self.tables.runs()?.insert(&key[..], &value[..])?;
        let head = RunHead {
            run: row.run,
            phase: Phase::Running,
            parked: false,
            receipt: false,
            values_stay: false,
            epoch: 0,
            next_seq: 0,
            chain: flowforge_protocol::chain::chain_start(&row.run.id()),
            bytes: bytes_of(&value),
            value_bytes: 0,
            cursor: acknowledged,
            at_ms: NO_TIME,
        };
        self.state.run_bytes += head.bytes;
        if self.state.heads.insert(number, Box::new(head)).is_some() {
            return Err(Failure::Contradiction("a run number was used twice"));
        }
        self.state.next_number = self.state.next_number.max(number + 1);
        Ok(())
    }

    fn remember(&mut self, row: JobRow) -> Result<(), Failure> {
        let key = key::number_key(row.number);
        let jobs = self.tables.jobs()?;
        jobs.insert(&key[..], &seal_job(&key, &row.job)[..])?;
        self.state.next_job = self.state.next_job.max(row.number + 1);
        let Some(forgotten) = row.forgotten else {
            return Ok(());
        };
        let last = key::number_key(forgotten.through);
        jobs.retain_in::<&[u8], _>(..=&last[..], |_, _| false)?;
        for (scheduler_key, window) in forgotten.windows {
            let key = scheduler_key.as_bytes();
            self.tables
                .replay()?
                .insert(key, &seal(tables::REPLAY, key, &window)[..])?;
        }
        Ok(())
    }

    fn consume(&mut self, run: RunKey, messages: &[u64]) -> Result<(), Failure> {
        for message in messages {
            let key = key::message_key(run, *message);
            self.tables.inbox()?.remove(&key[..])?;
        }
        Ok(())
    }

    fn snapshot(&mut self, number: u64, chain: Digest, snapshot: Snapshot) -> Result<(), Failure> {
        let key = key::number_key(number);
        let row = SnapshotRow {
            seq: snapshot.seq,
            chain,
            semantics: snapshot.semantics,
            bytes: snapshot.bytes,
        };
        let value = row.seal(&key);
        let old = self
            .tables
            .snapshots()?
            .insert(&key[..], &value[..])?
            .map_or(0, |old| bytes_of(old.value()));
        self.grow(number, bytes_of(&value), old)
    }

    /// The run takes so many bytes more, and so many less.
    fn grow(&mut self, number: u64, more: u64, less: u64) -> Result<(), Failure> {
        let head = self.head(number)?;
        head.bytes = (head.bytes + more).saturating_sub(less);
        self.state.run_bytes = (self.state.run_bytes + more).saturating_sub(less);
        Ok(())
    }

    fn stand(&mut self, number: u64, standing: Standing) -> Result<(), Failure> {
        let Some(head) = self.state.heads.get_mut(&number).filter(|head| head.is_open()) else {
            return Ok(());
        };
        let had_note = head.phase != Phase::Running;
        let (phase, at_ms, note) = match standing {
            Standing::Running => (Phase::Running, NO_TIME, None),
            Standing::Waiting { due_ms, about } => {
                let note = Note {
                    code: String::new(),
                    text: about,
                };
                (Phase::Waiting, due_ms.unwrap_or(NO_TIME), Some(note))
            }
            Standing::Resting { code, reason } => {
                let text = reason.into_bytes();
                (Phase::Resting, NO_TIME, Some(Note { code, text }))
            }
        };
        (head.phase, head.at_ms) = (phase, at_ms);
        self.changed.insert(number);
        self.note(number, NoteKind::Standing, note, had_note)
    }

    fn note(
        &mut self,
        number: u64,
        kind: NoteKind,
        note: Option<Note>,
        had_one: bool,
    ) -> Result<(), Failure> {
        let key = kind.key(number);
        match note {
            Some(note) => {
                self.tables.notes()?.insert(&key[..], &note.seal(&key)[..])?;
            }
            None if had_one => {
                self.tables.notes()?.remove(&key[..])?;
            }
            None => {}
        }
        Ok(())
    }

    fn park(&mut self, number: u64, why: Option<Note>) -> Result<(), Failure> {
        let Some(head) = self.state.heads.get(&number) else {
            return Ok(());
        };
        let (run, was_parked, parked) = (head.run, head.parked, why.is_some());
        self.state.unsettle(number);
        self.head(number)?.parked = parked;
        self.state.settle(number);
        self.committed.sent.push(Sent::Parked { number, run, parked });
        self.note(number, NoteKind::Park, why, was_parked)
    }

    fn rewind(&mut self, number: u64, to_seq: u64) -> Result<(), Failure> {
        self.flush(number)?;
        if !self.state.heads.contains_key(&number) {
            return Ok(());
        }
        self.state.unsettle(number);
        let head = self.head(number)?;
        head.cursor = to_seq.min(head.next_seq);
        let mut pending = Pending::new(head.run, head.cursor);
        let (cursor, has_receipt) = (head.cursor, head.receipt);
        let (first, last) = (key::record_key(number, 0), key::record_key(number, u64::MAX));
        for entry in self.tables.records()?.range::<&[u8]>(&first[..]..=&last[..])? {
            let (key, value) = entry?;
            let found = key::read_record_key(tables::RECORDS, key.value())
                .and_then(|(_, first_seq)| Ok((first_seq, RecordsRow::open(key.value(), value.value())?)));
            // What is damaged is found, and said, by whoever reads it to send it.
            let Ok((first_seq, row)) = found else { continue };
            let place = row_at(first_seq, &row, value.value());
            if place.end > cursor {
                pending.rows.push_back(place);
            }
            if row.receipt.is_some() && has_receipt {
                pending.receipt = Some(place);
            }
        }
        self.state.settle(number);
        self.committed.sent.push(Sent::Reset { number, pending });
        Ok(())
    }

    fn flight(&mut self, change: FlightChange) -> Result<(), Failure> {
        if !self.state.heads.contains_key(&change.number) {
            return Ok(());
        }
        let key = key::flight_key(change.number, &change.step);
        let flights = self.tables.flights()?;
        match change.row {
            Some(row) => flights.insert(&key[..], &row.seal(&key)[..])?.is_some(),
            None => flights.remove(&key[..])?.is_some(),
        };
        Ok(())
    }

    /// Writes what was collected of a run.
    fn flush(&mut self, number: u64) -> Result<(), Failure> {
        match self.collected.take(number) {
            Some(collected) => self.write_row(number, collected),
            None => Ok(()),
        }
    }

    fn write_row(&mut self, number: u64, collected: Collected) -> Result<(), Failure> {
        let Collected { first_seq, row, .. } = collected;
        let key = key::record_key(number, first_seq);
        let value = row.seal(&key, first_seq);
        self.tables.records()?.insert(&key[..], &value[..])?;
        self.grow(number, bytes_of(&value), 0)?;
        let head = self.head(number)?;
        let (run, cursor) = (head.run, head.cursor);
        let place = row_at(first_seq, &row, &value);
        if place.end > cursor || row.receipt.is_some() {
            let content = Arc::new(row);
            self.committed.sent.push(Sent::Row {
                number,
                run,
                cursor,
                row: place,
                content,
            });
        }
        Ok(())
    }

    /// Writes what was collected, in the order in which it came; then the ends of runs.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        for (number, collected) in self.collected.take_all() {
            self.write_row(number, collected)?;
        }
        // Only now: what the run's end sends is known, so nobody takes the run for settled before it is.
        for number in std::mem::take(&mut self.ended) {
            self.end_run(number)?;
        }
        Ok(())
    }

    fn end_run(&mut self, number: u64) -> Result<(), Failure> {
        let now_ms = self.now_ms;
        if !self.state.heads.contains_key(&number) {
            return Ok(());
        }
        let head = self.head(number)?;
        let had_note = head.phase != Phase::Running;
        (head.phase, head.at_ms) = (Phase::Ended, now_ms);
        self.note(number, NoteKind::Standing, None, had_note)?;
        let key = key::number_key(number);
        let snapshot = self.tables.snapshots()?.remove(&key[..])?;
        let freed = snapshot.map_or(0, |old| bytes_of(old.value()));
        self.grow(number, 0, freed)?;
        self.clear_flights(number)?;
        let documents = match self.tables.runs()?.get(&key[..])? {
            Some(row) => RunRow::open(&key, row.value()).map_or_else(|_| Vec::new(), |row| row.documents),
            None => Vec::new(),
        };
        self.committed.released.extend(documents);
        self.state.settle(number);
        Ok(())
    }

    /// Writes the heads that changed, once each.
    pub(super) fn write_heads(&mut self) -> Result<(), Failure> {
        for number in std::mem::take(&mut self.changed) {
            if let Some(head) = self.state.heads.get(&number) {
                let key = key::number_key(number);
                self.tables.heads()?.insert(&key[..], &head.seal(&key)[..])?;
            }
        }
        Ok(())
    }
}

/// Where a row lies and how large it is.
pub(crate) fn row_at(first_seq: u64, row: &RecordsRow, value: &[u8]) -> Row {
    Row {
        first_seq,
        end: first_seq.saturating_add(u64::from(row.count)),
        bytes: u32::try_from(value.len()).unwrap_or(u32::MAX),
    }
}

pub(super) fn bytes_of(value: &[u8]) -> u64 {
    u64::try_from(value.len()).unwrap_or(u64::MAX)
}
