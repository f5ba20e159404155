//! A job: a signed order from the control plane to one host.

use serde::{Deserialize, Serialize};

use std::collections::BTreeMap;

use crate::approval::Decision;
use crate::awaited::{ChildEnd, ReviewVerdict};
use crate::envelope::Document;
use crate::record::{Lineage, Trigger};
use crate::step_set::StepSet;
use crate::{Digest, HostId, JobId, MessageId, NodeId, RunId, StepKey};

/// Payload type of the envelope that carries a [`Job`].
pub const JOB_TYPE: &str = "application/vnd.flowforge.job.v1+json";

/// One order. Every field is signed; a host acts on nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Unique; the same id with other bytes is an attack.
    pub job_id: JobId,
    /// Tenant.
    pub workspace: String,
    /// Project inside it.
    pub project: String,
    /// The one host that may act on it.
    pub audience: HostId,
    /// The run it concerns.
    pub run_id: RunId,
    /// Fencing number of the run.
    pub epoch: u64,
    /// Grows with every job of this scheduler key for this host; a host remembers a window of them.
    pub sequence: u64,
    /// Milliseconds since 1970 UTC.
    pub issued_at_ms: u64,
    /// Not to be accepted at or after this time, give or take [`CLOCK_TOLERANCE_MS`].
    pub expires_at_ms: u64,
    /// What to do.
    pub order: Order,
    /// W3C trace context of the request that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl Document for Job {
    const TYPE: &'static str = JOB_TYPE;
    // The input alone may be 256 KiB.
    const MAX_BYTES: usize = 320 * 1024;
}

/// How far a host's clock and the scheduler's may differ, in milliseconds, either way.
pub const CLOCK_TOLERANCE_MS: u64 = 120_000;
/// How long the control plane gives a job, from its issue to its end, before it signs the order anew: 15 minutes.
pub const JOB_LIFE_MS: u64 = 15 * 60 * 1000;
/// Longest time from the issue of a job to its end, in milliseconds: 72 hours. A host remembers what it did for a job at
/// least as long, so that a copy of it cannot be acted on again.
pub const MAX_JOB_LIFE_MS: u64 = 72 * 60 * 60 * 1000;
/// Largest input of a run, in bytes of canonical JSON: 256 KiB.
pub const MAX_INPUT_BYTES: usize = 256 * 1024;

/// Why a host does not act on a job whose signature is good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobRefusal {
    /// It is for another tenant.
    #[error("the job is for workspace `{found}`, this host serves `{expected}`")]
    WrongWorkspace {
        /// This host's.
        expected: String,
        /// The job's.
        found: String,
    },
    /// It is for another host.
    #[error("the job is for host {found}, this is host {expected}")]
    WrongAudience {
        /// This host.
        expected: HostId,
        /// The job's.
        found: HostId,
    },
    /// It is from the future: one of the clocks is wrong.
    #[error("the job was issued {ahead_ms} ms in the future; check this machine's clock")]
    NotYetValid {
        /// How far.
        ahead_ms: u64,
    },
    /// Its time is over, or it never had any.
    #[error("the job expired {late_ms} ms ago")]
    Expired {
        /// How long ago, 0 if it ended before it began.
        late_ms: u64,
    },
    /// It asks to be valid longer than any job may.
    #[error("the job is valid for {life_ms} ms, above the limit of {MAX_JOB_LIFE_MS}")]
    LivesTooLong {
        /// How long.
        life_ms: u64,
    },
    /// The input is not what was signed for.
    #[error("the job's input has digest {found}, the job says {expected}")]
    WrongInput {
        /// What the job says.
        expected: Digest,
        /// What the input is.
        found: Digest,
    },
    /// The input is larger than a run may take.
    #[error("the job's input is {actual_bytes} bytes, above the limit of {MAX_INPUT_BYTES}")]
    InputTooLarge {
        /// Its size in canonical form.
        actual_bytes: usize,
    },
}

impl JobRefusal {
    /// Stable code for operators.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::WrongWorkspace { .. } => "FF-JOB-001",
            Self::WrongAudience { .. } => "FF-JOB-002",
            Self::NotYetValid { .. } => "FF-JOB-003",
            Self::Expired { .. } => "FF-JOB-004",
            Self::WrongInput { .. } => "FF-JOB-005",
            Self::InputTooLarge { .. } => "FF-JOB-006",
            Self::LivesTooLong { .. } => "FF-JOB-008",
        }
    }
}

impl Job {
    /// Whether this host may act on the job now: tenant, audience, time, input. Not whether it was seen before.
    ///
    /// # Errors
    /// [`JobRefusal`]: nothing of the job may be done.
    pub fn check(&self, workspace: &str, host: &HostId, now_ms: u64) -> Result<(), JobRefusal> {
        self.check_address(workspace, host)?;
        self.check_time(now_ms)?;
        self.check_input()
    }

    /// The part of [`Job::check`] that holds at any time: for a job that was accepted before and is read again.
    ///
    /// # Errors
    /// [`JobRefusal`]: nothing of the job may be done.
    pub fn check_content(&self, workspace: &str, host: &HostId) -> Result<(), JobRefusal> {
        self.check_address(workspace, host)?;
        self.check_input()
    }

    fn check_address(&self, workspace: &str, host: &HostId) -> Result<(), JobRefusal> {
        if self.workspace != workspace {
            return Err(JobRefusal::WrongWorkspace {
                expected: workspace.to_owned(),
                found: self.workspace.chars().take(80).collect(),
            });
        }
        if &self.audience != host {
            return Err(JobRefusal::WrongAudience {
                expected: host.clone(),
                found: self.audience.clone(),
            });
        }
        Ok(())
    }

    fn check_time(&self, now_ms: u64) -> Result<(), JobRefusal> {
        let ahead_ms = self.issued_at_ms.saturating_sub(now_ms);
        if ahead_ms > CLOCK_TOLERANCE_MS {
            return Err(JobRefusal::NotYetValid { ahead_ms });
        }
        let over = now_ms >= self.expires_at_ms.saturating_add(CLOCK_TOLERANCE_MS);
        if over || self.expires_at_ms <= self.issued_at_ms {
            return Err(JobRefusal::Expired {
                late_ms: now_ms.saturating_sub(self.expires_at_ms),
            });
        }
        let life_ms = self.expires_at_ms - self.issued_at_ms;
        if life_ms > MAX_JOB_LIFE_MS {
            return Err(JobRefusal::LivesTooLong { life_ms });
        }
        Ok(())
    }

    fn check_input(&self) -> Result<(), JobRefusal> {
        match &self.order {
            Order::Start(start) => start.check_input(),
            _ => Ok(()),
        }
    }
}

/// What a job asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// Start a run.
    Start(Box<StartOrder>),
    /// Take over a run that another host began, or whose host lost its journal: its records come from the control plane.
    Resume(Box<ResumeOrder>),
    /// Tell a waiting run what people decided.
    Decide(Box<Decision<serde_json::Value>>),
    /// Tell a step that needs review what a person says of it.
    Review {
        /// The step.
        step: StepKey,
        /// What to do.
        verdict: ReviewOrder,
    },
    /// Hand a signal to a run.
    Signal(SignalOrder),
    /// Tell a run that a child of it has ended.
    ChildEnded(ChildOrder),
    /// Pause a run: no step starts and no time comes.
    Pause {
        /// Who asked and why, for people.
        reason: String,
    },
    /// Let a paused run go on.
    Unpause {
        /// Who asked and why, for people.
        reason: String,
    },
    /// Stop a run.
    Cancel {
        /// Who asked and why, for people.
        reason: String,
        /// How long running attempts may go on, milliseconds.
        #[serde(default)]
        grace_ms: u64,
    },
    /// Drop what is still here of a run that has ended: its values are to be erased.
    Erase {
        /// Who asked, for people.
        by: String,
    },
}

impl Order {
    /// Its name, for logs and refusals.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Start(_) => "start",
            Self::Resume(_) => "resume",
            Self::Decide(_) => "decide",
            Self::Review { .. } => "review",
            Self::Signal(_) => "signal",
            Self::ChildEnded(_) => "child_ended",
            Self::Pause { .. } => "pause",
            Self::Unpause { .. } => "unpause",
            Self::Cancel { .. } => "cancel",
            Self::Erase { .. } => "erase",
        }
    }

    /// Whether it begins a run on a host, rather than telling one something. Those that tell have a lane of their own,
    /// so that starts never hold them back.
    #[must_use]
    pub fn begins(&self) -> bool {
        matches!(self, Self::Start(_) | Self::Resume(_))
    }
}

/// What a run needs to start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartOrder {
    /// Digest of the release's payload bytes.
    pub release: Digest,
    /// Digest of the grant set's payload bytes.
    pub grants: Digest,
    /// Digest of `input` in canonical form.
    pub input_digest: Digest,
    /// The run's input, at most 256 KiB.
    pub input: serde_json::Value,
    /// What started it.
    pub trigger: Trigger,
    /// Fields of a webhook's body that the input does not name: `trigger.body` holds them besides those that it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<serde_json::Value>,
    /// Where it comes from among runs; absent for a run that stands alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Box<Lineage>>,
    /// Results that are taken from the generation before instead of running the steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse: Option<Reuse>,
    /// Results that are given instead of running the steps: pinned data of a try. Node → output.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub given: BTreeMap<NodeId, serde_json::Value>,
    /// Run this node and what it needs, and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<NodeId>,
    /// As in [`ResumeOrder::lease_ms`]: given for a run that may move to another host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_ms: Option<u64>,
}

/// Records of a run that a host is to have: fetched from the control plane, checked against this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordPrefix {
    /// Whose.
    pub run: RunId,
    /// How many, from the first.
    pub count: u64,
    /// Chain value after the last.
    pub chain: Digest,
}

/// What a later generation takes from the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reuse {
    /// The records with the results.
    pub prefix: RecordPrefix,
    /// The steps whose results are taken.
    pub steps: StepSet,
}

/// What a host needs to go on with a run that it does not have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResumeOrder {
    /// Digest of the release's payload bytes.
    pub release: Digest,
    /// Digest of the grant set's payload bytes.
    pub grants: Digest,
    /// What is recorded; the job's epoch is above that of every one of these records.
    pub prefix: RecordPrefix,
    /// How long a lease holds, milliseconds from the moment at which the host asked for it and was told that the run is
    /// still its own; without one the run does nothing. Absent for a run that is pinned to its host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_ms: Option<u64>,
    /// As in the order that started the run: results of the generation before that it may not have taken yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse: Option<Reuse>,
    /// As in the order that started the run: results that are given, which no record has before their steps are due.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub given: BTreeMap<NodeId, serde_json::Value>,
}

/// A signal on its way to a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalOrder {
    /// Its id.
    pub message: MessageId,
    /// Its name.
    pub name: String,
    /// For whom it is among several waits of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// What it carries, at most 256 KiB.
    pub payload: serde_json::Value,
    /// Who sent it.
    pub by: String,
}

/// The end of a child run on its way to its parent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChildOrder {
    /// The parent's step.
    pub step: StepKey,
    /// The child.
    pub run: RunId,
    /// The name of its outcome.
    pub state: String,
    /// Its output; null unless it is done.
    pub output: serde_json::Value,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<crate::Failure>,
}

impl ChildOrder {
    /// As the parent's records say it.
    #[must_use]
    pub fn into_end(self) -> ChildEnd {
        ChildEnd {
            run: self.run,
            state: self.state,
            output: self.output.into(),
            failure: self.failure,
        }
    }
}

/// What a person says of a step that needs review, on its way to the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewOrder {
    /// What to do.
    pub action: ReviewOrderAction,
    /// Who says so.
    pub by: String,
    /// Their words, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// When, milliseconds since 1970 UTC.
    pub at_ms: u64,
}

/// See [`crate::awaited::ReviewAction`]; with the value itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum ReviewOrderAction {
    /// Another attempt.
    Retry,
    /// Go on with this value.
    Skip {
        /// The value.
        output: serde_json::Value,
    },
    /// The step has failed.
    Fail,
}

impl ReviewOrder {
    /// As the run's records say it.
    #[must_use]
    pub fn into_verdict(self) -> ReviewVerdict {
        use crate::awaited::ReviewAction;
        ReviewVerdict {
            action: match self.action {
                ReviewOrderAction::Retry => ReviewAction::Retry,
                ReviewOrderAction::Skip { output } => ReviewAction::Skip {
                    output: output.into(),
                },
                ReviewOrderAction::Fail => ReviewAction::Fail,
            },
            by: self.by,
            comment: self.comment,
            at_ms: self.at_ms,
        }
    }
}

impl StartOrder {
    /// A run that stands alone, goes to its end and runs every step itself. `input_digest` is that of the canonical form.
    #[must_use]
    pub fn new(
        release: Digest,
        grants: Digest,
        input: serde_json::Value,
        input_digest: Digest,
        trigger: Trigger,
    ) -> Self {
        Self {
            release,
            grants,
            input_digest,
            input,
            trigger,
            extra: None,
            lineage: None,
            reuse: None,
            given: BTreeMap::new(),
            until: None,
            lease_ms: None,
        }
    }

    fn check_input(&self) -> Result<(), JobRefusal> {
        let bytes = crate::canonical::canonical_json(&self.input);
        if bytes.len() > MAX_INPUT_BYTES {
            return Err(JobRefusal::InputTooLarge {
                actual_bytes: bytes.len(),
            });
        }
        let found = Digest::of(&bytes);
        if found != self.input_digest {
            return Err(JobRefusal::WrongInput {
                expected: self.input_digest,
                found,
            });
        }
        Ok(())
    }
}
