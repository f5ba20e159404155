//! A batch of records, looked at once: what must be projected, and whether it is what it says.
//!
//! Lines stay opaque bytes. From each record only the kind of event is read, and the whole event for the few kinds that
//! the server shows or waits for: questions, answers, times that came, a cancellation that was taken, the end. The chain
//! is checked where the last stored value is known, in the writer.

use flowforge_protocol::awaited::{Await, Closing};
use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::chain::{ChainError, Frame, frames, no_fetch, records, walk};
use flowforge_protocol::record::{Event, Outcome};
use flowforge_protocol::{ApprovalId, Digest, RunId, StepKey};
use serde::Deserialize;
use serde_json::Value;

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
    /// The number of records differs from `count`, or there is none.
    #[error("the batch says {said} records and holds {found}")]
    Count {
        /// What it says.
        said: u32,
        /// What it holds.
        found: usize,
    },
    /// The lines are not records in their places.
    #[error(transparent)]
    Lines(#[from] ChainError),
    /// Something follows the end of the run.
    #[error("record {seq} follows the end of the run")]
    AfterEnd {
        /// Its number.
        seq: u64,
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
    /// Where each record ends, behind its line feed; its values stand before it.
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
    #[serde(borrow)]
    event: PeekEvent<'a>,
}

#[derive(Deserialize)]
struct PeekEvent<'a> {
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'a, str>,
}

impl CheckedBatch {
    /// Checks size, number of lines, their numbers and their values, and finds what is to be projected.
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
        for frame in frames(&batch.lines, batch.first_seq) {
            let frame = frame?;
            if ended {
                return Err(BatchError::AfterEnd { seq: frame.seq });
            }
            frame.check_values()?;
            let projected = project(&frame)?;
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

fn project(frame: &Frame<'_>) -> Result<Option<Projected>, BatchError> {
    let peek: Peek<'_> = serde_json::from_slice(frame.record).map_err(|error| ChainError::Unreadable {
        seq: frame.seq,
        reason: error.to_string(),
    })?;
    if !matches!(
        &*peek.event.kind,
        "await_opened" | "await_closed" | "cancel_requested" | "ended"
    ) {
        return Ok(None);
    }
    let Some(record) = records(frame.bytes, frame.seq, &no_fetch).next().transpose()? else {
        return Ok(None);
    };
    let what = match record.event {
        Event::AwaitOpened {
            step,
            awaits:
                Await::Approval {
                    approval,
                    question,
                    approvers,
                },
            due_ms,
        } => {
            let question = question.shown();
            Projection::Requested {
                approval,
                step,
                title: question
                    .get("title")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned(),
                show: question.get("show").cloned().unwrap_or_default().to_string(),
                approvers: Value::from(approvers).to_string(),
                expires_at_ms: due_ms,
            }
        }
        Event::AwaitClosed { step, closing } => match closing {
            Closing::Decision(decision) => Projection::Decided {
                approval: decision.approval,
                approved: decision.approved,
                by: decision.by,
                comment: decision.comment,
                at_ms: decision.at_ms,
            },
            Closing::Due => Projection::TimeUp { step },
            _ => return Ok(None),
        },
        Event::CancelRequested { .. } => Projection::CancelTaken,
        Event::Ended { outcome } => Projection::Ended {
            expired: match &outcome {
                Outcome::Expired { step } => Some(step.clone()),
                _ => None,
            },
            state: outcome.state(),
            outcome: outcome.shown().to_string(),
        },
        _ => return Ok(None),
    };
    Ok(Some(Projected {
        seq: record.seq,
        at_ms: record.at_ms,
        what,
    }))
}

#[cfg(test)]
mod tests {
    use flowforge_protocol::chain::chain_start;
    use serde_json::json;

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
