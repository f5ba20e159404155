//! Time and randomness, as everything in the host sees them.
//!
//! Two seams, because a test must be able to hold both still: a run waits for a day in a microsecond of simulated time,
//! and identifiers repeat. Nothing else in this crate reads a clock or draws randomness.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flowforge_protocol::Digest;
use flowforge_protocol::job::CLOCK_TOLERANCE_MS;
use tokio::sync::watch;

/// A future that a trait object can return.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Wall-clock time and the waits for it.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970 UTC. May step in either direction.
    fn now_ms(&self) -> u64;

    /// Completes when [`Clock::now_ms`] has reached `due_ms`, never earlier.
    ///
    /// Cancel safety: dropping it has no effect.
    fn sleep_until(&self, due_ms: u64) -> Sleep;
}

/// The clock of the machine.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

/// A wait looks at the wall clock at least this often, so that a corrected clock moves a timer.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

fn system_now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        system_now_ms()
    }

    fn sleep_until(&self, due_ms: u64) -> Sleep {
        Box::pin(async move {
            loop {
                let now = system_now_ms();
                let Some(left) = due_ms.checked_sub(now).filter(|left| *left > 0) else {
                    return;
                };
                tokio::time::sleep(Duration::from_millis(left).min(LOOK_AGAIN)).await;
            }
        })
    }
}

/// A clock that stands still until it is told to move: for simulations.
#[derive(Debug, Clone)]
pub struct ManualClock {
    now: watch::Sender<u64>,
}

impl ManualClock {
    /// A clock that shows this time.
    #[must_use]
    pub fn at(now_ms: u64) -> Self {
        Self {
            now: watch::Sender::new(now_ms),
        }
    }

    /// Moves the time forward.
    pub fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.now.send_modify(|now| *now = now.saturating_add(millis));
    }

    /// Sets the time, also backwards.
    pub fn set(&self, now_ms: u64) {
        self.now.send_replace(now_ms);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        *self.now.borrow()
    }

    fn sleep_until(&self, due_ms: u64) -> Sleep {
        let mut now = self.now.subscribe();
        Box::pin(async move {
            if now.wait_for(|now| *now >= due_ms).await.is_err() {
                // The clock is gone: no time will come any more.
                std::future::pending::<()>().await;
            }
        })
    }
}

/// Randomness.
pub trait Entropy: Send + Sync {
    /// Fills the buffer with bytes nobody can foresee.
    fn fill(&self, buffer: &mut [u8]);
}

/// The randomness of the operating system, with a generator seeded from it should the system ever refuse later.
#[derive(Debug)]
pub struct SystemEntropy {
    fallback: SeededEntropy,
}

impl SystemEntropy {
    /// Takes a seed from the operating system.
    ///
    /// # Errors
    /// The operating system gives no randomness: nothing safe can be done on this machine.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut seed = [0_u8; 32];
        getrandom::fill(&mut seed)?;
        Ok(Self {
            fallback: SeededEntropy::new(seed),
        })
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        if getrandom::fill(buffer).is_err() {
            self.fallback.fill(buffer);
        }
    }
}

/// A generator whose output follows from its seed: SHA-256 over seed and counter.
#[derive(Debug)]
pub struct SeededEntropy {
    seed: [u8; 32],
    counter: AtomicU64,
}

impl SeededEntropy {
    /// A generator with this seed.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            counter: AtomicU64::new(0),
        }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(32) {
            let count = self.counter.fetch_add(1, Ordering::Relaxed);
            let block = Digest::of_parts(&[&self.seed, &count.to_be_bytes()]);
            for (to, from) in chunk.iter_mut().zip(block.as_bytes()) {
                *to = *from;
            }
        }
    }
}

/// The earliest time this host believes in: a clock set back does not make an expired job fresh.
///
/// Moves forward only with this host's own persisted past, never with what a peer claims.
#[derive(Debug, Default)]
pub struct TimeFloor {
    floor_ms: Mutex<u64>,
}

/// A new floor is written down when it is this much above the last.
const FLOOR_STEP_MS: u64 = 60_000;

impl TimeFloor {
    /// The floor as it was written down.
    #[must_use]
    pub fn new(floor_ms: u64) -> Self {
        Self {
            floor_ms: Mutex::new(floor_ms),
        }
    }

    /// The time to judge freshness by: `now`, or the floor when the clock is clearly behind it.
    #[must_use]
    pub fn trusted(&self, now_ms: u64) -> u64 {
        let floor = *self.floor_ms.lock().unwrap_or_else(PoisonError::into_inner);
        if now_ms.saturating_add(CLOCK_TOLERANCE_MS) < floor {
            floor
        } else {
            now_ms
        }
    }

    /// Raises the floor; gives the value to write down if it moved far enough to be worth it.
    pub fn raise(&self, now_ms: u64) -> Option<u64> {
        let mut floor = self.floor_ms.lock().unwrap_or_else(PoisonError::into_inner);
        if now_ms >= floor.saturating_add(FLOOR_STEP_MS) {
            *floor = now_ms;
            Some(now_ms)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_ends_when_its_time_came_and_not_before() {
        let clock = ManualClock::at(1_000);
        let mut sleep = clock.sleep_until(1_500);
        clock.advance(Duration::from_millis(499));
        assert!(futures::poll!(&mut sleep).is_pending(), "1 ms early");
        clock.advance(Duration::from_millis(1));
        sleep.await;
        clock.sleep_until(3).await;
    }

    #[test]
    fn a_clock_set_back_is_not_believed() {
        let floor = TimeFloor::new(1_000_000);
        assert_eq!(
            floor.trusted(1_000_000 - CLOCK_TOLERANCE_MS),
            1_000_000 - CLOCK_TOLERANCE_MS
        );
        assert_eq!(floor.trusted(1_000_000 - CLOCK_TOLERANCE_MS - 1), 1_000_000);
        assert_eq!(floor.raise(1_059_999), None);
        assert_eq!(floor.raise(1_060_000), Some(1_060_000));
        assert_eq!(floor.raise(5), None, "it never falls");
    }

    #[test]
    fn seeded_randomness_repeats_and_differs_between_calls() {
        let (a, b) = (SeededEntropy::new([7; 32]), SeededEntropy::new([7; 32]));
        let (mut x, mut y, mut z) = ([0; 40], [0; 40], [0; 40]);
        a.fill(&mut x);
        b.fill(&mut y);
        b.fill(&mut z);
        assert_eq!(x, y);
        assert_ne!(y, z);
    }
}
