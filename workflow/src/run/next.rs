//! What to do next.

use std::sync::Arc;

use flowforge_protocol::record::{Event, Outcome};
use flowforge_protocol::{Failure, FailureKind, StepKey};
use serde_json::{Map, Value};

use super::scope::Names;
use super::steps::{Phase, Rounds, StepRef};
use super::{Command, Ending, Invoke, Now, RunState, approval_id, retry};
use crate::expr::{EvaluationError, Expression, Meaning, Scope as _, Template, TemplateFailure};
use crate::limits::MAX_LIST;
use crate::plan::{ApprovalPlan, CallPlan, OutputPlan, Plan, PlanKind, WaitPlan};

/// A command, or why an expression gave no value.
type Started = Result<Command, Failure>;

impl RunState {
    /// What to do at this moment; nothing, if every command was given already.
    ///
    /// Apply each [`Command::Record`] before calling again; call again until no record comes.
    pub fn next(&mut self, now: Now) -> Vec<Command> {
        let mut out = Vec::new();
        if self.outcome.is_some() || self.next_seq == 0 {
            return out;
        }
        if self.ending.is_none() {
            self.fire_timers(now, &mut out);
            while let Some(at) = self.ready.pop_front() {
                out.extend(self.start(&at, now));
            }
            self.announce_timers(now, &mut out);
        }
        self.end(&mut out);
        out
    }

    /// Timers stay armed until a record answers them, so that they are the same in a rebuilt state.
    fn fire_timers(&mut self, now: Now, out: &mut Vec<Command>) {
        let due = self.timers.iter().take_while(|(due, _)| *due <= now.ms);
        let due: Vec<StepRef> = due.map(|(_, at)| at.clone()).collect();
        for at in due {
            let Some(step) = self.step_mut(&at).filter(|step| !step.issued) else {
                continue;
            };
            match step.phase {
                Phase::Retrying(_) => self.ready.push_back(at),
                Phase::Waiting(_) | Phase::Asking(_) => {
                    step.issued = true;
                    out.extend(
                        self.key(&at)
                            .map(|step| Command::Record(Event::TimerFired { step })),
                    );
                }
                _ => {}
            }
        }
    }

    fn announce_timers(&mut self, now: Now, out: &mut Vec<Command>) {
        for (due_ms, at) in std::mem::take(&mut self.unannounced) {
            if due_ms > now.ms && self.timers.contains(&(due_ms, at.clone())) {
                out.extend(self.key(&at).map(|step| Command::Timer { step, due_ms }));
            }
        }
    }

    /// Starts a step, unless it was started or a later record settled it.
    fn start(&mut self, at: &StepRef, now: Now) -> Option<Command> {
        let plan = Arc::clone(&self.plan);
        let node = plan.node(at.node)?;
        let step = self.step(at)?;
        if step.issued {
            return None;
        }
        let (ready_at_ms, attempt) = (step.ready_at_ms, step.attempts);
        let key = self.key(at)?;
        let started = match (&step.phase, &node.kind) {
            (Phase::ToSkip(reason), _) => Ok(Command::Record(Event::Skipped {
                step: key.clone(),
                reason: reason.clone(),
            })),
            (Phase::Working, PlanKind::Call(call)) => {
                retry::after_stop(call.effect, step.stops, step.first_intent_ms, now.ms)
                    .and_then(|()| self.invoke(at, &key, call, ready_at_ms))
            }
            (Phase::Retrying(due), PlanKind::Call(call)) if *due <= now.ms => {
                self.invoke(at, &key, call, ready_at_ms)
            }
            (Phase::Ready, kind) => self.begin(at, &key, kind, ready_at_ms, now),
            _ => return None,
        };
        let command = started.unwrap_or_else(|failure| {
            // An attempt that never began has the number of the one before.
            Command::Record(Event::AttemptFailed {
                step: key,
                attempt,
                failure,
                retry_at_ms: None,
                elapsed_us: 0,
            })
        });
        if matches!(command, Command::Invoke(_)) {
            self.in_flight += 1;
        }
        self.step_mut(at)?.issued = true;
        Some(command)
    }

    fn begin(&mut self, at: &StepRef, key: &StepKey, kind: &PlanKind, ready_at_ms: u64, now: Now) -> Started {
        let completed = |output| {
            Command::Record(Event::Completed {
                step: key.clone(),
                attempt: 0,
                output,
                elapsed_us: 0,
                used: Vec::new(),
            })
        };
        match kind {
            PlanKind::Call(call) => self.invoke(at, key, call, ready_at_ms),
            PlanKind::Set(fields) => {
                let mut output = Map::with_capacity(fields.len());
                for (name, template) in fields {
                    let value = self.template(at, key, &format!("set.{name}"), template, ready_at_ms)?;
                    output.insert(name.clone(), value);
                }
                Ok(completed(Value::Object(output)))
            }
            PlanKind::Switch(cases) => self
                .choose(at, key, cases, ready_at_ms)
                .map(|name| completed(Value::String(name))),
            PlanKind::Foreach(each) => {
                let items = self.items(at, key, &each.list, ready_at_ms)?;
                let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
                if let Some(step) = self.step_mut(at) {
                    step.rounds = Some(Box::new(Rounds::new(items, count)));
                }
                Ok(Command::Record(Event::LoopStarted {
                    step: key.clone(),
                    count,
                }))
            }
            PlanKind::Wait(wait) => {
                let due_ms = match wait {
                    WaitPlan::For(ms) => now.ms.saturating_add(*ms),
                    WaitPlan::Until(moment) => {
                        let names = Names {
                            state: self,
                            path: &at.path,
                        };
                        moment
                            .evaluate_moment(&names, ready_at_ms)
                            .map_err(|error| failed(key, "wait.until", &error))?
                    }
                };
                Ok(Command::Record(Event::WaitStarted {
                    step: key.clone(),
                    due_ms,
                }))
            }
            PlanKind::Approval(approval) => self.ask(at, key, approval, ready_at_ms, now),
        }
    }

    fn invoke(&self, at: &StepRef, key: &StepKey, call: &CallPlan, ready_at_ms: u64) -> Started {
        let mut input = Map::with_capacity(call.with.len());
        for (port, template) in &call.with {
            let value = match template {
                // The commonest case, without building the text of its place.
                Template::Constant(value) => value.clone(),
                template => {
                    let names = Names {
                        state: self,
                        path: &at.path,
                    };
                    template
                        .evaluate(&names, ready_at_ms)
                        .map_err(|failure| template_failed(key, &format!("with.{port}"), &failure))?
                }
            };
            input.insert(port.clone(), value);
        }
        Ok(Command::Invoke(Box::new(Invoke {
            step: key.clone(),
            node: key.node.clone(),
            attempt: self.step(at).map_or(0, |step| step.attempts).saturating_add(1),
            connector: call.connector.clone(),
            operation: call.operation.clone(),
            input,
            timeout_ms: call.timeout_ms,
            effect: call.effect,
        })))
    }

    /// The name of the first case that is true.
    fn choose(
        &self,
        at: &StepRef,
        key: &StepKey,
        cases: &[(String, Option<Expression>)],
        ready_at_ms: u64,
    ) -> Result<String, Failure> {
        let names = Names {
            state: self,
            path: &at.path,
        };
        for (name, when) in cases {
            let Some(when) = when else { return Ok(name.clone()) };
            let place = format!("switch.{name}");
            let value = when
                .evaluate(&names, ready_at_ms)
                .map_err(|error| failed(key, &place, &error))?;
            match value {
                Value::Bool(true) => return Ok(name.clone()),
                Value::Bool(false) => {}
                other => {
                    let message = format!("a case must be true or false, found {}", kind_of(&other));
                    return Err(failed(key, &place, &EvaluationError { message }));
                }
            }
        }
        let message = "no case is true; add a last one: `otherwise: else`".to_owned();
        Err(failed(key, "switch", &EvaluationError { message }))
    }

    /// The elements a loop runs over.
    pub(super) fn items(
        &self,
        at: &StepRef,
        key: &StepKey,
        list: &Expression,
        ready_at_ms: u64,
    ) -> Result<Arc<Vec<Value>>, Failure> {
        let names = Names {
            state: self,
            path: &at.path,
        };
        let wrong = |message: String| failed(key, "foreach", &EvaluationError { message });
        match list
            .evaluate(&names, ready_at_ms)
            .map_err(|error| failed(key, "foreach", &error))?
        {
            Value::Array(items) if items.len() <= MAX_LIST => Ok(Arc::new(items)),
            Value::Array(items) => Err(wrong(format!(
                "the list has {} elements, above the limit of {MAX_LIST}",
                items.len()
            ))),
            other => Err(wrong(format!(
                "`foreach` needs a list, found {}",
                kind_of(&other)
            ))),
        }
    }

    fn ask(
        &self,
        at: &StepRef,
        key: &StepKey,
        approval: &ApprovalPlan,
        ready_at_ms: u64,
        now: Now,
    ) -> Started {
        let title = match self.template(at, key, "approval.title", &approval.title, ready_at_ms)? {
            Value::String(title) => title,
            other => other.to_string(),
        };
        let show = self.template(at, key, "approval.show", &approval.show, ready_at_ms)?;
        Ok(Command::Record(Event::ApprovalRequested {
            step: key.clone(),
            approval: approval_id(&self.run, key),
            title,
            show,
            approvers: approval.approvers.clone(),
            expires_at_ms: approval.expires_ms.map(|ms| now.ms.saturating_add(ms)),
        }))
    }

    fn template(
        &self,
        at: &StepRef,
        key: &StepKey,
        place: &str,
        template: &Template,
        ready_at_ms: u64,
    ) -> Result<Value, Failure> {
        let names = Names {
            state: self,
            path: &at.path,
        };
        template
            .evaluate(&names, ready_at_ms)
            .map_err(|failure| template_failed(key, place, &failure))
    }

    /// Ends the run, when everything that was given out is answered.
    fn end(&mut self, out: &mut Vec<Command>) {
        let settled = self.root.unsettled == 0;
        if self.end_given || self.in_flight > 0 || !(settled || self.ending.is_some()) {
            return;
        }
        if out
            .iter()
            .any(|command| !matches!(command, Command::Timer { .. }))
        {
            return;
        }
        let outcome = match &self.ending {
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
            None => match self.output() {
                Ok(output) => Outcome::Done { output },
                Err(failure) => Outcome::Failed { node: None, failure },
            },
        };
        self.end_given = true;
        out.push(Command::Record(Event::Ended { outcome }));
    }

    /// The result of the run. What needs a node that did not run is null.
    fn output(&self) -> Result<Value, Failure> {
        let plan: &Plan = &self.plan;
        match &plan.output {
            OutputPlan::Value(template) => self.output_part("output", template),
            OutputPlan::Fields(fields) => {
                let mut output = Map::with_capacity(fields.len());
                for (name, template) in fields {
                    output.insert(
                        name.clone(),
                        self.output_part(&format!("output.{name}"), template)?,
                    );
                }
                Ok(Value::Object(output))
            }
        }
    }

    fn output_part(&self, place: &str, template: &Template) -> Result<Value, Failure> {
        let names = Names {
            state: self,
            path: &[],
        };
        let absent = |name: &String| matches!(names.lookup(name), Some(Meaning::Absent));
        if template.references().needed.iter().any(absent) {
            return Ok(Value::Null);
        }
        template
            .evaluate(&names, self.last_at_ms)
            .map_err(|failure| Failure {
                path: Some(format!("{place}{}", failure.path)),
                ..Failure::new(FailureKind::Expression, failure.error.message).with_code("FF-EXP-001")
            })
    }
}

fn failed(key: &StepKey, place: &str, error: &EvaluationError) -> Failure {
    Failure {
        path: Some(format!("{}.{place}", key.node)),
        ..Failure::new(FailureKind::Expression, error.message.clone()).with_code("FF-EXP-001")
    }
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
