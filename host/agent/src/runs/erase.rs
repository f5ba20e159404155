//! The values of a run that has ended are erased here, too, when somebody says so.

use tracing::info;

use super::service::{OrderError, Runs, Taken, refused_append};
use crate::order::About;

impl Runs {
    /// Drops what is here of a run that has ended; a tombstone stays. Of one that is not here nothing is left.
    pub(super) async fn erase(&self, about: &About, by: &str) -> Result<Taken, OrderError> {
        let shared = &self.shared;
        if shared.registry.find(&about.run).is_some() {
            // Its task is about to end, or it is not over here.
            return Err(OrderError::NotNow);
        }
        if let Some(mut ticket) = shared.journal.forget(&about.run, about.epoch).await? {
            ticket.durable().await?;
            info!(run_id = %about.run, by, "what was here of a run was erased");
        }
        let remembered = shared.journal.remember(about.entry.clone()).await;
        Ok(Taken::Waiting(remembered.map_err(refused_append)?))
    }
}
