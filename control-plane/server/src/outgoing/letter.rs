//! The body of an event, made of what its row says: each time the same bytes, in the form of Standard Webhooks.

use chrono::{DateTime, SecondsFormat};
use flowforge_core::Scope;
use flowforge_store::{APPROVAL_REQUESTED, RUN_DONE, RUN_ENDED, RUN_FAILED, Told, WORKFLOW_PUBLISHED};
use serde_json::{Map, Value, json};

/// A time as ISO 8601 writes it, in UTC with milliseconds.
fn time(at_ms: u64) -> Value {
    let at = i64::try_from(at_ms)
        .ok()
        .and_then(DateTime::from_timestamp_millis);
    at.map_or(Value::Null, |at| {
        Value::from(at.to_rfc3339_opts(SecondsFormat::Millis, true))
    })
}

/// `{"type": …, "timestamp": …, "data": {…}}`.
pub(super) fn body(scope: &Scope, told: &Told) -> String {
    let mut data = Map::new();
    let mut put = |name: &str, value: Value| data.insert(name.to_owned(), value);
    put("workspace", json!(scope.workspace()));
    put("project", json!(scope.project()));
    if told.workflow.is_some() {
        put("workflow", json!(told.workflow));
        put("version", json!(told.version));
    }
    match told.kind.as_str() {
        RUN_ENDED | RUN_DONE | RUN_FAILED => {
            put("run", json!(told.run));
            put("state", json!(told.ended_as));
            if told.kind != RUN_ENDED {
                put("outcome", outcome(told));
            }
        }
        APPROVAL_REQUESTED => {
            put("approval", json!(told.subject));
            put("run", json!(told.run));
            put("title", json!(told.title));
            put("expires_at", told.until_ms.map_or(Value::Null, time));
        }
        WORKFLOW_PUBLISHED => {
            put("release", json!(told.subject));
            put("title", json!(told.title));
        }
        _ => {
            put("endpoint", json!(told.endpoint));
        }
    }
    json!({"type": told.kind, "timestamp": time(told.at_ms), "data": data}).to_string()
}

/// The outcome, or null where it is too large, was erased, or stays on the host.
fn outcome(told: &Told) -> Value {
    let text = told.outcome.as_deref();
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_says_what_happened_and_is_the_same_each_time() {
        let told = Told {
            endpoint: "pager".to_owned(),
            event: "evt_1".to_owned(),
            kind: RUN_FAILED.to_owned(),
            at_ms: 1_614_265_330_123,
            workflow: Some("sum".to_owned()),
            version: Some(3),
            subject: Some("r".to_owned()),
            run: Some("r".to_owned()),
            ended_as: Some("failed".to_owned()),
            title: None,
            until_ms: None,
            outcome: Some(r#"{"state":"failed"}"#.to_owned()),
        };
        let scope = Scope::new("acme", "billing");
        let text = body(&scope, &told);
        assert_eq!(
            text,
            r#"{"type":"run.failed","timestamp":"2021-02-25T15:02:10.123Z","data":{"workspace":"acme","project":"billing","workflow":"sum","version":3,"run":"r","state":"failed","outcome":{"state":"failed"}}}"#
        );
        assert_eq!(text, body(&scope, &told));
        let thin = Told {
            kind: RUN_ENDED.to_owned(),
            ..told
        };
        assert!(
            !body(&scope, &thin).contains("outcome"),
            "a subscription gets no values"
        );
    }
}
