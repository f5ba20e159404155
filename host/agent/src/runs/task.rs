//! The task of one run: asks the state machine what is next, does it, records it.
//!
//! Only this task adds records to the run. Records are applied to the state at once and given to the journal in groups;
//! what depends on their durability (an effect, the end) waits for it. A timer needs no wait of its own: its firing is
//! a record behind the one it rests on, so both are kept or neither.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use flowforge_journal::{Upload, Urgency};
use flowforge_protocol::record::{Event, Outcome, Source};
use flowforge_protocol::{Failure, FailureKind, RunId, StepKey};
use flowforge_runtime::Redactor;
use flowforge_workflow::{Command, Execution, Invoke};
use futures::FutureExt as _;
use futures::future::AbortHandle;
use tokio::sync::mpsc;
use tracing::{debug, error, info, warn};

use super::attempts::Attempts;
use super::halt::{After, Driven, Halt, Rest};
use super::idle::Idle;
use super::mailbox::RunMessage;
use super::marking::Marking;
use super::quota::RunQuota;
use super::recorder::{AddError, Recorder};
use super::registry::{Phase, PhaseCell};
use super::room::Cancelled;
use super::service::Shared;
use super::step::{self, Attempt, AttemptEnd};
use super::wait::Wait;
use crate::clock::Sleep;
use crate::order::Cancellation;
use crate::release::LoadedRelease;
use crate::text::with_causes;
use crate::traces::RunTrace;

/// The ends that others hold of a run.
pub(super) struct Control {
    pub(super) mailbox: mpsc::Receiver<RunMessage>,
    pub(super) to_self: mpsc::Sender<RunMessage>,
    pub(super) phase: PhaseCell,
}

/// An attempt under way.
pub(super) struct UnderWay {
    pub(super) attempt: u32,
    pub(super) abort: AbortHandle,
    /// Its intent is recorded: it may have had an effect.
    pub(super) intent: bool,
}

/// The task of one run.
pub(super) struct RunTask {
    pub(super) shared: Arc<Shared>,
    pub(super) control: Control,
    pub(super) run: RunId,
    pub(super) release: Arc<LoadedRelease>,
    pub(super) redactor: Arc<Redactor>,
    artefact_quota: Arc<RunQuota>,
    pub(super) execution: Execution,
    pub(super) recorder: Recorder,
    pub(super) attempts: Attempts<AttemptEnd>,
    pub(super) under_way: BTreeMap<StepKey, UnderWay>,
    /// When the next timer of the run is due.
    timer: Option<(u64, Sleep)>,
    /// When held records are due.
    hold: Option<(u64, Sleep)>,
    /// When the grace of a cancellation is over.
    stop: Option<(u64, Sleep)>,
    /// When its lease is over, if it has one.
    lease: Option<(u64, Sleep)>,
    /// How it waits in memory, while it does.
    pub(super) idle: Idle,
    pub(super) draining: bool,
    pub(super) marking: Marking,
    /// What is told of it, if somebody named a collector.
    pub(super) trace: Option<RunTrace>,
    /// Expressions are left that cost too much to be evaluated in passing.
    pub(super) has_costly_left: bool,
}

impl RunTask {
    pub(super) fn new(
        shared: Arc<Shared>,
        control: Control,
        release: Arc<LoadedRelease>,
        execution: Execution,
        recorder: Recorder,
    ) -> Self {
        let telemetry = shared.telemetry.as_ref();
        Self {
            trace: telemetry.and_then(|telemetry| RunTrace::of(telemetry, execution.state(), &release)),
            shared,
            control,
            run: execution.state().run().clone(),
            release,
            redactor: Arc::new(Redactor::default()),
            artefact_quota: Arc::new(RunQuota::new()),
            execution,
            recorder,
            attempts: Attempts::new(),
            under_way: BTreeMap::new(),
            timer: None,
            hold: None,
            stop: None,
            lease: None,
            idle: Idle::default(),
            draining: false,
            marking: Marking::Later,
            has_costly_left: false,
        }
    }

    /// So much of it waits until its marks are durable.
    pub(super) fn marking(mut self, marking: Marking) -> Self {
        self.marking = marking;
        self
    }

    /// It goes on with this quota, in which what it has made before is counted.
    pub(super) fn within(mut self, quota: Arc<RunQuota>) -> Self {
        self.artefact_quota = quota;
        self
    }

    /// Drives the run until it has ended or leaves memory, or the host stops. A panic on the way ends the run with a failure.
    pub(super) async fn run(mut self) -> Rest {
        let driven = AssertUnwindSafe(self.drive()).catch_unwind().await;
        let after = match driven {
            Ok(Ok(Driven::Ended)) => return Rest::Gone,
            Ok(Ok(Driven::Asleep(wait))) => {
                debug!(run_id = %self.run, about = &*wait.about, "run leaves memory until something comes");
                let quota = self.artefact_quota.kept();
                self.shared.registry.keep_quota(&self.run, quota);
                return Rest::Asleep(wait);
            }
            Ok(Err(halt)) => After::of(halt),
            Err(_) => After::Fails(
                Failure::new(FailureKind::Internal, "the host's own code failed on this run")
                    .with_code("FF-RUN-112"),
            ),
        };
        match after {
            After::Drops => self.drop_everything().await,
            After::LetsGo(reason) => {
                self.attempts.shutdown().await;
                info!(run_id = %self.run, reason, "run dropped: it goes on elsewhere");
                Rest::Gone
            }
            After::Cancelled(cancelled) => self.end_cancelled(cancelled).await,
            After::Rests(reason) => {
                debug!(run_id = %self.run, reason, "run rests until the next start");
                Rest::Resting(reason)
            }
            After::Stops(reason) => {
                error!(run_id = %self.run, error = reason, "run stopped; it goes on at the next start");
                Rest::Resting(reason)
            }
            After::Fails(failure) => {
                error!(run_id = %self.run, error = failure.message, code = failure.code, "run cannot go on; it is ended");
                // What was added but is not in the journal is lost; nothing was told of it.
                self.reset();
                self.end_with(Outcome::Failed { node: None, failure }).await
            }
        }
    }

    /// The records that waited for room are lost; nothing was told of them. The end is let through.
    async fn end_cancelled(mut self, cancelled: Cancelled) -> Rest {
        warn!(run_id = %self.run, "run cancelled while the journal was full");
        self.reset();
        self.recorder.consumes(cancelled.message);
        let Cancellation { reason, grace_ms } = cancelled.cancellation;
        let (at_ms, held_from) = (self.now(), self.shared.clock.monotonic_ms());
        let requested = Event::CancelRequested {
            reason: reason.clone(),
            grace_ms,
        };
        if let Err(error) = self.recorder.add(at_ms, held_from, requested) {
            error!(run_id = %self.run, %error, "the cancellation cannot be recorded");
        }
        self.end_with(Outcome::Cancelled { reason }).await
    }

    async fn end_with(mut self, outcome: Outcome) -> Rest {
        self.attempts.shutdown().await;
        match self.give_up(outcome).await {
            Ok(()) => Rest::Gone,
            Err(halt) => {
                error!(run_id = %self.run, error = %with_causes(&halt), "its end could not be recorded; it goes on at the next start");
                Rest::Resting(with_causes(&halt))
            }
        }
    }

    async fn drop_everything(mut self) -> Rest {
        self.attempts.shutdown().await;
        match self.recorder.forget().await {
            Ok(_) => info!(run_id = %self.run, "run dropped: another host has it"),
            Err(stopped) => error!(run_id = %self.run, error = %stopped, "its records could not be dropped"),
        }
        Rest::Gone
    }

    async fn drive(&mut self) -> Result<Driven, Halt> {
        // An order may have overtaken the start, or have come while the run was not in memory.
        self.read_inbox().await?;
        loop {
            self.draining |= self.shared.drain.is_cancelled();
            if !self.has_lease() {
                return self.give_way().await.map(Driven::Asleep);
            }
            self.advance().await?;
            if self.execution.state().outcome().is_some() {
                self.finish().await?;
                return Ok(Driven::Ended);
            }
            if self.may_leave()
                && let Some(wait) = self.leave().await?
            {
                return Ok(Driven::Asleep(wait));
            }
            if self.draining && self.attempts.is_empty() {
                self.flush(Urgency::Now).await?;
                return Err(Halt::Draining);
            }
            if self.attempts.is_empty() || self.recorder.is_due(self.shared.clock.monotonic_ms()) {
                self.keep().await?;
            }
            if !self.attempts.is_empty() {
                self.marking = self.marking.after_attempts();
            }
            self.show_phase();
            self.wait().await?;
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.shared.clock.now_ms()
    }

    fn show_phase(&self) {
        let phase = &self.control.phase;
        if self.attempts.is_empty() {
            let wait = Wait::of(self.execution.state());
            phase.set_about(wait.phase(), wait.about.into());
        } else {
            phase.set(Phase::Running);
        }
    }

    /// Follows the state machine as far as it goes without waiting.
    async fn advance(&mut self) -> Result<(), Halt> {
        loop {
            let mut recorded = false;
            for command in self.next_commands().await? {
                match command {
                    Command::Record(event) => {
                        self.name_artefacts(&event);
                        self.record_or_fail(event)?;
                        recorded = true;
                    }
                    Command::Invoke(invoke) if !self.draining => self.start(*invoke),
                    // Given again at the next start.
                    Command::Invoke(_) => {}
                }
            }
            let goes_on = recorded || self.has_waiting_expressions();
            if !goes_on || self.execution.state().outcome().is_some() {
                return Ok(());
            }
            if self.recorder.is_due(self.shared.clock.monotonic_ms()) {
                self.keep().await?;
                tokio::task::yield_now().await;
            }
        }
    }

    /// A result that the run does not make itself, but is given, may speak of artefacts that are here: they are wanted as
    /// long as the run is open.
    fn name_artefacts(&mut self, event: &Event) {
        if let Event::Completed { source, output, .. } = event
            && *source != Source::Step
            && let Some(output) = output.content()
        {
            for digest in step::artefacts_in(output, &self.shared.steps.artefacts) {
                let about = Vec::new();
                self.recorder.send(Upload::Artefact { digest, about });
            }
        }
    }

    /// Forgets what the journal does not have.
    fn reset(&mut self) {
        self.recorder.reset();
        if let Some(trace) = &mut self.trace {
            trace.forget();
        }
    }

    /// Adds a record and applies it.
    pub(super) fn record(&mut self, event: Event) -> Result<(), Halt> {
        let clock = &self.shared.clock;
        let record = self.recorder.add(clock.now_ms(), clock.monotonic_ms(), event)?;
        let Some(trace) = &mut self.trace else {
            self.execution.apply(record)?;
            return Ok(());
        };
        let noted = trace.note(&record, self.execution.state());
        self.execution.apply(record)?;
        trace.settle(noted, self.execution.state());
        Ok(())
    }

    /// Adds what the state machine decided; a value too large to be kept becomes the failure of its step, or of the run.
    pub(super) fn record_or_fail(&mut self, event: Event) -> Result<(), Halt> {
        let used = match &event {
            Event::Completed { used, .. } => used.clone(),
            _ => Vec::new(),
        };
        let instead = match &event {
            Event::Completed { step, attempt, .. } => Some((step.clone(), *attempt)),
            Event::AwaitOpened { step, .. } | Event::Responded { step, .. } => Some((step.clone(), 0)),
            _ => None,
        };
        let is_end = matches!(event, Event::Ended { .. });
        match (self.record(event), instead) {
            (
                Err(Halt::Add(error @ (AddError::TooLarge { .. } | AddError::Value(_)))),
                Some((step, attempt)),
            ) => self.record(Event::AttemptFailed {
                step,
                attempt,
                failure: too_large(&error),
                retry_at_ms: None,
                elapsed_us: 0,
                used,
            }),
            (Err(Halt::Add(error @ (AddError::TooLarge { .. } | AddError::Value(_)))), None) if is_end => {
                self.record(Event::Ended {
                    outcome: Outcome::Failed {
                        node: None,
                        failure: too_large(&error),
                    },
                })
            }
            (result, _) => result,
        }
    }

    /// Starts an attempt.
    fn start(&mut self, invoke: Invoke) {
        let (key, number) = (invoke.step.clone(), invoke.attempt);
        self.recorder.attempt_begins(&key, number);
        let attempt = Attempt {
            run: self.run.clone(),
            root: self.execution.state().effect_root().clone(),
            release: Arc::clone(&self.release),
            redactor: Arc::clone(&self.redactor),
            artefact_quota: Arc::clone(&self.artefact_quota),
            mailbox: self.control.to_self.clone(),
            timeout: Duration::from_millis(invoke.timeout_ms),
            trace: self
                .trace
                .as_ref()
                .map(|trace| Arc::new(trace.attempt(&key, number))),
            invoke,
        };
        let running = step::run(Arc::clone(&self.shared.steps), attempt);
        let abort = if !self.marking.holds_attempts() {
            self.attempts.start(key.clone(), running)
        } else {
            let journal = self.shared.journal.clone();
            let marked = async move {
                if journal.flush().await.is_err() {
                    // The journal has stopped, and the host stops with it: nothing begins any more.
                    std::future::pending::<()>().await;
                }
                running.await
            };
            self.attempts.start(key.clone(), marked)
        };
        self.under_way.insert(
            key,
            UnderWay {
                attempt: number,
                abort,
                intent: false,
            },
        );
    }

    /// Waits for whatever comes first, and sees to it. In this order: what is told to the run is heard between quick
    /// steps, too; and nothing is set up for a wait that an attempt which ends at once does not need.
    async fn wait(&mut self) -> Result<(), Halt> {
        self.set_wake();
        tokio::select! {
            biased;
            Some(message) = self.control.mailbox.recv() => self.receive(message).await,
            Some(ended) = self.attempts.next() => self.attempt_ended(ended?),
            () = self.shared.drain.cancelled(), if !self.draining => Ok(()),
            () = due(&mut self.timer) => {
                self.timer = None;
                Ok(())
            }
            () = due(&mut self.hold) => {
                self.hold = None;
                Ok(())
            }
            () = due(&mut self.stop) => {
                self.stop = None;
                self.stop_attempts();
                Ok(())
            }
            () = due(&mut self.lease) => {
                self.lease = None;
                Ok(())
            }
            () = self.idle.over() => Ok(()),
        }
    }

    /// The run was cancelled: attempts that are under way may go on for so long, and are stopped then.
    pub(super) fn stop_after(&mut self, grace_ms: u64) {
        if grace_ms == 0 {
            return self.stop_attempts();
        }
        let clock = &self.shared.clock;
        let until_ms = clock.monotonic_ms().saturating_add(grace_ms);
        set(&mut self.stop, Some(until_ms), |due| {
            clock.sleep_until_monotonic(due)
        });
    }

    fn stop_attempts(&self) {
        for (step, under_way) in &self.under_way {
            // What takes an effect back began after the cancellation.
            if !step.node.is_undo() {
                under_way.abort.abort();
            }
        }
    }

    /// The next moments at which something is due: a timer by the time of day, held records by the time that passes.
    fn set_wake(&mut self) {
        let clock = &self.shared.clock;
        let timer = self.execution.state().next_timer_ms().filter(|_| !self.draining);
        set(&mut self.timer, timer, |due| clock.sleep_until(due));
        let lease = self.shared.leases.until_ms(&self.run);
        set(&mut self.lease, lease, |due| clock.sleep_until_monotonic(due));
        let hold = self.recorder.due_ms();
        set(&mut self.hold, hold, |due| clock.sleep_until_monotonic(due));
    }
}

/// Sets a wait to a moment; one that stands there already is kept.
fn set(wait: &mut Option<(u64, Sleep)>, due: Option<u64>, sleep: impl FnOnce(u64) -> Sleep) {
    match (due, &*wait) {
        (Some(due), Some((set, _))) if due == *set => {}
        (Some(due), _) => *wait = Some((due, sleep(due))),
        (None, _) => *wait = None,
    }
}

async fn due(wait: &mut Option<(u64, Sleep)>) {
    match wait {
        Some((_, sleep)) => sleep.await,
        None => std::future::pending().await,
    }
}

pub(super) fn too_large(error: &AddError) -> Failure {
    Failure::new(
        FailureKind::Limit,
        format!("the value is too large to be kept: {error}; keep it as an artefact"),
    )
    .with_code("FF-RUN-113")
}
