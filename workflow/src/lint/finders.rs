//! Triggers whose events a connector finds: the operation is one that does, its values are known before there is a run, and its
//! events fit the input.

use flowforge_ports::{Field, Operation, Trigger as Begins, Type};
use flowforge_protocol::NodeId;

use super::Lint;
use super::expressions::Site;
use super::order::of_part;
use crate::diagnostic::Diagnostic;
use crate::model::{Call, Part, Poll};
use crate::names::is_type_word;

impl Lint<'_> {
    pub(super) fn finders(&mut self) {
        let definition = self.definition;
        for trigger in &definition.model.triggers {
            let (Some(call), Some(step)) = (trigger.call(), trigger.step()) else {
                continue;
            };
            self.finder_values(&step, call);
            if definition.model.values_stay {
                let path = format!("nodes.{step}");
                let message = "values of this workflow stay on the host: the server that starts a run of each event does not have them";
                let found = self.error_at_key("FF-WF-063", &path, message);
                self.findings.push(found.with_fix("use `values: send`"));
            }
            let operation = self.operation(&call.connector, &call.operation).cloned();
            if let Some(operation) = operation {
                let found = self.finds_events(&step, call, &operation);
                self.findings.extend(found);
            }
        }
    }

    /// What a finder is called with is known before there is a run.
    fn finder_values(&mut self, step: &NodeId, call: &Call) {
        self.call_values(&format!("nodes.{step}"), call, &Site::top(&[]));
        for (port, value) in &call.with {
            let path = format!("nodes.{step}.with.{port}");
            if port == Poll::CURSOR {
                let message = format!("`{port}` of a trigger is not given here: it is what comes");
                let found = self.error_at_key("FF-WF-061", &path, message);
                self.findings.push(found.with_fix("take it out"));
                continue;
            }
            let names = of_part(Part::Template(value));
            let other = names.all().find(|name| *name != "config" && !is_type_word(name));
            if let Some(name) = other {
                let message = format!(
                    "what finds events may use `config` only, not `{name}`: there is no run when it is called"
                );
                self.findings
                    .push(self.error_at_value("FF-WF-061", &path, message));
            }
        }
    }

    fn finds_events(&self, step: &NodeId, call: &Call, operation: &Operation) -> Vec<Diagnostic> {
        let path = format!("nodes.{step}.call");
        let word = Begins::Poll.as_str();
        if operation.trigger != Some(Begins::Poll) {
            let message = format!("`{}/{}` is no {word} trigger", call.connector, call.operation);
            let fix = Begins::Poll.misfit(operation).unwrap_or_else(|| {
                format!(
                    "its author adds `trigger = \"{word}\"` under [operations.{}] in connector.toml",
                    call.operation
                )
            });
            return vec![self.error_at_value("FF-WF-060", &path, message).with_fix(fix)];
        }
        let fields = events_of(operation);
        let model = &self.definition.model;
        let has = |name: &str| fields.iter().any(|field| field.name == name);
        let mut found = Vec::new();
        for input in &model.input {
            if input.default.is_none() && !input.optional && !has(&input.name) {
                let message = format!("its events have no `{}`, which the input asks for", input.name);
                let fix = format!("make `{}` optional, or give it a default", input.name);
                found.push(self.error_at_value("FF-WF-062", &path, message).with_fix(fix));
            }
        }
        let known = |name: &str| model.input.iter().any(|input| input.name == name);
        let strange = fields.iter().filter(|field| !known(&field.name));
        for field in strange.filter(|_| model.refuses_additional) {
            let message = format!(
                "the input refuses other fields, and its events have `{}`",
                field.name
            );
            let fix = "name it under `input`, or take `additional: refuse` out";
            found.push(self.error_at_value("FF-WF-062", &path, message).with_fix(fix));
        }
        found
    }
}

/// The fields of the events that an operation finds.
fn events_of(operation: &Operation) -> &[Field] {
    let Some(Type::Record { fields, .. }) = &operation.result else {
        return &[];
    };
    let events = fields.iter().find(|field| field.name == "events");
    match events.map(|field| &field.ty) {
        Some(Type::List { element }) => match element.as_ref() {
            Type::Record { fields, .. } => fields,
            _ => &[],
        },
        _ => &[],
    }
}
