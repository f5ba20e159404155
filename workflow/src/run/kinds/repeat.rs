//! `repeat`: a body again and again, until a condition says that it is enough.

use std::sync::Arc;

use flowforge_protocol::awaited::{Await, Closing};
use flowforge_protocol::record::{Event, Source};
use flowforge_protocol::{Digest, Failure, FailureKind};
use serde_json::Value;

use super::foreach::round_result;
use super::{Start, Started, kind_of, wrong};
use crate::plan::{PlanKind, RepeatPlan};
use crate::run::Command;
use crate::run::scope::Names;
use crate::run::state::RunState;
use crate::run::steps::{Phase, Rounds, Scope, Step, StepRef};

/// A loop over rounds has no list: its start is recorded like that of one over an empty list.
pub(super) fn begin(start: &Start<'_>) -> Started {
    Ok(Command::Record(Event::LoopStarted {
        step: start.key.clone(),
        count: 0,
        list: Digest::of_json(&Value::Null),
    }))
}

/// The loop is recorded as started.
pub(in crate::run) fn started(state: &mut RunState, at: &StepRef, repeat: &RepeatPlan, at_ms: u64) {
    if let Some(step) = state.step_mut(at) {
        step.rounds = Some(Box::new(Rounds::repeated(repeat.max_rounds)));
    }
    start_round(state, at, repeat, at_ms);
}

fn start_round(state: &mut RunState, at: &StepRef, repeat: &RepeatPlan, at_ms: u64) {
    state.set_phase(at, Phase::Looping);
    let Some(rounds) = state.step_mut(at).and_then(|step| step.rounds.as_mut()) else {
        return;
    };
    let round = rounds.started;
    rounds.started += 1;
    // Only one round runs at a time.
    rounds.items = Arc::new(vec![Value::from(u64::from(round) + 1)]);
    rounds.running.insert(round, Scope::new(repeat.body.nodes.len()));
    state.keep_round(at, round);
    let mut path = at.path.clone();
    path.push((at.node, round));
    state.begin_body(&path, &repeat.body, at_ms);
}

/// A round is over: whether another follows is decided once and recorded.
pub(in crate::run) fn decide(start: &Start<'_>, repeat: &RepeatPlan, round: u32) -> Started {
    let mut path = start.at.path.clone();
    path.push((start.at.node, round));
    let names = Names {
        state: start.state,
        path: &path,
        of: None,
    };
    let place = if repeat.goes_on_while {
        "repeat.while"
    } else {
        "repeat.until"
    };
    let value = repeat
        .condition
        .evaluate(&names, start.effort.context(start.state.last_at_ms))
        .map_err(|error| super::failed(start.key, place, &error))?;
    let Value::Bool(holds) = value else {
        let message = format!("the condition must be true or false, found {}", kind_of(&value));
        return Err(wrong(start.key, place, message));
    };
    let again = holds == repeat.goes_on_while;
    if again && round.saturating_add(1) >= repeat.max_rounds {
        let message = format!(
            "{} rounds are over, and the condition asks for more",
            repeat.max_rounds
        );
        return Err(Failure::new(FailureKind::Limit, message).with_code("FF-RUN-121"));
    }
    Ok(Command::Record(Event::RoundEnded {
        step: start.key.clone(),
        round,
        again,
    }))
}

/// It is recorded whether another round follows.
pub(in crate::run) fn round_ended(state: &mut RunState, at: &StepRef, round: u32, again: bool, at_ms: u64) {
    let plan = Arc::clone(&state.plan);
    let Some(PlanKind::Repeat(repeat)) = plan.node(at.node).map(|node| &node.kind) else {
        return;
    };
    let Some(rounds) = state.step_mut(at).and_then(|step| step.rounds.as_mut()) else {
        return;
    };
    rounds.finished = rounds.finished.saturating_add(1);
    let scope = rounds.running.remove(&round);
    let is_reused = scope.as_ref().is_some_and(is_reused);
    if !again {
        let result = scope.map(|scope| round_result(scope, &repeat.body.nodes, &plan));
        state.count(at, |counters| counters.done += 1);
        state.settle(at, Phase::Done(None), result, at_ms);
    } else if repeat.pause_ms > 0 && !is_reused {
        state.make_actionable(at, Phase::ToPause(round.saturating_add(1)), at_ms);
    } else {
        start_round(state, at, repeat, at_ms);
    }
}

/// Whether nothing of a round ran here: its results are of the run before, which has rested after it.
fn is_reused(scope: &Scope) -> bool {
    let reused = |step: &Step| step.source == Source::Reused;
    let mut steps = scope.steps.iter();
    steps.all(|step| reused(step) || matches!(step.phase, Phase::Skipped(_)))
        && scope.steps.iter().any(reused)
}

/// The rest between two rounds.
pub(in crate::run) fn pause(start: &Start<'_>, repeat: &RepeatPlan) -> Command {
    Command::Record(Event::AwaitOpened {
        step: start.key.clone(),
        awaits: Await::Time,
        due_ms: Some(start.now.ms.saturating_add(repeat.pause_ms)),
    })
}

pub(super) fn closed(state: &mut RunState, at: &StepRef, closing: &Closing, at_ms: u64) -> bool {
    let plan = Arc::clone(&state.plan);
    match (plan.node(at.node).map(|node| &node.kind), closing) {
        (Some(PlanKind::Repeat(repeat)), Closing::Due) => {
            start_round(state, at, repeat, at_ms);
            true
        }
        _ => false,
    }
}
