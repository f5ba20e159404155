//! The standing call: brings jobs.
//!
//! One call is always open while the host takes work. What it brings goes to the intake at once; the next call opens
//! while those jobs are still being verified. Cut lines and proxies that end a waiting call are normal.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::control::{LinkError, MAX_JOBS_PER_CALL, STANDING_WAIT, SyncReply, SyncRequest};
use super::session::SessionKeeper;
use crate::backoff::Backoff;
use crate::clock::{Clock, Entropy};
use crate::health::LinkHealth;
use crate::intake::Intake;

/// How long a call waits while the host is busy: it brings only decisions and cancellations then.
const BUSY_WAIT: Duration = Duration::from_secs(2);

/// Brings jobs.
pub struct Puller {
    /// The session.
    pub session: SessionKeeper,
    /// What is known about the line.
    pub health: LinkHealth,
    /// Where jobs go.
    pub intake: Intake,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// For jitter.
    pub entropy: Arc<dyn Entropy>,
}

impl Puller {
    /// Pulls until the token is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
        // 0: whatever was delivered before this process began has not arrived in it.
        let mut seen = 0;
        let mut is_heard = false;
        loop {
            let call = tokio::select! {
                () = stop.cancelled() => return,
                call = self.pull(seen, is_heard) => call,
            };
            match call {
                Ok(reply) => {
                    if !is_heard {
                        info!("connected to the control plane");
                        is_heard = true;
                    }
                    backoff.reset();
                    self.health.succeeded(self.clock.now_ms());
                    if reply.delivery > 0 {
                        seen = reply.delivery;
                    }
                    for job in reply.jobs {
                        self.intake.offer(job.into_bytes()).await;
                    }
                }
                Err(error) => {
                    is_heard = false;
                    if self.health.failed(self.clock.now_ms(), &error.to_string()) {
                        warn!(%error, "no connection to the control plane; accepted work goes on");
                    }
                    let wait = backoff.next(self.entropy.as_ref());
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(wait) => {}
                    }
                }
            }
        }
    }

    /// One call. The first after a start or a failure does not wait for work: until its answer the host cannot say that
    /// it is connected, and would call a good line bad for as long as the call stands.
    async fn pull(&self, seen_delivery: u64, is_heard: bool) -> Result<SyncReply, LinkError> {
        let room = self.intake.room();
        let wait = match (is_heard, room) {
            (false, _) => Duration::ZERO,
            (true, 0) => BUSY_WAIT,
            (true, _) => STANDING_WAIT,
        };
        let request = SyncRequest {
            max_jobs: room.clamp(1, MAX_JOBS_PER_CALL),
            wait,
            busy: Some(room == 0),
            seen_delivery: Some(seen_delivery),
            ..SyncRequest::default()
        };
        self.session.sync(&request).await
    }
}
