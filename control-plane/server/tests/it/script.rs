//! The records of one run, as a scripted host writes them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::chain::chain_start;
use flowforge_protocol::job::{Job, Order};
use flowforge_protocol::record::{Accepted, Event, Origin, Outcome, RECORD_VERSION, Record, Source};
use flowforge_protocol::value::{Salt, Sealer};
use flowforge_protocol::{Digest, RunId};
use serde_json::{Value, json};

use crate::support::{FakeHost, Plane};

/// Writes the records of one run.
pub(crate) struct Script {
    pub(crate) run: RunId,
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
    pub(crate) chain: Digest,
    /// When the first record was written.
    begun_at_ms: u64,
}

impl Script {
    pub(crate) fn new(job: &Job) -> Self {
        Self {
            run: job.run_id.clone(),
            epoch: job.epoch,
            seq: 0,
            chain: chain_start(&job.run_id),
            begun_at_ms: job.issued_at_ms,
        }
    }

    /// The next records as a batch.
    pub(crate) fn batch(&mut self, events: Vec<Event>) -> Value {
        let mut batch = RecordBatch::after(self.run.clone(), self.epoch, self.seq, self.chain);
        for event in events {
            let record = Record {
                seq: self.seq,
                at_ms: self.begun_at_ms + self.seq,
                event,
            };
            batch.push_sealed(record, &mut salt).unwrap();
            self.seq += 1;
        }
        self.chain = batch.chain;
        json!({
            "run": batch.run, "epoch": batch.epoch, "firstSeq": batch.first_seq, "count": batch.count,
            "chain": batch.chain, "lines": STANDARD.encode(batch.lines),
        })
    }
}

pub(crate) fn accepted(job: &Job) -> Event {
    let Order::Start(start) = &job.order else {
        panic!("no start")
    };
    Event::Accepted(Box::new(Accepted {
        version: RECORD_VERSION,
        workspace: job.workspace.clone(),
        project: job.project.clone(),
        origin: Origin::Order {
            job: job.job_id.clone(),
        },
        release: start.release,
        grants: start.grants,
        input: start.input.clone().into(),
        trigger: start.trigger.clone(),
        extra: start.extra.clone().map(Into::into),
        lineage: start.lineage.clone(),
        until: start.until.clone(),
        given: start.given.keys().cloned().collect(),
        traceparent: job.traceparent.clone(),
    }))
}

pub(crate) fn completed(node: &str, output: Value) -> Event {
    Event::Completed {
        step: node.parse().unwrap(),
        attempt: 0,
        output: output.into(),
        elapsed_us: 5,
        used: Vec::new(),
        source: Source::Step,
    }
}

fn salt(bytes: &[u8]) -> Salt {
    let digest = Digest::of(bytes);
    Salt::from_entropy(digest.as_bytes()[..16].try_into().unwrap())
}

/// An outcome as the last record says it.
pub(crate) fn sealed(outcome: &Outcome) -> Outcome {
    let mut outcome = outcome.clone();
    if let Outcome::Done { output } = &mut outcome {
        let mut sealer = Sealer {
            salt: &mut salt,
            inline_bytes: usize::MAX,
            keep: None,
        };
        sealer.seal(output, &mut Vec::new()).unwrap();
    }
    outcome
}

pub(crate) fn done(output: Value) -> Outcome {
    Outcome::Done {
        output: output.into(),
    }
}

/// Runs a whole `sum` on the host: records, outcome, receipt.
pub(crate) async fn finish_sum(plane: &Plane, host: &FakeHost, job: &Job) -> Outcome {
    let Order::Start(start) = &job.order else {
        panic!("no start")
    };
    let total = start.input["a"].as_i64().unwrap() + start.input["b"].as_i64().unwrap();
    let outcome = done(json!({ "total": total }));
    let mut script = Script::new(job);
    let batch = script.batch(vec![
        accepted(job),
        completed("total", json!({ "value": total })),
        Event::Ended {
            outcome: outcome.clone(),
        },
    ]);
    let receipt = host.receipt(job, &script, &outcome);
    let input = json!({
        "received": [job.job_id], "batches": [batch], "receipts": [{"run": job.run_id, "envelope": receipt}],
    });
    let answer = host.sync(plane, input).await;
    assert_eq!(
        answer["acknowledged"],
        json!([{"run": job.run_id, "through": 2}]),
        "{answer:#}"
    );
    assert_eq!(answer["receiptsStored"], json!([job.run_id]), "{answer:#}");
    outcome
}
