//! The words of spans and metrics: each from a closed set.

use flowforge_protocol::record::{LogLevel, Source};
use flowforge_protocol::{Failure, FailureKind, StepKey};
use flowforge_telemetry::{HistogramKind, Severity};

pub(super) static RUN_DURATION: HistogramKind = HistogramKind {
    name: "flowforge.run.duration",
    description: "How long runs took, from their first record to their last.",
};
pub(super) static ATTEMPT_DURATION: HistogramKind = HistogramKind {
    name: "flowforge.attempt.duration",
    description: "How long attempts of steps took.",
};
pub(super) static REQUEST_DURATION: HistogramKind = HistogramKind {
    name: "http.client.request.duration",
    description: "How long requests of connectors took, up to the head of the answer.",
};

/// Methods that are told by their name in metrics, as the semantic conventions list them.
const METHODS: [&str; 9] = [
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE",
];

/// A method, or that it is another.
pub(super) fn method(method: &str) -> &'static str {
    let known = METHODS.iter().find(|known| **known == method);
    known.copied().unwrap_or("_OTHER")
}

pub(super) fn kind(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Invalid => "invalid",
        FailureKind::Rejected => "rejected",
        FailureKind::Denied => "denied",
        FailureKind::Throttled => "throttled",
        FailureKind::Unavailable => "unavailable",
        FailureKind::TimedOut => "timed_out",
        FailureKind::Internal => "internal",
        FailureKind::Limit => "limit",
        FailureKind::Expression => "expression",
        FailureKind::DecisionRejected => "decision_rejected",
        FailureKind::Expired => "expired",
        FailureKind::OutcomeUnknown => "outcome_unknown",
    }
}

/// The type of a failure: our own code, else its kind. A service's own code may be anything.
pub(super) fn error_type(failure: &Failure) -> &str {
    let own = failure.code.as_deref().filter(|code| code.starts_with("FF-"));
    own.unwrap_or(kind(failure.kind))
}

pub(super) fn source(source: Source) -> &'static str {
    match source {
        Source::Step => "step",
        Source::Fallback => "fallback",
        Source::Reused => "reused",
        Source::Given => "given",
    }
}

pub(super) fn severity(level: LogLevel) -> Severity {
    match level {
        LogLevel::Trace => Severity::Trace,
        LogLevel::Debug => Severity::Debug,
        LogLevel::Info => Severity::Info,
        LogLevel::Warn => Severity::Warn,
        LogLevel::Error => Severity::Error,
    }
}

/// The loop around a step, if it is in one.
pub(super) fn around(step: &StepKey) -> Option<StepKey> {
    let ((node, _), path) = step.path.split_last()?;
    Some(StepKey {
        path: path.to_vec(),
        node: node.clone(),
    })
}
