//! Values beside the runs: identity, documents, sealed secrets.

use crate::cell_index::budget;
use crate::entry::{Space, Urgency};
use crate::error::{ReadError, Stopped};
use crate::journal::Journal;
use crate::key;
use crate::shared::still_open;
use crate::ticket::Ticket;
use crate::work::Request;

/// Why a value was not stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// Never storable.
    #[error("the value is {actual_bytes} bytes, above the limit of {limit_bytes}")]
    TooLarge {
        /// Its size.
        actual_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// All that is kept of this kind is needed by open runs: room comes when they end.
    #[error("cells of this kind hold {actual_bytes} bytes that open runs need, the limit is {limit_bytes}")]
    Full {
        /// What they hold.
        actual_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// Nothing is taken any more.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Journal {
    /// Stores a value under a key, in place of the one before. What its kind has too much of then leaves, by the time of
    /// its last use; what an open run needs ([`crate::NewRun::documents`]) stays.
    ///
    /// # Errors
    /// [`PutError`].
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn put(
        &self,
        space: Space,
        key: &str,
        value: Vec<u8>,
        urgency: Urgency,
    ) -> Result<Ticket, PutError> {
        let limits = &self.shared.config.limits.cells;
        if value.len() > limits.cell_bytes {
            return Err(PutError::TooLarge {
                actual_bytes: value.len(),
                limit_bytes: limits.cell_bytes,
            });
        }
        let room = self.shared.room_for(key.len() + value.len()).await?;
        let key = key::cell_key(space.tag(), key);
        let (bytes, limit_bytes) = (
            u64::try_from(value.len()).unwrap_or(u64::MAX),
            budget(limits, space),
        );
        let mut queue = self.shared.queue();
        still_open(&queue)?;
        let leaving = queue
            .cells
            .put(space, &key, bytes, limit_bytes)
            .map_err(|actual_bytes| PutError::Full {
                actual_bytes,
                limit_bytes,
            })?;
        let request = Request::Put { key, value, leaving };
        Ok(self.shared.enqueue(&mut queue, request, room, urgency))
    }

    /// Removes a value at once, such as a secret that this host may no longer have; nothing happens if there is none.
    ///
    /// # Errors
    /// [`Stopped`].
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn remove(&self, space: Space, key: &str) -> Result<Ticket, Stopped> {
        let room = self.shared.room_for(0).await?;
        let key = key::cell_key(space.tag(), key);
        let mut queue = self.shared.queue();
        still_open(&queue)?;
        queue.cells.remove(&key);
        Ok(self
            .shared
            .enqueue(&mut queue, Request::Remove { key }, room, Urgency::Now))
    }

    /// The durable value under a key.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn get(&self, space: Space, key: &str) -> Result<Option<Vec<u8>>, ReadError> {
        let key = key::cell_key(space.tag(), key);
        self.shared.queue().cells.touch(&key);
        self.read(move |reader| reader.cell(&key)).await
    }
}
