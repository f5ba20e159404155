//! What follows when a step is settled.

use std::sync::Arc;

use serde_json::Value;

use super::RunState;
use super::steps::{Phase, Scope, StepRef};
use crate::plan::{PlanNode, Wanted};

impl RunState {
    /// Settles a step, and whatever follows from that.
    pub(super) fn settle(&mut self, at: &StepRef, phase: Phase, output: Option<Arc<Value>>, at_ms: u64) {
        let plan = Arc::clone(&self.plan);
        let Some(node) = plan.node(at.node) else { return };
        let Some(scope) = self.scope_mut(&at.path) else {
            return;
        };
        let Some(step) = scope.steps.get_mut(node.slot) else {
            return;
        };
        step.phase = phase;
        step.issued = false;
        step.output = output;
        step.ended_at_ms = at_ms;
        scope.unsettled = scope.unsettled.saturating_sub(1);
        let finished = scope.unsettled == 0;
        if finished {
            if let Some((around, round)) = at.path.split_last().map(|((number, round), rest)| {
                (
                    StepRef {
                        path: rest.to_vec(),
                        node: *number,
                    },
                    *round,
                )
            }) {
                self.finish_round(&around, round, at_ms);
            }
            return;
        }
        let body = plan.body(node.loops.last().copied());
        for slot in &node.dependents {
            if let Some(number) = body.and_then(|body| body.nodes.get(*slot)) {
                self.look_at(
                    StepRef {
                        path: at.path.clone(),
                        node: *number,
                    },
                    at_ms,
                );
            }
        }
    }

    /// Makes a blocked step ready, or ready to be skipped, if nothing holds it any more.
    fn look_at(&mut self, at: StepRef, at_ms: u64) {
        let plan = Arc::clone(&self.plan);
        let Some(node) = plan.node(at.node) else { return };
        let Some(scope) = self.scope(&at.path) else { return };
        let blocked = scope
            .steps
            .get(node.slot)
            .is_some_and(|step| step.phase == Phase::Blocked);
        if !blocked {
            return;
        }
        let body = plan.body(node.loops.last().copied());
        let other = |slot: usize| body.and_then(|body| plan.node(*body.nodes.get(slot)?));
        if let Some(phase) = readiness(scope, node, other) {
            self.make_ready(at, phase, at_ms);
        }
    }
}

/// What a blocked step becomes; `None` while something holds it.
fn readiness<'p>(
    scope: &Scope,
    node: &PlanNode,
    other: impl Fn(usize) -> Option<&'p PlanNode>,
) -> Option<Phase> {
    let phase = |slot: usize| scope.steps.get(slot).map(|step| &step.phase);
    let settled = |slot: usize| phase(slot).is_some_and(Phase::is_settled);
    if !node.needs.iter().chain(&node.asks).all(|slot| settled(*slot)) {
        return None;
    }
    let name = |slot: usize| other(slot).map_or("", |node| node.id.as_str());
    for slot in &node.needs {
        if let Some(Phase::Skipped(_) | Phase::Failed) = phase(*slot) {
            return Some(Phase::ToSkip(format!("`{}` did not run", name(*slot))));
        }
    }
    let happened = |slot: usize, wanted: Wanted| match (phase(slot), wanted) {
        (Some(Phase::Done(_)), Wanted::Good)
        | (Some(Phase::Rejected), Wanted::Rejected)
        | (Some(Phase::Expired), Wanted::Expired) => true,
        (Some(Phase::Done(chosen)), Wanted::Case(case)) => *chosen == Some(case),
        _ => false,
    };
    if node.after.is_empty() || node.after.iter().any(|after| happened(after.slot, after.outcome)) {
        return Some(Phase::Ready);
    }
    if !node.after.iter().all(|after| settled(after.slot)) {
        return None;
    }
    let reasons: Vec<String> = node
        .after
        .iter()
        .filter_map(|after| {
            other(after.slot).map(|node| after.outcome.describe(node.id.as_str(), &node.kind))
        })
        .collect();
    Some(Phase::ToSkip(reasons.join(", ")))
}
