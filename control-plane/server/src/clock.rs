//! Time, as a parameter: the one place where the server reads it.
//!
//! The time of day is for people, documents and schedules. How long something has lasted is read from a clock that nobody
//! can set: whether a host is connected must not depend on a correction of the time of day.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::future::BoxFuture;

/// What time it is, and waiting for a time. Tests move a clock of their own.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970 UTC.
    fn now_ms(&self) -> u64;

    /// Milliseconds since a moment before the first call. Never goes back and never jumps.
    fn monotonic_ms(&self) -> u64;

    /// Returns when `now_ms` has reached the time. Cancel safe.
    fn sleep_until(&self, due_ms: u64) -> BoxFuture<'static, ()>;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// Longest sleep without a look at the clock, so that a clock that was set is noticed.
const LONGEST_SLEEP_MS: u64 = 30_000;

static FIRST_LOOK: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic_ms(&self) -> u64 {
        u64::try_from(FIRST_LOOK.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn sleep_until(&self, due_ms: u64) -> BoxFuture<'static, ()> {
        let clock = *self;
        Box::pin(async move {
            loop {
                let left = due_ms.saturating_sub(clock.now_ms());
                if left == 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(left.min(LONGEST_SLEEP_MS))).await;
            }
        })
    }
}
