//! The uploading call: records, receipts, artefacts and answers about jobs leave in order.
//!
//! Reads only what is durable (the journal's outbox), so nothing is disclosed before its commit. While one call is under
//! way the next batch collects. After a failure it begins again with the oldest item: the control plane recognises what
//! it has.

use std::sync::Arc;
use std::time::Duration;

use flowforge_journal::{Ack, Journal, OutboxBody, OutboxItem, ReadError, Stopped};
use flowforge_protocol::RunId;
use flowforge_protocol::sync::{ReceiptUpload, RejectCode, Rejected, SyncReply, SyncRequest};
use flowforge_runtime::artefacts::FileStore;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::control::LinkError;
use super::session::SessionKeeper;
use crate::backoff::Backoff;
use crate::clock::Entropy;
use crate::health::LinkHealth;
use crate::intake::{Answers, Outgoing};
use crate::runs::Runs;

/// Most outbox items in one call.
const ITEMS_PER_CALL: usize = 2_000;
/// Most bytes of records in one call, unless the first batch alone is larger.
const BYTES_PER_CALL: usize = 2 * 1024 * 1024;
/// Most answers about jobs in one call.
const ANSWERS_PER_CALL: usize = 1_000;

/// Carries everything away.
pub struct Uploader {
    /// The session.
    pub session: SessionKeeper,
    /// What is known about the line.
    pub health: LinkHealth,
    /// What is durable.
    pub journal: Journal,
    /// Answers about jobs.
    pub outgoing: Outgoing,
    /// Told when a run is no longer this host's.
    pub runs: Runs,
    /// For jitter.
    pub entropy: Arc<dyn Entropy>,
    /// Where artefacts lie.
    pub artefacts: Arc<FileStore>,
}

/// Why the uploader cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The journal stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The journal cannot be read.
    #[error("the outbox cannot be read")]
    Read(#[from] ReadError),
}

/// What became of one call.
enum Sent {
    /// Go on behind what was sent.
    Stored,
    /// Something was not stored: begin again with the oldest, after a while.
    Again,
}

impl Uploader {
    /// Uploads until the token is cancelled; what waits then stays in the journal.
    ///
    /// # Errors
    /// [`UploadError`]: the host must stop.
    pub async fn run(self, stop: CancellationToken) -> Result<(), UploadError> {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(30));
        let mut next = 0;
        loop {
            let end = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                reached = self.journal.outbox_reaches(next) => reached?,
                () = self.outgoing.more() => next,
            };
            let sent = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                sent = self.upload(&mut next, end) => sent?,
            };
            match sent {
                Ok(Sent::Stored) => backoff.reset(),
                Ok(Sent::Again) => {
                    next = 0;
                    self.pause(&mut backoff, &stop).await;
                }
                Err(reason) => {
                    next = 0;
                    if self.health.failed(&reason.to_string(), reason.is_permanent()) {
                        warn!(error = %reason, "upload failed; results wait in the journal");
                    }
                    self.pause(&mut backoff, &stop).await;
                }
            }
        }
    }

    async fn pause(&self, backoff: &mut Backoff, stop: &CancellationToken) {
        let wait = backoff.next(self.entropy.as_ref());
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }

    /// Sends one call's worth from `next` on and moves it; without items there it moves to `end`, before which
    /// everything was durable and is therefore acknowledged.
    async fn upload(&self, next: &mut u64, end: u64) -> Result<Result<Sent, LinkError>, UploadError> {
        let items = self.journal.outbox(*next, ITEMS_PER_CALL, BYTES_PER_CALL).await?;
        let answers = self.outgoing.take(ANSWERS_PER_CALL);
        if items.is_empty() {
            *next = end.max(*next);
        }
        if items.is_empty() && answers.is_empty() {
            return Ok(Ok(Sent::Stored));
        }
        let mut acks = Vec::new();
        if let Err(error) = self.put_artefacts(&items, &mut acks).await {
            self.outgoing.put_back(answers);
            return Ok(Err(error));
        }
        let request = self.request_of(&items, &answers);
        let reply = match self.session.sync(&request).await {
            Ok(reply) => reply,
            Err(error) => {
                self.outgoing.put_back(answers);
                return Ok(Err(error));
            }
        };
        self.health.succeeded();
        let sent = self.settle(&items, &reply, &mut acks).await;
        if !acks.is_empty() {
            self.journal.acknowledge(acks).await?;
        }
        if let Some(last) = items.last() {
            *next = last.position + 1;
        }
        Ok(Ok(sent))
    }

    /// What the reply says about each item.
    async fn settle(&self, items: &[OutboxItem], reply: &SyncReply, acks: &mut Vec<Ack>) -> Sent {
        for acknowledged in &reply.acknowledged {
            if let Some(through) = acknowledged.through {
                acks.push(Ack::Records {
                    run: acknowledged.run.clone(),
                    through,
                });
            }
        }
        for item in items {
            if let OutboxBody::Receipt { run, .. } = &item.body
                && reply.receipts_stored.contains(run)
            {
                acks.push(Ack::Item(item.position));
            }
        }
        let mut sent = Sent::Stored;
        for rejected in &reply.rejected {
            match Verdict::of(rejected) {
                Verdict::Again => {
                    debug!(run_id = %rejected.run, code = %rejected.code, "records will be sent again");
                    sent = Sent::Again;
                }
                Verdict::NotOurs => {
                    warn!(run_id = %rejected.run, code = %rejected.code, message = %rejected.message,
                          "the run is no longer this host's; it is dropped here");
                    self.runs.revoke(&rejected.run).await;
                    acks.extend(positions(items, &rejected.run).map(Ack::Item));
                }
                Verdict::Never => {
                    error!(run_id = %rejected.run, code = %rejected.code, message = %rejected.message,
                           "the control plane will not store this; it is not sent again");
                    acks.extend(positions(items, &rejected.run).map(Ack::Item));
                }
            }
        }
        sent
    }

    fn request_of(&self, items: &[OutboxItem], answers: &Answers) -> SyncRequest {
        let mut request = SyncRequest {
            received: answers.received.clone(),
            refused: answers.refused.clone(),
            ..self.session.request()
        };
        for item in items {
            match &item.body {
                OutboxBody::Batch(batch) => request.batches.push(batch.clone()),
                OutboxBody::Receipt { run, envelope } => request.receipts.push(ReceiptUpload {
                    run: run.clone(),
                    envelope: String::from_utf8_lossy(envelope).into_owned(),
                }),
                OutboxBody::Artefact { .. } => {}
            }
        }
        request
    }

    /// Uploads the artefacts among the items, before the records that speak of them.
    async fn put_artefacts(&self, items: &[OutboxItem], acks: &mut Vec<Ack>) -> Result<(), LinkError> {
        for item in items {
            let OutboxBody::Artefact { digest, run, .. } = &item.body else {
                continue;
            };
            let file = self.artefacts.path(digest);
            match self.session.put_artefact(*digest, &file).await {
                Ok(()) => info!(run_id = %run, %digest, "artefact uploaded"),
                Err(error) if !error.is_permanent() => return Err(error),
                Err(error) => {
                    error!(run_id = %run, %digest, %error, "the artefact cannot be uploaded; it stays on this host");
                }
            }
            acks.push(Ack::Item(item.position));
        }
        Ok(())
    }
}

fn positions<'i>(items: &'i [OutboxItem], of: &'i RunId) -> impl Iterator<Item = u64> + 'i {
    items.iter().filter_map(move |item| {
        let run = match &item.body {
            OutboxBody::Batch(batch) => &batch.run,
            OutboxBody::Receipt { run, .. } | OutboxBody::Artefact { run, .. } => run,
        };
        (run == of).then_some(item.position)
    })
}

/// What a rejection means for what was sent.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Something before it is missing there.
    Again,
    /// Another host has the run, or nobody knows it.
    NotOurs,
    /// It will never be stored.
    Never,
}

impl Verdict {
    fn of(rejected: &Rejected) -> Self {
        match rejected.code {
            RejectCode::Gap => Self::Again,
            RejectCode::UnknownRun | RejectCode::NotOwner | RejectCode::StaleEpoch => Self::NotOurs,
            _ => Self::Never,
        }
    }
}
