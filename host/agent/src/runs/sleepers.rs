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
        let due_ms = wait.due_ms;
        let is_held = || shared.leases.is_held(run, shared.clock.monotonic_ms());
        let is_of_lease = wait.is_of_lease();
        if is_held() && !is_of_lease {
            // A run that waits holds no lease; it is asked for when the run is woken.
            shared.leases.remove(run);
        }
        shared.registry.sleep(run, wait);
        if shared.drain.is_cancelled() {
            return;
        }
        shared.alarm.is_due(due_ms);
        // Looked at only now: whoever renewed the lease while the run gave way, or stored a message, found it awake and
        // did not wake it.
        if is_held() && (is_of_lease || shared.journal.message_count(run) > 0) {
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
