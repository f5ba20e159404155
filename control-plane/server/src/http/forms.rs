//! `/forms/<path>`: a page for people that starts a run.
//!
//! It is for everybody who knows its path, so it has bounds of its own: the size of what is sent, how many are taken in what
//! time, a token that a page gives, a field that no person sees. What was sent and what became of it stands among the
//! deliveries, as what came to webhooks does.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use flowforge_protocol::RunId;
use flowforge_store::NewDelivery;
use flowforge_workflow::model::{Answer, Form};
use serde_json::Value;

use super::Doors;
use super::body::{self, Codes};
use super::form_page::{self, message};
use crate::app::App;
use crate::app::forms::{MAX_FORM_BYTES, NotStarted, OpenForm, Sent, TOKEN_FIELD, TRAP_FIELD, sent};
use crate::app::starts::{StartError, new_run_id};
use crate::fleet::events::{Said, Waiting, WaitsFor};

/// Longest wait for a run's end.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// A form was refused: its token is not ours, or too old.
const CODE_TOKEN: &str = "FF-FORM-001";
/// A form was refused: a machine filled it in.
const CODE_TRAP: &str = "FF-FORM-002";

/// `GET /forms/<path>`
pub(super) async fn show(State(doors): State<Doors>, Path(path): Path<String>) -> Response {
    let app = &doors.app;
    match open(app, &path).await {
        Ok(open) => fresh(app, &open, &Sent::new(), &[]),
        Err(response) => *response,
    }
}

/// `POST /forms/<path>`
pub(super) async fn receive(State(doors): State<Doors>, Path(path): Path<String>, body: Body) -> Response {
    let app = &doors.app;
    let open = match open(app, &path).await {
        Ok(open) => open,
        Err(response) => return *response,
    };
    let codes = Codes {
        too_large: "FF-HOOK-002",
        too_slow: "FF-HTTP-007",
    };
    let body = match body::read(body, MAX_FORM_BYTES, codes).await {
        Ok(body) => body,
        Err(refused) => {
            return message(
                refused.status(),
                "That was too much",
                "What you sent is too large, or did not come whole.",
            );
        }
    };
    let kept = match app.form_delivery(&open, body.len() as u64) {
        Ok(kept) => kept,
        Err(error) => return fault(&error),
    };
    take(app, &open, &sent(&body), kept).await
}

/// The form at a path; another server may have published it just now.
async fn open(app: &App, path: &str) -> Result<OpenForm, Box<Response>> {
    if let Some(open) = app.form(path) {
        return Ok(open);
    }
    let owner = app.hook_owner(path).await.map_err(|error| fault(&error))?;
    if let Some(workflow) = owner {
        app.look_at_workflow(&workflow)
            .await
            .map_err(|error| fault(&error))?;
    }
    app.form(path).ok_or_else(|| {
        let text = "There is no form at this address. Ask whoever gave it to you.";
        Box::new(message(StatusCode::NOT_FOUND, "There is no such form", text))
    })
}

/// The page with a new token.
fn fresh(app: &App, open: &OpenForm, sent: &Sent, problems: &[flowforge_workflow::InputProblem]) -> Response {
    match app.form_token(&open.form.path) {
        Ok(token) => form_page::form(open, &token, sent, problems),
        Err(error) => fault(&error),
    }
}

async fn take(app: &Arc<App>, open: &OpenForm, sent: &Sent, kept: NewDelivery) -> Response {
    let path = &open.form.path;
    if sent.get(TRAP_FIELD).is_some_and(|text| !text.is_empty()) {
        app.note_delivery(kept, CODE_TRAP).await;
        // A machine learns nothing from it.
        return thanks(open);
    }
    let rate = open.form.rate.unwrap_or(Form::RATE);
    if let Err(seconds) = app.hook_rates.take(path, rate, app.clock.monotonic_ms()) {
        app.note_delivery(kept, "FF-HOOK-011").await;
        let text = format!("Many people use this form just now. Come again in {seconds} s.");
        let mut response = message(StatusCode::TOO_MANY_REQUESTS, "Please wait a little", &text);
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        return response;
    }
    let token = sent.get(TOKEN_FIELD).map(String::as_str).unwrap_or_default();
    if !app.is_form_token(path, token) {
        app.note_delivery(kept, CODE_TOKEN).await;
        let problem = flowforge_workflow::InputProblem {
            path: String::new(),
            message: "This page was open for more than a day, or was not made here. Look through it and send it again."
                .to_owned(),
        };
        return fresh(app, open, sent, &[problem]);
    }
    start(app, open, sent, kept).await
}

async fn start(app: &Arc<App>, open: &OpenForm, sent: &Sent, kept: NewDelivery) -> Response {
    let run = match new_run_id() {
        Ok(run) => run,
        Err(error) => return fault(&error),
    };
    let waits = open.form.answer == Answer::Result;
    // The slot is there before the run is, so that its end cannot be missed.
    let waiting = waits.then(|| app.events.wait_for(&run, WaitsFor::End));
    let caller = app.of_plane("form");
    let started = app
        .start_form(&caller, open, sent, (run.clone(), kept.clone()))
        .await;
    match started {
        Ok(Ok(started)) => {
            app.delivery_written();
            match waiting {
                None => thanks(open),
                Some(waiting) if started == run => end(app, open, waiting).await,
                // The same page was sent before.
                Some(_) => {
                    let waiting = app.events.wait_for(&started, WaitsFor::End);
                    again(app, open, &started, waiting).await
                }
            }
        }
        Ok(Err(NotStarted::Input(problems))) => {
            app.note_delivery(kept, "FF-IN-001").await;
            fresh(app, open, sent, &problems)
        }
        Ok(Err(NotStarted::Later(why))) => {
            app.note_delivery(kept, "FF-RUN-003").await;
            let text =
                format!("It was not taken, because {why}. Nothing is lost: go back and send it again later.");
            message(
                StatusCode::SERVICE_UNAVAILABLE,
                "Please send it again later",
                &text,
            )
        }
        Err(error) => start_fault(&error),
    }
}

fn start_fault(error: &StartError) -> Response {
    fault(error)
}

/// By the fault of this server; its log says which.
fn fault(error: &(dyn std::error::Error + 'static)) -> Response {
    tracing::error!(%error, "a form failed");
    let text = "It was not taken, by our fault. Go back and send it again later.";
    message(
        StatusCode::INTERNAL_SERVER_ERROR,
        "Something went wrong here",
        text,
    )
}

fn thanks(open: &OpenForm) -> Response {
    let text = open
        .form
        .thanks
        .as_deref()
        .unwrap_or("Thank you: it was received.");
    message(StatusCode::OK, form_page::title(open), text)
}

async fn again(app: &App, open: &OpenForm, run: &RunId, waiting: Waiting<'_>) -> Response {
    match app.run_of_hook(run).await {
        Ok(Some(stored)) => match stored.texts.outcome {
            Some(outcome) => ended(open, &outcome),
            None => end(app, open, waiting).await,
        },
        Ok(None) => thanks(open),
        Err(error) => fault(&error),
    }
}

/// Waits for the end of the run; what takes longer goes on.
async fn end(app: &App, open: &OpenForm, mut waiting: Waiting<'_>) -> Response {
    let said = tokio::select! {
        said = tokio::time::timeout(MAX_WAIT, &mut waiting.said) => said,
        () = app.closing.cancelled() => return thanks(open),
    };
    match said {
        Ok(Ok(Said::Ended(outcome))) => ended(open, &outcome),
        Ok(Ok(Said::Response(_)) | Err(_)) | Err(_) => thanks(open),
    }
}

fn ended(open: &OpenForm, outcome: &str) -> Response {
    let outcome: Value = serde_json::from_str(outcome).unwrap_or_default();
    if outcome.get("state").and_then(Value::as_str) == Some("done") {
        let output = outcome.get("output").cloned().unwrap_or_default();
        return form_page::result(open, &output);
    }
    let text = "It was received, and could not be done. Those who run this can see why.";
    message(StatusCode::BAD_GATEWAY, form_page::title(open), text)
}
