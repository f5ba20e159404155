//! The standing call of a host: what it brings is stored, what waits for it is delivered.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use flowforge_protocol::envelope::Signed;
use flowforge_protocol::job::{Order, StartOrder};
use flowforge_protocol::receipt::Receipt;
use flowforge_protocol::record::{Outcome, RecordBatch};
use flowforge_protocol::{Digest, Failure, FailureKind, JobId, RunId, VerifyingKey};
use flowforge_store::{CheckedBatch, HostIngest, NewReceipt, Reissue, StoreError, Unassigned};
use tokio::time::Instant;

use crate::app::{App, LoadError};
use crate::hosts::{HostEntry, Standing};
use crate::orders::{Draft, OrderError};
use crate::queue::{QueuedJob, Taken};

/// Longest wait for a job.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(25);
/// Jobs in one answer.
pub(crate) const MAX_JOBS: usize = 256;
/// Bytes of envelopes in one answer; one job always goes out.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// Runs that get a host in one step.
const ASSIGN_AT_ONCE: u32 = 64;
/// How often an order is signed anew before its run is given up: a host whose clock is wrong never accepts it.
const MAX_ISSUES: u32 = 20;

/// What a host brings and asks for.
pub(crate) struct SyncRequest {
    pub(crate) received: Vec<JobId>,
    pub(crate) refused: Vec<RefusedJob>,
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) receipts: Vec<(RunId, String)>,
    pub(crate) max_jobs: usize,
    pub(crate) wait: Duration,
    pub(crate) busy: Option<bool>,
    pub(crate) seen_delivery: Option<u64>,
}

/// A job that a host will not do.
pub(crate) struct RefusedJob {
    pub(crate) job: JobId,
    pub(crate) code: String,
    pub(crate) message: String,
}

/// What goes back.
#[derive(Debug, Default)]
pub(crate) struct SyncReply {
    pub(crate) jobs: Vec<Arc<str>>,
    pub(crate) delivery: u64,
    pub(crate) acknowledged: Vec<(RunId, Option<u64>)>,
    pub(crate) rejected: Vec<(RunId, &'static str, String)>,
    pub(crate) receipts_stored: Vec<RunId>,
}

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
        let standing = (request.max_jobs > 0).then(|| Standing::new(host));
        let (heard, was_busy) = {
            let mut state = host.state();
            let was_busy = state.busy;
            state.busy = request.busy.unwrap_or(was_busy);
            (
                state.heard(self.clock.now_ms()).then(|| self.clock.now_ms()),
                was_busy,
            )
        };
        let (max_jobs, wait, seen) = (
            request.max_jobs.min(MAX_JOBS),
            request.wait.min(MAX_WAIT),
            request.seen_delivery,
        );
        if was_busy && request.busy == Some(false) {
            host.wake.notify_one();
        }
        let mut reply = self.take_in(host, request, heard).await?;
        if max_jobs > 0 {
            let taken = self.bring_out(host, max_jobs, wait, seen).await?;
            reply.jobs = taken.jobs;
            reply.delivery = taken.delivery;
            host.state().heard(self.clock.now_ms());
        }
        drop(standing);
        Ok(reply)
    }

    async fn take_in(
        &self,
        host: &Arc<HostEntry>,
        request: SyncRequest,
        heard_at_ms: Option<u64>,
    ) -> Result<SyncReply, SyncError> {
        let mut reply = SyncReply::default();
        let mut ingest = HostIngest {
            host: host.id.clone(),
            received: request.received,
            batches: Vec::with_capacity(request.batches.len()),
            receipts: Vec::with_capacity(request.receipts.len()),
            heard_at_ms,
        };
        for batch in request.batches {
            let run = batch.run.clone();
            match CheckedBatch::new(batch) {
                Ok(checked) => ingest.batches.push(checked),
                Err(error) => reply.rejected.push((run, "malformed", error.to_string())),
            }
        }
        if !request.receipts.is_empty() {
            let key = VerifyingKey::from_bytes(&host.state().host.identity_key);
            let key = key.map_err(|error| error.to_string());
            for (run, envelope) in request.receipts {
                let checked = key
                    .clone()
                    .and_then(|key| self.check_receipt(host, &key, &run, &envelope));
                match checked {
                    Ok(receipt) => ingest.receipts.push(receipt),
                    Err(message) => reply.rejected.push((run, "invalid_receipt", message)),
                }
            }
        }
        let nothing = ingest.received.is_empty() && ingest.batches.is_empty() && ingest.receipts.is_empty();
        if !nothing || heard_at_ms.is_some() {
            let received = ingest.received.clone();
            let ingested = self.store.ingest(ingest).await?;
            if !received.is_empty() {
                host.state().queue.settle(&received);
                self.confirmed(received.len() as u64);
            }
            for changed in ingested.changed {
                self.events.tell(&changed.run, changed.outcome);
            }
            reply.acknowledged = ingested.acknowledged;
            reply.receipts_stored = ingested.receipts;
            for rejected in ingested.rejected {
                tracing::warn!(run_id = %rejected.run, host = %host.id, code = rejected.code.as_str(), "records refused");
                reply
                    .rejected
                    .push((rejected.run, rejected.code.as_str(), rejected.message));
            }
        }
        for refused in request.refused {
            self.refused(host, refused).await?;
        }
        Ok(reply)
    }

    fn check_receipt(
        &self,
        host: &HostEntry,
        key: &VerifyingKey,
        run: &RunId,
        envelope: &str,
    ) -> Result<NewReceipt, String> {
        let receipt = Signed::<Receipt>::open(envelope.as_bytes(), std::slice::from_ref(key))
            .map_err(|error| error.to_string())?;
        if &receipt.run_id != run || receipt.host != host.id || receipt.workspace != self.workspace() {
            return Err("it is for another run, host or workspace".to_owned());
        }
        Ok(NewReceipt {
            run: run.clone(),
            envelope: envelope.to_owned(),
            records: receipt.records,
            chain: receipt.chain,
        })
    }

    /// A host will not do a job. An expired one is signed anew; any other refusal of a start ends its run, visibly.
    async fn refused(&self, host: &Arc<HostEntry>, refused: RefusedJob) -> Result<(), SyncError> {
        let known = host.state().queue.give_back(&refused.job);
        let stale = matches!(refused.code.as_str(), "FF-JOB-004" | "FF-JOB-007");
        if stale && let Some(job) = known.clone().filter(|job| job.issue < MAX_ISSUES) {
            return self.reissue(host, job).await;
        }
        let name = host.state().host.name.clone();
        let text = format!("host {name} refused the job: {}", refused.message);
        let code: String = refused.code.chars().take(64).collect();
        let outcome = Outcome::Failed {
            node: None,
            failure: Failure::new(FailureKind::Denied, text.chars().take(2_000).collect::<String>())
                .with_code(code),
        };
        let outcome = serde_json::to_string(&outcome).unwrap_or_default();
        let now_ms = self.clock.now_ms();
        let ended = self
            .store
            .refuse_job(host.id.clone(), refused.job.clone(), outcome.clone(), now_ms)
            .await?;
        tracing::warn!(job = %refused.job, host = %host.id, code = refused.code, "a host refused a job");
        if let Some(run) = ended {
            self.confirmed(1);
            self.events.tell(&run, Some(outcome));
        }
        Ok(())
    }

    /// Takes jobs, waiting for the first one if there is none.
    async fn bring_out(
        &self,
        host: &Arc<HostEntry>,
        max_jobs: usize,
        wait: Duration,
        mut seen: Option<u64>,
    ) -> Result<Taken, SyncError> {
        let deadline = Instant::now() + wait;
        loop {
            if self.unassigned.load(Ordering::Relaxed) > 0 && !host.state().busy {
                self.assign_waiting(host).await?;
            }
            if host.state().queue.wants_refill() {
                self.refill(host).await?;
            }
            let now_ms = self.clock.now_ms();
            let (mut taken, redelivery_ms) = {
                let mut state = host.state();
                let taken = state.queue.take(max_jobs, MAX_ANSWER_BYTES, seen, now_ms);
                (taken, state.queue.next_redelivery_ms())
            };
            // What this call has brought again is not lost a second time.
            seen = None;
            let expired = std::mem::take(&mut taken.expired);
            let again = !expired.is_empty();
            for job in expired {
                self.reissue(host, job).await?;
            }
            if !taken.jobs.is_empty() {
                return Ok(taken);
            }
            if again {
                continue;
            }
            let redelivery =
                redelivery_ms.map(|at| Instant::now() + Duration::from_millis(at.saturating_sub(now_ms)));
            let until = redelivery.map_or(deadline, |at| at.min(deadline));
            tokio::select! {
                () = host.wake.notified() => {}
                () = tokio::time::sleep_until(until) => {}
                () = self.closing.cancelled() => return Ok(Taken::default()),
            }
            if Instant::now() >= deadline && until == deadline {
                return Ok(Taken::default());
            }
        }
    }

    async fn refill(&self, host: &Arc<HostEntry>) -> Result<(), StoreError> {
        let limit = host.state().queue.begin_refill();
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let read = self.store.open_jobs(&host.id, limit).await;
        let mut state = host.state();
        match read {
            Ok(jobs) => {
                let complete = jobs.len() < usize::try_from(limit).unwrap_or(usize::MAX);
                state
                    .queue
                    .refill(jobs.into_iter().map(QueuedJob::from).collect(), complete);
                Ok(())
            }
            Err(error) => {
                state.queue.refill(Vec::new(), false);
                Err(error)
            }
        }
    }

    async fn reissue(&self, host: &Arc<HostEntry>, job: QueuedJob) -> Result<(), SyncError> {
        let new = self
            .scheduler
            .sign_again(&job.envelope, job.issue, self.clock.now_ms())?;
        let reissue = Reissue {
            old: job.id.clone(),
            new: new.clone(),
        };
        if self.store.reissue(reissue).await? {
            tracing::info!(run_id = %job.run, host = %host.id, issue = new.issue, "an expired job was signed anew");
            host.state().queue.push(new.into());
            host.wake.notify_one();
        }
        Ok(())
    }

    /// Gives runs that have no host to this one (B2).
    async fn assign_waiting(&self, host: &Arc<HostEntry>) -> Result<(), SyncError> {
        let waiting = self.store.unassigned(ASSIGN_AT_ONCE).await?;
        if waiting.is_empty() {
            // Several hosts may have found the last ones at the same time.
            self.unassigned
                .store(self.store.count_unassigned().await?, Ordering::Relaxed);
            return Ok(());
        }
        let mut jobs = Vec::with_capacity(waiting.len());
        for run in waiting {
            jobs.push(self.order_waiting(host, run).await?);
        }
        let stored = self.store.assign(jobs).await?;
        let count = stored.len() as u64;
        let fewer = |now: u64| Some(now.saturating_sub(count));
        let _ = self
            .unassigned
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
        let mut state = host.state();
        for job in stored {
            state.queue.push(job.into());
        }
        Ok(())
    }

    async fn order_waiting(
        &self,
        host: &Arc<HostEntry>,
        run: Unassigned,
    ) -> Result<flowforge_store::NewJob, SyncError> {
        let unreadable = |error: &dyn std::fmt::Display| OrderError::Unreadable(error.to_string());
        let release = self.release(&run.release).await?;
        let release = release.ok_or_else(|| unreadable(&format!("release {} is gone", run.release)))?;
        let order = Order::Start(StartOrder {
            release: run.release,
            grants: release.stored.grants_digest,
            input_digest: Digest::of(run.input.as_bytes()),
            input: serde_json::from_str(&run.input).map_err(|e| unreadable(&e))?,
            trigger: serde_json::from_str(&run.trigger).map_err(|e| unreadable(&e))?,
        });
        let job = self.scheduler.sign(Draft {
            host: &host.id,
            run: &run.id,
            epoch: 1,
            order,
            traceparent: run.traceparent,
            now_ms: self.clock.now_ms(),
        })?;
        Ok(job)
    }
}
