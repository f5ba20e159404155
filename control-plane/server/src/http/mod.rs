//! The doors: which path leads where, and what every request must fulfil before.

mod artefacts;
mod body;
mod callers;
mod documents;
mod form_page;
mod forms;
mod graphql;
mod guard;
mod hook_answers;
mod hook_check;
mod hooks;
mod hosts;
mod line;
mod media;
mod operators;
mod page;
mod registry;
mod session;
mod ui;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::IntoResponse;
use axum::routing::{any, get, post};

pub(crate) use self::documents::Documents;
pub(crate) use self::hosts::HostDoor;
pub(crate) use self::line::line_router;
pub(crate) use self::operators::router as operators;
pub(crate) use self::registry::for_others as registry;
pub(crate) use self::ui::is_embedded;
use crate::api::Api;
use crate::app::App;
use crate::artefacts::Artefacts;

/// Codes of a body that is not taken where calls are made.
const BODY_CODES: body::Codes = body::Codes {
    too_large: "FF-HTTP-004",
    too_slow: "FF-HTTP-007",
};

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Doors {
    pub(crate) app: Arc<App>,
    pub(crate) api: Api,
    pub(crate) artefacts: Arc<Artefacts>,
    pub(crate) documents: Arc<Documents>,
    pub(crate) hosts: HostDoor,
}

/// All routes on one listener.
pub(crate) fn router(doors: Doors) -> Router {
    let registry = registry::for_people(&doors.app);
    let app = Arc::clone(&doors.app);
    let guarded = middleware::from_fn_with_state(Arc::clone(&app), guard::only_known_names);
    let hosts = Router::new()
        .route("/host/graphql", post(hosts::call))
        .layer(DefaultBodyLimit::disable())
        .with_state(doors.hosts.clone());
    // Each handler reads its body within its own bound.
    let own = Router::new()
        .route("/graphql", post(graphql::call).get(page::index))
        .route("/graphql/page.css", get(page::style))
        .route("/graphql/page.js", get(page::script))
        .route("/graphql/schema", get(page::schema))
        .route("/graphql/ws", any(graphql::follow))
        .route(
            "/session",
            get(session::get).post(session::post).delete(session::delete),
        )
        .route("/session/link", post(session::join))
        .route("/hooks/{*path}", post(hooks::receive))
        .route("/forms/{*path}", get(forms::show).post(forms::receive))
        .route("/artefacts/{digest}", get(artefacts::get).put(artefacts::put))
        .route("/healthz", get(healthz))
        .fallback(ui::answer)
        .layer(DefaultBodyLimit::disable())
        .with_state(doors);
    own.merge(hosts)
        .merge(registry)
        .layer(guarded)
        .layer(middleware::from_fn_with_state(app, operators::count))
}

/// Alive.
async fn healthz() -> &'static str {
    "ok\n"
}

/// A fault of this server: logged with its cause, told without. What the caller may not do, and what is full, is told.
pub(crate) fn fault(error: &(dyn std::error::Error + 'static)) -> axum::response::Response {
    let told = crate::api::fault(error);
    let code = told
        .extensions
        .as_ref()
        .and_then(|extensions| match extensions.get("code") {
            Some(async_graphql::Value::String(code)) => Some(code.clone()),
            _ => None,
        });
    let code = code.unwrap_or_default();
    let status = match code.as_str() {
        crate::api::CODE_DENIED => StatusCode::FORBIDDEN,
        crate::api::CODE_FULL => StatusCode::INSUFFICIENT_STORAGE,
        crate::api::CODE_AWAY => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    refusal(status, &code, told.message)
}

/// A body of an answer that is not a success: `{"code": …, "message": …}` and what else helps.
pub(crate) fn refusal(
    status: StatusCode,
    code: &str,
    message: impl Into<String>,
) -> axum::response::Response {
    let body = serde_json::json!({"code": code, "message": message.into()});
    (status, axum::Json(body)).into_response()
}
