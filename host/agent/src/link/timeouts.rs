//! Time limits of calls, on timers that are used again.
//!
//! A new timer that is the soonest of all wakes the thread that waits for the soonest, and the limit of nearly every call
//! would be. To move one that stands already further away costs nothing, so those of calls that ended are kept.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Most timers that are kept: more calls are seldom under way at the same time.
const IDLE_MAX: usize = 4;

type Timer = Pin<Box<Sleep>>;

/// Limits the time of calls. A cheap handle.
#[derive(Debug, Clone, Default)]
pub(super) struct Timeouts {
    idle: Arc<Mutex<Vec<Timer>>>,
}

impl Timeouts {
    /// The answer of a call; `None` if there was none within this time. Then the call was dropped.
    ///
    /// Cancel safety: that of the call.
    pub(super) async fn within<T>(&self, limit: Duration, call: impl Future<Output = T>) -> Option<T> {
        let mut timer = self.timer(Instant::now() + limit);
        let answer = tokio::select! {
            biased;
            answer = call => Some(answer),
            () = &mut timer => None,
        };
        let mut idle = self.idle();
        if idle.len() < IDLE_MAX {
            idle.push(timer);
        }
        answer
    }

    /// A timer for this moment: one that stood no later, or a new one.
    fn timer(&self, due: Instant) -> Timer {
        let mut idle = self.idle();
        let fitting = idle.iter().position(|timer| timer.deadline() <= due);
        let Some(at) = fitting else {
            return Box::pin(tokio::time::sleep_until(due));
        };
        let mut timer = idle.swap_remove(at);
        drop(idle);
        timer.as_mut().reset(due);
        timer
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Timer>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const NEVER: Duration = Duration::from_secs(3_600);
    const NOW: Duration = Duration::ZERO;

    #[tokio::test]
    async fn every_call_has_its_own_time_whatever_timer_it_gets() {
        let timeouts = Timeouts::default();
        assert_eq!(timeouts.within(NOW, pending::<()>()).await, None);
        assert_eq!(
            timeouts.within(NEVER, tokio::task::yield_now()).await,
            Some(()),
            "its timer had rung"
        );
        assert_eq!(timeouts.idle().len(), 1);
        assert_eq!(
            timeouts.within(NOW, pending::<()>()).await,
            None,
            "the kept one stands too late"
        );
        assert_eq!(timeouts.idle().len(), 2);
        assert_eq!(timeouts.within(NOW, async { 7 }).await, Some(7));
    }

    #[tokio::test]
    async fn few_timers_are_kept() {
        let timeouts = Timeouts::default();
        let calls = (0..9).map(|_| timeouts.within(NEVER, tokio::task::yield_now()));
        futures::future::join_all(calls).await;
        assert_eq!(timeouts.idle().len(), IDLE_MAX);
    }
}
