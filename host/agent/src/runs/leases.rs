//! Leases: how long this host may go on with a run that another one may get.
//!
//! Only a run that came by an order with a lease has one, awake or asleep. It is held from the moment at which the control
//! plane was asked, by the clock that nobody can set, so that this host stops before another one may begin; a new one is not
//! held before it was asked for. Invariant: without a held lease such a run starts nothing and lets nothing out, and with one
//! an effect waits until the control plane has its intent: whoever goes on with the run elsewhere knows of it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use flowforge_protocol::RunId;
use tokio::sync::Notify;

use crate::clock::Clock;

/// Shortest life of a lease, and shortest time between two questions about one, in milliseconds.
const LIFE_MS_MIN: u64 = 1_000;
/// Why an effect is not let out.
const OVER: &str = "the run's lease is over";

/// The leases of the runs that have one.
#[derive(Debug, Default)]
pub(super) struct Leases {
    runs: Mutex<HashMap<RunId, Lease>>,
    /// Told when one was added.
    added: Notify,
    /// Told when records of one are stored at the control plane, or it ends.
    stored: Notify,
}

/// In milliseconds of the monotonic clock.
#[derive(Debug, Clone, Copy)]
struct Lease {
    life: u64,
    /// It is held until then.
    until: u64,
    /// The control plane is asked then.
    ask_at: u64,
    /// So many records are stored there, as far as it said so since the lease is here.
    stored: u64,
}

impl Leases {
    /// A run has a lease of this life, which is asked for at once; nothing changes if it has one already.
    pub(super) fn note(&self, run: &RunId, life_ms: u64) {
        let lease = Lease {
            life: life_ms.max(LIFE_MS_MIN),
            until: 0,
            ask_at: 0,
            stored: 0,
        };
        self.lock().entry(run.clone()).or_insert(lease);
        self.added.notify_one();
    }

    /// How long a lease of the run holds; `None` if it needs none.
    pub(super) fn life_ms(&self, run: &RunId) -> Option<u64> {
        self.lock().get(run).map(|lease| lease.life)
    }

    /// Until when a run may go on; `None` if it needs no lease.
    pub(super) fn until_ms(&self, run: &RunId) -> Option<u64> {
        self.lock().get(run).map(|lease| lease.until)
    }

    /// Whether a run may go on at this moment.
    pub(super) fn is_held(&self, run: &RunId, now_ms: u64) -> bool {
        self.until_ms(run).is_none_or(|until| now_ms < until)
    }

    /// As [`Leases::is_held`].
    ///
    /// # Errors
    /// Why nothing may be let out.
    pub(super) fn check(&self, run: &RunId, now_ms: u64) -> Result<(), String> {
        self.is_held(run, now_ms)
            .then_some(())
            .ok_or_else(|| OVER.to_owned())
    }

    /// The run needs none any more.
    pub(super) fn remove(&self, run: &RunId) {
        self.lock().remove(run);
        self.stored.notify_waiters();
    }

    /// The control plane was asked at this moment, and says that the run is still this host's. True if its lease was over.
    pub(super) fn renew(&self, run: &RunId, asked_ms: u64, now_ms: u64) -> bool {
        let mut runs = self.lock();
        let Some(lease) = runs.get_mut(run) else {
            return false;
        };
        let was_over = now_ms >= lease.until;
        lease.until = asked_ms.saturating_add(lease.life).max(lease.until);
        was_over && now_ms < lease.until
    }

    /// So many records of the run are stored at the control plane.
    pub(super) fn stored(&self, run: &RunId, count: u64) {
        if let Some(lease) = self.lock().get_mut(run) {
            lease.stored = lease.stored.max(count);
            self.stored.notify_waiters();
        }
    }

    /// Returns when the control plane has so many records of the run; at once if the run needs no lease.
    ///
    /// # Errors
    /// The lease is over before that.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn until_stored(
        &self,
        run: &RunId,
        count: u64,
        clock: &dyn Clock,
    ) -> Result<(), String> {
        if self.life_ms(run).is_none() {
            return Ok(());
        }
        loop {
            let mut news = std::pin::pin!(self.stored.notified());
            news.as_mut().enable();
            // One that is gone meanwhile lets nothing out.
            let lease = self.lock().get(run).copied().ok_or(OVER)?;
            self.check(run, clock.monotonic_ms())?;
            if lease.stored >= count {
                return Ok(());
            }
            tokio::select! {
                () = news => {}
                () = clock.sleep_until_monotonic(lease.until) => {}
            }
        }
    }

    /// The runs about which the control plane is to be asked now. They are asked about again later, whatever the answer.
    pub(super) fn to_ask(&self, now_ms: u64) -> Vec<RunId> {
        let mut runs = self.lock();
        let due = runs.iter_mut().filter(|(_, lease)| lease.ask_at <= now_ms);
        due.map(|(run, lease)| {
            lease.ask_at = now_ms.saturating_add((lease.life / 3).max(LIFE_MS_MIN));
            run.clone()
        })
        .collect()
    }

    /// When the next question is due.
    pub(super) fn next_ask_ms(&self) -> Option<u64> {
        self.lock().values().map(|lease| lease.ask_at).min()
    }

    /// Returns when a lease was added since it was last asked, for one caller.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn added(&self) {
        self.added.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RunId, Lease>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt as _;

    use super::*;
    use crate::clock::ManualClock;

    fn run() -> RunId {
        RunId::from_entropy([1; 16])
    }

    #[test]
    fn a_lease_counts_from_the_question_and_is_asked_for_in_time() {
        let (leases, run) = (Leases::default(), run());
        assert!(leases.is_held(&run, 0), "it needs none");
        leases.note(&run, 9_000);
        assert!(!leases.is_held(&run, 0), "it was not asked for");
        assert_eq!(leases.to_ask(1_000), std::slice::from_ref(&run));
        assert_eq!(leases.next_ask_ms(), Some(4_000), "the answer may be lost");
        assert!(leases.renew(&run, 1_000, 1_100), "it begins");
        assert!(leases.to_ask(3_999).is_empty());
        assert_eq!(leases.to_ask(4_000), std::slice::from_ref(&run));
        assert!(leases.is_held(&run, 9_999) && !leases.is_held(&run, 10_000));
        assert!(!leases.renew(&run, 4_000, 5_000));
        assert!(leases.is_held(&run, 12_999) && !leases.is_held(&run, 13_000));
        assert!(
            !leases.renew(&run, 4_000, 14_000),
            "an answer that took too long renews nothing"
        );
        assert!(leases.renew(&run, 13_500, 14_000), "it goes on");
        leases.note(&run, 9_000);
        assert!(leases.is_held(&run, 14_001), "what is known stays");
        leases.remove(&run);
        assert!(leases.is_held(&run, 99_999) && leases.next_ask_ms().is_none());
    }

    /// A host that made an effect and was cut off took what it knew of it along.
    #[tokio::test]
    async fn an_effect_waits_until_its_intent_is_stored_or_the_lease_is_over() {
        let (leases, run, clock) = (Leases::default(), run(), ManualClock::at(1_000));
        assert_eq!(
            leases.until_stored(&run, 9, &clock).await,
            Ok(()),
            "it needs none"
        );
        leases.note(&run, 9_000);
        leases.renew(&run, clock.monotonic_ms(), clock.monotonic_ms());
        leases.stored(&run, 3);
        assert_eq!(leases.until_stored(&run, 3, &clock).await, Ok(()));
        let mut waits = std::pin::pin!(leases.until_stored(&run, 4, &clock));
        assert!(waits.as_mut().now_or_never().is_none());
        leases.stored(&run, 4);
        assert_eq!(waits.await, Ok(()));
        let mut waits = std::pin::pin!(leases.until_stored(&run, 5, &clock));
        assert!(waits.as_mut().now_or_never().is_none());
        clock.advance(Duration::from_secs(9));
        assert_eq!(waits.await, Err(OVER.to_owned()));
        leases.renew(&run, clock.monotonic_ms(), clock.monotonic_ms());
        let mut waits = std::pin::pin!(leases.until_stored(&run, 5, &clock));
        assert!(waits.as_mut().now_or_never().is_none());
        leases.remove(&run);
        assert_eq!(waits.await, Err(OVER.to_owned()), "another host has the run");
    }
}
