//! Runs of which something in the journal is not what was written.
//!
//! There is nothing to go on with, and no chain to which an end could be added. Such a run rests, says why, and stays with
//! all that is left of it until somebody ends it: then it is dropped here, a tombstone stays so that it does not begin again,
//! and the answer to the order says what became of it, so that the control plane can end it with that reason. An order to
//! end it that came before the damage was found is obeyed when that is found.

use flowforge_journal::{Damage, DamagedRun, Stopped};
use flowforge_protocol::RunId;
use tokio::sync::mpsc;
use tracing::{error, warn};

use super::given_up::GivenUp;
use super::registry::Reach;
use super::resume;
use super::service::{MAILBOX, OrderError, Runs, UNKNOWN_EPOCH};
use super::task::Control;
use crate::order::VerifiedOrder;
use crate::text::with_causes;

impl Runs {
    /// Shows the runs that were found damaged at the start.
    pub(super) fn show_damaged(&self, damaged: Vec<DamagedRun>) {
        for DamagedRun { run, damage } in damaged {
            error!(run_id = %run, error = %damage, "something of a run is not what was written; it rests");
            if self.shared.registry.find(&run).is_none() {
                self.control(&run, UNKNOWN_EPOCH);
            }
            let reason =
                format!("something of it is not what was written: {damage}; cancel it to be rid of it");
            self.shared.registry.rest(&run, reason);
            let runs = self.clone();
            self.shared
                .tasks
                .spawn(async move { runs.give_up_if_told(&run).await });
        }
    }

    /// Drops a run that can never be read again, if an order to end it is in its inbox: it was taken before the damage was
    /// found. Nothing happens to one that can be read.
    pub(super) async fn give_up_if_told(&self, run: &RunId) {
        let shared = &self.shared;
        if shared.journal.message_count(run) == 0 || self.damage(run).is_none() {
            return;
        }
        let messages = match shared.journal.messages(run).await {
            Ok(messages) => messages,
            Err(error) => {
                return error!(run_id = %run, error = %with_causes(&error), "the inbox of a damaged run cannot be read");
            }
        };
        let orders = messages
            .iter()
            .filter_map(|message| shared.gate.readmit(&message.bytes).ok());
        for order in orders.filter(|order| order.about().run == *run) {
            match self.give_up(&order).await {
                Some(OrderError::Refused(refusal)) => {
                    return shared.outgoing.refused(refusal.answer(order.about().job.clone()));
                }
                Some(error) => {
                    return error!(run_id = %run, %error, "a damaged run could not be given up");
                }
                None => {}
            }
        }
    }

    fn damage(&self, run: &RunId) -> Option<Damage> {
        let damaged = self.shared.journal.damaged().into_iter();
        let mut found = damaged.filter(|known| known.run == *run);
        found.next().map(|known| known.damage)
    }

    /// Drops a run that can never be read again, if this order ends it: the refusal says so. `None` if the order says
    /// something else, or the run can be read.
    pub(super) async fn give_up(&self, order: &VerifiedOrder) -> Option<OrderError> {
        let cancellation = order.cancellation()?;
        let shared = &self.shared;
        let (run, epoch) = (&order.about().run, order.about().epoch);
        if let Some((Reach::Awake(mailbox), _)) = shared.registry.find(run)
            && !mailbox.is_closed()
        {
            return None;
        }
        let Some(damage) = self.damage(run) else {
            // It may have been dropped before, and the answer lost.
            let is_here = shared.journal.knows(run);
            let known = if is_here {
                None
            } else {
                self.find_given_up(run).await
            };
            return known.map(|known| known.refusal().into());
        };
        let given_up = GivenUp {
            run: run.clone(),
            epoch,
            job: order.about().job.clone(),
            reason: damage.to_string(),
        };
        let refusal = given_up.refusal();
        let noted = self.note_given_up(given_up).await;
        // The answer ends the run elsewhere, so the tombstone comes first.
        let dropped = match noted {
            Ok(()) => self.drop_damaged(run, epoch).await.map_err(OrderError::from),
            Err(error) => Err(error),
        };
        if let Err(error) = dropped {
            return Some(error);
        }
        warn!(run_id = %run, reason = cancellation.reason, "a run that cannot be read was given up");
        Some(refusal.into())
    }

    pub(super) fn is_damaged(&self, run: &RunId) -> bool {
        self.damage(run).is_some()
    }

    /// Drops what is left of a damaged run; a tombstone stays.
    pub(super) async fn drop_damaged(&self, run: &RunId, epoch: u64) -> Result<(), Stopped> {
        let shared = &self.shared;
        if let Some(mut ticket) = shared.journal.forget(run, epoch).await? {
            ticket.durable().await?;
        }
        shared.leases.remove(run);
        shared.registry.remove(run);
        Ok(())
    }

    /// Has a run read again whose task is over, although the run is not: it is to hear an order. What keeps it from going on
    /// may have passed; if not, it rests again, and the order waits. False if it does not rest without a task.
    pub(super) fn read_again(&self, run: &RunId) -> bool {
        let shared = &self.shared;
        let (to_self, mailbox) = mpsc::channel(MAILBOX);
        let Some(phase) = shared.registry.revive(run, to_self.clone()) else {
            return false;
        };
        let control = Control {
            mailbox,
            to_self,
            phase,
        };
        let resumed = resume::resume(shared.clone(), run.clone(), control);
        self.spawn(run.clone(), resumed);
        true
    }
}
