//! Other workflows that nodes run: they are there, and get the input that they ask for.

use serde_json::Value;

use super::Lint;
use crate::diagnostic::{Diagnostic, nearest};
use crate::expr::Template;
use crate::model::{Child, InputField, Node, NodeKind, Output, Workflow};

/// A workflow that a node can run, as far as its callers see it.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownWorkflow {
    /// What a run of it is asked for.
    pub input: Vec<InputField>,
    /// The fields of its output; `None` if they cannot be told from its file.
    pub output: Option<Vec<String>>,
}

impl From<&Workflow> for KnownWorkflow {
    fn from(workflow: &Workflow) -> Self {
        let output = match &workflow.output {
            Output::Fields(fields) => Some(fields.iter().map(|field| field.name.clone()).collect()),
            Output::Value(_) => None,
        };
        Self {
            input: workflow.input.clone(),
            output,
        }
    }
}

impl Lint<'_> {
    pub(super) fn children(&mut self) {
        let definition = self.definition;
        for (_, node) in definition.model.walk() {
            if let NodeKind::Workflow(child) = &node.kind {
                let found = self.child(node, child);
                self.findings.extend(found);
            }
        }
    }

    fn child(&self, node: &Node, child: &Child) -> Vec<Diagnostic> {
        let path = format!("nodes.{}.workflow", node.id);
        if child.workflow == self.definition.model.workflow {
            let message = "a workflow cannot run itself: its release would have to name itself";
            let found = self.error_at_value("FF-WF-037", &path, message);
            return vec![found.with_fix("use a `repeat` node, or a second workflow")];
        }
        let Some(known) = self.children.get(&child.workflow) else {
            let Some(names) = &self.workflows else {
                return Vec::new();
            };
            let message = format!("there is no published workflow `{}`", child.workflow);
            let found = self.error_at_value("FF-WF-037", &path, message);
            return vec![match nearest(&child.workflow, names.iter().map(String::as_str)) {
                Some(near) => found.with_fix(format!("did you mean `{near}`?")),
                None => {
                    found.with_fix("publish it first: this release names the release of it that will run")
                }
            }];
        };
        let mut out = Vec::new();
        let names: Vec<&str> = known.input.iter().map(|field| field.name.as_str()).collect();
        for (name, value) in &child.with {
            let place = format!("nodes.{}.with.{name}", node.id);
            match known.input.iter().find(|field| field.name == *name) {
                Some(field) => out.extend(self.child_constant(&place, child, field, value)),
                None => {
                    let message = format!("`{}` has no input `{name}`", child.workflow);
                    let found = self.error_at_key("FF-WF-037", &place, message);
                    out.push(match nearest(name, names.iter().copied()) {
                        Some(near) => found.with_fix(format!("did you mean `{near}`?")),
                        None if names.is_empty() => found.with_fix("it has no input"),
                        None => found.with_fix(format!("its input is: {}", names.join(", "))),
                    });
                }
            }
        }
        let needed = known
            .input
            .iter()
            .filter(|field| field.default.is_none() && !field.optional);
        for field in needed.filter(|field| !child.with.contains_key(&field.name)) {
            let message = format!("`{}` gives no `{}` to `{}`", node.id, field.name, child.workflow);
            let found = self.error_at_value("FF-WF-037", &path, message);
            out.push(found.with_fix(format!("add `{}` under `with`", field.name)));
        }
        out
    }

    /// A value without expressions is compared with the schema of its field now; any other one when the run is ordered.
    fn child_constant(
        &self,
        place: &str,
        child: &Child,
        field: &InputField,
        value: &Value,
    ) -> Option<Diagnostic> {
        let Ok(Template::Constant(value)) = Template::compile(value) else {
            return None;
        };
        let schema = jsonschema::validator_for(&Value::Object(field.schema.clone())).ok()?;
        let problem = schema.iter_errors(&value).next()?;
        let message = format!("input `{}` of `{}`: {problem}", field.name, child.workflow);
        Some(self.error_at_value("FF-WF-037", place, message))
    }
}
