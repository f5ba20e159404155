//! Renews what the host shows of itself, long before it ends.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::session::SessionKeeper;
use crate::backoff::Backoff;
use crate::clock::{Clock, Entropy};

/// Longest time without a look at the clock, milliseconds: an hour.
const LOOK_MS: u64 = 60 * 60 * 1_000;
/// First and longest pause after a renewal that failed.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(10));

/// Renews certificates.
pub struct Renewer {
    /// The session, for the line and this host's keys.
    pub session: SessionKeeper,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness of pauses.
    pub entropy: Arc<dyn Entropy>,
}

impl Renewer {
    /// Renews until the token is cancelled; ends at once where there is nothing to renew.
    pub async fn run(self, stop: CancellationToken) {
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1);
        let mut shown = self.session.link().certificate();
        loop {
            let renewed = tokio::select! {
                renewed = self.session.renew() => renewed,
                () = stop.cancelled() => return,
            };
            let pause = match renewed {
                Ok(None) => return,
                Ok(Some(due_ms)) => {
                    backoff = Backoff::new(PAUSES.0, PAUSES.1);
                    let now = self.session.link().certificate();
                    if now != shown {
                        info!(
                            generation = now.map(|life| life.generation),
                            "this host's certificate was renewed"
                        );
                        shown = now;
                    }
                    self.clock
                        .sleep_until(due_ms.min(self.clock.now_ms().saturating_add(LOOK_MS)))
                }
                Err(error) => {
                    warn!(%error, "this host's certificate could not be renewed yet; trying again");
                    Box::pin(tokio::time::sleep(backoff.next(self.entropy.as_ref())))
                }
            };
            tokio::select! {
                () = pause => {}
                () = stop.cancelled() => return,
            }
        }
    }
}
