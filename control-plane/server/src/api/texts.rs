//! Which text of a workflow is meant, and why it cannot be looked at.

use async_graphql::{InputObject, Result};
use serde_json::Value;

use super::codes::ProblemCode;
use super::mutation::{field, input_problem, workflow_problem};
use super::operations::no_workflow;
use super::problems::{DraftNotFoundProblem, InputProblem, WorkflowNotFoundProblem, WorkflowProblem};
use super::scalars::AnyJson;
use super::{CODE_ARGUMENT, coded};
use crate::app::looks::{NoText, Wanted};

/// A workflow's text: `source`; or `workflow` with `version`, with `draft: true`, or alone, which is its newest version.
#[derive(InputObject)]
pub(crate) struct WorkflowTextInput {
    workflow: Option<String>,
    version: Option<u32>,
    draft: Option<bool>,
    source: Option<String>,
    /// With `source`: `workflow.lock`.
    lock: Option<String>,
    /// With `source`: where its nodes stand.
    layout: Option<AnyJson>,
}

impl WorkflowTextInput {
    /// Which text that is.
    pub(super) fn wanted(self) -> std::result::Result<Wanted, InputProblem> {
        match (
            self.source,
            self.workflow,
            self.draft.unwrap_or(false),
            self.version,
        ) {
            (Some(source), None, false, None) => Ok(Wanted::Text {
                source,
                lock: self.lock,
                layout: self.layout.map(|layout| layout.0),
            }),
            (None, Some(workflow), true, None) => Ok(Wanted::Draft(workflow)),
            (None, Some(workflow), false, version) => Ok(Wanted::Version(workflow, version)),
            _ => {
                let message = "give `source`; or `workflow` with `version`, with `draft: true`, or alone";
                Err(input_problem(vec![field("workflow", message)]))
            }
        }
    }
}

/// What is answered in the place of a text.
pub(super) enum NoTextProblem {
    Workflow(WorkflowNotFoundProblem),
    Draft(DraftNotFoundProblem),
    Unreadable(WorkflowProblem),
}

impl From<NoText> for NoTextProblem {
    fn from(none: NoText) -> Self {
        match none {
            NoText::Workflow(name) => Self::Workflow(no_workflow(&name)),
            NoText::Draft(name) => Self::Draft(no_draft(&name)),
            NoText::Unreadable(found) => Self::Unreadable(workflow_problem(&found)),
        }
    }
}

pub(super) fn no_draft(workflow: &str) -> DraftNotFoundProblem {
    let message = format!("there is no draft of `{workflow}`; save one first");
    DraftNotFoundProblem::new(ProblemCode::Dr002, message)
}

/// An object of values by name; nothing stands for an empty one.
pub(super) fn object(given: Option<AnyJson>, what: &str) -> Result<serde_json::Map<String, Value>> {
    match given.map(|given| given.0) {
        None | Some(Value::Null) => Ok(serde_json::Map::new()),
        Some(Value::Object(fields)) => Ok(fields),
        Some(_) => Err(coded(format!("`{what}` must be an object"), CODE_ARGUMENT)),
    }
}
