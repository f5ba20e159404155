//! The two stages of stopping.

use tokio_util::sync::CancellationToken;

/// How a host is told to stop.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// First stage: nothing new starts, running steps end and are recorded.
    pub drain: CancellationToken,
    /// Second stage: everything stops where it is; what was running is done again at the next start.
    pub halt: CancellationToken,
}
