//! Runs that wait in the journal, and what wakes them: their time, or a message.
//!
//! Invariant: a run whose time has come, that has a message or whose lease was renewed is awake, or is about to be. Whoever
//! stores a message or renews a lease looks afterwards whether the run sleeps; a run that falls asleep looks for both
//! afterwards; so one of the two finds it. That a run sleeps is said in one step under one lock ([`super::registry`]), and
//! only one who comes can wake it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flowforge_journal::Standing;
use flowforge_protocol::RunId;
use flowforge_protocol::sync::AskedRun;
use tokio::sync::{Notify, mpsc};
use tracing::error;

use super::leases::Leases;
use super::service::{MAILBOX, Runs};
use super::task::Control;
use super::wait::Wait;
use super::{registry::Phase, resume};
use crate::text::with_causes;

/// With so many runs awake, no more are woken by their time at once: they come as these leave.
const WOKEN_MAX: usize = 1_000;
/// The pause when everything that is due is being woken already.
const PAUSE: Duration = Duration::from_millis(50);
/// No time is set.
const NEVER: u64 = u64::MAX;

/// When the next sleeping run is due.
#[derive(Debug)]
pub(super) struct Alarm {
    /// What the watch waits for now, milliseconds since 1970 UTC.
    set_ms: AtomicU64,
    /// Told when a run is due earlier than that.
    earlier: Notify,
}

impl Default for Alarm {
    fn default() -> Self {
        Self {
            set_ms: AtomicU64::new(NEVER),
            earlier: Notify::new(),
        }
    }
}

impl Alarm {
    fn is_due(&self, due_ms: Option<u64>) {
        if due_ms.is_some_and(|due| due < self.set_ms.load(Ordering::Relaxed)) {
            self.earlier.notify_one();
        }
    }
}

impl Runs {
    /// Gives a sleeping run its task; nothing happens if it does not sleep.
    pub(super) fn wake(&self, run: &RunId) {
        let (to_self, mailbox) = mpsc::channel(MAILBOX);
        let Some(phase) = self.shared.registry.wake(run, to_self.clone()) else {
            return;
        };
        phase.set(Phase::Loading);
        let control = Control {
            mailbox,
            to_self,
            phase,
        };
        let resumed = resume::resume(self.shared.clone(), run.clone(), control);
        self.spawn(run.clone(), resumed);
    }

    /// The task of a run is over, and the journal has what it waits for.
    pub(super) fn fell_asleep(&self, run: &RunId, wait: Wait) {
        let shared = &self.shared;
        let (due_ms, is_of_lease) = (wait.due_ms, wait.is_of_lease());
        let now_ms = || shared.clock.monotonic_ms();
        let may_go_on = lie_down(&shared.leases, run, now_ms, || shared.registry.sleep(run, wait));
        if shared.drain.is_cancelled() {
            return;
        }
        shared.alarm.is_due(due_ms);
        if may_go_on && (is_of_lease || shared.journal.message_count(run) > 0) {
            self.wake(run);
        }
    }

    /// Returns when the control plane is to be asked about leases.
    ///
    /// # Cancel safety
    /// Safe.
    pub(crate) async fn lease_due(&self) {
        let shared = &self.shared;
        loop {
            let time = async {
                match shared.leases.next_ask_ms() {
                    Some(due) => shared.clock.sleep_until_monotonic(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = time => return,
                () = shared.leases.added() => {}
            }
        }
    }

    /// The runs about whose leases the control plane is to be asked now, with their fencing numbers.
    pub(crate) fn leases_to_ask(&self) -> Vec<AskedRun> {
        let shared = &self.shared;
        let asked = shared.leases.to_ask(shared.clock.monotonic_ms()).into_iter();
        asked
            .filter_map(|run| {
                let (_, epoch) = shared.registry.find(&run)?;
                Some(AskedRun { run, epoch })
            })
            .collect()
    }

    /// The control plane says that a run is still this host's; it was asked at this monotonic time. One that had to stop
    /// goes on.
    pub(crate) fn renew_lease(&self, run: &RunId, asked_ms: u64) {
        let shared = &self.shared;
        let goes_on = shared.leases.renew(run, asked_ms, shared.clock.monotonic_ms());
        if goes_on && shared.registry.waits_for_lease(run) {
            self.wake(run);
        }
    }

    /// The control plane has the records of a run up to this one.
    pub(crate) fn stored_through(&self, run: &RunId, seq: u64) {
        self.shared.leases.stored(run, seq.saturating_add(1));
    }

    /// Wakes runs whose time has come, until the host drains.
    pub(super) async fn watch_times(self) {
        let shared = &self.shared;
        loop {
            // Set before the times are read: what comes later and is due earlier is heard.
            shared.alarm.set_ms.store(NEVER, Ordering::Relaxed);
            let next = shared.journal.next_due_ms();
            shared
                .alarm
                .set_ms
                .store(next.unwrap_or(NEVER), Ordering::Relaxed);
            let time = async {
                match next {
                    Some(due) => shared.clock.sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shared.drain.cancelled() => return,
                () = shared.alarm.earlier.notified() => continue,
                () = time => {}
            }
            let mut woken = false;
            for run in shared.journal.due_before(shared.clock.now_ms()) {
                while shared.registry.places_taken() >= WOKEN_MAX {
                    tokio::select! {
                        () = shared.drain.cancelled() => return,
                        () = shared.registry.freed() => {}
                    }
                }
                woken |= shared.registry.is_asleep(&run);
                self.wake(&run);
            }
            if !woken {
                tokio::select! {
                    () = shared.drain.cancelled() => return,
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
        }
    }

    /// Learns from the journal what the runs wait for that slept when the host started.
    pub(super) async fn describe_sleepers(self) {
        let shared = &self.shared;
        for run in shared.registry.undescribed() {
            if shared.drain.is_cancelled() {
                return;
            }
            match shared.journal.standing(&run).await {
                Ok(Some((Standing::Waiting { due_ms, about }, _))) => {
                    let wait = Wait::read(due_ms, &about);
                    if let Some(life_ms) = wait.lease_ms {
                        shared.leases.note(&run, life_ms);
                    }
                    let is_of_lease = wait.is_of_lease();
                    shared.registry.describe(&run, wait);
                    if is_of_lease {
                        // Read again, it is asked for again.
                        self.wake(&run);
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    error!(run_id = %run, error = %with_causes(&error), "what a run waits for cannot be read");
                }
            }
        }
    }
}

/// Has a run sleep; answers whether its lease lets it go on. That is looked at behind it: whoever renewed the lease while the
/// run gave way found it awake, and did not wake it.
fn lie_down(leases: &Leases, run: &RunId, now_ms: impl Fn() -> u64, sleep: impl FnOnce()) -> bool {
    sleep();
    leases.is_held(run, now_ms())
}

#[cfg(test)]
mod tests {
    use super::super::registry::Registry;
    use super::*;

    /// The lease was looked at, then it was renewed, then the run slept: nobody woke it, however often the lease was renewed.
    #[test]
    fn a_run_whose_lease_is_renewed_while_it_gives_way_goes_on() {
        let (leases, registry) = (Leases::default(), Registry::default());
        let run = RunId::from_entropy([1; 16]);
        registry.insert(run.clone(), 1, mpsc::channel(1).0);
        leases.note(&run, 9_000);
        leases.renew(&run, 0, 1);
        let goes_on = lie_down(
            &leases,
            &run,
            || 9_600,
            || {
                assert!(leases.renew(&run, 8_000, 9_500), "it was over");
                assert!(!registry.waits_for_lease(&run), "it is awake");
                registry.sleep(&run, Wait::of_lease());
            },
        );
        assert!(goes_on, "it is seen behind the sleep");
        assert!(registry.waits_for_lease(&run));
        assert!(
            !leases.renew(&run, 9_600, 9_700),
            "and nobody else would have woken it"
        );
    }

    /// A run that waits for a person was woken by every renewal after a cut line.
    #[test]
    fn a_run_that_waits_for_something_else_keeps_its_lease_and_sleeps_on() {
        let (leases, registry) = (Leases::default(), Registry::default());
        let run = RunId::from_entropy([1; 16]);
        registry.insert(run.clone(), 1, mpsc::channel(1).0);
        leases.note(&run, 9_000);
        leases.renew(&run, 0, 1);
        let wait = Wait::read(None, b"papproval of step confirm");
        assert!(lie_down(&leases, &run, || 10, || registry.sleep(&run, wait)));
        assert!(!leases.is_held(&run, 9_000) && !leases.to_ask(9_000).is_empty());
        assert!(leases.renew(&run, 9_000, 9_001) && !registry.waits_for_lease(&run));
    }
}
