//! `wait`: for a time, or for a signal.

use std::sync::Arc;

use flowforge_protocol::awaited::{Await, Closing, check_correlation};
use flowforge_protocol::record::Event;
use flowforge_protocol::{Failure, FailureKind};
use serde_json::{Value, json};

use super::{Start, Started, failed, kind_of, wrong};
use crate::expr::moment_text;
use crate::plan::WaitPlan;
use crate::run::Command;
use crate::run::ending::Ending;
use crate::run::state::RunState;
use crate::run::steps::{Phase, StepRef};

pub(super) fn begin(start: &Start<'_>, wait: &WaitPlan) -> Started {
    let (awaits, due_ms) = match wait {
        WaitPlan::For(ms) => (Await::Time, Some(start.now.ms.saturating_add(*ms))),
        WaitPlan::Until(moment) => {
            let due = moment
                .evaluate_moment(&start.names(), start.effort.context(start.ready_at_ms))
                .map_err(|error| failed(start.key, "wait.until", &error))?;
            (Await::Time, Some(due))
        }
        WaitPlan::Signal {
            name,
            correlate,
            timeout_ms,
            ..
        } => {
            let correlation = match correlate {
                Some(expression) => Some(correlation(start, expression)?),
                None => None,
            };
            let awaits = Await::Signal {
                name: name.clone(),
                correlation,
            };
            (awaits, timeout_ms.map(|ms| start.now.ms.saturating_add(ms)))
        }
    };
    Ok(Command::Record(Event::AwaitOpened {
        step: start.key.clone(),
        awaits,
        due_ms,
    }))
}

/// Text as it is; a number or a truth value as its text, so that an order's number can correlate.
fn correlation(start: &Start<'_>, expression: &crate::expr::Expression) -> Result<String, Failure> {
    let wrong = |message| wrong(start.key, "wait.correlate", message);
    let text = match start.expression("wait.correlate", expression)? {
        Value::String(text) => text,
        value @ (Value::Number(_) | Value::Bool(_)) => value.to_string(),
        other => {
            let found = kind_of(&other);
            return Err(wrong(format!("a correlation is text or a number, found {found}")));
        }
    };
    check_correlation(&text).map_err(wrong)?;
    Ok(text)
}

/// Whether something stands in for a signal that does not come.
fn has_fallback(state: &RunState, at: &StepRef) -> bool {
    state.plan_node(at).is_some_and(|node| node.fallback.is_some())
}

pub(super) fn closed(
    state: &mut RunState,
    at: &StepRef,
    wait: &WaitPlan,
    closing: Closing,
    at_ms: u64,
) -> bool {
    match (wait, closing) {
        (WaitPlan::For(_) | WaitPlan::Until(_), Closing::Due) => {
            state.count(at, |counters| counters.done += 1);
            state.settle(at, Phase::Done(None), Some(Arc::new(Value::Null)), at_ms);
        }
        (WaitPlan::Signal { .. }, Closing::Signal { message }) => {
            let Some(signal) = state.inbox.take(&message) else {
                return false;
            };
            if let Some(step) = state.step_mut(at) {
                step.answer = Some(signal.by);
            }
            state.count(at, |counters| counters.done += 1);
            state.settle(at, Phase::Done(None), Some(signal.payload), at_ms);
        }
        (WaitPlan::Signal { .. }, Closing::Due) if has_fallback(state, at) => {
            let failure = Failure::new(FailureKind::TimedOut, "the signal did not come in time");
            state.fail(at, failure, at_ms);
        }
        (WaitPlan::Signal { expiry_handled, .. }, Closing::Due) => {
            if !expiry_handled && let Some(step) = state.key(at) {
                state.ending.get_or_insert(Ending::Expired { step });
            }
            state.count(at, |counters| counters.done += 1);
            let output = json!({ "expired_at": moment_text(at_ms) });
            state.settle(at, Phase::Expired, Some(Arc::new(output)), at_ms);
        }
        _ => return false,
    }
    true
}
