//! From the records of a batch to the rows that they change.

use serde_json::{Value, json};

use crate::batch::CheckedBatch;
use crate::changes::Changes;
use crate::events::{ClosedBy, Projected, Projection, Waiting};
use crate::heads::Head;
use crate::outbox;

/// Appends a checked batch to its run. `now_ms` is the time here, which no host can choose.
pub(crate) fn accept(head: &mut Head, changes: &mut Changes, batch: &CheckedBatch, now_ms: u64) {
    changes.batches.push(json!([
        head.row,
        batch.first_seq,
        batch.ends.len(),
        batch.epoch,
        batch.chain.hex(),
        changes.arena.len() + 1,
        batch.lines.len()
    ]));
    changes.arena.extend_from_slice(&batch.lines);
    if head.next_seq == 0 {
        changes.begun.push(batch.run.clone());
    }
    head.next_seq = batch.next_seq();
    head.chain = batch.chain;
    head.bytes = head.bytes.saturating_add(batch.lines.len() as u64);
    head.dirty = true;
    if head.state == "queued" {
        "running".clone_into(&mut head.state);
    }
    for event in &batch.events {
        let mut of_run = OfRun {
            run: batch.run.as_str(),
            head: &mut *head,
            changes: &mut *changes,
            now_ms,
        };
        of_run.project(event);
    }
}

/// The place of one record's changes.
struct OfRun<'a> {
    run: &'a str,
    head: &'a mut Head,
    changes: &'a mut Changes,
    now_ms: u64,
}

impl OfRun<'_> {
    fn project(&mut self, event: &Projected) {
        let row = self.head.row;
        match &event.what {
            Projection::Requested {
                approval,
                step,
                title,
                show,
                approvers,
                terms,
                expires_at_ms,
            } => {
                self.changes.requested.push(json!([
                    approval,
                    row,
                    step,
                    title,
                    show,
                    approvers,
                    event.at_ms,
                    expires_at_ms,
                    terms
                ]));
                self.changes.asking.insert(row);
                if self.head.watched {
                    let question = outbox::question_row(approval.as_str(), self.now_ms);
                    self.changes.questions.push(question);
                }
            }
            Projection::Waits(waiting) => self.waits(waiting, event.at_ms),
            Projection::Closed { step, by } => {
                self.closed(&step.to_string(), by);
                self.waits_no_more(step.to_string());
            }
            Projection::Done { step } => {
                // Only a run that orders others can have such a wait; all others pay nothing here.
                if self.head.orders_children {
                    self.waits_no_more(step.to_string());
                }
            }
            Projection::SignalTaken { message } => self.took("signal", Value::from(message.as_str())),
            Projection::Responded { response } => {
                self.head.response.get_or_insert_with(|| response.clone());
            }
            Projection::Paused { by } => {
                self.head.paused_by.clone_from(by);
                self.took(if by.is_some() { "pause" } else { "unpause" }, Value::Null);
            }
            Projection::CancelTaken => {
                self.took("cancel", Value::Null);
                self.changes.stopping.insert(row);
                self.changes.errands |= self.head.orders_children;
            }
            Projection::Ended {
                state,
                outcome,
                digest,
                expired,
            } => {
                (*state).clone_into(&mut self.head.state);
                self.head.ended_at_ms = Some(event.at_ms);
                self.head.closed_at_ms = Some(self.now_ms);
                self.head.outcome = Some(outcome.clone());
                self.head.outcome_digest = Some(*digest);
                if let Some(step) = expired {
                    self.changes.times_up.push(json!([row, step]));
                }
                self.changes.ends.ended(
                    (self.run, row),
                    state,
                    self.now_ms,
                    self.head.watched,
                    self.head.on_end.as_deref(),
                );
                self.changes.errands |= self.head.on_end.is_some();
                self.changes.ended.push((self.run.to_owned(), row));
                self.changes.stopping.insert(row);
            }
        }
    }

    fn waits(&mut self, waiting: &Waiting, since_ms: u64) {
        let row = self.head.row;
        let child = waiting.child.as_ref().map(|child| &child.run);
        let wait = json!([
            row,
            waiting.step,
            waiting.kind,
            waiting.name,
            waiting.correlation,
            child,
            waiting.reason,
            since_ms,
            waiting.due_ms
        ]);
        let place = (row, waiting.step.to_string());
        self.changes.waits.insert(place, Some(wait));
        self.changes.asking.insert(row);
        if let Some(child) = &waiting.child {
            self.head.orders_children = true;
            self.changes.children.push(json!([
                child.run,
                row,
                waiting.step,
                child.release,
                child.grants,
                child.input
            ]));
        }
        self.changes.errands |= waiting.child.is_some() || waiting.kind == "signal";
    }

    fn waits_no_more(&mut self, step: String) {
        let row = self.head.row;
        self.changes.waits.insert((row, step), None);
        self.changes.asking.insert(row);
    }

    fn closed(&mut self, step: &str, by: &ClosedBy) {
        let row = self.head.row;
        match by {
            ClosedBy::Decision {
                approval,
                approved,
                by,
                comment,
                at_ms,
                answers,
                answered,
            } => {
                let state = if *approved { "approved" } else { "rejected" };
                self.changes.answered.push(json!([
                    approval, row, state, by, comment, at_ms, answers, answered
                ]));
                self.took("decide", json!(approval));
            }
            ClosedBy::Due => self.changes.times_up.push(json!([row, step])),
            ClosedBy::Child(child) => self.took("child_ended", json!(child)),
            ClosedBy::Review => self.took("review", json!(step)),
            ClosedBy::Signal => {}
        }
    }

    /// An order of this kind took effect.
    fn took(&mut self, kind: &str, subject: Value) {
        self.changes.taken.push(json!([kind, self.run, subject]));
    }
}
