//! How far a step is that takes long: said by its connector, told beside the records, and shown while it runs.

use serde::{Deserialize, Serialize};

use crate::{RunId, StepKey};

/// Most steps of which one call says how far they are.
pub const MAX_PROGRESS: usize = 256;

/// How far an attempt is that is under way, as its connector said last. In no record and in no chain: it is shown while the
/// attempt runs, and forgotten after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StepProgress {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepKey,
    /// 1 for the first try.
    pub attempt: u32,
    /// From 0 to 100; absent if the connector does not know.
    pub percent: Option<u8>,
    /// For people: one line of at most 256 bytes.
    pub message: Option<String>,
    /// When it was said, milliseconds since 1970 UTC by the host's clock.
    pub at_ms: u64,
}
