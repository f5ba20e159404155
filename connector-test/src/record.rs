//! A real call as a test: what services answered becomes their mocks, and what must stay secret becomes something else.
//!
//! What the host attaches is in no record: the connector never saw it. What else looks like a secret by its name (a field,
//! a header, a part of an address) is replaced everywhere by the same stand-in, so that the test still holds together.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::DateTime;
use flowforge_protocol::Failure;
use flowforge_runtime::Exchange;
use serde_json::{Map, Value, json};
use url::Url;

use crate::mock::KEY_MARK;

/// Most requests of a call that are recorded.
const EXCHANGES_MAX: usize = 100;

/// Largest body that is written into a test, in bytes.
const BODY_BYTES_MAX: usize = 256 << 10;

/// Header fields of an answer that a connector may need again; others (dates, cookies, numbers of requests) are left out.
const KEPT_HEADERS: [&str; 8] = [
    "content-type",
    "etag",
    "last-modified",
    "link",
    "location",
    "retry-after",
    "x-next-page",
    "x-total-count",
];

/// Parts of names under which secrets lie.
const SECRET_NAMES: [&str; 12] = [
    "token",
    "secret",
    "password",
    "passwd",
    "api_key",
    "apikey",
    "api-key",
    "authorization",
    "signature",
    "session",
    "cookie",
    "credential",
];

/// Values shorter than this are no secrets, and replacing them would change everything else.
const SECRET_CHARS_MIN: usize = 6;

/// A call that was made.
#[derive(Debug)]
pub struct Recorded<'a> {
    /// The operation.
    pub operation: &'a str,
    /// Its input.
    pub input: &'a Map<String, Value>,
    /// When it began, in milliseconds since 1970 UTC.
    pub began_ms: u64,
    /// Its result, or its failure.
    pub outcome: &'a Result<Value, Failure>,
    /// Its requests with their answers, in their order.
    pub exchanges: &'a [Exchange],
}

/// Why a call cannot be a test.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// There were too many requests.
    #[error("the call made {requests} requests; a test holds at most {EXCHANGES_MAX}")]
    TooMany {
        /// How many.
        requests: usize,
    },
    /// A body cannot stand in a test.
    #[error("{request}: {reason}; write the mock by hand, with a smaller answer")]
    Body {
        /// Method and address.
        request: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The test as text for a file in `tests/`, and how many values were replaced in it.
///
/// # Errors
/// [`RecordError`] if the call is too large for a test or holds what is no text.
pub fn as_test(call: &Recorded<'_>) -> Result<(String, usize), RecordError> {
    if call.exchanges.len() > EXCHANGES_MAX {
        return Err(RecordError::TooMany {
            requests: call.exchanges.len(),
        });
    }
    let mut scrubber = Scrubber::default();
    scrubber.look_at(&Value::Object(call.input.clone()));
    let mut mocks = Vec::new();
    for exchange in call.exchanges {
        mocks.push(mock(exchange, &mut scrubber)?);
    }
    let mut out = String::new();
    let mut line = |key: &str, value: &Value| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  {key}: {}", scrubber.clean(value));
    };
    line("call", &json!(call.operation));
    line("with", &Value::Object(call.input.clone()));
    if let Some(now) = time(call.began_ms) {
        line("now", &json!(now));
    }
    let slots: BTreeMap<&str, &str> = call
        .exchanges
        .iter()
        .filter_map(|exchange| Some((exchange.slot.as_deref()?, "recorded-without-its-value")))
        .collect();
    if !slots.is_empty() {
        line("secrets", &json!(slots));
    }
    match call.outcome {
        Ok(value) => line("expect", value),
        Err(failure) => line("expect_failure", &failed(failure)),
    }
    if !mocks.is_empty() {
        out.push_str("  mock:\n");
        for mock in &mocks {
            let _ = writeln!(out, "    - {}", scrubber.clean(mock));
        }
    }
    let name = format!(
        "- name: {}\n",
        json!(format!("{}, as it was recorded", call.operation))
    );
    Ok((format!("{name}{out}"), scrubber.found.len()))
}

fn time(ms: u64) -> Option<String> {
    let time = DateTime::from_timestamp_millis(i64::try_from(ms).ok()?)?;
    Some(time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
}

fn failed(failure: &Failure) -> Value {
    let mut wanted = json!({ "kind": failure.kind });
    if let (Some(fields), Some(code)) = (wanted.as_object_mut(), &failure.code) {
        fields.insert("code".to_owned(), json!(code));
    }
    wanted
}

fn mock(exchange: &Exchange, scrubber: &mut Scrubber) -> Result<Value, RecordError> {
    let request = format!("{} {}", exchange.method, exchange.url);
    scrubber.look_at_address(&exchange.url);
    scrubber.look_at_headers(&exchange.headers);
    scrubber.look_at_headers(&exchange.answer_headers);
    let mut mock = json!({ "request": request });
    let mut answer = json!({ "status": exchange.status });
    let kept: Map<String, Value> = exchange
        .answer_headers
        .iter()
        .filter(|(name, _)| KEPT_HEADERS.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    if !kept.is_empty() {
        put(&mut answer, "headers", Value::Object(kept));
    }
    let key = exchange.headers.iter().any(|(name, _)| name == "idempotency-key");
    if key {
        put(&mut mock, "headers", json!({ "idempotency-key": KEY_MARK }));
    }
    if let Some(body) = &exchange.body {
        let (name, value) = body_of(body, &request)?;
        scrubber.look_at(&value);
        put(&mut mock, name, value);
    }
    let Some(body) = &exchange.answer else {
        let reason = "its answer became an artefact, and a test holds text only".to_owned();
        return Err(RecordError::Body { request, reason });
    };
    if !body.is_empty() {
        let (name, value) = body_of(body, &request)?;
        scrubber.look_at(&value);
        put(&mut answer, name, value);
    }
    put(&mut mock, "answers", json!([answer]));
    Ok(mock)
}

fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

/// A body as the key and value of a mock.
fn body_of(bytes: &[u8], request: &str) -> Result<(&'static str, Value), RecordError> {
    let wrong = |reason: String| RecordError::Body {
        request: request.to_owned(),
        reason,
    };
    if bytes.len() > BODY_BYTES_MAX {
        return Err(wrong(format!(
            "a body has {} bytes, above the limit of {BODY_BYTES_MAX}",
            bytes.len()
        )));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| wrong("a body is no text".to_owned()))?;
    // A body that would be written another way as JSON is kept as it is: its bytes may be what is looked at.
    match serde_json::from_str::<Value>(text) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => Ok(("json", value)),
        _ => Ok(("body", json!(text))),
    }
}

/// Values that look like secrets by their names, and what stands for each.
#[derive(Default)]
struct Scrubber {
    found: BTreeMap<String, String>,
}

impl Scrubber {
    fn note(&mut self, name: &str, value: &str) {
        let name = name.to_ascii_lowercase();
        let looks = SECRET_NAMES.iter().any(|part| name.contains(part));
        if looks && value.chars().count() >= SECRET_CHARS_MIN && !value.contains(KEY_MARK) {
            let next = format!("scrubbed-{}", self.found.len().saturating_add(1));
            self.found.entry(value.to_owned()).or_insert(next);
        }
    }

    fn look_at(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(text) => self.note(name, text),
                        other => self.look_at(other),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.look_at(item)),
            _ => {}
        }
    }

    fn look_at_headers(&mut self, headers: &[(String, String)]) {
        for (name, value) in headers {
            // `Bearer …`, `Basic …`: the word before the secret is none.
            let value = value.split_once(' ').map_or(value.as_str(), |(_, value)| value);
            self.note(name, value);
        }
    }

    fn look_at_address(&mut self, address: &str) {
        let Ok(url) = Url::parse(address) else {
            return;
        };
        for (name, value) in url.query_pairs() {
            self.note(&name, &value);
        }
    }

    /// The value with every noted one replaced, also where it is a part of a text or stands in an address.
    fn clean(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => json!(self.clean_text(text)),
            Value::Array(items) => items.iter().map(|item| self.clean(item)).collect(),
            Value::Object(fields) => fields
                .iter()
                .map(|(name, value)| (name.clone(), self.clean(value)))
                .collect(),
            other => other.clone(),
        }
    }

    fn clean_text(&self, text: &str) -> String {
        let mut longest_first: Vec<(&String, &String)> = self.found.iter().collect();
        longest_first.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        let mut clean = text.to_owned();
        for (value, stand_in) in longest_first {
            let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
            clean = clean.replace(value.as_str(), stand_in);
            clean = clean.replace(&encoded, stand_in);
        }
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Suite;

    fn exchange() -> Exchange {
        Exchange {
            method: "POST".to_owned(),
            url: "https://api.example.com/items?api_key=k%2Fey-123&page=2".to_owned(),
            headers: vec![
                ("idempotency-key".to_owned(), "abc".to_owned()),
                ("x-session".to_owned(), "Bearer s3ss1on-42".to_owned()),
            ],
            slot: Some("channel".to_owned()),
            body: Some(br#"{"password":"hunter22","line":"hello"}"#.to_vec()),
            status: 200,
            answer_headers: vec![
                ("content-type".to_owned(), "application/json".to_owned()),
                ("set-cookie".to_owned(), "id=never-write-this".to_owned()),
                ("date".to_owned(), "Thu, 01 Jan 2026 00:00:00 GMT".to_owned()),
            ],
            answer: Some(br#"{"access_token":"t0k3n-xyz","echo":"hunter22"}"#.to_vec()),
        }
    }

    #[test]
    fn a_recorded_call_is_a_test_without_its_secrets() {
        let input = json!({ "line": "hello", "password": "hunter22" });
        let outcome = Ok(json!({ "seen": "with hunter22 and t0k3n-xyz" }));
        let exchanges = [exchange()];
        let (text, scrubbed) = as_test(&Recorded {
            operation: "announce",
            input: input.as_object().unwrap(),
            began_ms: 1_767_225_600_123,
            outcome: &outcome,
            exchanges: &exchanges,
        })
        .unwrap();
        for secret in [
            "hunter22",
            "t0k3n-xyz",
            "k/ey-123",
            "k%2Fey-123",
            "s3ss1on-42",
            "never-write-this",
        ] {
            assert!(!text.contains(secret), "{secret} is in\n{text}");
        }
        assert_eq!(scrubbed, 5);
        insta::assert_snapshot!(text);
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("tests")).unwrap();
        std::fs::write(folder.path().join("tests/a.yaml"), &text).unwrap();
        let suite = Suite::read(folder.path(), None).unwrap();
        assert_eq!(suite.cases.len(), 1, "what is written can be read");
    }

    #[test]
    fn what_is_no_text_is_refused_with_its_request() {
        let exchanges = [Exchange {
            answer: Some(vec![0xff, 0xfe]),
            ..exchange()
        }];
        let refused = as_test(&Recorded {
            operation: "announce",
            input: &Map::new(),
            began_ms: 0,
            outcome: &Ok(Value::Null),
            exchanges: &exchanges,
        });
        let told = refused.unwrap_err().to_string();
        assert!(
            told.contains("POST https://api.example.com/items") && told.contains("no text"),
            "{told}"
        );
    }
}
