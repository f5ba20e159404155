//! Leases: how long this host may go on with a run that another one may get.
//!
//! Only a run that came by an order with a lease has one, and only while it is awake: a run that waits holds none. It counts
//! from the moment at which the control plane was asked, by the clock that nobody can set, so that this host stops before
//! another one may begin. Invariant: without a held lease such a run starts nothing and lets nothing out.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use flowforge_protocol::RunId;
use tokio::sync::Notify;

/// Shortest life of a lease, and shortest time between two questions about one, in milliseconds.
const LIFE_MS_MIN: u64 = 1_000;

/// The leases of the runs that have one.
#[derive(Debug, Default)]
pub(super) struct Leases {
    runs: Mutex<HashMap<RunId, Lease>>,
    /// Told when one was added.
    added: Notify,
}

/// In milliseconds of the monotonic clock.
#[derive(Debug, Clone, Copy)]
struct Lease {
    life: u64,
    /// It is held until then.
    until: u64,
    /// The control plane is asked then.
    ask_at: u64,
}

impl Leases {
    /// A run has a lease of this life, held for so long from this moment if it is new here; else as long as it is held.
    pub(super) fn note(&self, run: &RunId, life_ms: u64, held_from_ms: Option<u64>) {
        let life = life_ms.max(LIFE_MS_MIN);
        let until = held_from_ms.map_or(0, |from| from.saturating_add(life));
        let ask_at = held_from_ms.map_or(0, |from| from.saturating_add(life / 3));
        let lease = Lease { life, until, ask_at };
        self.lock().entry(run.clone()).or_insert(lease);
        self.added.notify_one();
    }

    /// Until when a run may go on; `None` if it needs no lease.
    pub(super) fn until_ms(&self, run: &RunId) -> Option<u64> {
        self.lock().get(run).map(|lease| lease.until)
    }

    /// Whether a run may go on at this moment.
    pub(super) fn is_held(&self, run: &RunId, now_ms: u64) -> bool {
        self.until_ms(run).is_none_or(|until| now_ms < until)
    }

    /// The run needs none any more.
    pub(super) fn remove(&self, run: &RunId) {
        self.lock().remove(run);
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
    use super::*;

    #[test]
    fn a_lease_counts_from_the_question_and_is_asked_for_in_time() {
        let (leases, run) = (Leases::default(), RunId::from_entropy([1; 16]));
        assert!(leases.is_held(&run, 0), "it needs none");
        leases.note(&run, 9_000, Some(1_000));
        assert_eq!(leases.next_ask_ms(), Some(4_000));
        assert!(leases.to_ask(3_999).is_empty());
        assert_eq!(leases.to_ask(4_000), std::slice::from_ref(&run));
        assert_eq!(leases.next_ask_ms(), Some(7_000), "the answer may be lost");
        assert!(leases.is_held(&run, 9_999) && !leases.is_held(&run, 10_000));
        assert!(!leases.renew(&run, 4_000, 5_000));
        assert!(leases.is_held(&run, 12_999) && !leases.is_held(&run, 13_000));
        assert!(
            !leases.renew(&run, 4_000, 14_000),
            "an answer that took too long renews nothing"
        );
        assert!(leases.renew(&run, 13_500, 14_000), "it goes on");
        leases.remove(&run);
        assert!(leases.is_held(&run, 99_999) && leases.next_ask_ms().is_none());
    }

    #[test]
    fn one_that_is_read_again_is_not_held_before_it_was_asked_for() {
        let (leases, run) = (Leases::default(), RunId::from_entropy([1; 16]));
        leases.note(&run, 9_000, None);
        assert!(!leases.is_held(&run, 0));
        assert_eq!(leases.to_ask(0), std::slice::from_ref(&run));
        leases.note(&run, 9_000, Some(5));
        assert!(!leases.is_held(&run, 6), "what is known stays");
        assert!(leases.renew(&run, 6, 7) && leases.is_held(&run, 7));
    }
}
