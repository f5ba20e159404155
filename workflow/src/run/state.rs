//! The state of a run: what its records amount to.

use std::collections::BTreeSet;
use std::sync::Arc;

use flowforge_protocol::facts::RunFacts;
use flowforge_protocol::record::{Outcome, Trigger};
use flowforge_protocol::step_set::StepSet;
use flowforge_protocol::{RunId, StepKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ending::{Ending, Undos};
use super::fork::KeptRounds;
use super::inbox::Inbox;
#[cfg(doc)]
use super::inbox::MAX_UNTAKEN;
use super::steps::{Scope, StepRef};
use crate::plan::Plan;

/// The state of a run. Changed by [`RunState::apply`](Self::apply) alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunState {
    #[serde(skip)]
    pub(super) plan: Arc<Plan>,
    pub(super) run: RunId,
    pub(super) next_seq: u64,
    pub(super) last_at_ms: u64,
    pub(super) started_at_ms: u64,
    pub(super) input: Arc<Value>,
    pub(super) trigger: Arc<Value>,
    pub(super) about: Arc<Value>,
    pub(super) facts: RunFacts,
    pub(super) root: Scope,
    pub(super) counters: Vec<Counters>,
    /// Steps that something can be done about now, in the order in which they became so.
    pub(super) actionable: Actionable,
    /// Steps that wait, by the time at which their waiting ends.
    pub(super) timers: BTreeSet<(u64, StepRef)>,
    /// Steps that wait for a signal.
    pub(super) signal_waits: BTreeSet<StepRef>,
    /// Loops in which a step failed and that have a word for it.
    pub(super) failing: BTreeSet<StepRef>,
    pub(super) inbox: Inbox,
    pub(super) paused: Option<String>,
    pub(super) cancel_grace_ms: Option<u64>,
    pub(super) ending: Option<Ending>,
    pub(super) undos: Undos,
    /// Steps that ordered another run.
    pub(super) ordered: StepSet,
    pub(super) outcome: Option<Outcome>,
    pub(super) ended_at_ms: u64,
    /// Why this run can be shown and not gone on with, if so.
    pub(super) view_only: Option<ViewOnly>,
    /// What is remembered of rounds that are over, for a run that is to be retried.
    #[serde(skip)]
    pub(super) kept: Option<Box<KeptRounds>>,
}

/// Why a run can be shown and passed on, and not gone on with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ViewOnly {
    /// A later version recorded something that this one does not know.
    #[error("record {seq} is of a later version of FlowForge ({what}); update this host")]
    LaterVersion {
        /// The record.
        seq: u64,
        /// What it says of itself.
        what: String,
    },
    /// A value is not here: it was erased, or it stays on another host.
    #[error("a value of {bytes} bytes is not here, it was erased or stays elsewhere (record {seq})")]
    NoValue {
        /// The record.
        seq: u64,
        /// Size of the value.
        bytes: u64,
    },
}

/// Steps in the order in which they became actionable.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Actionable {
    next: u64,
    queue: BTreeSet<(u64, StepRef)>,
}

impl Actionable {
    pub(super) fn push(&mut self, at: StepRef) {
        self.queue.insert((self.next, at));
        self.next += 1;
    }

    /// Takes a step out. The queue is short: it holds what can be done at the same time.
    pub(super) fn remove(&mut self, at: &StepRef) {
        self.queue.retain(|(_, other)| other != at);
    }

    pub(super) fn remove_inside(&mut self, around: &StepRef) {
        self.queue.retain(|(_, other)| !other.is_inside(around));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &StepRef> {
        self.queue.iter().map(|(_, at)| at)
    }
}

/// What happened at one node, over all its steps.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Counters {
    pub(super) tries: u64,
    pub(super) done: u64,
    pub(super) skipped: u64,
    pub(super) elapsed_us: u64,
}

impl RunState {
    /// A run that has no record yet.
    #[must_use]
    pub fn new(plan: Arc<Plan>, run: RunId) -> Self {
        let root = Scope::new(plan.top.nodes.len());
        let counters = vec![Counters::default(); plan.nodes.len()];
        Self {
            root,
            counters,
            run,
            plan,
            next_seq: 0,
            last_at_ms: 0,
            started_at_ms: 0,
            input: Arc::new(Value::Null),
            trigger: Arc::new(Value::Null),
            about: Arc::new(Value::Null),
            facts: RunFacts::default(),
            actionable: Actionable::default(),
            timers: BTreeSet::new(),
            signal_waits: BTreeSet::new(),
            failing: BTreeSet::new(),
            inbox: Inbox::default(),
            paused: None,
            cancel_grace_ms: None,
            ending: None,
            undos: Undos::default(),
            ordered: StepSet::default(),
            outcome: None,
            ended_at_ms: 0,
            view_only: None,
            kept: None,
        }
    }

    /// The run follows this plan in the place of its release's: it finds the events of a trigger.
    pub(super) fn follow(&mut self, plan: Arc<Plan>) {
        self.root = Scope::new(plan.top.nodes.len());
        self.counters = vec![Counters::default(); plan.nodes.len()];
        self.plan = plan;
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// The plan it follows.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The `seq` of the record that comes next.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// What the records amount to: what a receipt states.
    #[must_use]
    pub fn facts(&self) -> &RunFacts {
        &self.facts
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// Whether no further step of the workflow will start: a step failed, a person said no, or a cancellation came.
    /// Steps that take effects back still run.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending.is_some() || self.outcome.is_some()
    }

    /// How long running attempts may go on after a cancellation, milliseconds from its record; `None` without one.
    #[must_use]
    pub fn cancel_grace_ms(&self) -> Option<u64> {
        self.cancel_grace_ms
    }

    /// Who paused the run and why, while it is paused.
    #[must_use]
    pub fn paused(&self) -> Option<&str> {
        self.paused.as_deref()
    }

    /// Whether nothing starts and no time comes: somebody paused the run, and nobody cancelled it since.
    pub(super) fn is_held(&self) -> bool {
        self.paused.is_some() && self.cancel_grace_ms.is_none()
    }

    /// Whether the order gives the result of this step.
    pub(super) fn is_given(&self, step: &StepKey) -> bool {
        let accepted = self.facts.accepted();
        step.path.is_empty() && accepted.is_some_and(|accepted| accepted.given.contains(&step.node))
    }

    /// Why this run can be shown and passed on, and not gone on with; `None` for one that can.
    #[must_use]
    pub fn view_only(&self) -> Option<&ViewOnly> {
        self.view_only.as_ref()
    }

    /// Number of signals that came and that no step has taken; a host refuses more than [`MAX_UNTAKEN`].
    #[must_use]
    pub fn untaken_signals(&self) -> usize {
        self.inbox.len()
    }

    /// The times that something is to be done at: not those of steps whose run or loop ends.
    fn open_timers(&self) -> impl Iterator<Item = &(u64, StepRef)> {
        let ends = self.ending.is_some();
        self.timers.iter().filter(move |(_, at)| {
            let undo = self.plan.node(at.node).is_some_and(|node| node.id.is_undo());
            undo == ends && !self.failing.iter().any(|around| at.is_inside(around))
        })
    }

    /// Everything that waits for a time: step and due time in milliseconds since 1970 UTC, the soonest first.
    #[must_use]
    pub fn timers(&self) -> Vec<(StepKey, u64)> {
        self.open_timers()
            .filter_map(|(due, at)| Some((self.key(at)?, *due)))
            .collect()
    }

    /// The soonest due time of all that waits, milliseconds since 1970 UTC; `None` while the run is paused.
    #[must_use]
    pub fn next_timer_ms(&self) -> Option<u64> {
        if self.is_held() {
            return None;
        }
        self.open_timers().next().map(|(due, _)| *due)
    }

    /// Number of steps that completed; a loop counts as one, besides those inside it.
    #[must_use]
    pub fn steps_done(&self) -> u64 {
        self.counters.iter().map(|counters| counters.done).sum()
    }

    /// The first generation of this run: what its effect keys are derived from.
    #[must_use]
    pub fn effect_root(&self) -> &RunId {
        let accepted = self.facts.accepted();
        accepted
            .and_then(|accepted| accepted.lineage.as_deref())
            .map_or(&self.run, |lineage| &lineage.root)
    }

    /// How often a completed effect of a step is repeated on purpose in this generation.
    #[must_use]
    pub fn repeats(&self, step: &StepKey) -> u32 {
        let accepted = self.facts.accepted();
        accepted
            .and_then(|accepted| accepted.lineage.as_deref())
            .and_then(|lineage| lineage.repeats.get(step).copied())
            .unwrap_or(0)
    }

    /// What identifiers at a place of a step are derived from. As the key of its effect: the same in every attempt, on every
    /// host and in a retry, another one when a completed effect is repeated on purpose.
    pub(super) fn seed(&self, step: &StepKey, place: &str) -> String {
        format!("{}/{step}/{}/{place}", self.effect_root(), self.repeats(step))
    }

    /// What expressions see of the trigger. A webhook's `body` has every field of the request: those that the input names,
    /// as the run got them, and all others; one that has no fields is the text that it is. So has the `event` that a trigger
    /// found.
    pub(super) fn announce_trigger(trigger: &Trigger, input: &Value, extra: Option<&Value>) -> Value {
        let mut announced = serde_json::to_value(trigger).unwrap_or_default();
        let name = match trigger {
            Trigger::Webhook { .. } => "body",
            Trigger::Event { .. } => "event",
            Trigger::Manual { .. }
            | Trigger::Schedule { .. }
            | Trigger::Parent { .. }
            | Trigger::Poll { .. }
            | Trigger::RunEnded { .. }
            | Trigger::Form { .. } => {
                return announced;
            }
        };
        if let Value::Object(fields) = &mut announced {
            let body = match extra {
                // A body without fields is kept whole beside the input.
                Some(whole) if !whole.is_object() => whole.clone(),
                others => {
                    let mut body = input.as_object().cloned().unwrap_or_default();
                    let others = others.and_then(Value::as_object).into_iter().flatten();
                    body.extend(others.map(|(name, value)| (name.clone(), value.clone())));
                    Value::Object(body)
                }
            };
            fields.insert(name.to_owned(), body);
        }
        announced
    }
}
