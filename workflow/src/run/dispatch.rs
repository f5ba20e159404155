//! What to do next, and what was given out and is not answered yet.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flowforge_protocol::awaited::{Await, Closing};
use flowforge_protocol::record::{Event, Record, Source};
use flowforge_protocol::{Failure, FailureKind, MessageId, StepKey};
use serde_json::Value;

use super::given::Given;
use super::kinds::{self, Start, Started, call, child, repeat};
use super::state::RunState;
use super::steps::{Phase, StepRef, Waited};
use super::{ApplyError, Command, Effort, Now};
use crate::plan::{FallbackPlan, PlanKind, PlanNode};

/// What stands for the run's output where a step is named.
const OUTPUT: &str = "output";

/// Expressions that are evaluated next: those of a step, or of the run's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluated {
    at: Option<StepRef>,
    step: StepKey,
}

impl Evaluated {
    /// The step; `output` for the output of the run.
    #[must_use]
    pub fn step(&self) -> &StepKey {
        &self.step
    }
}

/// What is to be done next.
#[derive(Debug, Default, PartialEq)]
pub struct Next {
    /// What can be done now.
    pub commands: Vec<Command>,
    /// Expressions that cost more than they may here: evaluate them with [`Execution::next_of`] where they may take their
    /// time. What stands behind them comes later.
    pub too_costly: Option<Evaluated>,
}

/// A run that goes on: its state, and what was given out and is not answered yet.
#[derive(Debug)]
pub struct Execution {
    state: RunState,
    given: Given,
    /// Steps about which a command was given that no record answers yet.
    issued: BTreeSet<StepRef>,
    /// Those of them at which an attempt is under way.
    attempts: BTreeSet<StepRef>,
    /// Lists that were made for loops of which no record says yet that they started.
    lists: BTreeMap<StepRef, Arc<Vec<Value>>>,
    end_given: bool,
}

impl Execution {
    /// Goes on from a state. `given` is what the order that started the run gives in place of steps.
    #[must_use]
    pub fn new(state: RunState, given: Given) -> Self {
        Self {
            state,
            given,
            issued: BTreeSet::new(),
            attempts: BTreeSet::new(),
            lists: BTreeMap::new(),
            end_given: false,
        }
    }

    /// The state that the records amount to.
    #[must_use]
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// Attempts that were given out and have not ended. When the run is to end, it waits for these.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.attempts.len()
    }

    /// Whether nothing is under way and nothing can be done before something comes from outside: the run can leave memory.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.issued.is_empty()
    }

    /// Takes the next record. On an error nothing has changed.
    ///
    /// # Errors
    ///
    /// As [`RunState::apply`].
    pub fn apply(&mut self, record: Record) -> Result<(), ApplyError> {
        let answers = match &record.event {
            // The attempt goes on.
            Event::Intent { .. } | Event::Log { .. } => None,
            event => event.step().and_then(|step| self.state.locate(step)),
        };
        let list = answers.as_ref().and_then(|at| self.lists.remove(at));
        self.state.apply_with(&record, list)?;
        if let Some(at) = answers {
            self.issued.remove(&at);
            self.attempts.remove(&at);
        }
        Ok(())
    }

    /// What to do at this moment; nothing, if every command was given already.
    ///
    /// Apply each [`Command::Record`] before calling again; call again until no record comes.
    pub fn next(&mut self, now: Now) -> Vec<Command> {
        self.next_of(now, None, Effort::default()).commands
    }

    /// As [`Execution::next`], but of all expressions only these are evaluated, if some are named: for a host that is to
    /// know of which it dies. All of them may cost so much.
    pub fn next_of(&mut self, now: Now, only: Option<&Evaluated>, effort: Effort<'_>) -> Next {
        let mut next = Next::default();
        if self.state.outcome.is_some() || self.state.next_seq == 0 || self.state.view_only.is_some() {
            return next;
        }
        if self.state.is_held() {
            // What is under way goes on.
        } else {
            let ready: Vec<StepRef> = if self.state.ending.is_some() {
                self.undo_to_run(now, &mut next.commands)
            } else {
                self.close_waits(now, &mut next.commands);
                self.state.actionable.iter().cloned().collect()
            };
            for at in ready {
                if only.is_some_and(|only| only.at.as_ref() != Some(&at)) && self.evaluates(&at) {
                    continue;
                }
                next.commands.extend(self.act(&at, now, effort));
                if effort.is_used_up() {
                    next.too_costly = self.evaluated(at);
                    return next;
                }
            }
        }
        self.end(&mut next, effort);
        next
    }

    fn evaluated(&self, at: StepRef) -> Option<Evaluated> {
        let step = self.state.key(&at)?;
        Some(Evaluated { at: Some(at), step })
    }

    /// The run's output, as what is evaluated.
    fn evaluated_output() -> Option<Evaluated> {
        let step = StepKey::top(OUTPUT.parse().ok()?);
        Some(Evaluated { at: None, step })
    }

    /// The first expressions that [`Execution::next`] evaluates; `None` if it evaluates none.
    #[must_use]
    pub fn evaluates_next(&self) -> Option<Evaluated> {
        let state = &self.state;
        if state.outcome.is_some() || state.view_only.is_some() || state.is_held() {
            return None;
        }
        if state.ending.is_some() {
            // The outcome of a run that stops early is known.
            let at = self.next_undo().filter(|at| self.evaluates(at))?;
            return self.evaluated(at.clone());
        }
        if let Some(at) = state.actionable.iter().find(|at| self.evaluates(at)) {
            return self.evaluated(at.clone());
        }
        self.is_over().then(Self::evaluated_output).flatten()
    }

    /// Whether what can be done about this step now asks for its expressions.
    fn evaluates(&self, at: &StepRef) -> bool {
        let state = &self.state;
        let (Some(step), Some(node)) = (state.step(at), state.plan_node(at)) else {
            return false;
        };
        let asks = match (&step.phase, &node.kind) {
            (Phase::Ready | Phase::Working, _) if state.is_undo_known(at) => false,
            (Phase::Ready, _) => state.key(at).is_some_and(|key| self.given.get(&key).is_none()),
            (Phase::Working, PlanKind::Call(_)) | (Phase::RoundOver(_), PlanKind::Repeat(_)) => true,
            (Phase::ToFallBack, _) => matches!(node.fallback, Some(FallbackPlan::Value(_))),
            _ => false,
        };
        asks && !self.issued.contains(at) && !self.is_in_failing_loop(at)
    }

    /// Waits that a time or a signal ends.
    fn close_waits(&mut self, now: Now, out: &mut Vec<Command>) {
        let mut given_away = Vec::new();
        let waiting: Vec<StepRef> = self.state.signal_waits.iter().cloned().collect();
        for at in waiting {
            if let Some(message) = self.signal_for(&at, &given_away) {
                given_away.push(message.clone());
                self.close(&at, Closing::Signal { message }, out);
            }
        }
        self.close_due(now, out, |_| true);
    }

    fn close_due(&mut self, now: Now, out: &mut Vec<Command>, which: impl Fn(&PlanNode) -> bool) {
        let due = self.state.timers.iter().take_while(|(due, _)| *due <= now.ms);
        let due: Vec<StepRef> = due
            .map(|(_, at)| at)
            .filter(|at| self.state.plan_node(at).is_some_and(&which))
            .cloned()
            .collect();
        for at in due {
            self.close(&at, Closing::Due, out);
        }
    }

    fn signal_for(&self, at: &StepRef, given_away: &[MessageId]) -> Option<MessageId> {
        match &self.state.step(at)?.phase {
            Phase::Waiting(waiting) => match &waiting.awaits {
                Waited::Signal { name, correlation } => self
                    .state
                    .inbox
                    .answer(name, correlation.as_deref(), given_away)
                    .cloned(),
                _ => None,
            },
            _ => None,
        }
    }

    fn close(&mut self, at: &StepRef, closing: Closing, out: &mut Vec<Command>) {
        if self.issued.contains(at) || self.is_in_failing_loop(at) {
            return;
        }
        if let Some(step) = self.state.key(at) {
            self.issued.insert(at.clone());
            out.push(Command::Record(Event::AwaitClosed { step, closing }));
        }
    }

    fn is_in_failing_loop(&self, at: &StepRef) -> bool {
        self.state.failing.iter().any(|around| at.is_inside(around))
    }

    /// The command for a step about which something can be done, unless it was given already.
    fn act(&mut self, at: &StepRef, now: Now, effort: Effort<'_>) -> Option<Command> {
        if self.issued.contains(at) || self.is_in_failing_loop(at) {
            return None;
        }
        let state = &self.state;
        let node = state.plan.node(at.node)?;
        let step = state.step(at)?;
        let key = state.key(at)?;
        let start = Start {
            state,
            at,
            key: &key,
            ready_at_ms: step.ready_at_ms,
            now,
            effort,
            list: Cell::default(),
        };
        let command = match &step.phase {
            Phase::Ready => match self.given.get(&key) {
                Some((output, source)) => Ok(start.completed_from(Arc::clone(output), *source)),
                None if state.is_given(&key) => {
                    let message = "the order gives the result of this step, and it is not here";
                    Err(Failure::new(FailureKind::Invalid, message).with_code("FF-RUN-122"))
                }
                None => kinds::begin(&start, &node.kind).and_then(|command| self.given.fits(&key, command)),
            },
            Phase::Waiting(_) => Ok(start.completed(child::detached(state, at)?)),
            Phase::Looping => Ok(self.failed_loop(at, &key)?),
            phase => continued(&start, phase, node)?,
        };
        if effort.is_used_up() {
            return None;
        }
        let command = command.unwrap_or_else(|failure| failed_without_attempt(&key, failure));
        if let Some(list) = start.list.take() {
            self.lists.insert(at.clone(), list);
        }
        self.issued.insert(at.clone());
        if matches!(command, Command::Invoke(_)) {
            self.attempts.insert(at.clone());
        }
        Some(command)
    }

    /// A loop in which a step failed has failed itself when nothing in it is under way any more.
    fn failed_loop(&self, at: &StepRef, key: &StepKey) -> Option<Command> {
        let busy = self.attempts.iter().any(|other| other.is_inside(at));
        if busy || !self.state.failing.contains(at) {
            return None;
        }
        let failure = self.state.step(at)?.last_failure.clone()?;
        Some(failed_without_attempt(key, failure))
    }

    /// While a run ends, only the steps that take effects back run: one at a time, the newest effect first, once all
    /// attempts have ended.
    fn undo_to_run(&mut self, now: Now, out: &mut Vec<Command>) -> Vec<StepRef> {
        let next = self.next_undo().cloned();
        if next.is_some() {
            self.close_due(now, out, |node| node.id.is_undo());
        }
        next.into_iter().collect()
    }

    /// The step that takes an effect back now; none while other attempts are under way.
    fn next_undo(&self) -> Option<&StepRef> {
        let is_other = |at: &StepRef| self.state.plan_node(at).is_some_and(|node| !node.id.is_undo());
        let others = self.attempts.iter().any(is_other);
        self.state.current_undo().filter(|_| !others)
    }

    /// Ends the run, when everything that was given out is answered.
    fn end(&mut self, next: &mut Next, effort: Effort<'_>) {
        if !next.commands.is_empty() || !self.is_over() {
            return;
        }
        let outcome = self.state.outcome_now(effort);
        if effort.is_used_up() {
            next.too_costly = Self::evaluated_output();
            return;
        }
        self.end_given = true;
        next.commands.push(Command::Record(Event::Ended { outcome }));
    }

    /// Whether nothing but the end of the run is left, and that was not given out.
    fn is_over(&self) -> bool {
        let state = &self.state;
        let over = state.root.unsettled == 0 || state.ending.is_some();
        let takes_back = state.current_undo().is_some();
        over && !takes_back && !self.end_given && self.attempts.is_empty()
    }
}

/// What a step does that has begun, or will not begin.
fn continued(start: &Start<'_>, phase: &Phase, node: &PlanNode) -> Option<Started> {
    Some(match (phase, &node.kind) {
        (Phase::ToSkip(reason), _) => Ok(Command::Record(Event::Skipped {
            step: start.key.clone(),
            reason: reason.clone(),
        })),
        (Phase::Working, PlanKind::Call(call)) => call::go_on(start, call),
        (Phase::ToRetry(due), _) => Ok(Command::Record(Event::AwaitOpened {
            step: start.key.clone(),
            awaits: Await::Retry {
                attempt: start.state.step(start.at)?.attempts.saturating_add(1),
            },
            due_ms: Some(*due),
        })),
        (Phase::RoundOver(round), PlanKind::Repeat(repeat)) => repeat::decide(start, repeat, *round),
        (Phase::ToPause(_), PlanKind::Repeat(repeat)) => Ok(repeat::pause(start, repeat)),
        (Phase::ToFallBack, _) => match &node.fallback {
            Some(FallbackPlan::Value(template)) => start
                .template("fallback", template)
                .map(|output| start.completed_from(output, Source::Fallback)),
            _ => return None,
        },
        _ => return None,
    })
}

/// The record of a step that fails without an attempt.
fn failed_without_attempt(key: &StepKey, failure: Failure) -> Command {
    Command::Record(Event::AttemptFailed {
        step: key.clone(),
        attempt: 0,
        failure,
        retry_at_ms: None,
        elapsed_us: 0,
        used: Vec::new(),
    })
}
