//! Quotas for artefacts: bytes that may be taken, inside the quota of whatever stands around.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number of bytes that artefacts may take. What is taken here is taken from the quota around it too.
#[derive(Debug)]
pub struct Quota {
    scope: &'static str,
    limit_bytes: u64,
    taken: AtomicU64,
    around: Option<Arc<Quota>>,
}

/// A quota is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the artefacts of this {scope} would take more than {limit_bytes} bytes")]
pub struct QuotaExceeded {
    /// Whose quota: `attempt`, `run` or `host`.
    pub scope: &'static str,
    /// Its bytes.
    pub limit_bytes: u64,
}

impl Quota {
    /// A quota that stands alone. `scope` names it for people: `run`.
    #[must_use]
    pub const fn new(scope: &'static str, limit_bytes: u64) -> Self {
        Self {
            scope,
            limit_bytes,
            taken: AtomicU64::new(0),
            around: None,
        }
    }

    /// The same inside another one.
    #[must_use]
    pub fn within(mut self, around: Option<Arc<Quota>>) -> Self {
        self.around = around;
        self
    }

    /// Bytes that may be taken.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit_bytes
    }

    /// Bytes that are taken.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Takes bytes, here and around.
    ///
    /// # Errors
    /// The innermost quota that does not have them; nothing is taken then.
    pub fn take(&self, bytes: u64) -> Result<(), QuotaExceeded> {
        let add = |taken: u64| taken.checked_add(bytes).filter(|sum| *sum <= self.limit_bytes);
        if self
            .taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
            .is_err()
        {
            return Err(QuotaExceeded {
                scope: self.scope,
                limit_bytes: self.limit_bytes,
            });
        }
        if let Some(around) = &self.around
            && let Err(exceeded) = around.take(bytes)
        {
            self.subtract(bytes);
            return Err(exceeded);
        }
        Ok(())
    }

    /// Gives bytes back that were taken, here and around.
    pub fn give_back(&self, bytes: u64) {
        self.subtract(bytes);
        if let Some(around) = &self.around {
            around.give_back(bytes);
        }
    }

    fn subtract(&self, bytes: u64) {
        let less = |taken: u64| Some(taken.saturating_sub(bytes));
        // The function always gives a value, so the update cannot fail.
        let _ = self
            .taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Counts bytes that are there already, whatever the limit says; here only.
    pub fn count(&self, bytes: u64) {
        let more = |taken: u64| Some(taken.saturating_add(bytes));
        let _ = self
            .taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_inside_is_taken_around_and_comes_back() {
        let run = Arc::new(Quota::new("run", 10));
        let first = Quota::new("attempt", 8).within(Some(run.clone()));
        let second = Quota::new("attempt", 8).within(Some(run.clone()));
        assert_eq!(first.take(8), Ok(()));
        assert_eq!(first.take(1).unwrap_err().scope, "attempt");
        assert_eq!(second.take(3).unwrap_err().scope, "run");
        assert_eq!((second.taken(), run.taken()), (0, 8));
        first.give_back(8);
        assert_eq!(second.take(8), Ok(()));
        assert_eq!(second.take(u64::MAX).unwrap_err().limit_bytes, 8);
    }
}
