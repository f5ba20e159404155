//! A batch of records, looked at once: what must be projected, and whether it is what it says.
//!
//! Lines stay opaque bytes; what is read of them is in [`crate::events`]. The chain is checked where the last stored value
//! is known, in the writer.

use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::chain::{Fetch, frames, no_fetch, walk};
use flowforge_protocol::{Digest, RunId};

use crate::batch_error::{BatchError, MAX_BATCH_BYTES};
use crate::events::{Projected, Projection, matters, project};

/// A batch whose lines are records with the numbers their places say.
#[derive(Debug, Clone)]
pub struct CheckedBatch {
    pub(crate) run: RunId,
    pub(crate) epoch: u64,
    pub(crate) first_seq: u64,
    pub(crate) chain: Digest,
    pub(crate) lines: Vec<u8>,
    /// Where each record ends, behind its line feed; its values stand before it.
    pub(crate) ends: Vec<usize>,
    pub(crate) events: Vec<Projected>,
    /// Large values that the records hold, with the number of the record, as often as they are held.
    pub(crate) held: Vec<(u64, Digest)>,
}

impl CheckedBatch {
    /// Checks size, number of lines, their numbers and their values, and finds what is to be projected.
    ///
    /// # Errors
    /// See [`BatchError`]; none can be mended by sending the same again.
    pub fn new(batch: RecordBatch) -> Result<Self, BatchError> {
        Self::with_values(batch, &no_fetch)
    }

    /// The large values that are looked into when these records are taken; none if they cannot be read.
    #[must_use]
    pub fn wanted(batch: &RecordBatch) -> Vec<Digest> {
        frames(&batch.lines, batch.first_seq)
            .map_while(Result::ok)
            .filter(matters)
            .flat_map(|frame| frame.stored_values().collect::<Vec<_>>())
            .collect()
    }

    /// As [`CheckedBatch::new`], with what `fetch` finds of the values that are [`CheckedBatch::wanted`].
    ///
    /// # Errors
    /// See [`BatchError`].
    pub fn with_values(batch: RecordBatch, fetch: Fetch<'_>) -> Result<Self, BatchError> {
        if batch.lines.len() > MAX_BATCH_BYTES {
            return Err(BatchError::TooLarge {
                actual: batch.lines.len(),
            });
        }
        let mut ends = Vec::new();
        let (mut events, mut held) = (Vec::new(), Vec::new());
        let mut ended = false;
        for frame in frames(&batch.lines, batch.first_seq) {
            let frame = frame?;
            if ended {
                return Err(BatchError::AfterEnd { seq: frame.seq });
            }
            frame.check_values()?;
            held.extend(frame.stored_values().map(|digest| (frame.seq, digest)));
            let projected = project(&frame, fetch)?;
            ended = matches!(
                &projected,
                Some(Projected {
                    what: Projection::Ended { .. },
                    ..
                })
            );
            events.extend(projected);
            ends.push(ends.last().copied().unwrap_or(0) + frame.bytes.len());
        }
        if ends.is_empty() || u32::try_from(ends.len()) != Ok(batch.count) {
            return Err(BatchError::Count {
                said: batch.count,
                found: ends.len(),
            });
        }
        Ok(Self {
            run: batch.run,
            epoch: batch.epoch,
            first_seq: batch.first_seq,
            chain: batch.chain,
            lines: batch.lines,
            ends,
            events,
            held,
        })
    }

    /// The run it belongs to.
    #[must_use]
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// `seq` behind the last record.
    pub(crate) fn next_seq(&self) -> u64 {
        self.first_seq + self.ends.len() as u64
    }

    /// Drops the records before `seq`, which are stored already.
    pub(crate) fn skip_to(&mut self, seq: u64) {
        let count = usize::try_from(seq.saturating_sub(self.first_seq))
            .unwrap_or(usize::MAX)
            .min(self.ends.len());
        let Some(cut) = count.checked_sub(1).and_then(|last| self.ends.get(last)).copied() else {
            return;
        };
        self.lines.drain(..cut);
        self.ends.drain(..count);
        self.ends.iter_mut().for_each(|end| *end -= cut);
        self.events.retain(|event| event.seq >= seq);
        self.held.retain(|(of, _)| *of >= seq);
        self.first_seq = seq;
    }

    /// The chain value after the last record, when `before` is the one before the first; `None` for lines that are not
    /// records in their places, which were refused before.
    pub(crate) fn chain_after(&self, before: Digest) -> Option<Digest> {
        walk(&self.lines, self.first_seq, &before)
            .ok()
            .map(|walked| walked.chain)
    }
}

#[cfg(test)]
mod tests {
    use flowforge_protocol::chain::{ChainError, chain_start};
    use serde_json::{Value, json};

    use super::*;

    fn run() -> RunId {
        RunId::from_entropy([7; 16])
    }

    fn batch(first_seq: u64, lines: &[Value]) -> RecordBatch {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        RecordBatch {
            run: run(),
            epoch: 1,
            first_seq,
            count: u32::try_from(lines.len()).unwrap(),
            chain: Digest::of(b""),
            lines: text.into_bytes(),
        }
    }

    fn skipped(seq: u64) -> Value {
        json!({"seq": seq, "at_ms": 5, "event": {"type": "skipped", "step": "a", "reason": "no"}})
    }

    fn ended(seq: u64) -> Value {
        json!({"seq": seq, "at_ms": 9, "event": {"type": "ended", "outcome": {"state": "cancelled", "reason": "no"}}})
    }

    #[test]
    fn a_line_with_another_number_than_its_place_is_refused() {
        let error = CheckedBatch::new(batch(3, &[skipped(3), skipped(5)])).unwrap_err();
        assert_eq!(
            error,
            BatchError::Lines(ChainError::WrongSeq {
                expected: 4,
                found: skipped(5).to_string().chars().take(40).collect(),
            })
        );
    }

    #[test]
    fn nothing_may_follow_the_end() {
        let error = CheckedBatch::new(batch(0, &[ended(0), skipped(1)])).unwrap_err();
        assert_eq!(error, BatchError::AfterEnd { seq: 1 });
    }

    #[test]
    fn a_wrong_count_and_an_unended_line_are_refused() {
        let mut wrong = batch(0, &[skipped(0)]);
        wrong.count = 2;
        assert_eq!(
            CheckedBatch::new(wrong).unwrap_err(),
            BatchError::Count { said: 2, found: 1 }
        );
        let mut cut = batch(0, &[skipped(0), skipped(1)]);
        cut.lines.pop();
        assert_eq!(
            CheckedBatch::new(cut).unwrap_err(),
            BatchError::Lines(ChainError::Cut { seq: 1 })
        );
        assert!(matches!(
            CheckedBatch::new(batch(0, &[])).unwrap_err(),
            BatchError::Count { .. }
        ));
    }

    #[test]
    fn skipping_known_lines_keeps_the_chain_and_the_projection() {
        let whole = CheckedBatch::new(batch(0, &[skipped(0), skipped(1), ended(2)])).unwrap();
        let after_all = whole.chain_after(chain_start(&run()));
        let first = CheckedBatch::new(batch(0, &[skipped(0)])).unwrap();
        let after_first = first.chain_after(chain_start(&run())).unwrap();
        let mut rest = whole.clone();
        rest.skip_to(1);
        assert_eq!((rest.first_seq, rest.next_seq(), rest.events.len()), (1, 3, 1));
        assert_eq!(rest.chain_after(after_first), after_all);
    }

    #[test]
    fn the_size_limit_holds_on_both_sides() {
        let mut large = batch(0, &[skipped(0)]);
        large.lines = vec![b' '; MAX_BATCH_BYTES + 1];
        assert!(matches!(
            CheckedBatch::new(large).unwrap_err(),
            BatchError::TooLarge { .. }
        ));
        let mut line = skipped(0).to_string();
        let room = MAX_BATCH_BYTES - line.len() - 1;
        line.extend(std::iter::repeat_n(' ', room));
        line.push('\n');
        let mut exact = batch(0, &[skipped(0)]);
        exact.lines = line.into_bytes();
        assert_eq!(exact.lines.len(), MAX_BATCH_BYTES);
        CheckedBatch::new(exact).unwrap();
    }
}
