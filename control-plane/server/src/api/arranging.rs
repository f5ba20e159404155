//! Folders, tags and the trash of workflows.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject, Union};
use flowforge_store::{Arrangement, MAX_FOLDER_BYTES, MAX_TAG_BYTES, MAX_TAGS, Trashed};

use super::codes::ProblemCode;
use super::fault;
use super::loads::reading;
use super::mutation::{field, input_problem};
use super::operations::no_workflow;
use super::problems::{FieldProblem, InputProblem, ReleaseProblem, WorkflowNotFoundProblem};
use super::query::{app, caller};
use super::scalars::Long;
use super::workflows::WorkflowNode;
use crate::app::arrange::Restored;

/// A workflow in the trash.
#[derive(SimpleObject)]
pub(crate) struct TrashedWorkflow {
    name: String,
    folder: String,
    tags: Vec<String>,
    deleted_at_ms: Long,
    deleted_by: String,
}

impl TrashedWorkflow {
    fn of(arrangement: Arrangement) -> Option<Self> {
        let (at_ms, by) = arrangement.deleted?;
        Some(Self {
            name: arrangement.workflow,
            folder: arrangement.folder,
            tags: arrangement.tags,
            deleted_at_ms: Long(at_ms),
            deleted_by: by,
        })
    }
}

/// Where a workflow is to be.
#[derive(InputObject)]
pub(crate) struct ArrangeWorkflowInput {
    workflow: String,
    /// `shop/orders`; empty: at the top.
    folder: String,
    /// At most 20, each of 1 to 40 letters, digits, `-` and `_`.
    tags: Vec<String>,
}

#[derive(Union)]
pub(crate) enum ArrangeWorkflowPayload {
    Success(ArrangeWorkflowSuccess),
    NotFound(WorkflowNotFoundProblem),
    Input(InputProblem),
}

/// It is there.
#[derive(SimpleObject)]
pub(crate) struct ArrangeWorkflowSuccess {
    workflow: WorkflowNode,
}

/// A workflow to be put into the trash.
#[derive(InputObject)]
pub(crate) struct DeleteWorkflowInput {
    workflow: String,
}

#[derive(Union)]
pub(crate) enum DeleteWorkflowPayload {
    Success(DeleteWorkflowSuccess),
    NotFound(WorkflowNotFoundProblem),
}

/// It starts nothing any more; its runs go on.
#[derive(SimpleObject)]
pub(crate) struct DeleteWorkflowSuccess {
    workflow: String,
}

/// A workflow to be taken out of the trash.
#[derive(InputObject)]
pub(crate) struct RestoreWorkflowInput {
    workflow: String,
}

#[derive(Union)]
pub(crate) enum RestoreWorkflowPayload {
    Success(RestoreWorkflowSuccess),
    NotFound(WorkflowNotFoundProblem),
    Release(ReleaseProblem),
}

/// It listens to its webhooks again, and its schedules begin anew.
#[derive(SimpleObject)]
pub(crate) struct RestoreWorkflowSuccess {
    workflow: WorkflowNode,
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
}

fn faults(input: &ArrangeWorkflowInput) -> Vec<FieldProblem> {
    let mut faults = Vec::new();
    let folder = &input.folder;
    if folder.len() > MAX_FOLDER_BYTES || !(folder.is_empty() || folder.split('/').all(is_word)) {
        let message = format!(
            "expected names of letters, digits, `-` and `_` with `/` between them, at most {MAX_FOLDER_BYTES} bytes"
        );
        faults.push(field("folder", message));
    }
    if input.tags.len() > MAX_TAGS {
        faults.push(field(
            "tags",
            format!("{} tags, more than {MAX_TAGS}", input.tags.len()),
        ));
    }
    for (place, tag) in input.tags.iter().enumerate() {
        if tag.len() > MAX_TAG_BYTES || !is_word(tag) {
            let message = format!("expected 1 to {MAX_TAG_BYTES} letters, digits, `-` and `_`");
            faults.push(field(&format!("tags[{place}]"), message));
        }
    }
    faults
}

/// Looking into the trash.
#[derive(Default)]
pub(crate) struct Trash;

#[Object]
impl Trash {
    /// Workflows in the trash, by name; each is gone 30 days after it was put there.
    #[graphql(complexity = "10 + child_complexity")]
    async fn trashed_workflows(&self, ctx: &Context<'_>) -> Result<Vec<TrashedWorkflow>> {
        let all = reading(ctx).await?.arrangements().await;
        let all = all.map_err(|error| fault(&error))?;
        Ok(all.into_iter().filter_map(TrashedWorkflow::of).collect())
    }
}

/// Changes of where workflows are.
#[derive(Default)]
pub(crate) struct Arranging;

#[Object]
impl Arranging {
    /// Puts a workflow into a folder and gives it tags, in the place of those that it had.
    async fn arrange_workflow(
        &self,
        ctx: &Context<'_>,
        input: ArrangeWorkflowInput,
    ) -> Result<ArrangeWorkflowPayload> {
        use ArrangeWorkflowPayload as Payload;
        let faults = faults(&input);
        if !faults.is_empty() {
            return Ok(Payload::Input(input_problem(faults)));
        }
        let app = app(ctx)?;
        let mut tags = input.tags;
        tags.sort();
        tags.dedup();
        let arranged = app
            .arrange_workflow(caller(ctx)?, &input.workflow, &input.folder, tags)
            .await;
        if !arranged.map_err(|error| fault(&error))? {
            return Ok(Payload::NotFound(no_workflow(&input.workflow)));
        }
        let release = app.published_of(&input.workflow, None).await;
        Ok(match release.map_err(|error| fault(&error))? {
            Some(release) => Payload::Success(ArrangeWorkflowSuccess {
                workflow: WorkflowNode(release),
            }),
            None => Payload::NotFound(no_workflow(&input.workflow)),
        })
    }

    /// Puts a workflow into the trash for 30 days: it takes no starts, and has neither webhooks nor schedules. Its runs go
    /// on.
    async fn delete_workflow(
        &self,
        ctx: &Context<'_>,
        input: DeleteWorkflowInput,
    ) -> Result<DeleteWorkflowPayload> {
        let trashed = app(ctx)?.trash_workflow(caller(ctx)?, &input.workflow).await;
        Ok(match trashed.map_err(|error| fault(&error))? {
            Trashed::Trashed | Trashed::Before => DeleteWorkflowPayload::Success(DeleteWorkflowSuccess {
                workflow: input.workflow,
            }),
            Trashed::None => DeleteWorkflowPayload::NotFound(no_workflow(&input.workflow)),
        })
    }

    /// Takes a workflow out of the trash.
    async fn restore_workflow(
        &self,
        ctx: &Context<'_>,
        input: RestoreWorkflowInput,
    ) -> Result<RestoreWorkflowPayload> {
        use RestoreWorkflowPayload as Payload;
        let restored = app(ctx)?.restore_workflow(caller(ctx)?, &input.workflow).await;
        Ok(match restored.map_err(|error| fault(&error))? {
            Restored::Workflow(release) => Payload::Success(RestoreWorkflowSuccess {
                workflow: WorkflowNode(release),
            }),
            Restored::None => {
                let message = format!("there is no workflow `{}` in the trash", input.workflow);
                Payload::NotFound(WorkflowNotFoundProblem::new(ProblemCode::Run001, message))
            }
            Restored::HookTaken(path) => {
                let message = format!(
                    "another workflow listens at /hooks/{path} meanwhile; publish that one without this path first"
                );
                Payload::Release(ReleaseProblem::new(ProblemCode::Rel005, message))
            }
            Restored::Unusable(why) => {
                let message = format!("it is out of the trash, and cannot be used: {why}; publish it anew");
                Payload::Release(ReleaseProblem::new(ProblemCode::Rel004, message))
            }
        })
    }
}
