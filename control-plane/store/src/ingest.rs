//! What a host brings: confirmations, records, receipts (B9, B11).
//!
//! Everything of all waiting calls goes into one transaction: one question for the heads of the runs concerned, the
//! comparison in memory, then one statement for each kind of change.

use std::collections::HashMap;

use flowforge_protocol::record::chain_start;
use flowforge_protocol::{Digest, HostId, JobId, RunId};
use rusqlite::{Connection, Row, params};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::batch::{CheckedBatch, Projected, Projection};
use crate::changes::{self, Changes, Head};
use crate::sql::{signed, unsigned};
use crate::writer::Write;
use crate::{Store, StoreError, sql};

/// What one call of one host brings.
#[derive(Debug, Clone)]
pub struct HostIngest {
    /// Who.
    pub host: HostId,
    /// Jobs it has made durable.
    pub received: Vec<JobId>,
    /// Records.
    pub batches: Vec<CheckedBatch>,
    /// Receipts whose signature is checked.
    pub receipts: Vec<NewReceipt>,
    /// If given: remember that the host was heard at this time.
    pub heard_at_ms: Option<u64>,
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
}

/// A run that moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The run.
    pub run: RunId,
    /// Its outcome as JSON text, if it ended with this.
    pub outcome: Option<String>,
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
            Self::InvalidReceipt => "invalid_receipt",
        }
    }
}

impl Store {
    /// Stores what a host brings; returns after the commit.
    ///
    /// # Errors
    /// See [`StoreError`]; the call can be repeated: what is stored already is acknowledged again.
    pub async fn ingest(&self, ingest: HostIngest) -> Result<Ingested, StoreError> {
        let (answer, result) = oneshot::channel();
        self.submit(Write::Ingest(Box::new(ingest), answer)).await?;
        result.await.map_err(|_| StoreError::Stopped)?
    }
}

pub(crate) fn write(connection: &Connection, ingests: Vec<HostIngest>) -> Result<Vec<Ingested>, StoreError> {
    if ingests.is_empty() {
        return Ok(Vec::new());
    }
    let mut heads = load_heads(connection, &ingests)?;
    let mut changes = Changes::default();
    let mut results = Vec::with_capacity(ingests.len());
    for ingest in ingests {
        let mut result = Ingested::default();
        let host = ingest.host;
        for job in &ingest.received {
            changes.received.push(json!([job, host]));
        }
        if let Some(at) = ingest.heard_at_ms {
            changes.heard.push(json!([host, at]));
        }
        for batch in ingest.batches {
            append(connection, &mut heads, &mut changes, &host, batch, &mut result)?;
        }
        for receipt in ingest.receipts {
            keep_receipt(&heads, &mut changes, &host, receipt, &mut result);
        }
        results.push(result);
    }
    changes::store(connection, &heads, changes)?;
    Ok(results)
}

fn load_heads(connection: &Connection, ingests: &[HostIngest]) -> Result<HashMap<RunId, Head>, StoreError> {
    let mut wanted: Vec<&RunId> = ingests
        .iter()
        .flat_map(|i| {
            let batches = i.batches.iter().map(CheckedBatch::run);
            batches.chain(i.receipts.iter().map(|r| &r.run))
        })
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let heads = sql::all(
        connection,
        "select run.id, run.seq, run.host, run.epoch, run.next_seq, run.chain, run.state, run.ended_at_ms \
         from json_each(?1) wanted join run on run.id = wanted.value",
        [json!(wanted).to_string()],
        head_of,
    )?;
    Ok(heads.into_iter().collect())
}

fn head_of(row: &Row<'_>) -> Result<(RunId, Head), StoreError> {
    let id: RunId = sql::parsed(row, 0, "run id")?;
    let chain = match row.get::<_, Option<Vec<u8>>>(5)? {
        Some(bytes) => digest_of(&bytes)?,
        None => chain_start(&id),
    };
    let head = Head {
        row: row.get(1)?,
        host: row.get(2)?,
        epoch: unsigned(row.get(3)?),
        next_seq: unsigned(row.get(4)?),
        chain,
        state: row.get(6)?,
        ended_at_ms: row.get::<_, Option<i64>>(7)?.map(unsigned),
        outcome: None,
        dirty: false,
    };
    Ok((id, head))
}

pub(crate) fn digest_of(bytes: &[u8]) -> Result<Digest, StoreError> {
    let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| StoreError::unreadable("chain", "not 32 bytes"))?;
    Ok(Digest::from_bytes(bytes))
}

fn append(
    connection: &Connection,
    heads: &mut HashMap<RunId, Head>,
    changes: &mut Changes,
    host: &HostId,
    mut batch: CheckedBatch,
    result: &mut Ingested,
) -> Result<(), StoreError> {
    let run = batch.run.clone();
    let mut reject = |code, message: String| {
        result.rejected.push(Rejected {
            run: run.clone(),
            code,
            message,
        });
    };
    let Some(head) = heads.get_mut(&run) else {
        reject(RejectCode::UnknownRun, format!("there is no run {run}"));
        return Ok(());
    };
    if head.host.as_deref() != Some(host.as_str()) {
        reject(RejectCode::NotOwner, format!("run {run} belongs to another host"));
        return Ok(());
    }
    if head.epoch != batch.epoch {
        let message = format!("epoch {} is not the current one, {}", batch.epoch, head.epoch);
        reject(RejectCode::StaleEpoch, message);
        return Ok(());
    }
    if batch.first_seq > head.next_seq {
        reject(
            RejectCode::Gap,
            format!("expected record {}, got {}", head.next_seq, batch.first_seq),
        );
    } else if batch.next_seq() <= head.next_seq {
        if differs_from_stored(connection, head, changes, &batch)? {
            reject(
                RejectCode::Conflict,
                format!("other records are stored from {} on", batch.first_seq),
            );
        }
    } else if head.ended_at_ms.is_some() {
        reject(
            RejectCode::Conflict,
            format!("run {run} has ended with record {}", head.next_seq - 1),
        );
    } else {
        batch.skip_to(head.next_seq);
        if batch.chain_after(head.chain) == batch.chain {
            accept(head, changes, batch);
            let outcome = head.outcome.clone();
            match result.changed.iter_mut().find(|changed| changed.run == run) {
                Some(changed) => changed.outcome = outcome,
                None => result.changed.push(Changed {
                    run: run.clone(),
                    outcome,
                }),
            }
        } else {
            let message = format!(
                "the chain value after record {} is not what the lines give",
                batch.next_seq() - 1
            );
            reject(RejectCode::BrokenChain, message);
        }
    }
    let stored = (run, head.next_seq.checked_sub(1));
    match result.acknowledged.iter_mut().find(|known| known.0 == stored.0) {
        Some(known) => *known = stored,
        None => result.acknowledged.push(stored),
    }
    Ok(())
}

/// A repeated batch is compared with the stored one where both begin and end alike; hosts repeat the batches they cut.
fn differs_from_stored(
    connection: &Connection,
    head: &Head,
    changes: &Changes,
    batch: &CheckedBatch,
) -> Result<bool, StoreError> {
    if batch.next_seq() == head.next_seq {
        return Ok(batch.chain != head.chain);
    }
    let pending = changes.batches.iter().any(|row| {
        row.get(0) == Some(&Value::from(head.row)) && row.get(1) == Some(&Value::from(batch.first_seq))
    });
    if pending {
        return Ok(false);
    }
    let stored: Option<Vec<u8>> = sql::first(
        connection,
        "select chain from batch where run = ?1 and first_seq = ?2 and count = ?3",
        params![head.row, signed(batch.first_seq), signed(batch.ends.len() as u64)],
        |row| Ok(row.get(0)?),
    )?;
    Ok(stored.is_some_and(|stored| stored != batch.chain.as_bytes()))
}

fn accept(head: &mut Head, changes: &mut Changes, batch: CheckedBatch) {
    changes.batches.push(json!([
        head.row,
        batch.first_seq,
        batch.ends.len(),
        batch.epoch,
        batch.chain.hex(),
        changes.arena.len() + 1,
        batch.lines.len()
    ]));
    changes.arena.extend_from_slice(&batch.lines);
    head.next_seq = batch.next_seq();
    head.chain = batch.chain;
    head.dirty = true;
    if head.state == "queued" {
        "running".clone_into(&mut head.state);
    }
    for event in batch.events {
        project(head, changes, event);
    }
}

fn project(head: &mut Head, changes: &mut Changes, event: Projected) {
    match event.what {
        Projection::Requested {
            approval,
            step,
            title,
            show,
            approvers,
            expires_at_ms,
        } => {
            "waiting".clone_into(&mut head.state);
            let row = json!([
                approval,
                head.row,
                step,
                title,
                show,
                approvers,
                event.at_ms,
                expires_at_ms
            ]);
            changes.requested.push(row);
        }
        Projection::Decided {
            approval,
            approved,
            by,
            comment,
            at_ms,
        } => {
            "running".clone_into(&mut head.state);
            let state = if approved { "approved" } else { "rejected" };
            changes
                .answered
                .push(json!([approval, head.row, state, by, comment, at_ms]));
        }
        Projection::Ended { state, outcome } => {
            state.clone_into(&mut head.state);
            head.ended_at_ms = Some(event.at_ms);
            head.outcome = Some(outcome);
            changes.ended_rows.push(head.row);
        }
    }
}

fn keep_receipt(
    heads: &HashMap<RunId, Head>,
    changes: &mut Changes,
    host: &HostId,
    receipt: NewReceipt,
    result: &mut Ingested,
) {
    let refused = match heads.get(&receipt.run) {
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
        Some(head) => {
            changes.receipts.push(json!([head.row, receipt.envelope]));
            None
        }
    };
    match refused {
        Some((code, message)) => result.rejected.push(Rejected {
            run: receipt.run,
            code,
            message,
        }),
        None => result.receipts.push(receipt.run),
    }
}
