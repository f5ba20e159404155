//! The sections beside the nodes: secrets of triggers, and what is written but never used.

use super::Lint;
use crate::model::{Answer, NodeKind, TriggerKind, Webhook};

impl Lint<'_> {
    pub(super) fn sections(&mut self) {
        self.triggers();
        self.follows();
        self.placement();
        self.signatures();
        self.unused();
    }

    /// A person signs what the control plane shows: that must be there.
    fn signatures(&mut self) {
        let model = &self.definition.model;
        if !model.values_stay {
            return;
        }
        for (_, node) in model.walk() {
            if matches!(&node.kind, NodeKind::Approval(approval) if !approval.terms.signers.is_empty()) {
                let message = "what is asked stays on the host, so nobody could see what to sign";
                let path = format!("nodes.{}.approval.signed_by", node.id);
                let found = self.error_at_key("FF-WF-035", &path, message);
                self.findings
                    .push(found.with_fix("use `values: send`, or `approvers` in place of `signed_by`"));
            }
        }
    }

    /// A run that goes on at another host needs there what it has recorded.
    fn placement(&mut self) {
        let model = &self.definition.model;
        if model.values_stay && model.runs_on.lease_ms.is_some() {
            let message =
                "a run may not move to another host while its values stay on the one that it began at";
            let found = self.error_at_value("FF-WF-035", "runs_on.placement", message);
            self.findings
                .push(found.with_fix("use `placement: pinned`, or `values: send`"));
        }
    }

    fn triggers(&mut self) {
        let definition = self.definition;
        let mut paths: Vec<&str> = Vec::new();
        for trigger in &definition.model.triggers {
            if let Some(path) = trigger.kind.path() {
                if paths.contains(&path) {
                    let kind = if matches!(trigger.kind, TriggerKind::Form(_)) {
                        "form"
                    } else {
                        "webhook"
                    };
                    let message = format!("two triggers have the path `{path}`");
                    let place = format!("triggers.{}.{kind}.path", trigger.name);
                    let found = self.error_at_value("FF-WF-035", &place, message);
                    self.findings
                        .push(found.with_fix("give one of them another path"));
                }
                paths.push(path);
            }
            match &trigger.kind {
                TriggerKind::Webhook(hook) => {
                    let place = format!("triggers.{}.webhook", trigger.name);
                    self.webhook(&place, hook);
                }
                TriggerKind::Form(form) => {
                    let place = format!("triggers.{}.form", trigger.name);
                    self.no_wait_for_people("form", &place, form.answer);
                }
                TriggerKind::Schedule(table) => {
                    let place = format!("triggers.{}.schedule", trigger.name);
                    let given = serde_json::Value::Object(table.input.clone());
                    for problem in crate::input::complete_input(&definition.model, &given)
                        .err()
                        .unwrap_or_default()
                    {
                        let message = format!("the input of this schedule does not fit: {problem}");
                        let path = format!("{place}.input.{}", problem.path);
                        let found = self.error_at_value("FF-WF-035", &path, message);
                        self.findings.push(found);
                    }
                }
                // Looked at with the calls, and in `finders`.
                TriggerKind::Poll(_) => {}
            }
        }
    }

    fn webhook(&mut self, place: &str, hook: &Webhook) {
        if let Some(secret) = hook.secret() {
            let key = if hook.hmac.is_some() { "hmac" } else { "secret" };
            self.used.insert(format!("secret.{secret}"));
            let found = self.undeclared_secret(&format!("{place}.{key}"), secret);
            self.findings.extend(found);
        }
        if hook.is_open() {
            let (at, message) = match &hook.check {
                Some(_) => (format!("{place}.scheme"), "nothing is asked of a request here"),
                None => (place.to_owned(), "nothing is asked of a request to this webhook"),
            };
            let message = format!("{message}: everybody who knows the path can send one");
            let found = self.error_at_key("FF-WF-040", &at, message).into_warning();
            self.findings.push(found.with_fix(
                "say how senders prove who they are, for example `scheme: github` with `secret: hook_key`",
            ));
        }
        if hook.signal.is_none() {
            self.no_wait_for_people("webhook", place, hook.answer);
        }
    }

    /// Whoever gets the result waits for it.
    fn no_wait_for_people(&mut self, what: &str, place: &str, answer: Answer) {
        let waits = self.definition.model.walk();
        if answer == Answer::Result && waits.iter().any(|(_, node)| waits_for_person(node)) {
            let message = format!(
                "this {what} answers with the result, but the workflow waits for a person or a signal"
            );
            let found = self
                .error_at_value("FF-WF-035", &format!("{place}.answer"), message)
                .into_warning();
            self.findings
                .push(found.with_fix("use `answer: at_once`; a caller is kept for 30 s at most"));
        }
    }

    fn unused(&mut self) {
        let model = &self.definition.model;
        let mut found = Vec::new();
        let mut report = |path: String, what: String| {
            let message = format!("{what} is used nowhere");
            found.push(
                self.error_at_key("FF-WF-034", &path, message)
                    .into_warning()
                    .with_fix("use it, or take it out"),
            );
        };
        for field in &model.input {
            if !self.used.contains(&format!("input.{}", field.name)) && !self.used.contains("input") {
                report(format!("input.{}", field.name), format!("input `{}`", field.name));
            }
        }
        for name in model.config.keys() {
            if !self.used.contains(&format!("config.{name}")) && !self.used.contains("config") {
                report(format!("config.{name}"), format!("configuration value `{name}`"));
            }
        }
        for (index, name) in model.secrets.iter().enumerate() {
            if !self.used.contains(&format!("secret.{name}")) {
                report(format!("secrets[{index}]"), format!("secret `{name}`"));
            }
        }
        self.findings.extend(found);
    }
}

fn waits_for_person(node: &crate::model::Node) -> bool {
    match &node.kind {
        NodeKind::Approval(_) => true,
        NodeKind::Wait(wait) => wait.signal.is_some(),
        _ => false,
    }
}
