//! The requests that one attempt sends: each gets its place in the trace before it goes out, and its span when the attempt
//! is over.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use flowforge_protocol::StepKey;
use flowforge_runtime::{RequestSeen, TracedRequest};
use flowforge_telemetry::{Label, Span, SpanIds, SpanKind};

use super::run::RunContext;
use super::words::{REQUEST_DURATION, method};

/// Requests of one attempt that are told; further ones carry the trace and have no span.
const REQUESTS_TOLD_MAX: usize = 128;

/// The trace of one attempt while it runs.
pub(crate) struct AttemptTrace {
    run: Arc<RunContext>,
    step: String,
    attempt: u32,
    sent: AtomicU32,
    seen: Mutex<Vec<(u64, RequestSeen)>>,
}

impl AttemptTrace {
    pub(super) fn new(run: Arc<RunContext>, step: &StepKey, attempt: u32) -> Self {
        Self {
            run,
            step: step.to_string(),
            attempt,
            sent: AtomicU32::new(0),
            seen: Mutex::default(),
        }
    }

    /// The next request: its number, and the header that it carries.
    pub(crate) fn request(&self) -> TracedRequest {
        let number = self.sent.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let span = SpanIds::of(self.run.id.as_str()).request(&self.step, self.attempt, number);
        TracedRequest {
            number,
            traceparent: self.run.telemetry.propagates().then(|| {
                let context = self.run.context.behind(span);
                context.to_string()
            }),
        }
    }

    /// What became of a request, at this time.
    pub(crate) fn requested(&self, at_ms: u64, seen: RequestSeen) {
        self.count(&seen);
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if self.run.told && all.len() < REQUESTS_TOLD_MAX {
            all.push((at_ms, seen));
        }
    }

    /// Methods and statuses are few; of names there are at most as many as grants name, and no more series than an
    /// instrument has.
    fn count(&self, seen: &RequestSeen) {
        let mut labels: Vec<(&'static str, Label)> = vec![
            ("http.request.method", method(&seen.method).into()),
            ("server.address", seen.host.as_str().into()),
            ("server.port", seen.port.into()),
            ("url.scheme", seen.scheme.into()),
        ];
        labels.extend(
            seen.status
                .map(|status| ("http.response.status_code", status.into())),
        );
        labels.extend(error_type(seen).map(|error| ("error.type", error.into())));
        let metrics = self.run.telemetry.metrics();
        metrics.record(&REQUEST_DURATION, seen.elapsed.as_secs_f64(), &labels);
    }

    /// The spans of what was sent, inside the time of the attempt.
    pub(crate) fn into_spans(self: Arc<Self>, (from_ns, to_ns): (u64, u64)) -> Vec<Span> {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        let ids = SpanIds::of(self.run.id.as_str());
        let parent = self.run.context.behind(ids.attempt(&self.step, self.attempt));
        seen.into_iter()
            .map(|(at_ms, seen)| {
                let elapsed = u64::try_from(seen.elapsed.as_nanos()).unwrap_or(u64::MAX);
                let end = at_ms.saturating_mul(1_000_000).clamp(from_ns, to_ns);
                let times = (end.saturating_sub(elapsed).max(from_ns), end);
                let id = ids.request(&self.step, self.attempt, seen.number);
                span_of(&seen, Span::new(&parent, id, SpanKind::Client, times))
            })
            .collect()
    }
}

/// Source: the semantic conventions for HTTP clients. The address below its name is left out: it may hold what is secret.
fn span_of(seen: &RequestSeen, span: Span) -> Span {
    let method = method(&seen.method);
    let name = if method == "_OTHER" { "HTTP" } else { method };
    let mut span = span
        .named(name)
        .with("http.request.method", method)
        .with("url.scheme", seen.scheme)
        .with("server.address", seen.host.as_str())
        .with("server.port", seen.port);
    if let Some(status) = seen.status {
        span = span.with("http.response.status_code", status);
    }
    match error_type(seen) {
        Some(error) => span.failed(&error),
        None => span,
    }
}

/// As the conventions have it for a client: a status of 400 and above is an error.
fn error_type(seen: &RequestSeen) -> Option<String> {
    match (seen.status, seen.error) {
        (Some(status), _) if status >= 400 => Some(status.to_string()),
        (None, Some(error)) => Some(error.to_owned()),
        _ => None,
    }
}
