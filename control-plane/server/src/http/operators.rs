//! For whoever operates a server: whether it lives, whether it can serve, and its metrics. On an address of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::App;
use crate::counts::Door;
use crate::{metrics, telling};

/// How long the store may take to answer before this server is not ready.
const STORE_WAIT: Duration = Duration::from_secs(2);

/// The routes of the operators' address.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(text))
        .with_state(app)
}

/// Ready: requests that need the store can be answered now, and what other servers do is known.
async fn ready(State(app): State<Arc<App>>) -> Response {
    let not_ready = |why: String| (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response();
    if app.closing.is_cancelled() {
        return not_ready("the server is closing".to_owned());
    }
    let asked = tokio::time::timeout(STORE_WAIT, app.store.count_unassigned(&app.scope)).await;
    match asked {
        Err(_) => not_ready("the store does not answer in time".to_owned()),
        Ok(Err(error)) => not_ready(format!("the store does not answer: {error}")),
        Ok(Ok(_)) if !app.bus.hears() => not_ready("other servers are not heard".to_owned()),
        Ok(Ok(_)) => "ready\n".into_response(),
    }
}

async fn text(State(app): State<Arc<App>>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], metrics::text(&app)).into_response()
}

/// Counts the answers of the other doors.
pub(super) async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let door = Door::of_path(request.uri().path());
    let telemetry = app.telemetry.as_ref();
    let timed = telemetry.map(|telemetry| (telemetry, request.method().clone(), Instant::now()));
    let response = next.run(request).await;
    let status = response.status().as_u16();
    app.counts.answered(door, status);
    if let Some((telemetry, method, begun)) = timed {
        telling::answered(telemetry, door, &method, status, begun.elapsed());
    }
    response
}
