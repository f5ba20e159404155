//! What the trials of one operation begin with: its examples, the services that their mocks describe, and what it may use.

use std::collections::BTreeMap;
use std::time::Duration;

use flowforge_ports::Operation;
use flowforge_protocol::grants::NodeGrants;
use flowforge_protocol::{Digest, FailureKind};
use flowforge_runtime::Limits;
use flowforge_runtime::artefacts::FileStore;
use serde_json::{Map, Value, json};

use crate::TestError;
use crate::case::{grants, told};
use crate::files::{keep, put_in};
use crate::mock::Mock;
use crate::network::Fault;
use crate::play::{Ended, Play, Played, Profile, Stage};
use crate::services::Slot;
use crate::suite::{Case, Suite};

use super::CORPUS;
use super::inputs::Maker;

/// Instructions of one attempt in a trial: some ten times what a step of a workflow gets done in a second.
const INSTRUCTIONS: u64 = 4_000_000_000;

/// Where the clock of a trial begins: 2026-01-01 00:00 UTC, in milliseconds.
const BEGIN_MS: u64 = 1_767_225_600_000;

/// Where it begins in the trial that looks like production: 2027-09-14 09:26 UTC, in milliseconds.
const PRODUCTION_MS: u64 = 1_820_913_960_000;

/// Artefacts that trials pass on: name, media type, content.
const ARTEFACTS: [(&str, &str, &[u8]); 4] = [
    ("empty.txt", "text/plain", b""),
    ("rows.csv", "text/csv", b"a,b\n1,2\n\"x\ny\",\n"),
    ("value.json", "application/json", b"{\"a\": [1, null, \"x\"]}"),
    (
        "bytes.bin",
        "application/octet-stream",
        &[0, 255, 254, 128, 10, 13, 0, 61],
    ),
];

/// One operation and what its trials begin with.
pub(super) struct Setting<'a> {
    pub(super) operation: &'a Operation,
    pub(super) examples: Vec<Example>,
    mocks: Vec<Mock>,
    secrets: BTreeMap<String, String>,
    /// Stands for all examples when it is asked what the trials may use.
    case: Case,
}

/// One example of the author's.
pub(super) struct Example {
    /// What says so: `tests/label.yaml:3`.
    pub(super) place: String,
    pub(super) input: Map<String, Value>,
}

/// One call of a trial.
pub(super) struct Trying<'t> {
    pub(super) input: &'t Map<String, Value>,
    pub(super) fault: Fault,
    /// Tells the randomness of one trial from that of another.
    pub(super) name: &'t [u8],
    pub(super) production: bool,
    /// By how much the clock goes back once the call has begun, in milliseconds.
    pub(super) back_ms: u64,
}

impl<'t> Trying<'t> {
    pub(super) fn of(input: &'t Map<String, Value>, name: &'t [u8]) -> Self {
        Self {
            input,
            fault: Fault::default(),
            name,
            production: false,
            back_ms: 0,
        }
    }
}

impl<'a> Setting<'a> {
    /// What the suite says of this operation. An example whose files cannot be read is left out; the author's tests tell it.
    pub(super) async fn of(stage: &Stage, operation: &'a Operation, suite: Option<&Suite>) -> Self {
        let mut setting = Self {
            operation,
            examples: Vec::new(),
            mocks: Vec::new(),
            secrets: BTreeMap::new(),
            case: Case::none(&operation.name),
        };
        let cases = suite
            .into_iter()
            .flat_map(|suite| suite.cases.iter().map(move |case| (suite, case)));
        for (suite, case) in cases.filter(|(_, case)| case.operation == operation.name) {
            let input = put_in(&Value::Object(case.input.clone()), &suite.folder, &stage.store).await;
            if let Ok(Value::Object(input)) = input {
                setting.examples.push(Example {
                    place: format!("{}:{}", case.file, case.line),
                    input,
                });
            }
            setting.mocks.extend(case.mocks.iter().cloned());
            setting.secrets.extend(case.secrets.clone());
        }
        setting.case.mocks.clone_from(&setting.mocks);
        setting.case.secrets.clone_from(&setting.secrets);
        setting
    }

    /// Makes one call of a trial.
    pub(super) async fn try_call(
        &self,
        stage: &Stage,
        component: &Digest,
        trying: Trying<'_>,
    ) -> Result<Played, TestError> {
        let seed = Digest::of_parts(&[
            component.as_bytes(),
            CORPUS,
            self.operation.name.as_bytes(),
            trying.name,
            &[u8::from(trying.production)],
        ]);
        let profile = Profile {
            seed,
            step: if trying.production {
                "orders[41].notify"
            } else {
                "trial"
            },
            begin_ms: if trying.production {
                PRODUCTION_MS
            } else {
                BEGIN_MS
            },
            back_ms: trying.back_ms,
        };
        stage.network.set_trial(&self.mocks, &profile.key(), trying.fault);
        let (grants, slots) = self.grants(stage);
        stage
            .play(Play {
                operation: self.operation.name.clone(),
                input: trying.input.clone(),
                grants,
                slots,
                limits: Limits {
                    instructions: Some(INSTRUCTIONS),
                    // Instructions are the bound, so that a slow machine finds nothing else than a fast one.
                    cpu: Duration::from_hours(1),
                    ..Limits::default()
                },
                profile,
            })
            .await
    }

    fn grants(&self, stage: &Stage) -> (NodeGrants, BTreeMap<String, Slot>) {
        let (grants, slots, _) = grants(stage.interface(), &self.case);
        (grants, slots)
    }
}

/// What makes up values, with its artefacts in the store.
pub(super) async fn maker(store: &FileStore) -> Result<Maker, TestError> {
    let mut artefacts = Vec::new();
    for (name, media_type, bytes) in ARTEFACTS {
        let (digest, size) = keep(bytes, store)
            .await
            .map_err(|error| TestError::Machine(std::io::Error::other(error)))?;
        artefacts.push(json!({ "digest": digest, "name": name, "media_type": media_type, "size": size }));
    }
    Ok(Maker { artefacts })
}

/// What is wrong with how a call ended, if no connector should end so: it broke, or reached a limit of the sandbox.
pub(super) fn broken(ended: &Ended) -> Option<String> {
    match ended {
        Ended::Failure(failure) if matches!(failure.kind, FailureKind::Internal | FailureKind::Limit) => {
            Some(told(failure))
        }
        Ended::Broken(reason) => Some(reason.clone()),
        Ended::Failure(_) | Ended::Result(_) => None,
    }
}
