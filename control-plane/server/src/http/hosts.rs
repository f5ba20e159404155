//! `/host/graphql`: the hosts' calls, with limits of their own.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::Request;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use flowforge_store::StoreError;
use tokio::sync::Semaphore;

use super::documents::Documents;
use super::graphql::{call_error, is_json};
use super::{body, refusal};
use crate::app::App;
use crate::host_api::{Caller, HostApi};
use crate::peers::Peer;

/// Largest body of a call with a session: several batches of 4 MiB in base64.
const MAX_HOST_BYTES: usize = 24 * 1024 * 1024;
/// Largest body of a call without one: a registration.
const MAX_STRANGER_BYTES: usize = 64 * 1024;
/// Longest time for a call, its wait included.
const CALL_TIMEOUT: Duration = Duration::from_secs(40);
/// Calls of hosts at the same time, standing ones included; each host has two.
const MAX_CALLS: usize = 2_048;

/// What the handler needs.
#[derive(Clone)]
pub(crate) struct HostDoor {
    app: Arc<App>,
    api: HostApi,
    documents: Arc<Documents>,
    calls: Arc<Semaphore>,
}

impl HostDoor {
    pub(crate) fn new(app: Arc<App>) -> Self {
        Self {
            api: crate::host_api::schema(Arc::clone(&app)),
            app,
            documents: Arc::default(),
            calls: Arc::new(Semaphore::new(MAX_CALLS)),
        }
    }

    /// Who calls; `None` if a session was given that is not known.
    async fn caller(&self, peer: &Peer, headers: &HeaderMap) -> Result<Option<Caller>, StoreError> {
        let Some(given) = headers.get(header::AUTHORIZATION) else {
            return Ok(Some(Caller::Stranger));
        };
        let session = given.to_str().ok();
        let Some(session) = session.and_then(|text| text.strip_prefix("Bearer ")) else {
            return Ok(None);
        };
        let Some(host) = self.app.host_of_session(session).await? else {
            return Ok(None);
        };
        // A session is of use on the line that it was given on, and nowhere else.
        let has_certificate = self.app.peers.held(&host.id).is_some();
        let fits = (*peer == Peer::ThisMachine) != has_certificate;
        Ok(fits.then_some(Caller::Host(host)))
    }
}

/// `POST /host/graphql`
pub(super) async fn call(
    State(door): State<HostDoor>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let peer = peer.map_or(Peer::ThisMachine, |Extension(peer)| peer);
    if !is_json(&headers) {
        let message = "send content-type: application/json";
        return refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "FF-HTTP-003", message);
    }
    let Ok(_place) = door.calls.try_acquire() else {
        let message = format!("{MAX_CALLS} calls of hosts are open; try again");
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "FF-HTTP-006", message);
    };
    let caller = match door.caller(&peer, &headers).await {
        Ok(Some(caller)) => caller,
        Ok(None) => {
            let message = "this session is not known; register again";
            return (StatusCode::UNAUTHORIZED, Json(call_error(message, "FF-API-401"))).into_response();
        }
        Err(error) => {
            tracing::warn!(%error, "the session of a host cannot be looked up");
            return refusal(StatusCode::SERVICE_UNAVAILABLE, "FF-HTTP-006", error.to_string());
        }
    };
    let limit = match caller {
        Caller::Host(_) => MAX_HOST_BYTES,
        Caller::Stranger => MAX_STRANGER_BYTES,
    };
    let body = match body::read(body, limit, super::BODY_CODES).await {
        Ok(body) => body,
        Err(refused) => return *refused,
    };
    let mut request: Request = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => {
            let message = format!("the body is not a GraphQL request: {error}");
            return refusal(StatusCode::BAD_REQUEST, "FF-HTTP-005", message);
        }
    };
    drop(body);
    if let Err(message) = door.documents.prepare(&mut request) {
        return (StatusCode::BAD_REQUEST, Json(call_error(message, "FF-API-400"))).into_response();
    }
    match tokio::time::timeout(CALL_TIMEOUT, door.api.execute(request.data(caller).data(peer))).await {
        Ok(answer) => Json(answer).into_response(),
        Err(_) => {
            let message = format!("the call took longer than {} s", CALL_TIMEOUT.as_secs());
            let answer = call_error(message, "FF-API-504");
            (StatusCode::GATEWAY_TIMEOUT, Json(answer)).into_response()
        }
    }
}
