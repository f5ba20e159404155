//! `/hooks/<path>`: a request from outside starts a run.
//!
//! Who sent it is checked over the raw body, as its trigger asks, before anything is decoded or parsed. The answer comes at
//! once with the id of the run, or, if the trigger says so, when the run has ended, with its output.
//!
//! A delivery that comes again starts nothing, as long as it is remembered. It is the same if it has the same signature, or
//! the same name, which its sender chose. A name that is not signed says nothing against a signature: a caught request that
//! comes again under another name is still the same. In the form without a time the signature is that of the body alone: a
//! sender whose bodies repeat themselves takes a form with a time.
//!
//! A trigger with a `signal` starts nothing: its request is a signal for the runs of the workflow that wait for it. What came
//! and what became of it is kept; of the refused so many in a minute.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_core::Action;
use flowforge_protocol::job::MAX_INPUT_BYTES;
use flowforge_protocol::{DeliveryId, RunId};
use flowforge_store::NewDelivery;
use flowforge_workflow::model::Answer;
use serde_json::json;

use super::body::{self, Codes};
use super::hook_answers::{self, HookRefusal, accepted, busy, fault, not_taken};
use super::hook_check::{check, names, refused, text};
use super::{Doors, refusal};
use crate::app::App;
use crate::app::hooks::body::{DecodeError, decoded, media_type};
use crate::app::hooks::{Delivered, Hook, Took};
use crate::app::starts::new_run_id;
use crate::entropy::fresh;
use crate::fleet::events::WaitsFor;

/// `POST /hooks/<path>`
pub(super) async fn receive(
    State(doors): State<Doors>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let app = &doors.app;
    let hook = match app.listening(&path) {
        Some(hook) => hook,
        None => match listens_now(app, &path).await {
            Ok(hook) => hook,
            Err(refused) => return *refused,
        },
    };
    let id = match fresh::<16>() {
        Ok(bytes) => DeliveryId::from_entropy(bytes),
        Err(error) => return fault(&error),
    };
    let mut kept = NewDelivery {
        id,
        at_ms: app.clock.now_ms(),
        workflow: hook.release.stored.workflow.clone(),
        trigger: hook.trigger.clone(),
        scheme: hook.webhook.asked().to_owned(),
        media_type: text(&headers, header::CONTENT_TYPE.as_str()).map(media_type),
        path,
        bytes: 0,
        body: None,
        replay: None,
    };
    match take(app, hook, &headers, body, &mut kept).await {
        Ok(response) => response,
        Err(HookRefusal { code, response }) => {
            if let Some(code) = code {
                app.note_delivery(kept, code).await;
            }
            *response
        }
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
    app.listening(path)
        .ok_or_else(|| nobody_listens(app, path, owner).into())
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

/// Takes a request; what is known of it so far stands in `kept` when it is refused.
async fn take(
    app: &Arc<App>,
    hook: Hook,
    headers: &HeaderMap,
    body: Body,
    kept: &mut NewDelivery,
) -> Result<Response, HookRefusal> {
    let codes = Codes {
        too_large: "FF-HOOK-002",
        too_slow: "FF-HTTP-007",
    };
    let raw = match body::read(body, MAX_INPUT_BYTES, codes).await {
        Ok(body) => body,
        Err(response) => {
            let code = match response.status() {
                StatusCode::PAYLOAD_TOO_LARGE => codes.too_large,
                _ => codes.too_slow,
            };
            return Err(HookRefusal::named(code, *response));
        }
    };
    kept.bytes = raw.len() as u64;
    let proof = check(app, &hook.webhook, headers, &raw).await?;
    if let Some(rate) = hook.webhook.rate {
        let taken = app.hook_rates.take(&kept.path, rate, app.clock.monotonic_ms());
        taken.map_err(|seconds| too_many(&kept.path, seconds))?;
    }
    let body = unpacked(headers, raw)?;
    if !hook.release.workflow.values_stay {
        kept.body = Some(STANDARD.encode(&body));
    }
    let names = names(&kept.path, proof, headers)?;
    let run = new_run_id().map_err(|error| HookRefusal::fault(fault(&error)))?;
    let waits_for = match hook.webhook.answer {
        Answer::AtOnce => None,
        Answer::Result => Some(WaitsFor::End),
        Answer::Respond => Some(WaitsFor::Response),
    };
    let waits_for = waits_for.filter(|_| hook.webhook.signal.is_none());
    // The slot is there before the run is, so that its end cannot be missed.
    let waiting = waits_for.map(|waits_for| app.events.wait_for(&run, waits_for));
    let delivered = Delivered {
        hook,
        media_type: kept.media_type.clone(),
        body,
        names,
        traceparent: text(headers, "traceparent").map(str::to_owned),
        run,
        kept: kept.clone(),
    };
    let action = match delivered.hook.webhook.signal {
        Some(_) => Action::SendSignal,
        None => Action::StartRun,
    };
    let caller = app.of_plane("webhook");
    let took = match app.deliver(&caller, action, delivered).await {
        Ok(took) => took,
        Err(error) => return Err(HookRefusal::fault(fault(&error))),
    };
    Ok(match took.map_err(not_taken)? {
        Took::Run(run) => {
            app.delivery_written();
            match waiting {
                Some(waiting) => hook_answers::wait(app, &run, waiting).await,
                None => accepted(&run, None),
            }
        }
        Took::Again(run) => {
            app.delivery_written();
            again(app, &run, waits_for).await
        }
        Took::Signal(message) => {
            app.delivery_written();
            (StatusCode::ACCEPTED, Json(json!({ "signal": message }))).into_response()
        }
        Took::Challenge(word) => hook_answers::challenge(word),
    })
}

async fn again(app: &App, run: &RunId, waits_for: Option<WaitsFor>) -> Response {
    match waits_for {
        Some(waits_for) => hook_answers::again(app, run, waits_for).await,
        None => accepted(run, None),
    }
}

fn too_many(path: &str, seconds: u64) -> HookRefusal {
    let message =
        format!("more requests come to /hooks/{path} than its `rate` allows; come again in {seconds} s");
    busy("FF-HOOK-011", message, seconds)
}

/// The body without its encoding.
fn unpacked(headers: &HeaderMap, raw: Bytes) -> Result<Bytes, HookRefusal> {
    let encoding = text(headers, header::CONTENT_ENCODING.as_str());
    decoded(encoding, raw, MAX_INPUT_BYTES).map_err(|error| {
        let (status, code) = match error {
            DecodeError::Encoding(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "FF-HOOK-012"),
            DecodeError::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "FF-HOOK-002"),
            DecodeError::Broken { .. } => (StatusCode::BAD_REQUEST, "FF-HOOK-003"),
        };
        refused(status, code, error.to_string())
    })
}
