//! What a step needs from whoever runs it: the seam between runtime and executor.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flowforge_protocol::Failure;
use zeroize::Zeroizing;

use crate::artefacts::ArtefactStore;

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
    /// How long the attempt may take; `Limits::wall` holds as well.
    pub timeout: Option<Duration>,
}

/// The executor's side of a running step. The runtime calls it while the guest waits.
#[async_trait]
pub trait StepServices: Send + Sync {
    /// Returns when the step's intent and all earlier records of the run are durable. Called before each effect;
    /// `what` names it for people, `POST https://h:443`.
    ///
    /// # Errors
    /// [`EffectRefused`] ends the attempt; nothing has left the host.
    async fn before_effect(&self, what: &str) -> Result<(), EffectRefused>;

    /// The secret bound to a slot of this node; nothing if there is none.
    ///
    /// # Errors
    /// The failure with which the attempt ends, for example when a sealed value cannot be opened.
    async fn secret(&self, slot: &str) -> Result<Option<OpenSecret>, Failure>;

    /// One line of the guest's log. Bounded in length and number before it comes here; must not block.
    fn log(&self, level: LogLevel, message: &str);

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
    /// The value.
    pub value: Zeroizing<Vec<u8>>,
}

/// How much a line of the log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// For the author.
    Debug,
    /// For the builder.
    Info,
    /// Somebody should look.
    Warn,
    /// Something failed.
    Error,
}
