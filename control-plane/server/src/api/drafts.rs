//! Drafts as the API shows, takes and publishes them.

use async_graphql::connection::Connection;
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject, Union};
use flowforge_core::Action;
use flowforge_store::{Draft, DraftDiscarded, DraftHead, DraftSaved, MAX_DRAFTS};
use serde_json::Map;

use super::codes::ProblemCode;
use super::fault;
use super::limits::spend;
use super::loads::{reading, reading_for};
use super::mutation::{field, input_problem, too_long, workflow_problem};
use super::nodes::{Kind, global_id};
use super::operations::no_workflow;
use super::page::{Cursor, Window, connection};
use super::payloads::{CheckWorkflowPayload, PublishReleasePayload, PublishReleaseSuccess};
use super::problems::{
    BusyProblem, ConnectorProblem, DraftConflictProblem, DraftNotFoundProblem, InputProblem, ReleaseProblem,
    SignatureProblem, SigningProblem, VersionProblem, WorkflowNotFoundProblem, WorkflowProblem,
};
use super::query::{app, caller};
use super::scalars::{AnyJson, Long, stored_json};
use super::texts::no_draft;
use crate::app::compile::{PrepareError, Source};
use crate::app::drafts::{PublishDraftError, Written};

/// When a caller should come again who has found no room for a draft.
const RETRY_AFTER_MS: Long = Long(60_000);

/// The text of a workflow that somebody is writing.
pub(crate) struct DraftNode(pub(crate) Box<Draft>);

#[Object(name = "Draft")]
impl DraftNode {
    /// Unique among everything here.
    pub(crate) async fn id(&self) -> ID {
        global_id(Kind::Draft, &self.0.head.workflow)
    }

    /// Its workflow, which need not be published.
    async fn workflow(&self) -> &str {
        &self.0.head.workflow
    }

    /// Grows with each save; never repeats. Give it with the next save.
    async fn revision(&self) -> u32 {
        self.0.head.revision
    }

    /// The workflow file as it was saved, whether it can be read or not.
    async fn source(&self, ctx: &Context<'_>) -> Result<&str> {
        spend(ctx, self.0.text.source.len() as u64)?;
        Ok(&self.0.text.source)
    }

    /// `{ "nodes": { "fetch": { "x": 1, "y": 2 } } }`; what else is in it is whoever's who saved it.
    async fn layout(&self, ctx: &Context<'_>) -> Result<AnyJson> {
        spend(ctx, self.0.text.layout.len() as u64)?;
        stored_json(&self.0.text.layout)
    }

    /// `workflow.lock`, if it has one.
    async fn lock(&self) -> Option<&str> {
        self.0.text.lock.as_deref()
    }

    /// The published version that it began from.
    async fn base_version(&self) -> Option<u32> {
        self.0.head.base_version
    }

    async fn created_at_ms(&self) -> Long {
        self.0.head.created_at_ms.into()
    }

    async fn saved_at_ms(&self) -> Long {
        self.0.head.saved_at_ms.into()
    }

    async fn saved_by(&self) -> &str {
        &self.0.head.saved_by
    }

    /// What the lint says of it, now.
    #[graphql(complexity = "50 + child_complexity")]
    async fn check(&self, ctx: &Context<'_>) -> Result<CheckWorkflowPayload> {
        let source = Source {
            text: self.0.text.source.clone(),
            lock: self.0.text.lock.clone(),
            config: Map::new(),
        };
        let checked = app(ctx)?.check(source).await.map_err(too_long)?;
        Ok(checked.into())
    }
}

/// A draft without its texts.
#[derive(SimpleObject)]
pub(crate) struct DraftSummary {
    workflow: String,
    revision: u32,
    /// Of its texts.
    bytes: Long,
    /// The published version that it began from.
    base_version: Option<u32>,
    saved_at_ms: Long,
    saved_by: String,
}

impl From<DraftHead> for DraftSummary {
    fn from(head: DraftHead) -> Self {
        Self {
            workflow: head.workflow,
            revision: head.revision,
            bytes: head.bytes.into(),
            base_version: head.base_version,
            saved_at_ms: head.saved_at_ms.into(),
            saved_by: head.saved_by,
        }
    }
}

/// A draft to be saved.
#[derive(InputObject)]
pub(crate) struct SaveDraftInput {
    workflow: String,
    /// The workflow file; it need not be without errors. At most 256 KiB.
    source: String,
    /// Absent: as it was. An object, at most 256 KiB.
    layout: Option<AnyJson>,
    lock: Option<String>,
    /// The revision that was changed; 0 or absent: there is no draft yet.
    revision: Option<u32>,
    /// The published version that it began from; absent: as it was.
    base_version: Option<u32>,
}

#[derive(Union)]
pub(crate) enum SaveDraftPayload {
    Success(SaveDraftSuccess),
    Conflict(DraftConflictProblem),
    NotFound(WorkflowNotFoundProblem),
    Input(InputProblem),
    Busy(BusyProblem),
}

/// The draft is saved.
#[derive(SimpleObject)]
pub(crate) struct SaveDraftSuccess {
    draft: DraftNode,
}

/// A draft to be forgotten.
#[derive(InputObject)]
pub(crate) struct DiscardDraftInput {
    workflow: String,
    /// The revision that was read.
    revision: u32,
}

#[derive(Union)]
pub(crate) enum DiscardDraftPayload {
    Success(DiscardDraftSuccess),
    NotFound(DraftNotFoundProblem),
    Conflict(DraftConflictProblem),
}

/// The draft is gone.
#[derive(SimpleObject)]
pub(crate) struct DiscardDraftSuccess {
    workflow: String,
}

/// An old version whose text becomes the draft.
#[derive(InputObject)]
pub(crate) struct RestoreVersionInput {
    workflow: String,
    version: u32,
    /// The revision of the draft that it stands in the place of; 0 or absent: there is none.
    revision: Option<u32>,
}

/// A draft to be published.
#[derive(InputObject)]
pub(crate) struct PublishDraftInput {
    workflow: String,
    /// The revision that was read.
    revision: u32,
}

#[derive(Union)]
pub(crate) enum PublishDraftPayload {
    Success(PublishReleaseSuccess),
    NotFound(DraftNotFoundProblem),
    Conflict(DraftConflictProblem),
    Signing(SigningProblem),
    Input(InputProblem),
    Workflow(WorkflowProblem),
    Signature(SignatureProblem),
    Release(ReleaseProblem),
    Version(VersionProblem),
    Connector(ConnectorProblem),
}

fn conflict(there: Option<Box<Draft>>) -> DraftConflictProblem {
    DraftConflictProblem {
        message: match &there {
            Some(draft) => format!(
                "{} has saved this draft since it was read: it is at revision {}; look at that one, then save over it",
                draft.head.saved_by, draft.head.revision
            ),
            None => "this draft was discarded or published since it was read; save it anew with revision 0"
                .to_owned(),
        },
        code: ProblemCode::Dr001.to_string(),
        kind: ProblemCode::Dr001,
        draft: there.map(DraftNode),
    }
}

/// What to do where this server may not sign.
pub(super) fn no_keys(command: &str) -> SigningProblem {
    let message =
        format!("this server holds no key that signs releases and grants; whoever has them runs `{command}`");
    SigningProblem::new(ProblemCode::Dr003, message)
}

/// Questions about drafts.
#[derive(Default)]
pub(crate) struct DraftQuestions;

#[Object]
impl DraftQuestions {
    /// Drafts, saved last first, without their texts.
    #[graphql(complexity = "usize::try_from(first).unwrap_or(0) * child_complexity / 10 + child_complexity")]
    async fn drafts(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
    ) -> Result<Connection<Cursor, DraftSummary>> {
        let window = Window::new("drafts", Some(first), after)?;
        let reading = reading(ctx).await?;
        let page = reading.drafts(window.after_row()?, window.limit).await;
        Ok(connection(
            page.map_err(|error| fault(&error))?,
            &window,
            DraftSummary::from,
        ))
    }

    /// The draft of a workflow.
    async fn draft(&self, ctx: &Context<'_>, workflow: String) -> Result<Option<DraftNode>> {
        let draft = reading(ctx).await?.draft(&workflow).await;
        let draft = draft.map_err(|error| fault(&error))?;
        Ok(draft.map(|draft| DraftNode(Box::new(draft))))
    }
}

/// Changes of drafts.
#[derive(Default)]
pub(crate) struct DraftChanges;

#[Object]
impl DraftChanges {
    /// Saves a draft, if nobody has saved it since it was read; `draft.check` of the answer says what is wrong with it.
    async fn save_draft(&self, ctx: &Context<'_>, input: SaveDraftInput) -> Result<SaveDraftPayload> {
        let written = Written {
            workflow: input.workflow,
            source: input.source,
            layout: input.layout.map(|layout| layout.0),
            lock: input.lock,
            base_version: input.base_version,
            over: input.revision.unwrap_or(0),
        };
        save(ctx, written).await
    }

    /// Forgets a draft, if nobody has saved it since it was read.
    async fn discard_draft(
        &self,
        ctx: &Context<'_>,
        input: DiscardDraftInput,
    ) -> Result<DiscardDraftPayload> {
        let app = app(ctx)?;
        let discarded = app
            .discard_draft(caller(ctx)?, &input.workflow, input.revision)
            .await;
        Ok(match discarded.map_err(|error| fault(&error))? {
            DraftDiscarded::Gone => DiscardDraftPayload::Success(DiscardDraftSuccess {
                workflow: input.workflow,
            }),
            DraftDiscarded::None => DiscardDraftPayload::NotFound(no_draft(&input.workflow)),
            DraftDiscarded::Other(draft) => DiscardDraftPayload::Conflict(conflict(Some(draft))),
        })
    }

    /// Makes the text of a published version the draft of its workflow.
    async fn restore_version(
        &self,
        ctx: &Context<'_>,
        input: RestoreVersionInput,
    ) -> Result<SaveDraftPayload> {
        let app = app(ctx)?;
        let reading = reading_for(ctx, Action::SaveDraft).await?;
        let text = app.version_text(&reading, &input.workflow, input.version).await;
        let source = match text.map_err(|error| fault(&error))? {
            Some(Some(source)) => source,
            Some(None) => {
                let message = "this version was published without its text";
                return Ok(SaveDraftPayload::Input(input_problem(vec![field(
                    "version", message,
                )])));
            }
            None => return Ok(SaveDraftPayload::NotFound(no_workflow(&input.workflow))),
        };
        let written = Written {
            workflow: input.workflow,
            source,
            layout: None,
            lock: None,
            base_version: Some(input.version),
            over: input.revision.unwrap_or(0),
        };
        save(ctx, written).await
    }

    /// Publishes a draft as the next version of its workflow, where this server may sign; the draft is gone then.
    async fn publish_draft(
        &self,
        ctx: &Context<'_>,
        input: PublishDraftInput,
    ) -> Result<PublishDraftPayload> {
        use PublishDraftPayload as Payload;
        let published = app(ctx)?
            .publish_draft(caller(ctx)?, &input.workflow, input.revision)
            .await;
        let error = match published {
            Ok(ready) => return Payload::of(PublishReleasePayload::of(Ok(ready))?),
            Err(error) => error,
        };
        Ok(match error {
            PublishDraftError::None => Payload::NotFound(no_draft(&input.workflow)),
            PublishDraftError::Other(draft) => Payload::Conflict(conflict(Some(draft))),
            PublishDraftError::OtherWorkflow(name) => {
                let message = format!(
                    "the text is of workflow `{name}`, the draft is of `{}`",
                    input.workflow
                );
                Payload::Input(input_problem(vec![field("workflow", message)]))
            }
            PublishDraftError::NoKeys => Payload::Signing(no_keys("flowforge workflow publish FOLDER")),
            PublishDraftError::Prepare(PrepareError::Workflow(found)) => {
                Payload::Workflow(workflow_problem(&found))
            }
            PublishDraftError::Prepare(PrepareError::Apart(error)) => return Err(too_long(error)),
            PublishDraftError::Publish(error) => return Payload::of(PublishReleasePayload::of(Err(error))?),
            error @ (PublishDraftError::Prepare(_)
            | PublishDraftError::Store(_)
            | PublishDraftError::Denied(_)) => {
                return Err(fault(&error));
            }
        })
    }
}

impl PublishDraftPayload {
    fn of(published: PublishReleasePayload) -> Result<Self> {
        Ok(match published {
            PublishReleasePayload::Success(success) => Self::Success(success),
            PublishReleasePayload::Signature(problem) => Self::Signature(problem),
            PublishReleasePayload::Release(problem) => Self::Release(problem),
            PublishReleasePayload::Version(problem) => Self::Version(problem),
            PublishReleasePayload::Connector(problem) => Self::Connector(problem),
            PublishReleasePayload::Workflow(problem) => Self::Workflow(problem),
        })
    }
}

async fn save(ctx: &Context<'_>, written: Written) -> Result<SaveDraftPayload> {
    let saved = app(ctx)?.save_draft(caller(ctx)?, written).await;
    let saved = saved.map_err(|error| fault(&error))?;
    Ok(match saved {
        Ok(DraftSaved::Saved(draft)) => SaveDraftPayload::Success(SaveDraftSuccess {
            draft: DraftNode(draft),
        }),
        Ok(DraftSaved::Other(there)) => SaveDraftPayload::Conflict(conflict(there)),
        Ok(DraftSaved::Full) => SaveDraftPayload::Busy(BusyProblem {
            message: format!("there are {MAX_DRAFTS} drafts, and no more are kept; publish or discard some"),
            code: ProblemCode::Dr004.to_string(),
            kind: ProblemCode::Dr004,
            retry_after_ms: RETRY_AFTER_MS,
        }),
        Err(wrong) => {
            let fields = wrong.into_iter().map(|(path, message)| field(path, message));
            SaveDraftPayload::Input(input_problem(fields.collect()))
        }
    })
}
