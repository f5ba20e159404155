//! The doors of the hosts' line: what hosts of other machines may call, each only as itself.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post, put};

use super::{Doors, artefacts, healthz, hosts, refusal, registry};
use crate::app::App;
use crate::peers::Peer;

/// Where hosts call with GraphQL; it says itself what a stranger may.
const CALLS: &str = "/host/graphql";

/// The routes of the hosts' line. Each request carries a [`Peer`].
pub(crate) fn line_router(doors: Doors) -> Router {
    let app = Arc::clone(&doors.app);
    let registry = registry::for_hosts(&app);
    let calls = Router::new()
        .route(CALLS, post(hosts::call))
        .layer(DefaultBodyLimit::disable())
        .with_state(doors.hosts.clone());
    let own = Router::new()
        .route("/artefacts/{digest}", put(artefacts::put))
        .route("/healthz", get(healthz))
        .layer(DefaultBodyLimit::disable())
        .with_state(doors);
    own.merge(calls)
        .merge(registry)
        .layer(middleware::from_fn_with_state(app, only_as_itself))
}

/// Lets a request through if it is the caller's to make.
async fn only_as_itself(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match refused(&app, &request) {
        Some(refused) => *refused,
        None => next.run(request).await,
    }
}

fn refused(app: &App, request: &Request) -> Option<Box<Response>> {
    let no = |status, code, message: String| Some(Box::new(refusal(status, code, message)));
    let path = request.uri().path();
    let session = request.headers().get(header::AUTHORIZATION);
    let host = match request.extensions().get::<Peer>() {
        Some(Peer::Host { host, .. }) => host,
        Some(Peer::Refused { code, message }) => return no(StatusCode::FORBIDDEN, code, message.clone()),
        Some(Peer::Stranger) if session.is_none() && (path == CALLS || path == "/healthz") => return None,
        _ => {
            let message = "this call needs the certificate of a host".to_owned();
            return no(StatusCode::FORBIDDEN, "FF-ENR-015", message);
        }
    };
    if let Some(message) = app.peers.refusal(host) {
        return no(StatusCode::FORBIDDEN, "FF-ENR-011", message);
    }
    let only_reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !only_reads && path != CALLS && !path.starts_with("/artefacts/") {
        let message = "hosts publish nothing".to_owned();
        return no(StatusCode::FORBIDDEN, "FF-ENR-015", message);
    }
    let is_others = session
        .and_then(|session| session.to_str().ok()?.strip_prefix("Bearer "))
        .and_then(|session| app.hosts.of_session(session))
        .is_some_and(|of_session| of_session.id != *host);
    if is_others {
        let message = "this session is that of another host than the certificate".to_owned();
        return no(StatusCode::FORBIDDEN, "FF-ENR-016", message);
    }
    None
}
