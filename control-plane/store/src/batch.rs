//! A batch of records, looked at once: what must be projected, and whether it is what it says.
//!
//! Lines stay opaque bytes. From each one only `seq` and the kind of event are read, and the whole event for the few
//! kinds that the server shows or waits for: questions, answers, times that came, a cancellation that was taken, the end.
//! The chain is checked where the last stored value is known, in the writer.

use flowforge_protocol::record::{Event, Outcome, Record, RecordBatch, chain_next};
use flowforge_protocol::{ApprovalId, Digest, RunId, StepKey};
use serde::Deserialize;

/// Lines of one batch, at most, in bytes.
pub const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Why a batch is refused before it is compared with anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Too large; send fewer records at once.
    #[error("the batch holds {actual} bytes of lines, more than {MAX_BATCH_BYTES}")]
    TooLarge {
        /// Its size.
        actual: usize,
    },
    /// The number of lines differs from `count`, is zero, or the last line is not ended.
    #[error("the batch says {said} lines and holds {found}, each ended by a line feed")]
    Count {
        /// What it says.
        said: u32,
        /// What it holds.
        found: usize,
    },
    /// A line is no record.
    #[error("line {line} is not a record: {detail}")]
    Line {
        /// 0-based place in the batch.
        line: usize,
        /// Why.
        detail: String,
    },
    /// A record has another number than its place.
    #[error("line {line} has seq {found}, expected {expected}")]
    Sequence {
        /// 0-based place in the batch.
        line: usize,
        /// What its place says.
        expected: u64,
        /// What it says.
        found: u64,
    },
    /// Something follows the end of the run.
    #[error("line {line} follows the end of the run")]
    AfterEnd {
        /// 0-based place in the batch.
        line: usize,
    },
}

/// A batch whose lines are records with the numbers their places say.
#[derive(Debug, Clone)]
pub struct CheckedBatch {
    pub(crate) run: RunId,
    pub(crate) epoch: u64,
    pub(crate) first_seq: u64,
    pub(crate) chain: Digest,
    pub(crate) lines: Vec<u8>,
    /// Where each line ends, behind its line feed.
    pub(crate) ends: Vec<usize>,
    pub(crate) events: Vec<Projected>,
}

/// What a record changes outside its run's record table.
#[derive(Debug, Clone)]
pub(crate) struct Projected {
    pub(crate) seq: u64,
    pub(crate) at_ms: u64,
    pub(crate) what: Projection,
}

#[derive(Debug, Clone)]
pub(crate) enum Projection {
    Requested {
        approval: ApprovalId,
        step: StepKey,
        title: String,
        show: String,
        approvers: String,
        expires_at_ms: Option<u64>,
    },
    Decided {
        approval: ApprovalId,
        approved: bool,
        by: String,
        comment: Option<String>,
        at_ms: u64,
    },
    /// The time of a wait, a retry or a question came.
    TimeUp {
        step: StepKey,
    },
    CancelTaken,
    Ended {
        state: &'static str,
        outcome: String,
        /// The question whose time came, if that ended the run.
        expired: Option<StepKey>,
    },
}

#[derive(Deserialize)]
struct Peek<'a> {
    seq: u64,
    at_ms: u64,
    #[serde(borrow)]
    event: PeekEvent<'a>,
}

#[derive(Deserialize)]
struct PeekEvent<'a> {
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'a, str>,
}

impl CheckedBatch {
    /// Checks size, number of lines and their numbers, and finds what is to be projected.
    ///
    /// # Errors
    /// See [`BatchError`]; none can be mended by sending the same again.
    pub fn new(batch: RecordBatch) -> Result<Self, BatchError> {
        if batch.lines.len() > MAX_BATCH_BYTES {
            return Err(BatchError::TooLarge {
                actual: batch.lines.len(),
            });
        }
        let mut ends = Vec::new();
        let mut events = Vec::new();
        let mut ended = false;
        let lines = batch.lines.split_inclusive(|byte| *byte == b'\n').enumerate();
        for (expected, (line, text)) in (batch.first_seq..).zip(lines) {
            if ended {
                return Err(BatchError::AfterEnd { line });
            }
            let Some(content) = text.strip_suffix(b"\n") else {
                break;
            };
            let projected = project(line, content, expected)?;
            ended = matches!(
                &projected,
                Some(Projected {
                    what: Projection::Ended { .. },
                    ..
                })
            );
            events.extend(projected);
            ends.push(ends.last().copied().unwrap_or(0) + text.len());
        }
        let complete = ends.last().copied().unwrap_or(0) == batch.lines.len();
        if ends.is_empty() || !complete || u32::try_from(ends.len()) != Ok(batch.count) {
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
        })
    }

    /// The run it belongs to.
    #[must_use]
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// `seq` behind the last line.
    pub(crate) fn next_seq(&self) -> u64 {
        self.first_seq + self.ends.len() as u64
    }

    /// Drops the lines before `seq`, which are stored already.
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
        self.first_seq = seq;
    }

    /// The chain value after the last line, when `before` is the one before the first.
    pub(crate) fn chain_after(&self, before: Digest) -> Digest {
        let mut chain = before;
        for text in self.lines.split_inclusive(|byte| *byte == b'\n') {
            chain = chain_next(&chain, text.strip_suffix(b"\n").unwrap_or(text));
        }
        chain
    }
}

fn project(line: usize, content: &[u8], expected: u64) -> Result<Option<Projected>, BatchError> {
    let wrong = |error: serde_json::Error| BatchError::Line {
        line,
        detail: error.to_string(),
    };
    let peek: Peek<'_> = serde_json::from_slice(content).map_err(wrong)?;
    if peek.seq != expected {
        return Err(BatchError::Sequence {
            line,
            expected,
            found: peek.seq,
        });
    }
    if !matches!(
        &*peek.event.kind,
        "approval_requested" | "decided" | "timer_fired" | "cancel_requested" | "ended"
    ) {
        return Ok(None);
    }
    let record: Record = serde_json::from_slice(content).map_err(wrong)?;
    let what = match record.event {
        Event::ApprovalRequested {
            step,
            approval,
            title,
            show,
            approvers,
            expires_at_ms,
        } => Projection::Requested {
            approval,
            step,
            title,
            show: show.to_string(),
            approvers: serde_json::Value::from(approvers).to_string(),
            expires_at_ms,
        },
        Event::Decided { decision, .. } => Projection::Decided {
            approval: decision.approval,
            approved: decision.approved,
            by: decision.by,
            comment: decision.comment,
            at_ms: decision.at_ms,
        },
        Event::TimerFired { step } => Projection::TimeUp { step },
        Event::CancelRequested { .. } => Projection::CancelTaken,
        Event::Ended { outcome } => Projection::Ended {
            expired: match &outcome {
                Outcome::Expired { step } => Some(step.clone()),
                _ => None,
            },
            state: outcome.state(),
            outcome: serde_json::to_string(&outcome).map_err(wrong)?,
        },
        _ => return Ok(None),
    };
    Ok(Some(Projected {
        seq: peek.seq,
        at_ms: peek.at_ms,
        what,
    }))
}

#[cfg(test)]
mod tests {
    use flowforge_protocol::record::chain_start;
    use serde_json::json;

    use super::*;

    fn run() -> RunId {
        RunId::from_entropy([7; 16])
    }

    fn batch(first_seq: u64, lines: &[serde_json::Value]) -> RecordBatch {
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

    fn skipped(seq: u64) -> serde_json::Value {
        json!({"seq": seq, "at_ms": 5, "event": {"type": "skipped", "step": "a", "reason": "no"}})
    }

    fn ended(seq: u64) -> serde_json::Value {
        json!({"seq": seq, "at_ms": 9, "event": {"type": "ended", "outcome": {"state": "done", "output": {"n": 1}}}})
    }

    #[test]
    fn a_line_with_another_number_than_its_place_is_refused() {
        let error = CheckedBatch::new(batch(3, &[skipped(3), skipped(5)])).unwrap_err();
        assert_eq!(
            error,
            BatchError::Sequence {
                line: 1,
                expected: 4,
                found: 5
            }
        );
    }

    #[test]
    fn nothing_may_follow_the_end() {
        let error = CheckedBatch::new(batch(0, &[ended(0), skipped(1)])).unwrap_err();
        assert_eq!(error, BatchError::AfterEnd { line: 1 });
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
            BatchError::Count { said: 2, found: 1 }
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
        let after_first = first.chain_after(chain_start(&run()));
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
