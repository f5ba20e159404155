//! The spans of one run.
//!
//! A record is looked at twice: before it is applied, for what it ends began earlier, and after, for whether it has ended
//! something. What is told of it waits until the journal has taken it.

use std::collections::BTreeMap;
use std::sync::Arc;

use flowforge_protocol::record::{Accepted, Event, Outcome, Record, Trigger};
use flowforge_protocol::{Digest, NodeId, RunId, StepKey};
use flowforge_telemetry::{Label, Severity, Span, SpanId, SpanIds, SpanKind, Telemetry, TraceContext};
use flowforge_workflow::RunState;

use super::requests::AttemptTrace;
use super::words::{
    ATTEMPT_DURATION, RUN_DURATION, around, connector, error_type, kind, severity, source, trigger,
};
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
    workflow: String,
    version: u32,
    calls: BTreeMap<NodeId, String>,
    /// The requests of attempts whose end is about to be recorded.
    requests: Vec<Arc<AttemptTrace>>,
    spans: Vec<Span>,
    lines: Vec<Line>,
}

/// What a record says before it is applied.
pub(crate) struct Noted {
    /// The step that it may end, and since when that could begin.
    step: Option<(StepKey, u64)>,
    at_ns: u64,
    end: StepEnd,
    spans: Vec<Span>,
}

/// How a step ended, if the record ends it.
#[derive(Default)]
struct StepEnd {
    error: Option<String>,
    source: Option<&'static str>,
}

fn ns(ms: u64) -> u64 {
    ms.saturating_mul(1_000_000)
}

impl RunTrace {
    /// The trace of a run, as its first record names it. A run that comes without one has one of its own.
    pub(crate) fn of(telemetry: &Telemetry, state: &RunState, release: &LoadedRelease) -> Option<Self> {
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
            trigger: trigger(&accepted.trigger),
            workflow: release.release.workflow.clone(),
            version: release.release.version,
            calls: release.release.calls.clone(),
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
            step: None,
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
        noted.step = ends_steps(&record.event)
            .filter(|step| !state.is_step_over(step))
            .and_then(|step| Some((step.clone(), state.ready_since(step)?)));
        noted
    }

    /// What a record has ended, when it is applied.
    pub(crate) fn settle(&mut self, noted: Noted, state: &RunState) {
        self.spans.extend(noted.spans);
        if let Some((step, since_ms)) = noted.step
            && self.shared.told
            && state.is_step_over(&step)
        {
            let span = self.step_span(&step, (ns(since_ms), noted.at_ns));
            let span = match noted.end.source {
                Some(source) => span.with("flowforge.step.source", source),
                None => span,
            };
            self.spans.push(match noted.end.error {
                Some(error) => span.failed(&error),
                None => span.ok(),
            });
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
        match connector(&self.calls, &step.node) {
            Some(connector) => span.with("flowforge.connector", connector),
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
            .named(format!("run {}", self.workflow))
            .with("flowforge.run.id", self.shared.id.as_str())
            .with("flowforge.run.outcome", outcome.state())
            .with("flowforge.run.trigger", self.trigger)
            .with("flowforge.workflow.name", self.workflow.as_str())
            .with("flowforge.workflow.version", self.version);
        let span = if self.parent.is_none() { span.as_root() } else { span };
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
        Trigger::Parent { run, step } => Some(SpanIds::of(run.as_str()).step(&step.to_string())),
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

/// The step that a record of this kind may end. One that is skipped has not been.
fn ends_steps(event: &Event) -> Option<&StepKey> {
    match event {
        Event::Completed { step, .. }
        | Event::AttemptFailed { step, .. }
        | Event::AwaitClosed { step, .. }
        | Event::RoundEnded { step, .. }
        | Event::Responded { step, .. } => Some(step),
        _ => None,
    }
}
