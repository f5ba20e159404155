//! What a host brings: confirmations, records, receipts (B9, B11).
//!
//! Everything of all waiting calls goes into one transaction: confirmations first, then one question for the heads of the
//! runs concerned, the comparison in memory, then one statement for each kind of change. Each batch costs the same however
//! many came with it.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::cells::params;
use crate::connection::Connection;
use flowforge_core::Scope;
use flowforge_protocol::{Digest, HostId, JobId, RunId};
use serde_json::json;
use tokio::sync::oneshot;

use crate::batch::CheckedBatch;
use crate::batch_error::MAX_BATCH_BYTES;
use crate::changes::{self, Changes};
use crate::heads::{self, Head};
use crate::project::accept;
use crate::sql::signed;
use crate::values::{self, Whole};
use crate::writer::Write;
use crate::{Store, StoreError, jobs, sql};

/// What one call of one host brings.
#[derive(Debug, Clone)]
pub struct HostIngest {
    /// Who.
    pub host: HostId,
    /// When it came, by the clock here.
    pub at_ms: u64,
    /// Jobs it has made durable.
    pub received: Vec<JobId>,
    /// Records.
    pub batches: Vec<CheckedBatch>,
    /// Receipts whose signature is checked.
    pub receipts: Vec<NewReceipt>,
    /// If given: remember that the host was heard.
    pub heard: Option<Heard>,
}

/// A host was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// When.
    pub at_ms: u64,
    /// If it was silent for long: since when.
    pub silent_since_ms: Option<u64>,
}

/// A receipt, its signature verified, to be compared with the stored records.
#[derive(Debug, Clone)]
pub struct NewReceipt {
    /// The run.
    pub run: RunId,
    /// The envelope as JSON text.
    pub envelope: String,
    /// Number of records it speaks of.
    pub records: u64,
    /// Chain value it speaks of.
    pub chain: Digest,
    /// Digest of the outcome it speaks of.
    pub outcome: Digest,
}

/// What became of one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ingested {
    /// For each run with a batch in the call, once: the last record stored, if any is.
    pub acknowledged: Vec<(RunId, Option<u64>)>,
    /// What was not stored.
    pub rejected: Vec<Rejected>,
    /// Runs that moved.
    pub changed: Vec<Changed>,
    /// Receipts that are stored now.
    pub receipts: Vec<RunId>,
    /// Orders that took effect with this, whether the host has confirmed them or not.
    pub settled: Vec<JobId>,
    /// Runs that no host had confirmed before.
    pub taken: u64,
    /// True if there is something to do for runs besides: another run was ordered, or a signal is waited for.
    pub errands: bool,
    /// True if events are to be sent to webhook endpoints.
    pub outgoing: bool,
}

/// A run that moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The run.
    pub run: RunId,
    /// Its outcome as JSON text, if it ended with this.
    pub outcome: Option<String>,
    /// Its answer to the request that started it, if it came with this; see [`crate::StoredRun::response`].
    pub response: Option<String>,
}

/// A batch or receipt that was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The run.
    pub run: RunId,
    /// Why.
    pub code: RejectCode,
    /// Why, for people.
    pub message: String,
}

/// Why a batch or a receipt was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectCode {
    /// There is no such run here.
    UnknownRun,
    /// Another host has the lease.
    NotOwner,
    /// The epoch is not the run's current one.
    StaleEpoch,
    /// Records before it are missing here; send from behind the acknowledged one.
    Gap,
    /// The chain value is not what the lines give.
    BrokenChain,
    /// Other records with these numbers are stored already, or the run has ended.
    Conflict,
    /// A value that the records hold is not here: it comes before them.
    MissingValue,
    /// The values that the records hold are too many.
    TooLarge,
    /// The receipt does not agree with the records.
    InvalidReceipt,
}

impl RejectCode {
    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownRun => "unknown_run",
            Self::NotOwner => "not_owner",
            Self::StaleEpoch => "stale_epoch",
            Self::Gap => "gap",
            Self::BrokenChain => "broken_chain",
            Self::Conflict => "conflict",
            Self::MissingValue => "missing_value",
            Self::TooLarge => "too_large",
            Self::InvalidReceipt => "invalid_receipt",
        }
    }
}

impl Store {
    /// Stores what a host brings; returns after the commit.
    ///
    /// # Errors
    /// See [`StoreError`]; the call can be repeated: what is stored already is acknowledged again.
    pub async fn ingest(&self, scope: &Scope, ingest: HostIngest) -> Result<Ingested, StoreError> {
        let (answer, result) = oneshot::channel();
        self.submit(Write::Ingest(Box::new((scope.clone(), ingest)), answer))
            .await?;
        result.await.map_err(|_| StoreError::Stopped)?
    }
}

/// One group of calls: what is known of its runs, what changes, and who is told what.
struct Work<'a> {
    connection: &'a Connection,
    /// Of the call that is looked at.
    scope: &'a Scope,
    heads: HashMap<RunId, Head>,
    /// Large values that are here, of those that the batches of the group hold.
    values: HashMap<(Scope, Digest), Whole>,
    changes: Changes,
    /// Batches of this group, by row of the run and first record: they cannot be looked up yet.
    pending: HashSet<(i64, u64)>,
    /// Which call is told what became of a run's orders.
    told: HashMap<RunId, usize>,
}

/// The answer to one call while it is made, with the places of what stands once for each run.
#[derive(Default)]
struct Reply {
    result: Ingested,
    acknowledged: HashMap<RunId, usize>,
    changed: HashMap<RunId, usize>,
}

pub(crate) fn write(
    connection: &Connection,
    ingests: &[(Scope, HostIngest)],
) -> Result<Vec<Ingested>, StoreError> {
    let Some((first, _)) = ingests.first() else {
        return Ok(Vec::new());
    };
    let runs = ingests.iter().flat_map(|(_, ingest)| {
        let batches = ingest.batches.iter().map(CheckedBatch::run);
        batches.chain(ingest.receipts.iter().map(|receipt| &receipt.run))
    });
    let mut confirmed = jobs::confirm(connection, ingests)?;
    let mut work = Work {
        connection,
        scope: first,
        heads: heads::load(connection, runs.collect())?,
        values: load_values(connection, ingests)?,
        changes: Changes::default(),
        pending: HashSet::new(),
        told: HashMap::new(),
    };
    let mut results = Vec::with_capacity(ingests.len());
    for (place, (scope, ingest)) in ingests.iter().enumerate() {
        work.scope = scope;
        let mut reply = Reply::default();
        // The first call of a host is told for all of them.
        reply.result.taken = confirmed.remove(&ingest.host).unwrap_or(0);
        if let Some(heard) = ingest.heard {
            work.changes.heard.push(json!([
                ingest.host,
                heard.at_ms,
                scope.workspace(),
                scope.project()
            ]));
            if let Some(since) = heard.silent_since_ms {
                work.changes.gaps.push(json!([ingest.host, since, heard.at_ms]));
            }
        }
        for batch in &ingest.batches {
            work.append(ingest, batch, place, &mut reply)?;
        }
        for receipt in &ingest.receipts {
            work.keep_receipt(&ingest.host, receipt, &mut reply.result);
        }
        results.push(reply.result);
    }
    let errands = work.changes.errands;
    let outgoing = work.changes.ends.goes_out() || !work.changes.questions.is_empty();
    if let Some(first) = results.first_mut() {
        (first.errands, first.outgoing) = (errands, outgoing);
    }
    for (run, job) in changes::store(connection, &work.heads, work.changes)? {
        let result = work.told.get(&run).and_then(|place| results.get_mut(*place));
        if let Some(result) = result {
            result.settled.push(job);
        }
    }
    Ok(results)
}

fn load_values(
    connection: &Connection,
    ingests: &[(Scope, HostIngest)],
) -> Result<HashMap<(Scope, Digest), Whole>, StoreError> {
    let held = ingests.iter().flat_map(|(scope, ingest)| {
        let digests = ingest.batches.iter().flat_map(|batch| &batch.held);
        digests.map(move |(_, digest)| (scope, *digest))
    });
    values::whole(connection, held)
}

impl Work<'_> {
    /// Where a run stands, if it is one of the project that the call speaks for.
    fn head(&self, run: &RunId) -> Option<&Head> {
        self.heads.get(run).filter(|head| head.scope == *self.scope)
    }

    fn append(
        &mut self,
        ingest: &HostIngest,
        batch: &CheckedBatch,
        place: usize,
        reply: &mut Reply,
    ) -> Result<(), StoreError> {
        let run = batch.run();
        let Some(head) = self.head(run) else {
            reply.reject(run, RejectCode::UnknownRun, format!("there is no run {run}"));
            return Ok(());
        };
        if head.host.as_deref() != Some(ingest.host.as_str()) {
            reply.reject(
                run,
                RejectCode::NotOwner,
                format!("run {run} belongs to another host"),
            );
            return Ok(());
        }
        if head.epoch != batch.epoch {
            let message = format!("epoch {} is not the current one, {}", batch.epoch, head.epoch);
            reply.reject(run, RejectCode::StaleEpoch, message);
            return Ok(());
        }
        let refused = if batch.first_seq > head.next_seq {
            let message = format!("expected record {}, got {}", head.next_seq, batch.first_seq);
            Some((RejectCode::Gap, message))
        } else if batch.next_seq() <= head.next_seq {
            self.differs_from_stored(head, batch)?.then(|| {
                let message = format!("other records are stored from {} on", batch.first_seq);
                (RejectCode::Conflict, message)
            })
        } else if head.ended_at_ms.is_some() {
            let message = match head.next_seq.checked_sub(1) {
                Some(last) => format!("run {run} has ended with record {last}"),
                None => format!("run {run} has ended before its first record"),
            };
            Some((RejectCode::Conflict, message))
        } else {
            self.extend(batch, ingest.at_ms, place, reply)
        };
        if let Some((code, message)) = refused {
            reply.reject(run, code, message);
        }
        let stored = self.head(run).and_then(|head| head.next_seq.checked_sub(1));
        reply.acknowledge(run, stored);
        Ok(())
    }

    /// Stores what of the batch is new, or says why it does not follow.
    fn extend(
        &mut self,
        batch: &CheckedBatch,
        now_ms: u64,
        place: usize,
        reply: &mut Reply,
    ) -> Option<(RejectCode, String)> {
        let run = batch.run();
        let head = self.heads.get_mut(run)?;
        let mut batch = Cow::Borrowed(batch);
        if batch.first_seq < head.next_seq {
            batch.to_mut().skip_to(head.next_seq);
        }
        if batch.chain_after(head.chain) != Some(batch.chain) {
            let last = batch.next_seq().saturating_sub(1);
            let message = format!("the chain value after record {last} is not what the lines give");
            return Some((RejectCode::BrokenChain, message));
        }
        let (held, held_bytes) = match held_values(self.scope, &batch, &self.values) {
            Ok(held) => held,
            Err(refused) => return Some(refused),
        };
        self.changes
            .value_uses
            .extend(held.iter().map(|value| json!([head.row, value])));
        head.held_bytes = head.held_bytes.saturating_add(held_bytes);
        if head.state == "queued" {
            reply.result.taken += 1;
        }
        self.pending.insert((head.row, batch.first_seq));
        self.told.insert(run.clone(), place);
        accept(head, &mut self.changes, &batch, now_ms);
        let (outcome, response) = (head.outcome.clone(), head.response.clone());
        reply.change(run, outcome, response);
        None
    }

    /// A repeated batch is compared with the stored one where both begin and end alike; hosts repeat the batches they cut.
    fn differs_from_stored(&self, head: &Head, batch: &CheckedBatch) -> Result<bool, StoreError> {
        if batch.next_seq() == head.next_seq {
            return Ok(batch.chain != head.chain);
        }
        if self.pending.contains(&(head.row, batch.first_seq)) {
            return Ok(false);
        }
        let stored: Option<Vec<u8>> = sql::first(
            self.connection,
            "select chain from batch where run = ?1 and first_seq = ?2 and count = ?3",
            params![head.row, signed(batch.first_seq), signed(batch.ends.len() as u64)],
            |row| row.get(0),
        )?;
        Ok(stored.is_some_and(|stored| stored != batch.chain.as_bytes()))
    }

    fn keep_receipt(&mut self, host: &HostId, receipt: &NewReceipt, result: &mut Ingested) {
        let refused = match self.head(&receipt.run) {
            None => Some((RejectCode::UnknownRun, "there is no such run".to_owned())),
            Some(head) if head.host.as_deref() != Some(host.as_str()) => {
                Some((RejectCode::NotOwner, "the run belongs to another host".to_owned()))
            }
            Some(head) if head.ended_at_ms.is_none() => {
                let message = format!(
                    "the run has not ended here; the last record stored is before {}",
                    head.next_seq
                );
                Some((RejectCode::Gap, message))
            }
            Some(head) if head.next_seq != receipt.records || head.chain != receipt.chain => Some((
                RejectCode::InvalidReceipt,
                format!(
                    "it speaks of {} records, {} are stored, or of another chain",
                    receipt.records, head.next_seq
                ),
            )),
            // A run that ended here has no record of its outcome.
            Some(head)
                if head
                    .outcome_digest
                    .is_some_and(|digest| digest != receipt.outcome) =>
            {
                Some((
                    RejectCode::InvalidReceipt,
                    "it speaks of another outcome than the last record".to_owned(),
                ))
            }
            Some(head) => {
                self.changes.receipts.push(json!([head.row, receipt.envelope]));
                None
            }
        };
        match refused {
            Some((code, message)) => result.rejected.push(Rejected {
                run: receipt.run.clone(),
                code,
                message,
            }),
            None => result.receipts.push(receipt.run.clone()),
        }
    }
}

impl Reply {
    fn reject(&mut self, run: &RunId, code: RejectCode, message: String) {
        self.result.rejected.push(Rejected {
            run: run.clone(),
            code,
            message,
        });
    }

    fn acknowledge(&mut self, run: &RunId, stored: Option<u64>) {
        let all = &mut self.result.acknowledged;
        let place = *self.acknowledged.entry(run.clone()).or_insert(all.len());
        match all.get_mut(place) {
            Some(known) => known.1 = stored,
            None => all.push((run.clone(), stored)),
        }
    }

    fn change(&mut self, run: &RunId, outcome: Option<String>, response: Option<String>) {
        let all = &mut self.result.changed;
        let place = *self.changed.entry(run.clone()).or_insert(all.len());
        match all.get_mut(place) {
            Some(known) => (known.outcome, known.response) = (outcome, response),
            None => all.push(Changed {
                run: run.clone(),
                outcome,
                response,
            }),
        }
    }
}

/// The rows of the values that the records of a batch hold, with their bytes, each as often as it is held; or why they are
/// not taken.
fn held_values(
    scope: &Scope,
    batch: &CheckedBatch,
    values: &HashMap<(Scope, Digest), Whole>,
) -> Result<(HashSet<i64>, u64), (RejectCode, String)> {
    let (mut rows, mut bytes) = (HashSet::new(), 0_u64);
    for (seq, digest) in &batch.held {
        let Some(value) = values.get(&(scope.clone(), *digest)) else {
            let message = format!("record {seq} holds value {digest}, which is not here; send it first");
            return Err((RejectCode::MissingValue, message));
        };
        rows.insert(value.row);
        bytes = bytes.saturating_add(value.bytes);
    }
    // Whoever reads the batch gets it with its values beside it.
    let whole = bytes.saturating_add(batch.lines.len() as u64);
    if whole > MAX_BATCH_BYTES as u64 {
        let message = format!("with its values the batch is {whole} bytes, more than {MAX_BATCH_BYTES}");
        return Err((RejectCode::TooLarge, message));
    }
    Ok((rows, bytes))
}
