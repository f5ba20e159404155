//! Opening: from the rows of a file to what the writer knows and what the handles decide by.
//!
//! Every row is checked against its own digest, and the rows of a run against its head. What is wrong with one run
//! concerns that run alone: it is left out, named and kept. What protects all runs (orders seen, runs that are gone, the
//! file's own values) refuses the whole file, because a journal that lost something of that silently is worse than one
//! that says so. Of records nothing is kept in memory but their places, and those only until they are sent.

use std::collections::{BTreeMap, BTreeSet};

use redb::{Database, ReadableDatabase, ReadableTable, TableHandle};

use crate::codec::{self, BodyReader, seal};
use crate::entry::Space;
use crate::error::{Damage, ReadError};
use crate::identity::{Identity, LostCommits};
use crate::inbox_index::Slot;
use crate::key::{self, RunKey};
use crate::lock::Note;
use crate::outbox::Outbox;
use crate::queue::{Known, Queue};
use crate::replay::Window;
use crate::rows::{FlightRow, MessageRow, NO_TIME, Phase, RunHead, RunRow, open_job};
use crate::state::State;
use crate::tables::{self, Format, Snapshot, Tables, begin};
use crate::tombstones::Tombstones;

mod records;
mod values;

use records::read_records;
use values::read_values;

/// Why a database is no journal this program can work on.
#[derive(Debug)]
pub(crate) enum OpenFailure {
    Read(ReadError),
    Newer(u32),
    Other(String),
}

impl<E: Into<ReadError>> From<E> for OpenFailure {
    fn from(error: E) -> Self {
        Self::Read(error.into())
    }
}

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) state: State,
    pub(crate) queue: Queue,
    pub(crate) outbox: Outbox,
    /// By run number.
    pub(crate) damaged: BTreeMap<u64, Damage>,
    pub(crate) identity: Identity,
    pub(crate) lost: Option<LostCommits>,
    pub(crate) plane: Option<Vec<u8>>,
    /// Attempts that were under way, or that were counted before.
    flights: Vec<(Vec<u8>, FlightRow)>,
    /// Cells that are not what was written, and can be fetched again.
    bad_cells: Vec<Vec<u8>>,
    /// Keys of values that are not what was written, or that no run holds.
    pub(crate) bad_values: Vec<Vec<u8>>,
}

/// The format of a database, if it is a journal already.
pub(crate) fn format_of(db: &Database) -> Result<Option<Format>, ReadError> {
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
pub(crate) fn initialise(db: &Database, incarnation: [u8; 16]) -> Result<(), redb::Error> {
    let txn = begin(db)?;
    {
        let mut tables = Tables::of(&txn);
        tables.open_all()?;
        let meta = tables.meta()?;
        meta.insert(tables::FORMAT_KEY, &tables::format_value(tables::FORMAT)[..])?;
        for (key, body) in [
            (tables::INCARNATION_KEY, &incarnation[..]),
            (tables::GENERATION_KEY, &0_u64.to_be_bytes()[..]),
            (tables::COMMIT_KEY, &0_u64.to_be_bytes()[..]),
        ] {
            meta.insert(key, &seal(tables::META, key, body)[..])?;
        }
    }
    txn.commit()?;
    Ok(())
}

/// Brings a journal of an earlier format up to this one, in one commit: it lacks tables. An older program refuses it then.
fn raise(db: &Database) -> Result<(), redb::Error> {
    let txn = begin(db)?;
    {
        let mut tables = Tables::of(&txn);
        tables.open_all()?;
        let format = tables::format_value(tables::FORMAT);
        tables.meta()?.insert(tables::FORMAT_KEY, &format[..])?;
    }
    txn.commit()?;
    Ok(())
}

/// Opens a journal, making it first if the database is empty: reads it, then writes down that it was opened. One that is
/// new, and one that holds less than was noted beside it, is called by `incarnation` from now on.
pub(crate) fn load(db: &Database, incarnation: [u8; 16], noted: Option<Note>) -> Result<Loaded, OpenFailure> {
    match format_of(db)? {
        Some(Format::Ours) => {}
        Some(Format::Raised) => raise(db).map_err(|error| ReadError::Storage(Box::new(error)))?,
        Some(Format::Newer(found)) => return Err(OpenFailure::Newer(found)),
        Some(Format::Other(found)) => return Err(OpenFailure::Other(found)),
        None => initialise(db, incarnation).map_err(|error| ReadError::Storage(Box::new(error)))?,
    }
    let mut loaded = read(db)?;
    let (identity, state) = (&mut loaded.identity, &mut loaded.state);
    if let Some(noted) = noted.filter(|noted| noted.incarnation == identity.incarnation)
        && noted.commit > state.commit
    {
        loaded.lost = Some(LostCommits {
            confirmed: noted.commit,
            found: state.commit,
        });
        (identity.incarnation, state.commit) = (incarnation, noted.commit);
        // It may have more than is here, and less than the cursors say: it is asked.
        loaded.plane = None;
    }
    opened(db, &mut loaded).map_err(|error| ReadError::Storage(Box::new(error)))?;
    Ok(loaded)
}

/// Writes down that the file was opened, and which attempts were under way when it was left.
fn opened(db: &Database, loaded: &mut Loaded) -> Result<(), redb::Error> {
    loaded.identity.generation += 1;
    loaded.state.commit += 1;
    let txn = begin(db)?;
    {
        let mut tables = Tables::of(&txn);
        for (key, body) in [
            (tables::INCARNATION_KEY, &loaded.identity.incarnation[..]),
            (
                tables::GENERATION_KEY,
                &loaded.identity.generation.to_be_bytes()[..],
            ),
            (tables::COMMIT_KEY, &loaded.state.commit.to_be_bytes()[..]),
        ] {
            tables.meta()?.insert(key, &seal(tables::META, key, body)[..])?;
        }
        if loaded.lost.is_some() {
            tables.meta()?.remove(tables::PLANE_KEY)?;
        }
        for (key, row) in &mut loaded.flights {
            if row.live {
                (row.crashes, row.live) = (row.crashes.saturating_add(1), false);
                tables.flights()?.insert(&key[..], &row.seal(key)[..])?;
            }
        }
        for key in &loaded.bad_cells {
            tables.cells()?.remove(&key[..])?;
        }
        for key in &loaded.bad_values {
            tables.values()?.remove(&key[..])?;
        }
    }
    txn.commit()?;
    for (key, row) in std::mem::take(&mut loaded.flights) {
        if let Ok((number, step)) = key::read_flight_key(tables::FLIGHTS, &key) {
            loaded.queue.flights.restore(number, step, row);
        }
    }
    Ok(())
}

/// Reads everything.
fn read(db: &Database) -> Result<Loaded, ReadError> {
    let txn = db.begin_read()?;
    let snapshot = Snapshot::open(&txn)?;
    let Meta {
        identity,
        commit,
        plane,
        told,
    } = read_meta(&snapshot)?;
    let mut loaded = Loaded {
        state: State {
            commit,
            ..State::default()
        },
        queue: Queue::default(),
        outbox: Outbox::default(),
        damaged: BTreeMap::new(),
        identity,
        lost: None,
        plane,
        flights: Vec::new(),
        bad_cells: Vec::new(),
        bad_values: Vec::new(),
    };
    read_heads(&snapshot, &mut loaded)?;
    let documents = read_runs(&snapshot, &mut loaded)?;
    read_records(&snapshot, &mut loaded)?;
    read_values(&snapshot, &mut loaded)?;
    read_inbox(&snapshot, &mut loaded)?;
    read_orders(&snapshot, &mut loaded)?;
    loaded.queue.told = told;
    read_flights(&snapshot, &mut loaded)?;
    read_cells(&snapshot, &mut loaded)?;
    for document in documents {
        loaded.queue.cells.need(&document);
    }
    settle_in(&mut loaded);
    read_tombstones(&snapshot, &mut loaded)?;
    Ok(loaded)
}

/// The file's own values.
struct Meta {
    identity: Identity,
    commit: u64,
    plane: Option<Vec<u8>>,
    told: u64,
}

fn read_meta(snapshot: &Snapshot) -> Result<Meta, ReadError> {
    let value = |key: &'static [u8]| -> Result<Option<Vec<u8>>, ReadError> {
        match snapshot.meta.get(key)? {
            Some(value) => Ok(Some(codec::open(tables::META, key, value.value())?.to_vec())),
            None => Ok(None),
        }
    };
    let damage = |key: &'static [u8]| Damage::new(tables::META, key, "the value cannot be read");
    let number = |key: &'static [u8]| -> Result<Option<u64>, ReadError> {
        match value(key)?.map(TryInto::try_into) {
            Some(Ok(bytes)) => Ok(Some(u64::from_be_bytes(bytes))),
            Some(Err(_)) => Err(damage(key).into()),
            None => Ok(None),
        }
    };
    let needed = |key| Ok::<_, ReadError>(number(key)?.ok_or_else(|| damage(key))?);
    let incarnation = value(tables::INCARNATION_KEY)?
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| damage(tables::INCARNATION_KEY))?;
    Ok(Meta {
        identity: Identity {
            incarnation,
            generation: needed(tables::GENERATION_KEY)?,
        },
        commit: needed(tables::COMMIT_KEY)?,
        plane: value(tables::PLANE_KEY)?,
        told: number(tables::TOLD_KEY)?.unwrap_or(0),
    })
}

/// The heads that can be read; the others are found missing when their runs are.
fn read_heads(snapshot: &Snapshot, loaded: &mut Loaded) -> Result<(), ReadError> {
    let mut heads = Vec::new();
    for entry in snapshot.heads.iter()? {
        let (key, value) = entry?;
        let number = key::read_number_key(tables::HEADS, key.value())?;
        match RunHead::open(key.value(), value.value()) {
            Ok(head) => heads.push((number, Box::new(head))),
            Err(damage) => {
                loaded.damaged.insert(number, damage);
            }
        }
    }
    // Collected from a sorted list, so that the tree's pages are full.
    loaded.state.heads = heads.into_iter().collect();
    Ok(())
}

/// The rows of runs, beside their heads; answers the documents that open runs need.
fn read_runs(snapshot: &Snapshot, loaded: &mut Loaded) -> Result<Vec<Vec<u8>>, ReadError> {
    let mut documents = Vec::new();
    let mut seen = BTreeSet::new();
    for entry in snapshot.runs.iter()? {
        let (key, value) = entry?;
        let number = key::read_number_key(tables::RUNS, key.value())?;
        seen.insert(number);
        match (
            RunRow::open(key.value(), value.value()),
            loaded.state.heads.get(&number),
        ) {
            (Ok(row), Some(head)) if row.run == head.run => {
                if head.is_open() {
                    documents.extend(row.documents);
                }
            }
            (Ok(row), None) => {
                let damage = Damage::new(tables::HEADS, key.value(), "the head is missing");
                loaded.damaged.entry(number).or_insert(damage);
                loaded.state.heads.insert(number, Box::new(unknown_head(row.run)));
            }
            (Ok(_), Some(_)) => {
                return Err(Damage::new(tables::RUNS, key.value(), "row and head are of two runs").into());
            }
            (Err(damage), Some(_)) => {
                loaded.damaged.insert(number, damage);
            }
            // Nobody knows which run it was, so it could begin again: the file is not to be worked on.
            (Err(damage), None) => return Err(damage.into()),
        }
    }
    let alone: Vec<u64> = loaded
        .state
        .heads
        .keys()
        .copied()
        .filter(|number| !seen.contains(number))
        .collect();
    for number in alone {
        let key = key::number_key(number);
        loaded.damaged.insert(
            number,
            Damage::new(tables::RUNS, &key, "the run's row is missing"),
        );
    }
    if let Some((_, damage)) = loaded
        .damaged
        .iter()
        .find(|(number, _)| !loaded.state.heads.contains_key(number))
    {
        return Err(damage.clone().into());
    }
    Ok(documents)
}

/// Stands for a head that is not what was written. It is never stored.
fn unknown_head(run: RunKey) -> RunHead {
    RunHead {
        run,
        phase: Phase::Resting,
        parked: false,
        receipt: false,
        values_stay: false,
        epoch: 0,
        next_seq: 0,
        chain: flowforge_protocol::chain::chain_start(&run.id()),
        bytes: 0,
        value_bytes: 0,
        cursor: 0,
        at_ms: NO_TIME,
    }
}

fn read_inbox(snapshot: &Snapshot, loaded: &mut Loaded) -> Result<(), ReadError> {
    let numbers: BTreeMap<RunKey, u64> = loaded
        .state
        .heads
        .iter()
        .map(|(number, head)| (head.run, *number))
        .collect();
    for entry in snapshot.inbox.iter()? {
        let (key, value) = entry?;
        let (run, message) = key::read_message_key(tables::INBOX, key.value())?;
        match MessageRow::open(key.value(), value.value()) {
            Ok(row) => loaded.queue.inbox.restore(
                run,
                Slot {
                    message,
                    bytes: u32::try_from(row.bytes.len()).unwrap_or(u32::MAX),
                    keep_until_ms: row.keep_until_ms,
                    position: 0,
                },
            ),
            Err(damage) => match numbers.get(&run) {
                Some(number) => {
                    loaded.damaged.entry(*number).or_insert(damage);
                }
                // An order that nobody can read, for a run that may come: it must not run as if it had not been given.
                None => return Err(damage.into()),
            },
        }
    }
    Ok(())
}

fn read_orders(snapshot: &Snapshot, loaded: &mut Loaded) -> Result<(), ReadError> {
    let replay = &mut loaded.queue.replay;
    for entry in snapshot.replay.iter()? {
        let (key, value) = entry?;
        let mut reader = BodyReader::open(tables::REPLAY, key.value(), value.value())?;
        let window = Window::decode(&mut reader)?;
        let scheduler_key = std::str::from_utf8(key.value())
            .map_err(|_| Damage::new(tables::REPLAY, key.value(), "the key cannot be read"))?;
        replay.restore_window(scheduler_key.to_owned(), window);
    }
    for entry in snapshot.jobs.iter()? {
        let (key, value) = entry?;
        let number = key::read_number_key(tables::JOBS, key.value())?;
        replay.restore_job(number, &open_job(key.value(), value.value())?);
    }
    loaded.state.next_job = replay.next_number();
    Ok(())
}

fn read_flights(snapshot: &Snapshot, loaded: &mut Loaded) -> Result<(), ReadError> {
    for entry in snapshot.flights.iter()? {
        let (key, value) = entry?;
        // A mark that is not what was written is not counted; it says nothing that a run depends on.
        if let Ok(row) = FlightRow::open(key.value(), value.value()) {
            loaded.flights.push((key.value().to_vec(), row));
        }
    }
    Ok(())
}

fn read_cells(snapshot: &Snapshot, loaded: &mut Loaded) -> Result<(), ReadError> {
    for entry in snapshot.cells.iter()? {
        let (key, value) = entry?;
        let own = key.value().first().copied().and_then(Space::of) == Some(Space::Host);
        match codec::open(tables::CELLS, key.value(), value.value()) {
            Ok(body) => {
                let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
                loaded.queue.cells.restore(key.value(), bytes);
            }
            Err(damage) if own => return Err(damage.into()),
            Err(_) => loaded.bad_cells.push(key.value().to_vec()),
        }
    }
    Ok(())
}

/// What follows from the heads.
fn settle_in(loaded: &mut Loaded) {
    let Loaded {
        state,
        queue,
        damaged,
        ..
    } = loaded;
    let numbers: Vec<u64> = state.heads.keys().copied().collect();
    let mut known = Vec::with_capacity(numbers.len());
    for number in numbers {
        let Some(head) = state.heads.get(&number) else {
            continue;
        };
        state.run_bytes += head.bytes;
        state.next_number = state.next_number.max(number + 1);
        if head.is_open() {
            queue.open_runs += 1;
            let due_ms = if head.phase == Phase::Waiting {
                head.at_ms
            } else {
                NO_TIME
            };
            let open = Known::Open {
                number,
                epoch: head.epoch,
                due_ms,
            };
            known.push((head.run, open));
        } else {
            let epoch = head.epoch;
            known.push((head.run, Known::Ended { number, epoch }));
        }
        if !damaged.contains_key(&number) {
            state.settle(number);
        }
    }
    known.sort_unstable_by_key(|(run, _)| *run);
    queue.runs = known.into_iter().collect();
    queue.next_number = state.next_number;
}

fn read_tombstones(snapshot: &Snapshot, loaded: &mut Loaded) -> Result<(), ReadError> {
    let Loaded { state, queue, .. } = loaded;
    for entry in snapshot.tombstones.iter()? {
        let (key, value) = entry?;
        let place = key::read_number_key(tables::TOMBSTONES, key.value())?;
        let row = Tombstones::open(key.value(), value.value())?;
        state.graves.add(place, &row);
        for gone in row.runs {
            let known = queue.runs.get(&gone.run).copied();
            // One that came back under a higher number is here.
            if known.and_then(Known::number).is_none() {
                queue.runs.insert(gone.run, Known::buried(known, gone, row.at_ms));
            }
        }
    }
    Ok(())
}
