//! What a view of a run consists of.

use flowforge_protocol::approval::Terms;
use flowforge_protocol::{ApprovalId, NodeId, RunId, StepKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A run at one moment. It follows from the records alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunView {
    /// The run.
    pub run: RunId,
    /// Its workflow.
    pub workflow: String,
    /// Where it stands.
    pub phase: RunPhase,
    /// When it was accepted, milliseconds since 1970 UTC; 0 before that.
    pub started_at_ms: u64,
    /// When the newest record was made.
    pub updated_at_ms: u64,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at_ms: Option<u64>,
    /// The nodes of the workflow, in the order of the file; loops stand for what is inside them.
    pub nodes: Vec<NodeRow>,
    /// Questions that wait for a person.
    pub waiting: Vec<WaitingApproval>,
    /// Everything that is waited for, the questions among it.
    pub waits: Vec<OpenWait>,
    /// Who paused it and why, while it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
    /// How it ended: as its record, with the output itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Value>,
    /// Why it can only be shown, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view_only: Option<String>,
    /// Sums.
    pub totals: Totals,
}

impl RunView {
    /// The same of a run that was ended without a record: its host lost it, or is gone. Nothing of it is at work any more,
    /// and nobody is asked.
    #[must_use]
    pub fn given_up(mut self) -> Self {
        for row in &mut self.nodes {
            row.state = match row.state {
                NodeState::Pending => NodeState::NotRun,
                NodeState::Running | NodeState::Retrying | NodeState::Waiting | NodeState::NeedsReview => {
                    NodeState::Stopped
                }
                settled => settled,
            };
        }
        self.waiting.clear();
        self.waits.clear();
        self.paused = None;
        self
    }
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunPhase {
    /// It has no record yet.
    Accepted,
    /// Something runs or can run.
    Running,
    /// Nothing runs; it waits for a person, a time, a signal or another run.
    Waiting,
    /// A step needs a person to look at it before the run goes on.
    NeedsReview,
    /// Somebody paused it.
    Paused,
    /// Done.
    Done,
    /// A step failed.
    Failed,
    /// A person said no.
    Rejected,
    /// Nobody answered in time.
    Expired,
    /// Somebody stopped it.
    Cancelled,
}

impl RunPhase {
    /// The word for it: `running`, `waiting`, ….
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::NeedsReview => "needs_review",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(
            self,
            Self::Done | Self::Failed | Self::Rejected | Self::Expired | Self::Cancelled
        )
    }
}

/// One node of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRow {
    /// Its id.
    pub node: NodeId,
    /// Its kind: `call`, `set`, `switch`, `foreach`, `wait`, `approval`, `workflow`, `repeat`, `respond`; `undo`
    /// for the steps that take effects back, which come last.
    pub kind: String,
    /// Where it stands.
    pub state: NodeState,
    /// What came of it, or what it is at, in a few words.
    pub what: String,
    /// Attempts, those inside a loop counted; absent for a node that makes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tries: Option<u64>,
    /// When it could start, milliseconds since 1970 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at_ms: Option<u64>,
    /// How long it took from then to its end, milliseconds; absent until it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_ms: Option<u64>,
}

/// Where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// Waits for other nodes.
    Pending,
    /// At work.
    Running,
    /// Tries again later.
    Retrying,
    /// Waits for a person, a time, a signal or another run.
    Waiting,
    /// Waits for a person to look at it.
    NeedsReview,
    /// Done.
    Done,
    /// Did not run, because what it comes after did not happen.
    Skipped,
    /// Failed.
    Failed,
    /// A person said no.
    Rejected,
    /// Nobody answered in time.
    Expired,
    /// The run ended while it was at work or waited.
    Stopped,
    /// The run ended before it could start.
    NotRun,
}

impl NodeState {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Waiting => "waiting",
            Self::NeedsReview => "needs review",
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Stopped => "stopped",
            Self::NotRun => "not run",
        }
    }
}

/// A question that waits for a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WaitingApproval {
    /// Its id.
    pub approval: ApprovalId,
    /// The step that asks.
    pub step: StepKey,
    /// The question.
    pub title: String,
    /// What the person sees with it.
    pub show: Value,
    /// Who may answer; empty: anybody.
    pub approvers: Vec<String>,
    /// What the question wants besides.
    #[serde(default, skip_serializing_if = "Terms::is_plain")]
    pub terms: Terms,
    /// Since when, milliseconds since 1970 UTC.
    pub asked_at_ms: u64,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
}

/// Something that is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenWait {
    /// The step that waits.
    pub step: StepKey,
    /// `time`, `retry`, `approval`, `signal`, `child` or `review`.
    pub kind: String,
    /// For what, in a few words: a signal's name, a question, a run.
    pub what: String,
    /// Since when, milliseconds since 1970 UTC.
    pub since_ms: u64,
    /// Until when in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_ms: Option<u64>,
}

/// Sums over a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Steps that completed; a loop counts as one, besides those inside it.
    pub steps_done: u64,
    /// Steps that were skipped.
    pub steps_skipped: u64,
    /// Attempts.
    pub tries: u64,
    /// Time that attempts took, milliseconds; those at the same time add up.
    pub work_ms: u64,
    /// Time in which a person was asked, milliseconds.
    pub person_ms: u64,
    /// Records.
    pub records: u64,
}
