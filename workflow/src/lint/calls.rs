//! Calls: the connector, the operation, its ports and its secret slots are there.

use flowforge_ports::{Operation, Type};
use flowforge_protocol::NodeId;

use super::Lint;
use crate::diagnostic::{Diagnostic, Edit, nearest};
use crate::model::Call;

impl Lint<'_> {
    pub(super) fn calls(&mut self) {
        let definition = self.definition;
        for (node, call) in definition.model.calls() {
            let found = self.call(&node, call);
            self.findings.extend(found);
            for secret in call.secrets.values() {
                self.used.insert(format!("secret.{secret}"));
            }
        }
    }

    fn call(&self, node: &NodeId, call: &Call) -> Vec<Diagnostic> {
        let path = format!("nodes.{node}.call");
        let Some(connector) = self.connectors.get(&call.connector) else {
            if let Some(missing) = self.missing.get(&call.connector) {
                let found = self.error_at_value("FF-WF-091", &path, missing.message.clone());
                return vec![found.with_fix(missing.fix.clone())];
            }
            let found = self.error_at_value(
                "FF-WF-023",
                &path,
                format!("there is no connector `{}`", call.connector),
            );
            let near = nearest(&call.connector, self.names.iter().map(String::as_str));
            return vec![match near {
                Some(near) => found.with_fix(format!("did you mean `{near}`?")),
                None => found.with_fix("publish it with `flowforge connector publish FOLDER`"),
            }];
        };
        let Some(operation) = connector.interface.operation(&call.operation) else {
            return vec![self.unknown_operation(&path, call, connector)];
        };
        let mut out = self.ports(node, call, operation);
        out.extend(self.slots(node, call, connector));
        out
    }

    fn unknown_operation(&self, path: &str, call: &Call, connector: &super::ConnectorVersion) -> Diagnostic {
        let message = format!("`{}` has no operation `{}`", call.connector, call.operation);
        let found = self.error_at_value("FF-WF-024", path, message);
        if let Some(other) = connector
            .interface
            .not_callable
            .iter()
            .find(|other| other.name == call.operation)
        {
            return found.with_fix(format!("it is exported, but cannot be called: {}", other.reason));
        }
        let names: Vec<&str> = connector
            .interface
            .operations
            .iter()
            .map(|op| op.name.as_str())
            .collect();
        match nearest(&call.operation, names.iter().copied()) {
            Some(near) => {
                let place = self.definition.places.get(path);
                let edit = place.map(|place| Edit {
                    start: place.value.start,
                    end: place.value.end,
                    text: format!("{}/{near}", call.connector),
                });
                let found = found.with_fix(format!("did you mean `{near}`?"));
                match edit {
                    Some(edit) => {
                        found.with_correction(format!("wrote `{}/{near}`", call.connector), vec![edit])
                    }
                    None => found,
                }
            }
            None => found.with_fix(format!("it has: {}", names.join(", "))),
        }
    }

    fn ports(&self, node: &NodeId, call: &Call, operation: &Operation) -> Vec<Diagnostic> {
        let mut out = Vec::new();
        let names: Vec<&str> = operation.params.iter().map(|port| port.name.as_str()).collect();
        for name in call.with.keys().filter(|name| !names.contains(&name.as_str())) {
            let path = format!("nodes.{node}.with.{name}");
            let message = format!("`{}/{}` has no port `{name}`", call.connector, call.operation);
            let found = self.error_at_key("FF-WF-025", &path, message);
            out.push(match nearest(name, names.iter().copied()) {
                Some(near) => {
                    let key = self.definition.places.get(&path).and_then(|place| place.key);
                    let found = found.with_fix(format!("did you mean `{near}`?"));
                    match key {
                        Some(key) => found.with_correction(
                            format!("renamed `{name}` to `{near}`"),
                            vec![Edit {
                                start: key.start,
                                end: key.end,
                                text: near.to_owned(),
                            }],
                        ),
                        None => found,
                    }
                }
                None if names.is_empty() => found.with_fix("it has no ports"),
                None => found.with_fix(format!("its ports are: {}", names.join(", "))),
            });
        }
        for port in &operation.params {
            let optional = matches!(port.ty, Type::Option { .. });
            if !optional && !call.with.contains_key(&port.name) {
                let message = format!(
                    "{} gives no `{}` to `{}/{}`",
                    super::named(node),
                    port.name,
                    call.connector,
                    call.operation
                );
                let about = port
                    .docs
                    .as_deref()
                    .and_then(|docs| docs.lines().next())
                    .map(|line| format!(" ({})", line.trim_end_matches('.')))
                    .unwrap_or_default();
                let fix = format!(
                    "add `{}` under `with`: {}{about}",
                    port.name,
                    port.ty.expectation()
                );
                out.push(
                    self.error_at_value("FF-WF-026", &format!("nodes.{node}.call"), message)
                        .with_fix(fix),
                );
            }
        }
        out
    }

    fn slots(&self, node: &NodeId, call: &Call, connector: &super::ConnectorVersion) -> Vec<Diagnostic> {
        let mut out = Vec::new();
        // A connector that nobody described takes any slot.
        let slots: Option<Vec<&str>> = connector
            .interface
            .meta
            .as_ref()
            .map(|meta| meta.secrets.keys().map(String::as_str).collect());
        for (slot, secret) in &call.secrets {
            let path = format!("nodes.{node}.secrets.{slot}");
            if let Some(slots) = slots.as_ref().filter(|slots| !slots.contains(&slot.as_str())) {
                let message = format!("`{}` has no secret slot `{slot}`", call.connector);
                let fix = match nearest(slot, slots.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if slots.is_empty() => "it takes no secret".to_owned(),
                    None => format!("its slots are: {}", slots.join(", ")),
                };
                out.push(self.error_at_key("FF-WF-033", &path, message).with_fix(fix));
            }
            if let Some(found) = self.undeclared_secret(&path, secret) {
                out.push(found);
            }
        }
        out
    }

    /// A secret that `secrets` does not name.
    pub(super) fn undeclared_secret(&self, path: &str, secret: &str) -> Option<Diagnostic> {
        let declared = &self.definition.model.secrets;
        if declared.iter().any(|name| name == secret) {
            return None;
        }
        let found = self.error_at_value(
            "FF-WF-032",
            path,
            format!("`{secret}` is not among the workflow's `secrets`"),
        );
        if let Some(near) = nearest(secret, declared.iter().map(String::as_str)) {
            return Some(found.with_fix(format!("did you mean `{near}`?")));
        }
        let list: Vec<&str> = declared.iter().map(String::as_str).chain([secret]).collect();
        let line = format!("secrets: [{}]", list.join(", "));
        let edit = match self.definition.places.get("secrets") {
            Some(place) => place.key.map(|key| Edit {
                start: key.start,
                end: place.value.end,
                text: line.clone(),
            }),
            None => self
                .definition
                .places
                .get("nodes")
                .and_then(|place| place.key)
                .map(|key| Edit {
                    start: key.start,
                    end: key.start,
                    text: format!("{line}\n"),
                }),
        };
        let found = found.with_fix(line.clone());
        Some(match edit {
            Some(edit) => found.with_correction(format!("wrote  {line}"), vec![edit]),
            None => found,
        })
    }
}
