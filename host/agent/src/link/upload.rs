//! The uploading call: records, receipts, artefacts and answers about jobs leave in order.
//!
//! Reads only what is durable, so nothing is disclosed before its commit. While one call is under way the next batch
//! collects. Each run has its own cursor: what is not acknowledged is sent again in its run's next turn, a gap rewinds
//! that run, a rejection parks that run, visibly, and tries it again later. Invariant: nothing is ever taken for sent but
//! by the word of the control plane that it is stored, and only by the life of it that the cursors rest on.

use std::sync::Arc;
use std::time::Duration;

use flowforge_journal::{Ack, Journal, ReadError, RunUploads, Stopped};
use flowforge_protocol::envelope::sign_all;
use flowforge_protocol::receipt::Receipt;
use flowforge_protocol::sync::{AskedRun, ReceiptUpload, RejectCode, Rejected, SyncReply, SyncRequest};
use flowforge_protocol::{Digest, Document as _, RunId, SigningKey};
use flowforge_runtime::artefacts::FileStore;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::control::LinkError;
use super::parking;
use super::session::SessionKeeper;
use super::values::KnownValues;
use crate::backoff::Backoff;
use crate::clock::{Clock, Entropy};
use crate::health::LinkHealth;
use crate::order::{Answers, Outgoing};
use crate::runs::Runs;

/// Most rows of records in one call.
const ROWS_PER_CALL: usize = 2_000;
/// Most bytes of records in one call, unless the first batch alone is larger.
const BYTES_PER_CALL: usize = 2 * 1024 * 1024;
/// Most answers about jobs in one call.
const ANSWERS_PER_CALL: usize = 1_000;
/// Most runs of which one call asks how far they are stored.
const ASKED_PER_CALL: usize = 2_000;
/// How long records of runs that go on wait for those behind them, so that a run costs the control plane few commits and
/// is still seen as it goes. The end of a run does not wait.
const GATHER: Duration = Duration::from_millis(50);
/// After so long runs that are parked are offered again.
const PARKED_FOR: Duration = Duration::from_mins(5);

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
    /// The key that receipts are signed with.
    pub signing: SigningKey,
    /// Told when a run is no longer this host's.
    pub runs: Runs,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// For jitter.
    pub entropy: Arc<dyn Entropy>,
    /// Where artefacts lie.
    pub artefacts: Arc<FileStore>,
    /// Large values that the control plane has, as far as it said so.
    pub values: KnownValues,
    /// Runs whose uploads were parked when the journal was opened.
    pub parked: Vec<RunId>,
}

/// Why the uploader cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The journal stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The journal cannot be read.
    #[error("what waits for upload cannot be read")]
    Read(#[from] ReadError),
}

/// What became of one call.
enum Sent {
    /// Go on with what comes next.
    Stored,
    /// Something was not stored: go on after a while.
    Again,
}

impl Uploader {
    /// Uploads until the token is cancelled; what waits then stays in the journal.
    ///
    /// # Errors
    /// [`UploadError`]: the host must stop.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), UploadError> {
        let mut offer_again = self.clock.sleep_until_monotonic(self.parked_until_ms());
        for run in std::mem::take(&mut self.parked) {
            if let Some((_, Some(park))) = self.journal.standing(&run).await? {
                self.health.parked(&run, park.code, park.reason);
            }
        }
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(30));
        loop {
            let call = async {
                tokio::select! {
                    ready = self.journal.upload_ready() => ready?,
                    () = self.outgoing.more() => {}
                    () = self.session.other_plane() => return self.ask().await,
                    () = &mut offer_again, if self.health.has_parked() => {
                        self.offer_parked().await?;
                        offer_again = self.clock.sleep_until_monotonic(self.parked_until_ms());
                    }
                }
                self.gather().await?;
                self.upload().await
            };
            let sent = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                sent = call => sent?,
            };
            match sent {
                Ok(Sent::Stored) => backoff.reset(),
                Ok(Sent::Again) => self.pause(&mut backoff, &stop).await,
                Err(reason) => {
                    if self.health.failed(&reason.to_string(), reason.is_permanent()) {
                        warn!(error = %reason, "upload failed; results wait in the journal");
                    }
                    self.pause(&mut backoff, &stop).await;
                }
            }
        }
    }

    /// Waits for company, unless a run has ended or much waits.
    async fn gather(&self) -> Result<(), Stopped> {
        tokio::select! {
            presses = self.journal.upload_presses() => presses,
            () = tokio::time::sleep(GATHER) => Ok(()),
        }
    }

    async fn pause(&self, backoff: &mut Backoff, stop: &CancellationToken) {
        let wait = backoff.next(self.entropy.as_ref());
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }

    fn parked_until_ms(&self) -> u64 {
        let wait = u64::try_from(PARKED_FOR.as_millis()).unwrap_or(u64::MAX);
        self.clock.monotonic_ms().saturating_add(wait)
    }

    /// Sends one call's worth.
    async fn upload(&mut self) -> Result<Result<Sent, LinkError>, UploadError> {
        let mut uploads = self.journal.uploads(ROWS_PER_CALL, BYTES_PER_CALL).await?;
        let answers = self.outgoing.take(ANSWERS_PER_CALL);
        if uploads.is_empty() && answers.is_empty() {
            return Ok(Ok(Sent::Stored));
        }
        let mut trouble = self.put_artefacts(&mut uploads).await?;
        if trouble.is_none() {
            trouble = self.put_values(&uploads).await?;
        }
        uploads.retain(|upload| self.values.has_all(upload));
        let was_cut = trouble.is_some();
        if let Some(error) = trouble
            && uploads.is_empty()
            && answers.is_empty()
        {
            return Ok(Err(error));
        }
        let request = self.request_of(&uploads, &answers);
        let reply = match self.session.sync(&request).await {
            Ok(reply) => reply,
            Err(error) => {
                self.outgoing.put_back(answers);
                return Ok(Err(error));
            }
        };
        self.health.succeeded();
        self.runs.heard(&answers.refused).await;
        if self.session.plane() != Some(reply.plane_incarnation) {
            // What this one says is stored says nothing about what another one had.
            return self.ask().await;
        }
        let sent = self.settle(&uploads, &reply).await?;
        // What was left out waits a while before it is tried again.
        Ok(Ok(if was_cut { Sent::Again } else { sent }))
    }

    fn request_of(&self, uploads: &[RunUploads], answers: &Answers) -> SyncRequest {
        let mut request = SyncRequest {
            received: answers.received.clone(),
            refused: answers.refused.clone(),
            ..self.session.request()
        };
        for upload in uploads {
            request.batches.extend(upload.batches.iter().cloned());
        }
        let ended = uploads
            .iter()
            .filter_map(|upload| Some((&upload.run, upload.receipt.as_deref()?)));
        let (runs, receipts): (Vec<&RunId>, Vec<&[u8]>) = ended.unzip();
        let envelopes = sign_all(Receipt::TYPE, &receipts, &self.signing);
        let of = |(run, envelope): (&RunId, String)| ReceiptUpload {
            run: run.clone(),
            envelope,
        };
        request.receipts = runs.into_iter().zip(envelopes).map(of).collect();
        request
    }

    /// What the reply says about each run.
    async fn settle(&mut self, uploads: &[RunUploads], reply: &SyncReply) -> Result<Sent, UploadError> {
        let acks = acks_of(reply);
        self.journal.acknowledge(&acks)?;
        for stored in &reply.acknowledged {
            if let Some(through) = stored.through {
                self.runs.stored_through(&stored.run, through);
            }
        }
        // Something was sent and nothing is said to be there: not at once again.
        let mut sent = if acks.is_empty() && !uploads.is_empty() {
            Sent::Again
        } else {
            Sent::Stored
        };
        for rejected in &reply.rejected {
            let run = &rejected.run;
            match Verdict::of(rejected) {
                Verdict::Again => {
                    info!(run_id = %run, "the control plane lacks a value that it had; it is sent again");
                    self.values.forget();
                    sent = Sent::Again;
                }
                Verdict::Rewind => {
                    debug!(run_id = %run, code = %rejected.code, "records are sent again");
                    self.journal.rewind(run, first_missing(reply, run)).await?;
                    sent = Sent::Again;
                }
                Verdict::Revoked => {
                    parking::let_go(&self.runs, &self.journal, &self.health, rejected).await?;
                }
                Verdict::Parked => {
                    error!(run_id = %run, code = %rejected.code, message = %rejected.message,
                           "the control plane does not store this; the run's uploads are parked and offered again later");
                    self.park(rejected).await?;
                }
            }
        }
        Ok(sent)
    }

    pub(super) async fn park(&mut self, rejected: &Rejected) -> Result<(), Stopped> {
        parking::park(&self.journal, &self.health, rejected).await
    }

    /// Offers what is parked once more.
    async fn offer_parked(&mut self) -> Result<(), Stopped> {
        for run in self.health.take_parked() {
            info!(run_id = %run, "parked uploads are offered again");
            self.journal.unpark(&run).await?;
        }
        Ok(())
    }

    /// The control plane is another one than the cursors rest on: it was started again, restored or set up anew. Asks how
    /// far each run is stored there, sends what it lacks, and parks what it does not take: one that was restored may not
    /// know what it gave away.
    async fn ask(&mut self) -> Result<Result<Sent, LinkError>, UploadError> {
        let held = self.journal.held();
        let mut life = None;
        for some in held.chunks(ASKED_PER_CALL) {
            let asked = some.iter().map(|(run, epoch)| AskedRun {
                run: run.clone(),
                epoch: *epoch,
            });
            let request = SyncRequest {
                asked: asked.collect(),
                ..self.session.request()
            };
            let reply = match self.session.sync(&request).await {
                Ok(reply) => reply,
                Err(error) => return Ok(Err(error)),
            };
            self.health.succeeded();
            if life.is_some_and(|life| life != reply.plane_incarnation) {
                // It changed once more meanwhile; the notice that this answer has left begins anew.
                return Ok(Ok(Sent::Again));
            }
            life = Some(reply.plane_incarnation);
            self.take_over(some, &reply).await?;
        }
        let life = match life {
            Some(life) => life,
            // Nothing is held: any life is as good as another.
            None => match self.session.sync(&self.session.request()).await {
                Ok(reply) => reply.plane_incarnation,
                Err(error) => return Ok(Err(error)),
            },
        };
        info!(
            runs = held.len(),
            "the control plane said how far each run is stored there"
        );
        self.journal.set_plane(life.as_bytes().to_vec()).await?;
        self.session.rests_on(life);
        Ok(Ok(Sent::Stored))
    }

    /// The cursors follow what another life of the control plane has.
    async fn take_over(&mut self, asked: &[(RunId, u64)], reply: &SyncReply) -> Result<(), UploadError> {
        for (run, _) in asked {
            let rejected = reply.rejected.iter().find(|rejected| rejected.run == *run);
            // One that is not known there lacks everything, and is offered from its beginning.
            if rejected.is_some_and(|rejected| rejected.code != RejectCode::UnknownRun) {
                continue;
            }
            self.journal.rewind(run, first_missing(reply, run)).await?;
        }
        // Behind the rewinding, so that what is stored is not sent again.
        self.journal.flush().await?;
        self.journal.acknowledge(&acks_of(reply))?;
        for rejected in &reply.rejected {
            warn!(run_id = %rejected.run, code = %rejected.code, message = %rejected.message,
                  "another control plane than before does not take a run; it is kept, and offered again later");
            self.park(rejected).await?;
        }
        Ok(())
    }

    /// Uploads the artefacts of each run, before the records that speak of them. A run whose artefact is refused is parked;
    /// one whose artefact cannot be sent now is left to a later call. Either way the others go on.
    async fn put_artefacts(
        &mut self,
        uploads: &mut Vec<RunUploads>,
    ) -> Result<Option<LinkError>, UploadError> {
        let mut trouble = None;
        let mut sendable = Vec::with_capacity(uploads.len());
        for mut upload in uploads.drain(..) {
            let artefacts = std::mem::take(&mut upload.artefacts);
            // After one that could not be sent no other is tried: each may take minutes to fail.
            if trouble.is_some() && !artefacts.is_empty() {
                continue;
            }
            match self.put_artefacts_of(&upload.run, artefacts).await {
                Ok(()) => sendable.push(upload),
                Err((_, error)) if !error.is_permanent() => trouble = Some(error),
                Err((digest, error)) => {
                    let rejected = Rejected {
                        run: upload.run,
                        code: RejectCode::Other("artefact_refused".to_owned()),
                        message: format!("artefact {digest}: {error}"),
                    };
                    error!(run_id = %rejected.run, error = rejected.message, "an artefact cannot be uploaded; the run's uploads are parked");
                    self.park(&rejected).await?;
                }
            }
        }
        *uploads = sendable;
        Ok(trouble)
    }

    async fn put_artefacts_of(
        &self,
        run: &RunId,
        artefacts: Vec<(Digest, Vec<u8>)>,
    ) -> Result<(), (Digest, LinkError)> {
        for (digest, _) in artefacts {
            let file = self.artefacts.path(&digest);
            let put = self.session.put_artefact(digest, &file).await;
            put.map_err(|error| (digest, error))?;
            info!(run_id = %run, %digest, "artefact uploaded");
        }
        Ok(())
    }
}

fn acks_of(reply: &SyncReply) -> Vec<Ack> {
    let records = reply.acknowledged.iter().filter_map(|acknowledged| {
        Some(Ack::Records {
            run: acknowledged.run.clone(),
            through: acknowledged.through?,
        })
    });
    let receipts = reply
        .receipts_stored
        .iter()
        .map(|run| Ack::Receipt { run: run.clone() });
    records.chain(receipts).collect()
}

/// The first record of a run that the control plane does not have.
fn first_missing(reply: &SyncReply, run: &RunId) -> u64 {
    let there = reply.acknowledged.iter().find(|known| known.run == *run);
    there
        .and_then(|known| known.through)
        .map_or(0, |through| through.saturating_add(1))
}

/// What a rejection means for a run.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Something before it is missing there.
    Rewind,
    /// A value that it holds is missing there.
    Again,
    /// Another host has the run.
    Revoked,
    /// It is not stored as things are: somebody must look, or another time will tell.
    Parked,
}

impl Verdict {
    fn of(rejected: &Rejected) -> Self {
        match rejected.code {
            RejectCode::Gap => Self::Rewind,
            RejectCode::MissingValue => Self::Again,
            RejectCode::NotOwner | RejectCode::StaleEpoch => Self::Revoked,
            RejectCode::UnknownRun
            | RejectCode::BrokenChain
            | RejectCode::Conflict
            | RejectCode::Malformed
            | RejectCode::TooLarge
            | RejectCode::InvalidReceipt
            | RejectCode::Other(_) => Self::Parked,
        }
    }
}
