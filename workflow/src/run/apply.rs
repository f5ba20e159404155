//! What a record changes.

use std::sync::Arc;

use flowforge_protocol::job::Decision;
use flowforge_protocol::record::{Event, Record};
use flowforge_protocol::{Failure, StepKey};
use serde_json::{Map, Value, json};

use super::steps::{Phase, Question, Rounds, Scope, StepRef, event_name};
use super::{ApplyError, Ending, RunState};
use crate::expr::moment_text;
use crate::plan::{ApprovalPlan, LoopPlan, PlanKind, PlanNode, Wanted};

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
                let at = self.expect(&step, name, |p| {
                    matches!(p, Phase::Ready | Phase::Working | Phase::Retrying(_))
                })?;
                self.intent(at, attempt, at_ms);
            }
            Event::Completed {
                step,
                attempt,
                output,
                elapsed_us,
                used,
            } => {
                let active = |p: &Phase| matches!(p, Phase::Ready | Phase::Working | Phase::Retrying(_));
                let at = self.expect(&step, name, active)?;
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

    fn set_phase(&mut self, at: &StepRef, phase: Phase) {
        if let Some(step) = self.step_mut(at) {
            step.phase = phase;
            step.issued = false;
        }
    }

    fn arm(&mut self, due_ms: u64, at: StepRef) {
        self.unannounced.push((due_ms, at.clone()));
        self.timers.insert((due_ms, at));
    }

    fn make_ready(&mut self, at: StepRef, phase: Phase, at_ms: u64) {
        if let Some(step) = self.step_mut(&at) {
            step.phase = phase;
            step.ready_at_ms = at_ms;
            self.ready.push_back(at);
        }
    }

    fn count(&mut self, at: &StepRef, change: impl FnOnce(&mut super::Counters)) {
        if let Some(counters) = self.counters.get_mut(at.node) {
            change(counters);
        }
    }

    fn intent(&mut self, at: StepRef, attempt: u32, at_ms: u64) {
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
        if let Some(Phase::Asking(Some(due))) = self.step(at).map(|step| step.phase.clone()) {
            self.timers.remove(&(due, at.clone()));
        }
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
            step.decided_by = Some(decision.by.clone());
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
        if let Some(Phase::Waiting(due) | Phase::Asking(Some(due))) = phase {
            self.timers.remove(&(due, at.clone()));
        }
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

    fn start_loop(&mut self, at: &StepRef, key: &StepKey, count: u32, at_ms: u64) -> Result<(), ApplyError> {
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

    /// Settles a step, and whatever follows from that.
    fn settle(&mut self, at: &StepRef, phase: Phase, output: Option<Arc<Value>>, at_ms: u64) {
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

    fn finish_round(&mut self, around: &StepRef, round: u32, at_ms: u64) {
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
