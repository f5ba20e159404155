//! What every end of the journal holds: the meeting place with the writer, and the right to keep it open.
//!
//! The writer finishes when the last of these is gone, whether it was a [`crate::Journal`] or a [`crate::RunLog`].

use std::ops::Deref;
use std::sync::Arc;

use flowforge_protocol::RunId;

use crate::entry::Urgency;
use crate::error::{Full, Stopped};
use crate::key::RunKey;
use crate::queue::Known;
use crate::rows::NO_TIME;
use crate::shared::{Shared, still_open};
use crate::ticket::Ticket;
use crate::tombstones::Gone;
use crate::work::Request;

/// A handle. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Handle(Arc<Closer>);

/// Tells the writer to finish when the last handle is gone.
struct Closer(Arc<Shared>);

impl Drop for Closer {
    fn drop(&mut self) {
        self.0.begin_closing(false);
    }
}

impl Deref for Handle {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0.0
    }
}

impl Handle {
    /// The first handle.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(Arc::new(Closer(shared)))
    }

    /// Puts a request that needs no check into the queue.
    pub(crate) async fn request(
        &self,
        request: Request,
        bytes: usize,
        urgency: Urgency,
    ) -> Result<Ticket, Stopped> {
        let room = self.room_for(bytes).await?;
        let mut queue = self.queue();
        still_open(&queue)?;
        Ok(self.enqueue(&mut queue, request, room, urgency))
    }

    /// Returns when what met this may try again.
    pub(crate) async fn space(&self, full: &Full) -> Result<(), Stopped> {
        let most = full.limit_bytes.saturating_sub(full.wanted_bytes);
        let mut progress = self.progress();
        match progress
            .wait_for(|progress| progress.ended.is_some() || progress.fill.of(full.counted) <= most)
            .await
        {
            Ok(progress) => progress.ended.clone().map_or(Ok(()), Err),
            Err(_) => Err(Stopped::gone()),
        }
    }

    /// Drops what is here of a run, which goes on elsewhere under this fencing number or a later one; `None` if that is
    /// no news. Whoever holds its log cannot write any more.
    pub(crate) async fn forget(&self, run: &RunId, epoch: u64) -> Result<Option<Ticket>, Stopped> {
        let key = RunKey::of(run);
        let room = self.room_for(0).await?;
        let mut queue = self.queue();
        still_open(&queue)?;
        let known = queue.runs.get(&key).copied();
        let is_news = match known {
            None => true,
            // It came back since.
            Some(Known::Open { epoch: own, .. } | Known::Ended { epoch: own, .. }) => epoch >= own,
            Some(Known::Gone { epoch: last, .. }) => epoch > last,
        };
        if !is_news {
            return Ok(None);
        }
        let number = known.and_then(Known::number);
        let gone = Gone {
            run: key,
            epoch,
            // One whose end is still here did not come to it for whoever gave it away: it may come back under a later number.
            ended: matches!(known, Some(Known::Gone { ended: true, .. })),
        };
        let messages = queue.close_run(key, number, Known::buried(known, gone, NO_TIME));
        let request = Request::Forget {
            number,
            gone,
            messages,
        };
        let ticket = self.enqueue(&mut queue, request, room, Urgency::Now);
        drop(queue);
        if let Some(number) = number {
            self.damaged().remove(&number);
            self.change_outbox(|outbox| outbox.forget(number));
        }
        Ok(Some(ticket))
    }
}
