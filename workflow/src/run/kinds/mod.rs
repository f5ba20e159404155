//! What each kind of node does: one file a kind, each with the same few functions.
//!
//! `begin` says what starting a step means (a record or an attempt), `closed` what the end of its waiting means; a kind
//! whose records are its own has a function for each of them. This file only chooses between the kinds.

pub(super) mod approval;
pub(super) mod call;
pub(super) mod child;
pub(super) mod foreach;
pub(super) mod repeat;
pub(super) mod respond;
mod set;
mod switch;
pub(super) mod wait;

use std::cell::Cell;
use std::sync::Arc;

use flowforge_protocol::awaited::Closing;
use flowforge_protocol::record::{Event, Source};
use flowforge_protocol::{Failure, FailureKind, StepKey};
use serde_json::Value;

use super::scope::Names;
use super::state::RunState;
use super::steps::{Phase, StepRef};
use super::{Command, Effort, Now};
use crate::expr::{EvaluationError, Expression, Template, TemplateFailure};
use crate::plan::PlanKind;

/// What starting a step gives, or why an expression gave no value.
pub(super) type Started = Result<Command, Failure>;

/// A step that is to start.
pub(super) struct Start<'s> {
    pub(super) state: &'s RunState,
    pub(super) at: &'s StepRef,
    pub(super) key: &'s StepKey,
    /// When it could start: the moment of its expressions, the same on every replay.
    pub(super) ready_at_ms: u64,
    pub(super) now: Now,
    /// What its expressions may cost.
    pub(super) effort: Effort<'s>,
    /// The list of a loop, once it was made.
    pub(super) list: Cell<Option<Arc<Vec<Value>>>>,
}

/// What starting a step of this kind means.
pub(super) fn begin(start: &Start<'_>, kind: &PlanKind) -> Started {
    match kind {
        PlanKind::Call(call) => call::begin(start, call),
        PlanKind::Set(fields) => set::begin(start, fields),
        PlanKind::Switch(cases) => switch::begin(start, cases),
        PlanKind::Foreach(each) => foreach::begin(start, each),
        PlanKind::Wait(wait) => wait::begin(start, wait),
        PlanKind::Approval(approval) => approval::begin(start, approval),
        PlanKind::Workflow(child) => child::begin(start, child),
        PlanKind::Repeat(_) => repeat::begin(start),
        PlanKind::Respond(respond) => respond::begin(start, respond),
    }
}

/// What the end of a step's waiting means. Returns whether this kind can be waiting so.
pub(super) fn closed(state: &mut RunState, at: &StepRef, closing: Closing, at_ms: u64) -> bool {
    let plan = Arc::clone(&state.plan);
    let Some(node) = plan.node(at.node) else {
        return false;
    };
    match &node.kind {
        PlanKind::Wait(wait) => wait::closed(state, at, wait, closing, at_ms),
        PlanKind::Approval(approval) => approval::closed(state, at, approval, closing, at_ms),
        PlanKind::Workflow(_) => child::closed(state, at, closing, at_ms),
        PlanKind::Repeat(_) => repeat::closed(state, at, &closing, at_ms),
        // The others wait for nothing of their own.
        _ => false,
    }
}

/// Settles a step that has its result, from wherever it is.
pub(super) fn settle(state: &mut RunState, at: &StepRef, output: Arc<Value>, at_ms: u64) {
    let plan = Arc::clone(&state.plan);
    let case = match plan.node(at.node).map(|node| &node.kind) {
        Some(PlanKind::Approval(approval)) => {
            approval::settle(state, at, approval, output, at_ms);
            return;
        }
        Some(PlanKind::Switch(cases)) => switch::case_of(cases, &output),
        _ => None,
    };
    state.count(at, |counters| counters.done += 1);
    state.settle(at, Phase::Done(case), Some(output), at_ms);
}

/// The name of the kind, as files and views write it.
pub(super) fn name(kind: &PlanKind) -> &'static str {
    match kind {
        PlanKind::Call(_) => "call",
        PlanKind::Set(_) => "set",
        PlanKind::Switch(_) => "switch",
        PlanKind::Foreach(_) => "foreach",
        PlanKind::Wait(_) => "wait",
        PlanKind::Approval(_) => "approval",
        PlanKind::Workflow(_) => "workflow",
        PlanKind::Repeat(_) => "repeat",
        PlanKind::Respond(_) => "respond",
    }
}

impl Start<'_> {
    pub(super) fn names(&self) -> Names<'_> {
        Names {
            state: self.state,
            path: &self.at.path,
            of: Some(self.at.node),
        }
    }

    pub(super) fn template(&self, place: &str, template: &Template) -> Result<Value, Failure> {
        let seed = template.needs_seed().then(|| self.state.seed(self.key, place));
        let context = self.effort.context(self.ready_at_ms).seeded(seed.as_deref());
        template
            .evaluate(&self.names(), context)
            .map_err(|failure| template_failed(self.key, place, &failure))
    }

    fn expression(&self, place: &str, expression: &Expression) -> Result<Value, Failure> {
        let seed = expression.needs_seed().then(|| self.state.seed(self.key, place));
        let context = self.effort.context(self.ready_at_ms).seeded(seed.as_deref());
        expression
            .evaluate(&self.names(), context)
            .map_err(|error| failed(self.key, place, &error))
    }

    /// The record of a node that is done as soon as its values are known.
    pub(super) fn completed(&self, output: Value) -> Command {
        self.completed_from(output, Source::Step)
    }

    pub(super) fn completed_from(&self, output: impl Into<Arc<Value>>, source: Source) -> Command {
        Command::Record(Event::Completed {
            step: self.key.clone(),
            attempt: 0,
            output: flowforge_protocol::Datum::new(output),
            elapsed_us: 0,
            used: Vec::new(),
            source,
        })
    }
}

pub(super) fn failed(key: &StepKey, place: &str, error: &EvaluationError) -> Failure {
    Failure {
        path: Some(format!("{}.{place}", key.node)),
        ..Failure::new(FailureKind::Expression, error.message.clone()).with_code(error.code)
    }
}

fn wrong(key: &StepKey, place: &str, message: impl Into<String>) -> Failure {
    failed(key, place, &EvaluationError::new(message))
}

fn template_failed(key: &StepKey, place: &str, failure: &TemplateFailure) -> Failure {
    failed(key, &format!("{place}{}", failure.path), &failure.error)
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
