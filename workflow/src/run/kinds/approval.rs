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
    let Some(key) = state.key(at) else { return false };
    match closing {
        Closing::Decision(decision) => {
            let output = json!({
                "approved": decision.approved,
                "by": decision.by,
                "comment": decision.comment,
                "at": moment_text(decision.at_ms),
            });
            if let Some(step) = state.step_mut(at) {
                step.answer = Some(match &decision.comment {
                    Some(words) => format!("{}: {words}", decision.by),
                    None => decision.by.clone(),
                });
            }
            if !decision.approved && !approval.rejection_handled {
                let by = decision.by;
                state.ending.get_or_insert(Ending::Rejected { step: key, by });
            }
            let phase = if decision.approved {
                Phase::Done(None)
            } else {
                Phase::Rejected
            };
            state.count(at, |counters| counters.done += 1);
            state.settle(at, phase, Some(Arc::new(output)), at_ms);
        }
        Closing::Due => {
            if !approval.expiry_handled {
                state.ending.get_or_insert(Ending::Expired { step: key });
            }
            let output = json!({ "approved": false, "by": null, "comment": null, "at": moment_text(at_ms) });
            state.count(at, |counters| counters.done += 1);
            state.settle(at, Phase::Expired, Some(Arc::new(output)), at_ms);
        }
        _ => return false,
    }
    true
}
