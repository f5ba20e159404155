//! The end of a run: why it stops early, which effects it takes back, and its result.

use std::collections::BTreeMap;
use std::sync::Arc;

use flowforge_protocol::record::Outcome;
use flowforge_protocol::{Failure, FailureKind, NodeId, StepKey};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Effort;
use super::kinds::Start;
use super::scope::Names;
use super::state::RunState;
use super::steps::{Phase, Step, StepRef};
use crate::expr::{Meaning, Scope, Template};
use crate::plan::{CallPlan, OutputPlan, Plan, PlanKind};

/// Why a run stops before all its nodes are settled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Ending {
    Failed { node: NodeId, failure: Failure },
    Rejected { step: StepKey, by: String },
    Expired { step: StepKey },
    Cancelled { reason: String },
}

/// The steps that take effects back: made when their step completes, run in reverse order when the run stops early.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Undos {
    /// In the order in which the steps completed.
    order: Vec<StepRef>,
    /// Those of them that have not run, in the same order: the last one runs first.
    left: Vec<StepRef>,
    #[serde(with = "super::snapshot::pairs")]
    steps: BTreeMap<StepRef, Undo>,
}

/// One of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Undo {
    step: Step,
    input: UndoInput,
}

/// What a step that takes an effect back is called with.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum UndoInput {
    /// Known since its step completed, because nothing of it has to be computed.
    Known(Map<String, Value>),
    /// Computed when it runs. What it names in the rounds around it is gone by then, so that is kept as it was when its step
    /// completed; nothing for a node that did not run.
    Later(BTreeMap<String, Option<Arc<Value>>>),
}

/// The names of what takes an effect back when it runs.
struct Remembered<'s> {
    kept: &'s BTreeMap<String, Option<Arc<Value>>>,
    others: Names<'s>,
}

impl Scope for Remembered<'_> {
    fn lookup(&self, name: &str) -> Option<Meaning<'_>> {
        match self.kept.get(name) {
            Some(Some(value)) => Some(Meaning::Value(value)),
            Some(None) => Some(Meaning::Absent),
            None => self.others.lookup(name),
        }
    }
}

impl Undos {
    pub(super) fn step(&self, at: &StepRef) -> Option<&Step> {
        self.steps.get(at).map(|undo| &undo.step)
    }

    pub(super) fn step_mut(&mut self, at: &StepRef) -> Option<&mut Step> {
        self.steps.get_mut(at).map(|undo| &mut undo.step)
    }

    fn input(&self, at: &StepRef) -> Option<&UndoInput> {
        self.steps.get(at).map(|undo| &undo.input)
    }

    /// The one that is at work, or the next to start.
    fn current(&self) -> Option<&StepRef> {
        self.left.last()
    }

    /// Those that exist, in the order in which they run.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&StepRef, &Step)> {
        self.order
            .iter()
            .rev()
            .filter_map(|at| Some((at, &self.steps.get(at)?.step)))
    }
}

impl RunState {
    /// A step completed: from now on its effect is taken back if the run stops early.
    pub(super) fn remember_undo(&mut self, at: &StepRef) {
        let plan = Arc::clone(&self.plan);
        let Some(number) = plan.node(at.node).and_then(|node| node.undo) else {
            return;
        };
        let undo = StepRef {
            path: at.path.clone(),
            node: number,
        };
        let Some(PlanKind::Call(call)) = plan.node(number).map(|node| &node.kind) else {
            return;
        };
        let names = Names {
            state: self,
            path: &at.path,
            of: Some(at.node),
        };
        let input = match plain_input(call, &names) {
            Some(input) => UndoInput::Known(input),
            None => UndoInput::Later(of_rounds(call, &names)),
        };
        let step = Step {
            phase: Phase::Ready,
            ready_at_ms: self.last_at_ms,
            ..Step::default()
        };
        self.undos.steps.insert(undo.clone(), Undo { step, input });
        self.undos.order.push(undo.clone());
        self.undos.left.push(undo);
    }

    /// The one at work has ended.
    pub(super) fn undo_ended(&mut self) {
        self.undos.left.pop();
    }

    /// The step that takes back an effect now: the newest one that is not settled. `None` while the run goes on. Whatever
    /// stops a run early (a failure, a cancellation, a no, silence) takes its effects back.
    pub(super) fn current_undo(&self) -> Option<&StepRef> {
        self.ending.as_ref().and_then(|_| self.undos.current())
    }

    /// What a step that takes an effect back is called with; `None` for any other step.
    pub(super) fn undo_input(
        &self,
        start: &Start<'_>,
        call: &CallPlan,
    ) -> Option<Result<Map<String, Value>, Failure>> {
        Some(match self.undos.input(start.at)? {
            UndoInput::Known(input) => Ok(input.clone()),
            UndoInput::Later(kept) => {
                let others = Names {
                    state: self,
                    path: &[],
                    of: self
                        .plan
                        .nodes
                        .iter()
                        .position(|node| node.undo == Some(start.at.node)),
                };
                start.call_input(call, &Remembered { kept, others })
            }
        })
    }

    /// Whether nothing is computed when this step runs, which takes an effect back.
    pub(super) fn is_undo_known(&self, at: &StepRef) -> bool {
        matches!(self.undos.input(at), Some(UndoInput::Known(_)))
    }

    /// How the run ends, now that nothing is under way.
    pub(super) fn outcome_now(&self, effort: Effort<'_>) -> Outcome {
        match &self.ending {
            Some(Ending::Failed { node, failure }) => Outcome::Failed {
                node: Some(node.clone()),
                failure: failure.clone(),
            },
            Some(Ending::Rejected { step, by }) => Outcome::Rejected {
                step: step.clone(),
                by: by.clone(),
            },
            Some(Ending::Expired { step }) => Outcome::Expired { step: step.clone() },
            Some(Ending::Cancelled { reason }) => Outcome::Cancelled {
                reason: reason.clone(),
            },
            None => match self.output(effort) {
                Ok(output) => Outcome::Done {
                    output: output.into(),
                },
                Err(failure) => Outcome::Failed { node: None, failure },
            },
        }
    }

    /// The result of the run. What needs a node that did not run is null. A run that goes only as far as one node has the
    /// result of that node: the workflow's output speaks of nodes that such a run leaves out.
    fn output(&self, effort: Effort<'_>) -> Result<Value, Failure> {
        let plan: &Plan = &self.plan;
        if let Some(until) = self.facts.accepted().and_then(|accepted| accepted.until.as_ref()) {
            let names = Names {
                state: self,
                path: &[],
                of: None,
            };
            return Ok(match names.lookup(until.as_str()) {
                Some(Meaning::Value(value)) => value.clone(),
                _ => Value::Null,
            });
        }
        match &plan.output {
            OutputPlan::Value(template) => self.output_part("output", template, effort),
            OutputPlan::Fields(fields) => {
                let mut output = Map::with_capacity(fields.len());
                for (name, template) in fields {
                    output.insert(
                        name.clone(),
                        self.output_part(&format!("output.{name}"), template, effort)?,
                    );
                }
                Ok(Value::Object(output))
            }
        }
    }

    fn output_part(&self, place: &str, template: &Template, effort: Effort<'_>) -> Result<Value, Failure> {
        let names = Names {
            state: self,
            path: &[],
            of: None,
        };
        let absent = |name: &String| matches!(names.lookup(name), Some(Meaning::Absent));
        if template.references().needed.iter().any(absent) {
            return Ok(Value::Null);
        }
        let seed = template
            .needs_seed()
            .then(|| format!("{}/{place}", self.effect_root()));
        let context = effort.context(self.last_at_ms).seeded(seed.as_deref());
        template.evaluate(&names, context).map_err(|failure| Failure {
            path: Some(format!("{place}{}", failure.path)),
            ..Failure::new(FailureKind::Expression, failure.error.message).with_code(failure.error.code)
        })
    }
}

/// The input of a call of which nothing has to be computed.
fn plain_input(call: &CallPlan, names: &Names<'_>) -> Option<Map<String, Value>> {
    let value = |template: &Template| {
        let plain = template.is_plain();
        plain.then(|| template.evaluate(names, 0).ok()).flatten()
    };
    let ports = call.with.iter();
    ports
        .map(|(port, template)| Some((port.clone(), value(template)?)))
        .collect()
}

/// What the expressions of a call name in the rounds around it.
fn of_rounds(call: &CallPlan, names: &Names<'_>) -> BTreeMap<String, Option<Arc<Value>>> {
    let mut kept = BTreeMap::new();
    for (_, template) in &call.with {
        for name in template.references().all() {
            if let Some(value) = names.of_round(name) {
                kept.insert(name.to_owned(), value);
            }
        }
    }
    kept
}
