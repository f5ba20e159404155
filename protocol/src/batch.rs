//! Record batches: lines of records as they are stored, sent and checked, and what a whole run amounts to.
//!
//! A line is kept byte for byte as its host wrote it; readers decode it, nobody writes it again, because the chain is
//! over the bytes. Whoever only passes batches on checks them with [`RecordBatch::verify`] and need not decode them.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::{Event, Outcome, Record, chain_next, chain_start};
use crate::{Digest, JobId, RunId};

/// Consecutive records of one run: lines of JSON, each ended by `\n`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordBatch {
    /// The run.
    pub run: RunId,
    /// Fencing number under which they were written.
    pub epoch: u64,
    /// `seq` of the first line.
    pub first_seq: u64,
    /// Number of lines.
    pub count: u32,
    /// Chain value after the last line; before the first one while there is none.
    pub chain: Digest,
    /// The lines.
    pub lines: Vec<u8>,
}

/// Why lines are not the records they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The lines do not end with a line end, or there is an empty one.
    #[error("the batch is cut: record {seq} is not a whole line")]
    Cut {
        /// Which record.
        seq: u64,
    },
    /// A line has another number than its place says.
    #[error("expected record {expected}, found the line `{found}`")]
    WrongSeq {
        /// Its place.
        expected: u64,
        /// The beginning of the line.
        found: String,
    },
    /// There are more or fewer lines than the batch says.
    #[error("the batch says it holds {expected} records and holds {found}")]
    WrongCount {
        /// What it says.
        expected: u32,
        /// What it holds.
        found: u64,
    },
    /// A line is missing, added or changed.
    #[error("the chain breaks: the lines give {found}, expected {expected}")]
    BrokenChain {
        /// What the batch or the receipt says.
        expected: Digest,
        /// What the lines give.
        found: Digest,
    },
    /// A line is no record this version knows.
    #[error("record {seq} cannot be read: {reason}")]
    Unreadable {
        /// Which record.
        seq: u64,
        /// Why.
        reason: String,
    },
    /// The first record is not `accepted`, or there is none.
    #[error("the run does not begin with an accepted job")]
    NoBeginning,
}

/// The line of a record, with its line end.
///
/// # Errors
/// [`BatchError::Unreadable`]: it holds a value that JSON cannot express.
pub fn encode_record(record: &Record) -> Result<Vec<u8>, BatchError> {
    let mut line = serde_json::to_vec(record).map_err(|error| BatchError::Unreadable {
        seq: record.seq,
        reason: error.to_string(),
    })?;
    line.push(b'\n');
    Ok(line)
}

/// The lines without their line ends, each with the `seq` it must have.
///
/// Yields [`BatchError::Cut`] for an empty or unfinished line and [`BatchError::WrongSeq`] for one out of place.
pub fn lines(bytes: &[u8], first_seq: u64) -> impl Iterator<Item = Result<(u64, &[u8]), BatchError>> {
    bytes
        .split_inclusive(|b| *b == b'\n')
        .zip(first_seq..)
        .map(|(line, seq)| {
            let line = line.strip_suffix(b"\n").filter(|line| !line.is_empty());
            let line = line.ok_or(BatchError::Cut { seq })?;
            // Every writer puts `seq` first, so the place is checked without decoding.
            let expected = format!("{{\"seq\":{seq},");
            if line.starts_with(expected.as_bytes()) {
                return Ok((seq, line));
            }
            let head = line.get(..line.len().min(40)).unwrap_or_default();
            Err(BatchError::WrongSeq {
                expected: seq,
                found: String::from_utf8_lossy(head).into_owned(),
            })
        })
}

/// Decodes lines, the first of which has this `seq`.
pub fn records(bytes: &[u8], first_seq: u64) -> impl Iterator<Item = Result<Record, BatchError>> {
    lines(bytes, first_seq).map(|line| {
        let (seq, line) = line?;
        serde_json::from_slice(line).map_err(|error| BatchError::Unreadable {
            seq,
            reason: error.to_string(),
        })
    })
}

impl RecordBatch {
    /// An empty batch that continues a run after `first_seq` records with this chain value.
    #[must_use]
    pub fn after(run: RunId, epoch: u64, first_seq: u64, chain: Digest) -> Self {
        Self {
            run,
            epoch,
            first_seq,
            count: 0,
            chain,
            lines: Vec::new(),
        }
    }

    /// An empty batch at the beginning of a run.
    #[must_use]
    pub fn beginning(run: RunId, epoch: u64) -> Self {
        let chain = chain_start(&run);
        Self::after(run, epoch, 0, chain)
    }

    /// The `seq` that the next record must have.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.first_seq.saturating_add(u64::from(self.count))
    }

    /// Adds a record.
    ///
    /// # Errors
    /// [`BatchError::WrongSeq`]: it is not the next one. [`BatchError::Unreadable`]: it cannot be written. The batch is
    /// as before.
    pub fn push(&mut self, record: &Record) -> Result<(), BatchError> {
        if record.seq != self.next_seq() {
            return Err(BatchError::WrongSeq {
                expected: self.next_seq(),
                found: format!("{{\"seq\":{},", record.seq),
            });
        }
        let line = encode_record(record)?;
        self.chain = chain_next(&self.chain, line.strip_suffix(b"\n").unwrap_or(&line));
        self.lines.extend_from_slice(&line);
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    /// Checks that the lines continue a run whose chain value was `previous`: number, places, chain. Does not decode.
    ///
    /// # Errors
    /// [`BatchError`]: nothing of the batch may be kept.
    pub fn verify(&self, previous: &Digest) -> Result<(), BatchError> {
        let (mut chain, mut found) = (*previous, 0_u64);
        for line in lines(&self.lines, self.first_seq) {
            chain = chain_next(&chain, line?.1);
            found += 1;
        }
        if found != u64::from(self.count) {
            return Err(BatchError::WrongCount {
                expected: self.count,
                found,
            });
        }
        if chain != self.chain {
            return Err(BatchError::BrokenChain {
                expected: self.chain,
                found: chain,
            });
        }
        Ok(())
    }

    /// Decodes the records.
    pub fn records(&self) -> impl Iterator<Item = Result<Record, BatchError>> {
        records(&self.lines, self.first_seq)
    }
}

/// What the records of a whole run amount to: what a receipt states and a verifier compares.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    /// The order that started it.
    pub job: JobId,
    /// The release it says it runs.
    pub release: Digest,
    /// The grants it says it has.
    pub grants: Digest,
    /// Number of records.
    pub records: u64,
    /// Number of steps that completed.
    pub steps: u64,
    /// Number of completions beyond the first of a step; 0 in a correct run.
    pub steps_repeated: u64,
    /// Chain value after the last record.
    pub chain: Digest,
    /// How it ended, if it did.
    pub outcome: Option<Outcome>,
    /// When it ended, if it did, milliseconds since 1970 UTC.
    pub ended_at_ms: Option<u64>,
    /// What completed steps used outside, each with its count.
    pub used: BTreeMap<String, u64>,
}

impl RunSummary {
    /// Reads all the records of a run, from the first.
    ///
    /// # Errors
    /// [`BatchError`]: the lines are not the records of a run.
    pub fn of(run: &RunId, bytes: &[u8]) -> Result<Self, BatchError> {
        let mut chain = chain_start(run);
        for line in lines(bytes, 0) {
            chain = chain_next(&chain, line?.1);
        }
        let mut records = records(bytes, 0);
        let first = records.next().ok_or(BatchError::NoBeginning)??;
        let Event::Accepted {
            job, release, grants, ..
        } = first.event
        else {
            return Err(BatchError::NoBeginning);
        };
        let mut summary = Self {
            job,
            release,
            grants,
            records: 1,
            steps: 0,
            steps_repeated: 0,
            chain,
            outcome: None,
            ended_at_ms: None,
            used: BTreeMap::new(),
        };
        let mut completed = BTreeSet::new();
        for record in records {
            let record = record?;
            summary.records += 1;
            match record.event {
                Event::Completed { step, used, .. } => {
                    if completed.insert(step) {
                        summary.steps += 1;
                    } else {
                        summary.steps_repeated += 1;
                    }
                    for what in used {
                        *summary.used.entry(what).or_default() += 1;
                    }
                }
                Event::Ended { outcome } => {
                    summary.outcome = Some(outcome);
                    summary.ended_at_ms = Some(record.at_ms);
                }
                _ => {}
            }
        }
        Ok(summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StepKey;
    use crate::job::Trigger;

    fn run() -> RunId {
        RunId::from_entropy([3; 16])
    }

    fn record(seq: u64, event: Event) -> Record {
        Record {
            seq,
            at_ms: 1_000 + seq,
            event,
        }
    }

    fn accepted() -> Event {
        Event::Accepted {
            job: JobId::from_entropy([1; 16]),
            release: Digest::of(b"r"),
            grants: Digest::of(b"g"),
            input: serde_json::json!({"a\nb": 1}),
            trigger: Trigger::Manual {
                by: "test".to_owned(),
            },
            traceparent: None,
        }
    }

    fn completed(node: &str) -> Event {
        Event::Completed {
            step: StepKey::top(node.parse().unwrap()),
            attempt: 1,
            output: serde_json::json!([1]),
            elapsed_us: 5,
            used: vec!["https://a:443".to_owned()],
        }
    }

    fn ended() -> Event {
        Event::Ended {
            outcome: Outcome::Done {
                output: serde_json::Value::Null,
            },
        }
    }

    fn batch(events: Vec<Event>) -> RecordBatch {
        let mut batch = RecordBatch::beginning(run(), 1);
        for event in events {
            batch.push(&record(batch.next_seq(), event)).unwrap();
        }
        batch
    }

    #[test]
    fn a_batch_continues_the_chain_and_reads_back() {
        let first = batch(vec![accepted(), completed("a")]);
        first.verify(&chain_start(&run())).unwrap();
        let mut second = RecordBatch::after(run(), 1, first.next_seq(), first.chain);
        second.push(&record(2, completed("b"))).unwrap();
        second.verify(&first.chain).unwrap();
        assert!(matches!(
            second.verify(&chain_start(&run())),
            Err(BatchError::BrokenChain { .. })
        ));
        let whole = batch(vec![accepted(), completed("a"), completed("b")]);
        assert_eq!(whole.chain, second.chain);
        let read: Vec<_> = whole.records().map(Result::unwrap).collect();
        assert_eq!(read.len(), 3);
        assert_eq!(read[2], record(2, completed("b")));
    }

    #[test]
    fn every_changed_byte_of_the_lines_is_noticed() {
        let good = batch(vec![accepted(), completed("a"), ended()]);
        for at in 0..good.lines.len() {
            let mut bad = good.clone();
            bad.lines[at] ^= 1;
            assert!(bad.verify(&chain_start(&run())).is_err(), "byte {at}");
        }
    }

    #[test]
    fn missing_added_and_moved_lines_are_noticed() {
        let good = batch(vec![accepted(), completed("a"), ended()]);
        let start = chain_start(&run());
        let parts: Vec<&[u8]> = good.lines.split_inclusive(|b| *b == b'\n').collect();
        let with = |lines: Vec<&[u8]>| RecordBatch {
            lines: lines.concat(),
            ..good.clone()
        };
        assert!(matches!(
            with(vec![parts[0], parts[1]]).verify(&start),
            Err(BatchError::WrongCount { .. })
        ));
        let moved = with(vec![parts[0], parts[2], parts[1]]);
        assert!(matches!(
            moved.verify(&start),
            Err(BatchError::WrongSeq { expected: 1, .. })
        ));
        let cut = with(vec![parts[0], parts[1], &parts[2][..parts[2].len() - 1]]);
        assert_eq!(cut.verify(&start), Err(BatchError::Cut { seq: 2 }));
        let blank = with(vec![parts[0], b"\n", parts[2]]);
        assert_eq!(blank.verify(&start), Err(BatchError::Cut { seq: 1 }));
    }

    #[test]
    fn a_record_out_of_turn_is_not_taken() {
        let mut batch = batch(vec![accepted()]);
        let before = batch.clone();
        assert!(matches!(
            batch.push(&record(2, ended())),
            Err(BatchError::WrongSeq { expected: 1, .. })
        ));
        assert_eq!(batch, before);
    }

    #[test]
    fn a_summary_counts_what_happened() {
        let all = batch(vec![
            accepted(),
            completed("a"),
            completed("b"),
            completed("b"),
            ended(),
        ]);
        let summary = RunSummary::of(&run(), &all.lines).unwrap();
        assert_eq!(
            (summary.records, summary.steps, summary.steps_repeated),
            (5, 2, 1)
        );
        assert_eq!(summary.chain, all.chain);
        assert_eq!(summary.outcome.unwrap().state(), "done");
        assert_eq!(summary.ended_at_ms, Some(1_004));
        assert_eq!(summary.used, BTreeMap::from([("https://a:443".to_owned(), 3)]));
        assert_eq!(RunSummary::of(&run(), b""), Err(BatchError::NoBeginning));
        assert_eq!(
            RunSummary::of(&run(), &batch(vec![ended()]).lines),
            Err(BatchError::NoBeginning)
        );
    }
}
