//! What the failure of a step means: for its node, for the loops around it, for the run.

use std::sync::Arc;

use flowforge_protocol::Failure;
use serde_json::{Value, json};

use super::ending::Ending;
use super::state::RunState;
use super::steps::{Phase, StepRef};
use crate::model::OnError;
use crate::plan::{FallbackPlan, PlanNode};

impl RunState {
    /// A step has failed for good.
    pub(super) fn fail(&mut self, at: &StepRef, failure: Failure, at_ms: u64) {
        let plan = Arc::clone(&self.plan);
        let Some(node) = plan.node(at.node) else { return };
        self.count(at, |counters| counters.failed += 1);
        if let Some(step) = self.step_mut(at) {
            step.last_failure = Some(failure.clone());
        }
        if node.id.is_undo() {
            self.settle(at, Phase::Failed(false), None, at_ms);
            return;
        }
        self.failing.remove(at);
        self.drop_rounds(at);
        match &node.fallback {
            Some(FallbackPlan::Value(_)) if !self.is_stood_in(at) => {
                self.make_actionable(at, Phase::ToFallBack, at_ms);
                return;
            }
            Some(FallbackPlan::Node(slot)) if !self.is_stood_in(at) => {
                self.set_phase(at, Phase::StandIn);
                let body = plan.body(node.loops.last().copied());
                if let Some(number) = body.and_then(|body| body.nodes.get(*slot)) {
                    let stand_in = StepRef {
                        path: at.path.clone(),
                        node: *number,
                    };
                    self.look_at(&stand_in, at_ms);
                }
                return;
            }
            _ => {}
        }
        self.fail_unaided(at, node, failure, at_ms);
    }

    /// A step has failed and nothing stands in for it.
    fn fail_unaided(&mut self, at: &StepRef, node: &PlanNode, failure: Failure, at_ms: u64) {
        if node.on_error == OnError::Branch {
            let output = Arc::new(json!({ "failure": failure }));
            self.settle(at, Phase::Failed(true), Some(output), at_ms);
            return;
        }
        if let Some(around) = self.loop_that_handles(at) {
            if let Some(step) = self.step_mut(&around) {
                step.last_failure = Some(failure);
            }
            self.settle(at, Phase::Failed(false), None, at_ms);
            self.failing.insert(around.clone());
            // Nothing more starts inside; the loop's own failure is recorded when what runs there has ended.
            self.actionable.remove_inside(&around);
            self.make_actionable(&around, Phase::Looping, at_ms);
            return;
        }
        let node = node.id.clone();
        self.ending.get_or_insert(Ending::Failed { node, failure });
        self.settle(at, Phase::Failed(false), None, at_ms);
    }

    /// The innermost loop around a step that has a word for failures.
    fn loop_that_handles(&self, at: &StepRef) -> Option<StepRef> {
        let mut inner = at.clone();
        while let Some((around, _)) = inner.around() {
            let node = self.plan_node(&around)?;
            if node.on_error == OnError::Branch || node.fallback.is_some() {
                return Some(around);
            }
            inner = around;
        }
        None
    }

    fn is_stood_in(&self, at: &StepRef) -> bool {
        self.step(at).is_some_and(|step| step.stood_in)
    }

    /// A loop that failed keeps no rounds.
    fn drop_rounds(&mut self, at: &StepRef) {
        self.actionable.remove_inside(at);
        self.timers.retain(|(_, other)| !other.is_inside(at));
        self.failing.retain(|other| !other.is_inside(at));
        if let Some(rounds) = self.step_mut(at).and_then(|step| step.rounds.as_mut()) {
            rounds.running.clear();
        }
    }

    /// If this step stands in for another one, that one has its result now.
    pub(super) fn stand_in_ended(&mut self, at: &StepRef, node: &PlanNode, at_ms: u64) {
        let Some(slot) = node.stands_in_for else { return };
        let plan = Arc::clone(&self.plan);
        let body = plan.body(node.loops.last().copied());
        let Some(number) = body.and_then(|body| body.nodes.get(slot)) else {
            return;
        };
        let original = StepRef {
            path: at.path.clone(),
            node: *number,
        };
        let waits = self
            .step(&original)
            .is_some_and(|step| matches!(step.phase, Phase::StandIn));
        if !waits {
            return;
        }
        if let Some(step) = self.step_mut(&original) {
            step.stood_in = true;
        }
        let ended = self
            .step(at)
            .map(|step| (matches!(step.phase, Phase::Done(_)), step.output.clone()));
        match ended {
            Some((true, output)) => {
                self.count(&original, |counters| counters.done += 1);
                self.settle(&original, Phase::Done(None), output, at_ms);
            }
            _ => {
                let failure = self.step(&original).and_then(|step| step.last_failure.clone());
                if let (Some(failure), Some(node)) = (failure, plan.node(original.node)) {
                    self.fail_unaided(&original, node, failure, at_ms);
                }
            }
        }
    }

    /// A step's fallback gave its result.
    pub(super) fn fell_back(&mut self, at: &StepRef, output: Arc<Value>, at_ms: u64) {
        if let Some(step) = self.step_mut(at) {
            step.stood_in = true;
        }
        self.count(at, |counters| counters.done += 1);
        self.settle(at, Phase::Done(None), Some(output), at_ms);
    }
}
