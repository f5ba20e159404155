//! What the caller of a webhook is answered: that the run is accepted, its end, or what a `respond` node says before that.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flowforge_protocol::RunId;
use flowforge_workflow::{InputProblem, JsonError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::refusal;
use crate::app::App;
use crate::app::hooks::NotTaken;
use crate::app::starts::StartError;
use crate::fleet::events::{Said, Waiting, WaitsFor};

/// Longest wait for a run's end, or its answer.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// Name of the answer's header with the run's id.
const RUN_HEADER: &str = "x-flowforge-run";

/// A request that is not taken: the answer, and the code under which that is written down, unless it is already or the fault
/// is this server's.
pub(super) struct HookRefusal {
    pub(super) code: Option<&'static str>,
    pub(super) response: Box<Response>,
}

impl HookRefusal {
    pub(super) fn named(code: &'static str, response: Response) -> Self {
        Self {
            code: Some(code),
            response: Box::new(response),
        }
    }

    /// By the fault of this server.
    pub(super) fn fault(response: Response) -> Self {
        Self {
            code: None,
            response: Box::new(response),
        }
    }
}

/// Too much comes at once.
pub(super) fn busy(code: &'static str, message: String, seconds: u64) -> HookRefusal {
    let mut response = refusal(StatusCode::TOO_MANY_REQUESTS, code, message);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    HookRefusal::named(code, response)
}

/// What the sender is told of a delivery that was not taken.
pub(super) fn not_taken(why: NotTaken) -> HookRefusal {
    let (code, is_noted) = (why.code(), why.is_noted());
    let mut refused = match why {
        NotTaken::Body(error) => HookRefusal::named(code, unreadable(error)),
        NotTaken::Input(problems, hint) => HookRefusal::named(code, does_not_fit(&problems, hint)),
        NotTaken::Signal(message) => {
            HookRefusal::named(code, refusal(StatusCode::UNPROCESSABLE_ENTITY, code, message))
        }
        NotTaken::Busy(message) => busy(code, message, 1),
        NotTaken::Full => busy(
            code,
            "too many signals wait for runs; send it again later".to_owned(),
            1,
        ),
        NotTaken::NameTaken(message) | NotTaken::State(message) => {
            HookRefusal::named(code, refusal(StatusCode::CONFLICT, code, message))
        }
        // Whoever called may call again: it starts when somebody has granted what is missing.
        NotTaken::Held(held) => {
            let message = StartError::Held(held).to_string();
            HookRefusal::named(code, refusal(StatusCode::SERVICE_UNAVAILABLE, code, message))
        }
    };
    refused.code = refused.code.filter(|_| !is_noted);
    refused
}

/// A value that cannot be kept is named as one that does not fit; a body that is no JSON has no fields.
fn unreadable(error: JsonError) -> Response {
    if error.path.is_empty() {
        let message = format!("the body is not JSON: {}", error.message);
        return refusal(StatusCode::BAD_REQUEST, "FF-HOOK-003", message);
    }
    let JsonError { path, message } = error;
    does_not_fit(&[InputProblem { path, message }], None)
}

fn does_not_fit(problems: &[InputProblem], hint: Option<&str>) -> Response {
    let mut message = "the body does not fit the workflow's input".to_owned();
    if let Some(hint) = hint {
        message = format!("{message}; {hint}");
    }
    let body = json!({"code": "FF-IN-001", "message": message, "fields": problems});
    (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
}

/// A service hears its own word again.
pub(super) fn challenge(word: String) -> Response {
    let plain = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (StatusCode::OK, plain, word).into_response()
}

pub(super) fn fault(error: &(dyn std::error::Error + 'static)) -> Response {
    if let Some(away) = crate::api::away(error) {
        tracing::warn!(
            error = away.why,
            "a webhook was refused: the database does not answer"
        );
        let mut response = refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            crate::api::CODE_AWAY,
            away.to_string(),
        );
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return response;
    }
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

fn with_run(run: &RunId, mut response: Response) -> Response {
    if let Ok(value) = HeaderValue::from_str(run.as_str()) {
        response.headers_mut().insert(RUN_HEADER, value);
    }
    response
}

pub(super) fn accepted(run: &RunId, message: Option<&str>) -> Response {
    let body = match message {
        None => json!({"run": run}),
        Some(message) => json!({"run": run, "message": message}),
    };
    with_run(run, (StatusCode::ACCEPTED, Json(body)).into_response())
}

const STILL_RUNNING: &str = "the run goes on; ask for it by its id";

/// Waits for what the caller was promised: the end of the run, or its answer.
pub(super) async fn wait(app: &App, run: &RunId, mut waiting: Waiting<'_>) -> Response {
    let said = tokio::select! {
        said = tokio::time::timeout(MAX_WAIT, &mut waiting.said) => said,
        () = app.closing.cancelled() => return accepted(run, Some(STILL_RUNNING)),
    };
    match said {
        Ok(Ok(Said::Ended(outcome))) => ended(run, &outcome),
        Ok(Ok(Said::Response(response))) => responded(run, &response),
        Ok(Err(_)) | Err(_) => accepted(run, Some(STILL_RUNNING)),
    }
}

/// A repeated request: its run may have answered, or be over, already.
pub(super) async fn again(app: &App, run: &RunId, waits_for: WaitsFor) -> Response {
    let waiting = app.events.wait_for(run, waits_for);
    let stored = match app.run_of_hook(run).await {
        Ok(Some(stored)) => stored,
        Ok(None) => return accepted(run, Some(STILL_RUNNING)),
        Err(error) => return fault(&error),
    };
    match (stored.texts.response, stored.texts.outcome) {
        (Some(response), _) if waits_for == WaitsFor::Response => responded(run, &response),
        (_, Some(outcome)) => ended(run, &outcome),
        (_, None) => wait(app, run, waiting).await,
    }
}

/// What a `respond` node said.
#[derive(Deserialize)]
struct Responded {
    status: u16,
    headers: BTreeMap<String, String>,
    /// JSON text; absent if its bytes are not here.
    body: Option<String>,
}

/// Headers that are about the connection, or would make this server speak for others.
const NOT_FOR_RUNS: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TRAILER,
    header::SET_COOKIE,
    header::CONTENT_SECURITY_POLICY,
    header::X_CONTENT_TYPE_OPTIONS,
];

/// The answer that a run gives before its end. A browser that shows it shows it as a page of nobody.
fn responded(run: &RunId, response: &str) -> Response {
    let responded: Responded = match serde_json::from_str(response) {
        Ok(responded) => responded,
        Err(error) => return with_run(run, fault(&error)),
    };
    let body = responded.body.as_deref().map(serde_json::from_str::<Value>);
    let (body, kind) = match body {
        Some(Ok(Value::String(text))) => (text, "text/plain; charset=utf-8"),
        Some(Ok(other)) => (other.to_string(), "application/json"),
        Some(Err(error)) => return with_run(run, fault(&error)),
        None => {
            let message = "the body of the answer stays on the host of the run";
            return with_run(run, refusal(StatusCode::BAD_GATEWAY, "FF-HOOK-008", message));
        }
    };
    let status = StatusCode::from_u16(responded.status).unwrap_or(StatusCode::OK);
    let mut answer = (status, body).into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in &responded.headers {
        let name = HeaderName::try_from(name.as_str());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value.as_str()))
            && !NOT_FOR_RUNS.contains(&name)
        {
            headers.insert(name, value);
        }
    }
    let policy = HeaderValue::from_static("default-src 'none'; sandbox");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    with_run(run, answer)
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
