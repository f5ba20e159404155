//! `approval`: a question to people.

use std::sync::Arc;

use flowforge_protocol::approval::{Answer, Decision, OnExpiry};
use flowforge_protocol::awaited::{Await, Closing, approval_id};
use flowforge_protocol::record::Event;
use serde_json::{Map, Value, json};

use super::{Start, Started};
use crate::approval::untouched_form;
use crate::expr::moment_text;
use crate::plan::ApprovalPlan;
use crate::run::Command;
use crate::run::ending::Ending;
use crate::run::state::RunState;
use crate::run::steps::{Phase, StepRef};

/// Who answers in place of people whose time is over.
const EXPIRY: &str = "expiry";

pub(super) fn begin(start: &Start<'_>, approval: &ApprovalPlan) -> Started {
    let title = match start.template("approval.title", &approval.title)? {
        Value::String(title) => title,
        other => other.to_string(),
    };
    let show = start.template("approval.show", &approval.show)?;
    Ok(Command::Record(Event::AwaitOpened {
        step: start.key.clone(),
        awaits: Await::Approval {
            approval: approval_id(start.state.run(), start.key),
            question: json!({ "title": title, "show": show }).into(),
            approvers: approval.approvers.clone(),
            terms: Box::new(approval.terms.clone()),
        },
        due_ms: approval.expires_ms.map(|ms| start.now.ms.saturating_add(ms)),
    }))
}

pub(super) fn closed(
    state: &mut RunState,
    at: &StepRef,
    approval: &ApprovalPlan,
    closing: Closing,
    at_ms: u64,
) -> bool {
    let (answer, output) = match closing {
        Closing::Decision(decision) => {
            let answer = match &decision.comment {
                Some(words) => format!("{}: {words}", decision.by),
                None => decision.by.clone(),
            };
            (Some(answer), decided(approval, &decision))
        }
        Closing::Due => {
            let by_time = approval.terms.on_expiry != OnExpiry::Expire;
            (by_time.then(|| EXPIRY.to_owned()), expired(approval, at_ms))
        }
        _ => return false,
    };
    if let Some(step) = state.step_mut(at) {
        step.answer = answer;
    }
    settle(state, at, approval, Arc::new(output), at_ms);
    true
}

fn decided(approval: &ApprovalPlan, decision: &Decision) -> Value {
    let answers = decision.answers.as_slice();
    let mut output = said(
        decision.approved,
        json!(decision.by),
        json!(decision.comment),
        decision.at_ms,
    );
    if !approval.terms.form.is_empty() {
        output.insert("form".to_owned(), form_of(answers.last()));
    }
    if approval.terms.quorum > 1 {
        let each = answers.iter().map(|answer| {
            let mut each = said(
                answer.approved,
                json!(answer.by),
                json!(answer.comment),
                answer.at_ms,
            );
            if !approval.terms.form.is_empty() {
                each.insert("form".to_owned(), form_of(Some(answer)));
            }
            Value::Object(each)
        });
        output.insert("answers".to_owned(), each.collect());
    }
    Value::Object(output)
}

fn expired(approval: &ApprovalPlan, at_ms: u64) -> Value {
    let approved = approval.terms.on_expiry == OnExpiry::Approve;
    let mut output = said(approved, Value::Null, Value::Null, at_ms);
    if !approval.terms.form.is_empty() {
        // The lint has seen that nothing is missing where an expiry approves.
        let form = approved.then(|| untouched_form(&approval.terms.form).ok().flatten());
        output.insert("form".to_owned(), form.flatten().unwrap_or_default());
    }
    if approval.terms.quorum > 1 {
        output.insert("answers".to_owned(), json!([]));
    }
    Value::Object(output)
}

fn said(approved: bool, by: Value, comment: Value, at_ms: u64) -> Map<String, Value> {
    let fields = [
        ("approved", json!(approved)),
        ("by", by),
        ("comment", comment),
        ("at", json!(moment_text(at_ms))),
    ];
    fields
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect()
}

fn form_of(answer: Option<&Answer>) -> Value {
    let form = answer.and_then(|answer| answer.form.as_ref());
    form.map_or(Value::Null, flowforge_protocol::Datum::shown)
}

/// Settles the step by its answer, which may be one that was given to another run: only a yes is a yes.
pub(super) fn settle(
    state: &mut RunState,
    at: &StepRef,
    approval: &ApprovalPlan,
    answer: Arc<Value>,
    at_ms: u64,
) {
    let Some(step) = state.key(at) else { return };
    let approved = answer.get("approved").and_then(Value::as_bool) == Some(true);
    let by = answer.get("by").and_then(Value::as_str);
    let by = by.or_else(|| (approval.terms.on_expiry != OnExpiry::Expire).then_some(EXPIRY));
    let phase = match (approved, by) {
        (true, _) => Phase::Done(None),
        (false, Some(by)) => {
            if !approval.rejection_handled {
                let by = by.to_owned();
                state.ending.get_or_insert(Ending::Rejected { step, by });
            }
            Phase::Rejected
        }
        (false, None) => {
            if !approval.expiry_handled {
                state.ending.get_or_insert(Ending::Expired { step });
            }
            Phase::Expired
        }
    };
    state.count(at, |counters| counters.done += 1);
    state.settle(at, phase, Some(answer), at_ms);
}
