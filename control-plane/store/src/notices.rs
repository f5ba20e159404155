//! What several servers on one store say to each other. It is never the record: whoever missed a notice finds what it was
//! about in the store.

use crate::postgres;
use crate::{Store, StoreError};

/// Longest notice in bytes.
pub const MAX_NOTICE_BYTES: usize = 7_900;

/// The way to the other servers on a store.
#[derive(Debug, Clone)]
pub struct Notices(postgres::Place);

/// A connection to the other servers, until it breaks.
#[derive(Debug)]
pub struct Listening(postgres::notices::Listening);

impl Store {
    /// The way to other servers on this store; none if there can be no others.
    #[must_use]
    pub fn notices(&self) -> Option<Notices> {
        self.readers.place().database().cloned().map(Notices)
    }
}

impl Notices {
    /// Begins to listen. What was said before is not heard.
    ///
    /// # Errors
    /// [`StoreError::Away`]: try again in a moment.
    pub async fn listen(&self) -> Result<Listening, StoreError> {
        postgres::notices::listen(&self.0).await.map(Listening)
    }
}

impl Listening {
    /// Says something to every server that listens, this one too. At most [`MAX_NOTICE_BYTES`].
    ///
    /// # Errors
    /// See [`StoreError`]; the connection may be broken.
    pub async fn say(&self, text: &str) -> Result<(), StoreError> {
        self.0.say(text).await
    }

    /// What was said next; none when the connection broke, or when more was said than could be heard.
    ///
    /// # Cancel safety
    /// Loses nothing when it is dropped.
    pub async fn next(&mut self) -> Option<String> {
        self.0.next().await
    }
}
