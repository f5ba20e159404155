//! What rows hold, and their byte form.

use flowforge_protocol::{Digest, JobId};

use crate::codec::{BodyReader, BodyWriter};
use crate::error::Damage;
use crate::key::RunKey;
use crate::replay::JobEntry;
use crate::tables;

/// A run's row: what never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunRow {
    pub(crate) run: RunKey,
    pub(crate) accepted_at_ms: u64,
    /// Keys of the cells that the run needs as long as it is open.
    pub(crate) documents: Vec<Vec<u8>>,
    pub(crate) envelope: Vec<u8>,
}

impl RunRow {
    pub(crate) fn seal(&self, key: &[u8]) -> Vec<u8> {
        let mut body = BodyWriter::with_capacity(96 + self.envelope.len());
        body.bytes(self.run.bytes()).u64(self.accepted_at_ms);
        body.u32(u32::try_from(self.documents.len()).unwrap_or(u32::MAX));
        for document in &self.documents {
            body.bytes(document);
        }
        body.rest(&self.envelope);
        body.seal(tables::RUNS, key)
    }

    pub(crate) fn open(key: &[u8], value: &[u8]) -> Result<Self, Damage> {
        let mut reader = BodyReader::open(tables::RUNS, key, value)?;
        let (run, accepted_at_ms) = (reader.run()?, reader.u64()?);
        let count = reader.u32()?;
        let documents = (0..count)
            .map(|_| reader.bytes().map(<[u8]>::to_vec))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            run,
            accepted_at_ms,
            documents,
            envelope: reader.rest().to_vec(),
        })
    }
}

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Running,
    Waiting,
    Resting,
    Ended,
}

impl Phase {
    const fn tag(self) -> u8 {
        match self {
            Self::Running => 1,
            Self::Waiting => 2,
            Self::Resting => 3,
            Self::Ended => 4,
        }
    }
}

/// The head of a run: what changes with its records. Also what the writer keeps of it in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunHead {
    pub(crate) run: RunKey,
    pub(crate) phase: Phase,
    /// Its uploads wait for a person.
    pub(crate) parked: bool,
    /// It has a receipt, which counts in the cursor as one more record behind the last.
    pub(crate) receipt: bool,
    /// The values of its records are not sent.
    pub(crate) values_stay: bool,
    pub(crate) epoch: u64,
    pub(crate) next_seq: u64,
    pub(crate) chain: Digest,
    /// Stored bytes of the run row, its records and its snapshot.
    pub(crate) bytes: u64,
    /// Bytes of the large values that its records hold, as often as they hold them.
    pub(crate) value_bytes: u64,
    /// How many records, then the receipt, the control plane has.
    pub(crate) cursor: u64,
    /// When it ended, or is due; `u64::MAX` while it waits without a time.
    pub(crate) at_ms: u64,
}

/// No time is set.
pub(crate) const NO_TIME: u64 = u64::MAX;

impl RunHead {
    /// Where the cursor ends.
    pub(crate) fn end(&self) -> u64 {
        self.next_seq.saturating_add(u64::from(self.receipt))
    }

    pub(crate) fn is_open(&self) -> bool {
        self.phase != Phase::Ended
    }

    pub(crate) fn seal(&self, key: &[u8]) -> Vec<u8> {
        let mut body = BodyWriter::with_capacity(112);
        body.bytes(self.run.bytes())
            .u8(self.phase.tag())
            .u8(u8::from(self.parked) | u8::from(self.receipt) << 1 | u8::from(self.values_stay) << 2)
            .u64(self.epoch)
            .u64(self.next_seq)
            .digest(&self.chain)
            .u64(self.bytes)
            .u64(self.cursor)
            .u64(self.at_ms)
            .u64(self.value_bytes);
        body.seal(tables::HEADS, key)
    }

    pub(crate) fn open(key: &[u8], value: &[u8]) -> Result<Self, Damage> {
        let mut reader = BodyReader::open(tables::HEADS, key, value)?;
        let run = reader.run()?;
        let phase = match reader.u8()? {
            1 => Phase::Running,
            2 => Phase::Waiting,
            3 => Phase::Resting,
            4 => Phase::Ended,
            _ => return Err(reader.damage("the run has an unknown phase")),
        };
        let flags = reader.u8()?;
        let head = Self {
            run,
            phase,
            parked: flags & 1 != 0,
            receipt: flags & 2 != 0,
            values_stay: flags & 4 != 0,
            epoch: reader.u64()?,
            next_seq: reader.u64()?,
            chain: reader.digest()?,
            bytes: reader.u64()?,
            cursor: reader.u64()?,
            at_ms: reader.u64()?,
            // One that format 3 wrote ends here.
            value_bytes: if reader.end().is_ok() { 0 } else { reader.u64()? },
        };
        reader.end()?;
        Ok(head)
    }
}

/// A run's state at one place, as the executor wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SnapshotRow {
    /// Number of records that it stands for.
    pub(crate) seq: u64,
    /// Chain value after them.
    pub(crate) chain: Digest,
    pub(crate) semantics: u32,
    pub(crate) bytes: Vec<u8>,
}

impl SnapshotRow {
    pub(crate) fn seal(&self, key: &[u8]) -> Vec<u8> {
        let mut body = BodyWriter::with_capacity(48 + self.bytes.len());
        body.u64(self.seq).digest(&self.chain).u32(self.semantics);
        body.rest(&self.bytes);
        body.seal(tables::SNAPSHOTS, key)
    }

    pub(crate) fn open(key: &[u8], value: &[u8]) -> Result<Self, Damage> {
        let mut reader = BodyReader::open(tables::SNAPSHOTS, key, value)?;
        Ok(Self {
            seq: reader.u64()?,
            chain: reader.digest()?,
            semantics: reader.u32()?,
            bytes: reader.rest().to_vec(),
        })
    }
}

/// Words for people about a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) code: String,
    pub(crate) text: Vec<u8>,
}

/// Which words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoteKind {
    /// What it waits for, or why it rests.
    Standing = 1,
    /// Why its uploads are parked.
    Park = 2,
}

impl NoteKind {
    pub(crate) fn key(self, number: u64) -> Vec<u8> {
        let mut key = number.to_be_bytes().to_vec();
        key.push(match self {
            Self::Standing => 1,
            Self::Park => 2,
        });
        key
    }
}

impl Note {
    pub(crate) fn seal(&self, key: &[u8]) -> Vec<u8> {
        let mut body = BodyWriter::with_capacity(32 + self.text.len());
        body.bytes(self.code.as_bytes()).rest(&self.text);
        body.seal(tables::NOTES, key)
    }

    pub(crate) fn open(key: &[u8], value: &[u8]) -> Result<Self, Damage> {
        let mut reader = BodyReader::open(tables::NOTES, key, value)?;
        Ok(Self {
            code: reader.text()?,
            text: reader.rest().to_vec(),
        })
    }
}

/// An order that waits in a run's inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MessageRow {
    pub(crate) job: JobId,
    pub(crate) at_ms: u64,
    /// So long it is kept for a run that is not here.
    pub(crate) keep_until_ms: u64,
    pub(crate) bytes: Vec<u8>,
}

impl MessageRow {
    pub(crate) fn seal(&self, key: &[u8]) -> Vec<u8> {
        let mut body = BodyWriter::with_capacity(64 + self.bytes.len());
        body.bytes(self.job.as_str().as_bytes())
            .u64(self.at_ms)
            .u64(self.keep_until_ms)
            .rest(&self.bytes);
        body.seal(tables::INBOX, key)
    }

    pub(crate) fn open(key: &[u8], value: &[u8]) -> Result<Self, Damage> {
        let mut reader = BodyReader::open(tables::INBOX, key, value)?;
        Ok(Self {
            job: reader.text()?,
            at_ms: reader.u64()?,
            keep_until_ms: reader.u64()?,
            bytes: reader.rest().to_vec(),
        })
    }
}

pub(crate) fn seal_job(key: &[u8], job: &JobEntry) -> Vec<u8> {
    let mut body = BodyWriter::with_capacity(128);
    body.bytes(job.job_id.as_str().as_bytes())
        .digest(&job.digest)
        .bytes(job.scheduler_key.as_bytes());
    body.u64(job.sequence).u64(job.expires_at_ms);
    body.seal(tables::JOBS, key)
}

pub(crate) fn open_job(key: &[u8], value: &[u8]) -> Result<JobEntry, Damage> {
    let mut reader = BodyReader::open(tables::JOBS, key, value)?;
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

/// An attempt under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlightRow {
    pub(crate) attempt: u32,
    /// How often the host died while an attempt of this step was under way.
    pub(crate) crashes: u32,
    /// One is under way now.
    pub(crate) live: bool,
}

impl FlightRow {
    pub(crate) fn seal(&self, key: &[u8]) -> Vec<u8> {
        let mut body = BodyWriter::with_capacity(16);
        body.u32(self.attempt).u32(self.crashes).u8(u8::from(self.live));
        body.seal(tables::FLIGHTS, key)
    }

    pub(crate) fn open(key: &[u8], value: &[u8]) -> Result<Self, Damage> {
        let mut reader = BodyReader::open(tables::FLIGHTS, key, value)?;
        let row = Self {
            attempt: reader.u32()?,
            crashes: reader.u32()?,
            live: reader.u8()? != 0,
        };
        reader.end()?;
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use flowforge_protocol::RunId;

    use super::*;

    #[test]
    fn rows_come_back() {
        let run = RunKey::of(&RunId::from_entropy([1; 16]));
        let row = RunRow {
            run,
            accepted_at_ms: 3,
            documents: vec![b"a".to_vec(), b"bc".to_vec()],
            envelope: b"signed".to_vec(),
        };
        assert_eq!(RunRow::open(b"k", &row.seal(b"k")), Ok(row));
        for phase in [Phase::Running, Phase::Waiting, Phase::Resting, Phase::Ended] {
            let head = RunHead {
                run,
                phase,
                parked: phase == Phase::Waiting,
                receipt: phase == Phase::Ended,
                values_stay: phase == Phase::Resting,
                epoch: 4,
                next_seq: 2,
                chain: Digest::of(b"x"),
                bytes: 3,
                value_bytes: 4,
                cursor: 1,
                at_ms: NO_TIME,
            };
            assert_eq!(head.end(), 2 + u64::from(!head.is_open()));
            assert_eq!(RunHead::open(b"k", &head.seal(b"k")), Ok(head));
        }
        let row = SnapshotRow {
            seq: 2,
            chain: Digest::of(b"x"),
            semantics: 7,
            bytes: b"state".to_vec(),
        };
        assert_eq!(SnapshotRow::open(b"k", &row.seal(b"k")), Ok(row));
        let row = MessageRow {
            job: JobId::from_entropy([4; 16]),
            at_ms: 1,
            keep_until_ms: 2,
            bytes: b"cancel".to_vec(),
        };
        assert_eq!(MessageRow::open(b"k", &row.seal(b"k")), Ok(row));
        let row = FlightRow {
            attempt: 1,
            crashes: 2,
            live: true,
        };
        assert_eq!(FlightRow::open(b"k", &row.seal(b"k")), Ok(row));
        let note = Note {
            code: "FF-X".to_owned(),
            text: b"why".to_vec(),
        };
        assert_eq!(Note::open(b"k", &note.seal(b"k")), Ok(note));
    }
}
