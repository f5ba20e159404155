//! How many requests a webhook takes in what time, where its trigger says so. Each server counts what comes to it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use flowforge_workflow::model::Rate;

/// Paths whose requests are counted at most; beyond that all are forgotten, and each has its whole allowance again.
const PATHS_MAX: usize = 10_000;

/// What is left of the allowance of each path.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<HashMap<String, Left>>);

#[derive(Debug)]
struct Left {
    rate: Rate,
    /// Requests that may come, in parts of one: each is as many parts as its time has milliseconds.
    parts: u64,
    at_ms: u64,
}

impl Rates {
    /// Takes one request of a path out of its allowance; if there is none left, says in how many seconds there is.
    pub(crate) fn take(&self, path: &str, rate: Rate, now_ms: u64) -> Result<(), u64> {
        let mut paths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if paths.len() >= PATHS_MAX && !paths.contains_key(path) {
            paths.clear();
        }
        let one = u64::from(rate.seconds) * 1_000;
        let count = u64::from(rate.count);
        let full = count * one;
        let whole = || Left {
            rate,
            parts: full,
            at_ms: now_ms,
        };
        let left = paths.entry(path.to_owned()).or_insert_with(whole);
        if left.rate != rate {
            *left = whole();
        }
        // Every millisecond gives as many parts as requests are allowed.
        let passed = now_ms.saturating_sub(left.at_ms);
        left.parts = left.parts.saturating_add(passed.saturating_mul(count)).min(full);
        left.at_ms = now_ms.max(left.at_ms);
        if left.parts < one {
            let missing_ms = (one - left.parts).div_ceil(count);
            return Err(missing_ms.div_ceil(1_000).max(1));
        }
        left.parts -= one;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE_A_MINUTE: Rate = Rate {
        count: 3,
        seconds: 60,
    };

    #[test]
    fn an_allowance_is_used_up_and_grows_again() {
        let rates = Rates::default();
        let take = |now_ms| rates.take("in", THREE_A_MINUTE, now_ms);
        for _ in 0..3 {
            assert_eq!(take(1_000), Ok(()));
        }
        assert_eq!(take(1_000), Err(20));
        assert_eq!(take(2_500), Err(19));
        assert_eq!(take(21_000), Ok(()));
        assert_eq!(take(21_000), Err(20));
        // A long silence gives no more than the whole of it.
        for _ in 0..3 {
            assert_eq!(take(10_000_000), Ok(()));
        }
        assert_eq!(take(10_000_000), Err(20));
        assert_eq!(
            rates.take("out", THREE_A_MINUTE, 10_000_000),
            Ok(()),
            "each path has its own"
        );
        let more = Rate {
            count: 4,
            seconds: 60,
        };
        assert_eq!(
            rates.take("in", more, 10_000_000),
            Ok(()),
            "a new rate begins anew"
        );
    }

    #[test]
    fn the_paths_that_are_counted_are_bounded() {
        let rates = Rates::default();
        for n in 0..=PATHS_MAX {
            rates.take(&n.to_string(), THREE_A_MINUTE, 1).unwrap();
        }
        assert!(rates.0.lock().unwrap().len() <= PATHS_MAX);
    }
}
