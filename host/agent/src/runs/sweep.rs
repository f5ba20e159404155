//! Artefacts that nobody wants any more leave the disk.
//!
//! Wanted is what the records of an open run name, what has not reached the control plane yet, and what an attempt holds.
//! The rest goes when the store is well filled or the disk is nearly full, what was used longest ago first: until then it
//! may still be of use to a run that comes, such as a retry.

use std::sync::Arc;
use std::time::Duration;

use flowforge_journal::ReadError;
use flowforge_runtime::artefacts::Swept;
use tracing::{error, info, warn};

use super::service::Runs;
use crate::text::with_causes;

/// How often the store is looked at.
const LOOK: Duration = Duration::from_secs(60);
/// The pause after a sweep that had to leave everything: to find out takes a walk through the journal.
const PAUSE: Duration = Duration::from_secs(600);
/// An artefact that was written or read so lately stays: the record that names it may wait for room in the journal.
const IDLE_MIN: Duration = Duration::from_secs(3_600);

/// Why nothing was swept.
#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error("which artefacts are wanted cannot be read")]
    Journal(#[from] ReadError),
    #[error("the folder of artefacts cannot be read or changed")]
    Folder(#[from] std::io::Error),
    #[error("the sweep was cut short")]
    Cut(#[from] tokio::task::JoinError),
}

impl Runs {
    /// Sweeps at once, and then whenever it is needed, until the host drains.
    pub(super) async fn sweep_artefacts(self) {
        let drain = self.shared.drain.clone();
        let sweep = async {
            loop {
                let pause = match self.sweep().await {
                    Ok(None) => LOOK,
                    Ok(Some(Swept { artefacts: 0, .. })) => {
                        warn!("the store of artefacts is well filled, and all of them are wanted");
                        PAUSE
                    }
                    Ok(Some(swept)) => {
                        info!(
                            artefacts = swept.artefacts,
                            bytes = swept.bytes,
                            "artefacts that nobody wants are removed"
                        );
                        LOOK
                    }
                    Err(error) => {
                        error!(error = %with_causes(&error), "artefacts cannot be swept");
                        PAUSE
                    }
                };
                tokio::time::sleep(pause).await;
            }
        };
        tokio::select! {
            () = drain.cancelled() => {}
            () = sweep => {}
        }
    }

    /// `None` if there is no need.
    async fn sweep(&self) -> Result<Option<Swept>, SweepError> {
        let store = Arc::clone(&self.shared.steps.artefacts);
        let surplus = store.surplus()?;
        if surplus == 0 {
            return Ok(None);
        }
        let wanted = self.shared.journal.artefacts().await?;
        let swept = tokio::task::spawn_blocking(move || {
            let keep = store.bytes().saturating_sub(surplus);
            store.sweep(keep, IDLE_MIN, |digest| wanted.contains(digest))
        });
        Ok(Some(swept.await??))
    }
}
