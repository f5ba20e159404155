//! The tables of the file, and the byte form of their rows.
//!
//! Runs have a number, given at acceptance and growing, so that what is written together lies together in the file. Keys
//! are big-endian, values are sealed by [`crate::codec`].

use flowforge_protocol::record::RecordBatch;
use flowforge_protocol::{Digest, RunId, StepKey};
use redb::{ReadOnlyTable, ReadTransaction, Table, TableDefinition, TableError, WriteTransaction};

use crate::codec::{BodyReader, BodyWriter, seal};
use crate::entry::OutboxBody;
use crate::error::Damage;
use crate::replay::JobEntry;

/// The newest format this program reads, and the one it writes.
pub(crate) const FORMAT: u32 = 1;
pub(crate) const FORMAT_KEY: &[u8] = b"format";
const FORMAT_PREFIX: &str = "flowforge-journal/";

pub(crate) type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

macro_rules! tables {
    ($($(#[$doc:meta])* $field:ident $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub(crate) const $name: &str = $text;)*

        /// Every table.
        pub(crate) const ALL: &[&str] = &[$($text),*];

        /// Every table, open for writing.
        pub(crate) struct Tables<'t> {
            $(pub(crate) $field: Table<'t, &'static [u8], &'static [u8]>,)*
        }

        impl<'t> Tables<'t> {
            pub(crate) fn open(txn: &'t WriteTransaction) -> Result<Self, TableError> {
                Ok(Self { $($field: txn.open_table(Definition::new($text))?,)* })
            }
        }

        /// Every table, as it was at one moment.
        pub(crate) struct Snapshot {
            $(pub(crate) $field: ReadOnlyTable<&'static [u8], &'static [u8]>,)*
        }

        impl Snapshot {
            pub(crate) fn open(txn: &ReadTransaction) -> Result<Self, TableError> {
                Ok(Self { $($field: txn.open_table(Definition::new($text))?,)* })
            }
        }
    };
}

tables! {
    /// `format` → the format's name and number.
    meta META = "meta";
    /// Run number → run, its order.
    runs RUNS = "runs";
    /// Run number and first `seq` → consecutive records.
    records RECORDS = "records";
    /// Run number → when it ended, how large it is.
    ended ENDED = "ended";
    /// Number of the order → the order, as long as its id is remembered.
    jobs JOBS = "jobs";
    /// Scheduler key → its replay window.
    replay REPLAY = "replay";
    /// Position → what waits to be sent; records only by reference.
    outbox OUTBOX = "outbox";
    /// Run number and step → when it is due.
    timers TIMERS = "timers";
    /// Space and key → value.
    cells CELLS = "cells";
}

pub(crate) fn format_value(format: u32) -> Vec<u8> {
    seal(META, FORMAT_KEY, format!("{FORMAT_PREFIX}{format}").as_bytes())
}

pub(crate) fn read_format(value: &[u8]) -> Result<u32, Damage> {
    let body = crate::codec::open(META, FORMAT_KEY, value)?;
    std::str::from_utf8(body)
        .ok()
        .and_then(|text| text.strip_prefix(FORMAT_PREFIX))
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| Damage::new(META, FORMAT_KEY, "the format cannot be read"))
}

/// Key of a numbered row.
pub(crate) fn number_key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

pub(crate) fn read_number_key(table: &'static str, key: &[u8]) -> Result<u64, Damage> {
    let bytes = key
        .try_into()
        .map_err(|_| Damage::new(table, key, "the key has the wrong length"))?;
    Ok(u64::from_be_bytes(bytes))
}

/// Key of a row of records.
pub(crate) fn record_key(number: u64, first_seq: u64) -> [u8; 16] {
    (u128::from(number) << 64 | u128::from(first_seq)).to_be_bytes()
}

pub(crate) fn read_record_key(key: &[u8]) -> Result<(u64, u64), Damage> {
    let bytes = key
        .try_into()
        .map_err(|_| Damage::new(RECORDS, key, "the key has the wrong length"))?;
    let both = u128::from_be_bytes(bytes);
    let low = u64::try_from(both & u128::from(u64::MAX)).unwrap_or(u64::MAX);
    Ok((u64::try_from(both >> 64).unwrap_or(u64::MAX), low))
}

/// Key of a timer.
pub(crate) fn timer_key(number: u64, step: &StepKey) -> Vec<u8> {
    let mut key = number_key(number).to_vec();
    key.extend_from_slice(step.to_string().as_bytes());
    key
}

pub(crate) fn read_timer_key(key: &[u8]) -> Result<(u64, StepKey), Damage> {
    let damage = || Damage::new(TIMERS, key, "the key cannot be read");
    let (number, step) = key.split_first_chunk::<8>().ok_or_else(damage)?;
    let step = std::str::from_utf8(step)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(damage)?;
    Ok((u64::from_be_bytes(*number), step))
}

/// Key of a cell.
pub(crate) fn cell_key(space: u8, key: &str) -> Vec<u8> {
    let mut bytes = vec![space];
    bytes.extend_from_slice(key.as_bytes());
    bytes
}

/// A run's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunRow {
    pub(crate) run: RunId,
    pub(crate) epoch: u64,
    pub(crate) accepted_at_ms: u64,
    pub(crate) envelope: Vec<u8>,
}

impl RunRow {
    pub(crate) fn seal(&self, key: &[u8]) -> Vec<u8> {
        let mut body = BodyWriter::with_capacity(64 + self.envelope.len());
        body.bytes(self.run.as_str().as_bytes())
            .u64(self.epoch)
            .u64(self.accepted_at_ms)
            .rest(&self.envelope);
        seal(RUNS, key, &body.finish())
    }

    pub(crate) fn open(key: &[u8], value: &[u8]) -> Result<Self, Damage> {
        let mut reader = BodyReader::open(RUNS, key, value)?;
        Ok(Self {
            run: reader.text()?,
            epoch: reader.u64()?,
            accepted_at_ms: reader.u64()?,
            envelope: reader.rest().to_vec(),
        })
    }
}

/// Consecutive records of one run, as they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordsRow {
    pub(crate) epoch: u64,
    pub(crate) count: u32,
    /// Chain value after the last line.
    pub(crate) chain: Digest,
    pub(crate) lines: Vec<u8>,
}

impl RecordsRow {
    pub(crate) fn seal(&self, key: &[u8]) -> Vec<u8> {
        let mut body = BodyWriter::with_capacity(48 + self.lines.len());
        body.u64(self.epoch)
            .u32(self.count)
            .digest(&self.chain)
            .rest(&self.lines);
        seal(RECORDS, key, &body.finish())
    }

    pub(crate) fn open(key: &[u8], value: &[u8]) -> Result<Self, Damage> {
        let mut reader = BodyReader::open(RECORDS, key, value)?;
        Ok(Self {
            epoch: reader.u64()?,
            count: reader.u32()?,
            chain: reader.digest()?,
            lines: reader.rest().to_vec(),
        })
    }

    pub(crate) fn into_batch(self, run: RunId, first_seq: u64) -> RecordBatch {
        RecordBatch {
            run,
            epoch: self.epoch,
            first_seq,
            count: self.count,
            chain: self.chain,
            lines: self.lines,
        }
    }
}

/// What is known of a run that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EndedRow {
    pub(crate) ended_at_ms: u64,
    pub(crate) epoch: u64,
    pub(crate) next_seq: u64,
    pub(crate) chain: Digest,
    /// Stored bytes, for the accounts.
    pub(crate) bytes: u64,
}

impl EndedRow {
    pub(crate) fn seal(&self, key: &[u8]) -> Vec<u8> {
        let mut body = BodyWriter::with_capacity(64);
        body.u64(self.ended_at_ms)
            .u64(self.epoch)
            .u64(self.next_seq)
            .digest(&self.chain)
            .u64(self.bytes);
        seal(ENDED, key, &body.finish())
    }

    pub(crate) fn open(key: &[u8], value: &[u8]) -> Result<Self, Damage> {
        let mut reader = BodyReader::open(ENDED, key, value)?;
        let row = Self {
            ended_at_ms: reader.u64()?,
            epoch: reader.u64()?,
            next_seq: reader.u64()?,
            chain: reader.digest()?,
            bytes: reader.u64()?,
        };
        reader.end()?;
        Ok(row)
    }
}

pub(crate) fn seal_job(key: &[u8], job: &JobEntry) -> Vec<u8> {
    let mut body = BodyWriter::with_capacity(128);
    body.bytes(job.job_id.as_str().as_bytes())
        .digest(&job.digest)
        .bytes(job.scheduler_key.as_bytes());
    body.u64(job.sequence).u64(job.expires_at_ms);
    seal(JOBS, key, &body.finish())
}

pub(crate) fn open_job(key: &[u8], value: &[u8]) -> Result<JobEntry, Damage> {
    let mut reader = BodyReader::open(JOBS, key, value)?;
    let job = JobEntry {
        job_id: reader.text()?,
        digest: reader.digest()?,
        scheduler_key: reader.text()?,
        sequence: reader.u64()?,
        expires_at_ms: reader.u64()?,
    };
    reader.end()?;
    Ok(job)
}

/// A row of the outbox. It names its run, so that sending reads nothing else but the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutboxRow {
    pub(crate) number: u64,
    pub(crate) run: RunId,
    pub(crate) what: Waiting,
}

/// What waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// The records that begin with this `seq`, and the `seq` of their last.
    Records { first_seq: u64, last_seq: u64 },
    /// A receipt.
    Receipt { envelope: Vec<u8> },
    /// An artefact.
    Artefact { digest: Digest, about: Vec<u8> },
}

impl OutboxRow {
    pub(crate) fn seal(&self, key: &[u8]) -> Vec<u8> {
        let mut body = BodyWriter::with_capacity(64);
        body.u64(self.number).bytes(self.run.as_str().as_bytes());
        match &self.what {
            Waiting::Records { first_seq, last_seq } => body.u8(1).u64(*first_seq).u64(*last_seq),
            Waiting::Receipt { envelope } => body.u8(2).rest(envelope),
            Waiting::Artefact { digest, about } => body.u8(3).digest(digest).rest(about),
        };
        seal(OUTBOX, key, &body.finish())
    }

    pub(crate) fn open(key: &[u8], value: &[u8]) -> Result<Self, Damage> {
        let mut reader = BodyReader::open(OUTBOX, key, value)?;
        let (number, run) = (reader.u64()?, reader.text()?);
        let what = match reader.u8()? {
            1 => {
                let what = Waiting::Records {
                    first_seq: reader.u64()?,
                    last_seq: reader.u64()?,
                };
                reader.end()?;
                what
            }
            2 => Waiting::Receipt {
                envelope: reader.rest().to_vec(),
            },
            3 => Waiting::Artefact {
                digest: reader.digest()?,
                about: reader.rest().to_vec(),
            },
            _ => return Err(reader.damage("the item has an unknown kind")),
        };
        Ok(Self { number, run, what })
    }

    /// The item as it is sent; the records that it refers to by their first `seq` come from the caller.
    pub(crate) fn into_body<E>(
        self,
        records: impl FnOnce(u64) -> Result<RecordsRow, E>,
    ) -> Result<OutboxBody, E> {
        let run = self.run;
        Ok(match self.what {
            Waiting::Records { first_seq, .. } => {
                OutboxBody::Batch(records(first_seq)?.into_batch(run, first_seq))
            }
            Waiting::Receipt { envelope } => OutboxBody::Receipt { run, envelope },
            Waiting::Artefact { digest, about } => OutboxBody::Artefact { run, digest, about },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back() {
        let step: StepKey = "labels[3].label".parse().unwrap();
        assert_eq!(read_timer_key(&timer_key(7, &step)), Ok((7, step)));
        assert_eq!(read_record_key(&record_key(7, 9)), Ok((7, 9)));
        assert!(record_key(7, u64::MAX) < record_key(8, 0));
        assert_eq!(read_format(&format_value(3)), Ok(3));
    }

    #[test]
    fn rows_come_back() {
        let run = RunId::from_entropy([1; 16]);
        let row = RunRow {
            run,
            epoch: 2,
            accepted_at_ms: 3,
            envelope: b"signed".to_vec(),
        };
        assert_eq!(RunRow::open(b"k", &row.seal(b"k")), Ok(row));
        let row = RecordsRow {
            epoch: 1,
            count: 2,
            chain: Digest::of(b"x"),
            lines: b"a\nb\n".to_vec(),
        };
        assert_eq!(RecordsRow::open(b"k", &row.seal(b"k")), Ok(row));
        let row = EndedRow {
            ended_at_ms: 1,
            epoch: 4,
            next_seq: 2,
            chain: Digest::of(b"x"),
            bytes: 3,
        };
        assert_eq!(EndedRow::open(b"k", &row.seal(b"k")), Ok(row));
        for what in [
            Waiting::Records {
                first_seq: 2,
                last_seq: 3,
            },
            Waiting::Receipt { envelope: vec![1, 2] },
            Waiting::Artefact {
                digest: Digest::of(b"x"),
                about: vec![3],
            },
        ] {
            let row = OutboxRow {
                number: 1,
                run: RunId::from_entropy([2; 16]),
                what,
            };
            assert_eq!(OutboxRow::open(b"k", &row.seal(b"k")), Ok(row));
        }
    }
}
