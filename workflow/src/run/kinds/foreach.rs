//! `foreach`: a body for each element of a list.

use std::sync::Arc;

use flowforge_protocol::record::Event;
use flowforge_protocol::{Digest, StepKey};
use serde_json::{Map, Value};

use super::{Start, Started, kind_of, wrong};
use crate::limits::MAX_LIST;
use crate::plan::{LoopPlan, Plan, PlanKind};
use crate::run::state::RunState;
use crate::run::steps::{Phase, Rounds, Scope, StepRef};
use crate::run::{ApplyError, Command, Effort};

pub(super) fn begin(start: &Start<'_>, each: &LoopPlan) -> Started {
    let whole = Value::Array(items(start, each)?);
    let list = Digest::of_json(&whole);
    let items = listed(whole);
    let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
    start.list.set(Some(Arc::new(items)));
    Ok(Command::Record(Event::LoopStarted {
        step: start.key.clone(),
        count,
        list,
    }))
}

fn listed(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

/// The elements a loop runs over.
fn items(start: &Start<'_>, each: &LoopPlan) -> Result<Vec<Value>, flowforge_protocol::Failure> {
    match start.expression("foreach", &each.list)? {
        Value::Array(items) if items.len() <= MAX_LIST => Ok(items),
        Value::Array(items) => {
            let message = format!(
                "the list has {} elements, above the limit of {MAX_LIST}",
                items.len()
            );
            Err(wrong(start.key, "foreach", message))
        }
        other => {
            let message = format!("`foreach` needs a list, found {}", kind_of(&other));
            Err(wrong(start.key, "foreach", message))
        }
    }
}

/// What the records say of a loop that started.
pub(in crate::run) struct Begun<'r> {
    pub(in crate::run) count: u32,
    pub(in crate::run) list: &'r Digest,
    /// The list, if this process has just made it.
    pub(in crate::run) made: Option<Arc<Vec<Value>>>,
}

/// The loop is recorded as started. A list that is not at hand is made again from the same records; its digest says whether
/// it is the same.
pub(in crate::run) fn started(
    state: &mut RunState,
    at: &StepRef,
    key: &StepKey,
    begun: Begun<'_>,
    at_ms: u64,
) -> Result<(), ApplyError> {
    let plan = Arc::clone(&state.plan);
    let Some(PlanKind::Foreach(each)) = plan.node(at.node).map(|node| &node.kind) else {
        return Err(ApplyError::UnknownStep(key.clone()));
    };
    let count = begun.count;
    let items = match begun.made {
        Some(items) => items,
        None => Arc::new(made_again(state, at, key, each, &begun, at_ms)?),
    };
    if let Some(step) = state.step_mut(at) {
        step.rounds = Some(Box::new(Rounds::over(items, count)));
    }
    state.set_phase(at, Phase::Looping);
    if count == 0 {
        finish(state, at, at_ms);
    } else {
        for _ in 0..each.parallel.min(count) {
            start_round(state, at, each, at_ms);
        }
    }
    Ok(())
}

fn made_again(
    state: &RunState,
    at: &StepRef,
    key: &StepKey,
    each: &LoopPlan,
    begun: &Begun<'_>,
    at_ms: u64,
) -> Result<Vec<Value>, ApplyError> {
    let changed = |found: String| ApplyError::LoopChanged {
        step: key.clone(),
        recorded: begun.count,
        found,
    };
    let start = Start {
        state,
        at,
        key,
        ready_at_ms: state.step(at).map_or(at_ms, |step| step.ready_at_ms),
        now: super::Now { ms: at_ms },
        effort: Effort::default(),
        list: std::cell::Cell::default(),
    };
    let whole = Value::Array(items(&start, each).map_err(|failure| changed(failure.message))?);
    let same = Digest::of_json(&whole) == *begun.list;
    let items = listed(whole);
    if same {
        Ok(items)
    } else {
        Err(changed(format!("{} elements that are not the same", items.len())))
    }
}

/// Starts the next round, if there is one.
fn start_round(state: &mut RunState, at: &StepRef, each: &LoopPlan, at_ms: u64) {
    let Some(rounds) = state.step_mut(at).and_then(|step| step.rounds.as_mut()) else {
        return;
    };
    if rounds.started >= rounds.count {
        return;
    }
    let round = rounds.started;
    rounds.started += 1;
    rounds.running.insert(round, Scope::new(each.body.nodes.len()));
    state.keep_round(at, round);
    let mut path = at.path.clone();
    path.push((at.node, round));
    state.begin_body(&path, &each.body, at_ms);
}

impl RunState {
    /// All steps of a round are settled. While the loop fails, a round that ends well still counts, but nothing follows
    /// from it.
    pub(in crate::run) fn foreach_round_over(
        &mut self,
        around: &StepRef,
        each: &LoopPlan,
        round: u32,
        at_ms: u64,
    ) {
        let plan = Arc::clone(&self.plan);
        let Some(rounds) = self.step_mut(around).and_then(|step| step.rounds.as_mut()) else {
            return;
        };
        let Some(scope) = rounds.running.remove(&round) else {
            return;
        };
        if scope.steps.iter().any(|step| step.phase == Phase::Failed(false)) {
            // The run ends; this round has no result.
            return;
        }
        let result = round_result(scope, &each.body.nodes, &plan);
        if let Some(slot) = usize::try_from(round)
            .ok()
            .and_then(|at| rounds.results.get_mut(at))
        {
            *slot = Some(result);
        }
        rounds.finished += 1;
        let is_last = rounds.finished == rounds.count;
        if self.failing.contains(around) {
            return;
        }
        if is_last {
            finish(self, around, at_ms);
        } else if self.ending.is_none() {
            start_round(self, around, each, at_ms);
        }
    }
}

fn finish(state: &mut RunState, at: &StepRef, at_ms: u64) {
    let results = match state.step_mut(at).and_then(|step| step.rounds.as_mut()) {
        Some(rounds) => std::mem::take(&mut rounds.results),
        None => Vec::new(),
    };
    let values = results
        .into_iter()
        .map(|result| result.map_or(Value::Null, Arc::unwrap_or_clone));
    let output = Value::Array(values.collect());
    state.count(at, |counters| counters.done += 1);
    state.settle(at, Phase::Done(None), Some(Arc::new(output)), at_ms);
}

/// The result of a round: the output of its only node, or an object of all outputs.
pub(in crate::run) fn round_result(mut scope: Scope, body: &[usize], plan: &Plan) -> Arc<Value> {
    if let [only] = scope.steps.as_mut_slice() {
        return only.output.take().unwrap_or_default();
    }
    let mut out = Map::with_capacity(scope.steps.len());
    for (step, number) in scope.steps.into_iter().zip(body) {
        if let Some(node) = plan.node(*number) {
            out.insert(
                node.id.to_string(),
                step.output.map_or(Value::Null, Arc::unwrap_or_clone),
            );
        }
    }
    Arc::new(Value::Object(out))
}
