//! What a step needs from whoever runs it: the seam between runtime and executor.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
pub use flowforge_protocol::record::LogLevel;
use flowforge_protocol::{Failure, Use};
use zeroize::Zeroizing;

use crate::artefacts::{ArtefactStore, Quota};
use crate::redact::Redactor;

/// The step in which a call runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepContext {
    /// The run.
    pub run_id: String,
    /// Node and iteration, `labels[3].label`.
    pub step: String,
    /// 1 for the first try.
    pub attempt: u32,
    /// The same for every attempt of this step, on every host.
    pub idempotency_key: String,
    /// How long the attempt may take, at most `Limits::wall_max`; none leaves it to `Limits::wall`.
    pub timeout: Option<Duration>,
}

/// The executor's side of a running step. The runtime calls it while the guest waits.
#[async_trait]
pub trait StepServices: Send + Sync {
    /// Returns when the step's intent and all earlier records of the run are durable. Called before each effect, with
    /// what is about to be used: the destination, and the secret that the host will attach there.
    ///
    /// # Errors
    /// [`EffectRefused`] ends the attempt; nothing has left the host.
    async fn before_effect(&self, next: &Use) -> Result<(), EffectRefused>;

    /// The connector wanted to reach this destination, or to send this slot's secret there, and was refused: the grants do
    /// not allow it. Must not block. An implementation that watches nobody leaves it as it is.
    fn denied(&self, _wanted: &Use) {}

    /// Whether [`StepServices::exchanged`] is to be called; bodies are copied for it. Only a recorder says yes.
    fn watches_exchanges(&self) -> bool {
        false
    }

    /// A request was made through `flowforge:connector/http` and answered. Free of secret values; must not block.
    fn exchanged(&self, _exchange: Exchange) {}

    /// A request is about to be sent: its number in the attempt and the header that it carries, if requests are traced. Must
    /// not block. [`StepServices::requested`] follows for each that is.
    fn trace_request(&self) -> Option<TracedRequest> {
        None
    }

    /// A traced request was answered, or not. Must not block.
    fn requested(&self, _request: RequestSeen) {}

    /// The secret bound to a slot of this node; nothing if there is none.
    ///
    /// # Errors
    /// The failure with which the attempt ends, for example when a sealed value cannot be opened.
    async fn secret(&self, slot: &str) -> Result<Option<OpenSecret>, Failure>;

    /// One line of the guest's log. Bounded in length and number and free of secret values; must not block.
    fn log(&self, level: LogLevel, message: &str);

    /// How far a long call says it is. Bounded in length and pace and free of secret values; must not block. It belongs in
    /// no record: it is shown while the step runs, and tells whoever holds the step's lease that it is alive. An
    /// implementation that shows nothing leaves it as it is.
    fn progress(&self, _state: &Progress) {}

    /// Where secret values that this attempt writes on a wire are noted, so that they are found when they come back. One
    /// for all attempts of a run.
    fn redactor(&self) -> Arc<Redactor>;

    /// What the run may still keep in artefacts; none if it has no quota of its own.
    fn artefact_quota(&self) -> Option<Arc<Quota>> {
        None
    }

    /// Where artefacts are kept.
    fn artefacts(&self) -> Arc<dyn ArtefactStore>;

    /// Milliseconds since 1970-01-01 UTC.
    fn now_ms(&self) -> u64;

    /// Fills the buffer with random bytes of cryptographic quality.
    fn random(&self, buffer: &mut [u8]);
}

/// Why an effect may not happen now: the host is stopping, the run was cancelled, the journal cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("effect refused: {reason}")]
pub struct EffectRefused {
    /// For people.
    pub reason: String,
}

/// A secret, open. Its value is wiped from memory when it is dropped, and it has no `Debug` form.
pub struct OpenSecret {
    /// Name in the workspace.
    pub name: String,
    /// `bearer`, `basic`, `api-key`, `hmac-key` or `opaque`.
    pub kind: String,
    /// Grows by one with each new value.
    pub version: u32,
    /// Where this value may be sent, `scheme://name:port`, as it was sealed with the value. It is sent only where the
    /// node's grant and this list agree: a grant that was signed for an earlier value opens no place for a later one.
    pub destinations: Vec<String>,
    /// The value.
    pub value: Zeroizing<Vec<u8>>,
}

/// A request and its answer, as the connector saw them: without what the host attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Upper-case method.
    pub method: String,
    /// The address that was asked for.
    pub url: String,
    /// Header fields that the connector set.
    pub headers: Vec<(String, String)>,
    /// The slot of the secret that the host attached.
    pub slot: Option<String>,
    /// The body; absent if there was none, or if it was an artefact.
    pub body: Option<Vec<u8>>,
    /// Status code.
    pub status: u16,
    /// Header fields of the answer, names in lower case.
    pub answer_headers: Vec<(String, String)>,
    /// The body of the answer, decoded; absent if it became an artefact.
    pub answer: Option<Vec<u8>>,
}

/// A request that is traced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedRequest {
    /// Counts the requests of the attempt, from 1.
    pub number: u32,
    /// Its `traceparent` header, unless the connector sets one itself; none if nothing is passed on.
    pub traceparent: Option<String>,
}

/// What became of a traced request, up to the head of its answer. Free of everything that a connector or a service wrote but
/// the method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestSeen {
    /// As in [`TracedRequest::number`].
    pub number: u32,
    /// The method.
    pub method: String,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The status of the answer; none without an answer.
    pub status: Option<u16>,
    /// Why there was no answer, in one word of few.
    pub error: Option<&'static str>,
    /// From the decision to send it to the head of the answer.
    pub elapsed: Duration,
}

/// How far a call is, as its connector says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// From 0 to 100; none if the connector does not know.
    pub percent: Option<u8>,
    /// For people: one line of at most 256 bytes.
    pub message: Option<String>,
}
