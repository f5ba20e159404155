//! The calls of hosts: registration and the standing call.

use std::time::Duration;

use async_graphql::{InputObject, Result, SimpleObject, Union};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_protocol::record::RecordBatch;

use super::faults::{CODE_ARGUMENT, coded};
use super::problems::RegistrationProblem;
use super::scalars::Long;
use crate::registration::Registration;
use crate::sync::{MAX_WAIT, RefusedJob, SyncReply, SyncRequest};

/// What a host says about itself.
#[derive(InputObject)]
pub(crate) struct RegisterHostInput {
    /// From host-join.json.
    token: String,
    /// 1 to 64 characters: letters, digits, `-`, `_`, `.`.
    name: String,
    /// Base64 of the 32 bytes of the Ed25519 public key.
    identity_key: String,
    /// Base64 of the 32 bytes of the X25519 public key.
    seal_key: String,
    /// DSSE envelope (JSON text) of a host registration, signed with the identity key.
    proof: String,
}

impl From<RegisterHostInput> for Registration {
    fn from(input: RegisterHostInput) -> Self {
        Self {
            token: input.token,
            name: input.name,
            identity_key: input.identity_key,
            seal_key: input.seal_key,
            proof: input.proof,
        }
    }
}

/// The same identity key always gets the same host id; a new session ends the one before.
#[derive(SimpleObject)]
pub(crate) struct RegisterHostSuccess {
    pub(crate) host_id: String,
    /// The bearer token of the host's calls.
    pub(crate) session: String,
    pub(crate) workspace: String,
    pub(crate) time_ms: Long,
}

#[derive(Union)]
pub(crate) enum RegisterHostPayload {
    Success(RegisterHostSuccess),
    Problem(RegistrationProblem),
}

/// A job the host has made durable.
#[derive(InputObject)]
pub(crate) struct ReceivedJobInput {
    job: String,
}

/// A job the host will not do.
#[derive(InputObject)]
pub(crate) struct RefusedJobInput {
    job: String,
    code: String,
    message: String,
}

/// Consecutive records of one run.
#[derive(InputObject)]
pub(crate) struct RecordBatchInput {
    run: String,
    /// Fencing number under which they were written.
    epoch: Long,
    first_seq: Long,
    count: u32,
    /// Chain value after the last line.
    chain: String,
    /// Base64 of `count` lines of JSON, each ended by a line feed. At most 4 MiB of lines a batch.
    lines: String,
}

/// What a host signs when a run ends.
#[derive(InputObject)]
pub(crate) struct ReceiptInput {
    run: String,
    /// DSSE envelope as JSON text, signed with the host's identity key.
    envelope: String,
}

/// What a host brings and asks for.
#[derive(InputObject)]
pub(crate) struct SyncInput {
    /// Jobs the host has made durable.
    received: Option<Vec<ReceivedJobInput>>,
    /// Jobs the host will not do.
    refused: Option<Vec<RefusedJobInput>>,
    batches: Option<Vec<RecordBatchInput>>,
    receipts: Option<Vec<ReceiptInput>>,
    /// 0: bring nothing. At most 256.
    max_jobs: u32,
    /// The `delivery` of the last answer with jobs that arrived at the host: what was lost on the way comes again at
    /// once.
    seen_delivery: Option<Long>,
    /// How long to wait for a job when there is none; at most 25000.
    wait_ms: u32,
    /// No new runs, please: the host is at its limit.
    busy: Option<bool>,
}

/// Things of one kind in one call, at most.
const MAX_ITEMS: usize = 4_096;

impl SyncInput {
    /// The call with its identifiers and lines read. One that cannot be read refuses the whole call: it is a mistake of
    /// the host's program, not a state to be kept.
    pub(crate) fn read(self) -> Result<SyncRequest> {
        let wrong = |error: &dyn std::fmt::Display| coded(error.to_string(), CODE_ARGUMENT);
        let received = self.received.unwrap_or_default();
        let refused = self.refused.unwrap_or_default();
        let batches = self.batches.unwrap_or_default();
        let receipts = self.receipts.unwrap_or_default();
        if [received.len(), refused.len(), batches.len(), receipts.len()]
            .into_iter()
            .any(|count| count > MAX_ITEMS)
        {
            return Err(wrong(&format!(
                "more than {MAX_ITEMS} items of one kind in one call"
            )));
        }
        let read_batch = |batch: RecordBatchInput| -> Result<RecordBatch> {
            Ok(RecordBatch {
                run: batch.run.parse().map_err(|e| wrong(&e))?,
                epoch: batch.epoch.0,
                first_seq: batch.first_seq.0,
                count: batch.count,
                chain: batch.chain.parse().map_err(|e| wrong(&e))?,
                lines: STANDARD
                    .decode(batch.lines)
                    .map_err(|e| wrong(&format!("`lines`: {e}")))?,
            })
        };
        let read_refused = |refused: RefusedJobInput| -> Result<RefusedJob> {
            Ok(RefusedJob {
                job: refused.job.parse().map_err(|e| wrong(&e))?,
                code: refused.code,
                message: refused.message,
            })
        };
        Ok(SyncRequest {
            received: received
                .into_iter()
                .map(|said| said.job.parse().map_err(|e| wrong(&e)))
                .collect::<Result<_>>()?,
            refused: refused.into_iter().map(read_refused).collect::<Result<_>>()?,
            batches: batches.into_iter().map(read_batch).collect::<Result<_>>()?,
            receipts: receipts
                .into_iter()
                .map(|receipt| Ok((receipt.run.parse().map_err(|e| wrong(&e))?, receipt.envelope)))
                .collect::<Result<_>>()?,
            max_jobs: usize::try_from(self.max_jobs).unwrap_or(usize::MAX),
            wait: Duration::from_millis(u64::from(self.wait_ms)).min(MAX_WAIT),
            busy: self.busy,
            seen_delivery: self.seen_delivery.map(|seen| seen.0),
        })
    }
}

/// What the host learns and gets.
#[derive(SimpleObject)]
pub(crate) struct SyncPayload {
    /// Signed jobs: DSSE envelopes as JSON text, by ascending sequence.
    jobs: Vec<String>,
    /// Number of this answer; 0 if it carries no jobs. Jobs that are neither received nor refused come again.
    delivery: Long,
    /// For every run with a batch in this call: the last record stored.
    acknowledged: Vec<Acknowledged>,
    /// Batches and receipts that were not stored, with the reason.
    rejected: Vec<RejectedNode>,
    /// Runs whose receipt is stored.
    receipts_stored: Vec<String>,
    /// Another one than before: what this control plane has acknowledged may be gone, because it was restored or started
    /// anew. Nothing that it does not know may be deleted; what it does know it says for every batch.
    incarnation: String,
    time_ms: Long,
}

/// How far the records of a run are stored.
#[derive(SimpleObject)]
pub(crate) struct Acknowledged {
    run: String,
    /// The last record stored here; null if none is.
    seq: Option<Long>,
}

/// Something that was not stored.
#[derive(SimpleObject)]
#[graphql(name = "Rejected")]
pub(crate) struct RejectedNode {
    run: String,
    /// `unknown_run`, `not_owner`, `stale_epoch`, `gap`, `broken_chain`, `malformed`, `conflict`, `invalid_receipt`.
    code: String,
    message: String,
}

impl SyncPayload {
    pub(crate) fn new(reply: SyncReply, incarnation: &str, now_ms: u64) -> Self {
        Self {
            jobs: reply.jobs.iter().map(|envelope| envelope.to_string()).collect(),
            delivery: reply.delivery.into(),
            acknowledged: reply
                .acknowledged
                .into_iter()
                .map(|(run, seq)| Acknowledged {
                    run: run.to_string(),
                    seq: seq.map(Long),
                })
                .collect(),
            rejected: reply
                .rejected
                .into_iter()
                .map(|(run, code, message)| RejectedNode {
                    run: run.to_string(),
                    code: code.to_owned(),
                    message,
                })
                .collect(),
            receipts_stored: reply.receipts_stored.iter().map(ToString::to_string).collect(),
            incarnation: incarnation.to_owned(),
            time_ms: now_ms.into(),
        }
    }
}
