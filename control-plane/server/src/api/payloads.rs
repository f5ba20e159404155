//! What the mutations take and give.

use async_graphql::{InputObject, SimpleObject, Union};

use super::connectors::PinnedConnectorNode;
use super::problems::{
    BusyProblem, CapabilityProblem, ConnectorProblem, InputProblem, ReleaseProblem, RequestConflictProblem,
    RunNotFoundProblem, RunStateProblem, SecretNotFoundProblem, SignatureProblem, VersionProblem,
    WorkflowNotFoundProblem, WorkflowProblem,
};
use super::runs::RunNode;
use super::scalars::{AnyJson, Long};
use super::secrets::{SecretDrafts, SecretNode};
use super::workflows::{DiagnosticNode, WorkflowNode};

/// A workflow file to be looked at.
#[derive(InputObject)]
pub(crate) struct CheckWorkflowInput {
    pub(crate) source: String,
    /// For messages.
    pub(crate) file_name: Option<String>,
    /// `workflow.lock`.
    pub(crate) lock: Option<String>,
    /// Configuration values in the place of those in the file.
    pub(crate) config: Option<AnyJson>,
}

/// What the lint says.
#[derive(SimpleObject)]
pub(crate) struct CheckWorkflowPayload {
    pub(crate) diagnostics: Vec<DiagnosticNode>,
    pub(crate) errors: usize,
    pub(crate) warnings: usize,
    pub(crate) nodes: usize,
    pub(crate) connectors: usize,
    /// The source with every offered fix applied; absent if there is nothing to fix.
    pub(crate) fixed_source: Option<String>,
}

/// A workflow file to be released.
#[derive(InputObject)]
pub(crate) struct PrepareReleaseInput {
    pub(crate) source: String,
    /// For messages.
    pub(crate) file_name: Option<String>,
    /// `workflow.lock`; connectors it does not name get their newest version.
    pub(crate) lock: Option<String>,
    /// Configuration values in the place of those in the file.
    pub(crate) config: Option<AnyJson>,
    /// True: documents of a draft, to be tried with `tryDraft` and never published.
    pub(crate) draft: Option<bool>,
}

#[derive(Union)]
pub(crate) enum PrepareReleasePayload {
    Prepared(PreparedRelease),
    Workflow(WorkflowProblem),
}

/// Documents to be signed as they are.
#[derive(SimpleObject)]
pub(crate) struct PreparedRelease {
    pub(crate) workflow: String,
    pub(crate) version: u32,
    /// Base64: the payload bytes of the release, to be signed as they are.
    pub(crate) release: String,
    /// Base64: the payload bytes of the grant set, to be signed as they are.
    pub(crate) grants: String,
    pub(crate) release_digest: String,
    /// The new content of `workflow.lock`.
    pub(crate) lock: String,
    pub(crate) diagnostics: Vec<DiagnosticNode>,
    pub(crate) summary: ReleaseSummary,
}

/// What a person reads before signing.
#[derive(SimpleObject)]
pub(crate) struct ReleaseSummary {
    pub(crate) title: String,
    pub(crate) nodes: usize,
    pub(crate) connectors: Vec<PinnedConnectorNode>,
    pub(crate) destinations: Vec<String>,
    pub(crate) secrets: Vec<String>,
}

/// `release` and `grants` are DSSE envelopes as JSON text.
#[derive(InputObject)]
pub(crate) struct PublishReleaseInput {
    pub(crate) release: String,
    pub(crate) grants: String,
    /// The workflow file, kept for people and compared with the release.
    pub(crate) source: Option<String>,
}

#[derive(Union)]
pub(crate) enum PublishReleasePayload {
    Success(PublishReleaseSuccess),
    Signature(SignatureProblem),
    Release(ReleaseProblem),
    Version(VersionProblem),
    Connector(ConnectorProblem),
    Workflow(WorkflowProblem),
}

/// The release is published.
#[derive(SimpleObject)]
pub(crate) struct PublishReleaseSuccess {
    pub(crate) workflow: WorkflowNode,
}

/// A run to be started.
#[derive(InputObject)]
pub(crate) struct StartRunInput {
    pub(crate) workflow: String,
    /// Without it: the newest.
    pub(crate) version: Option<u32>,
    /// Defaults to `{}`.
    pub(crate) input: Option<AnyJson>,
    /// Repeating a call with the same id and body gives the same run. At most 128 characters.
    pub(crate) client_request_id: Option<String>,
}

#[derive(Union)]
pub(crate) enum StartRunPayload {
    Success(StartRunSuccess),
    Input(InputProblem),
    NotFound(WorkflowNotFoundProblem),
    Conflict(RequestConflictProblem),
    Busy(BusyProblem),
    Held(CapabilityProblem),
}

/// The run is accepted and durable.
#[derive(SimpleObject)]
pub(crate) struct StartRunSuccess {
    pub(crate) run: RunNode,
    /// True if an earlier call with the same `clientRequestId` started it.
    pub(crate) duplicate: bool,
}

/// A run to be stopped.
#[derive(InputObject)]
pub(crate) struct CancelRunInput {
    /// An id, a unique prefix of one, or `last`.
    pub(crate) id: String,
    pub(crate) reason: Option<String>,
    /// How long attempts that are under way may go on, at most an hour; 0: they are stopped at once.
    pub(crate) grace_ms: Option<Long>,
}

#[derive(Union)]
pub(crate) enum CancelRunPayload {
    Success(CancelRunSuccess),
    NotFound(RunNotFoundProblem),
    State(RunStateProblem),
}

/// The run is stopped, or its host has been told to stop it.
#[derive(SimpleObject)]
pub(crate) struct CancelRunSuccess {
    pub(crate) run: RunNode,
}

/// `destinations`: where the value may be sent, `scheme://name[:port]`; at least one, except for the kinds `hmac-key`
/// and `opaque`.
#[derive(InputObject)]
pub(crate) struct SetSecretInput {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) value: String,
    pub(crate) destinations: Vec<String>,
    /// Whether runs of drafts may use it; absent: they may not.
    pub(crate) drafts: Option<SecretDrafts>,
}

#[derive(Union)]
pub(crate) enum SetSecretPayload {
    Success(SetSecretSuccess),
    Input(InputProblem),
}

/// The value is kept, encrypted.
#[derive(SimpleObject)]
pub(crate) struct SetSecretSuccess {
    pub(crate) secret: SecretNode,
}

/// A secret to be forgotten.
#[derive(InputObject)]
pub(crate) struct DeleteSecretInput {
    pub(crate) name: String,
    /// True: its value is gone at once, and cannot come back. It may be in the trash already.
    pub(crate) purge: Option<bool>,
}

#[derive(Union)]
pub(crate) enum DeleteSecretPayload {
    Success(DeleteSecretSuccess),
    NotFound(SecretNotFoundProblem),
}

/// Nothing can use it any more.
#[derive(SimpleObject)]
pub(crate) struct DeleteSecretSuccess {
    pub(crate) name: String,
}
