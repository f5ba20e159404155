//! Opening: from the rows of a file to what the writer knows and what the executor resumes.
//!
//! Everything read here is checked: each value against its digest, the records of every unfinished run against their
//! chain. One value that is not what was written refuses the whole file, because a journal that lost something silently
//! is worse than one that says so.

use std::collections::{BTreeMap, BTreeSet};

use flowforge_protocol::record::{chain_next, chain_start};
use flowforge_protocol::{Digest, RunId, StepKey};
use redb::{Database, ReadableDatabase, ReadableTable, TableHandle};

use crate::codec::BodyReader;
use crate::core::begin;
use crate::error::{Damage, ReadError};
use crate::replay::Window;
use crate::state::{RunHead, State};
use crate::tables::{self, EndedRow, OutboxRow, RecordsRow, RunRow, Snapshot, Tables, Waiting};

/// Why a database is no journal this program can work on.
#[derive(Debug)]
pub(crate) enum LoadError {
    Read(ReadError),
    NewerFormat(u32),
}

impl<E: Into<ReadError>> From<E> for LoadError {
    fn from(error: E) -> Self {
        Self::Read(error.into())
    }
}

/// An unfinished run, as found.
#[derive(Debug)]
pub(crate) struct LoadedRun {
    pub(crate) number: u64,
    pub(crate) row: RunRow,
    pub(crate) lines: Vec<u8>,
}

/// A timer, as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// When, milliseconds since 1970 UTC.
    pub due_ms: u64,
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepKey,
}

/// What a file holds.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) state: State,
    pub(crate) runs: Vec<LoadedRun>,
    pub(crate) timers: Vec<Timer>,
}

/// The format of a database, if it is a journal already.
pub(crate) fn format_of(db: &Database) -> Result<Option<u32>, ReadError> {
    let txn = db.begin_read()?;
    let tables: Vec<_> = txn.list_tables()?.collect();
    if tables.is_empty() {
        return Ok(None);
    }
    if !tables.iter().any(|table| table.name() == tables::META) {
        return Err(Damage::new(tables::META, b"", "the table is missing").into());
    }
    let meta = txn.open_table(tables::Definition::new(tables::META))?;
    match meta.get(tables::FORMAT_KEY)? {
        Some(value) => Ok(Some(tables::read_format(value.value())?)),
        None => Err(Damage::new(tables::META, tables::FORMAT_KEY, "the format is missing").into()),
    }
}

/// Makes the tables of a new journal, in one commit.
pub(crate) fn initialise(db: &Database) -> Result<(), redb::Error> {
    let txn = begin(db)?;
    {
        let mut tables = Tables::open(&txn)?;
        tables
            .meta
            .insert(tables::FORMAT_KEY, &tables::format_value(tables::FORMAT)[..])?;
    }
    txn.commit()?;
    Ok(())
}

/// Reads a journal; makes it first if the database is empty.
pub(crate) fn load(db: &Database) -> Result<Loaded, LoadError> {
    match format_of(db)? {
        Some(found) if found > tables::FORMAT => return Err(LoadError::NewerFormat(found)),
        Some(_) => {}
        None => initialise(db).map_err(|error| ReadError::Storage(Box::new(error)))?,
    }
    let txn = db.begin_read()?;
    let snapshot = Snapshot::open(&txn)?;
    let mut loaded = Loaded::default();
    load_runs(&snapshot, &mut loaded)?;
    load_outbox(&snapshot, &mut loaded.state)?;
    load_timers(&snapshot, &mut loaded)?;
    load_replay(&snapshot, &mut loaded.state)?;
    for entry in snapshot.cells.iter()? {
        loaded.state.cells_bytes += length(entry?.1.value());
    }
    let numbers: Vec<u64> = loaded.state.runs.keys().copied().collect();
    for number in numbers {
        loaded.state.settle(number);
    }
    Ok(loaded)
}

fn length(value: &[u8]) -> u64 {
    u64::try_from(value.len()).unwrap_or(u64::MAX)
}

fn load_runs(snapshot: &Snapshot, loaded: &mut Loaded) -> Result<(), LoadError> {
    let state = &mut loaded.state;
    for entry in snapshot.runs.iter()? {
        let (key, value) = entry?;
        let number = tables::read_number_key(tables::RUNS, key.value())?;
        let row = RunRow::open(key.value(), value.value())?;
        let mut head = RunHead {
            run: row.run.clone(),
            epoch: row.epoch,
            next_seq: 0,
            chain: chain_start(&row.run),
            bytes: length(value.value()),
            ended_at_ms: None,
            unsent: BTreeMap::new(),
            timers: BTreeSet::new(),
        };
        if let Some(value) = snapshot.ended.get(key.value())? {
            let ended = EndedRow::open(key.value(), value.value())?;
            head.ended_at_ms = Some(ended.ended_at_ms);
            head.epoch = ended.epoch;
            (head.next_seq, head.chain, head.bytes) = (ended.next_seq, ended.chain, ended.bytes);
        } else {
            let mut lines = Vec::new();
            for row in rows_of(snapshot, number, &row.run)? {
                head.next_seq += u64::from(row.count);
                (head.epoch, head.chain) = (row.epoch, row.chain);
                head.bytes += row.stored_bytes;
                lines.extend_from_slice(&row.lines);
            }
            loaded.runs.push(LoadedRun { number, row, lines });
        }
        state.stored_bytes += head.bytes;
        state.next_number = state.next_number.max(number + 1);
        if state.numbers.insert(head.run.clone(), number).is_some() {
            return Err(Damage::new(tables::RUNS, key.value(), "the run is there twice").into());
        }
        state.runs.insert(number, head);
    }
    Ok(())
}

/// A row of records that was checked against its digest, its place and the chain before it.
#[derive(Debug)]
pub(crate) struct CheckedRow {
    pub(crate) epoch: u64,
    pub(crate) count: u32,
    pub(crate) chain: Digest,
    pub(crate) lines: Vec<u8>,
    pub(crate) stored_bytes: u64,
}

/// Every row of a run, in order and checked.
pub(crate) fn rows_of(snapshot: &Snapshot, number: u64, run: &RunId) -> Result<Vec<CheckedRow>, ReadError> {
    let (first, last) = (
        tables::record_key(number, 0),
        tables::record_key(number, u64::MAX),
    );
    let (mut next_seq, mut chain) = (0, chain_start(run));
    let mut rows = Vec::new();
    for entry in snapshot.records.range::<&[u8]>(&first[..]..=&last[..])? {
        let (key, value) = entry?;
        let damage = |what| Damage::new(tables::RECORDS, key.value(), what);
        let (_, first_seq) = tables::read_record_key(key.value())?;
        if first_seq != next_seq {
            return Err(damage("records are missing before it").into());
        }
        let row = RecordsRow::open(key.value(), value.value())?;
        let mut count = 0_u32;
        for line in row.lines.split_inclusive(|byte| *byte == b'\n') {
            chain = chain_next(&chain, line.strip_suffix(b"\n").unwrap_or(line));
            count += 1;
        }
        if count != row.count {
            return Err(damage("the number of its records is wrong").into());
        }
        if chain != row.chain {
            return Err(damage("its records do not fit the chain").into());
        }
        next_seq += u64::from(count);
        rows.push(CheckedRow {
            epoch: row.epoch,
            count,
            chain,
            lines: row.lines,
            stored_bytes: length(value.value()),
        });
    }
    Ok(rows)
}

fn load_outbox(snapshot: &Snapshot, state: &mut State) -> Result<(), LoadError> {
    for entry in snapshot.outbox.iter()? {
        let (key, value) = entry?;
        let place = tables::read_number_key(tables::OUTBOX, key.value())?;
        let row = OutboxRow::open(key.value(), value.value())?;
        let number = row.number;
        if state.runs.get(&number).is_none_or(|head| head.run != row.run) {
            return Err(Damage::new(tables::OUTBOX, key.value(), "its run is missing").into());
        }
        let mut bytes = length(value.value());
        let mut last_seq = None;
        if let Waiting::Records {
            first_seq,
            last_seq: last,
        } = row.what
        {
            let record_key = tables::record_key(number, first_seq);
            let Some(records) = snapshot.records.get(&record_key[..])? else {
                return Err(Damage::new(tables::OUTBOX, key.value(), "its records are missing").into());
            };
            bytes += length(records.value());
            last_seq = Some(last);
        }
        state.place(place, number, last_seq, bytes);
    }
    Ok(())
}

fn load_timers(snapshot: &Snapshot, loaded: &mut Loaded) -> Result<(), LoadError> {
    for entry in snapshot.timers.iter()? {
        let (key, value) = entry?;
        let (number, step) = tables::read_timer_key(key.value())?;
        let mut reader = BodyReader::open(tables::TIMERS, key.value(), value.value())?;
        let due_ms = reader.u64()?;
        reader.end()?;
        let Some(head) = loaded.state.runs.get_mut(&number) else {
            return Err(Damage::new(tables::TIMERS, key.value(), "its run is missing").into());
        };
        head.timers.insert(step.clone());
        loaded.timers.push(Timer {
            due_ms,
            run: head.run.clone(),
            step,
        });
    }
    loaded
        .timers
        .sort_by(|a, b| (a.due_ms, &a.run, &a.step).cmp(&(b.due_ms, &b.run, &b.step)));
    Ok(())
}

fn load_replay(snapshot: &Snapshot, state: &mut State) -> Result<(), LoadError> {
    for entry in snapshot.replay.iter()? {
        let (key, value) = entry?;
        let mut reader = BodyReader::open(tables::REPLAY, key.value(), value.value())?;
        let window = Window::decode(&mut reader)?;
        let scheduler_key = std::str::from_utf8(key.value())
            .map_err(|_| Damage::new(tables::REPLAY, key.value(), "the key cannot be read"))?;
        state.replay.restore_window(scheduler_key.to_owned(), window);
    }
    for entry in snapshot.jobs.iter()? {
        let (key, value) = entry?;
        let number = tables::read_number_key(tables::JOBS, key.value())?;
        state
            .replay
            .restore_job(number, &tables::open_job(key.value(), value.value())?);
    }
    Ok(())
}
