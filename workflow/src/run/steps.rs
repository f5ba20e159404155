//! Steps and where they are.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use flowforge_protocol::awaited::Await;
use flowforge_protocol::record::Source;
use flowforge_protocol::used::{UseCount, Used};
use flowforge_protocol::{ApprovalId, Digest, Failure, RunId, StepKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::RunState;
use crate::plan::PlanNode;

/// A step by numbers: the rounds of the loops around it, outermost first, and its node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct StepRef {
    pub(super) path: Vec<(usize, u32)>,
    pub(super) node: usize,
}

impl StepRef {
    /// The loop around it and the round it is in, if it is in one.
    pub(super) fn around(&self) -> Option<(Self, u32)> {
        let ((number, round), rest) = self.path.split_last()?;
        let around = Self {
            path: rest.to_vec(),
            node: *number,
        };
        Some((around, *round))
    }

    /// Whether it is a step of a round of this loop, however deep.
    pub(super) fn is_inside(&self, around: &Self) -> bool {
        let place = around.path.len();
        self.path.get(..place) == Some(around.path.as_slice())
            && self
                .path
                .get(place)
                .is_some_and(|(number, _)| *number == around.node)
    }
}

/// The steps of one body: the workflow's, or one round's of a loop.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Step {
    pub(super) phase: Phase,
    /// Number of the last attempt that a record names.
    pub(super) attempts: u32,
    /// Digest of the input that the first intent names: a repetition must have the same.
    pub(super) input_digest: Option<Digest>,
    /// When the first intent was recorded.
    pub(super) first_intent_ms: Option<u64>,
    /// When the first failure of an attempt was recorded.
    pub(super) first_failure_ms: Option<u64>,
    pub(super) ready_at_ms: u64,
    pub(super) ended_at_ms: u64,
    pub(super) output: Option<Arc<Value>>,
    /// What it used outside.
    pub(super) used: Vec<Used>,
    /// The output in a few words, made when it is first shown.
    #[serde(skip)]
    pub(super) summary: OnceLock<String>,
    /// Why the last attempt failed.
    pub(super) last_failure: Option<Failure>,
    pub(super) rounds: Option<Box<Rounds>>,
    /// What the node waits or waited for as such: a person, a signal, a child.
    pub(super) question: Option<Box<Question>>,
    /// Who ended the waiting, and in what words: `ana: the feed is a test`.
    pub(super) answer: Option<String>,
    /// Whether its fallback had its turn.
    pub(super) stood_in: bool,
    /// Where its result is from.
    pub(super) source: Source,
}

impl Step {
    pub(super) fn add_used(&mut self, used: &[Used]) {
        if used.is_empty() {
            return;
        }
        let mut all = UseCount::default();
        all.extend(&self.used);
        all.extend(used);
        self.used = all.list();
    }
}

/// What a step is doing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    /// Is to wait for its next attempt until this time.
    ToRetry(u64),
    /// Waits for something outside.
    Waiting(Box<Waiting>),
    /// Its rounds run.
    Looping,
    /// A round of a `repeat` is over; whether another follows is not recorded.
    RoundOver(u32),
    /// A `repeat` rests between two rounds; the next is this one.
    ToPause(u32),
    /// Failed, and its fallback is to give its result.
    ToFallBack,
    /// Failed, and another node stands in for it.
    StandIn,
    /// Has its output; for a switch with the position of its case.
    Done(Option<usize>),
    /// Did not run.
    Skipped(String),
    /// Failed for good; whether nodes can come after that.
    Failed(bool),
    /// A person said no.
    Rejected,
    /// Nobody answered in time.
    Expired,
}

/// A wait that is open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Waiting {
    /// For what.
    pub(super) awaits: Waited,
    pub(super) due_ms: Option<u64>,
    pub(super) since_ms: u64,
}

/// What is awaited, without its values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Waited {
    Time,
    Retry {
        attempt: u32,
    },
    Approval,
    Signal {
        name: String,
        correlation: Option<String>,
    },
    Child,
    Review {
        failure: Failure,
    },
}

impl Waited {
    pub(super) fn of(awaits: &Await) -> Self {
        match awaits {
            Await::Time => Self::Time,
            Await::Retry { attempt } => Self::Retry { attempt: *attempt },
            Await::Approval { .. } => Self::Approval,
            Await::Signal { name, correlation } => Self::Signal {
                name: name.clone(),
                correlation: correlation.clone(),
            },
            Await::Child { .. } => Self::Child,
            Await::Review { failure, .. } => Self::Review {
                failure: failure.clone(),
            },
        }
    }
}

impl Phase {
    pub(super) fn is_settled(&self) -> bool {
        matches!(
            self,
            Self::Done(_) | Self::Skipped(_) | Self::Failed(_) | Self::Rejected | Self::Expired
        )
    }

    /// Whether an attempt of the step can begin or end.
    pub(super) fn is_active(&self) -> bool {
        matches!(self, Self::Ready | Self::Working)
    }

    pub(super) fn waits_for(&self, wanted: impl Fn(&Waited) -> bool) -> bool {
        matches!(self, Self::Waiting(waiting) if wanted(&waiting.awaits))
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Ready => "ready",
            Self::ToSkip(_) => "about to be skipped",
            Self::Working => "at work",
            Self::ToRetry(_) => "about to wait for its next attempt",
            Self::Waiting(waiting) => match waiting.awaits {
                Waited::Time => "waiting",
                Waited::Retry { .. } => "waiting for its next attempt",
                Waited::Approval => "waiting for a person",
                Waited::Signal { .. } => "waiting for a signal",
                Waited::Child => "waiting for another run",
                Waited::Review { .. } => "waiting for a review",
            },
            Self::Looping => "in its rounds",
            Self::RoundOver(_) | Self::ToPause(_) => "between two rounds",
            Self::ToFallBack | Self::StandIn => "falling back",
            Self::Done(_) => "done",
            Self::Skipped(_) => "skipped",
            Self::Failed(_) => "failed",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }
}

/// The rounds of a loop.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Rounds {
    /// The elements of a `foreach`; of a `repeat` only the number of the round that runs, from 1.
    pub(super) items: Arc<Vec<Value>>,
    /// Number of rounds of a `foreach`; most rounds of a `repeat`.
    pub(super) count: u32,
    pub(super) started: u32,
    pub(super) finished: u32,
    pub(super) running: BTreeMap<u32, Scope>,
    /// Results of a `foreach` by round, of a `repeat` the last one.
    pub(super) results: Vec<Option<Arc<Value>>>,
}

impl Rounds {
    pub(super) fn over(items: Arc<Vec<Value>>, count: u32) -> Self {
        let results = vec![None; items.len()];
        Self {
            items,
            results,
            ..Self::repeated(count)
        }
    }

    pub(super) fn repeated(count: u32) -> Self {
        Self {
            items: Arc::default(),
            count,
            started: 0,
            finished: 0,
            running: BTreeMap::new(),
            results: Vec::new(),
        }
    }
}

/// What a node waits or waited for as such, for people.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Question {
    pub(super) what: Asked,
    pub(super) asked_at_ms: u64,
}

/// See [`Question`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Asked {
    Approval {
        approval: ApprovalId,
        title: String,
        show: Arc<Value>,
        approvers: Vec<String>,
    },
    Signal,
    Child(RunId),
}

impl Question {
    /// What is asked by opening this wait; `None` for one that is the host's own business.
    pub(super) fn of(awaits: &Await, asked_at_ms: u64) -> Option<Self> {
        let what = match awaits {
            Await::Approval {
                approval,
                question,
                approvers,
                terms: _,
            } => {
                let question = question.content();
                let part = |name: &str| question.and_then(|question| question.get(name));
                Asked::Approval {
                    approval: approval.clone(),
                    title: part("title")
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                        .to_owned(),
                    show: Arc::new(part("show").cloned().unwrap_or_default()),
                    approvers: approvers.clone(),
                }
            }
            Await::Signal { .. } => Asked::Signal,
            Await::Child { run, .. } => Asked::Child(run.clone()),
            Await::Time | Await::Retry { .. } | Await::Review { .. } => return None,
        };
        Some(Self { what, asked_at_ms })
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
        let node = self.plan.node(at.node)?;
        if node.id.is_undo() {
            return self.undos.step(at);
        }
        self.scope(&at.path)?.steps.get(node.slot)
    }

    pub(super) fn step_mut(&mut self, at: &StepRef) -> Option<&mut Step> {
        let plan = Arc::clone(&self.plan);
        let node = plan.node(at.node)?;
        if node.id.is_undo() {
            return self.undos.step_mut(at);
        }
        self.scope_mut(&at.path)?.steps.get_mut(node.slot)
    }
}
