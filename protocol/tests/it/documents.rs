//! One document of each kind, and the test keys that sign them.

use std::collections::BTreeMap;

use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::enrol::{HostRegistration, Nonce};
use flowforge_protocol::grants::{GrantSet, NodeGrants, SecretGrant};
use flowforge_protocol::job::{Job, Order, StartOrder};
use flowforge_protocol::receipt::Receipt;
use flowforge_protocol::record::{Accepted, Event, Origin, Outcome, RECORD_VERSION, Record, Source, Trigger};
use flowforge_protocol::release::{GrantRequest, PinnedConnector, Release};
use flowforge_protocol::seal::SealKey;
use flowforge_protocol::used::{Use, Used};
use flowforge_protocol::value::{Salt, Sealer};
use flowforge_protocol::verify::Asked;
use flowforge_protocol::{
    Digest, Document, HostId, JobId, Publication, RunId, SigningKey, StepKey, TrustRoot, envelope,
};
use serde_json::json;

/// The roles of the test keys; the number is every byte of the seed.
pub(crate) const RELEASE: u8 = 1;
pub(crate) const GRANTS: u8 = 2;
pub(crate) const SCHEDULER: u8 = 3;
pub(crate) const PUBLISHER: u8 = 4;
pub(crate) const HOST: u8 = 5;

pub(crate) fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

pub(crate) fn host_id() -> HostId {
    HostId::from_entropy([0xab; 16])
}

pub(crate) fn run_id() -> RunId {
    RunId::from_entropy([0xcd; 16])
}

pub(crate) fn job_id() -> JobId {
    JobId::from_entropy([0xef; 16])
}

pub(crate) fn trust_root() -> TrustRoot {
    let one = |n| vec![key(n).verifying_key()];
    TrustRoot {
        workspace: "default".to_owned(),
        version: 1,
        release_keys: one(RELEASE),
        grant_keys: one(GRANTS),
        scheduler_keys: one(SCHEDULER),
        publishers: BTreeMap::from([("demo".to_owned(), one(PUBLISHER))]),
    }
}

pub(crate) fn registration() -> HostRegistration {
    HostRegistration {
        labels: Vec::new(),
        workspace: "default".to_owned(),
        token: Some(Digest::of(b"token")),
        name: "press-7".to_owned(),
        identity_key: key(HOST).verifying_key(),
        seal_key: SealKey::from_seed(&[6; 32]).public(),
        issued_at_ms: 1_790_000_000_000,
        nonce: Nonce::from_entropy([8; 16]),
    }
}

pub(crate) fn publication() -> Publication {
    Publication {
        name: "demo:quake-text".parse().unwrap(),
        version: "0.1.0".to_owned(),
        layer_digest: Digest::of(b"quake-text"),
    }
}

pub(crate) fn release() -> Release {
    let definition =
        json!({"workflow": "earthquake-watch", "nodes": {"label": {"call": "demo:quake-text/label"}}});
    Release {
        workspace: "default".to_owned(),
        project: "default".to_owned(),
        workflow: "earthquake-watch".to_owned(),
        version: 1,
        title: "Reports the week’s earthquakes".to_owned(),
        definition_digest: Digest::of_json(&definition),
        definition,
        connectors: BTreeMap::from([(
            "demo:quake-text".to_owned(),
            PinnedConnector {
                version: "0.1.0".to_owned(),
                digest: Digest::of(b"quake-text"),
            },
        )]),
        calls: BTreeMap::from([("label".parse().unwrap(), "demo:quake-text".to_owned())]),
        children: BTreeMap::new(),
        values_stay: false,
        config: json!({"chat": "https://chat.example.com"})
            .as_object()
            .unwrap()
            .clone(),
        requests: vec![GrantRequest {
            node: "label".parse().unwrap(),
            destinations: vec!["https://chat.example.com:443".to_owned()],
            secrets: BTreeMap::from([("auth".to_owned(), "chat_token".to_owned())]),
        }],
        created_at_ms: 1_764_000_000_000,
    }
}

/// Digest of a document's payload bytes.
pub(crate) fn digest<T: Document>(document: &T) -> Digest {
    Digest::of(&envelope::payload(document).unwrap())
}

pub(crate) fn grant_set() -> GrantSet {
    let destination = "https://chat.example.com:443".to_owned();
    GrantSet {
        workspace: "default".to_owned(),
        project: "default".to_owned(),
        release: digest(&release()),
        version: 1,
        nodes: BTreeMap::from([(
            "label".parse().unwrap(),
            NodeGrants {
                destinations: vec![destination.clone()],
                secrets: BTreeMap::from([(
                    "auth".to_owned(),
                    SecretGrant {
                        secret: "chat_token".to_owned(),
                        kind: "bearer".to_owned(),
                        destinations: vec![destination],
                    },
                )]),
            },
        )]),
        created_at_ms: 1_764_000_000_000,
    }
}

pub(crate) fn job() -> Job {
    let input = json!({"threshold": 4.0});
    Job {
        job_id: job_id(),
        workspace: "default".to_owned(),
        project: "default".to_owned(),
        audience: host_id(),
        run_id: run_id(),
        epoch: 1,
        sequence: 7,
        issued_at_ms: 1_764_000_000_000,
        expires_at_ms: 1_764_000_900_000,
        order: Order::Start(Box::new(StartOrder {
            release: digest(&release()),
            grants: digest(&grant_set()),
            input_digest: Digest::of_json(&input),
            input,
            trigger: Trigger::Webhook {
                path: "earthquake-watch".to_owned(),
                content: None,
            },
            extra: None,
            lineage: None,
            reuse: None,
            given: BTreeMap::new(),
            until: None,
            lease_ms: None,
        })),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
    }
}

/// The records of the run that [`job`] starts: one step that uses the secret, then the end.
pub(crate) fn records() -> RecordBatch {
    let Order::Start(order) = job().order else {
        panic!("the job starts a run")
    };
    let step = StepKey::top("label".parse().unwrap());
    let events = [
        Event::Accepted(Box::new(Accepted {
            version: RECORD_VERSION,
            workspace: "default".to_owned(),
            project: "default".to_owned(),
            origin: Origin::Order { job: job_id() },
            release: order.release,
            grants: order.grants,
            input: order.input.into(),
            trigger: order.trigger,
            extra: None,
            lineage: None,
            until: None,
            given: Vec::new(),
            traceparent: None,
        })),
        Event::Intent {
            step: step.clone(),
            attempt: 1,
            input_digest: Digest::of(b"input"),
            will_use: Use::of(CHAT),
        },
        Event::Completed {
            step,
            attempt: 1,
            output: json!({"line": "M 6.4"}).into(),
            elapsed_us: 400,
            used: used(),
            source: Source::Step,
        },
        Event::Ended {
            outcome: Outcome::Done {
                output: json!({"count": 128}).into(),
            },
        },
    ];
    let mut batch = RecordBatch::beginning(run_id(), 1);
    for event in events {
        let seq = batch.next_seq();
        let record = Record {
            seq,
            at_ms: 1_764_000_001_000 + seq,
            event,
        };
        batch.push_sealed(record, &mut salt).unwrap();
    }
    batch
}

pub(crate) const CHAT: &str = "https://chat.example.com:443";

pub(crate) fn used() -> Vec<Used> {
    let used = |secret: Option<&str>| Used {
        destination: CHAT.to_owned(),
        secret: secret.map(str::to_owned),
        count: 1,
    };
    vec![used(None), used(Some("chat_token"))]
}

fn salt(bytes: &[u8]) -> Salt {
    let digest = Digest::of(bytes);
    Salt::from_entropy(digest.as_bytes()[..16].try_into().unwrap())
}

/// The run that [`receipt`] is about.
pub(crate) fn asked<'a>(
    run: &'a RunId,
    host: &'a HostId,
    key: &'a flowforge_protocol::VerifyingKey,
) -> Asked<'a> {
    Asked {
        run,
        host,
        key,
        epoch: 1,
    }
}

pub(crate) fn outcome() -> Outcome {
    let mut output = json!({"count": 128}).into();
    let mut sealer = Sealer {
        salt: &mut salt,
        inline_bytes: usize::MAX,
        keep: None,
    };
    sealer.seal(&mut output, &mut Vec::new()).unwrap();
    Outcome::Done { output }
}

pub(crate) fn receipt() -> Receipt {
    let records = records();
    Receipt {
        workspace: "default".to_owned(),
        project: "default".to_owned(),
        host: host_id(),
        run_id: run_id(),
        epoch: 1,
        job: job_id(),
        release: digest(&release()),
        grants: digest(&grant_set()),
        connectors: BTreeMap::from([("demo:quake-text".to_owned(), Digest::of(b"quake-text"))]),
        state: "done".to_owned(),
        outcome: outcome().digest(),
        steps: 1,
        records: u64::from(records.count),
        chain: records.chain,
        used: used(),
        ended_at_ms: 1_764_000_001_003,
    }
}
