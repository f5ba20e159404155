//! The rounds of a loop.

use std::sync::Arc;

use flowforge_protocol::StepKey;
use serde_json::{Map, Value};

use super::steps::{Phase, Rounds, Scope, StepRef};
use super::{ApplyError, RunState};
use crate::plan::{LoopPlan, PlanKind};

impl RunState {
    pub(super) fn start_loop(
        &mut self,
        at: &StepRef,
        key: &StepKey,
        count: u32,
        at_ms: u64,
    ) -> Result<(), ApplyError> {
        let plan = Arc::clone(&self.plan);
        let changed = |found: String| ApplyError::LoopChanged {
            step: key.clone(),
            recorded: count,
            found,
        };
        let Some(PlanKind::Foreach(each)) = plan.node(at.node).map(|node| &node.kind) else {
            return Err(ApplyError::UnknownStep(key.clone()));
        };
        let step = self
            .step(at)
            .ok_or_else(|| ApplyError::UnknownStep(key.clone()))?;
        let ready_at_ms = step.ready_at_ms;
        // The list was made when the loop was begun here; a replay makes it from the same records.
        let items = match &step.rounds {
            Some(rounds) => Arc::clone(&rounds.items),
            None => self
                .items(at, key, &each.list, ready_at_ms)
                .map_err(|failure| changed(failure.message))?,
        };
        if u32::try_from(items.len()) != Ok(count) {
            return Err(changed(format!("{} elements", items.len())));
        }
        if let Some(step) = self.step_mut(at) {
            step.rounds = Some(Box::new(Rounds::new(items, count)));
        }
        self.set_phase(at, Phase::Looping);
        if count == 0 {
            self.finish_loop(at, at_ms);
        } else {
            for _ in 0..each.parallel.min(count) {
                self.start_round(at, each, at_ms);
            }
        }
        Ok(())
    }

    /// Starts the next round of a loop, if there is one.
    fn start_round(&mut self, at: &StepRef, each: &LoopPlan, at_ms: u64) {
        let Some(rounds) = self.step_mut(at).and_then(|step| step.rounds.as_mut()) else {
            return;
        };
        if rounds.started >= rounds.count {
            return;
        }
        let round = rounds.started;
        rounds.started += 1;
        rounds.running.insert(round, Scope::new(each.body.nodes.len()));
        let mut path = at.path.clone();
        path.push((at.node, round));
        for slot in &each.body.roots {
            if let Some(node) = each.body.nodes.get(*slot) {
                self.make_ready(
                    StepRef {
                        path: path.clone(),
                        node: *node,
                    },
                    Phase::Ready,
                    at_ms,
                );
            }
        }
    }

    pub(super) fn finish_round(&mut self, around: &StepRef, round: u32, at_ms: u64) {
        let plan = Arc::clone(&self.plan);
        let Some(PlanKind::Foreach(each)) = plan.node(around.node).map(|node| &node.kind) else {
            return;
        };
        let Some(rounds) = self.step_mut(around).and_then(|step| step.rounds.as_mut()) else {
            return;
        };
        let Some(scope) = rounds.running.remove(&round) else {
            return;
        };
        if scope.steps.iter().any(|step| step.phase == Phase::Failed) {
            // The run ends; this round has no result.
            return;
        }
        let result = round_result(scope, each, &plan);
        if let Some(slot) = usize::try_from(round)
            .ok()
            .and_then(|at| rounds.results.get_mut(at))
        {
            *slot = Some(result);
        }
        rounds.finished += 1;
        if rounds.finished == rounds.count {
            self.finish_loop(around, at_ms);
        } else if self.ending.is_none() {
            self.start_round(around, each, at_ms);
        }
    }

    fn finish_loop(&mut self, at: &StepRef, at_ms: u64) {
        let results = match self.step_mut(at).and_then(|step| step.rounds.as_mut()) {
            Some(rounds) => std::mem::take(&mut rounds.results),
            None => Vec::new(),
        };
        let values = results
            .into_iter()
            .map(|result| result.map_or(Value::Null, Arc::unwrap_or_clone));
        let output = Value::Array(values.collect());
        self.count(at, |counters| counters.done += 1);
        self.settle(at, Phase::Done(None), Some(Arc::new(output)), at_ms);
    }
}

/// The result of a round: the output of its only node, or an object of all outputs.
fn round_result(mut scope: Scope, each: &LoopPlan, plan: &crate::plan::Plan) -> Arc<Value> {
    if let [only] = scope.steps.as_mut_slice() {
        return only.output.take().unwrap_or_default();
    }
    let mut out = Map::with_capacity(scope.steps.len());
    for (step, number) in scope.steps.into_iter().zip(&each.body.nodes) {
        if let Some(node) = plan.node(*number) {
            out.insert(
                node.id.to_string(),
                step.output.map_or(Value::Null, Arc::unwrap_or_clone),
            );
        }
    }
    Arc::new(Value::Object(out))
}
