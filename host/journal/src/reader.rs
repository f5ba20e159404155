//! Reading beside the writer, from a snapshot of what is durable.
//!
//! Every function blocks for the time of a few page reads; [`crate::Journal`] moves them off the async threads. Nothing
//! here holds a snapshot longer than one call, because an old snapshot keeps the file from reusing its pages.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::chain::{chain_start, stored_values};
use flowforge_protocol::{Digest, RunId};
use redb::{Database, ReadableDatabase};

use crate::codec;
use crate::entry::{Snapshot as RunSnapshot, Standing};
use crate::error::{Damage, ReadError};
use crate::key::{self, RunKey};
use crate::records_row::RecordsRow;
use crate::rows::{MessageRow, NO_TIME, Note, NoteKind, Phase, RunHead, RunRow, SnapshotRow};
use crate::tables::{self, Snapshot};

mod artefacts;

/// A reader of durable rows.
#[derive(Clone)]
pub(crate) struct Reader(pub(crate) Arc<Database>);

/// What is durable of an unfinished run.
#[derive(Debug)]
pub(crate) struct StoredRun {
    pub(crate) head: RunHead,
    pub(crate) row: RunRow,
    pub(crate) snapshot: Option<RunSnapshot>,
    pub(crate) first_seq: u64,
    pub(crate) lines: Vec<u8>,
    pub(crate) values: StoredValues,
}

/// The large values of a run.
#[derive(Debug, Default)]
pub(crate) struct StoredValues {
    /// Of every one its size in bytes, as stored.
    pub(crate) held: BTreeMap<Digest, u64>,
    /// The bytes of those that were asked for.
    pub(crate) bytes: HashMap<Digest, Vec<u8>>,
}

/// A row that was checked against the chain before it.
struct Checked {
    first_seq: u64,
    row: RecordsRow,
}

impl Reader {
    fn snapshot(&self) -> Result<(Snapshot, redb::ReadTransaction), ReadError> {
        let txn = self.0.begin_read()?;
        Ok((Snapshot::open(&txn)?, txn))
    }

    /// All that is needed to go on with a run.
    pub(crate) fn run(&self, number: u64, semantics: u32) -> Result<StoredRun, ReadError> {
        let (snapshot, _txn) = self.snapshot()?;
        let key = key::number_key(number);
        let missing = |table| Damage::new(table, &key, "it is missing");
        let value = snapshot
            .runs
            .get(&key[..])?
            .ok_or_else(|| missing(tables::RUNS))?;
        let row = RunRow::open(&key, value.value())?;
        let head = head_of(&snapshot, number)?.ok_or_else(|| missing(tables::HEADS))?;
        let newest = newest_snapshot(&snapshot, number, semantics)?;
        let (first_seq, chain) = match &newest {
            Some(newest) => (newest.seq, newest.chain),
            None => (0, chain_start(&row.run.id())),
        };
        let mut lines = Vec::new();
        let (mut next_seq, mut last) = (first_seq, chain);
        for checked in rows_from(&snapshot, number, first_seq, chain)? {
            next_seq = checked.first_seq + u64::from(checked.row.count);
            last = checked.row.chain;
            if lines.is_empty() {
                lines = checked.row.lines;
            } else {
                lines.extend_from_slice(&checked.row.lines);
            }
        }
        if (next_seq, last) != (head.next_seq, head.chain) {
            let what = "the last records do not fit the head of the run";
            return Err(Damage::new(tables::RECORDS, &key, what).into());
        }
        let wanted = stored_values(&lines, first_seq).map_err(|_| {
            let what = "its lines are not the records that belong here";
            Damage::new(tables::RECORDS, &key, what)
        })?;
        let values = values_of(&snapshot, number, |digest| wanted.contains(digest))?;
        Ok(StoredRun {
            head,
            row,
            snapshot: newest.map(|newest| RunSnapshot {
                seq: newest.seq,
                semantics: newest.semantics,
                bytes: newest.bytes,
            }),
            first_seq,
            lines,
            values,
        })
    }

    /// All large values of a run.
    pub(crate) fn values(&self, number: u64) -> Result<HashMap<Digest, Vec<u8>>, ReadError> {
        let (snapshot, _txn) = self.snapshot()?;
        Ok(values_of(&snapshot, number, |_| true)?.bytes)
    }

    /// The bytes of a large value; `None` if no run holds it.
    pub(crate) fn value(&self, digest: &Digest) -> Result<Option<Vec<u8>>, ReadError> {
        let (snapshot, _txn) = self.snapshot()?;
        let key = digest.as_bytes();
        match snapshot.values.get(&key[..])? {
            Some(value) => Ok(Some(codec::open(tables::VALUES, key, value.value())?.to_vec())),
            None => Ok(None),
        }
    }

    /// The durable records of a run, as the batches in which they were written.
    pub(crate) fn batches(&self, number: u64, run: &RunId) -> Result<Vec<RecordBatch>, ReadError> {
        let (snapshot, _txn) = self.snapshot()?;
        let rows = rows_from(&snapshot, number, 0, chain_start(run))?;
        Ok(rows
            .into_iter()
            .map(|checked| checked.row.batch(run.clone(), checked.first_seq))
            .collect())
    }

    /// Rows of records by their places; one that is not there is left out.
    pub(crate) fn rows(&self, number: u64, first_seqs: &[u64]) -> Result<Vec<(u64, RecordsRow)>, ReadError> {
        let (snapshot, _txn) = self.snapshot()?;
        let mut rows = Vec::with_capacity(first_seqs.len());
        for first_seq in first_seqs {
            let key = key::record_key(number, *first_seq);
            if let Some(value) = snapshot.records.get(&key[..])? {
                rows.push((*first_seq, RecordsRow::open(&key, value.value())?));
            }
        }
        Ok(rows)
    }

    /// The messages of a run, in their order.
    pub(crate) fn messages(&self, run: RunKey) -> Result<Vec<(u64, MessageRow)>, ReadError> {
        let (snapshot, _txn) = self.snapshot()?;
        let (first, last) = (key::message_key(run, 0), key::message_key(run, u64::MAX));
        let mut messages = Vec::new();
        for entry in snapshot.inbox.range::<&[u8]>(&first[..]..=&last[..])? {
            let (key, value) = entry?;
            let (_, message) = key::read_message_key(tables::INBOX, key.value())?;
            messages.push((message, MessageRow::open(key.value(), value.value())?));
        }
        Ok(messages)
    }

    /// What a run is doing, and why its uploads are parked, if they are; `None` if it is not here.
    pub(crate) fn standing(&self, number: u64) -> Result<Option<(Standing, Option<Note>)>, ReadError> {
        let (snapshot, _txn) = self.snapshot()?;
        let Some(head) = head_of(&snapshot, number)? else {
            return Ok(None);
        };
        let note = |kind: NoteKind| -> Result<Note, ReadError> {
            let key = kind.key(number);
            Ok(match snapshot.notes.get(&key[..])? {
                // Words that cannot be read are no words; nothing depends on them.
                Some(value) => Note::open(&key, value.value()).unwrap_or_default(),
                None => Note::default(),
            })
        };
        let standing = match head.phase {
            Phase::Running | Phase::Ended => Standing::Running,
            Phase::Waiting => Standing::Waiting {
                due_ms: (head.at_ms != NO_TIME).then_some(head.at_ms),
                about: note(NoteKind::Standing)?.text,
            },
            Phase::Resting => {
                let note = note(NoteKind::Standing)?;
                Standing::Resting {
                    code: note.code,
                    reason: String::from_utf8_lossy(&note.text).into_owned(),
                }
            }
        };
        let park = if head.parked {
            Some(note(NoteKind::Park)?)
        } else {
            None
        };
        Ok(Some((standing, park)))
    }

    /// The value of a cell, by its stored key.
    pub(crate) fn cell(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let (snapshot, _txn) = self.snapshot()?;
        match snapshot.cells.get(key)? {
            Some(value) => Ok(Some(codec::open(tables::CELLS, key, value.value())?.to_vec())),
            None => Ok(None),
        }
    }
}

fn head_of(snapshot: &Snapshot, number: u64) -> Result<Option<RunHead>, ReadError> {
    let key = key::number_key(number);
    match snapshot.heads.get(&key[..])? {
        Some(value) => Ok(Some(RunHead::open(&key, value.value())?)),
        None => Ok(None),
    }
}

/// What a run holds of large values, with the bytes of those that are wanted.
fn values_of(
    snapshot: &Snapshot,
    number: u64,
    is_wanted: impl Fn(&Digest) -> bool,
) -> Result<StoredValues, ReadError> {
    let (first, last) = (key::number_key(number), key::number_key(number.saturating_add(1)));
    let mut values = StoredValues::default();
    for entry in snapshot.value_uses.range::<&[u8]>(&first[..]..&last[..])? {
        let (use_key, _) = entry?;
        let (_, digest) = key::read_value_use_key(tables::VALUE_USES, use_key.value())?;
        let place = digest.as_bytes();
        let Some(value) = snapshot.values.get(&place[..])? else {
            return Err(Damage::new(tables::VALUES, place, "the value is missing").into());
        };
        let bytes = u64::try_from(value.value().len()).unwrap_or(u64::MAX);
        values.held.insert(digest, bytes);
        if is_wanted(&digest) {
            let bytes = codec::open(tables::VALUES, place, value.value())?;
            values.bytes.insert(digest, bytes.to_vec());
        }
    }
    Ok(values)
}

/// The snapshot of a run, if it was made by these rules and is the state behind a record that is there. Whatever is wrong
/// with it, the records alone say the same.
fn newest_snapshot(
    snapshot: &Snapshot,
    number: u64,
    semantics: u32,
) -> Result<Option<SnapshotRow>, ReadError> {
    let key = key::number_key(number);
    let Some(value) = snapshot.snapshots.get(&key[..])? else {
        return Ok(None);
    };
    let Ok(row) = SnapshotRow::open(&key, value.value()) else {
        return Ok(None);
    };
    if row.semantics != semantics || row.seq == 0 {
        return Ok(None);
    }
    let (first, last) = (key::record_key(number, 0), key::record_key(number, row.seq - 1));
    let mut before = snapshot.records.range::<&[u8]>(&first[..]..=&last[..])?;
    let Some(entry) = before.next_back() else {
        return Ok(None);
    };
    let (key, value) = entry?;
    let (_, first_seq) = key::read_record_key(tables::RECORDS, key.value())?;
    let fits = RecordsRow::open(key.value(), value.value())
        .is_ok_and(|found| first_seq + u64::from(found.count) == row.seq && found.chain == row.chain);
    Ok(fits.then_some(row))
}

/// Every row of a run from a record on, in order and checked against its digest, its place and the chain before it.
fn rows_from(snapshot: &Snapshot, number: u64, seq: u64, chain: Digest) -> Result<Vec<Checked>, ReadError> {
    let (first, last) = (key::record_key(number, seq), key::record_key(number, u64::MAX));
    let (mut next_seq, mut chain) = (seq, chain);
    let mut rows = Vec::new();
    for entry in snapshot.records.range::<&[u8]>(&first[..]..=&last[..])? {
        let (key, value) = entry?;
        let damage = |what| Damage::new(tables::RECORDS, key.value(), what);
        let (_, first_seq) = key::read_record_key(tables::RECORDS, key.value())?;
        if first_seq != next_seq {
            return Err(damage("records are missing before it").into());
        }
        let row = RecordsRow::open(key.value(), value.value())?;
        if row.before != chain {
            return Err(damage("its records do not fit the chain").into());
        }
        next_seq += u64::from(row.count);
        chain = row.chain;
        rows.push(Checked { first_seq, row });
    }
    Ok(rows)
}
