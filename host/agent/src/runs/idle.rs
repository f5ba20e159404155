//! A run that waits leaves memory.
//!
//! While nothing is under way and nothing can be done, the state of a run is of no use: the journal has it, as a snapshot
//! and the few records behind it. A run stays in memory for a moment all the same, because many answers come at once; of
//! such runs there are only so many. Then its task ends. Its time, a message or an order wakes it.

use flowforge_journal::Urgency;
use tokio::sync::OwnedSemaphorePermit;
use tracing::{debug, warn};

use super::halt::Halt;
use super::mailbox::RunMessage;
use super::task::RunTask;
use super::wait::Wait;
use crate::clock::Sleep;

/// How long a run that waits stays in memory, in milliseconds.
const STAY_MS: u64 = 1_000;

/// How a run waits in memory.
#[derive(Default)]
pub(super) struct Idle {
    stays: Option<Stay>,
}

/// One of the few runs that stay in memory for a while.
struct Stay {
    /// Monotonic time.
    until_ms: u64,
    sleep: Sleep,
    /// Absent for one that could not leave.
    _place: Option<OwnedSemaphorePermit>,
}

impl Idle {
    /// Returns when the run has stayed long enough; never if it is not waiting.
    pub(super) async fn over(&mut self) {
        match &mut self.stays {
            Some(stay) => {
                (&mut stay.sleep).await;
                // It is not polled again after its end: the run leaves, or goes on.
                stay.sleep = Box::pin(std::future::pending());
            }
            None => std::future::pending().await,
        }
    }
}

impl RunTask {
    /// Whether the run should leave memory now: it only waits, and has stayed long enough.
    pub(super) fn may_leave(&mut self) -> bool {
        if !self.attempts.is_empty() || !self.under_way.is_empty() || !self.execution.is_idle() {
            self.idle.stays = None;
            return false;
        }
        if self.draining {
            return true;
        }
        let clock = &self.shared.clock;
        if let Some(stay) = &self.idle.stays {
            return clock.monotonic_ms() >= stay.until_ms;
        }
        let Some(place) = self.shared.registry.stay() else {
            return true;
        };
        self.stay(Some(place));
        false
    }

    /// Writes down what the run waits for, and where it stands; then the task ends. `None` if there is no room for that now:
    /// the run stays, and tries again later.
    pub(super) async fn leave(&mut self) -> Result<Option<Wait>, Halt> {
        self.flush(Urgency::Lazy).await?;
        let state = self.execution.state();
        let wait = Wait::of(state).leased(self.shared.leases.life_ms(&self.run));
        let snapshot = if self.recorder.wants_last_snapshot() {
            state.snapshot().and_then(|bytes| self.recorder.snapshot(bytes))
        } else {
            None
        };
        if !self.recorder.stands(wait.standing(), snapshot).await? {
            self.stay(None);
            return Ok(None);
        }
        self.close_mailbox()?;
        Ok(Some(wait))
    }

    /// Whoever comes now finds no mailbox. Messages of the inbox are looked for when the run has fallen asleep; that another
    /// host has the run was said to the mailbox alone.
    fn close_mailbox(&mut self) -> Result<(), Halt> {
        self.control.mailbox.close();
        while let Ok(message) = self.control.mailbox.try_recv() {
            if matches!(message, RunMessage::Drop) {
                return Err(Halt::Dropped);
            }
        }
        Ok(())
    }

    /// Whether the run may go on: it needs no lease, or holds it.
    pub(super) fn has_lease(&self) -> bool {
        let now_ms = self.shared.clock.monotonic_ms();
        self.shared.leases.is_held(&self.run, now_ms)
    }

    /// The lease is over: another host may get the run. What is under way is stopped, and done again if the run stays here.
    pub(super) async fn give_way(&mut self) -> Result<Wait, Halt> {
        match self.shared.leases.until_ms(&self.run) {
            // It never had one: it is asked for.
            Some(0) => {
                debug!(run_id = %self.run, "the run begins when the control plane says that it is still this host's")
            }
            _ => {
                warn!(run_id = %self.run, under_way = self.under_way.len(), "the run's lease is over; it stops until it is renewed")
            }
        }
        self.attempts.shutdown().await;
        for step in std::mem::take(&mut self.under_way).into_keys() {
            self.recorder.attempt_stopped(&step);
        }
        self.flush(Urgency::Lazy).await?;
        let wait = Wait::of_lease();
        self.recorder.stands(wait.standing(), None).await?;
        self.close_mailbox()?;
        Ok(wait)
    }

    fn stay(&mut self, place: Option<OwnedSemaphorePermit>) {
        let clock = &self.shared.clock;
        let until_ms = clock.monotonic_ms().saturating_add(STAY_MS);
        self.idle.stays = Some(Stay {
            until_ms,
            sleep: clock.sleep_until_monotonic(until_ms),
            _place: place,
        });
    }

    /// Gives the journal what is held, now and then with the whole state.
    pub(super) async fn keep(&mut self) -> Result<(), Halt> {
        if self.recorder.wants_snapshot()
            && let Some(bytes) = self.execution.state().snapshot()
        {
            let snapshot = self.recorder.snapshot(bytes);
            self.recorder.hold(snapshot);
        }
        self.flush(Urgency::Lazy).await?;
        Ok(())
    }
}
