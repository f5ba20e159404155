//! What a run hears while it waits: ends of attempts, intents, orders.

use flowforge_failpoints::Point;
use flowforge_journal::{Message, Ticket, Upload, Urgency};
use flowforge_protocol::approval::Decision;
use flowforge_protocol::awaited::{Closing, Signal};
use flowforge_protocol::record::{Event, Source};
use flowforge_protocol::{Digest, Failure, FailureKind, JobId, StepKey, Use, Used};
use flowforge_workflow::DecisionRefusal;
use serde_json::Value;
use tokio::sync::oneshot;
use tracing::{debug, error, warn};

use super::attempts::{Broken, Ended};
use super::halt::Halt;
use super::step::{self, AttemptEnd, AttemptResult};
use super::task::{RunTask, UnderWay};
use flowforge_workflow::run::MAX_UNTAKEN;

use crate::order::{Change, Refusal, VerifiedOrder};

/// What others tell a run.
pub(super) enum RunMessage {
    /// An attempt is about to have its first effect.
    Intent {
        step: StepKey,
        attempt: u32,
        input_digest: Digest,
        will_use: Use,
        /// The ticket of the intent and how many records the run has with it, or why the attempt may not go on.
        reply: oneshot::Sender<Result<(Ticket, u64), String>>,
    },
    /// Something waits in the run's inbox in the journal.
    Inbox,
    /// Another host has the run now.
    Drop,
}

impl RunTask {
    /// Records how an attempt ended.
    pub(super) fn attempt_ended(&mut self, ended: Ended<AttemptEnd>) -> Result<(), Halt> {
        let Ended { step, result } = ended;
        let Some(under_way) = self.under_way.remove(&step) else {
            return Ok(());
        };
        match result {
            Ok(end) => self.attempt_returned(step, &under_way, end),
            Err(broken) => self.attempt_broke(step, &under_way, broken),
        }
    }

    fn attempt_returned(&mut self, step: StepKey, under_way: &UnderWay, end: AttemptEnd) -> Result<(), Halt> {
        let AttemptEnd {
            result,
            logs,
            elapsed,
            requests,
        } = end;
        let attempt = under_way.attempt;
        if matches!(result, AttemptResult::Refused(_)) && !self.has_lease() {
            // It was stopped before it did anything; it is given again if the run stays here.
            self.recorder.attempt_stopped(&step);
            return Ok(());
        }
        self.recorder.attempt_ended(&step);
        if under_way.intent {
            self.shared.failpoints.hit(Point::B6)?;
        }
        self.shared.failpoints.hit(Point::B7)?;
        for line in logs {
            self.record(line)?;
        }
        if let Some(trace) = &mut self.trace {
            trace.sent(requests);
        }
        let elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let mut used: Vec<Used> = Vec::new();
        let failure = match result {
            AttemptResult::Done(mut invoked) => {
                self.redactor.value(&mut invoked.output);
                for digest in step::artefacts_in(&invoked.output, &self.shared.steps.artefacts) {
                    self.recorder.send(Upload::Artefact {
                        digest,
                        about: Vec::new(),
                    });
                }
                return self.record_or_fail(Event::Completed {
                    step,
                    attempt,
                    output: invoked.output.into(),
                    elapsed_us,
                    used: invoked.usage.used,
                    source: Source::Step,
                });
            }
            AttemptResult::Failed(failure, uses) => {
                used = uses;
                failure
            }
            AttemptResult::Refused(reason) => {
                Failure::new(FailureKind::Unavailable, format!("nothing was done: {reason}"))
                    .with_code("FF-RUN-114")
            }
            AttemptResult::HostTrouble(reason, uses) => {
                used = uses;
                error!(run_id = %self.run, %step, attempt, error = reason, "this host could not run a step");
                Failure::new(
                    FailureKind::Unavailable,
                    format!("this host could not run the step: {reason}"),
                )
                .with_code("FF-RUN-115")
            }
        };
        let failure = self.clean(failure);
        let event =
            self.execution
                .state()
                .attempt_failed(&step, attempt, failure, used, elapsed_us, self.now());
        self.record(event)
    }

    /// An attempt ended without an answer.
    fn attempt_broke(&mut self, step: StepKey, under_way: &UnderWay, broken: Broken) -> Result<(), Halt> {
        match broken {
            Broken::Panicked => self.recorder.attempt_ended(&step),
            Broken::Stopped => self.recorder.attempt_stopped(&step),
        }
        let (kind, code, message) = match (broken, under_way.intent) {
            (Broken::Panicked, _) => (
                FailureKind::Internal,
                "FF-RUN-112",
                "the host's own code failed on this step",
            ),
            (Broken::Stopped, true) => (
                FailureKind::OutcomeUnknown,
                "FF-RUN-116",
                "it was stopped while it was at work outside",
            ),
            (Broken::Stopped, false) => (
                FailureKind::Unavailable,
                "FF-RUN-117",
                "it was stopped before it did anything outside",
            ),
        };
        if broken == Broken::Panicked {
            error!(run_id = %self.run, %step, "a step's attempt panicked");
        }
        let failure = Failure::new(kind, message).with_code(code);
        let event = self.execution.state().attempt_failed(
            &step,
            under_way.attempt,
            failure,
            Vec::new(),
            0,
            self.now(),
        );
        self.record(event)
    }

    fn clean(&self, mut failure: Failure) -> Failure {
        let clean = |text: &mut String| *text = self.redactor.text(text).into_owned();
        clean(&mut failure.message);
        failure.code.as_mut().map(clean);
        failure.path.as_mut().map(clean);
        failure
    }

    /// Sees to a message.
    pub(super) async fn receive(&mut self, message: RunMessage) -> Result<(), Halt> {
        match message {
            RunMessage::Intent {
                step,
                attempt,
                input_digest,
                will_use,
                reply,
            } => {
                let Some(under_way) = self
                    .under_way
                    .get_mut(&step)
                    .filter(|known| known.attempt == attempt)
                else {
                    let _ = reply.send(Err("the attempt is over".to_owned()));
                    return Ok(());
                };
                if self.execution.state().is_ending() && !step.node.is_undo() {
                    let _ = reply.send(Err("the run is ending".to_owned()));
                    return Ok(());
                }
                let now_ms = self.shared.clock.monotonic_ms();
                if let Err(reason) = self.shared.leases.check(&self.run, now_ms) {
                    let _ = reply.send(Err(reason));
                    return Ok(());
                }
                under_way.intent = true;
                self.record(Event::Intent {
                    step,
                    attempt,
                    input_digest,
                    will_use,
                })?;
                let records = self.execution.state().next_seq();
                if let Some(ticket) = self.flush(Urgency::Now).await? {
                    // An attempt that was stopped meanwhile does not wait for the answer.
                    let _ = reply.send(Ok((ticket, records)));
                }
                Ok(())
            }
            RunMessage::Inbox => self.read_inbox().await,
            RunMessage::Drop => Err(Halt::Dropped),
        }
    }

    /// Sees to the orders that wait in the inbox, in the order in which they came. Each is verified again, and leaves the
    /// inbox in one commit with the record that it causes.
    pub(super) async fn read_inbox(&mut self) -> Result<(), Halt> {
        let journal = self.shared.journal.clone();
        for message in journal.messages(&self.run).await? {
            let event = self.event_of(&message);
            let Some(event) = event else {
                journal.consume(&self.run, message.number).await?;
                continue;
            };
            let cancelled = match event {
                Event::CancelRequested { grace_ms, .. } => Some(grace_ms),
                _ => None,
            };
            self.record(event)?;
            self.recorder.consumes(message.number);
            self.flush(Urgency::Now).await?;
            if let Some(grace_ms) = cancelled {
                warn!(run_id = %self.run, under_way = self.under_way.len(), grace_ms, "run cancelled");
                self.stop_after(grace_ms);
            }
        }
        Ok(())
    }

    /// What an order changes; `None` if that is nothing.
    fn event_of(&self, message: &Message) -> Option<Event> {
        let order = match self.shared.gate.readmit(&message.bytes) {
            Ok(order) => order,
            Err(refusal) => {
                error!(run_id = %self.run, job_id = %message.job, code = refusal.code(), error = %refusal,
                       "a stored order is refused");
                return None;
            }
        };
        if order.about().epoch != self.recorder.epoch() || order.about().run != self.run {
            warn!(run_id = %self.run, job_id = %message.job, "a stored order is of another time of the run");
            return None;
        }
        match order {
            VerifiedOrder::Change(change) => self.event_of_change(&message.job, change.order().clone()),
            VerifiedOrder::Begin(_) => None,
        }
    }

    fn event_of_change(&self, job: &JobId, change: Change) -> Option<Event> {
        let state = self.execution.state();
        let open = |kind: &str, step: &StepKey| {
            let mut waits = state.waits().into_iter();
            waits.any(|wait| wait.kind == kind && wait.step == *step)
        };
        let (step, closing) = match change {
            Change::Decide(decision) => {
                let step = self.asked(job, &decision)?;
                (step, Closing::Decision(Box::new(decision.recorded())))
            }
            Change::Review { step, verdict } if open("review", &step) => {
                (step, Closing::Review(verdict.into_verdict()))
            }
            Change::ChildEnded(child) if open("child", &child.step) => {
                (child.step.clone(), Closing::Child(child.into_end()))
            }
            Change::Review { step, .. }
            | Change::ChildEnded(flowforge_protocol::job::ChildOrder { step, .. }) => {
                debug!(run_id = %self.run, %step, "an answer came for a step that does not wait for it");
                return None;
            }
            Change::Signal(signal) => {
                if state.untaken_signals() >= MAX_UNTAKEN {
                    warn!(run_id = %self.run, signal = signal.name, "too many signals that no step took; one is left out");
                    return None;
                }
                return Some(Event::SignalReceived(Signal {
                    message: signal.message,
                    name: signal.name,
                    correlation: signal.correlation,
                    payload: signal.payload.into(),
                    by: signal.by,
                }));
            }
            // It is for runs that have ended, and is seen to before it comes to one.
            Change::Erase { .. } => return None,
            Change::Pause { reason } => {
                return (state.paused().is_none() && !state.is_ending())
                    .then_some(Event::Paused { by: reason });
            }
            Change::Unpause { reason } => {
                return state.paused().is_some().then_some(Event::Unpaused { by: reason });
            }
            Change::Cancel(cancel) => {
                return (!state.is_ending()).then_some(Event::CancelRequested {
                    reason: cancel.reason,
                    grace_ms: cancel.grace_ms,
                });
            }
        };
        Some(Event::AwaitClosed { step, closing })
    }

    /// The step whose question a decision answers. One whose answers do not count, whoever signed the order, is refused: the
    /// question stays open, and the control plane is told why.
    fn asked(&self, job: &JobId, decision: &Decision<Value>) -> Option<StepKey> {
        match self.execution.state().check_decision(decision) {
            Ok(step) => Some(step),
            Err(DecisionRefusal::Closed) => {
                debug!(run_id = %self.run, approval = %decision.approval, "a decision came for a question that is closed");
                None
            }
            Err(DecisionRefusal::Answers(refused)) => {
                let refusal = Refusal::Decision {
                    run: self.run.clone(),
                    reason: refused.to_string(),
                };
                error!(run_id = %self.run, job_id = %job, code = refusal.code(), error = %refusal,
                       "a decision is refused");
                self.shared.outgoing.refused(refusal.answer(job.clone()));
                None
            }
        }
    }
}
