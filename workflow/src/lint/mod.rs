//! What a definition means: order, connectors, ports, grants, expressions.
//!
//! Owns every check that takes more than one part of the file, or the connectors it calls, to see. Pure: the
//! connectors come through [`Connectors`]. Invariant: a definition without errors here makes a [`crate::Plan`].

mod calls;
mod children;
mod expressions;
mod failures;
mod finders;
mod follow;
mod grants;
mod graph;
mod kinds;
mod order;
mod reach;
mod respond;
mod sections;
mod types;

use std::collections::{BTreeMap, BTreeSet};

use flowforge_ports::{Interface, Operation};
use flowforge_protocol::{Digest, NodeId};
use serde_json::{Map, Value};

pub use children::KnownWorkflow;
pub(crate) use expressions::word_at;
pub use graph::{EdgeKind, Graph, GraphEdge, GraphNode, GraphPort, GraphSecret, graph};
pub(crate) use reach::{NameOf, Reach};

use crate::Definition;
use crate::diagnostic::Diagnostic;
use crate::expr::Interrupt;

/// A connector that a workflow can call.
#[derive(Debug, Clone)]
pub struct ConnectorVersion {
    /// Semantic version.
    pub version: String,
    /// Digest of the component's bytes.
    pub digest: Digest,
    /// What it offers.
    pub interface: Interface,
}

/// Why a connector is not found, where more is known than that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub fix: String,
}

/// The connectors there are, and the workflows.
pub trait Connectors {
    /// The connector of this name, in the version the workflow would get.
    fn find(&self, name: &str) -> Option<ConnectorVersion>;

    /// Why [`Connectors::find`] finds none of this name, if the workflow asks for a certain version.
    fn missing(&self, _name: &str) -> Option<Missing> {
        None
    }

    /// Names to offer when one is not found; may be empty.
    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    /// The published workflow of this name, in the release that a `workflow` node would get.
    fn workflow(&self, _name: &str) -> Option<KnownWorkflow> {
        None
    }

    /// Names of the published workflows; `None` if it is not known here which there are, and then nothing is said of them.
    fn workflows(&self) -> Option<Vec<String>> {
        None
    }
}

impl Connectors for BTreeMap<String, ConnectorVersion> {
    fn find(&self, name: &str) -> Option<ConnectorVersion> {
        self.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }
}

/// Everything found in a definition, in the order of the file; publish only if none is an error.
///
/// `overrides` are the configuration values it will be published with, where they differ from the file's. One that the
/// file does not have is left to [`crate::canonical`], which refuses it.
#[must_use]
pub fn lint(
    definition: &Definition,
    overrides: &Map<String, Value>,
    connectors: &dyn Connectors,
) -> Vec<Diagnostic> {
    // A handle that nobody stops interrupts nothing.
    lint_within(definition, overrides, connectors, &Interrupt::new()).unwrap_or_default()
}

/// The check was stopped before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the check was stopped: it took too long")]
pub struct Interrupted;

/// As [`lint`], and stops soon after the handle was stopped. A file of someone else is checked like this: on a thread of
/// its own, under a deadline.
///
/// # Errors
///
/// The handle was stopped.
pub fn lint_within(
    definition: &Definition,
    overrides: &Map<String, Value>,
    connectors: &dyn Connectors,
    interrupt: &Interrupt,
) -> Result<Vec<Diagnostic>, Interrupted> {
    let mut lint = Lint::new(definition, overrides, connectors, interrupt);
    let stages: [fn(&mut Lint<'_>); 10] = [
        |lint| lint.order(),
        |lint| lint.failures(),
        |lint| lint.calls(),
        |lint| lint.children(),
        |lint| lint.responses(),
        |lint| lint.grants(),
        |lint| lint.find_types(),
        |lint| lint.expressions(),
        |lint| lint.finders(),
        |lint| lint.sections(),
    ];
    for stage in stages {
        stage(&mut lint);
        if interrupt.is_stopped() {
            return Err(Interrupted);
        }
    }
    let mut findings = lint.findings;
    findings.sort_by(|a, b| (a.line, a.column, &a.code).cmp(&(b.line, b.column, &b.code)));
    findings.dedup();
    Ok(findings)
}

/// One lint at work.
struct Lint<'d> {
    definition: &'d Definition,
    config: Value,
    connectors: BTreeMap<String, ConnectorVersion>,
    missing: BTreeMap<String, Missing>,
    names: Vec<String>,
    /// The published workflows that nodes run, or that follow.
    children: BTreeMap<String, KnownWorkflow>,
    /// Names of all published workflows, if they are known.
    workflows: Option<Vec<String>>,
    /// What is used of the definition: `config.feed`, `input.threshold`, `secret.chat_token`.
    used: BTreeSet<String>,
    types: types::Known,
    findings: Vec<Diagnostic>,
    interrupt: &'d Interrupt,
}

/// A node as its author knows it, what takes its effect back, or a trigger.
fn named(node: &NodeId) -> String {
    match (node.undone(), node.trigger()) {
        (Some(of), _) => format!("the `undo` of `{of}`"),
        (None, Some(trigger)) => format!("trigger `{trigger}`"),
        (None, None) => format!("`{node}`"),
    }
}

/// As [`named`], at the beginning of a sentence about a call.
fn call_of(node: &NodeId) -> String {
    match node.undone().or(node.trigger()) {
        Some(_) => named(node),
        None => format!("node `{node}`"),
    }
}

impl<'d> Lint<'d> {
    /// A lint that has looked at nothing yet, except which connectors and workflows the definition names.
    fn new(
        definition: &'d Definition,
        overrides: &Map<String, Value>,
        connectors: &dyn Connectors,
        interrupt: &'d Interrupt,
    ) -> Self {
        let mut config = definition.model.config.clone();
        for (name, value) in overrides {
            if let Some(slot) = config.get_mut(name) {
                *slot = value.clone();
            }
        }
        let found: BTreeMap<String, ConnectorVersion> = definition
            .connectors()
            .into_iter()
            .filter_map(|name| connectors.find(&name).map(|version| (name, version)))
            .collect();
        let named = definition.connectors().into_iter();
        let missing = named
            .filter(|name| !found.contains_key(name))
            .filter_map(|name| connectors.missing(&name).map(|missing| (name, missing)))
            .collect();
        let children = definition
            .model
            .child_workflows()
            .map(|(_, name)| name)
            .chain(definition.model.following_workflows().map(|(_, name)| name))
            .filter_map(|name| Some((name.to_owned(), connectors.workflow(name)?)))
            .collect();
        Lint {
            children,
            workflows: connectors.workflows(),
            definition,
            config: Value::Object(config),
            connectors: found,
            missing,
            names: connectors.names(),
            used: BTreeSet::new(),
            types: types::Known::default(),
            findings: definition.warnings.clone(),
            interrupt,
        }
    }
}

impl Lint<'_> {
    fn error_at_key(&self, code: &str, path: &str, message: impl Into<String>) -> Diagnostic {
        self.definition
            .source
            .error(code, self.definition.places.key_at(path), message)
    }

    fn error_at_value(&self, code: &str, path: &str, message: impl Into<String>) -> Diagnostic {
        self.definition
            .source
            .error(code, self.definition.places.value_at(path), message)
    }

    fn operation(&self, connector: &str, operation: &str) -> Option<&Operation> {
        self.connectors.get(connector)?.interface.operation(operation)
    }
}
