//! A definition as a drawing has it: nodes with typed ports, and the edges between them.

use flowforge_ports::{Operation, Type};
use serde_json::{Map, Value, json};

use super::expressions::Site;
use super::order::of_part;
use super::{Connectors, Lint};
use crate::Definition;
use crate::expr::Interrupt;
use crate::model::{Call, Child, Fallback, Node, NodeKind, Part};
use crate::order::outcomes;
use crate::types::Ty;

/// What is drawn of a definition.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Graph {
    /// In the order of the file; a loop comes before its body.
    pub nodes: Vec<GraphNode>,
    /// By the node at their end, in the order of the file.
    pub edges: Vec<GraphEdge>,
}

/// One node.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphNode {
    /// Its id.
    pub id: String,
    /// The word of its kind in the file: `call`, `set`, `switch`, `foreach`, `wait`, `approval`, `workflow`, `repeat`,
    /// `respond`.
    pub kind: &'static str,
    /// The loop whose body holds it.
    pub parent: Option<String>,
    /// Connector, the version it would get if it is there, and operation.
    pub call: Option<(String, Option<String>, String)>,
    /// The workflow that it runs.
    pub child: Option<String>,
    /// What its operation says of itself, Markdown.
    pub docs: Option<String>,
    /// What it takes: the ports of its operation, the input of its workflow, or its own values.
    pub inputs: Vec<GraphPort>,
    /// What it gives.
    pub output: GraphPort,
    /// What may become of it, as `after` names it.
    pub outcomes: Vec<String>,
    /// Destinations as written.
    pub destinations: Vec<String>,
    /// Secrets that it uses or could use.
    pub secrets: Vec<GraphSecret>,
    /// Whether it is skipped.
    pub disabled: bool,
    /// All of it but its body, in canonical form.
    pub definition: Value,
    /// Line and column from 1; zeros if it comes from no text.
    pub place: (u32, u32),
}

/// Something that a node takes or gives.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphPort {
    /// `url`; `set.total`; empty for what a node gives.
    pub name: String,
    /// In one line.
    pub ty: String,
    /// JSON Schema of its values.
    pub schema: Value,
    /// For people, Markdown.
    pub docs: Option<String>,
    /// Whether it must be set.
    pub required: bool,
    /// The template in the file, if it is set.
    pub value: Option<Value>,
}

/// A slot of a connector for a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphSecret {
    /// The slot.
    pub slot: String,
    /// The kind of secret that it takes, if the connector says so: `bearer`, `basic`, ….
    pub kind: Option<String>,
    /// Name of the secret in it.
    pub secret: Option<String>,
}

/// One node needs another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphEdge {
    /// The node that comes first.
    pub from: String,
    /// The node that comes later.
    pub to: String,
    /// Why.
    pub kind: EdgeKind,
}

/// Why one node comes after another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EdgeKind {
    /// This input uses its result.
    Data(String),
    /// `after` says so; with the outcome, if it names one.
    After(Option<String>),
    /// It stands in when the other has failed.
    Fallback,
}

/// Draws a definition; one that the lint would refuse too, as far as it goes.
#[must_use]
pub fn graph(definition: &Definition, connectors: &dyn Connectors, interrupt: &Interrupt) -> Graph {
    let mut lint = Lint::new(definition, &Map::new(), connectors, interrupt);
    lint.find_types();
    let mut out = Graph::default();
    for (around, node) in definition.model.walk() {
        if interrupt.is_stopped() {
            break;
        }
        let site = lint.site_of(&around).at(node);
        lint.edges(node, &site, &mut out.edges);
        out.nodes.push(lint.drawn(&around, node));
    }
    out
}

impl<'d> Lint<'d> {
    fn drawn(&self, around: &[&'d Node], node: &'d Node) -> GraphNode {
        let call = match &node.kind {
            NodeKind::Call(call) => Some(call.as_ref()),
            _ => None,
        };
        let operation = call.and_then(|call| self.operation(&call.connector, &call.operation));
        let inputs = match (&node.kind, operation) {
            (NodeKind::Call(call), Some(operation)) => ports(call, operation),
            (NodeKind::Workflow(child), _) => self.child_ports(child),
            (kind, _) => kind.parts().into_iter().map(written).collect(),
        };
        let schema = operation.map_or_else(|| json!({}), Operation::output_schema);
        let mut definition = serde_json::to_value(node).unwrap_or_default();
        let kind = node.kind.word();
        let body = definition.pointer_mut(&format!("/kind/{kind}"));
        if let Some(body) = body.and_then(Value::as_object_mut) {
            body.remove("body");
        }
        let of_call = |call: &Call| {
            let version = self.connectors.get(&call.connector);
            let version = version.map(|found| found.version.clone());
            (call.connector.clone(), version, call.operation.clone())
        };
        GraphNode {
            id: node.id.to_string(),
            kind,
            parent: around.last().map(|each| each.id.to_string()),
            call: call.map(of_call),
            child: match &node.kind {
                NodeKind::Workflow(child) => Some(child.workflow.clone()),
                _ => None,
            },
            docs: operation.and_then(|operation| operation.docs.clone()),
            inputs,
            output: GraphPort {
                name: String::new(),
                ty: self.types.of_node(node.id.as_str()).shown(),
                schema,
                docs: None,
                required: false,
                value: None,
            },
            outcomes: outcomes(node).into_iter().map(str::to_owned).collect(),
            destinations: call.map(|call| call.allow.clone()).unwrap_or_default(),
            secrets: call.map(|call| self.drawn_slots(call)).unwrap_or_default(),
            disabled: node.disabled,
            definition,
            place: self.place_of(node),
        }
    }

    fn place_of(&self, node: &Node) -> (u32, u32) {
        let path = format!("nodes.{}", node.id);
        match self.definition.places.get(&path) {
            Some(_) => self.definition.source.place(self.definition.places.key_at(&path)),
            None => (0, 0),
        }
    }

    fn child_ports(&self, child: &Child) -> Vec<GraphPort> {
        let Some(known) = self.children.get(&child.workflow) else {
            return NodeKind::Workflow(child.clone())
                .parts()
                .into_iter()
                .map(written)
                .collect();
        };
        let port = |field: &crate::model::InputField| GraphPort {
            name: field.name.clone(),
            ty: Ty::of_schema(&field.schema).shown(),
            docs: field
                .schema
                .get("description")
                .and_then(Value::as_str)
                .map(str::to_owned),
            schema: Value::Object(field.schema.clone()),
            required: field.default.is_none() && !field.optional,
            value: child.with.get(&field.name).cloned(),
        };
        known.input.iter().map(port).collect()
    }

    /// The slots that a connector has, and those that the file gives secrets for besides.
    fn drawn_slots(&self, call: &Call) -> Vec<GraphSecret> {
        let found = self.connectors.get(&call.connector);
        let meta = found.and_then(|found| found.interface.meta.as_ref());
        let known = meta.iter().flat_map(|meta| &meta.secrets);
        let mut out: Vec<GraphSecret> = known
            .map(|(slot, known)| GraphSecret {
                slot: slot.clone(),
                kind: Some(known.kind.clone()),
                secret: call.secrets.get(slot).cloned(),
            })
            .collect();
        for (slot, secret) in &call.secrets {
            if !out.iter().any(|known| known.slot == *slot) {
                out.push(GraphSecret {
                    slot: slot.clone(),
                    kind: None,
                    secret: Some(secret.clone()),
                });
            }
        }
        out
    }

    fn edges(&self, node: &'d Node, site: &Site<'d>, out: &mut Vec<GraphEdge>) {
        let to = node.id.as_str();
        let mut add = |from: &str, kind: EdgeKind| {
            let edge = GraphEdge {
                from: from.to_owned(),
                to: to.to_owned(),
                kind,
            };
            if from != to && !out.contains(&edge) {
                out.push(edge);
            }
        };
        for after in &node.after {
            add(after.node.as_str(), EdgeKind::After(after.outcome.clone()));
        }
        let mut parts = node.kind.parts();
        if let Some(Fallback::Value(value)) = &node.fallback {
            parts.push(("fallback".to_owned(), Part::Template(value)));
        }
        for (port, value) in node.undo.iter().flat_map(|undo| &undo.with) {
            parts.push((format!("undo.with.{port}"), Part::Template(value)));
        }
        for (port, part) in parts {
            for name in of_part(part).all() {
                if site.item(name).is_none() && site.node(name).is_some() {
                    add(name, EdgeKind::Data(port.clone()));
                }
            }
        }
        if let Some(Fallback::Node(stand_in)) = &node.fallback {
            out.push(GraphEdge {
                from: to.to_owned(),
                to: stand_in.to_string(),
                kind: EdgeKind::Fallback,
            });
        }
    }
}

/// The ports of an operation, and whatever else the file sets.
fn ports(call: &Call, operation: &Operation) -> Vec<GraphPort> {
    let known = operation.params.iter().map(|port| GraphPort {
        name: port.name.clone(),
        ty: port_type(&port.ty),
        schema: port.ty.json_schema(),
        docs: port.docs.clone(),
        required: !port.ty.may_be_absent(),
        value: call.with.get(&port.name).cloned(),
    });
    let is_port = |name: &str| operation.params.iter().any(|port| port.name == name);
    let others = call.with.iter().filter(|(name, _)| !is_port(name));
    known
        .chain(others.map(|(name, value)| any(name.clone(), Some(value.clone()))))
        .collect()
}

fn port_type(ty: &Type) -> String {
    match ty {
        Type::Option { inner } => format!("{}?", port_type(inner)),
        other => Ty::of_port(other).shown(),
    }
}

/// A value of a node that is no port of a connector.
fn written((name, part): (String, Part<'_>)) -> GraphPort {
    let value = match part {
        Part::Template(value) => value.clone(),
        Part::Text(text) | Part::Expression(text, _) => Value::String(text.to_owned()),
    };
    let name = name.strip_prefix("with.").map_or(name.clone(), str::to_owned);
    any(name, Some(value))
}

fn any(name: String, value: Option<Value>) -> GraphPort {
    GraphPort {
        name,
        ty: Ty::Any.shown(),
        schema: json!({}),
        docs: None,
        required: false,
        value,
    }
}
