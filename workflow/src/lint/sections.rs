//! The sections beside the nodes: secrets of triggers, and what is written but never used.

use super::Lint;
use crate::model::{Answer, TriggerKind};

impl Lint<'_> {
    pub(super) fn sections(&mut self) {
        self.triggers();
        self.placement();
        self.unused();
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
            match &trigger.kind {
                TriggerKind::Webhook {
                    path,
                    hmac,
                    answer,
                    signal,
                } => {
                    let place = format!("triggers.{}.webhook", trigger.name);
                    if let Some(secret) = hmac {
                        self.used.insert(format!("secret.{secret}"));
                        let found = self.undeclared_secret(&format!("{place}.hmac"), secret);
                        self.findings.extend(found);
                    }
                    if paths.contains(&path.as_str()) {
                        let message = format!("two triggers have the path `{path}`");
                        let found = self.error_at_value("FF-WF-035", &format!("{place}.path"), message);
                        self.findings
                            .push(found.with_fix("give one of them another path"));
                    }
                    paths.push(path);
                    if *answer == Answer::Result
                        && signal.is_none()
                        && definition
                            .model
                            .walk()
                            .iter()
                            .any(|(_, node)| waits_for_person(node))
                    {
                        let message = "this webhook answers with the result, but the workflow waits for a person or a signal";
                        let found = self
                            .error_at_value("FF-WF-035", &format!("{place}.answer"), message)
                            .into_warning();
                        self.findings
                            .push(found.with_fix("use `answer: at_once`; a caller is kept for 30 s at most"));
                    }
                }
                TriggerKind::Schedule { input, .. } => {
                    let place = format!("triggers.{}.schedule", trigger.name);
                    let given = serde_json::Value::Object(input.clone());
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
            }
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
    use crate::model::NodeKind;
    match &node.kind {
        NodeKind::Approval(_) => true,
        NodeKind::Wait(wait) => wait.signal.is_some(),
        _ => false,
    }
}
