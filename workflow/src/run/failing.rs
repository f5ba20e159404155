//! What the failure of a step means: for its node, for the loops around it, for the run.

use std::sync::Arc;

use flowforge_protocol::Failure;
use flowforge_protocol::record::Source;
use serde_json::{Value, json};

use super::ending::Ending;
use super::kinds;
use super::state::RunState;
use super::steps::{Phase, StepRef};
use crate::model::OnError;
use crate::plan::{FallbackPlan, PlanNode};

impl RunState {
    /// A step has failed for good.
    pub(super) fn fail(&mut self, at: &StepRef, failure: Failure, at_ms: u64) {
        let plan = Arc::clone(&self.plan);
        let Some(node) = plan.node(at.node) else { return };
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
                    self.call_stand_in(&stand_in, at_ms);
                }
                return;
            }
            _ => {}
        }
        self.fail_unaided(at, node, failure, at_ms);
    }

    /// A step is to stand in for another one: it can start, or its result was given to the run.
    fn call_stand_in(&mut self, at: &StepRef, at_ms: u64) {
        let plan = Arc::clone(&self.plan);
        let has_ended = self.step(at).is_some_and(|step| step.phase.is_settled());
        match plan.node(at.node) {
            Some(node) if has_ended => self.stand_in_ended(at, node, at_ms),
            _ => self.look_at(at, at_ms),
        }
    }

    /// A step has failed and nothing stands in for it.
    fn fail_unaided(&mut self, at: &StepRef, node: &PlanNode, failure: Failure, at_ms: u64) {
        if self.original_of(at, node).is_some() {
            // What follows is said at the node that it stands in for.
            self.settle(at, Phase::Failed(true), None, at_ms);
            return;
        }
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
        self.signal_waits.retain(|other| !other.is_inside(at));
        self.failing.retain(|other| !other.is_inside(at));
        if let Some(rounds) = self.step_mut(at).and_then(|step| step.rounds.as_mut()) {
            rounds.running.clear();
        }
    }

    /// The step that this one stands in for, while that one waits for it.
    fn original_of(&self, at: &StepRef, node: &PlanNode) -> Option<StepRef> {
        let body = self.plan.body(node.loops.last().copied())?;
        let original = StepRef {
            path: at.path.clone(),
            node: *body.nodes.get(node.stands_in_for?)?,
        };
        let waits = matches!(self.step(&original)?.phase, Phase::StandIn);
        waits.then_some(original)
    }

    /// If this step stands in for another one, that one has its result now.
    pub(super) fn stand_in_ended(&mut self, at: &StepRef, node: &PlanNode, at_ms: u64) {
        let Some(original) = self.original_of(at, node) else {
            return;
        };
        if let Some(step) = self.step_mut(&original) {
            step.stood_in = true;
        }
        let output = self
            .step(at)
            .filter(|step| matches!(step.phase, Phase::Done(_)))
            .and_then(|step| step.output.clone());
        if let Some(output) = output {
            self.take_result(&original, output, Source::Fallback, at_ms);
            return;
        }
        let plan = Arc::clone(&self.plan);
        let failure = self.step(&original).and_then(|step| step.last_failure.clone());
        if let (Some(failure), Some(node)) = (failure, plan.node(original.node)) {
            self.fail_unaided(&original, node, failure, at_ms);
        }
    }

    /// A step has its result, its own or another one in place of it.
    pub(super) fn take_result(&mut self, at: &StepRef, output: Arc<Value>, source: Source, at_ms: u64) {
        if let Some(step) = self.step_mut(at) {
            step.source = source;
        }
        kinds::settle(self, at, output, at_ms);
    }
}
