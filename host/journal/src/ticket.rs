//! How a caller learns that something is durable.

use tokio::sync::watch;

use crate::error::Stopped;
use crate::fill::Fill;

/// How far the writer is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    /// Position of the last durable request.
    pub(crate) durable: u64,
    /// How full the journal is.
    pub(crate) fill: Fill,
    /// Set when the writer is gone and the file is closed.
    pub(crate) ended: Option<Stopped>,
}

/// Waits for durability. Dropping it changes nothing.
#[derive(Debug, Clone)]
pub struct Ticket {
    position: u64,
    progress: watch::Receiver<Progress>,
}

impl Ticket {
    pub(crate) fn new(position: u64, progress: watch::Receiver<Progress>) -> Self {
        Self { position, progress }
    }

    /// Returns when this entry, and everything that was taken before it, survives a power cut.
    ///
    /// # Errors
    /// [`Stopped`]: the outcome is unknown; it shows when the journal is opened again.
    ///
    /// # Cancel safety
    /// Safe: the entry is stored whether or not anybody waits.
    pub async fn durable(&mut self) -> Result<(), Stopped> {
        let position = self.position;
        let reached = |progress: &Progress| progress.durable >= position || progress.ended.is_some();
        match self.progress.wait_for(reached).await {
            Ok(progress) if progress.durable >= position => Ok(()),
            Ok(progress) => Err(progress.ended.clone().unwrap_or_else(Stopped::gone)),
            Err(_) => Err(Stopped::gone()),
        }
    }

    /// Whether it is durable already.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.progress.borrow().durable >= self.position
    }
}
