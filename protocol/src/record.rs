//! Records: the immutable journal entries of a run, and the hash chain they form.
//!
//! A record is one line of JSON. `chain(n) = SHA-256(chain(n-1) ‖ line(n))`, beginning with [`chain_start`]. Whoever
//! holds the lines can check the chain; whoever holds the last value knows whether lines are missing or changed.

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::batch::RecordBatch;
use crate::job::{Decision, Trigger};
use crate::{ApprovalId, Digest, Failure, JobId, NodeId, RunId, StepKey};

/// One journal entry of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    Accepted {
        /// The order.
        job: JobId,
        /// The release.
        release: Digest,
        /// The grants.
        grants: Digest,
        /// The input.
        input: Value,
        /// What started it.
        trigger: Trigger,
        /// Trace context.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        traceparent: Option<String>,
    },
    /// An attempt is about to do something outside. Durable before its first effect; absent for pure attempts.
    Intent {
        /// The step.
        step: StepKey,
        /// 1 for the first try.
        attempt: u32,
        /// Digest of the step's input.
        input_digest: Digest,
    },
    /// A step has its result.
    Completed {
        /// The step.
        step: StepKey,
        /// Which try; 0 for built-in nodes.
        attempt: u32,
        /// The result.
        output: Value,
        /// What it took, microseconds.
        elapsed_us: u64,
        /// What it used outside, for people and the receipt; empty for a pure step.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        used: Vec<String>,
    },
    /// An attempt failed.
    AttemptFailed {
        /// The step.
        step: StepKey,
        /// Which try.
        attempt: u32,
        /// Why.
        failure: Failure,
        /// When the next try is due; absent if there is none and the step has failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at_ms: Option<u64>,
        /// What it took, microseconds.
        elapsed_us: u64,
    },
    /// A step will not run.
    Skipped {
        /// The step.
        step: StepKey,
        /// Why, for people: the outcome that did not happen.
        reason: String,
    },
    /// A `foreach` knows its list.
    LoopStarted {
        /// The step of the loop.
        step: StepKey,
        /// How many rounds.
        count: u32,
    },
    /// A `wait` waits.
    WaitStarted {
        /// The step.
        step: StepKey,
        /// When it ends.
        due_ms: u64,
    },
    /// A question was put to a person.
    ApprovalRequested {
        /// The step.
        step: StepKey,
        /// The question's id.
        approval: ApprovalId,
        /// The question.
        title: String,
        /// What the person sees with it.
        show: Value,
        /// Who may answer.
        approvers: Vec<String>,
        /// When it ends unanswered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at_ms: Option<u64>,
    },
    /// A person answered.
    Decided {
        /// The step.
        step: StepKey,
        /// The answer.
        decision: Decision,
    },
    /// A timer's time came: a wait ended, a retry is due, an approval expired.
    TimerFired {
        /// The step.
        step: StepKey,
    },
    /// Somebody asked for the end of the run.
    CancelRequested {
        /// Who and why.
        reason: String,
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
        /// The line, at most 4 KiB.
        message: String,
    },
    /// The run is over; always the last record.
    Ended {
        /// How.
        outcome: Outcome,
    },
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
        output: Value,
    },
    /// A step failed.
    Failed {
        /// Which, if one did; absent when the output expression failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<NodeId>,
        /// Why.
        failure: Failure,
    },
    /// A person said no.
    Rejected {
        /// The step.
        step: StepKey,
        /// Who.
        by: String,
    },
    /// An approval was not answered in time.
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

    /// Digest of the outcome in canonical form, as the receipt holds it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        // An outcome is made of JSON values and strings: there is nothing in it that JSON cannot hold.
        Digest::of_json(&serde_json::to_value(self).unwrap_or_default())
    }
}

/// The key that makes a step's effects safe to repeat: the same for every attempt and every host.
///
/// 64 hexadecimal digits: SHA-256 of workspace, run and step, separated by line ends, which none of them can hold.
#[must_use]
pub fn idempotency_key(workspace: &str, run: &RunId, step: &StepKey) -> String {
    let step = step.to_string();
    Digest::of_parts(&[
        workspace.as_bytes(),
        b"\n",
        run.as_str().as_bytes(),
        b"\n",
        step.as_bytes(),
    ])
    .hex()
}

/// The chain value before the first record of a run.
#[must_use]
pub fn chain_start(run: &RunId) -> Digest {
    Digest::of_parts(&[b"flowforge.run.v1\n", run.as_str().as_bytes()])
}

/// The chain value after one more record, given as its line without the line end.
#[must_use]
pub fn chain_next(previous: &Digest, line: &[u8]) -> Digest {
    Digest::of_parts(&[previous.as_bytes(), line])
}
