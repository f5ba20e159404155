//! Tells the control plane how far the attempts are that are under way.
//!
//! A channel of its own, beside the records: what is lost on it is replaced by the next word, and no record waits behind it.

use std::time::Duration;

use flowforge_protocol::sync::SyncRequest;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::session::SessionKeeper;
use crate::runs::Runs;

/// Shortest time between two words.
const PACE: Duration = Duration::from_secs(1);
/// The pause after a word that was not heard.
const PAUSE: Duration = Duration::from_secs(5);

/// Tells about progress.
pub struct Reporter {
    /// The session.
    pub session: SessionKeeper,
    /// Whose steps say something.
    pub runs: Runs,
}

impl Reporter {
    /// Tells until the token is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        let tell = async {
            loop {
                self.runs.progress_news().await;
                let request = SyncRequest {
                    progress: Some(self.runs.progress()),
                    ..self.session.request()
                };
                let pause = match self.session.sync(&request).await {
                    Ok(_) => PACE,
                    Err(error) => {
                        debug!(%error, "progress could not be told");
                        PAUSE
                    }
                };
                tokio::time::sleep(pause).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tell => {}
        }
    }
}
