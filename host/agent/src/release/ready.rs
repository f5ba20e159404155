//! A verified start together with the release that it names.

use std::sync::Arc;

use flowforge_protocol::job::StartOrder;

use super::{LoadError, LoadedRelease, Releases};
use crate::order::Verified;

/// A verified start whose release is loaded: all that is needed to run it. Made by [`Releases`] only.
#[derive(Clone)]
pub struct ReadyStart {
    order: Arc<Verified<StartOrder>>,
    release: Arc<LoadedRelease>,
}

impl ReadyStart {
    /// The order.
    #[must_use]
    pub fn order(&self) -> &Verified<StartOrder> {
        &self.order
    }

    /// The release that the order names, with its grants.
    #[must_use]
    pub fn release(&self) -> &Arc<LoadedRelease> {
        &self.release
    }
}

impl Releases {
    /// The start with its release, if that is in memory.
    #[must_use]
    pub fn ready_now(&self, order: &Arc<Verified<StartOrder>>) -> Option<ReadyStart> {
        let release = self.get(order.order().release, order.order().grants)?;
        Some(ReadyStart {
            order: Arc::clone(order),
            release,
        })
    }

    /// The start with its release: from memory, from the journal and the disk, or from the control plane.
    ///
    /// # Errors
    /// [`LoadError`].
    pub async fn make_ready(&self, order: &Arc<Verified<StartOrder>>) -> Result<ReadyStart, LoadError> {
        let release = self.load(order.order().release, order.order().grants).await?;
        Ok(ReadyStart {
            order: Arc::clone(order),
            release,
        })
    }
}
