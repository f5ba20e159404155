//! The spans of one run.
//!
//! A record is looked at twice: before it is applied, for what it ends began earlier, and after, for whether it has ended
//! something. What is told of it waits until the journal has taken it.

use std::sync::Arc;

use flowforge_protocol::record::{Accepted, Event, Outcome, Record, Trigger};
use flowforge_protocol::{Digest, RunId, StepKey};
use flowforge_telemetry::{Label, Severity, Span, SpanId, SpanIds, SpanKind, Telemetry, TraceContext};
use flowforge_workflow::RunState;

use super::requests::AttemptTrace;
use super::words::{ATTEMPT_DURATION, RUN_DURATION, around, error_type, kind, severity, source};
use crate::release::LoadedRelease;

/// What the spans of a run share.
pub(super) struct RunContext {
    pub(super) telemetry: Telemetry,
    pub(super) id: RunId,
    /// Its trace, behind the run's own span.
    pub(super) context: TraceContext,
    /// Whether its spans are told; if not, the trace is passed on all the same.
    pub(super) told: bool,
}

/// A line of a connector's log.
struct Line {
    at_ns: u64,
    severity: Severity,
    text: String,
    step: StepKey,
    attempt: u32,
}

/// The trace of one run that is under way.
pub(crate) struct RunTrace {
    shared: Arc<RunContext>,
    /// The span that the run hangs from; none if the trace begins with it.
    parent: Option<SpanId>,
    trigger: &'static str,
    release: Arc<LoadedRelease>,
    /// The requests of attempts whose end is about to be recorded.
    requests: Vec<Arc<AttemptTrace>>,
    spans: Vec<Span>,
    lines: Vec<Line>,
}

/// What a record says before it is applied.
pub(crate) struct Noted {
    /// The steps that it may end, inner ones first, and since when each could begin.
    steps: Vec<(StepKey, u64)>,
    /// The step that it is about.
    own: Option<StepKey>,
    at_ns: u64,
    end: StepEnd,
    spans: Vec<Span>,
}

/// How the record's own step ended, if the record ends it.
#[derive(Default)]
struct StepEnd {
    error: Option<String>,
    source: Option<&'static str>,
}

impl StepEnd {
    fn write(&self, span: Span) -> Span {
        let span = match self.source {
            Some(source) => span.with("flowforge.step.source", source),
            None => span,
        };
        match &self.error {
            Some(error) => span.failed(error),
            None => span.ok(),
        }
    }
}

fn ns(ms: u64) -> u64 {
    ms.saturating_mul(1_000_000)
}

impl RunTrace {
    /// The trace of a run, as its first record names it. A run that comes without one has one of its own.
    pub(crate) fn of(telemetry: &Telemetry, state: &RunState, release: &Arc<LoadedRelease>) -> Option<Self> {
        let accepted = state.facts().accepted()?;
        let id = state.run().clone();
        let own = SpanIds::of(id.as_str()).run();
        let given = accepted
            .traceparent
            .as_deref()
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| context_without(&id, own));
        let is_own = given.span == own;
        let parent = parent_of(accepted).or_else(|| (!is_own).then_some(given.span));
        let told = telemetry.tells(&given, is_own);
        let shared = RunContext {
            told,
            context: TraceContext {
                span: own,
                sampled: told,
                ..given
            },
            telemetry: telemetry.clone(),
            id,
        };
        telemetry.know(shared.id.as_str(), shared.context);
        Some(Self {
            shared: Arc::new(shared),
            parent,
            trigger: accepted.trigger.kind(),
            release: Arc::clone(release),
            requests: Vec::new(),
            spans: Vec::new(),
            lines: Vec::new(),
        })
    }

    /// The trace of an attempt that begins.
    pub(crate) fn attempt(&self, step: &StepKey, attempt: u32) -> AttemptTrace {
        AttemptTrace::new(Arc::clone(&self.shared), step, attempt)
    }

    /// An attempt has sent these requests; its end is recorded next.
    pub(crate) fn sent(&mut self, requests: Option<Arc<AttemptTrace>>) {
        self.requests.extend(requests);
    }

    /// What a record says, before it is applied to this state.
    pub(crate) fn note(&mut self, record: &Record, state: &RunState) -> Noted {
        let at_ns = ns(record.at_ms);
        let mut noted = Noted {
            steps: Vec::new(),
            own: None,
            at_ns,
            end: StepEnd::default(),
            spans: Vec::new(),
        };
        match &record.event {
            Event::Completed {
                step,
                attempt,
                elapsed_us,
                source: from,
                ..
            } => {
                if *attempt > 0 {
                    self.attempt_ended(&mut noted, state, (step, *attempt), *elapsed_us, None);
                }
                noted.end.source = Some(source(*from)).filter(|word| *word != "step");
            }
            Event::AttemptFailed {
                step,
                attempt,
                failure,
                elapsed_us,
                ..
            } => {
                let error = Some((error_type(failure), kind(failure.kind)));
                if *attempt > 0 {
                    self.attempt_ended(&mut noted, state, (step, *attempt), *elapsed_us, error);
                }
                noted.end.error = Some(error_type(failure).to_owned());
            }
            Event::Log {
                step,
                attempt,
                level,
                message,
            } => {
                let text = message.content().and_then(|content| content.as_str());
                self.line(at_ns, severity(*level), text, step, *attempt);
            }
            Event::Ended { outcome } => self.run_ended(&mut noted, state, outcome),
            _ => {}
        }
        noted.steps = ended_by(&record.event)
            .into_iter()
            .filter(|step| !state.is_step_over(step))
            .filter_map(|step| state.ready_since(&step).map(|since| (step, since)))
            .collect();
        noted.own = record.event.step().cloned();
        noted
    }

    /// What a record has ended, when it is applied.
    pub(crate) fn settle(&mut self, noted: Noted, state: &RunState) {
        self.spans.extend(noted.spans);
        if !self.shared.told {
            return;
        }
        for (step, since_ms) in noted.steps {
            if !state.is_step_over(&step) {
                continue;
            }
            let span = self.step_span(&step, (ns(since_ms), noted.at_ns));
            let span = match (&noted.own, &noted.end) {
                (Some(own), end) if *own == step => end.write(span),
                _ => span.ok(),
            };
            self.spans.push(span);
        }
    }

    /// The journal has taken what was recorded until now.
    pub(crate) fn tell(&mut self) {
        let telemetry = &self.shared.telemetry;
        if !self.spans.is_empty() {
            telemetry.tell_spans(std::mem::take(&mut self.spans));
        }
        let ids = SpanIds::of(self.shared.id.as_str());
        for line in self.lines.drain(..) {
            let step = line.step.to_string();
            let context = self.shared.context.behind(ids.attempt(&step, line.attempt));
            let attributes: Vec<(&'static str, Label)> = vec![
                ("flowforge.run.id", self.shared.id.as_str().into()),
                ("flowforge.step", step.into()),
                ("flowforge.attempt", line.attempt.into()),
            ];
            telemetry.tell_log(line.at_ns, line.severity, &line.text, &context, attributes);
        }
    }

    /// What was recorded and not given to the journal is lost.
    pub(crate) fn forget(&mut self) {
        self.spans.clear();
        self.lines.clear();
        self.requests.clear();
    }

    fn attempt_ended(
        &mut self,
        noted: &mut Noted,
        state: &RunState,
        (step, attempt): (&StepKey, u32),
        elapsed_us: u64,
        error: Option<(&str, &'static str)>,
    ) {
        let requests = std::mem::take(&mut self.requests);
        let outcome = error.map_or("done", |(_, kind)| kind);
        self.shared.telemetry.metrics().record(
            &ATTEMPT_DURATION,
            std::time::Duration::from_micros(elapsed_us).as_secs_f64(),
            &[("flowforge.attempt.outcome", outcome.into())],
        );
        if !self.shared.told {
            return;
        }
        let ready = state.ready_since(step).map_or(0, ns);
        let from = noted.at_ns.saturating_sub(elapsed_us.saturating_mul(1_000));
        let times = (from.max(ready).min(noted.at_ns), noted.at_ns);
        let (key, ids) = (step.to_string(), SpanIds::of(self.shared.id.as_str()));
        let parent = self.shared.context.behind(ids.step(&key));
        let span = Span::new(&parent, ids.attempt(&key, attempt), SpanKind::Internal, times)
            .named("attempt")
            .with("flowforge.run.id", self.shared.id.as_str())
            .with("flowforge.step", key)
            .with("flowforge.attempt", attempt);
        noted.spans.push(match error {
            Some((error, _)) => span.failed(error),
            None => span.ok(),
        });
        for of_attempt in requests {
            noted.spans.extend(of_attempt.into_spans(times));
        }
    }

    fn line(&mut self, at_ns: u64, severity: Severity, text: Option<&str>, step: &StepKey, attempt: u32) {
        if let Some(text) = text {
            self.lines.push(Line {
                at_ns,
                severity,
                text: text.to_owned(),
                step: step.clone(),
                attempt,
            });
        }
    }

    fn step_span(&self, step: &StepKey, times: (u64, u64)) -> Span {
        let ids = SpanIds::of(self.shared.id.as_str());
        let parent = around(step).map_or(ids.run(), |around| ids.step(&around.to_string()));
        let key = step.to_string();
        let id = ids.step(&key);
        let span = Span::new(&self.shared.context.behind(parent), id, SpanKind::Internal, times)
            .named(format!("step {}", step.node))
            .with("flowforge.run.id", self.shared.id.as_str())
            .with("flowforge.step", key)
            .with("flowforge.node", step.node.as_str());
        match self.release.release.calls.get(&step.node) {
            Some(connector) => span.with("flowforge.connector", connector.as_str()),
            None => span,
        }
    }

    /// The run's own span, and those of steps that end with it.
    fn run_ended(&self, noted: &mut Noted, state: &RunState, outcome: &Outcome) {
        let times = (ns(state.started_at_ms()), noted.at_ns);
        let seconds = std::time::Duration::from_nanos(times.1.saturating_sub(times.0)).as_secs_f64();
        let labels = [("flowforge.run.outcome", outcome.state().into())];
        self.shared
            .telemetry
            .metrics()
            .record(&RUN_DURATION, seconds, &labels);
        if !self.shared.told {
            return;
        }
        for (step, since_ms) in state.steps_under_way() {
            let span = self.step_span(&step, (ns(since_ms), noted.at_ns));
            noted.spans.push(span.failed("stopped"));
        }
        let own = SpanIds::of(self.shared.id.as_str()).run();
        let above = self.shared.context.behind(self.parent.unwrap_or(own));
        let span = Span::new(&above, own, SpanKind::Consumer, times)
            .named(format!("run {}", self.release.release.workflow))
            .with("flowforge.run.id", self.shared.id.as_str())
            .with("flowforge.run.outcome", outcome.state())
            .with("flowforge.run.trigger", self.trigger)
            .with("flowforge.workflow.name", self.release.release.workflow.as_str())
            .with("flowforge.workflow.version", self.release.release.version);
        let span = if self.parent.is_none() {
            span.as_root()
        } else {
            span
        };
        noted.spans.push(match outcome {
            Outcome::Done { .. } => span.ok(),
            Outcome::Failed { failure, .. } => span.failed(error_type(failure)),
            other => span.failed(other.state()),
        });
    }
}

/// A run that another run's step has started hangs from that step.
fn parent_of(accepted: &Accepted) -> Option<SpanId> {
    match &accepted.trigger {
        Trigger::Parent { run, step, .. } => Some(SpanIds::of(run.as_str()).step(&step.to_string())),
        _ => None,
    }
}

/// The trace of a run that was ordered without one.
fn context_without(run: &RunId, own: SpanId) -> TraceContext {
    let digest = Digest::of_parts(&[b"flowforge trace\n", run.as_str().as_bytes()]);
    let mut trace = [1; 16];
    for (slot, byte) in trace.iter_mut().zip(digest.as_bytes()) {
        *slot = *byte;
    }
    TraceContext {
        trace,
        span: own,
        sampled: true,
    }
}

/// The steps that a record may end, inner ones first: its own, and the loops around it, whose last step that may be. A step
/// that is skipped has not been.
fn ended_by(event: &Event) -> Vec<StepKey> {
    let (step, is_own) = match event {
        Event::Completed { step, .. }
        | Event::AttemptFailed { step, .. }
        | Event::AwaitClosed { step, .. }
        | Event::LoopStarted { step, .. }
        | Event::RoundEnded { step, .. }
        | Event::Responded { step, .. } => (step, true),
        Event::Skipped { step, .. } => (step, false),
        _ => return Vec::new(),
    };
    let loops = std::iter::successors(around(step), around);
    is_own.then(|| step.clone()).into_iter().chain(loops).collect()
}
