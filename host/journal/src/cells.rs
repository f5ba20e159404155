//! Values beside the runs: identity, session, documents, sealed secrets.

use crate::core::Request;
use crate::entry::{Space, Urgency};
use crate::error::{ReadError, Stopped};
use crate::journal::Journal;
use crate::tables;
use crate::ticket::Ticket;

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
    /// The caches are full: remove what is not needed.
    #[error("the cells hold {actual_bytes} bytes, the limit is {limit_bytes}")]
    Full {
        /// What they hold.
        actual_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// See there.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Journal {
    /// Stores a value under a key, in place of the one before.
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
        let limits = &self.shared.config.limits;
        if value.len() > limits.cell_bytes {
            return Err(PutError::TooLarge {
                actual_bytes: value.len(),
                limit_bytes: limits.cell_bytes,
            });
        }
        let held = self.shared.accounts().cells_bytes;
        if held >= limits.cells_bytes {
            return Err(PutError::Full {
                actual_bytes: held,
                limit_bytes: limits.cells_bytes,
            });
        }
        let bytes = key.len() + value.len();
        let request = Request::Put {
            key: tables::cell_key(space.tag(), key),
            value,
        };
        Ok(self.request(request, bytes, urgency).await?)
    }

    /// Removes a value; nothing happens if there is none.
    ///
    /// # Errors
    /// [`Stopped`].
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn remove(&self, space: Space, key: &str) -> Result<Ticket, Stopped> {
        let key = tables::cell_key(space.tag(), key);
        self.request(Request::Remove { key }, 0, Urgency::Lazy).await
    }

    /// The durable value under a key.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn get(&self, space: Space, key: &str) -> Result<Option<Vec<u8>>, ReadError> {
        let key = tables::cell_key(space.tag(), key);
        self.read(move |reader| reader.cell(&key)).await
    }

    /// The keys of a space, in order.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn keys(&self, space: Space) -> Result<Vec<String>, ReadError> {
        self.read(move |reader| reader.cell_keys(space.tag())).await
    }
}
