//! `workflow`: a run of another workflow, waited for or not.

use std::sync::Arc;

use flowforge_protocol::awaited::{Await, Closing, child_run_id};
use flowforge_protocol::record::Event;
use flowforge_protocol::{Failure, FailureKind};
use serde_json::{Map, Value, json};

use super::{Start, Started};
use crate::plan::{ChildPlan, PlanKind};
use crate::run::Command;
use crate::run::state::RunState;
use crate::run::steps::{Asked, Phase, StepRef, Waited};

pub(super) fn begin(start: &Start<'_>, child: &ChildPlan) -> Started {
    let Some(pinned) = start.state.plan.children.get(&child.workflow) else {
        let message = format!("the release pins no release of workflow `{}`", child.workflow);
        return Err(Failure::new(FailureKind::Invalid, message).with_code("FF-RUN-120"));
    };
    let mut input = Map::with_capacity(child.with.len());
    for (field, template) in &child.with {
        input.insert(field.clone(), start.template(&format!("with.{field}"), template)?);
    }
    let repeats = start.state.repeats(start.key);
    Ok(Command::Record(Event::AwaitOpened {
        step: start.key.clone(),
        awaits: Await::Child {
            run: child_run_id(start.state.effect_root(), start.key, repeats),
            release: pinned.release,
            grants: pinned.grants,
            input: Value::Object(input).into(),
        },
        due_ms: None,
    }))
}

/// A node that does not wait is done as soon as the other run is ordered.
pub(in crate::run) fn detached(state: &RunState, at: &StepRef) -> Option<Value> {
    let PlanKind::Workflow(child) = &state.plan_node(at)?.kind else {
        return None;
    };
    let step = state.step(at)?;
    let ordered = child.detach && step.phase.waits_for(|waited| *waited == Waited::Child);
    match &step.question.as_ref()?.what {
        Asked::Child(run) if ordered => Some(json!({ "run": run })),
        _ => None,
    }
}

pub(super) fn closed(state: &mut RunState, at: &StepRef, closing: Closing, at_ms: u64) -> bool {
    let Closing::Child(end) = closing else {
        return false;
    };
    if let Some(step) = state.step_mut(at) {
        step.answer = Some(end.run.to_string());
    }
    if end.state == "done" {
        let output = end.output.content().cloned().unwrap_or_default();
        state.count(at, |counters| counters.done += 1);
        state.settle(at, Phase::Done(None), Some(Arc::clone(&output)), at_ms);
        return true;
    }
    let failure = end.failure.unwrap_or_else(|| {
        let kind = match end.state.as_str() {
            "rejected" => FailureKind::DecisionRejected,
            "expired" => FailureKind::Expired,
            _ => FailureKind::Rejected,
        };
        Failure::new(kind, format!("run {} was {}", end.run.short(), end.state))
    });
    state.fail(at, failure, at_ms);
    true
}
