//! The answer of a poll: what its run brought, as events and the place where the next one goes on. Pure.

use std::collections::HashSet;

use flowforge_store::{RunState, StoredRun};
use serde_json::{Map, Value};

/// Most events that one poll may find. A connector with more gives the rest with the next cursor, and says `more`.
pub(crate) const MAX_EVENTS: usize = 1_000;
/// Longest cursor, in bytes of JSON: it is a part of the next order.
const MAX_CURSOR_BYTES: usize = 64 * 1024;
/// Longest id of an event.
const MAX_EVENT_ID_BYTES: usize = 1_024;

/// A poll failed.
pub(crate) const CODE_FAILED: &str = "FF-TRG-001";
/// Its answer cannot be used.
pub(crate) const CODE_UNUSABLE: &str = "FF-TRG-002";
/// An event does not fit the input of its workflow.
pub(crate) const CODE_UNFIT: &str = "FF-TRG-003";
/// A connector asks for more than it may have.
pub(crate) const CODE_HELD: &str = "FF-REG-010";

/// Why a poll failed: its code, and words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PollProblem {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl PollProblem {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        let message: String = message.into();
        Self {
            code,
            message: message.chars().take(MAX_MESSAGE).collect(),
        }
    }

    fn unusable(message: impl Into<String>) -> Self {
        Self::new(CODE_UNUSABLE, message)
    }
}

/// Characters of a message that are kept.
const MAX_MESSAGE: usize = 1_000;

/// What a poll found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    /// In the order in which the connector gave them.
    pub(crate) events: Vec<Event>,
    /// The cursor of the next poll as JSON text; none if that begins anew.
    pub(crate) place: Option<String>,
    /// Whether the next poll is due at once.
    pub(crate) more: bool,
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    /// Which it is: one that comes again starts nothing.
    pub(crate) id: String,
    /// All that is known of it, its id too.
    pub(crate) fields: Map<String, Value>,
}

/// Reads the answer of a poll that is over, or lost. `before` is the cursor that it was asked with.
pub(crate) fn read(run: &StoredRun, before: Option<&str>) -> Result<Answer, PollProblem> {
    let outcome = run.texts.outcome.as_deref().unwrap_or("null");
    let outcome: Value = serde_json::from_str(outcome).unwrap_or_default();
    match run.head.state {
        RunState::Done => of_outcome(outcome, before),
        RunState::Lost => Err(PollProblem::new(
            CODE_FAILED,
            "the host that polled has lost it with its data",
        )),
        state => Err(failed(state, &outcome)),
    }
}

fn failed(state: RunState, outcome: &Value) -> PollProblem {
    let text = |path: &str| outcome.pointer(path).and_then(Value::as_str);
    let message = match (text("/failure/kind"), text("/failure/message")) {
        (Some(kind), Some(message)) => format!("{kind}: {message}"),
        _ => {
            let reason = text("/reason").unwrap_or("no reason given");
            format!("its run is {}: {reason}", state.as_str())
        }
    };
    PollProblem::new(CODE_FAILED, message)
}

fn of_outcome(mut outcome: Value, before: Option<&str>) -> Result<Answer, PollProblem> {
    if outcome.get("absent").is_some() {
        return Err(PollProblem::unusable(
            "what it found stays on the host of the poll",
        ));
    }
    let output = outcome.get_mut("output").map(Value::take).unwrap_or_default();
    let Value::Object(mut output) = output else {
        return Err(PollProblem::unusable(
            "its answer is no object with `events` and `cursor`",
        ));
    };
    let Some(Value::Array(found)) = output.remove("events") else {
        return Err(PollProblem::unusable("its answer has no list `events`"));
    };
    if found.len() > MAX_EVENTS {
        let message = format!(
            "it found {} events, more than {MAX_EVENTS}: the connector gives the rest with the next cursor, and says `more`",
            found.len()
        );
        return Err(PollProblem::unusable(message));
    }
    let place = match output.remove("cursor") {
        None | Some(Value::Null) => None,
        Some(cursor) => Some(cursor.to_string()),
    };
    if place.as_ref().is_some_and(|place| place.len() > MAX_CURSOR_BYTES) {
        let message = format!("its cursor has more than {MAX_CURSOR_BYTES} bytes");
        return Err(PollProblem::unusable(message));
    }
    // A connector that asks for another poll and stays where it is would be asked for ever.
    let more = output.get("more") == Some(&Value::Bool(true)) && place.as_deref() != before;
    let events = found
        .into_iter()
        .enumerate()
        .map(|(place, event)| event_of(place, event));
    let mut events = events.collect::<Result<Vec<_>, _>>()?;
    let mut seen = HashSet::new();
    events.retain(|event| seen.insert(event.id.clone()));
    Ok(Answer { events, place, more })
}

fn event_of(place: usize, event: Value) -> Result<Event, PollProblem> {
    let Value::Object(fields) = event else {
        return Err(PollProblem::unusable(format!("events[{place}] is no object")));
    };
    match fields.get("id").and_then(Value::as_str) {
        Some(id) if (1..=MAX_EVENT_ID_BYTES).contains(&id.len()) => Ok(Event {
            id: id.to_owned(),
            fields,
        }),
        _ => {
            let message = format!("events[{place}] has no `id` of 1 to {MAX_EVENT_ID_BYTES} bytes");
            Err(PollProblem::unusable(message))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(output: Value, before: Option<&str>) -> Result<Answer, PollProblem> {
        of_outcome(json!({ "state": "done", "output": output }), before)
    }

    #[test]
    fn an_answer_is_its_events_and_the_next_place() {
        let answer = of(
            json!({ "events": [{ "id": "a", "n": 1 }, { "id": "a", "n": 2 }, { "id": "b" }], "cursor": { "page": 2 } }),
            None,
        )
        .unwrap();
        let ids: Vec<&str> = answer.events.iter().map(|event| event.id.as_str()).collect();
        assert_eq!(ids, ["a", "b"], "one that stands there twice is one");
        assert_eq!(answer.place.as_deref(), Some(r#"{"page":2}"#));
        assert!(!answer.more);
        assert_eq!(
            of(json!({ "events": [], "cursor": null }), None).unwrap().place,
            None
        );
    }

    #[test]
    fn more_counts_only_where_the_cursor_moves() {
        let output = json!({ "events": [], "cursor": "7", "more": true });
        assert!(of(output.clone(), Some("\"6\"")).unwrap().more);
        assert!(!of(output, Some("\"7\"")).unwrap().more);
    }

    #[test]
    fn what_cannot_be_used_is_said_with_its_place() {
        let many: Vec<Value> = (0..=MAX_EVENTS).map(|n| json!({ "id": n.to_string() })).collect();
        let long = "x".repeat(MAX_CURSOR_BYTES);
        for (output, part) in [
            (json!(null), "no object"),
            (json!({ "cursor": "1" }), "no list `events`"),
            (json!({ "events": [1] }), "events[0] is no object"),
            (json!({ "events": [{ "id": "" }] }), "events[0] has no `id`"),
            (json!({ "events": many }), "1001 events, more than 1000"),
            (
                json!({ "events": [], "cursor": long }),
                "its cursor has more than 65536 bytes",
            ),
        ] {
            let problem = of(output, None).unwrap_err();
            assert_eq!(problem.code, CODE_UNUSABLE);
            assert!(problem.message.contains(part), "{problem:?}");
        }
        let absent = of_outcome(json!({ "state": "done", "output": null, "absent": {} }), None);
        assert!(absent.unwrap_err().message.contains("stays on the host"));
    }

    #[test]
    fn a_failure_is_told_with_its_kind() {
        let outcome = json!({ "state": "failed", "failure": { "kind": "unavailable", "message": "503" } });
        assert_eq!(failed(RunState::Failed, &outcome).message, "unavailable: 503");
        let outcome = json!({ "state": "cancelled", "reason": "by ann" });
        assert_eq!(
            failed(RunState::Cancelled, &outcome).message,
            "its run is cancelled: by ann"
        );
    }
}
