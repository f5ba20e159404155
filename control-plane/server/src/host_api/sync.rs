//! The documents of `flowforge_protocol::sync` in the words of GraphQL.

use async_graphql::{InputObject, Result, SimpleObject};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::progress::{MAX_PROGRESS, StepProgress};
use flowforge_protocol::sync::{
    AskedRun, Lanes, ReceiptUpload, RefusedJob, RestingRun, Silence, SyncReply, SyncRequest,
};

use crate::api::{CODE_ARGUMENT, Long, coded};

/// Things of one kind in one call, at most.
pub(super) const MAX_ITEMS: usize = 4_096;
/// Resting runs that are listed, at most: as many as a host may hold.
const MAX_RESTING: usize = 100_000;
/// Longest word of a step about its progress, in bytes.
const MAX_PROGRESS_BYTES: usize = 256;
/// Longest reason of a resting run, in bytes.
const MAX_REASON_BYTES: usize = 8_000;

/// A job the host will not do.
#[derive(InputObject)]
pub(crate) struct RefusedJobInput {
    job: String,
    /// `FF-ADM-…` or `FF-JOB-…`.
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

/// How many orders of each lane may come. The lanes are apart, so that neither fills the other's place.
#[derive(InputObject)]
pub(crate) struct LanesInput {
    /// Orders that bring a run; at most 256.
    starts: u32,
    /// Orders for runs that are at the host; at most 256.
    changes: u32,
}

/// A time in which the host had no answer, by its clock.
#[derive(InputObject)]
pub(crate) struct SilenceInput {
    from_ms: Long,
    to_ms: Long,
}

/// A run that does not go on until something is mended.
#[derive(InputObject)]
pub(crate) struct RestingRunInput {
    run: String,
    /// For people.
    reason: String,
}

/// How far an attempt is that is under way.
#[derive(InputObject)]
pub(crate) struct StepProgressInput {
    run: String,
    step: String,
    attempt: u32,
    /// From 0 to 100.
    percent: Option<u8>,
    /// One line for people.
    message: Option<String>,
    /// By the host's clock.
    at_ms: Long,
}

/// A run of which the host asks how far it is stored.
#[derive(InputObject)]
pub(crate) struct AskedRunInput {
    run: String,
    /// Fencing number under which the host has it.
    epoch: Long,
}

/// What a host brings and asks for.
#[derive(InputObject)]
pub(crate) struct SyncInput {
    /// The tenant that the host serves.
    workspace: String,
    /// The life of the host's journal: 32 hexadecimal digits.
    host_incarnation: String,
    /// The life of this server's store as the host knows it.
    plane_incarnation: Option<String>,
    /// Jobs the host has made durable.
    received: Vec<String>,
    /// Jobs the host will not do.
    refused: Vec<RefusedJobInput>,
    batches: Vec<RecordBatchInput>,
    receipts: Vec<ReceiptInput>,
    /// Runs of which the host asks how far they are stored.
    asked: Vec<AskedRunInput>,
    lanes: LanesInput,
    /// How long to wait for an order when there is none; at most 25000.
    wait_ms: u32,
    /// The `delivery` of the last answer with orders that arrived at the host: what was lost on the way comes again at
    /// once.
    seen_delivery: Option<Long>,
    /// No new runs, please: the host is at its limit.
    busy: Option<bool>,
    /// The time before this call in which the host had no answer, said once.
    silence: Option<SilenceInput>,
    /// Every run that rests; absent: as said before.
    resting: Option<Vec<RestingRunInput>>,
    /// How far every attempt is that has said so, at most 256; absent: as said before.
    progress: Option<Vec<StepProgressInput>>,
}

impl SyncInput {
    /// The call with its identifiers and lines read. One that cannot be read refuses the whole call: it is a mistake of
    /// the host's program, not a state to be kept.
    pub(crate) fn read(self, workspace: &str) -> Result<SyncRequest> {
        let wrong = |error: &dyn std::fmt::Display| coded(error.to_string(), CODE_ARGUMENT);
        if self.workspace != workspace {
            return Err(wrong(&format!("this server serves workspace `{workspace}`")));
        }
        let counts = [
            self.received.len(),
            self.refused.len(),
            self.batches.len(),
            self.receipts.len(),
            self.asked.len(),
        ];
        let resting = self.resting.as_ref().map_or(0, Vec::len);
        let progress = self.progress.as_ref().map_or(0, Vec::len);
        if progress > MAX_PROGRESS {
            return Err(wrong(&format!(
                "progress of more than {MAX_PROGRESS} steps in one call"
            )));
        }
        if counts.into_iter().any(|count| count > MAX_ITEMS) || resting > MAX_RESTING {
            return Err(wrong(&format!(
                "more than {MAX_ITEMS} items of one kind in one call"
            )));
        }
        let read_refused = |refused: RefusedJobInput| -> Result<RefusedJob> {
            Ok(RefusedJob {
                job: refused.job.parse().map_err(|e| wrong(&e))?,
                code: refused.code,
                message: refused.message,
            })
        };
        let read_receipt = |receipt: ReceiptInput| -> Result<ReceiptUpload> {
            Ok(ReceiptUpload {
                run: receipt.run.parse().map_err(|e| wrong(&e))?,
                envelope: receipt.envelope,
            })
        };
        Ok(SyncRequest {
            workspace: self.workspace,
            host_incarnation: self.host_incarnation.parse().map_err(|e| wrong(&e))?,
            plane_incarnation: match self.plane_incarnation {
                Some(text) => Some(text.parse().map_err(|e| wrong(&e))?),
                None => None,
            },
            received: self
                .received
                .into_iter()
                .map(|job| job.parse().map_err(|e| wrong(&e)))
                .collect::<Result<_>>()?,
            refused: each(self.refused, read_refused)?,
            batches: self
                .batches
                .into_iter()
                .map(RecordBatchInput::read)
                .collect::<Result<_>>()?,
            receipts: each(self.receipts, read_receipt)?,
            asked: self
                .asked
                .into_iter()
                .map(|asked| {
                    Ok(AskedRun {
                        run: asked.run.parse().map_err(|e| wrong(&e))?,
                        epoch: asked.epoch.0,
                    })
                })
                .collect::<Result<_>>()?,
            lanes: Lanes {
                starts: self.lanes.starts,
                changes: self.lanes.changes,
            },
            wait_ms: self.wait_ms,
            seen_delivery: self.seen_delivery.map(|seen| seen.0),
            busy: self.busy,
            silence: self.silence.map(|silence| Silence {
                from_ms: silence.from_ms.0,
                to_ms: silence.to_ms.0,
            }),
            resting: match self.resting {
                Some(resting) => Some(each(resting, RestingRunInput::read)?),
                None => None,
            },
            progress: match self.progress {
                Some(progress) => Some(each(progress, StepProgressInput::read)?),
                None => None,
            },
        })
    }
}

fn each<T, U>(items: Vec<T>, read: impl Fn(T) -> Result<U>) -> Result<Vec<U>> {
    items.into_iter().map(read).collect()
}

impl RestingRunInput {
    fn read(self) -> Result<RestingRun> {
        let mut reason = self.reason;
        reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
        let wrong = |error: &dyn std::fmt::Display| coded(error.to_string(), CODE_ARGUMENT);
        Ok(RestingRun {
            run: self.run.parse().map_err(|e| wrong(&e))?,
            reason,
        })
    }
}

impl StepProgressInput {
    fn read(self) -> Result<StepProgress> {
        let wrong = |error: &dyn std::fmt::Display| coded(error.to_string(), CODE_ARGUMENT);
        let mut message = self.message;
        if let Some(message) = &mut message {
            message.truncate(message.floor_char_boundary(MAX_PROGRESS_BYTES));
        }
        Ok(StepProgress {
            run: self.run.parse().map_err(|e| wrong(&e))?,
            step: self.step.parse().map_err(|e| wrong(&e))?,
            attempt: self.attempt,
            percent: self.percent.map(|percent| percent.min(100)),
            message,
            at_ms: self.at_ms.0,
        })
    }
}

impl RecordBatchInput {
    fn read(self) -> Result<RecordBatch> {
        let wrong = |error: &dyn std::fmt::Display| coded(error.to_string(), CODE_ARGUMENT);
        Ok(RecordBatch {
            run: self.run.parse().map_err(|e| wrong(&e))?,
            epoch: self.epoch.0,
            first_seq: self.first_seq.0,
            count: self.count,
            chain: self.chain.parse().map_err(|e| wrong(&e))?,
            lines: STANDARD
                .decode(self.lines)
                .map_err(|e| wrong(&format!("`lines`: {e}")))?,
        })
    }
}

/// What the host learns and gets.
#[derive(SimpleObject)]
pub(crate) struct SyncPayload {
    workspace: String,
    /// The life of this server's store: 32 hexadecimal digits. Another than before: ask how far each run is stored.
    plane_incarnation: String,
    time_ms: Long,
    /// Signed orders that bring a run: DSSE envelopes as JSON text, by ascending sequence.
    starts: Vec<String>,
    /// Signed orders for runs that are at the host, in the same form.
    changes: Vec<String>,
    /// Number of this answer; 0 if it carries no orders. Orders that are neither received nor refused come again.
    delivery: Long,
    /// For every run with a batch in this call, and each one asked for: the last record stored.
    acknowledged: Vec<AcknowledgedNode>,
    /// What was not stored, with the reason. Nothing of it may be forgotten.
    rejected: Vec<RejectedNode>,
    /// Runs whose receipt is stored.
    receipts_stored: Vec<String>,
}

/// How far the records of a run are stored.
#[derive(SimpleObject)]
#[graphql(name = "Acknowledged")]
pub(crate) struct AcknowledgedNode {
    run: String,
    /// The last record stored here; null if none is.
    through: Option<Long>,
}

/// Something that was not stored.
#[derive(SimpleObject)]
#[graphql(name = "Rejected")]
pub(crate) struct RejectedNode {
    run: String,
    /// `gap`, `unknown_run`, `not_owner`, `stale_epoch`, `broken_chain`, `conflict`, `malformed`, `too_large`,
    /// `missing_value`, `invalid_receipt`.
    code: String,
    message: String,
}

impl SyncPayload {
    pub(crate) fn of(reply: SyncReply) -> Self {
        Self {
            workspace: reply.workspace,
            plane_incarnation: reply.plane_incarnation.to_string(),
            time_ms: reply.time_ms.into(),
            starts: reply.starts,
            changes: reply.changes,
            delivery: reply.delivery.into(),
            acknowledged: reply
                .acknowledged
                .into_iter()
                .map(|acknowledged| AcknowledgedNode {
                    run: acknowledged.run.to_string(),
                    through: acknowledged.through.map(Long),
                })
                .collect(),
            rejected: reply
                .rejected
                .into_iter()
                .map(|rejected| RejectedNode {
                    run: rejected.run.to_string(),
                    code: rejected.code.to_string(),
                    message: rejected.message,
                })
                .collect(),
            receipts_stored: reply.receipts_stored.iter().map(ToString::to_string).collect(),
        }
    }
}
