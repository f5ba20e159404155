//! Waiting: the one way in which a step depends on something outside the host.
//!
//! A time, a retry delay, a person, a signal, a child run and a review are all the same thing: something is awaited. A
//! record opens the wait and another closes it, so that a wait survives restarts, moves with its run, costs a waiting
//! run no memory, and looks alike to every reader. Owns the words for what is awaited and for what ended the waiting.

use serde::{Deserialize, Serialize};

use crate::approval::{Decision, Terms};
use crate::value::Datum;
use crate::{ApprovalId, Digest, Failure, MessageId, RunId, StepKey};

/// Longest correlation of a signal, in bytes.
pub const MAX_CORRELATION_BYTES: usize = 512;

/// Whether signals can carry this correlation: a wait for one that they cannot carry would never end.
///
/// # Errors
///
/// What a correlation looks like, for people.
pub fn check_correlation(correlation: &str) -> Result<(), String> {
    let bytes = 1..=MAX_CORRELATION_BYTES;
    if bytes.contains(&correlation.len()) && !correlation.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(format!(
            "a correlation has 1 to {MAX_CORRELATION_BYTES} bytes, all printable"
        ))
    }
}

/// What a step waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "snake_case", deny_unknown_fields)]
pub enum Await {
    /// A time: a `wait` node.
    Time,
    /// The time of the next attempt.
    Retry {
        /// Its number, 2 for the second.
        attempt: u32,
    },
    /// A person's answer.
    Approval {
        /// The question's id.
        approval: ApprovalId,
        /// The question and what the person sees with it: an object of `title` and `show`.
        question: Datum,
        /// Who may answer; empty: anybody.
        approvers: Vec<String>,
        /// What the question wants besides.
        #[serde(default, skip_serializing_if = "Terms::is_plain")]
        terms: Box<Terms>,
    },
    /// A named signal.
    Signal {
        /// Its name.
        name: String,
        /// If given, only a signal with this correlation counts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        correlation: Option<String>,
    },
    /// The end of another run, which the control plane starts when it reads this.
    Child {
        /// The run, named by its parent so that it is started once.
        run: RunId,
        /// Its release, as the parent's release pins it.
        release: Digest,
        /// Its grants, as the parent's release pins them.
        grants: Digest,
        /// Its input.
        input: Datum,
    },
    /// A person's look at a step whose outcome is unknown, or that stopped its host again and again.
    Review {
        /// The attempt in question.
        attempt: u32,
        /// How it failed.
        failure: Failure,
    },
}

impl Await {
    /// Its name in views, metrics and errors.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Retry { .. } => "retry",
            Self::Approval { .. } => "approval",
            Self::Signal { .. } => "signal",
            Self::Child { .. } => "child",
            Self::Review { .. } => "review",
        }
    }
}

/// What ended a wait.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case", deny_unknown_fields)]
pub enum Closing {
    /// Its time came: the waiting is over, or nobody answered in time.
    Due,
    /// People answered.
    Decision(Box<Decision>),
    /// A signal came, or had come before.
    Signal {
        /// The message that a `signal_received` record of this run holds.
        message: MessageId,
    },
    /// The child run ended.
    Child(ChildEnd),
    /// A person looked at it.
    Review(ReviewVerdict),
}

/// How a child run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChildEnd {
    /// The child.
    pub run: RunId,
    /// Its state: the name of its outcome.
    pub state: String,
    /// Its output; null unless it is done.
    pub output: Datum,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// What a person says of a step that needs review.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewVerdict {
    /// What to do.
    pub action: ReviewAction,
    /// Who says so.
    pub by: String,
    /// Their words, if any; at most 4 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// When, milliseconds since 1970 UTC.
    pub at_ms: u64,
}

/// What to do with a step that needs review.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum ReviewAction {
    /// Another attempt, although an effect may happen twice; its key stays the same.
    Retry,
    /// Go on with this value as the step's output.
    Skip {
        /// The value.
        output: Datum,
    },
    /// The step has failed.
    Fail,
}

/// A message for a run from outside, kept in the order in which it came, whether or not a step waits for it yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// Its id: the same message is taken once.
    pub message: MessageId,
    /// Its name.
    pub name: String,
    /// For whom it is among several waits of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// What it carries.
    pub payload: Datum,
    /// Who sent it.
    pub by: String,
}

impl Signal {
    /// Whether it is what a step with this wait is waiting for.
    #[must_use]
    pub fn answers(&self, name: &str, correlation: Option<&str>) -> bool {
        self.name == name && (correlation.is_none() || self.correlation.as_deref() == correlation)
    }
}

/// The id of the question that a step asks: the same on every replay and on every host.
#[must_use]
pub fn approval_id(run: &RunId, step: &StepKey) -> ApprovalId {
    ApprovalId::from_entropy(derived(b"flowforge.approval.v1\n", run, step, 0))
}

/// The id of the child run that a step starts: the same on every replay, so that it is started once. `n` is the number
/// of times a person asked for the step to be repeated although it had completed.
#[must_use]
pub fn child_run_id(root: &RunId, step: &StepKey, n: u32) -> RunId {
    RunId::from_entropy(derived(b"flowforge.child.v1\n", root, step, n))
}

fn derived(purpose: &[u8], run: &RunId, step: &StepKey, n: u32) -> [u8; 16] {
    let digest = Digest::of_parts(&[
        purpose,
        run.as_str().as_bytes(),
        b"\n",
        step.to_string().as_bytes(),
        b"\n",
        n.to_string().as_bytes(),
    ]);
    let mut entropy = [0_u8; 16];
    for (to, from) in entropy.iter_mut().zip(digest.as_bytes()) {
        *to = *from;
    }
    entropy
}
