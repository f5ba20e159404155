//! What happens when things go wrong: fallbacks, effects that are taken back, silence, and nodes that are disabled.

use std::collections::BTreeSet;

use flowforge_ports::CapabilityKind;

use super::Lint;
use super::order::{of_part, references};
use crate::model::{Call, Fallback, Node, NodeKind, Output, Part};
use crate::names::{SPECIAL, is_type_word};
use crate::order::stand_in;

/// The import of a connector that says of itself how far it is.
const PROGRESS: &str = "flowforge:connector/progress";

impl<'d> Lint<'d> {
    pub(super) fn failures(&mut self) {
        let definition = self.definition;
        self.failures_in(&definition.model.nodes, &BTreeSet::new(), &[]);
        for (node, call) in definition.model.calls() {
            self.silence(node.as_str(), call);
        }
    }

    /// `outer` are the nodes around that are known before anything in this body begins, `items` the names of loops.
    fn failures_in(&mut self, nodes: &'d [Node], outer: &BTreeSet<&'d str>, items: &[&'d str]) {
        for node in nodes {
            self.stand_in(nodes, node);
            if node.disabled {
                self.disabled(nodes, node);
            }
            let known = known_before(nodes, node, outer);
            if let Some(undo) = &node.undo {
                self.undo(node, undo, &known, items);
            }
            if let Some(body) = node.body() {
                let inner: Vec<&str> = items.iter().copied().chain(node.kind.inner_name()).collect();
                self.failures_in(body, &known, &inner);
            }
        }
    }

    fn stand_in(&mut self, nodes: &[Node], node: &Node) {
        let Some(fallback) = &node.fallback else { return };
        let path = format!("nodes.{}.fallback", node.id);
        if matches!(node.kind, NodeKind::Approval(_)) {
            let message = "nothing stands in for a person's answer";
            let found = self.error_at_key("FF-WF-028", &path, message);
            self.findings
                .push(found.with_fix("use its outcomes `rejected` and `expired`"));
            return;
        }
        let Fallback::Node(id) = fallback else { return };
        let path = format!("{path}.node");
        if *id == node.id {
            let found = self.error_at_value("FF-WF-028", &path, "a node cannot stand in for itself");
            self.findings.push(found.with_fix("`retry` tries it again"));
            return;
        }
        let Some(other) = stand_in(nodes, node).and_then(|slot| nodes.get(slot)) else {
            let message = format!("there is no node `{id}` beside this one");
            let found = self.error_at_value("FF-WF-028", &path, message);
            self.findings
                .push(found.with_fix("name a node of the same `nodes` or the same `do`"));
            return;
        };
        let same = |other: &&Node| other.fallback.as_ref() == Some(fallback);
        if let Some(first) = nodes.iter().find(same).filter(|first| first.id != node.id) {
            let message = format!("`{id}` stands in for `{}` already", first.id);
            let found = self.error_at_value("FF-WF-028", &path, message);
            self.findings
                .push(found.with_fix("make a node of its own for it"));
            // The rest is said at the first.
            return;
        }
        if other.on_error != crate::model::OnError::Stop {
            let message = format!(
                "`{id}` stands in for `{}`: what its failure does is said there",
                node.id
            );
            let found = self.error_at_key("FF-WF-028", &format!("nodes.{id}.on_error"), message);
            self.findings
                .push(found.with_fix(format!("write `on_error` at `{}`", node.id)));
        }
        let user = nodes.iter().find(|user| {
            let after = user.after.iter().any(|after| after.node == *id);
            after || references(user).all().any(|name| name == id.as_str())
        });
        if let Some(user) = user {
            let message = format!(
                "`{}` uses `{id}`, which runs only when `{}` has failed",
                user.id, node.id
            );
            let found = self
                .error_at_key("FF-WF-028", &format!("nodes.{}", user.id), message)
                .into_warning();
            self.findings
                .push(found.with_fix(format!("use `{}`: it has the result of `{id}` then", node.id)));
        }
    }

    /// What an effect is taken back with is fixed when its node is done.
    fn undo(&mut self, node: &Node, undo: &Call, known: &BTreeSet<&str>, items: &[&str]) {
        for (port, value) in &undo.with {
            let names = of_part(Part::Template(value));
            let late = names.all().find(|name| {
                let fixed = SPECIAL.contains(name) || items.contains(name) || is_type_word(name);
                let is_node = self
                    .definition
                    .model
                    .walk()
                    .iter()
                    .any(|(_, other)| other.id.as_str() == *name);
                is_node && !fixed && *name != node.id.as_str() && !known.contains(name)
            });
            if let Some(name) = late {
                let message = format!("`{name}` may not have ended when `{}` is done", node.id);
                let place = format!("nodes.{}~undo.with.{port}", node.id);
                let found = self.error_at_value("FF-WF-028", &place, message);
                let fix = format!(
                    "what `undo` is called with is fixed then: name `{}`, or what it waits for",
                    node.id
                );
                self.findings.push(found.with_fix(fix));
            }
        }
    }

    /// Says what misses the value of a disabled node: the nodes that are skipped with it, and theirs, and what is null in
    /// the output.
    fn disabled(&mut self, nodes: &[Node], node: &Node) {
        let skipped = skipped_with(nodes, node);
        let others: Vec<String> = nodes
            .iter()
            .filter(|other| other.id != node.id && skipped.contains(other.id.as_str()))
            .map(|other| format!("`{}`", other.id))
            .collect();
        let mut message = match others.as_slice() {
            [] => format!("`{}` is disabled", node.id),
            others => format!(
                "`{}` is disabled, so these are skipped too: {}",
                node.id,
                others.join(", ")
            ),
        };
        let missing = self.missing_in_output(&skipped);
        if !missing.is_empty() {
            message.push_str(&format!("; null in the output: {}", missing.join(", ")));
        }
        let found = self
            .error_at_key("FF-WF-038", &format!("nodes.{}.disabled", node.id), message)
            .into_warning();
        self.findings
            .push(found.with_fix("take `disabled` out when it is to run again"));
    }

    /// The parts of the output that need one of these nodes.
    fn missing_in_output(&self, skipped: &BTreeSet<&str>) -> Vec<String> {
        let needs = |value: &serde_json::Value| {
            let names = of_part(Part::Template(value));
            names.needed.iter().any(|name| skipped.contains(name.as_str()))
        };
        match &self.definition.model.output {
            Output::Fields(fields) => {
                let missing = fields.iter().filter(|field| needs(&field.value));
                missing.map(|field| format!("`{}`", field.name)).collect()
            }
            Output::Value(value) if needs(value) => vec!["all of it".to_owned()],
            Output::Value(_) => Vec::new(),
        }
    }

    fn silence(&mut self, node: &str, call: &Call) {
        let Some(connector) = self
            .connectors
            .get(&call.connector)
            .filter(|_| call.idle_timeout_ms.is_some())
        else {
            return;
        };
        let speaks = connector.interface.has_capability(CapabilityKind::Http)
            || connector
                .interface
                .capabilities
                .iter()
                .any(|capability| capability.import.starts_with(PROGRESS));
        if !speaks {
            let message = format!("`{}` says nothing of itself while it runs", call.connector);
            let found = self
                .error_at_key("FF-WF-039", &format!("nodes.{node}.idle_timeout"), message)
                .into_warning();
            let fix = "leave it out: `timeout` limits the attempt; only a connector that makes requests or imports `progress` can be silent for too long";
            self.findings.push(found.with_fix(fix));
        }
    }
}

/// A node that is skipped, and the nodes beside it that are skipped for that.
fn skipped_with<'n>(nodes: &'n [Node], node: &'n Node) -> BTreeSet<&'n str> {
    let mut skipped = BTreeSet::from([node.id.as_str()]);
    loop {
        let follows = |other: &&Node| {
            let needs = references(other);
            let needs = needs.needed.iter().any(|name| skipped.contains(name.as_str()));
            let mut after = other.after.iter();
            let only = !other.after.is_empty() && after.all(|after| skipped.contains(after.node.as_str()));
            !skipped.contains(other.id.as_str()) && (needs || only)
        };
        let Some(next) = nodes.iter().find(follows) else {
            return skipped;
        };
        skipped.insert(next.id.as_str());
    }
}

/// The nodes that have ended, or were skipped, whenever this one begins.
fn known_before<'d>(nodes: &'d [Node], node: &Node, outer: &BTreeSet<&'d str>) -> BTreeSet<&'d str> {
    let mut known = outer.clone();
    let mut to_visit = vec![node];
    let mut visited: BTreeSet<&str> = BTreeSet::new();
    while let Some(next) = to_visit.pop() {
        if !visited.insert(next.id.as_str()) {
            continue;
        }
        let names = references(next);
        let only = match next.after.as_slice() {
            [only] => Some(&only.node),
            _ => None,
        };
        // Of several entries of `after` one is enough, so none is certain.
        let certain =
            |other: &&Node| names.all().any(|name| name == other.id.as_str()) || only == Some(&other.id);
        for other in nodes.iter().filter(certain) {
            known.insert(other.id.as_str());
            to_visit.push(other);
        }
    }
    known
}
