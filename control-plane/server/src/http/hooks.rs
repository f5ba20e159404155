//! `/hooks/<path>`: a request from outside starts a run.
//!
//! The signature is checked over the raw body before anything is parsed. The answer comes at once with the id of the
//! run, or, if the trigger says so, when the run has ended, with its output.
//!
//! A delivery that comes again starts nothing. It is the same if it has the same signature in the form with a time, which
//! nobody can make twice by chance; or the same name, which its sender chose. The form without a time says nothing of when
//! it was made: who catches such a request can send it again under another name, so the form with a time is to be preferred.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flowforge_protocol::job::MAX_INPUT_BYTES;
use flowforge_protocol::record::Trigger;
use flowforge_protocol::{Digest, RunId, webhook};
use flowforge_store::{ClientRequest, Started};
use flowforge_workflow::model::{Answer, TriggerKind};
use serde_json::{Map, Value, json};

use super::{Doors, refusal};
use crate::app::App;
use crate::events::Waiting;
use crate::release::ReadyRelease;
use crate::starts::{StartError, StartRequest, new_run_id, request_body};

/// Longest wait for a run's end.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// Name of the answer's header with the run's id.
const RUN_HEADER: &str = "x-flowforge-run";
/// Header by which a sender names a request, so that a repeated one starts nothing.
const KEY_HEADER: &str = "idempotency-key";
/// The same, by GitHub.
const HUB_DELIVERY_HEADER: &str = "x-github-delivery";

struct Hook {
    release: Arc<ReadyRelease>,
    hmac: Option<String>,
    answer: Answer,
}

fn find(app: &App, wanted: &str) -> Option<Hook> {
    let (release, place) = app.hook(wanted)?;
    let (hmac, answer) = match &release.workflow.triggers.get(place)?.kind {
        TriggerKind::Webhook { hmac, answer, .. } => (hmac.clone(), *answer),
        TriggerKind::Schedule { .. } => return None,
    };
    Some(Hook {
        release,
        hmac,
        answer,
    })
}

/// `POST /hooks/<path>`
pub(super) async fn receive(
    State(doors): State<Doors>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let app = &doors.app;
    let Some(hook) = find(app, &path) else {
        return nobody_listens(app, &path).await;
    };
    let Ok(body) = axum::body::to_bytes(body, MAX_INPUT_BYTES).await else {
        let message = format!("the body is larger than {MAX_INPUT_BYTES} bytes, or was cut");
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "FF-HOOK-002", message);
    };
    let signature = match &hook.hmac {
        None => None,
        Some(name) => match check_signature(app, name, &headers, &body).await {
            Ok(signature) => signature,
            Err(refused) => return *refused,
        },
    };
    let input = match read_input(&body) {
        Ok(input) => input,
        Err(message) => return refusal(StatusCode::BAD_REQUEST, "FF-HOOK-003", message),
    };
    let names = match names(&path, &hook, signature, &headers, &input) {
        Ok(names) => names,
        Err(message) => return refusal(StatusCode::BAD_REQUEST, "FF-HOOK-007", message),
    };
    start(app, &path, hook, input, names, &headers).await
}

async fn nobody_listens(app: &App, path: &str) -> Response {
    let owner = match app.store.hook_owner(path).await {
        Ok(owner) => owner,
        Err(error) => return fault(&error),
    };
    match owner.and_then(|workflow| Some((app.unusable(&workflow)?, workflow))) {
        Some((why, workflow)) => {
            let message = format!("the newest release of `{workflow}` cannot be used here: {why}");
            refusal(StatusCode::SERVICE_UNAVAILABLE, "FF-REL-004", message)
        }
        None => refusal(
            StatusCode::NOT_FOUND,
            "FF-HOOK-001",
            format!("no published workflow listens at /hooks/{path}"),
        ),
    }
}

/// The names under which this delivery is remembered.
fn names(
    path: &str,
    hook: &Hook,
    signature: Option<String>,
    headers: &HeaderMap,
    input: &Value,
) -> Result<Vec<ClientRequest>, String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let mut names = Vec::new();
    if let Some(signature) = signature {
        let digest = Digest::of(signature.as_bytes()).hex();
        names.push(format!("hook:{path}:signature:{digest}"));
    }
    let given = text(KEY_HEADER)
        .map(|key| (KEY_HEADER, key))
        .or_else(|| Some((HUB_DELIVERY_HEADER, text(HUB_DELIVERY_HEADER)?)));
    if let Some((header, key)) = given {
        if key.is_empty() || key.len() > 128 {
            return Err(format!("{header}: expected 1 to 128 characters"));
        }
        names.push(format!("hook:{path}:key:{key}"));
    }
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let body = request_body(&hook.release.stored.workflow, None, input);
    Ok(names.into_iter().map(|id| ClientRequest { id, body }).collect())
}

/// Returns the signature if it says when it was made: then the same one is the same delivery.
async fn check_signature(
    app: &App,
    name: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Option<String>, Box<Response>> {
    let refuse = |status, code, message: String| Err(Box::new(refusal(status, code, message)));
    let key = match app.vault.webhook_key(&app.store, name).await {
        Ok(Some(key)) => key,
        Ok(None) => {
            let message = format!("secret `{name}`, which signs this webhook, is not set");
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "FF-HOOK-004", message);
        }
        Err(error) => return Err(Box::new(fault(&error))),
    };
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let mut timed = None;
    let checked = match (
        text(webhook::SIGNATURE_HEADER),
        text(webhook::HUB_SIGNATURE_HEADER),
    ) {
        (Some(given), _) if given.starts_with("t=") => {
            timed = Some(given.to_owned());
            webhook::verify(&key, app.clock.now_ms() / 1_000, given, body)
        }
        (Some(given), _) | (None, Some(given)) => webhook::verify_hub(&key, given, body),
        (None, None) => {
            let message = format!(
                "send {}: sha256=HEX, the HMAC-SHA256 of the body",
                webhook::SIGNATURE_HEADER
            );
            return refuse(StatusCode::UNAUTHORIZED, "FF-HOOK-005", message);
        }
    };
    match checked {
        Ok(()) => Ok(timed),
        Err(error) => refuse(StatusCode::UNAUTHORIZED, "FF-HOOK-006", error.to_string()),
    }
}

fn read_input(body: &Bytes) -> Result<Value, String> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(Map::new()));
    }
    flowforge_protocol::parse_strict(body, MAX_INPUT_BYTES)
        .map_err(|error| format!("the body is not JSON: {error}"))
}

/// The fields of a body that the workflow names. Senders add fields at any time: others are no reason to refuse it.
fn named_fields(release: &ReadyRelease, body: Value) -> Value {
    match body {
        Value::Object(mut fields) => {
            fields.retain(|name, _| release.workflow.input.iter().any(|field| field.name == *name));
            Value::Object(fields)
        }
        other => other,
    }
}

fn fault(error: &(dyn std::error::Error + 'static)) -> Response {
    tracing::error!(%error, "a webhook failed");
    if let Some(full) = crate::api::full_disk(error) {
        return refusal(
            StatusCode::INSUFFICIENT_STORAGE,
            crate::api::CODE_FULL,
            full.to_string(),
        );
    }
    refusal(
        StatusCode::INTERNAL_SERVER_ERROR,
        "FF-API-500",
        "the control plane could not do this; its log says why",
    )
}

async fn start(
    app: &App,
    path: &str,
    hook: Hook,
    input: Value,
    requests: Vec<ClientRequest>,
    headers: &HeaderMap,
) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let id = match new_run_id() {
        Ok(id) => id,
        Err(error) => return fault(&error),
    };
    // The slot is there before the run is, so that its end cannot be missed.
    let waiting = (hook.answer == Answer::Result).then(|| app.events.wait_for(&id));
    let request = StartRequest {
        id: id.clone(),
        input: named_fields(&hook.release, input),
        release: hook.release,
        trigger: Trigger::Webhook {
            path: path.to_owned(),
        },
        traceparent: text("traceparent").map(str::to_owned),
        requests,
    };
    match app.start(request).await {
        Ok(Started::New) => match waiting {
            Some(waiting) => answer_with_result(app, &id, waiting).await,
            None => accepted(&id, None),
        },
        Ok(Started::Duplicate { run }) => match waiting {
            Some(_) => answer_again(app, &run).await,
            None => accepted(&run, None),
        },
        Ok(Started::Conflict { run }) => {
            let message = format!("this {KEY_HEADER} started run {} with another body", run.short());
            refusal(StatusCode::CONFLICT, "FF-RUN-002", message)
        }
        Err(StartError::Input(problems)) => {
            let body = json!({"code": "FF-IN-001", "message": "the body does not fit the workflow's input", "fields": problems});
            (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
        }
        Err(error @ StartError::Busy { .. }) => {
            let mut response = refusal(StatusCode::TOO_MANY_REQUESTS, "FF-RUN-003", error.to_string());
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
            response
        }
        Err(StartError::Store(error)) => fault(&error),
        Err(error) => fault(&error),
    }
}

fn with_run(run: &RunId, mut response: Response) -> Response {
    if let Ok(value) = header::HeaderValue::from_str(run.as_str()) {
        response.headers_mut().insert(RUN_HEADER, value);
    }
    response
}

fn accepted(run: &RunId, message: Option<&str>) -> Response {
    let body = match message {
        None => json!({"run": run}),
        Some(message) => json!({"run": run, "message": message}),
    };
    with_run(run, (StatusCode::ACCEPTED, Json(body)).into_response())
}

const STILL_RUNNING: &str = "the run goes on; ask for it by its id";

async fn answer_with_result(app: &App, run: &RunId, mut waiting: Waiting<'_>) -> Response {
    let outcome = tokio::select! {
        outcome = tokio::time::timeout(MAX_WAIT, &mut waiting.outcome) => outcome,
        () = app.closing.cancelled() => return accepted(run, Some(STILL_RUNNING)),
    };
    match outcome {
        Ok(Ok(outcome)) => ended(run, &outcome),
        Ok(Err(_)) | Err(_) => accepted(run, Some(STILL_RUNNING)),
    }
}

/// A repeated request: its run may be over already.
async fn answer_again(app: &App, run: &RunId) -> Response {
    let waiting = app.events.wait_for(run);
    match app.store.run(run).await {
        Ok(Some(stored)) => match stored.outcome {
            Some(outcome) => ended(run, &outcome),
            None => answer_with_result(app, run, waiting).await,
        },
        Ok(None) => accepted(run, Some(STILL_RUNNING)),
        Err(error) => fault(&error),
    }
}

fn ended(run: &RunId, outcome: &str) -> Response {
    let outcome: Value = match serde_json::from_str(outcome) {
        Ok(outcome) => outcome,
        Err(error) => return with_run(run, fault(&error)),
    };
    let part = |name: &str| outcome.get(name).cloned().unwrap_or_default();
    let state = part("state");
    let response = match state.as_str() {
        Some("done") => Json(part("output")).into_response(),
        Some("failed") => {
            let failure = part("failure");
            let message = failure.get("message").cloned().unwrap_or_default();
            let body = json!({"code": "FF-RUN-010", "message": message, "run": run, "state": "failed", "node": part("node"), "failure": failure});
            (StatusCode::BAD_GATEWAY, Json(body)).into_response()
        }
        _ => {
            let message = format!("the run ended as {}", state.as_str().unwrap_or("unknown"));
            let body = json!({"code": "FF-RUN-011", "message": message, "run": run, "state": state});
            (StatusCode::CONFLICT, Json(body)).into_response()
        }
    };
    with_run(run, response)
}
