//! Time and randomness, as everything in the host sees them.
//!
//! Two seams, because a test must be able to hold both still: a run waits for a day in a microsecond of simulated time,
//! and identifiers repeat. Nothing else in this crate reads a clock or draws randomness.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use flowforge_protocol::Digest;
use flowforge_protocol::job::CLOCK_TOLERANCE_MS;
use tokio::sync::watch;

/// A future that a trait object can return.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The time of day, the time that passes, and the waits for both.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970 UTC. May step in either direction: for what people see, what expires, and timers of runs.
    fn now_ms(&self) -> u64;

    /// Milliseconds since some moment of this process. Never steps: for holds, pauses and whether somebody was heard lately.
    fn monotonic_ms(&self) -> u64;

    /// Completes when [`Clock::monotonic_ms`] has reached `due_ms`, never earlier.
    ///
    /// Cancel safety: dropping it has no effect.
    fn sleep_until_monotonic(&self, due_ms: u64) -> Sleep;

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

/// When this process first asked for the time.
static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        system_now_ms()
    }

    fn monotonic_ms(&self) -> u64 {
        u64::try_from(BEGUN.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn sleep_until_monotonic(&self, due_ms: u64) -> Sleep {
        let left = due_ms.saturating_sub(self.monotonic_ms());
        Box::pin(tokio::time::sleep(Duration::from_millis(left)))
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
    passed: watch::Sender<u64>,
}

impl ManualClock {
    /// A clock that shows this time.
    #[must_use]
    pub fn at(now_ms: u64) -> Self {
        Self {
            now: watch::Sender::new(now_ms),
            passed: watch::Sender::new(0),
        }
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.now.send_modify(|now| *now = now.saturating_add(millis));
        self.passed
            .send_modify(|passed| *passed = passed.saturating_add(millis));
    }

    /// Sets the time of day, also backwards; no time passes.
    pub fn set(&self, now_ms: u64) {
        self.now.send_replace(now_ms);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        *self.now.borrow()
    }

    fn monotonic_ms(&self) -> u64 {
        *self.passed.borrow()
    }

    fn sleep_until(&self, due_ms: u64) -> Sleep {
        reaches(self.now.subscribe(), due_ms)
    }

    fn sleep_until_monotonic(&self, due_ms: u64) -> Sleep {
        reaches(self.passed.subscribe(), due_ms)
    }
}

fn reaches(mut shown: watch::Receiver<u64>, due_ms: u64) -> Sleep {
    Box::pin(async move {
        if shown.wait_for(|shown| *shown >= due_ms).await.is_err() {
            // The clock is gone: no time will come any more.
            std::future::pending::<()>().await;
        }
    })
}

/// Randomness.
pub trait Entropy: Send + Sync {
    /// Fills the buffer with bytes nobody can foresee.
    fn fill(&self, buffer: &mut [u8]);
}

/// Bytes that are taken from the operating system at once. Every value of a record has a salt of 16, and a call for each
/// would cost more than the digest that it goes into.
const POOL_BYTES: usize = 1024;

/// The randomness of the operating system, with a generator seeded from it should the system ever refuse later.
pub struct SystemEntropy {
    /// Bytes not given out yet; those that were are wiped.
    pool: Mutex<Vec<u8>>,
    fallback: SeededEntropy,
}

impl std::fmt::Debug for SystemEntropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SystemEntropy")
    }
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
            pool: Mutex::default(),
            fallback: SeededEntropy::new(seed),
        })
    }

    fn fill_directly(&self, buffer: &mut [u8]) {
        if getrandom::fill(buffer).is_err() {
            self.fallback.fill(buffer);
        }
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        if buffer.len() > POOL_BYTES {
            return self.fill_directly(buffer);
        }
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() < buffer.len() {
            pool.resize(POOL_BYTES, 0);
            self.fill_directly(&mut pool);
        }
        let left = pool.len() - buffer.len();
        let (_, taken) = pool.split_at_mut(left);
        buffer.copy_from_slice(taken);
        taken.fill(0);
        pool.truncate(left);
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

/// The earliest time this host believes in: a clock set back a little does not make an expired job fresh.
///
/// Moves forward only with this host's own persisted past, never with what a peer claims. It is bounded: a clock that is
/// behind the floor by more than [`FLOOR_LEAD_MS_MAX`] was ahead before and has been corrected, so it is the floor that is
/// wrong. Jobs that were seen are remembered by themselves and stay refused.
#[derive(Debug, Default)]
pub struct TimeFloor {
    floor_ms: Mutex<u64>,
}

/// A new floor is written down when it is this much above the last.
const FLOOR_STEP_MS: u64 = 60_000;
/// How far the floor may be ahead of the clock and still be believed: 10 minutes.
pub const FLOOR_LEAD_MS_MAX: u64 = 600_000;

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
        match floor.saturating_sub(now_ms) {
            lead if lead > CLOCK_TOLERANCE_MS && lead <= FLOOR_LEAD_MS_MAX => floor,
            _ => now_ms,
        }
    }

    /// Raises the floor, or lowers one that is beyond belief; gives the value to write down if it moved far enough to be
    /// worth it.
    pub fn raise(&self, now_ms: u64) -> Option<u64> {
        let mut floor = self.floor_ms.lock().unwrap_or_else(PoisonError::into_inner);
        let is_wrong = *floor > now_ms.saturating_add(FLOOR_LEAD_MS_MAX);
        if is_wrong || now_ms >= floor.saturating_add(FLOOR_STEP_MS) {
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
        let floor = TimeFloor::new(10_000_000);
        assert_eq!(
            floor.trusted(10_000_000 - CLOCK_TOLERANCE_MS),
            10_000_000 - CLOCK_TOLERANCE_MS
        );
        assert_eq!(floor.trusted(10_000_000 - CLOCK_TOLERANCE_MS - 1), 10_000_000);
        assert_eq!(floor.raise(10_059_999), None);
        assert_eq!(floor.raise(10_060_000), Some(10_060_000));
        assert_eq!(
            floor.raise(10_060_000 - FLOOR_LEAD_MS_MAX),
            None,
            "it does not fall"
        );
        assert_eq!(floor.trusted(10_060_000 - FLOOR_LEAD_MS_MAX), 10_060_000);
    }

    /// A clock that was ahead by a year, once, made every job of the next year "expired".
    #[test]
    fn a_floor_that_a_wrong_clock_left_is_given_up() {
        let floor = TimeFloor::new(0);
        assert_eq!(floor.raise(90_000_000), Some(90_000_000), "the clock is ahead");
        let corrected = 90_000_000 - FLOOR_LEAD_MS_MAX - 1;
        assert_eq!(floor.trusted(corrected), corrected);
        assert_eq!(floor.raise(corrected), Some(corrected), "and on the disk");
        assert_eq!(floor.trusted(corrected), corrected);
    }

    #[tokio::test]
    async fn a_clock_that_is_set_lets_no_time_pass() {
        let clock = ManualClock::at(1_000);
        let mut hold = clock.sleep_until_monotonic(20);
        clock.set(9_000_000);
        assert!(futures::poll!(&mut hold).is_pending());
        clock.set(5);
        clock.advance(Duration::from_millis(20));
        hold.await;
    }

    #[test]
    fn no_bytes_of_the_system_are_given_twice() {
        let entropy = SystemEntropy::new().unwrap();
        let mut seen = std::collections::HashSet::new();
        for length in [16, 24, 7, 16, POOL_BYTES, POOL_BYTES + 1].repeat(50) {
            let mut bytes = vec![0_u8; length];
            entropy.fill(&mut bytes);
            // Seven bytes are few, and still more than chance repeats.
            assert!(seen.insert(bytes[..7].to_vec()), "after {} draws", seen.len());
        }
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
