//! A run: records in, commands out.
//!
//! [`RunState`] is the fold over the records of a run: [`RunState::apply`] takes each in order, and nothing else changes
//! it. [`Execution`] adds what was given out to be done and is not answered yet, which is not durable: a host makes it
//! anew when it starts. [`Execution::next`] compares the two and says what to do: it changes nothing that a replay of the
//! records would not change.
//!
//! Everything that a step waits for is one thing, [`Await`](flowforge_protocol::awaited::Await): a record opens the wait
//! and another closes it. What a kind of node does stands in one file under `kinds`.

mod apply;
mod decided;
mod dispatch;
mod ending;
mod failing;
mod fork;
mod given;
mod inbox;
mod kinds;
mod moments;
mod retry;
mod scope;
mod settle;
mod shown;
mod snapshot;
mod state;
mod steps;
mod summary;
mod view;
mod words;

use flowforge_ports::Effect;
use flowforge_protocol::record::Event;
use flowforge_protocol::{NodeId, StepKey};
use serde_json::{Map, Value};

use crate::expr::{Allowance, Context, Interrupt};

pub use decided::DecisionRefusal;
pub use dispatch::{Evaluated, Execution, Next};
pub use fork::{ForkError, ForkPlan, RepeatedEffect};
pub use given::Given;
pub use inbox::MAX_UNTAKEN;
pub use retry::{Failed, after_stop, retry_at_ms};
pub use shown::{NodeRow, NodeState, OpenWait, RunPhase, RunView, Totals, WaitingApproval};
pub use snapshot::{SEMANTICS, SnapshotError};
pub use state::{RunState, ViewOnly};

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every command is a record, and none is kept"
)]
pub enum Command {
    /// Append this event as a record and apply it, now.
    Record(Event),
    /// Run an attempt of a step; its end is told with a `Completed` or an `AttemptFailed` record.
    Invoke(Box<Invoke>),
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
    /// How often a completed effect of it is repeated on purpose: part of its effect key.
    pub repeats: u32,
    /// `publisher:name`.
    pub connector: String,
    /// The operation.
    pub operation: String,
    /// Its input.
    pub input: Map<String, Value>,
    /// Time limit of the attempt, milliseconds.
    pub timeout_ms: u64,
    /// Longest silence of the attempt, milliseconds.
    pub idle_timeout_ms: Option<u64>,
    /// What a repetition would do.
    pub effect: Effect,
}

/// The moment of a call of [`Execution::next`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970 UTC. May go backwards; nothing is then due earlier than it was.
    pub ms: u64,
}

/// What the expressions of one call of [`Execution::next_of`] may cost together, and what stops them. By default each may
/// cost what any evaluation may, and nothing stops it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Effort<'e> {
    /// What they may cost in passing.
    pub allowance: Option<&'e Allowance>,
    /// Stops them.
    pub interrupt: Option<&'e Interrupt>,
}

impl<'e> Effort<'e> {
    /// The context of an expression at this moment, milliseconds since 1970 UTC.
    fn context(self, now_ms: u64) -> Context<'e> {
        Context {
            interrupt: self.interrupt,
            allowance: self.allowance,
            ..Context::from(now_ms)
        }
    }

    /// Whether an expression was left without a value because it costs too much here.
    fn is_used_up(self) -> bool {
        self.allowance.is_some_and(Allowance::is_used_up)
    }
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
    /// The list of a loop is not the one with which the loop started: the evaluator or a record was changed.
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
