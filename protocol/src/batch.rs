//! Record batches: lines of records as they are stored, sent and checked.
//!
//! A line is kept byte for byte as its host wrote it; readers decode it, nobody writes it again, because the chain is
//! over the bytes. Whoever only passes batches on checks them with [`RecordBatch::verify`] and need not decode them.

use crate::chain::{ChainError, Fetch, chain_next, chain_start, encode_record, records, walk};
use crate::record::Record;
use crate::value::{Salt, Sealer};
use crate::{Digest, RunId};

/// Consecutive records of one run: lines of JSON, each ended by `\n`, value lines among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordBatch {
    /// The run.
    pub run: RunId,
    /// Fencing number under which they were written.
    pub epoch: u64,
    /// `seq` of the first record.
    pub first_seq: u64,
    /// Number of records.
    pub count: u32,
    /// Chain value after the last record; before the first one while there is none.
    pub chain: Digest,
    /// The lines.
    pub lines: Vec<u8>,
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

    /// Adds a record whose values are sealed, with its value lines in front.
    ///
    /// # Errors
    /// [`ChainError::WrongSeq`]: it is not the next one. [`ChainError::Unreadable`]: it cannot be written. The batch is
    /// as before.
    pub fn push(&mut self, values: &[u8], record: &Record) -> Result<(), ChainError> {
        if record.seq != self.next_seq() {
            return Err(ChainError::WrongSeq {
                expected: self.next_seq(),
                found: format!("{{\"seq\":{},", record.seq),
            });
        }
        let line = encode_record(record)?;
        self.chain = chain_next(&self.chain, line.strip_suffix(b"\n").unwrap_or(&line));
        self.lines.extend_from_slice(values);
        self.lines.extend_from_slice(&line);
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    /// Seals a record's values, beside it whatever their size, and adds it.
    ///
    /// # Errors
    /// As [`Self::push`]; also for a value that cannot be sealed.
    pub fn push_sealed(
        &mut self,
        mut record: Record,
        salt: &mut dyn FnMut(&[u8]) -> Salt,
    ) -> Result<(), ChainError> {
        let mut values = Vec::new();
        let mut sealer = Sealer {
            salt,
            inline_bytes: usize::MAX,
            keep: None,
        };
        record
            .seal(&mut sealer, &mut values)
            .map_err(|error| ChainError::Unreadable {
                seq: record.seq,
                reason: error.to_string(),
            })?;
        self.push(&values, &record)
    }

    /// Checks that the lines continue a run whose chain value was `previous`: number, places, chain. Does not decode.
    ///
    /// # Errors
    /// [`ChainError`]: nothing of the batch may be kept.
    pub fn verify(&self, previous: &Digest) -> Result<(), ChainError> {
        let walked = walk(&self.lines, self.first_seq, previous)?;
        if walked.count != u64::from(self.count) {
            return Err(ChainError::WrongCount {
                expected: self.count,
                found: walked.count,
            });
        }
        if walked.chain != self.chain {
            return Err(ChainError::Broken {
                expected: self.chain,
                found: walked.chain,
            });
        }
        Ok(())
    }

    /// Decodes the records, with the values that stand beside them and those that `fetch` finds.
    pub fn records<'a>(&'a self, fetch: Fetch<'a>) -> impl Iterator<Item = Result<Record, ChainError>> + 'a {
        records(&self.lines, self.first_seq, fetch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::{Answer, Decision};
    use crate::awaited::{Await, ChildEnd, Closing, ReviewAction, ReviewVerdict};
    use std::collections::HashMap;

    use crate::chain::{keep_values, no_fetch, stored_values, with_values, without_values};
    use crate::facts::RunFacts;
    use crate::record::{Accepted, Event, Origin, Outcome, RECORD_VERSION, Trigger};
    use crate::used::Used;
    use crate::{Failure, FailureKind, JobId, StepKey};

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
        Event::Accepted(Box::new(Accepted {
            version: RECORD_VERSION,
            workspace: "default".to_owned(),
            project: "default".to_owned(),
            origin: Origin::Order {
                job: JobId::from_entropy([1; 16]),
            },
            release: Digest::of(b"r"),
            grants: Digest::of(b"g"),
            input: serde_json::json!({"a\nb": 1}).into(),
            trigger: Trigger::Manual {
                by: "test".to_owned(),
            },
            extra: None,
            lineage: None,
            until: None,
            given: Vec::new(),
            traceparent: None,
        }))
    }

    fn used() -> Vec<Used> {
        vec![Used {
            destination: "https://a:443".to_owned(),
            secret: None,
            count: 1,
        }]
    }

    fn step(node: &str) -> StepKey {
        StepKey::top(node.parse().unwrap())
    }

    fn completed(node: &str) -> Event {
        Event::Completed {
            step: step(node),
            attempt: 1,
            output: serde_json::json!([1]).into(),
            elapsed_us: 5,
            used: used(),
            source: crate::record::Source::Step,
        }
    }

    fn failed(node: &str) -> Event {
        Event::AttemptFailed {
            step: step(node),
            attempt: 1,
            failure: Failure::new(FailureKind::Internal, "trapped"),
            retry_at_ms: None,
            elapsed_us: 5,
            used: used(),
        }
    }

    fn ended() -> Event {
        Event::Ended {
            outcome: Outcome::Done {
                output: serde_json::Value::Null.into(),
            },
        }
    }

    fn batch(events: Vec<Event>) -> RecordBatch {
        let mut batch = RecordBatch::beginning(run(), 1);
        for event in events {
            push(&mut batch, event).unwrap();
        }
        batch
    }

    fn push(batch: &mut RecordBatch, event: Event) -> Result<(), ChainError> {
        let record = record(batch.next_seq(), event);
        batch.push_sealed(record, &mut |_| Salt::from_entropy([9; 16]))
    }

    #[test]
    fn a_batch_continues_the_chain_and_reads_back() {
        let first = batch(vec![accepted(), completed("a")]);
        first.verify(&chain_start(&run())).unwrap();
        let mut second = RecordBatch::after(run(), 1, first.next_seq(), first.chain);
        push(&mut second, completed("b")).unwrap();
        second.verify(&first.chain).unwrap();
        assert!(matches!(
            second.verify(&chain_start(&run())),
            Err(ChainError::Broken { .. })
        ));
        let whole = batch(vec![accepted(), completed("a"), completed("b")]);
        assert_eq!(whole.chain, second.chain);
        let read: Vec<_> = whole.records(&no_fetch).map(Result::unwrap).collect();
        assert_eq!(read.len(), 3);
        assert_eq!(read[2], record(2, completed("b")));
    }

    #[test]
    fn every_changed_byte_of_a_record_is_noticed_by_the_chain_and_of_a_value_by_its_reader() {
        let good = batch(vec![accepted(), completed("a"), ended()]);
        for at in 0..good.lines.len() {
            let mut bad = good.clone();
            bad.lines[at] ^= 1;
            let chained = bad.verify(&chain_start(&run()));
            let read: Result<Vec<_>, _> = bad.records(&no_fetch).collect();
            assert!(chained.is_err() || read.is_err(), "byte {at}");
        }
    }

    #[test]
    fn values_can_be_erased_and_the_chain_still_holds() {
        let whole = batch(vec![accepted(), completed("a"), ended()]);
        let bare = RecordBatch {
            lines: without_values(&whole.lines, 0).unwrap(),
            ..whole.clone()
        };
        assert!(bare.lines.len() < whole.lines.len());
        bare.verify(&chain_start(&run())).unwrap();
        let records: Vec<_> = bare.records(&no_fetch).map(Result::unwrap).collect();
        let Event::Completed { output, .. } = &records[1].event else {
            panic!("the second record is the step's end")
        };
        assert_eq!(output.content(), None);
        assert_eq!(output.reference().unwrap().bytes, 3);
        assert_eq!(
            RunFacts::of(&run(), &bare.lines).unwrap(),
            RunFacts::of(&run(), &whole.lines).unwrap()
        );
    }

    #[test]
    fn values_that_are_kept_elsewhere_come_back_beside_their_records() {
        let mut kept = HashMap::new();
        let mut batch = RecordBatch::beginning(run(), 1);
        for event in [accepted(), completed("a"), completed("b")] {
            let (mut record, mut values) = (record(batch.next_seq(), event), Vec::new());
            let mut keep = |bytes: &[u8]| {
                kept.insert(Digest::of(bytes), bytes.to_vec());
                Some(Digest::of(bytes))
            };
            let mut sealer = Sealer {
                salt: &mut |_| Salt::from_entropy([9; 16]),
                inline_bytes: 0,
                keep: Some(&mut keep),
            };
            record.seal(&mut sealer, &mut values).unwrap();
            batch.push(&values, &record).unwrap();
        }
        let stored = stored_values(&batch.lines, 0).unwrap();
        assert_eq!(stored.len(), 2, "two steps have the same output");
        let fetch = |digest: &Digest| kept.get(digest).cloned();
        let whole = RecordBatch {
            lines: with_values(&batch.lines, 0, &fetch).unwrap(),
            ..batch.clone()
        };
        whole.verify(&chain_start(&run())).unwrap();
        let read = |batch: &RecordBatch, fetch| -> Vec<Record> {
            batch.records(fetch).map(Result::unwrap).collect()
        };
        assert_eq!(read(&whole, &no_fetch), read(&batch, &fetch));
        let mut keep = |bytes: &[u8]| kept.contains_key(&Digest::of(bytes)).then(|| Digest::of(bytes));
        assert_eq!(keep_values(&whole.lines, 0, 0, &mut keep).unwrap(), batch.lines);
        assert_eq!(keep_values(&whole.lines, 0, 100, &mut keep).unwrap(), whole.lines);
        let other = |_: &Digest| Some(b"[2]".to_vec());
        for lines in [
            with_values(&batch.lines, 0, &no_fetch).unwrap(),
            with_values(&batch.lines, 0, &other).unwrap(),
        ] {
            assert_eq!(lines, without_values(&batch.lines, 0).unwrap());
        }
    }

    #[test]
    fn missing_added_and_moved_lines_are_noticed() {
        let good = batch(vec![accepted(), completed("a"), ended()]);
        let start = chain_start(&run());
        let frames: Vec<&[u8]> = crate::chain::frames(&good.lines, 0)
            .map(|frame| frame.unwrap().bytes)
            .collect();
        let with = |lines: Vec<&[u8]>| RecordBatch {
            lines: lines.concat(),
            ..good.clone()
        };
        assert!(matches!(
            with(vec![frames[0], frames[1]]).verify(&start),
            Err(ChainError::WrongCount { .. })
        ));
        let moved = with(vec![frames[0], frames[2], frames[1]]);
        assert!(matches!(
            moved.verify(&start),
            Err(ChainError::WrongSeq { expected: 1, .. })
        ));
        let cut = with(vec![frames[0], frames[1], &frames[2][..frames[2].len() - 1]]);
        assert_eq!(cut.verify(&start), Err(ChainError::Cut { seq: 2 }));
        let blank = with(vec![frames[0], b"\n", frames[2]]);
        assert_eq!(blank.verify(&start), Err(ChainError::Cut { seq: 1 }));
    }

    #[test]
    fn a_record_out_of_turn_is_not_taken() {
        let mut batch = batch(vec![accepted()]);
        let before = batch.clone();
        assert!(matches!(
            batch.push(&[], &record(2, ended())),
            Err(ChainError::WrongSeq { expected: 1, .. })
        ));
        assert_eq!(batch, before);
    }

    #[test]
    fn the_account_counts_failed_attempts_too() {
        let all = batch(vec![
            accepted(),
            failed("a"),
            completed("a"),
            completed("b"),
            completed("b"),
            ended(),
        ]);
        let (facts, chain) = RunFacts::of(&run(), &all.lines).unwrap();
        assert_eq!(
            (facts.records(), facts.steps(), facts.steps_repeated()),
            (6, 2, 1)
        );
        assert_eq!(chain, all.chain);
        assert_eq!(facts.outcome().unwrap().state(), "done");
        assert_eq!(facts.last_at_ms(), 1_005);
        assert_eq!(facts.used()[0].count, 4);
        assert_eq!(facts.tried().len(), 2);
        assert_eq!(RunFacts::of(&run(), b""), Err(ChainError::NoBeginning));
        assert_eq!(
            RunFacts::of(&run(), &batch(vec![ended()]).lines),
            Err(ChainError::NoBeginning)
        );
    }

    #[test]
    fn a_wait_is_opened_and_closed_by_records() {
        let opened = Event::AwaitOpened {
            step: step("confirm"),
            awaits: Await::Signal {
                name: "paid".to_owned(),
                correlation: None,
            },
            due_ms: Some(5),
        };
        let closed = |closing| Event::AwaitClosed {
            step: step("confirm"),
            closing,
        };
        let said = Decision::of(
            crate::ApprovalId::from_entropy([4; 16]),
            vec![Answer {
                by: "ann".to_owned(),
                answers_for: Some("duty".to_owned()),
                approved: true,
                comment: None,
                at_ms: 5,
                form: Some(serde_json::json!({"amount": 7}).into()),
                signature: Some(serde_json::json!("{}").into()),
            }],
        );
        let decided = closed(Closing::Decision(Box::new(said.unwrap())));
        let reviewed = closed(Closing::Review(ReviewVerdict {
            action: ReviewAction::Skip {
                output: serde_json::json!(1).into(),
            },
            by: "ann".to_owned(),
            comment: Some("seen".to_owned()),
            at_ms: 5,
        }));
        let ended = closed(Closing::Child(ChildEnd {
            run: run(),
            state: "done".to_owned(),
            output: serde_json::json!({"n": 1}).into(),
            failure: None,
        }));
        let events = vec![accepted(), opened, closed(Closing::Due), decided, reviewed, ended];
        let batch = batch(events.clone());
        let read: Vec<_> = batch
            .records(&no_fetch)
            .map(|record| record.unwrap().event)
            .collect();
        assert_eq!(read, events);
    }
}
