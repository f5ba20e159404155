//! What a journal is to hold, kept in plain collections, and what one does hold, in the same shape.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flowforge_protocol::record::chain_next;
use flowforge_protocol::{Digest, JobId, RunId, StepKey};
use redb::{Builder, Database};

use super::disk::Disk;
use crate::entry::{OutboxBody, Space};
use crate::load::{Loaded, load};
use crate::reader::Reader;
use crate::replay::{JobEntry, Seen};

/// The scheduler key of all orders.
pub(super) const KEY: &str = "scheduler";

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ModelRun {
    pub(super) number: u64,
    pub(super) epoch: u64,
    pub(super) envelope: Vec<u8>,
    pub(super) lines: Vec<String>,
    /// `seq` of the first record that waits to be sent.
    pub(super) unsent_from: u64,
    pub(super) chain: Digest,
    pub(super) timers: BTreeMap<StepKey, u64>,
    /// Labels of the receipts and artefacts that wait to be sent, sorted.
    pub(super) uploads: BTreeSet<String>,
    pub(super) ended: bool,
}

/// Everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) runs: BTreeMap<RunId, ModelRun>,
    pub(super) cells: BTreeMap<String, Vec<u8>>,
    /// Orders that were taken, by sequence.
    pub(super) orders: BTreeSet<u64>,
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
    if found.cells != expected.cells {
        words.push("cells differ".to_owned());
    }
    if found.orders != expected.orders {
        words.push(format!(
            "orders {:?} in place of {:?}",
            found.orders, expected.orders
        ));
    }
    words.join("; ")
}

impl ModelRun {
    fn brief(&self) -> String {
        format!(
            "[{} records, unsent from {}, epoch {}, {} timers, {:?}, ended {}]",
            self.lines.len(),
            self.unsent_from,
            self.epoch,
            self.timers.len(),
            self.uploads,
            self.ended
        )
    }
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

pub(super) fn add_line(chain: &Digest, line: &str) -> Digest {
    chain_next(chain, line.as_bytes())
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

/// Opens a journal over a storage and reads all it holds, by loading it and by reading it.
pub(super) fn contents(disk: &Disk) -> Result<Model, String> {
    let db = database(disk)?;
    let loaded = load(&db).map_err(|error| format!("cannot load: {error:?}"))?;
    contents_of(&loaded, &Reader(db))
}

pub(super) fn contents_of(loaded: &Loaded, reader: &Reader) -> Result<Model, String> {
    let told = |error: crate::error::ReadError| format!("cannot read: {error:?}");
    let mut model = Model::default();
    for (number, head) in &loaded.state.runs {
        let mut lines = String::new();
        for batch in reader.batches(*number, &head.run).map_err(told)? {
            lines.push_str(std::str::from_utf8(&batch.lines).unwrap());
        }
        let lines: Vec<String> = lines.lines().map(str::to_owned).collect();
        let run = ModelRun {
            number: *number,
            epoch: head.epoch,
            envelope: reader.envelope(*number).map_err(told)?.unwrap_or_default(),
            unsent_from: lines.len() as u64,
            lines,
            chain: head.chain,
            timers: BTreeMap::new(),
            uploads: BTreeSet::new(),
            ended: head.ended_at_ms.is_some(),
        };
        model.runs.insert(head.run.clone(), run);
    }
    for run in &loaded.runs {
        let lines: Vec<_> = std::str::from_utf8(&run.lines)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        if model.runs[&run.row.run].lines != lines {
            return Err("loading and reading differ".to_owned());
        }
    }
    for timer in &loaded.timers {
        model
            .runs
            .get_mut(&timer.run)
            .unwrap()
            .timers
            .insert(timer.step.clone(), timer.due_ms);
    }
    read_outbox(reader, &mut model)?;
    for key in reader.cell_keys(Space::Host.tag()).map_err(told)? {
        let value = reader
            .cell(&crate::tables::cell_key(Space::Host.tag(), &key))
            .map_err(told)?;
        model.cells.insert(key, value.unwrap());
    }
    reader.verify().map_err(told)?;
    let high = loaded.state.replay.window(KEY).map_or(0, |window| window.high);
    for sequence in 0..=high {
        let known = loaded.state.replay.check(&order(sequence)) == Ok(Seen::Before);
        let mut other = order(u64::MAX - sequence);
        other.sequence = sequence;
        let used = loaded.state.replay.check(&other).is_err();
        if known != used {
            return Err(format!(
                "order {sequence}: known by id {known}, by sequence {used}"
            ));
        }
        if known {
            model.orders.insert(sequence);
        }
    }
    Ok(model)
}

/// What waits to be sent must be the end of the run's records, in order, and the uploads.
fn read_outbox(reader: &Reader, model: &mut Model) -> Result<(), String> {
    let items = reader
        .outbox(0, usize::MAX, usize::MAX)
        .map_err(|error| format!("outbox: {error:?}"))?;
    let mut waiting: BTreeMap<RunId, Vec<String>> = BTreeMap::new();
    for item in items {
        match item.body {
            OutboxBody::Batch(batch) => {
                let lines = std::str::from_utf8(&batch.lines)
                    .unwrap()
                    .lines()
                    .map(str::to_owned);
                waiting.entry(batch.run).or_default().extend(lines);
            }
            OutboxBody::Receipt { run, envelope } => {
                model
                    .runs
                    .get_mut(&run)
                    .unwrap()
                    .uploads
                    .insert(String::from_utf8(envelope).unwrap());
            }
            OutboxBody::Artefact { run, digest, about } => {
                if digest != Digest::of(&about) {
                    return Err("an artefact has another's digest".to_owned());
                }
                model
                    .runs
                    .get_mut(&run)
                    .unwrap()
                    .uploads
                    .insert(String::from_utf8(about).unwrap());
            }
        }
    }
    for (id, lines) in waiting {
        let run = model.runs.get_mut(&id).unwrap();
        let from = run
            .lines
            .len()
            .checked_sub(lines.len())
            .ok_or("more waits than was written")?;
        if run.lines[from..] != lines[..] {
            return Err(format!("run {id}: what waits is not the end of its records"));
        }
        run.unsent_from = from as u64;
    }
    Ok(())
}
