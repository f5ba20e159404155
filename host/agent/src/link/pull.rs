//! The standing call: brings jobs.
//!
//! One call is always open while the host takes work. What it brings goes to the intake at once; the next call opens
//! while those jobs are still being verified. Cut lines and proxies that end a waiting call are normal.

use std::sync::Arc;
use std::time::Duration;

use flowforge_protocol::sync::{Incarnation, Lanes, RestingRun, SyncReply, SyncRequest};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::control::{LinkError, MAX_CHANGES_PER_CALL, MAX_JOBS_PER_CALL, STANDING_WAIT};
use super::session::SessionKeeper;
use crate::backoff::Backoff;
use crate::clock::Entropy;
use crate::health::LinkHealth;
use crate::intake::Intake;
use crate::runs::Runs;

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
    /// Which of them rest is told.
    pub runs: Runs,
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
        // Which control plane was told of which resting runs.
        let mut told: Option<(Incarnation, Vec<RestingRun>)> = None;
        loop {
            let resting = self.runs.resting();
            let is_news = told.as_ref().is_none_or(|(_, known)| *known != resting);
            let call = tokio::select! {
                () = stop.cancelled() => return,
                call = self.pull(seen, is_heard, is_news.then(|| resting.clone())) => call,
            };
            match call {
                Ok(reply) => {
                    let life = reply.plane_incarnation;
                    let knows = is_news || told.as_ref().is_some_and(|(known, _)| *known == life);
                    told = knows.then_some((life, resting));
                    if !is_heard {
                        info!("connected to the control plane");
                        is_heard = true;
                    }
                    backoff.reset();
                    self.health.succeeded();
                    if reply.delivery > 0 {
                        seen = reply.delivery;
                    }
                    // Changes first: what ends a run is not to wait behind what begins others.
                    for order in reply.changes.into_iter().chain(reply.starts) {
                        self.intake.offer(order.into_bytes()).await;
                    }
                }
                Err(error) => {
                    is_heard = false;
                    if self.health.failed(&error.to_string(), error.is_permanent()) {
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
    async fn pull(
        &self,
        seen_delivery: u64,
        is_heard: bool,
        resting: Option<Vec<RestingRun>>,
    ) -> Result<SyncReply, LinkError> {
        let room = self.intake.room();
        let wait = match (is_heard, room) {
            (false, _) => Duration::ZERO,
            (true, 0) => BUSY_WAIT,
            (true, _) => STANDING_WAIT,
        };
        let request = SyncRequest {
            lanes: Lanes {
                starts: room.min(MAX_JOBS_PER_CALL),
                changes: MAX_CHANGES_PER_CALL,
            },
            wait_ms: u32::try_from(wait.as_millis()).unwrap_or(u32::MAX),
            busy: Some(room == 0),
            seen_delivery: Some(seen_delivery),
            silence: self.health.take_silence(),
            resting,
            ..self.session.request()
        };
        let answer = self.session.sync(&request).await;
        if answer.is_err() {
            self.health.put_back(request.silence);
        }
        answer
    }
}
