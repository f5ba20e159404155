//! Why a step failed, in the words that records, the API and the command line share.

use serde::{Deserialize, Serialize};

/// What kind of failure, which decides who may try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// An input is wrong. Final.
    Invalid,
    /// The service refused. Final.
    Rejected,
    /// Credentials or grants do not allow it. Final.
    Denied,
    /// The service asks for fewer requests; it did nothing. Retryable.
    Throttled,
    /// The service could not be reached; it did nothing. Retryable.
    Unavailable,
    /// The outcome is unknown. Retryable where the operation is pure, idempotent or keyed.
    TimedOut,
    /// The connector is wrong: it trapped, or returned a value of the wrong shape. Final.
    Internal,
    /// A limit of the sandbox was reached: time, memory, size. Final.
    Limit,
    /// An expression of the workflow could not be evaluated. Final.
    Expression,
    /// A person said no. Final.
    DecisionRejected,
    /// A wait ended before it was answered. Final.
    Expired,
    /// The host stopped after the intent was recorded and the effect is not repeatable: a person must look. Final.
    OutcomeUnknown,
}

/// A typed failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The kind.
    pub kind: FailureKind,
    /// Stable code: `FF-…` of ours, or the service's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// For people: one fragment, with values, without secrets.
    pub message: String,
    /// Path of the wrong value, `rows[3].price`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The least wait before another attempt, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Failure {
    /// A failure with kind and message only.
    #[must_use]
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: None,
            message: message.into(),
            path: None,
            retry_after_ms: None,
        }
    }

    /// The same failure with a stable code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }
}
