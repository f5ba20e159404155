//! How often somebody may try: by the name that is tried and by the place that tries.
//!
//! Counting by name alone would let anybody lock anybody out, so a wait is short and never a lock; counting by place alone
//! would let many places try one name. The table is bounded: what was quiet longest is forgotten first.

use std::collections::HashMap;

/// Tries that are free.
const FREE: u32 = 5;
/// The first wait, milliseconds.
const FIRST_WAIT_MS: u64 = 1_000;
/// The longest wait, milliseconds: a minute.
const LONGEST_WAIT_MS: u64 = 60_000;
/// Failures are forgotten after so long without another, milliseconds: a quarter of an hour.
const FORGOTTEN_AFTER_MS: u64 = 15 * 60 * 1_000;

/// Whether one may try now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Now.
    Now,
    /// After so many milliseconds.
    For(u64),
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last_ms: u64,
}

impl Failures {
    fn wait_until_ms(self) -> u64 {
        let Some(beyond) = self.count.checked_sub(FREE) else {
            return 0;
        };
        let wait_ms = FIRST_WAIT_MS
            .saturating_mul(1_u64 << beyond.min(16))
            .min(LONGEST_WAIT_MS);
        self.last_ms.saturating_add(wait_ms)
    }
}

/// Failed tries, by whom or what they were about.
#[derive(Debug)]
pub struct Throttle {
    failures: HashMap<String, Failures>,
    most: usize,
}

impl Throttle {
    /// Remembers so many names and places at most.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            failures: HashMap::new(),
            most: most.max(1),
        }
    }

    /// Whether a try that concerns these keys (`name:ann`, `place:10.0.0.1`) may be made now.
    #[must_use]
    pub fn may_try(&self, keys: &[String], now_ms: u64) -> Wait {
        let until = keys
            .iter()
            .filter_map(|key| Some(self.failures.get(key)?.wait_until_ms()));
        match until.max().unwrap_or(0).saturating_sub(now_ms) {
            0 => Wait::Now,
            ms => Wait::For(ms),
        }
    }

    /// A try failed.
    pub fn failed(&mut self, keys: &[String], now_ms: u64) {
        for key in keys {
            if !self.failures.contains_key(key) && self.failures.len() >= self.most {
                self.make_room(now_ms);
            }
            let known = self.failures.entry(key.clone()).or_insert(Failures {
                count: 0,
                last_ms: now_ms,
            });
            if now_ms >= known.last_ms.saturating_add(FORGOTTEN_AFTER_MS) {
                known.count = 0;
            }
            known.count = known.count.saturating_add(1);
            known.last_ms = now_ms;
        }
    }

    /// A try succeeded: what is known of the name is forgotten. What is known of the place is not, or whoever has one
    /// account could try all others from there.
    pub fn succeeded(&mut self, name_key: &str) {
        self.failures.remove(name_key);
    }

    fn make_room(&mut self, now_ms: u64) {
        self.failures
            .retain(|_, known| now_ms < known.last_ms.saturating_add(FORGOTTEN_AFTER_MS));
        if self.failures.len() >= self.most {
            let quietest = self.failures.iter().min_by_key(|(_, known)| known.last_ms);
            if let Some(key) = quietest.map(|(key, _)| key.clone()) {
                self.failures.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(name: &str) -> Vec<String> {
        vec![format!("name:{name}"), "place:10.0.0.1".to_owned()]
    }

    #[test]
    fn waits_grow_to_a_minute_and_never_lock() {
        let mut throttle = Throttle::new(100);
        let (ann, mut now) = (keys("ann"), 1_000);
        for _ in 0..FREE {
            assert_eq!(throttle.may_try(&ann, now), Wait::Now);
            throttle.failed(&ann, now);
        }
        let mut waits = Vec::new();
        for _ in 0..8 {
            let Wait::For(ms) = throttle.may_try(&ann, now) else {
                panic!("it is to wait");
            };
            waits.push(ms);
            now += ms;
            assert_eq!(throttle.may_try(&ann, now), Wait::Now);
            throttle.failed(&ann, now);
        }
        assert_eq!(
            waits,
            [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]
        );
    }

    /// Aliases of one call, or many names from one place, were a way around a limit by name.
    #[test]
    fn a61_many_names_from_one_place_are_counted_together() {
        let mut throttle = Throttle::new(100);
        for number in 0..=FREE {
            throttle.failed(&keys(&format!("user-{number}")), 1_000);
        }
        assert!(matches!(throttle.may_try(&keys("another"), 1_001), Wait::For(_)));
        throttle.succeeded("name:user-1");
        assert!(
            matches!(throttle.may_try(&keys("user-1"), 1_001), Wait::For(_)),
            "the place is still counted"
        );
        let elsewhere = vec!["name:another".to_owned(), "place:10.0.0.2".to_owned()];
        assert_eq!(throttle.may_try(&elsewhere, 1_001), Wait::Now);
    }

    #[test]
    fn the_table_is_bounded_and_forgets() {
        let mut throttle = Throttle::new(10);
        for number in 0..1_000_u64 {
            throttle.failed(&[format!("name:{number}")], 1_000 + number);
            assert!(throttle.failures.len() <= 10);
        }
        let ann = vec!["name:ann".to_owned()];
        for _ in 0..20 {
            throttle.failed(&ann, 10_000);
        }
        throttle.failed(&ann, 10_000 + FORGOTTEN_AFTER_MS);
        assert_eq!(
            throttle.may_try(&ann, 10_000 + FORGOTTEN_AFTER_MS),
            Wait::Now,
            "that was long ago"
        );
    }
}
