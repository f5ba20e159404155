//! `/hooks/<path>`: a request from outside starts a run.
//!
//! The signature is checked over the raw body before anything is parsed. The answer comes at once with the id of the
//! run, or, if the trigger says so, when the run has ended, with its output.
//!
//! A delivery that comes again starts nothing, as long as it is remembered. It is the same if it has the same signature, or
//! the same name, which its sender chose. The name is not signed: a caught request that comes again under another name is
//! still the same. In the form without a time the signature is that of the body alone: a sender whose bodies repeat
//! themselves takes the form with a time.
//!
//! A trigger with a `signal` starts nothing: its request is a signal for the runs of the workflow that wait for it.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flowforge_core::Action;
use flowforge_protocol::job::MAX_INPUT_BYTES;
use flowforge_protocol::record::Trigger;
use flowforge_protocol::{Digest, webhook};
use flowforge_store::{ClientRequest, Started};
use flowforge_workflow::expr::{Context, Expression, Meaning, Scope, strip_marker};
use flowforge_workflow::model::{Answer, HookSignal, TriggerKind};
use flowforge_workflow::{InputProblem, JsonError, read_json};
use serde_json::{Map, Value, json};

use super::body::{self, Codes};
use super::hook_answers::{self, accepted, fault};
use super::{Doors, refusal};
use crate::app::App;
use crate::app::operations::{Incoming, Refused};
use crate::app::starts::{StartError, StartOptions, StartRequest, new_run_id, request_body};
use crate::fleet::events::WaitsFor;
use crate::release::ReadyRelease;

/// Header by which a sender names a request, so that a repeated one starts nothing.
const KEY_HEADER: &str = "idempotency-key";
/// The same, by GitHub.
const HUB_DELIVERY_HEADER: &str = "x-github-delivery";

struct Hook {
    release: Arc<ReadyRelease>,
    hmac: Option<String>,
    answer: Answer,
    signal: Option<HookSignal>,
}

fn find(app: &App, wanted: &str) -> Option<Hook> {
    let (release, place) = app.hook(wanted)?;
    let (hmac, answer, signal) = match &release.workflow.triggers.get(place)?.kind {
        TriggerKind::Webhook {
            hmac, answer, signal, ..
        } => (hmac.clone(), *answer, signal.clone()),
        TriggerKind::Schedule { .. } => return None,
    };
    Some(Hook {
        release,
        hmac,
        answer,
        signal,
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
    let hook = match find(app, &path) {
        Some(hook) => hook,
        None => match listens_now(app, &path).await {
            Ok(hook) => hook,
            Err(refused) => return *refused,
        },
    };
    let codes = Codes {
        too_large: "FF-HOOK-002",
        too_slow: "FF-HTTP-007",
    };
    let body = match body::read(body, MAX_INPUT_BYTES, codes).await {
        Ok(body) => body,
        Err(refused) => return *refused,
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
        Err(error) => return unreadable(error),
    };
    let names = match names(&path, signature, &headers) {
        Ok(names) => names,
        Err(message) => return refusal(StatusCode::BAD_REQUEST, "FF-HOOK-007", message),
    };
    match hook.signal.clone() {
        Some(signal) => take_signal(app, &path, hook, signal, input, names).await,
        None => start(app, &path, hook, input, names, &headers).await,
    }
}

/// Nobody is known to listen: another server may have published the workflow that does just now.
async fn listens_now(app: &App, path: &str) -> Result<Hook, Box<Response>> {
    let owner = match app.hook_owner(path).await {
        Ok(owner) => owner,
        Err(error) => return Err(fault(&error).into()),
    };
    if let Some(workflow) = &owner
        && let Err(error) = app.look_at_workflow(workflow).await
    {
        return Err(fault(&error).into());
    }
    find(app, path).ok_or_else(|| nobody_listens(app, path, owner).into())
}

fn nobody_listens(app: &App, path: &str, owner: Option<String>) -> Response {
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
fn names(path: &str, signature: Option<String>, headers: &HeaderMap) -> Result<Vec<String>, String> {
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
    Ok(names)
}

/// Returns the signature: the same one is the same delivery.
async fn check_signature(
    app: &App,
    name: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Option<String>, Box<Response>> {
    let refuse = |status, code, message: String| Err(Box::new(refusal(status, code, message)));
    let key = match app.webhook_key(name).await {
        Ok(Some(key)) => key,
        Ok(None) => {
            let message = format!("secret `{name}`, which signs this webhook, is not set");
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "FF-HOOK-004", message);
        }
        Err(error) => return Err(Box::new(fault(&error))),
    };
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let given = text(webhook::SIGNATURE_HEADER).or_else(|| text(webhook::HUB_SIGNATURE_HEADER));
    let Some(given) = given else {
        let message = format!(
            "send {}: t=SECONDS,v1=HEX, the HMAC-SHA256 of the time, a full stop and the body",
            webhook::SIGNATURE_HEADER
        );
        return refuse(StatusCode::UNAUTHORIZED, "FF-HOOK-005", message);
    };
    let checked = if given.starts_with("t=") && text(webhook::SIGNATURE_HEADER).is_some() {
        webhook::verify(&key, app.clock.now_ms() / 1_000, given, body)
    } else {
        webhook::verify_hub(&key, given, body)
    };
    match checked {
        // Digits that are written otherwise are the same signature.
        Ok(()) => Ok(Some(given.to_ascii_lowercase())),
        Err(error) => refuse(StatusCode::UNAUTHORIZED, "FF-HOOK-006", error.to_string()),
    }
}

fn read_input(body: &Bytes) -> Result<Value, JsonError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(Map::new()));
    }
    let text = std::str::from_utf8(body).map_err(|error| JsonError {
        path: String::new(),
        message: format!("not UTF-8: wrong byte at {}", error.valid_up_to()),
    })?;
    read_json(text)
}

/// A value that cannot be kept is named as one that does not fit; a body that is no JSON has no fields.
fn unreadable(error: JsonError) -> Response {
    if error.path.is_empty() {
        let message = format!("the body is not JSON: {}", error.message);
        return refusal(StatusCode::BAD_REQUEST, "FF-HOOK-003", message);
    }
    let JsonError { path, message } = error;
    does_not_fit(&[InputProblem { path, message }])
}

fn does_not_fit(problems: &[InputProblem]) -> Response {
    let body = json!({"code": "FF-IN-001", "message": "the body does not fit the workflow's input", "fields": problems});
    (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
}

/// The fields of a body that the workflow names, and the others: senders add fields at any time. A workflow that refuses
/// others gets all of them as its input, which then does not fit.
fn parted(release: &ReadyRelease, body: Value) -> (Value, Option<Value>) {
    let Value::Object(fields) = body else {
        return (body, None);
    };
    if release.workflow.refuses_additional {
        return (Value::Object(fields), None);
    }
    let is_named = |name: &String| release.workflow.input.iter().any(|field| field.name == *name);
    let (named, others): (Map<_, _>, Map<_, _>) = fields.into_iter().partition(|(name, _)| is_named(name));
    let others = (!others.is_empty()).then_some(Value::Object(others));
    (Value::Object(named), others)
}

async fn start(
    app: &App,
    path: &str,
    hook: Hook,
    input: Value,
    names: Vec<String>,
    headers: &HeaderMap,
) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let id = match new_run_id() {
        Ok(id) => id,
        Err(error) => return fault(&error),
    };
    let waits_for = match hook.answer {
        Answer::AtOnce => None,
        Answer::Result => Some(WaitsFor::End),
        Answer::Respond => Some(WaitsFor::Response),
    };
    // The slot is there before the run is, so that its end cannot be missed.
    let waiting = waits_for.map(|waits_for| app.events.wait_for(&id, waits_for));
    let body = request_body(&hook.release.stored.workflow, None, &input);
    let (input, extra) = parted(&hook.release, input);
    let request = StartRequest {
        id: id.clone(),
        input,
        release: hook.release,
        trigger: Trigger::Webhook {
            path: path.to_owned(),
        },
        traceparent: text("traceparent").map(str::to_owned),
        lineage: None,
        options: StartOptions {
            extra,
            ..StartOptions::default()
        },
        requests: names.into_iter().map(|id| ClientRequest { id, body }).collect(),
    };
    let caller = app.of_plane("webhook");
    match app.start(&caller, Action::StartRun, request).await {
        Ok(Started::New) => match waiting {
            Some(waiting) => hook_answers::wait(app, &id, waiting).await,
            None => accepted(&id, None),
        },
        Ok(Started::Duplicate { run }) => match waits_for {
            Some(waits_for) => hook_answers::again(app, &run, waits_for).await,
            None => accepted(&run, None),
        },
        Ok(Started::Conflict { run }) => {
            let message = format!("this {KEY_HEADER} started run {} with another body", run.short());
            refusal(StatusCode::CONFLICT, "FF-RUN-002", message)
        }
        Err(StartError::Input(problems)) => does_not_fit(&problems),
        Err(error @ StartError::Busy { .. }) => busy("FF-RUN-003", error.to_string()),
        // Whoever called may call again: it starts when somebody has granted what is missing.
        Err(error @ StartError::Held(_)) => {
            refusal(StatusCode::SERVICE_UNAVAILABLE, "FF-REG-010", error.to_string())
        }
        Err(StartError::Store(error)) => fault(&error),
        Err(error) => fault(&error),
    }
}

fn busy(code: &str, message: String) -> Response {
    let mut response = refusal(StatusCode::TOO_MANY_REQUESTS, code, message);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    response
}

/// A request that is a signal: durable when it is answered.
async fn take_signal(
    app: &Arc<App>,
    path: &str,
    hook: Hook,
    signal: HookSignal,
    body: Value,
    names: Vec<String>,
) -> Response {
    let correlation = match signal.correlate {
        None => None,
        Some(expression) => match correlation(app, path, expression, body.clone()).await {
            Ok(correlation) => Some(correlation),
            Err(message) => return refusal(StatusCode::UNPROCESSABLE_ENTITY, "FF-HOOK-009", message),
        },
    };
    let incoming = Incoming {
        run: None,
        workflow: hook.release.stored.workflow.clone(),
        name: signal.name,
        correlation,
        payload: body,
        by: format!("webhook {path}"),
        names,
    };
    match app.signal(&app.of_plane("webhook"), incoming).await {
        Ok(Ok((message, _))) => (StatusCode::ACCEPTED, Json(json!({ "signal": message }))).into_response(),
        Ok(Err(Refused::Full)) => busy(
            "FF-HOOK-010",
            "too many signals wait for runs; send it again later".to_owned(),
        ),
        Ok(Err(Refused::Conflict(before))) => {
            let message = format!("this {KEY_HEADER} sent signal {before} with another body");
            refusal(StatusCode::CONFLICT, "FF-RUN-002", message)
        }
        Ok(Err(Refused::Field(field, message))) => {
            let message = format!("{field}: {message}");
            refusal(StatusCode::UNPROCESSABLE_ENTITY, "FF-HOOK-009", message)
        }
        Ok(Err(Refused::NotFound(message) | Refused::State(_, message))) => {
            refusal(StatusCode::CONFLICT, "FF-RUN-004", message)
        }
        Err(error) => fault(&error),
    }
}

/// The correlation of a signal, by the trigger's expression, which its author wrote.
async fn correlation(app: &Arc<App>, path: &str, expression: String, body: Value) -> Result<String, String> {
    let trigger = json!({ "kind": "webhook", "path": path, "body": body });
    let evaluated = app.apart(move |_, interrupt| {
        let expression = Expression::compile(strip_marker(&expression)).map_err(|error| error.to_string())?;
        let context = Context::default().with_interrupt(interrupt);
        let value = expression.evaluate(&OfTrigger(trigger), context);
        value.map_err(|error| error.to_string())
    });
    match evaluated.await {
        Ok(Ok(Value::String(text))) => Ok(text),
        Ok(Ok(value @ (Value::Number(_) | Value::Bool(_)))) => Ok(value.to_string()),
        Ok(Ok(_)) => Err("the correlation of the signal is neither text nor a number".to_owned()),
        Ok(Err(message)) => Err(format!("the correlation of the signal cannot be told: {message}")),
        Err(error) => Err(error.to_string()),
    }
}

/// `trigger`, and nothing else.
struct OfTrigger(Value);

impl Scope for OfTrigger {
    fn lookup(&self, name: &str) -> Option<Meaning<'_>> {
        (name == "trigger").then_some(Meaning::Value(&self.0))
    }
}
