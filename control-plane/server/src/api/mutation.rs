//! Changes. One input, one payload union each.

use std::sync::Arc;

use async_graphql::{Context, MergedObject, Object, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_core::{Action, Caller};
use flowforge_protocol::record::Trigger;
use flowforge_store::ClientRequest;
use serde_json::{Map, Value};

use super::arranging::Arranging;
use super::bulk::Bulk;
use super::capabilities::CapabilityChanges;
use super::codes::ProblemCode;
use super::connectors::PinnedConnectorNode;
use super::curation::CurationChanges;
use super::deciding::Deciding;
use super::deliveries::DeliveryChanges;
use super::drafts::DraftChanges;
use super::endpoint_changes::EndpointChanges;
use super::fault;
use super::groups::Groups;
use super::loads::{reading, reading_for};
use super::membership::MemberChanges;
use super::operations::Operations;
use super::own_account::OwnAccount;
use super::payloads::{
    CancelRunInput, CancelRunPayload, CancelRunSuccess, CheckWorkflowInput, CheckWorkflowPayload,
    PrepareReleaseInput, PrepareReleasePayload, PreparedRelease, PublishReleaseInput, PublishReleasePayload,
    PublishReleaseSuccess, ReleaseSummary, StartRunInput, StartRunPayload,
};
use super::polls::PollChanges;
use super::problems::{
    ConnectorProblem, FieldProblem, InputProblem, ReleaseProblem, RunNotFoundProblem, RunStateProblem,
    SignatureProblem, VersionProblem, WorkflowNotFoundProblem, WorkflowProblem,
};
use super::publisher_changes::PublisherChanges;
use super::query::{app, caller};
use super::runs::RunNode;
use super::scalars::AnyJson;
use super::secrets::SecretChanges;
use super::standing::HostChanges;
use super::trials::Trials;
use super::workflows::{DiagnosticNode, WorkflowNode};
use crate::apart::ApartError;
use crate::app::compile::{Checked, PrepareError, Source};
use crate::app::decisions::CancelOutcome;
use crate::app::publish::{Envelopes, PublishError};
use crate::app::starts::{StartOptions, StartRequest, new_run_id, request_body};
use crate::release::ReadyRelease;

/// Longest name a caller may give a request.
const MAX_REQUEST_ID: usize = 128;
/// Longest time that attempts of a cancelled run may go on, milliseconds: an hour.
const MAX_GRACE_MS: u64 = 3_600_000;

/// Who did something and why, as the records of a run keep it.
pub(super) fn reason_of(caller: &Caller, done: &str, why: Option<String>) -> String {
    let why: String = why.unwrap_or_default().chars().take(500).collect();
    let by = caller.actor.name();
    match why.as_str() {
        "" => format!("{done} by {by}"),
        text => format!("{done} by {by}: {text}"),
    }
}

/// A check that took too long is no fault of this server.
pub(super) fn too_long(error: ApartError) -> async_graphql::Error {
    match error {
        ApartError::TooLong => super::faults::coded(error.to_string(), super::faults::CODE_TIMEOUT),
        ApartError::Broken => fault(&error),
    }
}

/// The trace context of a call.
pub(super) fn trace_of(ctx: &Context<'_>) -> Option<String> {
    ctx.data_opt::<TraceParent>().and_then(|trace| trace.0.clone())
}

/// A run that somebody starts by hand.
pub(super) fn by_hand(
    ctx: &Context<'_>,
    release: Arc<ReadyRelease>,
    input: Value,
    options: StartOptions,
) -> Result<StartRequest> {
    Ok(StartRequest {
        id: new_run_id().map_err(|error| fault(&error))?,
        release,
        input,
        trigger: Trigger::Manual {
            by: caller(ctx)?.actor.name().to_owned(),
        },
        traceparent: trace_of(ctx),
        lineage: None,
        options,
        requests: Vec::new(),
        delivery: None,
    })
}

/// What is wrong with the name that a caller gives a request.
pub(super) fn wrong_request_id(id: Option<&String>) -> Option<FieldProblem> {
    let wrong = |id: &&String| id.is_empty() || id.len() > MAX_REQUEST_ID || id.chars().any(char::is_control);
    let message = format!("expected 1 to {MAX_REQUEST_ID} printable characters");
    id.filter(wrong).map(|_| field("clientRequestId", message))
}

pub(super) fn input_problem(fields: Vec<FieldProblem>) -> InputProblem {
    let first = fields
        .first()
        .map_or(String::new(), |field| match field.path.as_str() {
            "" => field.message.clone(),
            path => format!("{path}: {}", field.message),
        });
    InputProblem {
        message: match fields.len() {
            0 | 1 => first,
            count => format!("{first} (and {} more)", count - 1),
        },
        code: ProblemCode::In001.to_string(),
        kind: ProblemCode::In001,
        fields,
    }
}

pub(super) fn field(path: &str, message: impl Into<String>) -> FieldProblem {
    FieldProblem {
        path: path.to_owned(),
        message: message.into(),
    }
}

pub(super) fn config_of(config: Option<AnyJson>) -> Result<Map<String, Value>> {
    match config.map(|config| config.0) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map),
        Some(_) => Err(super::faults::coded(
            "`config` must be an object",
            super::faults::CODE_ARGUMENT,
        )),
    }
}

/// Changes.
#[derive(MergedObject, Default)]
pub(crate) struct Mutation(
    Changes,
    Deciding,
    Operations,
    PollChanges,
    Groups,
    DraftChanges,
    Trials,
    HostChanges,
    CurationChanges,
    CapabilityChanges,
    PublisherChanges,
    SecretChanges,
    Arranging,
    Bulk,
    MemberChanges,
    OwnAccount,
    DeliveryChanges,
    EndpointChanges,
);

/// Publishing, starting, stopping.
#[derive(Default)]
pub(crate) struct Changes;

#[Object]
impl Changes {
    /// Looks at a workflow file; changes nothing.
    async fn check_workflow(
        &self,
        ctx: &Context<'_>,
        input: CheckWorkflowInput,
    ) -> Result<CheckWorkflowPayload> {
        let _ = input.file_name;
        let config = config_of(input.config)?;
        let source = Source {
            text: input.source,
            lock: input.lock,
            config,
        };
        reading(ctx).await?;
        let checked = app(ctx)?.check(source).await.map_err(too_long)?;
        Ok(checked.into())
    }

    /// Compiles a workflow file to the documents that a release and a grant key sign; changes nothing.
    async fn prepare_release(
        &self,
        ctx: &Context<'_>,
        input: PrepareReleaseInput,
    ) -> Result<PrepareReleasePayload> {
        let _ = input.file_name;
        let config = config_of(input.config)?;
        let source = Source {
            text: input.source,
            lock: input.lock,
            config,
        };
        reading(ctx).await?;
        match app(ctx)?.prepare(source, input.draft.unwrap_or(false)).await {
            Ok(prepared) => Ok(PrepareReleasePayload::Prepared(PreparedRelease {
                workflow: prepared.release.workflow.clone(),
                version: prepared.release.version,
                release: STANDARD.encode(&prepared.release_payload),
                grants: STANDARD.encode(&prepared.grants_payload),
                release_digest: prepared.release_digest.to_string(),
                lock: prepared.lock,
                diagnostics: prepared.diagnostics.iter().map(DiagnosticNode::from).collect(),
                summary: ReleaseSummary {
                    title: prepared.release.title.clone(),
                    nodes: prepared.nodes,
                    connectors: pinned(&prepared.release),
                    destinations: prepared.destinations,
                    secrets: prepared.secrets,
                },
            })),
            Err(PrepareError::Workflow(found)) => {
                Ok(PrepareReleasePayload::Workflow(workflow_problem(&found)))
            }
            Err(PrepareError::Apart(error)) => Err(too_long(error)),
            Err(error) => Err(fault(&error)),
        }
    }

    /// Publishes a signed release as the next version of its workflow.
    async fn publish_release(
        &self,
        ctx: &Context<'_>,
        input: PublishReleaseInput,
    ) -> Result<PublishReleasePayload> {
        let envelopes = Envelopes {
            release: input.release,
            grants: input.grants,
        };
        let published = app(ctx)?.publish(caller(ctx)?, envelopes, input.source).await;
        PublishReleasePayload::of(published)
    }

    /// Starts a run; answers when it is durable.
    async fn start_run(&self, ctx: &Context<'_>, input: StartRunInput) -> Result<StartRunPayload> {
        let app = app(ctx)?;
        if let Some(wrong) = wrong_request_id(input.client_request_id.as_ref()) {
            return Ok(StartRunPayload::Input(input_problem(vec![wrong])));
        }
        // Whoever may start nothing is told so, whatever there is.
        reading_for(ctx, Action::StartRun).await?;
        let release = app
            .published_of(&input.workflow, input.version)
            .await
            .map_err(|error| fault(&error))?;
        let Some(release) = release else {
            let what = match input.version {
                Some(version) => format!("workflow `{}` has no version {version}", input.workflow),
                None => format!("there is no workflow `{}`; publish it first", input.workflow),
            };
            return Ok(StartRunPayload::NotFound(WorkflowNotFoundProblem::new(
                ProblemCode::Run001,
                what,
            )));
        };
        let run_input = input
            .input
            .map_or_else(|| Value::Object(Map::new()), |input| input.0);
        let requests = Vec::from_iter(input.client_request_id.map(|id| ClientRequest {
            id: format!("api:{id}"),
            body: request_body(&input.workflow, input.version, &run_input),
        }));
        let request = StartRequest {
            requests,
            ..by_hand(ctx, release, run_input, StartOptions::default())?
        };
        let id = request.id.clone();
        let started = app.start(caller(ctx)?, Action::StartRun, request).await;
        StartRunPayload::of_result(ctx, id, started).await
    }

    /// Stops a run, and the runs that it waits for. A run that no host has is over at once; otherwise its host is told.
    async fn cancel_run(&self, ctx: &Context<'_>, input: CancelRunInput) -> Result<CancelRunPayload> {
        let caller = caller(ctx)?;
        let reason = reason_of(caller, "cancelled", input.reason);
        let grace_ms = input.grace_ms.map_or(0, |grace| grace.0.min(MAX_GRACE_MS));
        Ok(
            match app(ctx)?
                .cancel(caller, &input.id, reason, grace_ms)
                .await
                .map_err(|error| fault(&error))?
            {
                CancelOutcome::Told(run) => CancelRunPayload::Success(CancelRunSuccess {
                    run: RunNode::new(run),
                }),
                CancelOutcome::Over(run) => CancelRunPayload::State(RunStateProblem {
                    message: format!("run {} is over: {}", run.id.short(), run.state.as_str()),
                    code: ProblemCode::Run004.to_string(),
                    kind: ProblemCode::Run004,
                    state: run.state.into(),
                }),
                CancelOutcome::NotFound(message) => {
                    CancelRunPayload::NotFound(RunNotFoundProblem::new(ProblemCode::Run005, message))
                }
            },
        )
    }
}

impl From<Checked> for CheckWorkflowPayload {
    fn from(checked: Checked) -> Self {
        let errors = checked.diagnostics.iter().filter(|found| found.is_error());
        let errors = errors.count();
        Self {
            errors,
            warnings: checked.diagnostics.len() - errors,
            nodes: checked.nodes,
            connectors: checked.connectors,
            diagnostics: checked.diagnostics.iter().map(DiagnosticNode::from).collect(),
            fixed_source: checked.fixed_source,
        }
    }
}

impl PublishReleasePayload {
    /// The payload of a publication that was tried.
    pub(super) fn of(published: std::result::Result<Arc<ReadyRelease>, PublishError>) -> Result<Self> {
        match published {
            Ok(ready) => Ok(Self::Success(PublishReleaseSuccess {
                workflow: WorkflowNode(ready),
            })),
            Err(PublishError::Signature { code, message }) => Ok(Self::Signature(SignatureProblem::new(
                ProblemCode::of_signature(code),
                message,
            ))),
            Err(PublishError::Release(message)) => {
                Ok(Self::Release(ReleaseProblem::new(ProblemCode::Rel001, message)))
            }
            Err(PublishError::Version { expected }) => Ok(Self::Version(VersionProblem {
                message: format!(
                    "the next version of this workflow is {expected}; prepare and sign it again"
                ),
                code: ProblemCode::Rel002.to_string(),
                kind: ProblemCode::Rel002,
                expected,
            })),
            Err(PublishError::Connector { connector, message }) => Ok(Self::Connector(ConnectorProblem {
                message,
                code: ProblemCode::Rel003.to_string(),
                kind: ProblemCode::Rel003,
                connector,
            })),
            Err(PublishError::Workflow(found)) => Ok(Self::Workflow(workflow_problem(&found))),
            Err(error @ (PublishError::Store(_) | PublishError::Ready(_) | PublishError::Denied(_))) => {
                Err(fault(&error))
            }
        }
    }
}

/// The trace context of a request, if it came with one.
pub(crate) struct TraceParent(pub(crate) Option<String>);

pub(super) fn workflow_problem(found: &[flowforge_workflow::Diagnostic]) -> WorkflowProblem {
    let errors: Vec<_> = found.iter().filter(|found| found.is_error()).collect();
    WorkflowProblem {
        message: match errors.first() {
            Some(first) if errors.len() == 1 => format!("line {}: {}", first.line, first.message),
            Some(first) => format!(
                "line {}: {} (and {} more)",
                first.line,
                first.message,
                errors.len() - 1
            ),
            None => "the workflow cannot be published".to_owned(),
        },
        code: ProblemCode::Wf000.to_string(),
        kind: ProblemCode::Wf000,
        diagnostics: found.iter().map(DiagnosticNode::from).collect(),
    }
}

fn pinned(release: &flowforge_protocol::release::Release) -> Vec<PinnedConnectorNode> {
    let connectors = release.connectors.iter();
    connectors
        .map(|(name, connector)| PinnedConnectorNode {
            name: name.clone(),
            version: connector.version.clone(),
            digest: connector.digest.to_string(),
        })
        .collect()
}
