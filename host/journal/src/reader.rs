//! Reading beside the writer, from a snapshot of what is durable.
//!
//! Every function blocks for the time of a few page reads; [`crate::Journal`] moves them off the async threads. Nothing
//! here holds a snapshot longer than one call, because an old snapshot keeps the file from reusing its pages.

use std::sync::Arc;

use flowforge_protocol::RunId;
use flowforge_protocol::record::RecordBatch;
use redb::{Database, ReadableDatabase, ReadableTable};

use crate::codec;
use crate::entry::{OutboxBody, OutboxItem};
use crate::error::{Damage, ReadError};
use crate::load::rows_of;
use crate::tables::{self, OutboxRow, RecordsRow, RunRow, Snapshot};

/// A reader of durable rows.
#[derive(Clone)]
pub(crate) struct Reader(pub(crate) Arc<Database>);

impl Reader {
    fn snapshot(&self) -> Result<(Snapshot, redb::ReadTransaction), ReadError> {
        let txn = self.0.begin_read()?;
        Ok((Snapshot::open(&txn)?, txn))
    }

    /// The durable records of a run, as the batches in which they were written.
    pub(crate) fn batches(&self, number: u64, run: &RunId) -> Result<Vec<RecordBatch>, ReadError> {
        let (snapshot, _txn) = self.snapshot()?;
        let mut first_seq = 0;
        let mut batches = Vec::new();
        for row in rows_of(&snapshot, number, run)? {
            batches.push(RecordBatch {
                run: run.clone(),
                epoch: row.epoch,
                first_seq,
                count: row.count,
                chain: row.chain,
                lines: row.lines,
            });
            first_seq += u64::from(row.count);
        }
        Ok(batches)
    }

    /// The signed order of a run.
    pub(crate) fn envelope(&self, number: u64) -> Result<Option<Vec<u8>>, ReadError> {
        let (snapshot, _txn) = self.snapshot()?;
        let key = tables::number_key(number);
        match snapshot.runs.get(&key[..])? {
            Some(value) => Ok(Some(RunRow::open(&key, value.value())?.envelope)),
            None => Ok(None),
        }
    }

    /// Items from this position on, until one of the limits is reached; at least one if there is any.
    pub(crate) fn outbox(&self, from: u64, items: usize, bytes: usize) -> Result<Vec<OutboxItem>, ReadError> {
        let (snapshot, _txn) = self.snapshot()?;
        let first = tables::number_key(from);
        let mut found = Vec::new();
        let mut size = 0;
        for entry in snapshot.outbox.range::<&[u8]>(&first[..]..)? {
            let (key, value) = entry?;
            let position = tables::read_number_key(tables::OUTBOX, key.value())?;
            let row = OutboxRow::open(key.value(), value.value())?;
            let body = outbox_body(&snapshot, key.value(), row)?;
            size += body.weight();
            if !found.is_empty() && size > bytes {
                break;
            }
            found.push(OutboxItem { position, body });
            if found.len() >= items {
                break;
            }
        }
        Ok(found)
    }

    pub(crate) fn cell(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let (snapshot, _txn) = self.snapshot()?;
        match snapshot.cells.get(key)? {
            Some(value) => Ok(Some(codec::open(tables::CELLS, key, value.value())?.to_vec())),
            None => Ok(None),
        }
    }

    /// The keys of a space, in order.
    pub(crate) fn cell_keys(&self, space: u8) -> Result<Vec<String>, ReadError> {
        let (snapshot, _txn) = self.snapshot()?;
        let mut keys = Vec::new();
        for entry in snapshot.cells.range::<&[u8]>(&[space][..]..&[space + 1][..])? {
            let (key, _) = entry?;
            let damage = || Damage::new(tables::CELLS, key.value(), "the key cannot be read");
            let text = key
                .value()
                .get(1..)
                .and_then(|text| std::str::from_utf8(text).ok());
            keys.push(text.ok_or_else(damage)?.to_owned());
        }
        Ok(keys)
    }

    /// Checks every value and every chain.
    pub(crate) fn verify(&self) -> Result<Verified, ReadError> {
        let (snapshot, _txn) = self.snapshot()?;
        let mut verified = Verified::default();
        for entry in snapshot.runs.iter()? {
            let (key, value) = entry?;
            let number = tables::read_number_key(tables::RUNS, key.value())?;
            let row = RunRow::open(key.value(), value.value())?;
            for row in rows_of(&snapshot, number, &row.run)? {
                verified.rows += 1;
                verified.records += u64::from(row.count);
            }
            verified.runs += 1;
        }
        let mut stored_rows = 0;
        for entry in snapshot.records.iter()? {
            entry?;
            stored_rows += 1;
        }
        if stored_rows != verified.rows {
            return Err(Damage::new(tables::RECORDS, b"", "there are records without a run").into());
        }
        for entry in snapshot.outbox.iter()? {
            let (key, value) = entry?;
            outbox_body(
                &snapshot,
                key.value(),
                OutboxRow::open(key.value(), value.value())?,
            )?;
            verified.outbox += 1;
        }
        for (table, rows) in [
            (tables::ENDED, &snapshot.ended),
            (tables::JOBS, &snapshot.jobs),
            (tables::REPLAY, &snapshot.replay),
            (tables::TIMERS, &snapshot.timers),
            (tables::CELLS, &snapshot.cells),
            (tables::META, &snapshot.meta),
        ] {
            for entry in rows.iter()? {
                let (key, value) = entry?;
                codec::open(table, key.value(), value.value())?;
                verified.other += 1;
            }
        }
        Ok(verified)
    }
}

/// What a check of the whole journal found in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verified {
    /// Runs, each with an unbroken chain.
    pub runs: u64,
    /// Records.
    pub records: u64,
    /// Stored rows of records.
    pub rows: u64,
    /// Items in the outbox, each with what it refers to.
    pub outbox: u64,
    /// Other values.
    pub other: u64,
}

fn outbox_body(snapshot: &Snapshot, key: &[u8], row: OutboxRow) -> Result<OutboxBody, ReadError> {
    let number = row.number;
    row.into_body(|first_seq| {
        let record_key = tables::record_key(number, first_seq);
        let Some(value) = snapshot.records.get(&record_key[..])? else {
            return Err(Damage::new(tables::OUTBOX, key, "its records are missing").into());
        };
        Ok(RecordsRow::open(&record_key, value.value())?)
    })
}
