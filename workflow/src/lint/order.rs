//! Order: `after` names what is there, and no nodes wait for each other.

use std::collections::BTreeSet;

use super::Lint;
use crate::diagnostic::nearest;
use crate::expr::{Expression, References, Template, strip_marker};
use crate::model::{Node, NodeKind};
use crate::order;

impl Lint<'_> {
    pub(super) fn order(&mut self) {
        let nodes = &self.definition.model.nodes;
        self.order_of(nodes);
    }

    fn order_of(&mut self, nodes: &[Node]) {
        for node in nodes {
            self.after(nodes, node);
            if let NodeKind::Foreach(each) = &node.kind {
                self.order_of(&each.body);
            }
        }
        let edges: Vec<BTreeSet<usize>> = nodes.iter().map(|node| waits_for(nodes, node)).collect();
        if let Some(path) = order::cycle(&edges) {
            let ids: Vec<&str> = path
                .iter()
                .filter_map(|slot| nodes.get(*slot))
                .map(|node| node.id.as_str())
                .collect();
            let first = ids.first().copied().unwrap_or_default();
            let message = if ids.len() == 2 {
                format!("`{first}` waits for itself")
            } else {
                format!("these nodes wait for each other: {}", ids.join(" → "))
            };
            let found = self.error_at_key("FF-WF-020", &format!("nodes.{first}"), message);
            self.findings
                .push(found.with_fix("take one of the references, or one `after`, out"));
        }
    }

    fn after(&mut self, nodes: &[Node], node: &Node) {
        for (index, after) in node.after.iter().enumerate() {
            let list = format!("nodes.{}.after[{index}]", node.id);
            let path = if self.definition.places.get(&list).is_some() {
                list
            } else {
                format!("nodes.{}.after", node.id)
            };
            let Some(target) = nodes.iter().find(|other| other.id == after.node) else {
                let found = self.unknown_after(nodes, &path, after.node.as_str());
                self.findings.push(found);
                continue;
            };
            if order::wanted(target, after).is_none() {
                let outcomes = order::outcomes(target);
                let wanted = after.outcome.as_deref().unwrap_or_default();
                let message = format!("`{}` has no outcome `{wanted}`", after.node);
                let fix = match nearest(wanted, outcomes.iter().copied()) {
                    Some(near) => format!("did you mean `{}.{near}`?", after.node),
                    None => format!("its outcomes are: {}", outcomes.join(", ")),
                };
                let found = self.error_at_value("FF-WF-022", &path, message).with_fix(fix);
                self.findings.push(found);
            }
        }
    }

    fn unknown_after(&self, nodes: &[Node], path: &str, wanted: &str) -> crate::Diagnostic {
        let elsewhere = self
            .definition
            .model
            .walk()
            .iter()
            .any(|(_, node)| node.id.as_str() == wanted);
        if elsewhere {
            let message = format!("`{wanted}` is not beside this node");
            return self.error_at_value("FF-WF-027", path, message).with_fix(
                "`after` names nodes of the same `nodes` or the same `do`; a loop itself can be named",
            );
        }
        let found = self.error_at_value("FF-WF-021", path, format!("there is no node `{wanted}`"));
        match nearest(wanted, nodes.iter().map(|node| node.id.as_str())) {
            Some(near) => found.with_fix(format!("did you mean `{near}`?")),
            None => found,
        }
    }
}

/// Positions of the nodes of the same body that a node waits for.
fn waits_for(nodes: &[Node], node: &Node) -> BTreeSet<usize> {
    let names = references(node);
    let named = |other: &Node| names.all().any(|name| name == other.id.as_str());
    let after = |other: &Node| node.after.iter().any(|after| after.node == other.id);
    nodes
        .iter()
        .enumerate()
        .filter(|(_, other)| named(other) || after(other))
        .map(|(slot, _)| slot)
        .collect()
}

/// The names that the expressions of a node, and of anything inside it, use.
pub(super) fn references(node: &Node) -> References {
    let mut out = References::default();
    let expression = |source: &str, out: &mut References| {
        if let Ok(expression) = Expression::compile(strip_marker(source)) {
            out.merge(expression.references());
        }
    };
    let template = |value: &serde_json::Value, out: &mut References| {
        if let Ok(template) = Template::compile(value) {
            out.merge(&template.references());
        }
    };
    match &node.kind {
        NodeKind::Call(call) => call.with.values().for_each(|value| template(value, &mut out)),
        NodeKind::Set { fields } => fields.iter().for_each(|field| template(&field.value, &mut out)),
        NodeKind::Switch { cases } => {
            cases
                .iter()
                .filter_map(|case| case.when.as_deref())
                .for_each(|when| expression(when, &mut out));
        }
        NodeKind::Foreach(each) => {
            for inner in &each.body {
                out.merge(&references(inner));
            }
            let own: Vec<&str> = each
                .body
                .iter()
                .map(|node| node.id.as_str())
                .chain([each.item.as_str()])
                .collect();
            out.needed.retain(|name| !own.contains(&name.as_str()));
            out.asked.retain(|name| !own.contains(&name.as_str()));
            expression(&each.list, &mut out);
        }
        NodeKind::Wait(wait) => wait.until.iter().for_each(|until| expression(until, &mut out)),
        NodeKind::Approval(approval) => {
            template(&serde_json::Value::String(approval.title.clone()), &mut out);
            template(&approval.show, &mut out);
        }
        NodeKind::Workflow(child) => child.with.values().for_each(|value| template(value, &mut out)),
        NodeKind::Repeat(repeat) => {
            for inner in &repeat.body {
                out.merge(&references(inner));
            }
            for inner in &repeat.body {
                out.forget(inner.id.as_str());
            }
        }
        NodeKind::Respond(respond) => {
            template(&respond.status, &mut out);
            template(&respond.body, &mut out);
        }
    }
    out
}
