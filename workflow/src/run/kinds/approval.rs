//! `approval`: a question to a person.

use std::sync::Arc;

use flowforge_protocol::awaited::{Await, Closing, approval_id};
use flowforge_protocol::record::Event;
use serde_json::{Value, json};

use super::{Start, Started};
use crate::expr::moment_text;
use crate::plan::ApprovalPlan;
use crate::run::Command;
use crate::run::ending::Ending;
use crate::run::state::RunState;
use crate::run::steps::{Phase, StepRef};

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
    let output = match closing {
        Closing::Decision(decision) => {
            if let Some(step) = state.step_mut(at) {
                step.answer = Some(match &decision.comment {
                    Some(words) => format!("{}: {words}", decision.by),
                    None => decision.by.clone(),
                });
            }
            json!({
                "approved": decision.approved,
                "by": decision.by,
                "comment": decision.comment,
                "at": moment_text(decision.at_ms),
            })
        }
        Closing::Due => json!({ "approved": false, "by": null, "comment": null, "at": moment_text(at_ms) }),
        _ => return false,
    };
    settle(state, at, approval, Arc::new(output), at_ms);
    true
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
