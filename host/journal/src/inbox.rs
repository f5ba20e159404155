//! Orders for runs, kept until they took effect.
//!
//! A decision, a cancellation or a signal is stored for its run whatever state that is in: running, waiting, resting,
//! damaged, or not here yet because the order overtook the one that starts it. It stays until the records that it caused
//! are stored, in one commit with them ([`crate::Entry::consumes`]), or until the run ends.

use flowforge_protocol::{JobId, RunId};

use crate::entry::Urgency;
use crate::error::{DeliverError, ReadError, Stopped};
use crate::journal::Journal;
use crate::key::{self, RunKey};
use crate::queue::Known;
use crate::replay::{JobEntry, Seen};
use crate::rows::MessageRow;
use crate::shared::still_open;
use crate::ticket::Ticket;
use crate::work::Request;

/// The answer to an order for a run.
#[derive(Debug)]
pub enum Delivered {
    /// It waits in the run's inbox under this number; `received` may be said when the ticket is durable.
    Waiting(u64, Ticket),
    /// The very same order was taken before; `received` may be said again when the ticket is durable.
    Again(Ticket),
    /// The run is over, so it changes nothing: it is only remembered. `received` may be said when the ticket is durable.
    Over(Ticket),
}

/// A message of an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its number; higher ones came later.
    pub number: u64,
    /// The order it came with.
    pub job: JobId,
    /// When it came, milliseconds since 1970 UTC.
    pub at_ms: u64,
    /// As given.
    pub bytes: Vec<u8>,
}

impl Journal {
    /// Stores an order for a run, in one commit with the memory of it. Lazy: when it is to take effect at once, the
    /// records that it causes bring the commit along.
    ///
    /// # Errors
    /// [`DeliverError`], by variant.
    ///
    /// # Cancel safety
    /// Safe: it waits for room before it takes anything.
    pub async fn deliver(
        &self,
        run: &RunId,
        message: Vec<u8>,
        job: JobEntry,
    ) -> Result<Delivered, DeliverError> {
        let config = &self.shared.config;
        let room = self.shared.room_for(message.len()).await?;
        let (key, now_ms) = (RunKey::of(run), (config.clock)());
        let mut guard = self.shared.queue();
        let queue = &mut *guard;
        still_open(queue)?;
        if queue.replay.check(&job)? == Seen::Before {
            return Ok(Delivered::Again(self.shared.hurry(queue)));
        }
        if let Some(Known::Ended { .. } | Known::Gone { ended: true, .. }) = queue.runs.get(&key) {
            let job = queue.remember(job, now_ms, &config.limits);
            let request = Request::Remember(job);
            return Ok(Delivered::Over(self.shared.enqueue(
                queue,
                request,
                room,
                Urgency::Lazy,
            )));
        }
        let runs = &queue.runs;
        let is_here = |run: &RunKey| matches!(runs.get(run), Some(Known::Open { .. }));
        let old = queue.inbox.expire(now_ms, is_here);
        queue
            .inbox
            .check(&key, message.len(), &config.limits.inbox, is_here)?;
        let age_ms = u64::try_from(config.limits.inbox.unknown_age.as_millis()).unwrap_or(u64::MAX);
        let keep_until_ms = now_ms.saturating_add(age_ms).max(job.expires_at_ms);
        let position = queue.position() + u64::try_from(old.len()).unwrap_or(0) + 1;
        let number = queue.inbox.add(key, message.len(), keep_until_ms, position);
        for (run, messages) in old {
            self.shared.push(queue, Request::Consume { run, messages });
        }
        let row = MessageRow {
            job: job.job_id.clone(),
            at_ms: now_ms,
            keep_until_ms,
            bytes: message,
        };
        let request = Request::Deliver {
            key: key::message_key(key, number),
            row,
            job: queue.remember(job, now_ms, &config.limits),
        };
        let ticket = self.shared.enqueue(queue, request, room, Urgency::Lazy);
        Ok(Delivered::Waiting(number, ticket))
    }

    /// The messages that wait for a run, in the order in which they came; those that were consumed are not among them.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn messages(&self, run: &RunId) -> Result<Vec<Message>, ReadError> {
        let key = RunKey::of(run);
        let ticket = {
            let mut queue = self.shared.queue();
            let Some(last) = queue.inbox.of(&key).last().map(|slot| slot.position) else {
                return Ok(Vec::new());
            };
            self.shared.ticket_of(&mut queue, last)
        };
        if let Some(mut ticket) = ticket {
            ticket.durable().await?;
        }
        let stored = self.read(move |reader| reader.messages(key)).await?;
        let queue = self.shared.queue();
        let waiting = queue.inbox.of(&key);
        Ok(stored
            .into_iter()
            .filter(|(number, _)| waiting.iter().any(|slot| slot.message == *number))
            .map(|(number, row)| Message {
                number,
                job: row.job,
                at_ms: row.at_ms,
                bytes: row.bytes,
            })
            .collect())
    }

    /// How many messages wait for a run.
    #[must_use]
    pub fn message_count(&self, run: &RunId) -> usize {
        self.shared.queue().inbox.of(&RunKey::of(run)).len()
    }

    /// Open runs that have messages.
    #[must_use]
    pub fn runs_with_messages(&self) -> Vec<RunId> {
        let queue = self.shared.queue();
        let runs = queue.inbox.runs().filter(|run| queue.is_open(run));
        runs.map(|run| run.id()).collect()
    }

    /// Takes a message out of an inbox that took effect without a record, or never will. Records that it caused take it
    /// out themselves. Nothing happens if it is not there.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn consume(&self, run: &RunId, message: u64) -> Result<Ticket, Stopped> {
        let key = RunKey::of(run);
        let room = self.shared.room_for(0).await?;
        let mut queue = self.shared.queue();
        still_open(&queue)?;
        let messages = match queue.inbox.remove(&key, message) {
            true => vec![message],
            false => Vec::new(),
        };
        let request = Request::Consume { run: key, messages };
        Ok(self.shared.enqueue(&mut queue, request, room, Urgency::Lazy))
    }
}
