//! Asks the control plane, in time, whether runs that may move are still this host's: an answer that says so renews their leases.
//!
//! A call of its own, so that no upload holds it up. What is asked before an answer counts from the question on.

use std::sync::Arc;
use std::time::Duration;

use flowforge_journal::{Journal, Stopped};
use flowforge_protocol::sync::SyncRequest;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::control::LinkError;
use super::parking;
use super::session::SessionKeeper;
use crate::backoff::Backoff;
use crate::clock::{Clock, Entropy};
use crate::health::LinkHealth;
use crate::runs::Runs;

/// Most runs of which one call asks whether they are this host's.
const ASKED_PER_CALL: usize = 2_000;

/// Keeps leases.
pub struct LeaseKeeper {
    /// The session.
    pub session: SessionKeeper,
    /// What is known about the line.
    pub health: LinkHealth,
    /// Whose runs may be parked.
    pub journal: Journal,
    /// Those whose leases are kept.
    pub runs: Runs,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// For jitter.
    pub entropy: Arc<dyn Entropy>,
}

impl LeaseKeeper {
    /// Asks until the token is cancelled, or the journal stops.
    pub async fn run(self, stop: CancellationToken) {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        loop {
            let asked = async {
                self.runs.lease_due().await;
                self.ask().await
            };
            let asked = tokio::select! {
                () = stop.cancelled() => return,
                asked = asked => asked,
            };
            match asked {
                Ok(Ok(())) => backoff.reset(),
                Ok(Err(error)) => {
                    if self.health.failed(&error.to_string(), error.is_permanent()) {
                        warn!(%error, "leases could not be renewed; runs that may move stop when theirs are over");
                    }
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(backoff.next(self.entropy.as_ref())) => {}
                    }
                }
                // The host stops with its journal.
                Err(stopped) => return debug!(error = %stopped, "no lease is renewed any more"),
            }
        }
    }

    async fn ask(&self) -> Result<Result<(), LinkError>, Stopped> {
        let asked_ms = self.clock.monotonic_ms();
        let asked = self.runs.leases_to_ask();
        for some in asked.chunks(ASKED_PER_CALL) {
            let request = SyncRequest {
                asked: some.to_vec(),
                ..self.session.request()
            };
            let reply = match self.session.sync(&request).await {
                Ok(reply) => reply,
                Err(error) => return Ok(Err(error)),
            };
            self.health.succeeded();
            if self
                .session
                .plane()
                .is_some_and(|plane| plane != reply.plane_incarnation)
            {
                // What this one knows may be older than what was given away. The uploader asks it about everything.
                return Ok(Ok(()));
            }
            for known in &reply.acknowledged {
                self.runs.renew_lease(&known.run, asked_ms);
            }
            for rejected in reply
                .rejected
                .iter()
                .filter(|rejected| parking::is_gone(rejected))
            {
                parking::let_go(&self.runs, &self.journal, &self.health, rejected).await?;
            }
        }
        Ok(Ok(()))
    }
}
