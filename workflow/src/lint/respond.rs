//! Answers and signals: a `respond` node has somebody to answer, and a signal has somebody who waits for it.

use super::Lint;
use crate::expr::{Expression, strip_marker};
use crate::model::{Answer, HookSignal, Node, NodeKind, SignalWait, TriggerKind, Webhook};

impl Lint<'_> {
    pub(super) fn responses(&mut self) {
        let definition = self.definition;
        let walk = definition.model.walk();
        let respond: Vec<&(Vec<&Node>, &Node)> = walk
            .iter()
            .filter(|(_, node)| matches!(node.kind, NodeKind::Respond(_)))
            .collect();
        let waits: Vec<&SignalWait> = walk
            .iter()
            .filter_map(|(_, node)| match &node.kind {
                NodeKind::Wait(wait) => wait.signal.as_ref(),
                _ => None,
            })
            .collect();
        let mut asked = false;
        let mut hook: Option<&str> = None;
        for trigger in &definition.model.triggers {
            let TriggerKind::Webhook(Webhook { answer, signal, .. }) = &trigger.kind else {
                continue;
            };
            let place = format!("triggers.{}.webhook", trigger.name);
            if let Some(signal) = signal {
                self.hook_signal(&place, *answer, signal, &waits);
                continue;
            }
            hook.get_or_insert(&trigger.name);
            asked |= *answer == Answer::Respond;
            if *answer != Answer::AtOnce && definition.model.values_stay {
                let message =
                    "values of this workflow stay on the host: the server that answers does not have them";
                self.warn(
                    "FF-WF-035",
                    &format!("{place}.answer"),
                    message,
                    "use `answer: at_once`",
                );
            } else if *answer == Answer::Respond && respond.is_empty() {
                let message = "this webhook answers when a `respond` node says so, and there is none";
                self.warn(
                    "FF-WF-035",
                    &format!("{place}.answer"),
                    message,
                    "add a `respond` node, or use `answer: result`",
                );
            }
        }
        for (around, node) in respond {
            let place = format!("nodes.{}.respond", node.id);
            if !asked {
                let message = format!("nobody waits for the answer of `{}`", node.id);
                let fix = match hook {
                    Some(hook) => format!("write `answer: respond` at the webhook of `{hook}`"),
                    None => "add a webhook trigger with `answer: respond`".to_owned(),
                };
                self.warn("FF-WF-036", &place, message, &fix);
            } else if let Some(each) = around.last() {
                let message = format!(
                    "`{}` stands in the loop `{}`: only its first answer is sent",
                    node.id, each.id
                );
                self.warn("FF-WF-036", &place, message, "move it out of the loop");
            }
        }
    }

    fn warn(&mut self, code: &str, path: &str, message: impl Into<String>, fix: &str) {
        let found = self.error_at_key(code, path, message).into_warning();
        self.findings.push(found.with_fix(fix));
    }

    fn hook_signal(&mut self, place: &str, answer: Answer, signal: &HookSignal, waits: &[&SignalWait]) {
        let path = format!("{place}.signal");
        if answer != Answer::AtOnce {
            let message = "a request that is a signal starts no run whose result it could wait for";
            let found = self.error_at_value("FF-WF-035", &format!("{place}.answer"), message);
            self.findings.push(found.with_fix("leave `answer` out"));
        }
        let waiting: Vec<&&SignalWait> = waits.iter().filter(|wait| wait.name == signal.name).collect();
        if waiting.is_empty() {
            let message = format!("no node waits for the signal `{}`", signal.name);
            let fix = format!("add a node with `wait: {{ signal: {} }}`", signal.name);
            self.warn("FF-WF-035", &path, message, &fix);
        } else if signal.correlate.is_none() && waiting.iter().all(|wait| wait.correlate.is_some()) {
            let message = format!(
                "this signal has no correlation, and every node that waits for `{}` asks for one",
                signal.name
            );
            self.warn(
                "FF-WF-035",
                &path,
                message,
                "add `correlate`, for example `trigger.body.order`",
            );
        }
        let Some(correlate) = &signal.correlate else {
            return;
        };
        let at = format!("{path}.correlate");
        match Expression::compile(strip_marker(correlate)) {
            Ok(expression) => {
                let other = expression.references().all().find(|name| *name != "trigger");
                if let Some(name) = other {
                    let message = format!("`{name}` is not in reach here: no run is started");
                    let found = self.error_at_value("FF-WF-013", &at, message);
                    self.findings.push(found.with_fix("in reach is: trigger"));
                }
            }
            Err(error) => {
                let found = self.error_at_value(error.code, &at, error.message);
                self.findings.push(found);
            }
        }
    }
}
