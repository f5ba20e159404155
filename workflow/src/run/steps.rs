//! Steps and where they are.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use flowforge_protocol::record::Event;
use flowforge_protocol::{ApprovalId, Failure, StepKey};
use serde_json::Value;

use super::RunState;
use crate::plan::PlanNode;

/// A step by numbers: the rounds of the loops around it, outermost first, and its node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StepRef {
    pub(super) path: Vec<(usize, u32)>,
    pub(super) node: usize,
}

/// The steps of one body: the workflow's, or one round's of a loop.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub(super) steps: Vec<Step>,
    pub(super) unsettled: usize,
}

impl Scope {
    pub(super) fn new(size: usize) -> Self {
        Self {
            steps: vec![Step::default(); size],
            unsettled: size,
        }
    }
}

/// One step.
#[derive(Debug, Clone, Default)]
pub(super) struct Step {
    pub(super) phase: Phase,
    /// Given out by this value and not yet answered by a record.
    pub(super) issued: bool,
    /// Number of the last attempt that a record names.
    pub(super) attempts: u32,
    /// Intents since the last result: how often a host stopped at work.
    pub(super) stops: u32,
    /// When the first intent was recorded.
    pub(super) first_intent_ms: Option<u64>,
    pub(super) ready_at_ms: u64,
    pub(super) ended_at_ms: u64,
    pub(super) output: Option<Arc<Value>>,
    /// What it used outside.
    pub(super) used: Vec<String>,
    /// The output in a few words, made when it is first shown.
    pub(super) summary: OnceLock<String>,
    /// Why the last attempt failed.
    pub(super) last_failure: Option<Failure>,
    pub(super) rounds: Option<Box<Rounds>>,
    pub(super) question: Option<Box<Question>>,
    /// Who decided, and in what words: `ana: the feed is a test`.
    pub(super) answer: Option<String>,
}

/// What a step is doing.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Phase {
    /// Waits for other steps.
    #[default]
    Blocked,
    /// Can start.
    Ready,
    /// Will be skipped, for this reason.
    ToSkip(String),
    /// An attempt may have had an effect; its end is not recorded.
    Working,
    /// Tries again at this time.
    Retrying(u64),
    /// Waits for this time.
    Waiting(u64),
    /// Waits for a person, until this time if there is one.
    Asking(Option<u64>),
    /// Its rounds run.
    Looping,
    /// Has its output; for a switch with the position of its case.
    Done(Option<usize>),
    /// Did not run.
    Skipped(String),
    /// Failed for good.
    Failed,
    /// A person said no.
    Rejected,
    /// Nobody answered in time.
    Expired,
}

impl Phase {
    pub(super) fn is_settled(&self) -> bool {
        matches!(
            self,
            Self::Done(_) | Self::Skipped(_) | Self::Failed | Self::Rejected | Self::Expired
        )
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Ready => "ready",
            Self::ToSkip(_) => "about to be skipped",
            Self::Working => "at work",
            Self::Retrying(_) => "waiting for its next attempt",
            Self::Waiting(_) => "waiting",
            Self::Asking(_) => "waiting for a person",
            Self::Looping => "in its rounds",
            Self::Done(_) => "done",
            Self::Skipped(_) => "skipped",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }
}

/// The rounds of a loop.
#[derive(Debug, Clone)]
pub(super) struct Rounds {
    pub(super) items: Arc<Vec<Value>>,
    /// Number of rounds; known from the record, or equal to the items before it is written.
    pub(super) count: u32,
    pub(super) started: u32,
    pub(super) finished: u32,
    pub(super) running: BTreeMap<u32, Scope>,
    pub(super) results: Vec<Option<Arc<Value>>>,
}

impl Rounds {
    pub(super) fn new(items: Arc<Vec<Value>>, count: u32) -> Self {
        let results = vec![None; items.len()];
        Self {
            items,
            count,
            started: 0,
            finished: 0,
            running: BTreeMap::new(),
            results,
        }
    }
}

/// A question that was put to a person.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) approval: ApprovalId,
    pub(super) title: String,
    pub(super) show: Arc<Value>,
    pub(super) approvers: Vec<String>,
    pub(super) asked_at_ms: u64,
}

/// The name of an event in errors.
pub(super) fn event_name(event: &Event) -> &'static str {
    match event {
        Event::Accepted { .. } => "accepted",
        Event::Intent { .. } => "intent",
        Event::Completed { .. } => "completed",
        Event::AttemptFailed { .. } => "attempt_failed",
        Event::Skipped { .. } => "skipped",
        Event::LoopStarted { .. } => "loop_started",
        Event::WaitStarted { .. } => "wait_started",
        Event::ApprovalRequested { .. } => "approval_requested",
        Event::Decided { .. } => "decided",
        Event::TimerFired { .. } => "timer_fired",
        Event::CancelRequested { .. } => "cancel_requested",
        Event::Log { .. } => "log",
        Event::Ended { .. } => "ended",
    }
}

impl RunState {
    pub(super) fn plan_node(&self, at: &StepRef) -> Option<&PlanNode> {
        self.plan.node(at.node)
    }

    /// The step as records write it; `None` only for numbers that are not of this plan.
    pub(super) fn key(&self, at: &StepRef) -> Option<StepKey> {
        let mut path = Vec::with_capacity(at.path.len());
        for (number, round) in &at.path {
            path.push((self.plan.node(*number)?.id.clone(), *round));
        }
        Some(StepKey {
            path,
            node: self.plan.node(at.node)?.id.clone(),
        })
    }

    /// The step of a key, if the plan has such a step.
    pub(super) fn locate(&self, key: &StepKey) -> Option<StepRef> {
        let node = *self.plan.by_id.get(key.node.as_str())?;
        let loops = &self.plan.node(node)?.loops;
        if loops.len() != key.path.len() {
            return None;
        }
        let mut path = Vec::with_capacity(loops.len());
        for (number, (id, round)) in loops.iter().zip(&key.path) {
            if self.plan.node(*number)?.id != *id {
                return None;
            }
            path.push((*number, *round));
        }
        Some(StepRef { path, node })
    }

    pub(super) fn scope(&self, path: &[(usize, u32)]) -> Option<&Scope> {
        let mut scope = &self.root;
        for (number, round) in path {
            let slot = self.plan.node(*number)?.slot;
            scope = scope.steps.get(slot)?.rounds.as_ref()?.running.get(round)?;
        }
        Some(scope)
    }

    pub(super) fn scope_mut(&mut self, path: &[(usize, u32)]) -> Option<&mut Scope> {
        let plan = &self.plan;
        let mut scope = &mut self.root;
        for (number, round) in path {
            let slot = plan.node(*number)?.slot;
            scope = scope
                .steps
                .get_mut(slot)?
                .rounds
                .as_mut()?
                .running
                .get_mut(round)?;
        }
        Some(scope)
    }

    pub(super) fn step(&self, at: &StepRef) -> Option<&Step> {
        let slot = self.plan.node(at.node)?.slot;
        self.scope(&at.path)?.steps.get(slot)
    }

    pub(super) fn step_mut(&mut self, at: &StepRef) -> Option<&mut Step> {
        let slot = self.plan.node(at.node)?.slot;
        self.scope_mut(&at.path)?.steps.get_mut(slot)
    }
}
