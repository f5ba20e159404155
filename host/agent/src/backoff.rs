//! How long to wait before the next try.

use std::time::Duration;

use crate::clock::Entropy;

/// Exponential waits with full jitter: the n-th is uniform in `[0, min(cap, base · 2ⁿ)]`, and never below `floor`.
///
/// Jitter keeps a thousand hosts that lost the same server from coming back in the same instant.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    floor: Duration,
    base: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    /// Waits from about `base` to at most `cap`.
    #[must_use]
    pub(crate) fn new(base: Duration, cap: Duration) -> Self {
        Self {
            floor: base / 4,
            base,
            cap,
            failures: 0,
        }
    }

    /// Forgets earlier failures.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Failures since the last success.
    #[must_use]
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// The wait after one more failure.
    pub(crate) fn next(&mut self, entropy: &dyn Entropy) -> Duration {
        let doubled = self.base.saturating_mul(1_u32 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let ceiling = u64::try_from(doubled.min(self.cap).as_millis()).unwrap_or(u64::MAX);
        let mut bytes = [0; 8];
        entropy.fill(&mut bytes);
        let wait = u64::from_be_bytes(bytes) % ceiling.saturating_add(1);
        Duration::from_millis(wait).max(self.floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SeededEntropy;

    #[test]
    fn waits_grow_to_the_cap_and_start_over_after_a_success() {
        let entropy = SeededEntropy::new([1; 32]);
        let (base, cap) = (Duration::from_millis(100), Duration::from_secs(5));
        let mut backoff = Backoff::new(base, cap);
        let mut longest = Duration::ZERO;
        for _ in 0..200 {
            let wait = backoff.next(&entropy);
            assert!(wait >= base / 4 && wait <= cap, "{wait:?}");
            longest = longest.max(wait);
        }
        assert!(
            longest > cap / 2,
            "200 tries never came near the cap: {longest:?}"
        );
        backoff.reset();
        assert!(backoff.next(&entropy) <= base);
        assert_eq!(backoff.failures(), 1);
    }
}
