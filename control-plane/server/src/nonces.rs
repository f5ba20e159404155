//! Registrations that were used, so that none is of use twice.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use flowforge_protocol::enrol::Nonce;
use flowforge_protocol::job::CLOCK_TOLERANCE_MS;

/// Registrations of the time in which one can be used again. Each is refused the second time.
#[derive(Debug, Default)]
pub(crate) struct UsedNonces {
    by_time: Mutex<BTreeMap<(u64, Nonce), ()>>,
}

impl UsedNonces {
    /// True if this nonce is new. Those that are too old to be used again are forgotten.
    pub(crate) fn use_up(&self, issued_at_ms: u64, nonce: Nonce, now_ms: u64) -> bool {
        let mut used = self.by_time.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = now_ms.saturating_sub(CLOCK_TOLERANCE_MS);
        used.retain(|(at_ms, _), ()| *at_ms >= oldest);
        used.insert((issued_at_ms, nonce), ()).is_none()
    }
}
