//! The input of `sync` in the words of the control plane's API, written from the request as it lies.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_protocol::record::RecordBatch;
use flowforge_protocol::{Digest, JobId, RunId};
use serde::{Serialize, Serializer};

use super::control::{ReceiptUpload, SyncRequest};
use crate::intake::RefusedJob;

/// The variables of the call.
#[derive(Serialize)]
pub(super) struct SyncVariables<'r> {
    input: SyncInput<'r>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SyncInput<'r> {
    received: Vec<ReceivedInput<'r>>,
    refused: Vec<RefusedInput<'r>>,
    batches: Vec<BatchInput<'r>>,
    receipts: Vec<ReceiptInput<'r>>,
    max_jobs: u32,
    wait_ms: u64,
    busy: Option<bool>,
    seen_delivery: Option<u64>,
}

#[derive(Serialize)]
struct ReceivedInput<'r> {
    job: &'r JobId,
}

#[derive(Serialize)]
struct RefusedInput<'r> {
    job: &'r JobId,
    code: &'r str,
    message: &'r str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchInput<'r> {
    run: &'r RunId,
    epoch: u64,
    first_seq: u64,
    count: u32,
    chain: Digest,
    #[serde(serialize_with = "base64")]
    lines: &'r [u8],
}

#[derive(Serialize)]
struct ReceiptInput<'r> {
    run: &'r RunId,
    envelope: &'r str,
}

fn base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

impl<'r> SyncVariables<'r> {
    /// The variables for this request.
    pub(super) fn of(request: &'r SyncRequest) -> Self {
        let input = SyncInput {
            received: request.received.iter().map(|job| ReceivedInput { job }).collect(),
            refused: request.refused.iter().map(RefusedInput::of).collect(),
            batches: request.batches.iter().map(BatchInput::of).collect(),
            receipts: request.receipts.iter().map(ReceiptInput::of).collect(),
            max_jobs: request.max_jobs,
            wait_ms: u64::try_from(request.wait.as_millis()).unwrap_or(u64::MAX),
            busy: request.busy,
            seen_delivery: request.seen_delivery,
        };
        Self { input }
    }
}

impl<'r> RefusedInput<'r> {
    fn of(refused: &'r RefusedJob) -> Self {
        Self {
            job: &refused.job,
            code: &refused.code,
            message: &refused.message,
        }
    }
}

impl<'r> BatchInput<'r> {
    fn of(batch: &'r RecordBatch) -> Self {
        Self {
            run: &batch.run,
            epoch: batch.epoch,
            first_seq: batch.first_seq,
            count: batch.count,
            chain: batch.chain,
            lines: &batch.lines,
        }
    }
}

impl<'r> ReceiptInput<'r> {
    fn of(receipt: &'r ReceiptUpload) -> Self {
        Self {
            run: &receipt.run,
            envelope: &receipt.envelope,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn every_part_has_the_name_the_api_gives_it() {
        let (run, job) = (RunId::from_entropy([1; 16]), JobId::from_entropy([2; 16]));
        let chain = Digest::of(b"chain");
        let request = SyncRequest {
            received: vec![job.clone()],
            refused: vec![RefusedJob {
                job: job.clone(),
                code: "FF-ADM-001".to_owned(),
                message: "no".to_owned(),
            }],
            batches: vec![RecordBatch {
                run: run.clone(),
                epoch: 3,
                first_seq: 4,
                count: 1,
                chain,
                lines: b"{}\n".to_vec(),
            }],
            receipts: vec![ReceiptUpload {
                run: run.clone(),
                envelope: "signed".to_owned(),
            }],
            max_jobs: 5,
            wait: Duration::from_millis(6),
            seen_delivery: Some(7),
            busy: None,
        };
        assert_eq!(
            serde_json::to_value(SyncVariables::of(&request)).expect("JSON"),
            json!({ "input": {
                "received": [{ "job": job }],
                "refused": [{ "job": job, "code": "FF-ADM-001", "message": "no" }],
                "batches": [{ "run": run, "epoch": 3, "firstSeq": 4, "count": 1, "chain": chain, "lines": "e30K" }],
                "receipts": [{ "run": run, "envelope": "signed" }],
                "maxJobs": 5, "waitMs": 6, "busy": null, "seenDelivery": 7,
            } })
        );
    }
}
