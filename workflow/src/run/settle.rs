//! What follows when a step is settled.

use std::sync::Arc;

use flowforge_protocol::record::Source;
use serde_json::Value;

use super::scope::hides_expiry;
use super::state::RunState;
use super::steps::{Phase, Scope, Step, StepRef};
use crate::order::Wanted;
use crate::plan::{PlanKind, PlanNode};

impl RunState {
    /// Puts a step into a phase in which something can be done about it.
    pub(super) fn make_actionable(&mut self, at: &StepRef, phase: Phase, at_ms: u64) {
        self.disarm(at);
        if let Some(step) = self.step_mut(at) {
            if matches!(step.phase, Phase::Blocked) {
                step.ready_at_ms = at_ms;
            }
            step.phase = phase;
            self.actionable.remove(at);
            self.actionable.push(at.clone());
        }
    }

    /// Puts a step into a phase in which nothing can be done about it.
    pub(super) fn set_phase(&mut self, at: &StepRef, phase: Phase) {
        self.disarm(at);
        self.actionable.remove(at);
        if let Some(step) = self.step_mut(at) {
            step.phase = phase;
        }
    }

    /// Forgets the time a step waits for.
    pub(super) fn disarm(&mut self, at: &StepRef) {
        let due = match self.step(at).map(|step| &step.phase) {
            Some(Phase::Waiting(waiting)) => waiting.due_ms,
            _ => None,
        };
        if let Some(due) = due {
            self.timers.remove(&(due, at.clone()));
        }
        self.signal_waits.remove(at);
    }

    pub(super) fn count(&mut self, at: &StepRef, change: impl FnOnce(&mut super::state::Counters)) {
        if let Some(counters) = self.counters.get_mut(at.node) {
            change(counters);
        }
    }

    /// Settles a step, and whatever follows from that.
    pub(super) fn settle(&mut self, at: &StepRef, phase: Phase, output: Option<Arc<Value>>, at_ms: u64) {
        let plan = Arc::clone(&self.plan);
        let Some(node) = plan.node(at.node) else { return };
        self.set_phase(at, phase);
        if let Some(step) = self.step_mut(at) {
            step.output = output;
            step.ended_at_ms = at_ms;
        }
        if node.id.is_undo() {
            self.undo_ended();
            return;
        }
        self.keep_settled(at);
        let own_effect = |step: &Step| matches!(step.phase, Phase::Done(_)) && step.source == Source::Step;
        if node.undo.is_some() && self.step(at).is_some_and(own_effect) {
            // Now, while everything that its input names is still there.
            self.remember_undo(at);
        }
        self.stand_in_ended(at, node, at_ms);
        let Some(scope) = self.scope_mut(&at.path) else {
            return;
        };
        scope.unsettled = scope.unsettled.saturating_sub(1);
        if scope.unsettled == 0 {
            if let Some((around, round)) = at.around() {
                self.finish_round(&around, round, at_ms);
            }
            return;
        }
        let body = plan.body(node.loops.last().copied());
        for slot in &node.dependents {
            if let Some(number) = body.and_then(|body| body.nodes.get(*slot)) {
                let dependent = StepRef {
                    path: at.path.clone(),
                    node: *number,
                };
                self.look_at(&dependent, at_ms);
            }
        }
    }

    /// A round of a loop has all its steps settled.
    fn finish_round(&mut self, around: &StepRef, round: u32, at_ms: u64) {
        let plan = Arc::clone(&self.plan);
        match plan.node(around.node).map(|node| &node.kind) {
            Some(PlanKind::Foreach(each)) => self.foreach_round_over(around, each, round, at_ms),
            Some(PlanKind::Repeat(_)) if !self.failing.contains(around) => {
                self.make_actionable(around, Phase::RoundOver(round), at_ms);
            }
            _ => {}
        }
    }

    /// Makes a blocked step ready, or ready to be skipped, if nothing holds it any more.
    pub(super) fn look_at(&mut self, at: &StepRef, at_ms: u64) {
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
            self.make_actionable(at, phase, at_ms);
        }
    }

    /// Starts what nothing holds in a body that begins.
    pub(super) fn begin_body(&mut self, path: &[(usize, u32)], body: &crate::plan::Body, at_ms: u64) {
        for slot in &body.roots {
            if let Some(node) = body.nodes.get(*slot) {
                let at = StepRef {
                    path: path.to_vec(),
                    node: *node,
                };
                self.make_ready(&at, at_ms);
            }
        }
    }

    /// A step can start, unless its node is disabled.
    pub(super) fn make_ready(&mut self, at: &StepRef, at_ms: u64) {
        let disabled = self.plan_node(at).is_some_and(|node| node.disabled);
        let phase = if disabled {
            Phase::ToSkip(DISABLED.to_owned())
        } else {
            Phase::Ready
        };
        self.make_actionable(at, phase, at_ms);
    }
}

/// Why a disabled node does not run.
const DISABLED: &str = "the node is disabled";

/// What a blocked step becomes; `None` while something holds it.
fn readiness<'p>(
    scope: &Scope,
    node: &PlanNode,
    other: impl Fn(usize) -> Option<&'p PlanNode>,
) -> Option<Phase> {
    let phase = |slot: usize| scope.steps.get(slot).map(|step| &step.phase);
    let settled = |slot: usize| phase(slot).is_some_and(Phase::is_settled);
    let name = |slot: usize| other(slot).map_or("", |node| node.id.as_str());
    if let Some(slot) = node.stands_in_for {
        match phase(slot) {
            Some(Phase::StandIn) => {}
            Some(other) if other.is_settled() => {
                return Some(Phase::ToSkip(format!("`{}` did not fail", name(slot))));
            }
            _ => return None,
        }
    }
    if !node.needs.iter().chain(&node.asks).all(|slot| settled(*slot)) {
        return None;
    }
    if node.disabled {
        return Some(Phase::ToSkip(DISABLED.to_owned()));
    }
    for slot in &node.needs {
        match phase(*slot) {
            Some(Phase::Skipped(_) | Phase::Failed(false)) => {
                return Some(Phase::ToSkip(format!("`{}` did not run", name(*slot))));
            }
            // After `NODE.failed` the failure itself is what the expression looks at, and so on.
            Some(Phase::Failed(true)) if !node.comes_after(*slot, Wanted::Failed) => {
                return Some(Phase::ToSkip(format!("`{}` failed", name(*slot))));
            }
            Some(Phase::Expired)
                if other(*slot).is_some_and(|node| hides_expiry(&node.kind))
                    && !node.comes_after(*slot, Wanted::Expired) =>
            {
                return Some(Phase::ToSkip(format!("`{}` expired", name(*slot))));
            }
            _ => {}
        }
    }
    let happened = |slot: usize, wanted: Wanted| match (phase(slot), wanted) {
        (Some(Phase::Done(_)), Wanted::Good)
        | (Some(Phase::Rejected), Wanted::Rejected)
        | (Some(Phase::Expired), Wanted::Expired)
        | (Some(Phase::Failed(true)), Wanted::Failed) => true,
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
            let node = other(after.slot)?;
            Some(match phase(after.slot) {
                Some(Phase::Skipped(_)) => format!("`{}` did not run", node.id),
                _ => after.outcome.describe(node.id.as_str(), &node.kind),
            })
        })
        .collect();
    Some(Phase::ToSkip(reasons.join(", ")))
}
