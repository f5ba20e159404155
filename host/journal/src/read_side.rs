//! Reading by handle: what is durable, off the async threads.

use flowforge_protocol::RunId;
use flowforge_protocol::record::RecordBatch;

use crate::entry::OutboxItem;
use crate::error::{Damage, ReadError, Stopped};
use crate::journal::Journal;
use crate::reader::{Reader, Verified};
use crate::shared::Progress;

impl Journal {
    /// Returns when there were durable outbox items at or behind this position: the position after the last of them,
    /// acknowledged or not.
    ///
    /// # Errors
    /// [`Stopped`].
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn outbox_reaches(&self, position: u64) -> Result<u64, Stopped> {
        let mut progress = self.shared.progress();
        let reached = |progress: &Progress| progress.outbox_end > position || progress.ended.is_some();
        match progress.wait_for(reached).await {
            Ok(progress) => progress.ended.clone().map_or(Ok(progress.outbox_end), Err),
            Err(_) => Err(Stopped::gone()),
        }
    }

    /// Durable outbox items from this position on, in order: at most `items`, and at most `bytes` unless the first alone
    /// is larger. Start with 0 and go on behind the last one read; after a failed upload start with 0 again.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn outbox(&self, from: u64, items: usize, bytes: usize) -> Result<Vec<OutboxItem>, ReadError> {
        // A journal that has stopped answers nothing, also from memory.
        self.shared.reader()?;
        let recent = self.shared.recent().read(from, items, bytes);
        match recent {
            Some(found) => Ok(found),
            None => self.read(move |reader| reader.outbox(from, items, bytes)).await,
        }
    }

    /// The durable records of a run, in the batches in which they were written; `None` if the run is not here.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn batches(&self, run: &RunId) -> Result<Option<Vec<RecordBatch>>, ReadError> {
        let Some(number) = self.number(run) else {
            return Ok(None);
        };
        let run = run.clone();
        Ok(Some(self.read(move |reader| reader.batches(number, &run)).await?))
    }

    /// The signed envelope of the order that started a run; `None` if the run is not here or not durable yet.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn envelope(&self, run: &RunId) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(number) = self.number(run) else {
            return Ok(None);
        };
        self.read(move |reader| reader.envelope(number)).await
    }

    /// Checks every durable value against its digest and every run against its chain.
    ///
    /// # Errors
    /// [`ReadError::Damaged`] names the first value that is not what was written.
    pub async fn verify(&self) -> Result<Verified, ReadError> {
        self.read(|reader| reader.verify()).await
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(Reader) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let reader = self.shared.reader()?;
        match tokio::task::spawn_blocking(move || read(reader)).await {
            Ok(answer) => answer,
            Err(error) if error.is_panic() => Err(Damage::pages().into()),
            Err(_) => Err(Stopped::because("the async runtime is shutting down").into()),
        }
    }
}
