//! Order: `after` names what is there, and no nodes wait for each other.

use serde_json::Value;

use super::Lint;
use crate::diagnostic::nearest;
use crate::expr::{Expression, References, Template, strip_marker};
use crate::model::{Fallback, Node, Part};
use crate::order;

impl Lint<'_> {
    pub(super) fn order(&mut self) {
        let nodes = &self.definition.model.nodes;
        self.order_of(nodes);
    }

    fn order_of(&mut self, nodes: &[Node]) {
        for node in nodes {
            self.after(nodes, node);
            if let Some(body) = node.body() {
                self.order_of(body);
            }
        }
        let names: Vec<References> = nodes.iter().map(references).collect();
        let edges = order::waits(nodes, &names);
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
            let falls_back = |id: &&str| {
                let node = nodes.iter().find(|node| node.id.as_str() == *id);
                node.is_some_and(|node| order::stand_in(nodes, node).is_some())
            };
            let fix = if ids.iter().any(falls_back) {
                "take one of the references, one `after` or one `fallback` out"
            } else {
                "take one of the references, or one `after`, out"
            };
            self.findings.push(found.with_fix(fix));
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
                    _ if wanted == "failed" => format!("write `on_error: branch` at `{}`", after.node),
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

/// The names that the values of a node use, and those of anything inside it.
pub(super) fn references(node: &Node) -> References {
    let mut out = References::default();
    for inner in node.body().unwrap_or_default() {
        out.merge(&references(inner));
    }
    for (_, part) in node.kind.inner_parts() {
        out.merge(&of_part(part));
    }
    for inner in node.body().unwrap_or_default() {
        out.forget(inner.id.as_str());
    }
    if let Some(name) = node.kind.inner_name() {
        out.forget(name);
    }
    for (_, part) in node.kind.parts() {
        out.merge(&of_part(part));
    }
    if let Some(Fallback::Value(value)) = &node.fallback {
        out.merge(&of_part(Part::Template(value)));
    }
    out
}

/// The names that a value uses; none if it does not compile.
pub(super) fn of_part(part: Part<'_>) -> References {
    let template = |value: &Value| Template::compile(value).map(|template| template.references());
    match part {
        Part::Template(value) => template(value).unwrap_or_default(),
        Part::Text(text) => template(&Value::String(text.to_owned())).unwrap_or_default(),
        Part::Expression(source, _) => Expression::compile(strip_marker(source))
            .map(|expression| expression.references().clone())
            .unwrap_or_default(),
    }
}
