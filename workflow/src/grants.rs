//! What the nodes of a workflow ask for beyond computing.

use std::collections::{BTreeMap, BTreeSet};

use flowforge_protocol::NodeId;
use flowforge_protocol::release::GrantRequest;
use serde_json::{Map, Value};

use crate::destination::destination;
use crate::expr::{Meaning, Scope, Template};
use crate::model::Workflow;

/// Why the grants of a workflow cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`allow` of `{node}`, entry {}: {message}", .index + 1)]
pub struct GrantError {
    /// The node.
    pub node: NodeId,
    /// Which entry, from 0.
    pub index: usize,
    /// What is wrong, for people.
    pub message: String,
}

/// The configuration as the only name in reach (R9).
struct ConfigScope<'c>(&'c Value);

impl Scope for ConfigScope<'_> {
    fn lookup(&self, name: &str) -> Option<Meaning<'_>> {
        (name == "config").then_some(Meaning::Value(self.0))
    }
}

/// A template over the configuration alone, as text.
///
/// # Errors
///
/// A fragment: it does not compile, names something else, or is no text.
pub(crate) fn config_text(source: &str, config: &Value) -> Result<String, String> {
    let template = Template::compile(&Value::String(source.to_owned())).map_err(|errors| {
        errors
            .into_iter()
            .next()
            .map_or_else(String::new, |error| error.error.message)
    })?;
    if let Some(name) = template.references().all().find(|name| *name != "config") {
        return Err(format!(
            "`allow` may use `config` only, not `{name}`: a grant is fixed when the workflow is published"
        ));
    }
    match template
        .evaluate(&ConfigScope(config), 0)
        .map_err(|failure| failure.error.message)?
    {
        Value::String(text) => Ok(text),
        other => Err(format!("a destination must be text, not {other}")),
    }
}

/// The requests of all nodes that need something, in the order of the file.
///
/// `config` is the configuration of the release: see [`crate::config_with`].
///
/// # Errors
///
/// The first entry of an `allow` that is no destination. The lint reports them all, with their places.
pub fn grant_requests(
    workflow: &Workflow,
    config: &Map<String, Value>,
) -> Result<Vec<GrantRequest>, GrantError> {
    let config = Value::Object(config.clone());
    let mut out = Vec::new();
    for (node, call) in workflow.calls() {
        let mut destinations = Vec::with_capacity(call.allow.len());
        for (index, source) in call.allow.iter().enumerate() {
            let error = |message| GrantError {
                node: node.clone(),
                index,
                message,
            };
            let text = config_text(source, &config).map_err(error)?;
            let found = destination(&text).map_err(|problem| error(problem.to_string()))?;
            if !destinations.contains(&found) {
                destinations.push(found);
            }
        }
        if !destinations.is_empty() || !call.secrets.is_empty() {
            out.push(GrantRequest {
                node: node.clone(),
                destinations,
                secrets: call.secrets.clone(),
            });
        }
    }
    Ok(out)
}

/// The connector that each step calls, by the id of its node: what a release holds. What takes an effect back has an id of
/// its own, `NODE~undo`.
#[must_use]
pub fn release_calls(workflow: &Workflow) -> BTreeMap<NodeId, String> {
    let calls = workflow.calls();
    calls.map(|(node, call)| (node, call.connector.clone())).collect()
}

/// The workflows that its nodes run: a release pins a release of each.
#[must_use]
pub fn release_children(workflow: &Workflow) -> BTreeSet<String> {
    let children = workflow.child_workflows();
    children.map(|(_, name)| name.to_owned()).collect()
}
