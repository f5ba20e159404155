//! Differences of workflows, as the API shows them.

use async_graphql::{Context, Enum, Json, Result, SimpleObject, Union};
use flowforge_workflow::{Change, Hunk, LineKind, NodeChange};

use super::fault;
use super::loads::reading;
use super::mutation::too_long;
use super::problems::{DraftNotFoundProblem, InputProblem, WorkflowNotFoundProblem, WorkflowProblem};
use super::query::app;
use super::scalars::AnyJson;
use super::texts::{NoTextProblem, WorkflowTextInput};

#[derive(Union)]
pub(crate) enum CompareWorkflowsPayload {
    Comparison(WorkflowComparison),
    Workflow(WorkflowProblem),
    NotFound(WorkflowNotFoundProblem),
    NoDraft(DraftNotFoundProblem),
    Input(InputProblem),
}

/// What differs between two texts.
#[derive(SimpleObject)]
pub(crate) struct WorkflowComparison {
    /// Whether both mean the same; their lines may differ.
    same: bool,
    /// In the order of the later text; those that are gone come last.
    nodes: Vec<NodeChangeShown>,
    /// Everything outside nodes.
    settings: Vec<PropertyChangeShown>,
    /// What differs by line, with three lines around each change.
    hunks: Vec<TextHunk>,
}

/// A node that differs.
#[derive(SimpleObject)]
#[graphql(name = "NodeChange")]
pub(crate) struct NodeChangeShown {
    node: String,
    change: ChangeKind,
    /// Of one that came or went, all that it has.
    properties: Vec<PropertyChangeShown>,
}

/// What became of a node.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    Added,
    Removed,
    Changed,
}

/// A property that differs.
#[derive(SimpleObject)]
#[graphql(name = "PropertyChange")]
pub(crate) struct PropertyChangeShown {
    /// As the file says it: `with.url`, `retry.attempts`, `set.total`, `input.day`.
    path: String,
    /// Null if it was not there, or was null: see `hasBefore`.
    before: Option<AnyJson>,
    after: Option<AnyJson>,
    has_before: bool,
    has_after: bool,
}

/// A stretch of both texts.
#[derive(SimpleObject)]
pub(crate) struct TextHunk {
    /// Its first line in the earlier text, from 1.
    before_line: usize,
    /// Its first line in the later text, from 1.
    after_line: usize,
    lines: Vec<TextLine>,
}

/// One line of a stretch.
#[derive(SimpleObject)]
pub(crate) struct TextLine {
    kind: TextLineKind,
    text: String,
}

/// Which text has a line.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextLineKind {
    Same,
    Removed,
    Added,
}

impl From<NoTextProblem> for CompareWorkflowsPayload {
    fn from(problem: NoTextProblem) -> Self {
        match problem {
            NoTextProblem::Workflow(problem) => Self::NotFound(problem),
            NoTextProblem::Draft(problem) => Self::NoDraft(problem),
            NoTextProblem::Unreadable(problem) => Self::Workflow(problem),
        }
    }
}

/// Compares two texts.
pub(super) async fn beside(
    ctx: &Context<'_>,
    before: WorkflowTextInput,
    after: WorkflowTextInput,
) -> Result<CompareWorkflowsPayload> {
    let (app, reading) = (app(ctx)?, reading(ctx).await?);
    let mut texts = Vec::with_capacity(2);
    for text in [before, after] {
        let wanted = match text.wanted() {
            Ok(wanted) => wanted,
            Err(problem) => return Ok(CompareWorkflowsPayload::Input(problem)),
        };
        match app
            .text_of(&reading, wanted)
            .await
            .map_err(|error| fault(&error))?
        {
            Ok(text) => texts.push(text),
            Err(none) => return Ok(NoTextProblem::from(none).into()),
        }
    }
    let (Some(after), Some(before)) = (texts.pop(), texts.pop()) else {
        return Err(fault(&flowforge_store::StoreError::Stopped));
    };
    Ok(match app.beside(before, after).await.map_err(too_long)? {
        Ok((found, hunks)) => CompareWorkflowsPayload::Comparison(WorkflowComparison {
            same: found.is_same(),
            nodes: found.nodes.into_iter().map(NodeChangeShown::from).collect(),
            settings: found
                .settings
                .into_iter()
                .map(PropertyChangeShown::from)
                .collect(),
            hunks: hunks.into_iter().map(TextHunk::from).collect(),
        }),
        Err(none) => NoTextProblem::from(none).into(),
    })
}

impl From<NodeChange> for NodeChangeShown {
    fn from(change: NodeChange) -> Self {
        Self {
            node: change.node,
            change: match change.change {
                Change::Added => ChangeKind::Added,
                Change::Removed => ChangeKind::Removed,
                Change::Changed => ChangeKind::Changed,
            },
            properties: change
                .properties
                .into_iter()
                .map(PropertyChangeShown::from)
                .collect(),
        }
    }
}

impl From<flowforge_workflow::PropertyChange> for PropertyChangeShown {
    fn from(change: flowforge_workflow::PropertyChange) -> Self {
        Self {
            path: change.path,
            has_before: change.before.is_some(),
            has_after: change.after.is_some(),
            before: change.before.map(Json),
            after: change.after.map(Json),
        }
    }
}

impl From<Hunk> for TextHunk {
    fn from(hunk: Hunk) -> Self {
        let lines = hunk.lines.into_iter().map(|line| TextLine {
            kind: match line.kind {
                LineKind::Same => TextLineKind::Same,
                LineKind::Removed => TextLineKind::Removed,
                LineKind::Added => TextLineKind::Added,
            },
            text: line.text,
        });
        Self {
            before_line: hunk.before_line,
            after_line: hunk.after_line,
            lines: lines.collect(),
        }
    }
}
