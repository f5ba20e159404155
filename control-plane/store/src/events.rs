//! What a record changes outside its run's record table.
//!
//! From each record only the kind of event is read, and the whole event for the few kinds that the server shows, waits for
//! or acts upon.

use flowforge_protocol::approval::Answer;
use flowforge_protocol::awaited::{Await, Closing};
use flowforge_protocol::chain::{ChainError, Fetch, Frame, records};
use flowforge_protocol::record::{Event, Outcome};
use flowforge_protocol::{ApprovalId, Datum, Digest, MessageId, RunId, StepKey};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::batch_error::BatchError;

/// A record that changes something.
#[derive(Debug, Clone)]
pub(crate) struct Projected {
    pub(crate) seq: u64,
    pub(crate) at_ms: u64,
    pub(crate) what: Projection,
}

/// What it changes.
#[derive(Debug, Clone)]
pub(crate) enum Projection {
    /// A person is asked.
    Requested {
        approval: ApprovalId,
        step: StepKey,
        title: String,
        show: String,
        approvers: String,
        terms: String,
        expires_at_ms: Option<u64>,
    },
    /// A step waits for something else.
    Waits(Box<Waiting>),
    /// What a step waited for is over.
    Closed { step: StepKey, by: ClosedBy },
    /// A built-in node is done. One that has ordered another run without waiting for it has a wait that ends like this.
    Done { step: StepKey },
    /// A signal is in the run's inbox.
    SignalTaken { message: MessageId },
    /// The run has an answer for the request that started it: `{status, headers, body}` as JSON text.
    Responded { response: String },
    /// Somebody paused it, or let it go on.
    Paused { by: Option<String> },
    /// The host has a cancellation.
    CancelTaken,
    /// The run is over.
    Ended {
        state: &'static str,
        outcome: String,
        digest: Digest,
        /// The question whose time came, if that ended the run.
        expired: Option<StepKey>,
    },
}

/// A wait that is no question to a person.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) step: StepKey,
    pub(crate) kind: &'static str,
    pub(crate) name: Option<String>,
    pub(crate) correlation: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) child: Option<Child>,
    pub(crate) due_ms: Option<u64>,
}

/// A run that another one has ordered.
#[derive(Debug, Clone)]
pub(crate) struct Child {
    pub(crate) run: RunId,
    pub(crate) release: Digest,
    pub(crate) grants: Digest,
    /// JSON text, if its bytes are here.
    pub(crate) input: Option<String>,
}

/// What ended a wait.
#[derive(Debug, Clone)]
pub(crate) enum ClosedBy {
    Decision {
        approval: ApprovalId,
        approved: bool,
        by: String,
        comment: Option<String>,
        at_ms: u64,
        /// JSON text: the answers that made it.
        answers: String,
        answered: usize,
    },
    /// Its time came.
    Due,
    Child(RunId),
    Review,
    Signal,
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
    #[serde(default)]
    attempt: Option<u32>,
}

impl PeekEvent<'_> {
    fn matters(&self) -> bool {
        match &*self.kind {
            "completed" => self.attempt == Some(0),
            kind => matches!(
                kind,
                "await_opened"
                    | "await_closed"
                    | "signal_received"
                    | "responded"
                    | "paused"
                    | "unpaused"
                    | "cancel_requested"
                    | "ended"
            ),
        }
    }
}

/// Whether a record changes something; `false` for what is none.
pub(crate) fn matters(frame: &Frame<'_>) -> bool {
    serde_json::from_slice::<Peek<'_>>(frame.record).is_ok_and(|peek| peek.event.matters())
}

/// What a record changes, if it changes anything. `fetch` finds large values.
pub(crate) fn project(frame: &Frame<'_>, fetch: Fetch<'_>) -> Result<Option<Projected>, BatchError> {
    let peek: Peek<'_> = serde_json::from_slice(frame.record).map_err(|error| ChainError::Unreadable {
        seq: frame.seq,
        reason: error.to_string(),
    })?;
    if !peek.event.matters() {
        return Ok(None);
    }
    let Some(record) = records(frame.bytes, frame.seq, fetch).next().transpose()? else {
        return Ok(None);
    };
    let (seq, at_ms) = (record.seq, record.at_ms);
    Ok(what(record.event).map(|what| Projected { seq, at_ms, what }))
}

fn what(event: Event) -> Option<Projection> {
    Some(match event {
        Event::AwaitOpened { step, awaits, due_ms } => return opened(step, awaits, due_ms),
        Event::AwaitClosed { step, closing } => Projection::Closed {
            step,
            by: closed_by(closing),
        },
        Event::Completed { step, .. } => Projection::Done { step },
        Event::SignalReceived(signal) => Projection::SignalTaken {
            message: signal.message,
        },
        Event::Responded {
            status,
            headers,
            body,
            ..
        } => Projection::Responded {
            response: json!({ "status": status, "headers": headers, "body": text_of(&body) }).to_string(),
        },
        Event::Paused { by } => Projection::Paused { by: Some(by) },
        Event::Unpaused { .. } => Projection::Paused { by: None },
        Event::CancelRequested { .. } => Projection::CancelTaken,
        Event::Ended { outcome } => Projection::Ended {
            expired: match &outcome {
                Outcome::Expired { step } => Some(step.clone()),
                _ => None,
            },
            state: outcome.state(),
            digest: outcome.digest(),
            outcome: outcome.shown().to_string(),
        },
        _ => return None,
    })
}

/// A value as JSON text, if its bytes are here.
fn text_of(datum: &Datum) -> Option<String> {
    datum.content().map(|value| value.to_string())
}

fn opened(step: StepKey, awaits: Await, due_ms: Option<u64>) -> Option<Projection> {
    let mut wait = Waiting {
        step,
        kind: awaits.name(),
        name: None,
        correlation: None,
        reason: None,
        child: None,
        due_ms,
    };
    match awaits {
        // Another attempt follows by itself: the run is at work.
        Await::Retry { .. } => return None,
        Await::Time => {}
        Await::Signal { name, correlation } => {
            (wait.name, wait.correlation) = (Some(name), correlation);
        }
        Await::Child {
            run,
            release,
            grants,
            input,
        } => {
            wait.child = Some(Child {
                run,
                release,
                grants,
                input: text_of(&input),
            });
        }
        Await::Review { failure, .. } => wait.reason = Some(failure.message),
        Await::Approval {
            approval,
            question,
            approvers,
            terms,
        } => {
            let question = question.shown();
            let title = question.get("title").and_then(Value::as_str);
            return Some(Projection::Requested {
                approval,
                step: wait.step,
                title: title.unwrap_or_default().to_owned(),
                show: question.get("show").cloned().unwrap_or_default().to_string(),
                approvers: Value::from(approvers).to_string(),
                terms: serde_json::to_string(&terms).unwrap_or_else(|_| "{}".to_owned()),
                expires_at_ms: due_ms,
            });
        }
    }
    Some(Projection::Waits(Box::new(wait)))
}

fn closed_by(closing: Closing) -> ClosedBy {
    match closing {
        Closing::Decision(decision) => ClosedBy::Decision {
            approval: decision.approval,
            approved: decision.approved,
            by: decision.by,
            comment: decision.comment,
            at_ms: decision.at_ms,
            answered: decision.answers.len(),
            answers: shown(decision.answers),
        },
        Closing::Due => ClosedBy::Due,
        Closing::Child(end) => ClosedBy::Child(end.run),
        Closing::Review(_) => ClosedBy::Review,
        Closing::Signal { .. } => ClosedBy::Signal,
    }
}

/// The answers as they are shown: with their values, where these are here.
fn shown(answers: Vec<Answer>) -> String {
    let shown = answers.into_iter().map(|answer| Answer::<Value> {
        form: answer.form.map(|form| form.shown()),
        signature: answer.signature.map(|signature| signature.shown()),
        by: answer.by,
        answers_for: answer.answers_for,
        approved: answer.approved,
        comment: answer.comment,
        at_ms: answer.at_ms,
    });
    serde_json::to_string(&shown.collect::<Vec<_>>()).unwrap_or_else(|_| "[]".to_owned())
}
