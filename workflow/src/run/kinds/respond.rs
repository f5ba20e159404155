//! `respond`: answers the webhook that started the run.

use std::collections::BTreeMap;

use flowforge_protocol::record::Event;
use serde_json::{Value, json};

use super::{Start, Started, kind_of, wrong};
use crate::plan::RespondPlan;
use crate::run::Command;
use crate::run::state::RunState;
use crate::run::steps::{Phase, StepRef};

pub(super) fn begin(start: &Start<'_>, respond: &RespondPlan) -> Started {
    let status = start.template("respond.status", &respond.status)?;
    let status = status
        .as_u64()
        .and_then(|status| u16::try_from(status).ok())
        .filter(|status| (200..600).contains(status))
        .ok_or_else(|| {
            let message = format!("a status is a whole number from 200 to 599, found {status}");
            wrong(start.key, "respond.status", message)
        })?;
    let mut headers = BTreeMap::new();
    for (name, template) in &respond.headers {
        let place = format!("respond.headers.{name}");
        let text = match start.template(&place, template)? {
            Value::String(text) => text,
            value @ (Value::Number(_) | Value::Bool(_)) => value.to_string(),
            other => {
                let message = format!("a header is text, found {}", kind_of(&other));
                return Err(wrong(start.key, &place, message));
            }
        };
        if text.contains(['\r', '\n', '\0']) {
            return Err(wrong(start.key, &place, "a header has one line"));
        }
        headers.insert(name.clone(), text);
    }
    let body = start.template("respond.body", &respond.body)?;
    Ok(Command::Record(Event::Responded {
        step: start.key.clone(),
        status,
        headers,
        body: body.into(),
    }))
}

/// The answer is recorded; whoever holds the request sends it when it reads this.
pub(in crate::run) fn responded(state: &mut RunState, at: &StepRef, status: u16, at_ms: u64) {
    state.count(at, |counters| counters.done += 1);
    let output = json!({ "status": status });
    state.settle(at, Phase::Done(None), Some(output.into()), at_ms);
}
