//! A published release as the server uses it: verified once, then kept ready.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use flowforge_protocol::envelope::{OpenError, Signed};
use flowforge_protocol::grants::GrantSet;
use flowforge_protocol::release::Release;
use flowforge_protocol::{Digest, TrustRoot};
use flowforge_store::StoredRelease;
use flowforge_workflow::model::Workflow;
use flowforge_workflow::{InputProblem, complete_input, input_schema};
use serde_json::{Map, Value};

/// Why a release cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReleaseError {
    #[error(transparent)]
    Signature(#[from] OpenError),
    #[error("the definition in the release is not readable: {0}")]
    Definition(String),
}

/// What a pinned connector asks of hosts and people.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) connector: String,
    pub(crate) version: String,
    /// In words such as `http https://a.example`.
    pub(crate) capabilities: BTreeSet<String>,
}

/// A release ready to start runs.
pub(crate) struct ReadyRelease {
    pub(crate) stored: StoredRelease,
    pub(crate) release: Release,
    pub(crate) grants: GrantSet,
    pub(crate) workflow: Workflow,
    pub(crate) input_schema: Value,
    validator: jsonschema::Validator,
    /// True if an input that fits lacks nothing: there is no default to fill in and no field that may be left out.
    complete: bool,
    asked: OnceLock<Vec<Asked>>,
}

impl std::fmt::Debug for ReadyRelease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "ReadyRelease({} v{})",
            self.stored.workflow, self.stored.version
        )
    }
}

impl ReadyRelease {
    /// Verifies both envelopes and prepares what every start needs.
    pub(crate) fn new(stored: StoredRelease, trust: &TrustRoot) -> Result<Self, ReleaseError> {
        let release =
            Signed::<Release>::open(stored.envelope.as_bytes(), &trust.release_keys)?.into_document();
        let grants = Signed::<GrantSet>::open(stored.grants.as_bytes(), &trust.grant_keys)?.into_document();
        let wrong = |error: &dyn std::fmt::Display| ReleaseError::Definition(error.to_string());
        let workflow: Workflow = serde_json::from_value(release.definition.clone()).map_err(|e| wrong(&e))?;
        let input_schema = input_schema(&workflow);
        let validator = jsonschema::validator_for(&input_schema).map_err(|e| wrong(&e))?;
        let complete = workflow
            .input
            .iter()
            .all(|field| field.default.is_none() && !field.optional);
        Ok(Self {
            stored,
            release,
            grants,
            workflow,
            input_schema,
            validator,
            complete,
            asked: OnceLock::new(),
        })
    }

    /// What its connectors ask for. It is looked up once; as long as not all of it is found, each time.
    pub(crate) fn asked(&self, look_up: impl FnOnce() -> (Vec<Asked>, bool)) -> Result<&[Asked], Vec<Asked>> {
        if let Some(asked) = self.asked.get() {
            return Ok(asked);
        }
        match look_up() {
            (asked, true) => Ok(self.asked.get_or_init(|| asked)),
            (asked, false) => Err(asked),
        }
    }

    pub(crate) fn digest(&self) -> Digest {
        self.stored.digest
    }

    /// The input as the run gets it, with defaults; or what is wrong with it, each with its path.
    pub(crate) fn complete(&self, input: Value) -> Result<Value, Vec<InputProblem>> {
        // The compiled schema answers for the usual case; only the other one pays for good messages.
        if self.complete && self.validator.is_valid(&input) {
            return Ok(input);
        }
        complete_input(&self.workflow, &input)
    }

    /// The fields of a request or an event that the input names, and the others: senders add fields at any time. A workflow
    /// that refuses others gets all of them as its input, which then does not fit.
    pub(crate) fn parted(&self, body: Value) -> (Value, Option<Value>) {
        let Value::Object(fields) = body else {
            return (body, None);
        };
        if self.workflow.refuses_additional {
            return (Value::Object(fields), None);
        }
        let is_named = |name: &String| self.workflow.input.iter().any(|field| field.name == *name);
        let (named, others): (Map<_, _>, Map<_, _>) =
            fields.into_iter().partition(|(name, _)| is_named(name));
        let others = (!others.is_empty()).then_some(Value::Object(others));
        (Value::Object(named), others)
    }

    /// Names of the secrets that its nodes may use.
    pub(crate) fn secrets(&self) -> BTreeSet<&str> {
        let grants = self.grants.nodes.values().flat_map(|node| node.secrets.values());
        grants.map(|grant| grant.secret.as_str()).collect()
    }
}
