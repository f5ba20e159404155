//! What is known about the connection: never more than was heard.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// When the control plane was last heard, and since when it is not.
///
/// A cheap handle: the two sync loops write it, the status reads it. An answer of any kind counts as heard only if it is
/// the control plane's own success; a refusal says that something answers, not that the work arrives.
#[derive(Debug, Clone, Default)]
pub struct LinkHealth {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// 0: never.
    last_ms: AtomicU64,
    /// 0: not offline.
    offline_since_ms: AtomicU64,
    reason: Mutex<Option<String>>,
}

/// A moment's view of [`LinkHealth`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkView {
    /// Milliseconds since 1970 UTC; absent if never.
    pub last_ms: Option<u64>,
    /// Since when calls fail; absent while they succeed.
    pub offline_since_ms: Option<u64>,
    /// Why the last call failed; absent while they succeed.
    pub reason: Option<String>,
}

impl LinkHealth {
    /// A call succeeded.
    pub fn succeeded(&self, now_ms: u64) {
        self.inner.last_ms.store(now_ms.max(1), Ordering::Relaxed);
        if self.inner.offline_since_ms.swap(0, Ordering::Relaxed) != 0 {
            *self.reason() = None;
        }
    }

    /// A call failed. True for the first failure after a success, so that it is logged once.
    pub fn failed(&self, now_ms: u64, reason: &str) -> bool {
        *self.reason() = Some(reason.to_owned());
        let last = self.inner.last_ms.load(Ordering::Relaxed);
        let since = if last == 0 { now_ms } else { last };
        self.inner
            .offline_since_ms
            .compare_exchange(0, since.max(1), Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// What is known now.
    #[must_use]
    pub fn view(&self) -> LinkView {
        let some = |value: u64| (value != 0).then_some(value);
        LinkView {
            last_ms: some(self.inner.last_ms.load(Ordering::Relaxed)),
            offline_since_ms: some(self.inner.offline_since_ms.load(Ordering::Relaxed)),
            reason: self.reason().clone(),
        }
    }

    fn reason(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.inner.reason.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offline_is_counted_from_the_last_time_the_server_was_heard() {
        let health = LinkHealth::default();
        assert!(health.failed(5, "connection refused"));
        assert_eq!(
            health.view().offline_since_ms,
            Some(5),
            "never heard: since the first try"
        );
        health.succeeded(10);
        assert_eq!(
            health.view(),
            LinkView {
                last_ms: Some(10),
                offline_since_ms: None,
                reason: None
            }
        );
        assert!(health.failed(70, "timed out"));
        assert!(
            !health.failed(80, "connection refused"),
            "only the first failure is news"
        );
        let view = health.view();
        assert_eq!((view.last_ms, view.offline_since_ms), (Some(10), Some(10)));
        assert_eq!(view.reason.as_deref(), Some("connection refused"));
    }
}
