//! A run: records in, commands out.
//!
//! [`RunState::apply`] takes each record of the run in order; [`RunState::next`] says what to do next. Nothing else
//! changes the state, so replaying the records rebuilds it. Commands that were given once are not given again by the
//! same value; a state rebuilt from records gives everything unfinished again, which is what a restarted host needs.

mod apply;
mod next;
mod retry;
mod rounds;
mod scope;
mod settle;
mod steps;
mod summary;
mod view;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use flowforge_ports::Effect;
use flowforge_protocol::job::Trigger;
use flowforge_protocol::record::{Event, Outcome};
use flowforge_protocol::{ApprovalId, Digest, Failure, NodeId, RunId, StepKey};
use serde_json::{Map, Value};

pub use view::{NodeRow, NodeState, RunPhase, RunView, Totals, WaitingApproval};

use crate::plan::Plan;
use steps::{Scope, StepRef};

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Append this event as a record and apply it, now.
    Record(Event),
    /// Run an attempt of a step; its end is told with a `Completed` or an `AttemptFailed` record.
    Invoke(Box<Invoke>),
    /// Call [`RunState::next`] again at this time.
    Timer {
        /// The step that waits.
        step: StepKey,
        /// Milliseconds since 1970 UTC.
        due_ms: u64,
    },
}

/// One attempt to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Invoke {
    /// The step.
    pub step: StepKey,
    /// Its node: the key of its grants.
    pub node: NodeId,
    /// 1 for the first try.
    pub attempt: u32,
    /// `publisher:name`.
    pub connector: String,
    /// The operation.
    pub operation: String,
    /// Its input.
    pub input: Map<String, Value>,
    /// Time limit of the attempt, milliseconds.
    pub timeout_ms: u64,
    /// What a repetition would do.
    pub effect: Effect,
}

/// The moment of a call of [`RunState::next`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970 UTC. May go backwards; nothing is then due earlier than it was.
    pub ms: u64,
}

/// Why a record does not belong to this run at this point.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// A record is missing, or was applied already.
    #[error("record {found} applied, {expected} is next")]
    WrongSequence {
        /// The `seq` that is next.
        expected: u64,
        /// The `seq` that came.
        found: u64,
    },
    /// The first record must be `accepted`, and only the first.
    #[error("`accepted` is the first record and stands nowhere else")]
    WrongStart,
    /// Nothing comes after `ended`.
    #[error("the run has ended")]
    AfterEnd,
    /// The plan has no such step, or its loop has no such round now.
    #[error("there is no step `{0}` here")]
    UnknownStep(StepKey),
    /// The step is not in a state in which this can happen.
    #[error("step `{step}` is {state}: `{event}` cannot happen")]
    NotExpected {
        /// The step.
        step: StepKey,
        /// What it is doing.
        state: &'static str,
        /// What was recorded.
        event: &'static str,
    },
    /// The list of a loop is not as long as it was when the loop started: the definition or a record was changed.
    #[error("loop `{step}` started with {recorded} rounds, its list now gives {found}")]
    LoopChanged {
        /// The step.
        step: StepKey,
        /// Rounds when it started.
        recorded: u32,
        /// What the list gives now.
        found: String,
    },
}

/// Why a run stops before all its nodes are settled.
#[derive(Debug, Clone, PartialEq)]
enum Ending {
    Failed { node: NodeId, failure: Failure },
    Rejected { step: StepKey, by: String },
    Expired { step: StepKey },
    Cancelled { reason: String },
}

/// The state of a run.
#[derive(Debug, Clone)]
pub struct RunState {
    plan: Arc<Plan>,
    run: RunId,
    next_seq: u64,
    last_at_ms: u64,
    started_at_ms: u64,
    input: Arc<Value>,
    trigger: Arc<Value>,
    about: Arc<Value>,
    root: Scope,
    counters: Vec<Counters>,
    ready: VecDeque<StepRef>,
    timers: BTreeSet<(u64, StepRef)>,
    unannounced: Vec<(u64, StepRef)>,
    in_flight: usize,
    ending: Option<Ending>,
    end_given: bool,
    outcome: Option<Outcome>,
    ended_at_ms: u64,
}

/// What happened at one node, over all its steps.
#[derive(Debug, Clone, Copy, Default)]
struct Counters {
    tries: u64,
    done: u64,
    skipped: u64,
    failed: u64,
    elapsed_us: u64,
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
            ready: VecDeque::new(),
            timers: BTreeSet::new(),
            unannounced: Vec::new(),
            in_flight: 0,
            ending: None,
            end_given: false,
            outcome: None,
            ended_at_ms: 0,
        }
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

    /// How it ended, if it has.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// Attempts that this value gave out and that have not ended. When the run is to end, it waits for these.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether no further step will start: a step failed, a person said no, or a cancellation came.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending.is_some() || self.outcome.is_some()
    }

    /// Everything that waits for its time: step and due time in milliseconds since 1970 UTC, the soonest first.
    #[must_use]
    pub fn timers(&self) -> Vec<(StepKey, u64)> {
        self.timers
            .iter()
            .filter_map(|(due, at)| Some((self.key(at)?, *due)))
            .collect()
    }

    /// The soonest due time of all that waits, milliseconds since 1970 UTC.
    #[must_use]
    pub fn next_timer_ms(&self) -> Option<u64> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// Number of steps that completed; a loop counts as one, besides those inside it.
    #[must_use]
    pub fn steps_done(&self) -> u64 {
        self.counters.iter().map(|counters| counters.done).sum()
    }

    fn announce_trigger(trigger: &Trigger) -> Value {
        serde_json::to_value(trigger).unwrap_or_default()
    }
}

/// The id of the question that a step asks: the same on every replay.
#[must_use]
pub fn approval_id(run: &RunId, step: &StepKey) -> ApprovalId {
    let digest = Digest::of_parts(&[
        b"flowforge.approval.v1\n",
        run.as_str().as_bytes(),
        b"\n",
        step.to_string().as_bytes(),
    ]);
    let mut entropy = [0_u8; 16];
    for (to, from) in entropy.iter_mut().zip(digest.as_bytes()) {
        *to = *from;
    }
    ApprovalId::from_entropy(entropy)
}
