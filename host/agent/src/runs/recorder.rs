//! The records of one run on their way to the journal.
//!
//! A record is added in memory first and given to the journal together with its neighbours: a run of pure steps costs
//! one entry, not one for each step. Invariant: what was given to the journal is a prefix of what was added, in order
//! and without holes.

use std::sync::Arc;

use flowforge_failpoints::{Point, PointSet};
use flowforge_journal::{AppendError, Entry, RunLog, Snapshot, Standing, Ticket, Upload, Urgency};
use flowforge_protocol::chain::{ChainError, encode_record, keep_values};
use flowforge_protocol::record::{Event, Record};
use flowforge_protocol::value::{Salt, SealError, Sealer};
use flowforge_protocol::{Digest, StepKey};
use flowforge_workflow::run::SEMANTICS;

use super::lean::lean;
use super::service::Shared;
use crate::clock::Entropy;

/// Bytes that may be held back before they go to the journal in any case.
const HELD_BYTES_MAX: usize = 64 * 1024;

/// Longest time, in milliseconds, that a record is held back before it goes to the journal. As long as the journal lets a
/// lazy entry wait for its commit (`Batching::flush_after`): less would make several entries of what one commit takes, more
/// would be the longer of the two waits. Who watches a run sees a step at most twice this and a commit after its end; who
/// acts on a record flushes first and waits for neither.
pub(super) const HOLD_MS: u64 = 20;

/// Largest record that is not the last one, in bytes: what the sandbox lets through with its frame. The journal's own
/// limit is at least this.
pub(super) const RECORD_BYTES_MAX: usize = flowforge_runtime::limits::RECORD_BYTES;

/// A run that goes on is written down as a whole after so many records, if these are also as many bytes as the last
/// time it was: so all that is written for it stays in proportion to its records.
const SNAPSHOT_RECORDS: u64 = 64;
/// A run that leaves memory is written down as a whole when so many records would have to be read besides.
const LEAVING_RECORDS: u64 = 8;
/// Largest state that is written down as a whole, in bytes; a larger one follows from the records alone.
const SNAPSHOT_BYTES_MAX: usize = 1024 * 1024;

/// Numbers, encodes and hands over the records of one run.
pub(super) struct Recorder {
    log: RunLog,
    sealing: Sealing,
    next_seq: u64,
    held: Entry,
    held_since_ms: Option<u64>,
    since: SinceSnapshot,
}

/// What was added since the run was written down as a whole.
#[derive(Debug, Default)]
struct SinceSnapshot {
    records: u64,
    bytes: usize,
    /// How large the whole was.
    whole_bytes: usize,
}

/// Why a record was not added. Nothing was added then.
#[derive(Debug, thiserror::Error)]
pub(super) enum AddError {
    /// It cannot be written.
    #[error("the record cannot be encoded")]
    Encode(#[source] ChainError),
    /// A value in it cannot be kept.
    #[error(transparent)]
    Value(#[from] SealError),
    /// It is too large to be kept.
    #[error("the record is {actual_bytes} bytes, above the limit of {limit_bytes}")]
    TooLarge {
        /// Its size.
        actual_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
}

impl Recorder {
    /// Goes on behind what the journal has of the run, where so many records follow the newest snapshot.
    pub(super) fn new(log: RunLog, records_behind: u64, sealing: Sealing) -> Self {
        Self {
            since: SinceSnapshot {
                records: records_behind,
                ..SinceSnapshot::default()
            },
            next_seq: log.next_seq(),
            log,
            sealing,
            held: Entry::default(),
            held_since_ms: None,
        }
    }

    /// Adds a record. It is not stored before a [`Recorder::flush`].
    ///
    /// `held_from_ms` is the monotonic time from which its hold counts.
    pub(super) fn add(&mut self, at_ms: u64, held_from_ms: u64, event: Event) -> Result<Record, AddError> {
        let mut record = Record {
            seq: self.next_seq,
            at_ms,
            event,
        };
        let (lines, values) = (self.held.lines.len(), self.held.values.len());
        let written = self.sealing.write(&mut record, &mut self.held);
        let limit_bytes = RECORD_BYTES_MAX;
        let written = written.and_then(|actual_bytes| {
            let too_large = AddError::TooLarge {
                actual_bytes,
                limit_bytes,
            };
            (actual_bytes <= limit_bytes)
                .then_some(actual_bytes)
                .ok_or(too_large)
        });
        let actual_bytes = written.inspect_err(|_| {
            self.held.lines.truncate(lines);
            self.held.values.truncate(values);
        })?;
        self.held.chained = None;
        self.next_seq += 1;
        self.since.records += 1;
        self.since.bytes += actual_bytes;
        self.held_since_ms.get_or_insert(held_from_ms);
        self.held.points = self.held.points.union(points_of(&record.event));
        Ok(record)
    }

    /// Something is to be sent with what is held.
    pub(super) fn send(&mut self, upload: Upload) {
        self.held.uploads.push(upload);
    }

    /// The message of the inbox that caused what is held: it leaves the inbox in the same commit.
    pub(super) fn consumes(&mut self, message: u64) {
        self.held.consumes.push(message);
    }

    /// An attempt of a step begins: should the host die before it ends, that is counted.
    pub(super) fn attempt_begins(&self, step: &StepKey, attempt: u32) {
        self.log.attempt_begins(step, attempt);
    }

    /// The attempt came to an end of its own.
    pub(super) fn attempt_ended(&self, step: &StepKey) {
        self.log.attempt_ended(step);
    }

    /// The attempt was stopped in an orderly way: that is not counted.
    pub(super) fn attempt_stopped(&self, step: &StepKey) {
        self.log.attempt_stopped(step);
    }

    /// Whether the run should be written down as a whole with what is held.
    pub(super) fn wants_snapshot(&self) -> bool {
        self.since.records >= SNAPSHOT_RECORDS && self.since.bytes >= self.since.whole_bytes
    }

    /// As [`Recorder::wants_snapshot`], for a run that leaves memory.
    pub(super) fn wants_last_snapshot(&self) -> bool {
        self.since.records >= LEAVING_RECORDS
    }

    /// The state behind all records that were added, unless it is too large; what the run holds of it is named only.
    pub(super) fn snapshot(&mut self, state: Vec<u8>) -> Option<Snapshot> {
        let is_held = |value: &Digest| {
            let held = self.held.values.iter().any(|(digest, _)| digest == value);
            held || self.log.holds(value)
        };
        let bytes = lean(state, self.sealing.inline_bytes, is_held);
        self.since = SinceSnapshot {
            records: 0,
            bytes: 0,
            whole_bytes: bytes.len(),
        };
        (bytes.len() <= SNAPSHOT_BYTES_MAX).then_some(Snapshot {
            seq: self.next_seq,
            semantics: SEMANTICS,
            bytes,
        })
    }

    /// A snapshot that goes with what is held.
    pub(super) fn hold(&mut self, snapshot: Option<Snapshot>) {
        self.held.snapshot = snapshot;
    }

    /// The last record was added: the run is over.
    pub(super) fn ending(&mut self) {
        self.held.ended = true;
        self.held.points = self.held.points.with(Point::B11);
    }

    /// Takes what is held, to be given to [`Recorder::append`]; `None` if nothing is.
    pub(super) fn take(&mut self, urgency: Urgency) -> Option<Entry> {
        if self.held.lines.is_empty() && self.held.uploads.is_empty() && self.held.consumes.is_empty() {
            return None;
        }
        self.held_since_ms = None;
        let mut entry = std::mem::take(&mut self.held);
        entry.urgency = urgency;
        Some(entry)
    }

    /// Gives an entry to the journal, when that has room for it; the ticket says when it is durable.
    ///
    /// # Errors
    /// [`AppendError`]; what was held is lost, and with it this recorder: the run must stop and be read anew.
    ///
    /// # Cancel safety
    /// The entry is lost, as after an error.
    pub(super) async fn append(&mut self, entry: Entry) -> Result<Ticket, AppendError> {
        self.log.append_when_room(entry).await
    }

    /// Says what the run is doing from now on, behind everything that was given to the journal; `false` if there is no
    /// room for that now.
    ///
    /// # Errors
    /// [`AppendError`].
    pub(super) async fn stands(
        &mut self,
        standing: Standing,
        snapshot: Option<Snapshot>,
    ) -> Result<bool, AppendError> {
        let entry = Entry {
            standing: Some(standing),
            snapshot,
            ..Entry::default()
        };
        match self.log.append(entry).await {
            Ok(_) => Ok(true),
            Err(AppendError::Full(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Forgets what is held: the next record follows what the journal has.
    pub(super) fn reset(&mut self) {
        self.held = Entry::default();
        self.held_since_ms = None;
        self.next_seq = self.log.next_seq();
    }

    /// The lines that are held.
    pub(super) fn held_lines(&self) -> &[u8] {
        &self.held.lines
    }

    /// Bytes of what is held, with its values.
    fn held_bytes(&self) -> usize {
        let values = self.held.values.iter().map(|(_, bytes)| bytes.len());
        self.held.lines.len() + values.sum::<usize>()
    }

    /// Whether what is held should go at this monotonic time.
    pub(super) fn is_due(&self, monotonic_ms: u64) -> bool {
        self.held_bytes() >= HELD_BYTES_MAX || self.due_ms().is_some_and(|due| due <= monotonic_ms)
    }

    /// When what is held must go, in monotonic time; `None` if nothing is held.
    pub(super) fn due_ms(&self) -> Option<u64> {
        self.held_since_ms.map(|since| since.saturating_add(HOLD_MS))
    }

    /// Number of records added so far.
    pub(super) fn count(&self) -> u64 {
        self.next_seq
    }

    /// Chain value after the last record added.
    pub(super) fn chain(&mut self) -> Digest {
        match self.log.chain_after(&self.held.lines) {
            Ok(point) => {
                let chain = point.chain();
                self.held.chained = Some(point);
                chain
            }
            // Held lines that are not the next records are refused when they are given to the journal.
            Err(_) => self.log.chain(),
        }
    }

    /// The fencing number of the records.
    pub(super) fn epoch(&self) -> u64 {
        self.log.epoch()
    }

    /// Gives up the run: it is dropped from the journal with all that belongs to it.
    ///
    /// # Errors
    /// [`flowforge_journal::Stopped`].
    pub(super) async fn forget(self) -> Result<Ticket, flowforge_journal::Stopped> {
        self.log.forget().await
    }
}

/// How records are written here: where salts come from, and which values stand beside them.
#[derive(Clone)]
pub(super) struct Sealing {
    entropy: Arc<dyn Entropy>,
    /// Larger values, in bytes, are kept once by the journal.
    inline_bytes: usize,
}

impl Sealing {
    pub(super) fn new(shared: &Shared) -> Self {
        Self {
            entropy: Arc::clone(&shared.entropy),
            inline_bytes: shared.inline_bytes,
        }
    }

    /// Writes a record's values and then the record itself behind what the entry holds; answers the bytes of it all. After
    /// an error some of it may be written.
    pub(super) fn write(&self, record: &mut Record, entry: &mut Entry) -> Result<usize, AddError> {
        let (lines, values) = (entry.lines.len(), entry.values.len());
        let mut salt = |_: &[u8]| {
            let mut bytes = [0; 16];
            self.entropy.fill(&mut bytes);
            Salt::from_entropy(bytes)
        };
        let mut keep = |bytes: &[u8]| Some(keep(bytes, &mut entry.values));
        let mut sealer = Sealer {
            salt: &mut salt,
            inline_bytes: self.inline_bytes,
            keep: Some(&mut keep),
        };
        record.seal(&mut sealer, &mut entry.lines)?;
        entry
            .lines
            .extend(encode_record(record).map_err(AddError::Encode)?);
        let kept = entry.values.iter().skip(values).map(|(_, bytes)| bytes.len());
        Ok(entry.lines.len().saturating_sub(lines) + kept.sum::<usize>())
    }

    /// An entry of records that come from elsewhere, with their values as they are kept here.
    pub(super) fn take_in(&self, lines: &[u8]) -> Result<Entry, ChainError> {
        let mut values = Vec::new();
        let mut keep = |bytes: &[u8]| Some(keep(bytes, &mut values));
        let lines = keep_values(lines, 0, self.inline_bytes, &mut keep)?;
        Ok(Entry {
            values,
            ..Entry::lazy(lines)
        })
    }
}

/// Takes the bytes of a value, once.
fn keep(bytes: &[u8], values: &mut Vec<(Digest, Vec<u8>)>) -> Digest {
    let digest = Digest::of(bytes);
    if !values.iter().any(|(held, _)| *held == digest) {
        values.push((digest, bytes.to_vec()));
    }
    digest
}

/// Which commit points a record's commit crosses.
fn points_of(event: &Event) -> PointSet {
    match event {
        Event::Intent { .. } => Point::B5.into(),
        Event::Completed { .. } | Event::AttemptFailed { .. } => Point::B8.into(),
        Event::AwaitClosed { .. } => Point::B12.into(),
        _ => PointSet::EMPTY,
    }
}
