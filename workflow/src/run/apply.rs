//! What a record changes.

use std::sync::Arc;

use flowforge_protocol::job::Decision;
use flowforge_protocol::record::{Event, Record};
use flowforge_protocol::{Failure, StepKey};
use serde_json::{Value, json};

use super::steps::{Phase, Question, StepRef, event_name};
use super::{ApplyError, Ending, RunState};
use crate::expr::moment_text;
use crate::plan::{ApprovalPlan, PlanKind};

impl RunState {
    /// Takes the next record. On an error nothing has changed.
    ///
    /// # Errors
    ///
    /// The record does not belong here: see [`ApplyError`].
    pub fn apply(&mut self, record: &Record) -> Result<(), ApplyError> {
        self.apply_owned(record.clone())
    }

    /// Takes the next record without copying the values in it.
    ///
    /// # Errors
    ///
    /// As [`Self::apply`].
    pub fn apply_owned(&mut self, record: Record) -> Result<(), ApplyError> {
        if self.outcome.is_some() {
            return Err(ApplyError::AfterEnd);
        }
        if record.seq != self.next_seq {
            return Err(ApplyError::WrongSequence {
                expected: self.next_seq,
                found: record.seq,
            });
        }
        if (record.seq == 0) != matches!(record.event, Event::Accepted { .. }) {
            return Err(ApplyError::WrongStart);
        }
        self.event(record.event, record.at_ms)?;
        self.next_seq += 1;
        self.last_at_ms = record.at_ms;
        Ok(())
    }

    fn event(&mut self, event: Event, at_ms: u64) -> Result<(), ApplyError> {
        let name = event_name(&event);
        match event {
            Event::Accepted { input, trigger, .. } => {
                self.input = Arc::new(input);
                self.trigger = Arc::new(Self::announce_trigger(&trigger));
                self.accept(at_ms);
            }
            Event::Intent { step, attempt, .. } => {
                let at = self.expect(&step, name, is_active)?;
                self.intent(at, attempt, at_ms);
            }
            Event::Completed {
                step,
                attempt,
                output,
                elapsed_us,
                used,
            } => {
                let at = self.expect(&step, name, is_active)?;
                self.complete(&at, attempt, output, elapsed_us, used, at_ms);
            }
            Event::AttemptFailed {
                step,
                attempt,
                failure,
                retry_at_ms,
                elapsed_us,
            } => {
                let at = self.expect(&step, name, |p| !p.is_settled() && !matches!(p, Phase::Blocked))?;
                self.attempt_ended_badly(at, attempt, failure, retry_at_ms, elapsed_us, at_ms);
            }
            Event::Skipped { step, reason } => {
                let at = self.expect(&step, name, |p| matches!(p, Phase::ToSkip(_)))?;
                self.count(&at, |counters| counters.skipped += 1);
                self.settle(&at, Phase::Skipped(reason), None, at_ms);
            }
            Event::LoopStarted { step, count } => {
                let at = self.expect(&step, name, |p| matches!(p, Phase::Ready))?;
                self.start_loop(&at, &step, count, at_ms)?;
            }
            Event::WaitStarted { step, due_ms } => {
                let at = self.expect(&step, name, |p| matches!(p, Phase::Ready))?;
                self.set_phase(&at, Phase::Waiting(due_ms));
                self.arm(due_ms, at);
            }
            Event::ApprovalRequested {
                step,
                approval,
                title,
                show,
                approvers,
                expires_at_ms,
            } => {
                let at = self.expect(&step, name, |p| matches!(p, Phase::Ready))?;
                let show = Arc::new(show);
                let question = Question {
                    approval,
                    title,
                    show,
                    approvers,
                    asked_at_ms: at_ms,
                };
                if let Some(step) = self.step_mut(&at) {
                    step.question = Some(Box::new(question));
                }
                self.set_phase(&at, Phase::Asking(expires_at_ms));
                if let Some(due) = expires_at_ms {
                    self.arm(due, at);
                }
            }
            Event::Decided { step, decision } => {
                let at = self.expect(&step, name, |p| matches!(p, Phase::Asking(_)))?;
                self.decide(&at, step, decision, at_ms);
            }
            Event::TimerFired { step } => {
                let at = self.expect(&step, name, |p| matches!(p, Phase::Waiting(_) | Phase::Asking(_)))?;
                self.timer_fired(&at, step, at_ms);
            }
            Event::CancelRequested { reason } => {
                self.ending.get_or_insert(Ending::Cancelled { reason });
            }
            Event::Log { .. } => {}
            Event::Ended { outcome } => {
                self.outcome = Some(outcome);
                self.ended_at_ms = at_ms;
            }
        }
        Ok(())
    }

    fn accept(&mut self, at_ms: u64) {
        self.started_at_ms = at_ms;
        self.about = Arc::new(json!({
            "id": self.run.as_str(),
            "workflow": self.plan.workflow,
            "started_at": moment_text(at_ms),
        }));
        let plan = Arc::clone(&self.plan);
        for slot in &plan.top.roots {
            if let Some(node) = plan.top.nodes.get(*slot) {
                self.make_ready(
                    StepRef {
                        path: Vec::new(),
                        node: *node,
                    },
                    Phase::Ready,
                    at_ms,
                );
            }
        }
    }

    /// The step of an event, if it is doing something in which the event can happen.
    fn expect(
        &self,
        key: &StepKey,
        event: &'static str,
        allowed: impl Fn(&Phase) -> bool,
    ) -> Result<StepRef, ApplyError> {
        let unknown = || ApplyError::UnknownStep(key.clone());
        let at = self.locate(key).ok_or_else(unknown)?;
        let step = self.step(&at).ok_or_else(unknown)?;
        if allowed(&step.phase) {
            Ok(at)
        } else {
            Err(ApplyError::NotExpected {
                step: key.clone(),
                state: step.phase.name(),
                event,
            })
        }
    }

    pub(super) fn set_phase(&mut self, at: &StepRef, phase: Phase) {
        if let Some(step) = self.step_mut(at) {
            step.phase = phase;
            step.issued = false;
        }
    }

    fn arm(&mut self, due_ms: u64, at: StepRef) {
        self.unannounced.push((due_ms, at.clone()));
        self.timers.insert((due_ms, at));
    }

    /// Forgets the time a step waits for.
    fn disarm(&mut self, at: &StepRef) {
        let due = match self.step(at).map(|step| &step.phase) {
            Some(Phase::Retrying(due) | Phase::Waiting(due) | Phase::Asking(Some(due))) => *due,
            _ => return,
        };
        self.timers.remove(&(due, at.clone()));
    }

    pub(super) fn make_ready(&mut self, at: StepRef, phase: Phase, at_ms: u64) {
        if let Some(step) = self.step_mut(&at) {
            step.phase = phase;
            step.ready_at_ms = at_ms;
            self.ready.push_back(at);
        }
    }

    pub(super) fn count(&mut self, at: &StepRef, change: impl FnOnce(&mut super::Counters)) {
        if let Some(counters) = self.counters.get_mut(at.node) {
            change(counters);
        }
    }

    fn intent(&mut self, at: StepRef, attempt: u32, at_ms: u64) {
        self.disarm(&at);
        let Some(step) = self.step_mut(&at) else { return };
        step.phase = Phase::Working;
        step.attempts = attempt;
        step.stops += 1;
        step.first_intent_ms.get_or_insert(at_ms);
        if !step.issued {
            self.ready.push_back(at);
        }
    }

    /// The attempt that this value gave out, if it did, is answered.
    fn answered(&mut self, at: &StepRef) {
        self.disarm(at);
        let is_call = matches!(self.plan_node(at).map(|node| &node.kind), Some(PlanKind::Call(_)));
        let issued = self
            .step_mut(at)
            .is_some_and(|step| std::mem::take(&mut step.issued));
        if issued && is_call {
            self.in_flight = self.in_flight.saturating_sub(1);
        }
    }

    fn complete(
        &mut self,
        at: &StepRef,
        attempt: u32,
        output: Value,
        elapsed_us: u64,
        used: Vec<String>,
        at_ms: u64,
    ) {
        self.answered(at);
        self.count(at, |counters| {
            counters.done += 1;
            counters.elapsed_us += elapsed_us;
            counters.tries += u64::from(attempt > 0);
        });
        let case = match (self.plan_node(at).map(|node| &node.kind), &output) {
            (Some(PlanKind::Switch(cases)), Value::String(name)) => {
                cases.iter().position(|(case, _)| case == name)
            }
            _ => None,
        };
        if let Some(step) = self.step_mut(at) {
            step.attempts = attempt;
            step.used = used;
        }
        self.settle(at, Phase::Done(case), Some(Arc::new(output)), at_ms);
    }

    fn attempt_ended_badly(
        &mut self,
        at: StepRef,
        attempt: u32,
        failure: Failure,
        retry_at_ms: Option<u64>,
        elapsed_us: u64,
        at_ms: u64,
    ) {
        self.answered(&at);
        self.count(&at, |counters| {
            counters.elapsed_us += elapsed_us;
            counters.tries += u64::from(attempt > 0);
        });
        if let Some(step) = self.step_mut(&at) {
            step.attempts = attempt;
            step.stops = 0;
            step.last_failure = Some(failure.clone());
        }
        match retry_at_ms {
            Some(due) => {
                self.set_phase(&at, Phase::Retrying(due));
                self.arm(due, at);
            }
            None => {
                self.count(&at, |counters| counters.failed += 1);
                if let Some(node) = self.plan_node(&at).map(|node| node.id.clone()) {
                    self.ending.get_or_insert(Ending::Failed { node, failure });
                }
                self.settle(&at, Phase::Failed, None, at_ms);
            }
        }
    }

    fn decide(&mut self, at: &StepRef, key: StepKey, decision: Decision, at_ms: u64) {
        self.disarm(at);
        let handled = self
            .approval(at)
            .is_some_and(|approval| approval.rejection_handled);
        let output = json!({
            "approved": decision.approved,
            "by": decision.by,
            "comment": decision.comment,
            "at": moment_text(decision.at_ms),
        });
        if let Some(step) = self.step_mut(at) {
            step.answer = Some(match &decision.comment {
                Some(words) => format!("{}: {words}", decision.by),
                None => decision.by.clone(),
            });
        }
        let phase = if decision.approved {
            Phase::Done(None)
        } else {
            Phase::Rejected
        };
        if !decision.approved && !handled {
            self.ending.get_or_insert(Ending::Rejected {
                step: key,
                by: decision.by,
            });
        }
        self.count(at, |counters| counters.done += 1);
        self.settle(at, phase, Some(Arc::new(output)), at_ms);
    }

    fn timer_fired(&mut self, at: &StepRef, key: StepKey, at_ms: u64) {
        let phase = self.step(at).map(|step| step.phase.clone());
        self.disarm(at);
        self.count(at, |counters| counters.done += 1);
        if matches!(phase, Some(Phase::Waiting(_))) {
            self.settle(at, Phase::Done(None), Some(Arc::new(Value::Null)), at_ms);
            return;
        }
        if !self.approval(at).is_some_and(|approval| approval.expiry_handled) {
            self.ending.get_or_insert(Ending::Expired { step: key });
        }
        let output = json!({ "approved": false, "by": null, "comment": null, "at": moment_text(at_ms) });
        self.settle(at, Phase::Expired, Some(Arc::new(output)), at_ms);
    }

    fn approval(&self, at: &StepRef) -> Option<&ApprovalPlan> {
        match &self.plan_node(at)?.kind {
            PlanKind::Approval(approval) => Some(approval),
            _ => None,
        }
    }
}

/// Whether an attempt of a step in this phase can begin or end.
fn is_active(phase: &Phase) -> bool {
    matches!(phase, Phase::Ready | Phase::Working | Phase::Retrying(_))
}
