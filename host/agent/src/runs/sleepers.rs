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
        let may_go_on = lie_down(&shared.leases, run, is_of_lease, now_ms, || {
            shared.registry.sleep(run, wait)
        });
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
        if shared.leases.renew(run, asked_ms, shared.clock.monotonic_ms()) {
            self.wake(run);
        }
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
fn lie_down(
    leases: &Leases,
    run: &RunId,
    is_of_lease: bool,
    now_ms: impl Fn() -> u64,
    sleep: impl FnOnce(),
) -> bool {
    if !is_of_lease && leases.is_held(run, now_ms()) {
        // A run that waits holds no lease; it is asked for when the run is woken.
        leases.remove(run);
    }
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
        registry.insert(run.clone(), 2, mpsc::channel(1).0);
        leases.note(&run, 9_000, Some(0));
        let may_go_on = lie_down(
            &leases,
            &run,
            true,
            || 9_500,
            || {
                assert!(leases.renew(&run, 8_000, 9_500), "it was over");
                let woken = registry.wake(&run, mpsc::channel(1).0);
                assert!(woken.is_none(), "it does not sleep yet");
                registry.sleep(&run, Wait::of_lease());
            },
        );
        assert!(may_go_on && registry.is_asleep(&run));
        assert!(
            !leases.renew(&run, 9_600, 9_700),
            "a later renewal is none of a lease that is over, and wakes nobody"
        );
    }

    #[test]
    fn a_run_that_waits_gives_its_lease_back_and_may_be_woken() {
        let (leases, run) = (Leases::default(), RunId::from_entropy([1; 16]));
        leases.note(&run, 9_000, Some(0));
        assert!(lie_down(&leases, &run, false, || 10, || {}));
        assert_eq!(leases.until_ms(&run), None);
        leases.note(&run, 9_000, Some(0));
        assert!(!lie_down(&leases, &run, false, || 9_000, || {}), "it is over");
        assert_eq!(leases.until_ms(&run), Some(9_000), "and is asked for");
    }
}
