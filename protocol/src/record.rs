//! Records: the immutable journal entries of a run.
//!
//! A record is one line of JSON; the lines of a run form a hash chain ([`crate::chain`]). Values stand in records by
//! reference ([`crate::value`]). Owns the vocabulary of what can happen in a run. Invariant: everything that decides how
//! a run goes on is a record; what is not recorded can be lost without changing the run.
//!
//! Versions: [`RECORD_VERSION`] stands in the first record of a run. A reader meets an event that it does not know as
//! [`Event::Unknown`]: it still shows and passes on the run, and refuses to go on with it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::awaited::{Await, Closing, Signal};
use crate::used::{Use, Used};
use crate::value::{Datum, SealError, Sealer};
use crate::{Digest, Failure, NodeId, StepKey};

pub use crate::accepted::{Accepted, BodyForm, Content, Lineage, Origin, ParentStep, Trigger};
pub use crate::effect_key::{Scope, effect_key};

/// The version of this vocabulary.
pub const RECORD_VERSION: u32 = 1;

/// One journal entry of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    /// 0, 1, 2, … without holes.
    pub seq: u64,
    /// Host time, milliseconds since 1970 UTC.
    pub at_ms: u64,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The run was accepted; always `seq` 0.
    Accepted(Box<Accepted>),
    /// An attempt is about to do something outside. Durable before its first effect; absent for pure attempts.
    Intent {
        /// The step.
        step: StepKey,
        /// 1 for the first try.
        attempt: u32,
        /// Digest of the step's input in canonical form: a repetition must have the same.
        input_digest: Digest,
        /// What it is about to use.
        will_use: Use,
    },
    /// A step has its result.
    Completed {
        /// The step.
        step: StepKey,
        /// Which try; 0 for built-in nodes.
        attempt: u32,
        /// The result.
        output: Datum,
        /// What it took, microseconds.
        elapsed_us: u64,
        /// What it used outside; empty for a pure step.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        used: Vec<Used>,
        /// Where the result is from, unless the step itself made it.
        #[serde(default, skip_serializing_if = "Source::is_step")]
        source: Source,
    },
    /// An attempt failed.
    AttemptFailed {
        /// The step.
        step: StepKey,
        /// Which try.
        attempt: u32,
        /// How it failed.
        failure: Failure,
        /// When the next try is due, milliseconds since 1970 UTC; absent if there is none and the step has failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at_ms: Option<u64>,
        /// What it took, microseconds.
        elapsed_us: u64,
        /// What it used outside before it failed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        used: Vec<Used>,
    },
    /// A step will not run.
    Skipped {
        /// The step.
        step: StepKey,
        /// Why, for people: the outcome that did not happen, or that the node is disabled.
        reason: String,
    },
    /// A `foreach` knows its list.
    LoopStarted {
        /// The step of the loop.
        step: StepKey,
        /// How many rounds.
        count: u32,
        /// Digest of the list in canonical form: a replay must have the same.
        list: Digest,
    },
    /// A round of a `repeat` is over.
    RoundEnded {
        /// The step of the loop.
        step: StepKey,
        /// Which round, from 0.
        round: u32,
        /// Whether another round follows.
        again: bool,
    },
    /// A step waits for something outside.
    AwaitOpened {
        /// The step.
        step: StepKey,
        /// For what.
        awaits: Await,
        /// When the waiting ends in any case, milliseconds since 1970 UTC.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due_ms: Option<u64>,
    },
    /// A step's waiting is over.
    AwaitClosed {
        /// The step.
        step: StepKey,
        /// What ended it.
        closing: Closing,
    },
    /// A signal came. It may come before its step waits.
    SignalReceived(Signal),
    /// A `respond` node answers whoever started the run by a webhook.
    Responded {
        /// The step.
        step: StepKey,
        /// HTTP status, 200 to 599.
        status: u16,
        /// HTTP headers besides the content type.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
        /// The body: text as it is, anything else as JSON.
        body: Datum,
    },
    /// Somebody paused the run: no step starts and no time comes until it goes on.
    Paused {
        /// Who and why.
        by: String,
    },
    /// The run goes on.
    Unpaused {
        /// Who and why.
        by: String,
    },
    /// Somebody asked for the end of the run.
    CancelRequested {
        /// Who and why.
        reason: String,
        /// How long running attempts may go on, milliseconds; 0: they are stopped at once.
        #[serde(default)]
        grace_ms: u64,
    },
    /// A line for people: from a connector, or from the host about a step. Changes nothing; bounded per attempt, and
    /// free of secret values.
    Log {
        /// The step.
        step: StepKey,
        /// Which try.
        attempt: u32,
        /// How much it matters.
        level: LogLevel,
        /// The line, at most 4 KiB: a JSON string.
        message: Datum,
    },
    /// The run is over; always the last record.
    Ended {
        /// How.
        outcome: Outcome,
    },
    /// Something that this version does not know. Never written.
    #[serde(skip)]
    Unknown {
        /// What it calls itself, or why it cannot be read.
        what: String,
    },
}

/// Where a step's result is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The step itself.
    #[default]
    Step,
    /// Its `fallback`, because it had failed.
    Fallback,
    /// The generation before.
    Reused,
    /// Given with the order, in place of running the step: pinned data of a try.
    Given,
}

impl Source {
    fn is_step(&self) -> bool {
        *self == Self::Step
    }
}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Every detail.
    Trace,
    /// For whoever looks for a mistake.
    Debug,
    /// What happened.
    Info,
    /// Degraded, but going on.
    Warn,
    /// Somebody must act.
    Error,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// Every node is done or skipped.
    Done {
        /// The workflow's output.
        output: Datum,
    },
    /// A step failed.
    Failed {
        /// Which, if one did; absent when the output expression failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<NodeId>,
        /// How it failed.
        failure: Failure,
    },
    /// A person said no.
    Rejected {
        /// The step.
        step: StepKey,
        /// Who.
        by: String,
    },
    /// A wait for a person or a signal was not answered in time.
    Expired {
        /// The step.
        step: StepKey,
    },
    /// Somebody stopped it.
    Cancelled {
        /// Who and why.
        reason: String,
    },
}

impl Outcome {
    /// Its name, as the receipt and the API say it: `done`, `failed`, `rejected`, `expired` or `cancelled`.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self {
            Self::Done { .. } => "done",
            Self::Failed { .. } => "failed",
            Self::Rejected { .. } => "rejected",
            Self::Expired { .. } => "expired",
            Self::Cancelled { .. } => "cancelled",
        }
    }

    /// Digest of the outcome as its record says it, in canonical form: the receipt holds it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        // A recorded outcome is made of strings and references: there is nothing in it that JSON cannot hold.
        Digest::of_json(&serde_json::to_value(self).unwrap_or_default())
    }

    /// The outcome for people: as its record, with the output itself in place of its reference. Of one whose bytes are not
    /// here `absent` is the reference: digest, size and media type.
    #[must_use]
    pub fn shown(&self) -> Value {
        match self {
            Self::Done { output } if output.content().is_none() => {
                serde_json::json!({"state": "done", "output": null, "absent": output.reference()})
            }
            Self::Done { output } => serde_json::json!({"state": "done", "output": output.shown()}),
            other => serde_json::to_value(other).unwrap_or_default(),
        }
    }
}

impl Event {
    /// Its name on the wire, and in errors.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::Intent { .. } => "intent",
            Self::Completed { .. } => "completed",
            Self::AttemptFailed { .. } => "attempt_failed",
            Self::Skipped { .. } => "skipped",
            Self::LoopStarted { .. } => "loop_started",
            Self::RoundEnded { .. } => "round_ended",
            Self::AwaitOpened { .. } => "await_opened",
            Self::AwaitClosed { .. } => "await_closed",
            Self::SignalReceived(_) => "signal_received",
            Self::Responded { .. } => "responded",
            Self::Paused { .. } => "paused",
            Self::Unpaused { .. } => "unpaused",
            Self::CancelRequested { .. } => "cancel_requested",
            Self::Log { .. } => "log",
            Self::Ended { .. } => "ended",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// The step it is about, if it is about one.
    #[must_use]
    pub fn step(&self) -> Option<&StepKey> {
        match self {
            Self::Intent { step, .. }
            | Self::Completed { step, .. }
            | Self::AttemptFailed { step, .. }
            | Self::Skipped { step, .. }
            | Self::LoopStarted { step, .. }
            | Self::RoundEnded { step, .. }
            | Self::AwaitOpened { step, .. }
            | Self::AwaitClosed { step, .. }
            | Self::Responded { step, .. }
            | Self::Log { step, .. } => Some(step),
            _ => None,
        }
    }

    /// The values in it.
    pub fn data_mut(&mut self) -> impl Iterator<Item = &mut Datum> {
        let mut more: Vec<&mut Datum> = Vec::new();
        let datum = match self {
            Self::Accepted(accepted) => {
                more.extend(accepted.extra.as_mut());
                Some(&mut accepted.input)
            }
            Self::Completed { output, .. } => Some(output),
            Self::AwaitOpened { awaits, .. } => match awaits {
                Await::Approval { question, .. } => Some(question),
                Await::Child { input, .. } => Some(input),
                _ => None,
            },
            Self::AwaitClosed { closing, .. } => match closing {
                Closing::Child(end) => Some(&mut end.output),
                Closing::Decision(decision) => {
                    let answers = decision.answers.iter_mut();
                    more.extend(
                        answers.flat_map(|answer| answer.form.iter_mut().chain(&mut answer.signature)),
                    );
                    None
                }
                Closing::Review(verdict) => match &mut verdict.action {
                    crate::awaited::ReviewAction::Skip { output } => Some(output),
                    _ => None,
                },
                _ => None,
            },
            Self::SignalReceived(signal) => Some(&mut signal.payload),
            Self::Responded { body, .. } => Some(body),
            Self::Log { message, .. } => Some(message),
            Self::Ended {
                outcome: Outcome::Done { output },
            } => Some(output),
            _ => None,
        };
        datum.into_iter().chain(more)
    }
}

impl Record {
    /// Gives every value in it its reference and writes their value lines, which stand before the record's own.
    ///
    /// # Errors
    /// [`SealError`]; `out` may then hold lines of other values of this record, which the caller takes back.
    pub fn seal(&mut self, sealer: &mut Sealer<'_>, out: &mut Vec<u8>) -> Result<(), SealError> {
        self.event
            .data_mut()
            .try_for_each(|datum| sealer.seal(datum, out))
    }
}

/// A record whose event may be unknown here.
#[derive(Deserialize)]
struct Loose {
    seq: u64,
    at_ms: u64,
    event: Box<RawValue>,
}

/// What an event that cannot be read calls itself.
#[derive(Deserialize)]
struct Named {
    #[serde(default, rename = "type")]
    name: Option<String>,
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Loose { seq, at_ms, event } = Loose::deserialize(deserializer)?;
        let event = serde_json::from_str(event.get()).unwrap_or_else(|error| {
            let named = serde_json::from_str(event.get()).unwrap_or(Named { name: None });
            let what = format!("`{}`: {error}", named.name.as_deref().unwrap_or("without a type"));
            Event::Unknown {
                what: what.chars().take(200).collect(),
            }
        });
        Ok(Self { seq, at_ms, event })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_a_later_version_is_kept_apart_and_named() {
        for line in [
            r#"{"seq":3,"at_ms":9,"event":{"type":"teleported","step":"a"}}"#,
            r#"{"seq":3,"at_ms":9,"event":{"type":"skipped","step":"a","reason":"b","more":1}}"#,
        ] {
            let record: Record = serde_json::from_str(line).unwrap();
            assert_eq!((record.seq, record.at_ms), (3, 9));
            assert!(matches!(record.event, Event::Unknown { .. }), "{record:?}");
        }
        assert!(serde_json::from_str::<Record>(r#"{"seq":3,"event":{}}"#).is_err());
    }

    #[test]
    fn what_is_unknown_is_never_written() {
        let record = Record {
            seq: 0,
            at_ms: 0,
            event: Event::Unknown { what: "x".to_owned() },
        };
        assert!(serde_json::to_string(&record).is_err());
    }
}
