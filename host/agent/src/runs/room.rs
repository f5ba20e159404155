//! Records on their way into a journal that is full: they wait for room, and the run can be stopped all the same.

use std::sync::atomic::Ordering;
use std::time::Duration;

use flowforge_journal::{Journal, Message, ReadError, Ticket, Urgency};
use flowforge_protocol::RunId;

use super::halt::Halt;
use super::service::Shared;
use super::task::RunTask;
use crate::order::{Cancellation, Gate};

/// How often a run that waits for room looks for a cancellation.
const LOOK: Duration = Duration::from_millis(500);

/// How long no new run is wanted after the journal had no room for one, in milliseconds.
const FULL_MS: u64 = 2_000;

impl Shared {
    /// The journal has no room for a new run.
    pub(super) fn is_full(&self) {
        let until_ms = self.clock.monotonic_ms().saturating_add(FULL_MS);
        self.full_until_ms.store(until_ms, Ordering::Relaxed);
    }
}

/// A cancellation in the inbox of a run.
#[derive(Debug)]
pub(super) struct Cancelled {
    /// Number of the message.
    pub(super) message: u64,
    /// What it says.
    pub(super) cancellation: Cancellation,
}

/// The first cancellation among the messages of a run.
pub(super) async fn find_cancellation(
    journal: &Journal,
    gate: &Gate,
    run: &RunId,
    epoch: u64,
) -> Result<Option<Cancelled>, ReadError> {
    if journal.message_count(run) == 0 {
        return Ok(None);
    }
    let messages = journal.messages(run).await?;
    Ok(messages
        .iter()
        .find_map(|message| cancellation_in(message, gate, run, epoch)))
}

fn cancellation_in(message: &Message, gate: &Gate, run: &RunId, epoch: u64) -> Option<Cancelled> {
    let order = gate.readmit(&message.bytes).ok()?;
    let cancellation = order.cancellation()?;
    let is_for_run = order.about().run == *run && order.about().epoch == epoch;
    is_for_run.then(|| Cancelled {
        message: message.number,
        cancellation: cancellation.clone(),
    })
}

impl RunTask {
    /// Gives what is held to the journal, when that has room; the ticket says when it is durable. `None` if nothing is held.
    ///
    /// # Errors
    /// [`Halt`]; what was held is lost, and the run must stop and be read anew, or end.
    pub(super) async fn flush(&mut self, urgency: Urgency) -> Result<Option<Ticket>, Halt> {
        let Some(entry) = self.recorder.take(urgency) else {
            return Ok(None);
        };
        let (shared, run, epoch) = (&self.shared, &self.run, self.recorder.epoch());
        let mut appending = std::pin::pin!(self.recorder.append(entry));
        loop {
            tokio::select! {
                biased;
                ticket = &mut appending => {
                    let ticket = ticket?;
                    if let Some(trace) = &mut self.trace {
                        trace.tell();
                    }
                    return Ok(Some(ticket));
                }
                () = tokio::time::sleep(LOOK) => {}
            }
            if let Some(cancelled) = find_cancellation(&shared.journal, &shared.gate, run, epoch).await? {
                return Err(Halt::Cancelled(cancelled));
            }
        }
    }
}
