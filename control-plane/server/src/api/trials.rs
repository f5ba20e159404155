//! Trying drafts.

use async_graphql::{Context, InputObject, Object, Result, Union};
use flowforge_core::Action;
use serde_json::{Map, Value};

use super::drafts::no_keys;
use super::fault;
use super::loads::{reading, reading_for};
use super::mutation::{by_hand, config_of, field, input_problem, too_long, workflow_problem};
use super::operations::of_workflow;
use super::payloads::{PublishReleasePayload, StartRunPayload, StartRunSuccess};
use super::problems::{
    BusyProblem, CapabilityProblem, ConnectorProblem, DraftNotFoundProblem, InputProblem, ReleaseProblem,
    SignatureProblem, SigningProblem, WorkflowProblem,
};
use super::query::{app, caller};
use super::scalars::AnyJson;
use super::texts::{no_draft, object};
use crate::app::compile::{PrepareError, Source};
use crate::app::operations::Refused;
use crate::app::publish::Envelopes;
use crate::app::retry::Try;
use crate::app::trials::TrialError;
use crate::release::ReadyRelease;

/// A draft to be tried: one that is saved, or a text. All of it runs, unless `node` or `to` says otherwise.
#[derive(InputObject)]
pub(crate) struct TryDraftInput {
    /// The workflow whose saved draft is meant.
    workflow: Option<String>,
    /// The text that is meant.
    source: Option<String>,
    /// With `source`: `workflow.lock`.
    lock: Option<String>,
    /// Configuration values in the place of those in the text.
    config: Option<AnyJson>,
    /// With `source`: the release of `prepareRelease` with `draft: true`, signed by the caller: an envelope as JSON text.
    /// Without it the server signs, where it may.
    release: Option<String>,
    /// With `release`: the grant set, signed.
    grants: Option<String>,
    /// This node alone: whatever it needs must be given by `pins` or `pinnedFrom`.
    node: Option<String>,
    /// As far as this node: it and what it needs.
    to: Option<String>,
    /// Defaults to the input of `pinnedFrom`, or to `{}`.
    input: Option<AnyJson>,
    /// Results that stand for nodes, which do not run then: an object of node and output.
    pins: Option<AnyJson>,
    /// A run of this workflow whose results stand for all other nodes: an id, a unique prefix of one, or `last`.
    pinned_from: Option<String>,
}

#[derive(Union)]
pub(crate) enum TryDraftPayload {
    Success(StartRunSuccess),
    NotFound(DraftNotFoundProblem),
    Workflow(WorkflowProblem),
    Input(InputProblem),
    Signing(SigningProblem),
    Signature(SignatureProblem),
    Release(ReleaseProblem),
    Connector(ConnectorProblem),
    Busy(BusyProblem),
    Held(CapabilityProblem),
}

impl TryDraftPayload {
    fn wrong(path: &str, message: impl Into<String>) -> Self {
        Self::Input(input_problem(vec![field(path, message)]))
    }

    /// What is wrong with a release of a draft.
    fn refused(error: TrialError) -> Result<Self> {
        Ok(match error {
            TrialError::NoKeys => Self::Signing(no_keys("flowforge workflow try FOLDER")),
            TrialError::Prepare(PrepareError::Workflow(found)) => Self::Workflow(workflow_problem(&found)),
            TrialError::Prepare(PrepareError::Apart(error)) => return Err(too_long(error)),
            TrialError::Documents(error) => match PublishReleasePayload::of(Err(error))? {
                PublishReleasePayload::Signature(problem) => Self::Signature(problem),
                PublishReleasePayload::Connector(problem) => Self::Connector(problem),
                PublishReleasePayload::Workflow(problem) => Self::Workflow(problem),
                PublishReleasePayload::Release(problem) => Self::Release(problem),
                PublishReleasePayload::Success(_) | PublishReleasePayload::Version(_) => {
                    return Err(fault(&flowforge_store::StoreError::Stopped));
                }
            },
            error @ TrialError::Secrets(_) => {
                let message = format!("{error}; set it again with `drafts: ALLOW`, or with `--drafts`");
                Self::wrong("secrets", message)
            }
            error @ (TrialError::Prepare(_) | TrialError::Load(_) | TrialError::Denied(_)) => {
                return Err(fault(&error));
            }
        })
    }
}

/// The text that is meant, with its lock.
async fn text_of(
    ctx: &Context<'_>,
    workflow: Option<String>,
    source: Option<String>,
    lock: Option<String>,
) -> Result<std::result::Result<(String, Option<String>), TryDraftPayload>> {
    Ok(match (source, workflow) {
        (Some(text), None) => Ok((text, lock)),
        (None, Some(workflow)) => {
            let draft = reading(ctx).await?.draft(&workflow).await;
            match draft.map_err(|error| fault(&error))? {
                Some(draft) => Ok((draft.text.source, draft.text.lock)),
                None => Err(TryDraftPayload::NotFound(no_draft(&workflow))),
            }
        }
        (Some(_), Some(_)) | (None, None) => Err(TryDraftPayload::wrong(
            "workflow",
            "give either `workflow` or `source`",
        )),
    })
}

/// What a run of the same workflow gives to those nodes that the draft still has.
async fn data_of(
    ctx: &Context<'_>,
    wanted: &str,
    release: &ReadyRelease,
) -> Result<std::result::Result<Map<String, Value>, String>> {
    let found = reading(ctx).await?.find_run(wanted).await;
    let run = match found.map_err(|error| fault(&error))? {
        Ok(run) => run,
        Err(message) => return Ok(Err(message)),
    };
    if let Err(message) = of_workflow(&run, &release.stored.workflow) {
        return Ok(Err(message));
    }
    let mut data = app(ctx)?.data_of(&run).await.map_err(|error| fault(&error))?;
    let nodes = &release.workflow.nodes;
    data.retain(|name, _| name == "input" || nodes.iter().any(|node| node.id.as_str() == name));
    Ok(Ok(data))
}

/// Results of a run stand for all nodes but the target; its input for the input, if none is given.
fn pin(
    data: Map<String, Value>,
    target: Option<&str>,
    input: &mut Option<Value>,
    given: &mut Map<String, Value>,
) {
    for (name, value) in data {
        if name == "input" {
            input.get_or_insert(value);
        } else if target != Some(name.as_str()) {
            given.entry(name).or_insert(value);
        }
    }
}

/// Trying.
#[derive(Default)]
pub(crate) struct Trials;

#[Object]
impl Trials {
    /// Tries a draft: a run that is marked as one. Nothing of it is published, and no trigger starts it.
    async fn try_draft(&self, ctx: &Context<'_>, input: TryDraftInput) -> Result<TryDraftPayload> {
        use TryDraftPayload as Payload;
        let app = app(ctx)?;
        reading_for(ctx, Action::TryDraft).await?;
        let mut given = object(input.pins, "pins")?;
        let signed = match (input.release, input.grants) {
            (Some(release), Some(grants)) => Some(Envelopes { release, grants }),
            (None, None) => None,
            _ => return Ok(Payload::wrong("release", "`release` and `grants` go together")),
        };
        let (target, alone) = match (input.node, input.to) {
            (Some(_), Some(_)) => return Ok(Payload::wrong("to", "give either `node` or `to`")),
            (Some(node), None) => (Some(node), true),
            (None, to) => (to, false),
        };
        let config = config_of(input.config)?;
        let source = match text_of(ctx, input.workflow, input.source, input.lock).await? {
            Ok((text, lock)) => Source { text, lock, config },
            Err(refused) => return Ok(refused),
        };
        let release = match app.draft_release(caller(ctx)?, source, signed).await {
            Ok(release) => release,
            Err(error) => return Payload::refused(error),
        };
        let mut run_input = input.input.map(|input| input.0);
        if let Some(wanted) = input.pinned_from {
            match data_of(ctx, &wanted, &release).await? {
                Ok(data) => pin(data, target.as_deref(), &mut run_input, &mut given),
                Err(message) => return Ok(Payload::wrong("pinnedFrom", message)),
            }
        }
        if let Some(node) = target.as_ref().filter(|_| alone) {
            let others = app.would_run_too(&release, node, &given).await;
            let others = others.map_err(too_long)?;
            if !others.is_empty() {
                let message = format!(
                    "it needs {}; give their results, or say `to` instead of `node`",
                    others.join(", ")
                );
                return Ok(Payload::wrong("pins", message));
            }
        }
        let wanted = Try {
            release: release.clone(),
            node: target,
            input: run_input,
            given,
            pinned: None,
        };
        let field_of = |path| match path {
            "given" => "pins",
            "node" if !alone => "to",
            other => other,
        };
        let (run_input, options) = match app.try_request(wanted).await.map_err(|error| fault(&error))? {
            Ok(wanted) => wanted,
            Err(Refused::Field(path, message)) => return Ok(Payload::wrong(field_of(path), message)),
            Err(_) => return Err(fault(&flowforge_store::StoreError::Stopped)),
        };
        let request = by_hand(ctx, release, run_input, options)?;
        let id = request.id.clone();
        let started = app.start(caller(ctx)?, Action::TryDraft, request).await;
        match StartRunPayload::of_result(ctx, id, started).await? {
            StartRunPayload::Success(success) => Ok(Payload::Success(success)),
            StartRunPayload::Input(problem) => Ok(Payload::Input(problem)),
            StartRunPayload::Busy(problem) => Ok(Payload::Busy(problem)),
            StartRunPayload::Held(problem) => Ok(Payload::Held(problem)),
            StartRunPayload::NotFound(_) | StartRunPayload::Conflict(_) => {
                Err(fault(&flowforge_store::StoreError::Stopped))
            }
        }
    }
}
