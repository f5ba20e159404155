//! What a journal is to hold, kept in plain collections, and what one does hold, in the same shape.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flowforge_protocol::chain::{chain_next, chain_start};
use flowforge_protocol::{Digest, JobId, RunId};
use redb::{Builder, Database};

use super::disk::Disk;
use crate::entry::{Space, Standing};
use crate::load::{Loaded, load};
use crate::lock::Note;
use crate::queue::Known;
use crate::reader::Reader;
use crate::replay::{JobEntry, ReplayMemory, Seen};
use crate::uploads::assemble;

/// The scheduler key of all orders.
pub(super) const KEY: &str = "scheduler";
/// The rules of all snapshots.
pub(super) const SEMANTICS: u32 = 3;
/// The incarnation of all files.
pub(super) const INCARNATION: [u8; 16] = [5; 16];

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ModelRun {
    pub(super) number: u64,
    pub(super) epoch: u64,
    pub(super) envelope: Vec<u8>,
    pub(super) lines: Vec<String>,
    pub(super) chain: Digest,
    /// Labels of the artefacts that its records name, in order.
    pub(super) artefacts: Vec<String>,
    pub(super) receipt: Option<String>,
    /// The large values that its records hold.
    pub(super) values: BTreeSet<String>,
    /// How many records, then the receipt, were sent.
    pub(super) cursor: u64,
    pub(super) standing: Standing,
    pub(super) park: Option<String>,
    pub(super) snapshot: Option<(u64, Vec<u8>)>,
    pub(super) ended: bool,
}

impl ModelRun {
    pub(super) fn new(number: u64, run: &RunId, envelope: Vec<u8>) -> Self {
        Self {
            number,
            epoch: 1,
            envelope,
            lines: Vec::new(),
            chain: chain_start(run),
            artefacts: Vec::new(),
            receipt: None,
            values: BTreeSet::new(),
            cursor: 0,
            standing: Standing::Running,
            park: None,
            snapshot: None,
            ended: false,
        }
    }

    pub(super) fn end(&self) -> u64 {
        self.lines.len() as u64 + u64::from(self.receipt.is_some())
    }

    /// Whether nothing of it is needed any more.
    pub(super) fn is_done(&self) -> bool {
        self.ended && self.cursor == self.end() && self.park.is_none()
    }

    pub(super) fn add_line(&mut self, line: String) {
        self.chain = chain_next(&self.chain, line.as_bytes());
        self.lines.push(line);
    }

    fn brief(&self) -> String {
        format!(
            "[{} records, cursor {}, epoch {}, {:?}, parked {:?}, snapshot at {:?}, {} artefacts, receipt {:?}, ended {}]",
            self.lines.len(),
            self.cursor,
            self.epoch,
            self.standing,
            self.park,
            self.snapshot.as_ref().map(|(seq, _)| seq),
            self.artefacts.len(),
            self.receipt,
            self.ended
        )
    }
}

/// Everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) runs: BTreeMap<RunId, ModelRun>,
    /// Runs that are gone: under which fencing number, and whether they had ended.
    pub(super) gone: BTreeMap<RunId, (u64, bool)>,
    pub(super) cells: BTreeMap<String, Vec<u8>>,
    /// Orders that were taken, by sequence.
    pub(super) orders: BTreeSet<u64>,
    /// Messages by run and number.
    pub(super) inbox: BTreeMap<(RunId, u64), Vec<u8>>,
    /// Attempts by run number and step: which, and how often the host died in one if it dies now.
    pub(super) flights: BTreeMap<(u64, String), (u32, u32)>,
    pub(super) told: u64,
    pub(super) plane: Option<Vec<u8>>,
}

/// Where two contents differ, in few words.
pub(super) fn difference(found: &Model, expected: &Model) -> String {
    let mut words = Vec::new();
    for id in found
        .runs
        .keys()
        .chain(expected.runs.keys())
        .collect::<BTreeSet<_>>()
    {
        match (found.runs.get(id), expected.runs.get(id)) {
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => words.push(format!(
                "run {}: {} in place of {}",
                b.number,
                a.brief(),
                b.brief()
            )),
            (Some(a), None) => words.push(format!("run {} is there: {}", a.number, a.brief())),
            (None, Some(b)) => words.push(format!("run {} is missing: {}", b.number, b.brief())),
            (None, None) => {}
        }
    }
    let mut compare = |what: &str, found: String, expected: String| {
        if found != expected {
            words.push(format!("{what} {found} in place of {expected}"));
        }
    };
    let (a, b) = (found, expected);
    compare("gone", format!("{:?}", a.gone), format!("{:?}", b.gone));
    compare("cells", format!("{:?}", a.cells), format!("{:?}", b.cells));
    compare("orders", format!("{:?}", a.orders), format!("{:?}", b.orders));
    compare("inbox", format!("{:?}", a.inbox), format!("{:?}", b.inbox));
    compare("flights", format!("{:?}", a.flights), format!("{:?}", b.flights));
    compare("told", a.told.to_string(), b.told.to_string());
    compare("plane", format!("{:?}", a.plane), format!("{:?}", b.plane));
    words.join("; ")
}

/// The order with this sequence.
pub(super) fn order(sequence: u64) -> JobEntry {
    let id = u128::from(sequence).to_be_bytes();
    JobEntry {
        job_id: JobId::from_entropy(id),
        digest: Digest::of(&id),
        scheduler_key: KEY.to_owned(),
        sequence,
        expires_at_ms: u64::MAX,
    }
}

/// Opens a database over a storage.
pub(super) fn database(disk: &Disk) -> Result<Arc<Database>, String> {
    let built = Builder::new()
        .set_cache_size(1 << 20)
        .create_with_backend(disk.clone());
    built
        .map(Arc::new)
        .map_err(|error| format!("cannot open: {error}"))
}

/// Opens a journal over a storage.
pub(super) fn opened(disk: &Disk) -> Result<(Arc<Database>, Loaded), String> {
    opened_beside(disk, None)
}

/// Opens a journal over a storage, beside the note that this commit was confirmed.
pub(super) fn opened_beside(disk: &Disk, commit: Option<u64>) -> Result<(Arc<Database>, Loaded), String> {
    let db = database(disk)?;
    let noted = commit.map(|commit| Note {
        incarnation: INCARNATION,
        commit,
    });
    let loaded = load(&db, INCARNATION, noted).map_err(|error| format!("cannot load: {error:?}"))?;
    Ok((db, loaded))
}

/// Opens a journal over a storage and reads all it holds. Damage is an error.
pub(super) fn contents(disk: &Disk) -> Result<Model, String> {
    contents_beside(disk, None)
}

/// The same, beside the note that this commit was confirmed; that something was lost is an error too.
pub(super) fn contents_beside(disk: &Disk, commit: Option<u64>) -> Result<Model, String> {
    let (db, mut loaded) = opened_beside(disk, commit)?;
    if let Some(lost) = loaded.lost {
        return Err(format!("it says that it lost something: {lost:?}"));
    }
    if !loaded.damaged.is_empty() {
        return Err(format!("damaged: {:?}", loaded.damaged));
    }
    if !loaded.bad_values.is_empty() {
        return Err(format!("values that no run holds: {:?}", loaded.bad_values));
    }
    contents_of(&mut loaded, &Reader(db))
}

/// All that a journal holds, but for the runs that it found damaged.
pub(super) fn contents_of(loaded: &mut Loaded, reader: &Reader) -> Result<Model, String> {
    let told = |error: crate::error::ReadError| format!("cannot read: {error:?}");
    if loaded.identity.incarnation != INCARNATION {
        return Err("it is another incarnation".to_owned());
    }
    let mut model = Model {
        told: loaded.queue.told,
        plane: loaded.plane.clone(),
        orders: orders_of(&loaded.queue.replay)?,
        ..Model::default()
    };
    for (number, head) in &loaded.state.heads {
        if loaded.damaged.contains_key(number) {
            continue;
        }
        let id = head.run.id();
        let run = read_run(reader, *number, &id, head.receipt).map_err(told)?;
        let run = ModelRun {
            epoch: head.epoch,
            cursor: head.cursor,
            ended: !head.is_open(),
            ..run
        };
        if run.chain != head.chain || run.lines.len() as u64 != head.next_seq {
            return Err(format!("run {number}: the head does not fit its records"));
        }
        for step in loaded.queue.flights.crashed(*number, &id) {
            model
                .flights
                .insert((*number, step.step.to_string()), (step.attempt, step.crashes));
        }
        model.runs.insert(id, run);
    }
    for (run, known) in &loaded.queue.runs {
        if let Known::Gone { epoch, ended, .. } = known {
            model.gone.insert(run.id(), (*epoch, *ended));
        }
    }
    for run in loaded.queue.inbox.runs() {
        for (number, row) in reader.messages(*run).map_err(told)? {
            model.inbox.insert((run.id(), number), row.bytes);
        }
    }
    for n in 0..5 {
        let name = format!("key_{n}");
        let key = crate::key::cell_key(Space::Host.tag(), &name);
        if let Some(value) = reader.cell(&key).map_err(told)? {
            model.cells.insert(name, value);
        }
    }
    check_outbox(loaded, reader, &model)?;
    Ok(model)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn read_run(
    reader: &Reader,
    number: u64,
    id: &RunId,
    has_receipt: bool,
) -> Result<ModelRun, crate::error::ReadError> {
    let stored = reader.run(number, SEMANTICS)?;
    let batches = reader.batches(number, id)?;
    let places: Vec<u64> = batches.iter().map(|batch| batch.first_seq).collect();
    let mut run = ModelRun::new(number, id, stored.row.envelope);
    for (_, row) in reader.rows(number, &places)? {
        for line in text(&row.lines).lines() {
            run.add_line(line.to_owned());
        }
        for (digest, about) in row.artefacts {
            assert_eq!(digest, Digest::of(&about), "an artefact has another's digest");
            run.artefacts.push(text(&about));
        }
        if let Some(receipt) = row.receipt {
            run.receipt = Some(text(&receipt));
        }
    }
    run.values = reader
        .values(number)?
        .into_values()
        .map(|value| text(&value))
        .collect();
    assert_eq!(run.receipt.is_some(), has_receipt);
    let loaded: Vec<String> = text(&stored.lines).lines().map(str::to_owned).collect();
    let first = usize::try_from(stored.first_seq).unwrap();
    assert_eq!(run.lines[first..], loaded[..], "loading and reading differ");
    run.snapshot = stored.snapshot.map(|snapshot| {
        assert_eq!((snapshot.seq, snapshot.semantics), (stored.first_seq, SEMANTICS));
        (snapshot.seq, snapshot.bytes)
    });
    let (standing, park) = reader.standing(number)?.unwrap();
    run.standing = standing;
    run.park = park.map(|note| text(&note.text));
    Ok(run)
}

fn orders_of(replay: &ReplayMemory) -> Result<BTreeSet<u64>, String> {
    let mut orders = BTreeSet::new();
    // Sequences count the orders, from 1 on.
    for sequence in 0..replay.next_number() + 3 {
        let known = replay.check(&order(sequence)) == Ok(Seen::Before);
        let mut other = order(u64::MAX - sequence);
        other.sequence = sequence;
        let used = replay.check(&other).is_err();
        if known && !used {
            return Err(format!("order {sequence} is known and could come again"));
        }
        if used {
            orders.insert(sequence);
        }
    }
    Ok(orders)
}

/// What waits to be sent must be what lies before each run's cursor, but for parked runs.
fn check_outbox(loaded: &mut Loaded, reader: &Reader, model: &Model) -> Result<(), String> {
    let portions = loaded.outbox.take(usize::MAX, u64::MAX, u64::MAX);
    let mut waiting = BTreeSet::new();
    for portion in portions {
        let mut places = portion.rows.clone();
        places.extend(portion.receipt);
        let rows = reader
            .rows(portion.number, &places)
            .map_err(|error| format!("outbox: {error:?}"))?;
        let rows = rows
            .into_iter()
            .map(|(place, row)| (place, Arc::new(row)))
            .collect();
        let uploads = assemble(&portion, &rows).map_err(|damage| format!("outbox: {damage}"))?;
        let Some(run) = model.runs.get(&uploads.run) else {
            return Err(format!("something of run {} waits", portion.number));
        };
        let lines: Vec<u8> = uploads
            .batches
            .into_iter()
            .flat_map(|batch| batch.lines)
            .collect();
        let sent = usize::try_from(run.cursor).unwrap().min(run.lines.len());
        let expected: Vec<String> = run.lines[sent..].to_vec();
        let found: Vec<String> = text(&lines).lines().map(str::to_owned).collect();
        if found != expected || uploads.receipt.is_some() != (run.receipt.is_some() && run.cursor < run.end())
        {
            return Err(format!(
                "of run {} {} records and receipt {:?} wait in place of {} from {}",
                run.number,
                found.len(),
                uploads.receipt,
                expected.len(),
                run.cursor
            ));
        }
        waiting.insert(uploads.run);
    }
    for (id, run) in &model.runs {
        if run.park.is_none() && run.cursor < run.end() && !waiting.contains(id) {
            return Err(format!("nothing of run {} waits: {}", run.number, run.brief()));
        }
    }
    Ok(())
}
