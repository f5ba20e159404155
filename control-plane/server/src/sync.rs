//! The standing call of a host: what it brings is stored, what waits for it is delivered.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use flowforge_protocol::envelope::Signed;
use flowforge_protocol::known::KnownSignatures;
use flowforge_protocol::receipt::Receipt;
use flowforge_protocol::record::Outcome;
use flowforge_protocol::sync::{
    Acknowledged, AskedRun, Lanes, RefusedJob, RejectCode, Rejected, SyncReply, SyncRequest,
};
use flowforge_protocol::{Digest, Failure, FailureKind, RunId, VerifyingKey};
use flowforge_store::{
    BatchError, CheckedBatch, Cursor, Heard, HostIngest, Ingested, NewReceipt, Refusal, Refused, StoreError,
};
use tokio::time::Instant;

use crate::app::{App, LoadError};
use crate::fleet::hosts::{HostEntry, Standing};
use crate::fleet::queue::{Now, QueuedJob, Refill, Taken};
use crate::orders::OrderError;

/// Longest wait for a job.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(25);
/// Orders of one lane in one answer.
pub(crate) const MAX_JOBS: u32 = 256;
/// Most bytes of large values that are looked into while records are taken: the results of runs, questions, answers.
const MAX_SHOWN_BYTES: u64 = 32 * 1024 * 1024;
/// Bytes of envelopes in one answer; one job always goes out.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// How often the store is looked at while other servers are not heard.
const UNHEARD_LOOK: Duration = Duration::from_secs(1);
/// From this many new signatures on, a run says why it does not begin.
const ISSUES_SILENT: u32 = 3;
/// Codes of a host for a job that is not of its time: from its future, expired, or older than what it remembers.
const NOT_OF_THIS_TIME: [&str; 3] = ["FF-JOB-003", "FF-JOB-004", "FF-JOB-007"];
/// Code of a host for an order about a run that it does not have.
const UNKNOWN_RUN: &str = "FF-ADM-012";
/// Code of a host for the order to end a run of which it could read nothing any more: it has dropped it.
const GIVEN_UP: &str = "FF-ADM-018";
/// Code of a host for a decision whose answers do not count by what the release says.
const DECISION_REFUSED: &str = "FF-ADM-020";

/// Why a call failed; nothing of it may be taken as stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SyncError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl App {
    pub(crate) async fn sync(
        &self,
        host: &Arc<HostEntry>,
        request: SyncRequest,
    ) -> Result<SyncReply, SyncError> {
        let (heard, was_busy) = {
            let mut state = host.state();
            let was_busy = state.busy;
            state.busy = request.busy.unwrap_or(was_busy);
            state.stands_still(false);
            let now = self.now();
            (state.to_write(now.wall_ms, now.monotonic_ms), was_busy)
        };
        let lanes = Lanes {
            starts: request.lanes.starts.min(MAX_JOBS),
            changes: request.lanes.changes.min(MAX_JOBS),
        };
        let wait = Duration::from_millis(u64::from(request.wait_ms)).min(MAX_WAIT);
        let seen = request.seen_delivery;
        if was_busy && request.busy == Some(false) {
            host.wake.notify_one();
        }
        let moved = host.state().says(&request);
        for run in moved {
            self.events.tell(&run, None);
        }
        self.note_journal(host, request.host_incarnation).await?;
        let mut reply = self.take_in(host, request, heard).await?;
        // Only now: a host whose calls all fail is not connected.
        let now = self.now();
        host.state().heard(now.wall_ms, now.monotonic_ms, heard.is_some());
        if !lanes.is_closed() {
            let standing = Standing::new(host);
            let taken = self.bring_out(host, lanes, wait, seen).await?;
            let all = taken.starts.iter().chain(&taken.changes).map(AsRef::as_ref);
            let mut envelopes = self.scheduler.sign_all(all);
            reply.changes = envelopes.split_off(taken.starts.len());
            reply.starts = envelopes;
            reply.delivery = taken.delivery;
            let now = self.now();
            host.state().heard(now.wall_ms, now.monotonic_ms, false);
            drop(standing);
        }
        reply.time_ms = self.clock.now_ms();
        self.counts.syncs.fetch_add(1, Ordering::Relaxed);
        Ok(reply)
    }

    pub(crate) fn now(&self) -> Now {
        Now {
            wall_ms: self.clock.now_ms(),
            monotonic_ms: self.clock.monotonic_ms(),
        }
    }

    /// Wakes those who do what follows from what a host brought.
    fn wake_for(&self, ingested: &Ingested) {
        if ingested.outgoing {
            self.outside.wanted.notify_one();
        }
        if ingested.errands {
            self.events.errand();
        }
    }

    async fn take_in(
        &self,
        host: &Arc<HostEntry>,
        request: SyncRequest,
        heard: Option<Heard>,
    ) -> Result<SyncReply, SyncError> {
        let mut reply = SyncReply::new(self.workspace().to_owned(), self.incarnation(), 0);
        let mut ingest = HostIngest {
            host: host.id.clone(),
            at_ms: self.clock.now_ms(),
            received: request.received,
            batches: Vec::with_capacity(request.batches.len()),
            receipts: Vec::with_capacity(request.receipts.len()),
            heard,
        };
        for batch in request.batches {
            let run = batch.run.clone();
            let values = match CheckedBatch::wanted(&batch) {
                wanted if wanted.is_empty() => HashMap::new(),
                wanted => self.store.values(&host.scope, wanted, MAX_SHOWN_BYTES).await?,
            };
            let fetch = |digest: &Digest| values.get(digest).cloned();
            match CheckedBatch::with_values(batch, &fetch) {
                Ok(checked) => ingest.batches.push(checked),
                Err(error) => reply.rejected.push(Rejected {
                    run,
                    code: match error {
                        BatchError::TooLarge { .. } => RejectCode::TooLarge,
                        _ => RejectCode::Malformed,
                    },
                    message: error.to_string(),
                }),
            }
        }
        if !request.receipts.is_empty() {
            let key = VerifyingKey::from_bytes(&host.state().host.identity_key);
            let key = key.map_err(|error| error.to_string());
            // The receipts of one call have one signature.
            let known = KnownSignatures::default();
            for receipt in request.receipts {
                let (run, envelope) = (receipt.run, receipt.envelope);
                let checked = key
                    .clone()
                    .and_then(|key| self.check_receipt(host, (&key, &known), &run, &envelope));
                match checked {
                    Ok(receipt) => ingest.receipts.push(receipt),
                    Err(message) => reply.rejected.push(Rejected {
                        run,
                        code: RejectCode::InvalidReceipt,
                        message,
                    }),
                }
            }
        }
        let nothing = ingest.received.is_empty() && ingest.batches.is_empty() && ingest.receipts.is_empty();
        if !nothing || heard.is_some() {
            let received = ingest.received.clone();
            let ingested = self.store.ingest(&host.scope, ingest).await?;
            host.state()
                .queue
                .settle(received.iter().chain(&ingested.settled));
            self.confirmed(ingested.taken);
            self.wake_for(&ingested);
            for changed in ingested.changed {
                if let Some(response) = changed.response {
                    self.events.respond(&changed.run, &response);
                }
                self.events.tell(&changed.run, changed.outcome);
            }
            reply.acknowledged = ingested
                .acknowledged
                .into_iter()
                .map(|(run, through)| Acknowledged { run, through })
                .collect();
            reply.receipts_stored = ingested.receipts;
            for rejected in ingested.rejected {
                tracing::warn!(run_id = %rejected.run, host = %host.id, code = rejected.code.as_str(), "records refused");
                reply.rejected.push(Rejected {
                    run: rejected.run,
                    code: RejectCode::from(rejected.code.as_str()),
                    message: rejected.message,
                });
            }
        }
        for refused in request.refused {
            self.refused(host, refused).await?;
        }
        if !request.asked.is_empty() {
            // Before the answer: what it says is still so when the host counts its leases from the question on.
            self.store.renew_leases(&host.scope, host.id.clone()).await?;
            self.tell_cursors(host, request.asked, &mut reply).await?;
        }
        Ok(reply)
    }

    /// Says how far runs are stored that a host asks for: it knows another life of this store.
    async fn tell_cursors(
        &self,
        host: &HostEntry,
        asked: Vec<AskedRun>,
        reply: &mut SyncReply,
    ) -> Result<(), StoreError> {
        let asked = asked.into_iter().map(|asked| (asked.run, asked.epoch)).collect();
        for (run, cursor) in self.store.cursors(&host.scope, &host.id, asked).await? {
            let (code, message) = match cursor {
                Cursor::Stored {
                    next_seq, receipt, ..
                } => {
                    if receipt {
                        reply.receipts_stored.push(run.clone());
                    }
                    let through = next_seq.checked_sub(1);
                    reply.acknowledged.push(Acknowledged { run, through });
                    continue;
                }
                Cursor::Unknown => (RejectCode::UnknownRun, format!("run {run} is not known here")),
                Cursor::NotOwner { epoch } => (
                    RejectCode::NotOwner,
                    format!("run {run} has epoch {epoch}, or another host"),
                ),
            };
            reply.rejected.push(Rejected { run, code, message });
        }
        Ok(())
    }

    fn check_receipt(
        &self,
        host: &HostEntry,
        (key, known): (&VerifyingKey, &KnownSignatures),
        run: &RunId,
        envelope: &str,
    ) -> Result<NewReceipt, String> {
        let receipt = Signed::<Receipt>::open_known(envelope.as_bytes(), std::slice::from_ref(key), known)
            .map_err(|error| error.to_string())?;
        if &receipt.run_id != run || receipt.host != host.id || receipt.workspace != self.workspace() {
            return Err("it is for another run, host or workspace".to_owned());
        }
        Ok(NewReceipt {
            run: run.clone(),
            envelope: envelope.to_owned(),
            records: receipt.records,
            chain: receipt.chain,
            outcome: receipt.outcome,
        })
    }

    /// A host will not do a job. One that is not of its time is written anew; any other refusal of a start ends its run,
    /// visibly; a decision or a cancellation is kept and tried again.
    async fn refused(&self, host: &Arc<HostEntry>, refused: RefusedJob) -> Result<(), SyncError> {
        let name = host.state().host.name.clone();
        let code: String = refused.code.chars().take(64).collect();
        let message: String = refused.message.chars().take(2_000).collect();
        tracing::warn!(job = %refused.job, host = %host.id, code, "a host refused a job");
        if NOT_OF_THIS_TIME.contains(&code.as_str()) {
            let known = host.state().queue.expire(&refused.job);
            self.reissue_wanted.notify_one();
            if let Some(job) = known.filter(|job| job.issue >= ISSUES_SILENT) {
                let trouble =
                    format!("host {name} takes no job of this time ({code}: {message}); compare the clocks");
                self.store.note_trouble(&host.scope, job.run, trouble).await?;
            }
            return Ok(());
        }
        let refusal = Refusal {
            host: host.id.clone(),
            job: refused.job.clone(),
            unknown_run: code == UNKNOWN_RUN || code == GIVEN_UP,
            given_up: code == GIVEN_UP,
            reopens: code == DECISION_REFUSED,
            reason: format!("host {name} refused what it was told ({code}): {message}"),
            outcome: failed_outcome(&code, format!("host {name} refused the job: {message}")),
            at_ms: self.clock.now_ms(),
        };
        match self.store.refuse_job(&host.scope, refusal).await? {
            Refused::Kept { run } => {
                let now = self.clock.monotonic_ms();
                host.state().queue.hold(&refused.job, now);
                self.events.tell(&run, None);
            }
            Refused::Ended {
                run,
                outcome,
                was_queued,
            } => {
                host.state().queue.settle([&refused.job]);
                self.confirmed(u64::from(was_queued));
                self.outside.wanted.notify_one();
                self.events.tell(&run, Some(outcome));
            }
            Refused::Dropped { run } => {
                host.state().queue.settle([&refused.job]);
                self.events.tell(&run, None);
            }
            Refused::Unknown => host.state().queue.settle([&refused.job]),
        }
        Ok(())
    }

    /// Takes jobs, waiting for the first one if there is none.
    async fn bring_out(
        &self,
        host: &Arc<HostEntry>,
        lanes: Lanes,
        wait: Duration,
        mut seen: Option<u64>,
    ) -> Result<Taken, SyncError> {
        let deadline = Instant::now() + wait;
        host.state().queue.hears_of(seen);
        loop {
            if !self.bus.hears() {
                host.state().queue.renew();
            }
            let news = self.waiting_news.load(Ordering::Relaxed);
            if self.unassigned.load(Ordering::Relaxed) > 0 && host.state().looks_for_runs(news) {
                self.assign_waiting(host).await?;
            }
            if host.state().queue.wants_refill() {
                self.refill(host).await?;
            }
            let now = self.now();
            let (taken, turn_ms, has_expired) = {
                let mut state = host.state();
                let taken = state.queue.take(lanes, MAX_ANSWER_BYTES, seen, now);
                (taken, state.queue.next_turn_ms(), state.queue.has_expired())
            };
            // What this call has brought again is not lost a second time.
            seen = None;
            if has_expired {
                self.reissue_wanted.notify_one();
            }
            if !taken.is_empty() {
                return Ok(taken);
            }
            let turn =
                turn_ms.map(|at| Instant::now() + Duration::from_millis(at.saturating_sub(now.monotonic_ms)));
            let mut until = turn.map_or(deadline, |at| at.min(deadline));
            if !self.bus.hears() {
                until = until.min(Instant::now() + UNHEARD_LOOK);
            }
            tokio::select! {
                () = host.wake.notified() => {}
                () = tokio::time::sleep_until(until) => {}
                () = self.closing.cancelled() => return Ok(Taken::default()),
            }
            if Instant::now() >= deadline && until == deadline {
                self.look_again(host).await?;
                return Ok(Taken::default());
            }
        }
    }

    /// Nothing came for a while. The queue and the count of waiting runs are pictures of what the store holds; one that
    /// missed a change, because whoever made it went away, is right again from here on.
    async fn look_again(&self, host: &HostEntry) -> Result<(), StoreError> {
        {
            let mut state = host.state();
            state.queue.reread();
            state.nothing_waits(None);
        }
        let unassigned = self.store.count_unassigned(&self.scope).await?;
        self.unassigned.store(unassigned, Ordering::Relaxed);
        Ok(())
    }

    async fn refill(&self, host: &Arc<HostEntry>) -> Result<(), StoreError> {
        let mut reading = Reading {
            host,
            refill: Some(host.state().queue.begin_refill()),
        };
        let limit = reading.refill.as_ref().map_or(0, |refill| refill.limit);
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let jobs = self.store.open_jobs(&host.scope, &host.id, limit).await?;
        if let Some(refill) = reading.refill.take() {
            let jobs = jobs.into_iter().map(QueuedJob::from).collect();
            host.state().queue.refill(&refill, jobs);
        }
        Ok(())
    }
}

/// A look into the store that may fail or be cut: then the queue is as unread as before.
struct Reading<'a> {
    host: &'a HostEntry,
    refill: Option<Refill>,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if let Some(refill) = self.refill.take() {
            self.host.state().queue.refill_failed(&refill);
        }
    }
}

/// The outcome of a run that failed before it began, as JSON text.
pub(crate) fn failed_outcome(code: &str, message: String) -> String {
    let failure = Failure::new(FailureKind::Denied, message).with_code(code);
    let outcome = Outcome::Failed { node: None, failure };
    serde_json::to_string(&outcome).unwrap_or_default()
}
