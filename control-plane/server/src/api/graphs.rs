//! Drawings of workflows, as the API shows them.

use async_graphql::{Context, Enum, Json, Result, SimpleObject, Union};
use flowforge_workflow::model::{Call, Output, TriggerKind, Workflow};
use flowforge_workflow::{EdgeKind, GraphNode, GraphPort, input_schema};
use serde_json::{Map, Value};

use super::fault;
use super::loads::reading;
use super::mutation::too_long;
use super::problems::{DraftNotFoundProblem, InputProblem, WorkflowNotFoundProblem, WorkflowProblem};
use super::query::app;
use super::scalars::{AnyJson, Long};
use super::schedules::{ScheduleCatchUp, ScheduleOverlap};
use super::texts::{NoTextProblem, WorkflowTextInput};
use super::workflows::DiagnosticNode;
use crate::app::looks::Drawn;

#[derive(Union)]
pub(crate) enum WorkflowGraphPayload {
    Graph(Box<WorkflowGraph>),
    Workflow(WorkflowProblem),
    NotFound(WorkflowNotFoundProblem),
    NoDraft(DraftNotFoundProblem),
    Input(InputProblem),
}

/// A workflow as a drawing has it.
#[derive(SimpleObject)]
pub(crate) struct WorkflowGraph {
    workflow: String,
    title: String,
    /// In the order of the file; a loop comes before its body.
    nodes: Vec<GraphNodeShown>,
    edges: Vec<GraphEdgeShown>,
    triggers: Vec<GraphTrigger>,
    /// JSON Schema of what a run is asked for.
    input_schema: AnyJson,
    /// The result of a run: a template, or an object of templates.
    output: AnyJson,
    config: AnyJson,
    /// Names of the secrets that it may use.
    secrets: Vec<String>,
    /// What the lint says of it.
    diagnostics: Vec<DiagnosticNode>,
}

/// One node.
#[derive(SimpleObject)]
#[graphql(name = "GraphNode")]
pub(crate) struct GraphNodeShown {
    id: String,
    kind: GraphNodeKind,
    /// The loop whose body holds it.
    parent: Option<String>,
    /// `publisher:name`
    connector: Option<String>,
    /// The version that it has, or would get.
    connector_version: Option<String>,
    operation: Option<String>,
    /// The workflow that it runs.
    child: Option<String>,
    /// What its operation says of itself, Markdown.
    docs: Option<String>,
    /// Ports of its operation, input of its workflow, or its own values.
    inputs: Vec<GraphPortShown>,
    output: GraphPortShown,
    /// What may become of it, as `after` names it.
    outcomes: Vec<String>,
    /// As written, with expressions over `config`.
    destinations: Vec<String>,
    /// What was granted to it, as `scheme://name:port`; of a published version.
    granted: Vec<String>,
    secrets: Vec<GraphSecretShown>,
    disabled: bool,
    /// All of it but its body, in canonical form.
    definition: AnyJson,
    /// Where it stands, if its layout says so.
    position: Option<GraphPosition>,
    /// From 1; 0 where there is no text.
    line: u32,
    /// From 1; 0 where there is no text.
    column: u32,
}

/// Kinds of nodes.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GraphNodeKind {
    Call,
    Set,
    Switch,
    Foreach,
    Wait,
    Approval,
    Workflow,
    Repeat,
    Respond,
}

impl GraphNodeKind {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "call" => Self::Call,
            "set" => Self::Set,
            "switch" => Self::Switch,
            "foreach" => Self::Foreach,
            "wait" => Self::Wait,
            "approval" => Self::Approval,
            "workflow" => Self::Workflow,
            "repeat" => Self::Repeat,
            "respond" => Self::Respond,
            _ => return None,
        })
    }
}

/// Something that a node takes or gives.
#[derive(SimpleObject)]
#[graphql(name = "GraphPort")]
pub(crate) struct GraphPortShown {
    /// `url`; `set.total`; empty for what a node gives.
    name: String,
    /// In one line: `text`, `list<int>`, `int?`.
    #[graphql(name = "type")]
    ty: String,
    /// JSON Schema of its values.
    schema: AnyJson,
    docs: Option<String>,
    required: bool,
    /// The template in the file, if it is set.
    value: Option<AnyJson>,
}

/// A place of a node for a secret.
#[derive(SimpleObject)]
#[graphql(name = "GraphSecret")]
pub(crate) struct GraphSecretShown {
    slot: String,
    /// `bearer`, `basic`, …, if the connector says so.
    kind: Option<String>,
    /// Name of the secret in it.
    secret: Option<String>,
}

/// Where a node stands.
#[derive(SimpleObject)]
pub(crate) struct GraphPosition {
    x: f64,
    y: f64,
}

/// One node needs another.
#[derive(SimpleObject)]
#[graphql(name = "GraphEdge")]
pub(crate) struct GraphEdgeShown {
    from: String,
    to: String,
    kind: GraphEdgeKind,
    /// Of `AFTER`: the outcome of `from` that is waited for.
    outcome: Option<String>,
    /// Of `DATA`: the input of `to` that uses the result of `from`.
    port: Option<String>,
}

/// Why one node comes after another.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GraphEdgeKind {
    /// It uses its result.
    Data,
    /// `after` says so.
    After,
    /// It stands in when the other has failed.
    Fallback,
}

/// What starts a workflow.
#[derive(SimpleObject)]
pub(crate) struct GraphTrigger {
    name: String,
    /// `webhook`, `schedule` or `poll`.
    kind: String,
    /// Below `/hooks/`.
    webhook_path: Option<String>,
    /// How a request proves who sent it: a scheme, or `hmac` for either of the two that a trigger with `hmac` takes.
    scheme: Option<String>,
    /// Name of the secret that requests are checked with.
    secret: Option<String>,
    cron: Option<String>,
    time_zone: Option<String>,
    catch_up: Option<ScheduleCatchUp>,
    /// Null also for a schedule whose runs do not care for each other.
    overlap: Option<ScheduleOverlap>,
    /// The operation that finds its events: `publisher:name/operation`.
    call: Option<String>,
    /// From the end of one poll to the beginning of the next.
    every_ms: Option<Long>,
}

impl GraphTrigger {
    /// One of which nothing but its name is known.
    fn named(name: &str, kind: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            webhook_path: None,
            scheme: None,
            secret: None,
            cron: None,
            time_zone: None,
            catch_up: None,
            overlap: None,
            call: None,
            every_ms: None,
        }
    }
}

impl From<NoTextProblem> for WorkflowGraphPayload {
    fn from(problem: NoTextProblem) -> Self {
        match problem {
            NoTextProblem::Workflow(problem) => Self::NotFound(problem),
            NoTextProblem::Draft(problem) => Self::NoDraft(problem),
            NoTextProblem::Unreadable(problem) => Self::Workflow(problem),
        }
    }
}

/// Draws a text.
pub(super) async fn draw(ctx: &Context<'_>, of: WorkflowTextInput) -> Result<WorkflowGraphPayload> {
    let (app, reading) = (app(ctx)?, reading(ctx).await?);
    let wanted = match of.wanted() {
        Ok(wanted) => wanted,
        Err(problem) => return Ok(WorkflowGraphPayload::Input(problem)),
    };
    let text = match app
        .text_of(&reading, wanted)
        .await
        .map_err(|error| fault(&error))?
    {
        Ok(text) => text,
        Err(none) => return Ok(NoTextProblem::from(none).into()),
    };
    Ok(match app.draw(text).await.map_err(too_long)? {
        Ok(drawn) => WorkflowGraphPayload::Graph(Box::new(shown(drawn))),
        Err(none) => NoTextProblem::from(none).into(),
    })
}

fn shown(drawn: Drawn) -> WorkflowGraph {
    let Drawn {
        graph,
        model,
        layout,
        granted,
        diagnostics,
    } = drawn;
    let place = |id: &str| {
        let at = layout.as_ref()?.pointer("/nodes")?.get(id)?;
        Some(GraphPosition {
            x: at.get("x")?.as_f64()?,
            y: at.get("y")?.as_f64()?,
        })
    };
    let nodes = graph.nodes.into_iter().map(|node| {
        let granted = granted.get(&node.id).cloned().unwrap_or_default();
        let position = place(&node.id);
        GraphNodeShown::of(node, granted, position)
    });
    WorkflowGraph {
        nodes: nodes.collect(),
        edges: graph.edges.into_iter().map(Into::into).collect(),
        triggers: model.triggers.iter().map(GraphTrigger::from).collect(),
        input_schema: Json(input_schema(&model)),
        output: Json(output(&model)),
        config: Json(Value::Object(model.config.clone())),
        secrets: model.secrets.clone(),
        diagnostics: diagnostics.iter().map(DiagnosticNode::from).collect(),
        title: model.title,
        workflow: model.workflow,
    }
}

fn output(model: &Workflow) -> Value {
    match &model.output {
        Output::Value(value) => value.clone(),
        Output::Fields(fields) => {
            let fields = fields
                .iter()
                .map(|field| (field.name.clone(), field.value.clone()));
            Value::Object(fields.collect::<Map<_, _>>())
        }
    }
}

impl GraphNodeShown {
    fn of(node: GraphNode, granted: Vec<String>, position: Option<GraphPosition>) -> Self {
        let (connector, connector_version, operation) = match node.call {
            Some((connector, version, operation)) => (Some(connector), version, Some(operation)),
            None => (None, None, None),
        };
        let secrets = node.secrets.into_iter().map(|secret| GraphSecretShown {
            slot: secret.slot,
            kind: secret.kind,
            secret: secret.secret,
        });
        Self {
            id: node.id,
            kind: GraphNodeKind::of(node.kind).unwrap_or(GraphNodeKind::Call),
            parent: node.parent,
            connector,
            connector_version,
            operation,
            child: node.child,
            docs: node.docs,
            inputs: node.inputs.into_iter().map(GraphPortShown::from).collect(),
            output: node.output.into(),
            outcomes: node.outcomes,
            destinations: node.destinations,
            granted,
            secrets: secrets.collect(),
            disabled: node.disabled,
            definition: Json(node.definition),
            position,
            line: node.place.0,
            column: node.place.1,
        }
    }
}

impl From<GraphPort> for GraphPortShown {
    fn from(port: GraphPort) -> Self {
        Self {
            name: port.name,
            ty: port.ty,
            schema: Json(port.schema),
            docs: port.docs,
            required: port.required,
            value: port.value.map(Json),
        }
    }
}

impl From<flowforge_workflow::GraphEdge> for GraphEdgeShown {
    fn from(edge: flowforge_workflow::GraphEdge) -> Self {
        let (kind, outcome, port) = match edge.kind {
            EdgeKind::Data(port) => (GraphEdgeKind::Data, None, Some(port)),
            EdgeKind::After(outcome) => (GraphEdgeKind::After, outcome, None),
            EdgeKind::Fallback => (GraphEdgeKind::Fallback, None, None),
        };
        Self {
            from: edge.from,
            to: edge.to,
            kind,
            outcome,
            port,
        }
    }
}

/// `publisher:name/operation`
pub(super) fn operation_of(call: &Call) -> String {
    format!("{}/{}", call.connector, call.operation)
}

impl From<&flowforge_workflow::model::Trigger> for GraphTrigger {
    fn from(trigger: &flowforge_workflow::model::Trigger) -> Self {
        let name = trigger.name.as_str();
        match &trigger.kind {
            TriggerKind::Webhook(hook) => Self {
                webhook_path: Some(hook.path.clone()),
                scheme: Some(hook.asked().to_owned()),
                secret: hook.secret().map(str::to_owned),
                ..Self::named(name, "webhook")
            },
            TriggerKind::Form(form) => Self {
                webhook_path: Some(form.path.clone()),
                ..Self::named(name, "form")
            },
            TriggerKind::Schedule(times) => Self {
                cron: Some(times.cron.clone()),
                time_zone: Some(times.time_zone.clone()),
                catch_up: Some(times.catch_up.into()),
                overlap: times.overlap.map(ScheduleOverlap::from),
                ..Self::named(name, "schedule")
            },
            TriggerKind::Poll(poll) => Self {
                call: Some(operation_of(&poll.call)),
                every_ms: Some(Long(poll.every_ms)),
                ..Self::named(name, "poll")
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kind that was forgotten here would be drawn as a call.
    #[test]
    fn every_kind_of_the_language_is_drawn_as_what_it_is() {
        for word in flowforge_workflow::node_kinds() {
            assert!(GraphNodeKind::of(word).is_some(), "{word}");
        }
    }
}
