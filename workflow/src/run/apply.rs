//! What a record changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use flowforge_protocol::awaited::{Await, Closing, ReviewAction};
use flowforge_protocol::record::{Accepted, Event, RECORD_VERSION, Record, Source};
use flowforge_protocol::used::Used;
use flowforge_protocol::{Datum, Digest, Failure, NodeId, StepKey};
use serde_json::{Value, json};

use super::ApplyError;
use super::ending::Ending;
use super::kinds::{self, foreach, repeat, respond};
use super::state::{RunState, ViewOnly};
use super::steps::{Phase, Question, StepRef, Waited, Waiting};
use crate::expr::moment_text;
use crate::plan::PlanKind;

impl RunState {
    /// Takes the next record. On an error nothing has changed.
    ///
    /// # Errors
    ///
    /// The record does not belong here: see [`ApplyError`].
    pub fn apply(&mut self, record: &Record) -> Result<(), ApplyError> {
        self.apply_with(record, None)
    }

    /// As [`Self::apply`], with the list of a loop that starts if that was just made.
    pub(super) fn apply_with(
        &mut self,
        record: &Record,
        list: Option<Arc<Vec<Value>>>,
    ) -> Result<(), ApplyError> {
        if self.outcome.is_some() {
            return Err(ApplyError::AfterEnd);
        }
        if record.seq != self.next_seq {
            return Err(ApplyError::WrongSequence {
                expected: self.next_seq,
                found: record.seq,
            });
        }
        let begins = matches!(record.event, Event::Accepted(_));
        let unknown = matches!(record.event, Event::Unknown { .. });
        if (record.seq == 0) != begins && !unknown {
            return Err(ApplyError::WrongStart);
        }
        match self.event(record.seq, &record.event, record.at_ms, list) {
            // What follows from a record that is not understood, or from a value that is not here, may not fit.
            Err(_) if self.view_only.is_some() => {}
            other => other?,
        }
        self.facts.note(record);
        self.next_seq += 1;
        self.last_at_ms = record.at_ms;
        Ok(())
    }

    /// As [`Self::apply`].
    ///
    /// # Errors
    ///
    /// As [`Self::apply`].
    pub fn apply_owned(&mut self, record: Record) -> Result<(), ApplyError> {
        self.apply(&record)
    }

    #[expect(
        clippy::too_many_lines,
        reason = "one arm for each event, and each arm a call"
    )]
    fn event(
        &mut self,
        seq: u64,
        event: &Event,
        at_ms: u64,
        made: Option<Arc<Vec<Value>>>,
    ) -> Result<(), ApplyError> {
        let name = event.name();
        match event {
            Event::Accepted(accepted) => self.accept(accepted, at_ms),
            Event::Intent {
                step,
                attempt,
                input_digest,
                ..
            } => {
                let at = self.expect(step, name, Phase::is_active)?;
                self.intent(&at, *attempt, *input_digest, at_ms);
            }
            Event::Completed {
                step,
                attempt,
                output,
                elapsed_us,
                used,
                source,
            } => {
                let at = self.expect(step, name, |phase| {
                    phase.is_active()
                        || *phase == Phase::ToFallBack
                        || phase.waits_for(|waited| *waited == Waited::Child)
                })?;
                let output = self.content(seq, output);
                self.tried(&at, *attempt, *elapsed_us, used);
                self.take_result(&at, output, *source, at_ms);
            }
            Event::AttemptFailed {
                step,
                attempt,
                failure,
                retry_at_ms,
                elapsed_us,
                used,
            } => {
                let at = self.expect(step, name, |phase| {
                    !phase.is_settled() && !matches!(phase, Phase::Blocked | Phase::Waiting(_))
                })?;
                self.tried(&at, *attempt, *elapsed_us, used);
                self.attempt_failed_at(&at, failure, *retry_at_ms, at_ms);
            }
            Event::Skipped { step, reason } => {
                let at = self.expect(step, name, |phase| matches!(phase, Phase::ToSkip(_)))?;
                self.count(&at, |counters| counters.skipped += 1);
                self.settle(&at, Phase::Skipped(reason.clone()), None, at_ms);
            }
            Event::LoopStarted { step, count, list } => {
                let at = self.expect(step, name, |phase| *phase == Phase::Ready)?;
                let count = *count;
                self.start_loop(&at, step, foreach::Begun { count, list, made }, at_ms)?;
            }
            Event::RoundEnded { step, round, again } => {
                let at = self.expect(step, name, |phase| *phase == Phase::RoundOver(*round))?;
                repeat::round_ended(self, &at, *round, *again, at_ms);
            }
            Event::AwaitOpened { step, awaits, due_ms } => {
                let at = self.expect(step, name, |phase| {
                    phase.is_active() || matches!(phase, Phase::ToRetry(_) | Phase::ToPause(_))
                })?;
                self.open_wait(seq, &at, step, awaits, *due_ms, at_ms);
            }
            Event::AwaitClosed { step, closing } => {
                let at = self.expect(step, name, |phase| phase.waits_for(|_| true))?;
                self.close_wait(seq, &at, step, closing, at_ms)?;
            }
            Event::SignalReceived(signal) => {
                self.content(seq, &signal.payload);
                self.inbox.push(signal.clone());
            }
            Event::Responded { step, status, .. } => {
                let at = self.expect(step, name, |phase| *phase == Phase::Ready)?;
                respond::responded(self, &at, *status, at_ms);
            }
            Event::Paused { by } => self.paused = Some(by.clone()),
            Event::Unpaused { .. } => self.paused = None,
            Event::CancelRequested { reason, grace_ms } => {
                self.cancel_grace_ms = Some(*grace_ms);
                let reason = reason.clone();
                self.ending.get_or_insert(Ending::Cancelled { reason });
            }
            Event::Log { .. } => {}
            Event::Ended { outcome } => {
                self.outcome = Some(outcome.clone());
                self.ended_at_ms = at_ms;
            }
            Event::Unknown { what } => {
                let what = what.clone();
                self.view_only.get_or_insert(ViewOnly::LaterVersion { seq, what });
            }
        }
        Ok(())
    }

    /// A value of a record; null if its bytes are not here, and then the run can only be shown.
    fn content(&mut self, seq: u64, datum: &Datum) -> Arc<Value> {
        datum.content().cloned().unwrap_or_else(|| {
            let bytes = datum.reference().map_or(0, |reference| reference.bytes);
            self.view_only.get_or_insert(ViewOnly::NoValue { seq, bytes });
            Arc::default()
        })
    }

    fn accept(&mut self, accepted: &Accepted, at_ms: u64) {
        if accepted.version > RECORD_VERSION {
            let what = format!("records of version {}", accepted.version);
            self.view_only = Some(ViewOnly::LaterVersion { seq: 0, what });
        }
        let of_trigger = accepted
            .until
            .as_ref()
            .and_then(|until| self.plan.of_trigger(until));
        if let Some(plan) = of_trigger.cloned() {
            self.follow(plan);
        }
        self.input = self.content(0, &accepted.input);
        let extra = accepted.extra.as_ref().map(|extra| self.content(0, extra));
        self.trigger = Arc::new(Self::announce_trigger(
            &accepted.trigger,
            &self.input,
            extra.as_deref(),
        ));
        self.started_at_ms = at_ms;
        self.about = Arc::new(json!({
            "id": self.run.as_str(),
            "workflow": self.plan.workflow,
            "started_at": moment_text(at_ms),
        }));
        let plan = Arc::clone(&self.plan);
        self.begin_body(&[], &plan.top, at_ms);
        for node in &accepted.given {
            let number = plan.by_id.get(node.as_str()).copied();
            // Only what stands in no loop has one result.
            if let Some(number) = number.filter(|_| !node.is_undo())
                && plan.node(number).is_some_and(|node| node.loops.is_empty())
            {
                self.make_ready(&top(number), at_ms);
            }
        }
        if let Some(until) = &accepted.until {
            self.leave_out_all_but(until, &accepted.given, at_ms);
        }
    }

    /// A run that goes only as far as one node leaves out everything that this node does not need.
    fn leave_out_all_but(&mut self, until: &NodeId, given: &[NodeId], at_ms: u64) {
        let plan = Arc::clone(&self.plan);
        let mut wanted = BTreeSet::new();
        let mut to_visit: Vec<usize> = plan
            .by_id
            .get(until.as_str())
            .and_then(|number| plan.node(*number))
            .map(|node| {
                node.loops
                    .first()
                    .and_then(|number| plan.node(*number))
                    .unwrap_or(node)
                    .slot
            })
            .into_iter()
            .collect();
        while let Some(slot) = to_visit.pop() {
            let Some(node) = plan.top.nodes.get(slot).and_then(|number| plan.node(*number)) else {
                continue;
            };
            if !wanted.insert(slot) || given.contains(&node.id) {
                continue;
            }
            to_visit.extend(node.needs.iter().chain(&node.asks));
            to_visit.extend(node.after.iter().map(|after| after.slot));
            if let Some(crate::plan::FallbackPlan::Node(slot)) = &node.fallback {
                to_visit.push(*slot);
            }
        }
        for (slot, number) in plan.top.nodes.iter().enumerate() {
            if !wanted.contains(&slot) {
                let reason = format!("the run goes only as far as `{until}`");
                self.make_actionable(&top(*number), Phase::ToSkip(reason), at_ms);
            }
        }
    }

    /// The step of an event, if it is doing something in which the event can happen. A run that can only be shown is
    /// shown as well as its records allow.
    fn expect(
        &self,
        key: &StepKey,
        event: &'static str,
        allowed: impl Fn(&Phase) -> bool,
    ) -> Result<StepRef, ApplyError> {
        let unknown = || ApplyError::UnknownStep(key.clone());
        let at = self.locate(key).ok_or_else(unknown)?;
        let step = self.step(&at).ok_or_else(unknown)?;
        if allowed(&step.phase) || self.view_only.is_some() {
            Ok(at)
        } else {
            Err(ApplyError::NotExpected {
                step: key.clone(),
                state: step.phase.name(),
                event,
            })
        }
    }

    fn intent(&mut self, at: &StepRef, attempt: u32, input_digest: Digest, at_ms: u64) {
        self.make_actionable(at, Phase::Working, at_ms);
        let Some(step) = self.step_mut(at) else { return };
        step.attempts = attempt;
        step.input_digest.get_or_insert(input_digest);
        step.first_intent_ms.get_or_insert(at_ms);
    }

    /// What a record says of an attempt that ended.
    fn tried(&mut self, at: &StepRef, attempt: u32, elapsed_us: u64, used: &[Used]) {
        if let Some(step) = self.step_mut(at) {
            step.attempts = step.attempts.max(attempt);
            step.add_used(used);
        }
        self.count(at, |counters| {
            counters.elapsed_us += elapsed_us;
            counters.tries += u64::from(attempt > 0);
        });
    }

    fn attempt_failed_at(&mut self, at: &StepRef, failure: &Failure, retry_at_ms: Option<u64>, at_ms: u64) {
        if let Some(step) = self.step_mut(at) {
            step.first_failure_ms.get_or_insert(at_ms);
            step.last_failure = Some(failure.clone());
            // A fallback that fails is not tried again.
            step.stood_in |= step.phase == Phase::ToFallBack;
        }
        match retry_at_ms {
            Some(due) => self.make_actionable(at, Phase::ToRetry(due), at_ms),
            None => self.fail(at, failure.clone(), at_ms),
        }
    }

    fn start_loop(
        &mut self,
        at: &StepRef,
        key: &StepKey,
        begun: foreach::Begun<'_>,
        at_ms: u64,
    ) -> Result<(), ApplyError> {
        let plan = Arc::clone(&self.plan);
        self.keep_loop(at, *begun.list);
        match plan.node(at.node).map(|node| &node.kind) {
            Some(PlanKind::Repeat(repeat)) => repeat::started(self, at, repeat, at_ms),
            _ => foreach::started(self, at, key, begun, at_ms)?,
        }
        Ok(())
    }

    fn open_wait(
        &mut self,
        seq: u64,
        at: &StepRef,
        key: &StepKey,
        awaits: &Await,
        due_ms: Option<u64>,
        at_ms: u64,
    ) {
        match awaits {
            Await::Approval { question: datum, .. } | Await::Child { input: datum, .. } => {
                self.content(seq, datum);
            }
            _ => {}
        }
        self.set_phase(
            at,
            Phase::Waiting(Box::new(Waiting {
                awaits: Waited::of(awaits),
                due_ms,
                since_ms: at_ms,
            })),
        );
        if let Some(question) = Question::of(awaits, at_ms)
            && let Some(step) = self.step_mut(at)
        {
            step.question = Some(Box::new(question));
        }
        if let Some(due) = due_ms {
            self.timers.insert((due, at.clone()));
        }
        match awaits {
            Await::Signal { .. } => {
                self.signal_waits.insert(at.clone());
            }
            Await::Child { .. } => {
                self.ordered.insert(key);
                // One that does not wait for its child is done at once.
                self.actionable.push(at.clone());
            }
            _ => {}
        }
    }

    fn close_wait(
        &mut self,
        seq: u64,
        at: &StepRef,
        key: &StepKey,
        closing: &Closing,
        at_ms: u64,
    ) -> Result<(), ApplyError> {
        match closing {
            Closing::Child(end) => {
                self.content(seq, &end.output);
            }
            Closing::Decision(decision) => {
                for answer in &decision.answers {
                    for datum in answer.form.iter().chain(&answer.signature) {
                        self.content(seq, datum);
                    }
                }
            }
            _ => {}
        }
        let waited = match self.step(at).map(|step| &step.phase) {
            Some(Phase::Waiting(waiting)) => waiting.awaits.clone(),
            _ => Waited::Time,
        };
        let fits = match (waited, closing) {
            (Waited::Retry { .. }, Closing::Due) => {
                self.make_actionable(at, Phase::Ready, at_ms);
                true
            }
            (Waited::Review { failure }, Closing::Review(verdict)) => {
                if let Some(step) = self.step_mut(at) {
                    step.answer = Some(verdict.by.clone());
                }
                match &verdict.action {
                    ReviewAction::Retry => self.make_actionable(at, Phase::Ready, at_ms),
                    ReviewAction::Skip { output } => {
                        let output = self.content(seq, output);
                        self.take_result(at, output, Source::Given, at_ms);
                    }
                    ReviewAction::Fail => self.fail(at, failure, at_ms),
                }
                true
            }
            (Waited::Review { .. } | Waited::Retry { .. }, _) => false,
            (_, closing) => kinds::closed(self, at, closing.clone(), at_ms),
        };
        if fits {
            Ok(())
        } else {
            Err(ApplyError::NotExpected {
                step: key.clone(),
                state: self.step(at).map_or("unknown", |step| step.phase.name()),
                event: "await_closed",
            })
        }
    }
}

fn top(node: usize) -> StepRef {
    StepRef {
        path: Vec::new(),
        node,
    }
}
