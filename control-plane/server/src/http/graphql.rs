//! `/graphql`: one operation a request, bounded in size here; in shape, time and answer by [`crate::api`].

use std::time::Duration;

use async_graphql::{Data, ErrorExtensions as _, Request, Response as Answer, ServerError};
use async_graphql_axum::{GraphQLProtocol, GraphQLWebSocket};
use axum::body::Body;
use axum::extract::{State, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use flowforge_protocol::json_path::path_at;
use flowforge_protocol::strict::{self, StrictError};

use super::callers::{self, Intent};
use super::media::Media;
use super::{Doors, body, refusal};
use crate::api::TraceParent;
use crate::api::limits::BySocket;

/// Largest body of a person's call.
const MAX_PERSON_BYTES: usize = 1024 * 1024;

pub(super) fn call_error(message: impl Into<String>, code: &str) -> Answer {
    let error = async_graphql::Error::new(message).extend_with(|_, extensions| extensions.set("code", code));
    Answer::from_errors(vec![ServerError {
        extensions: error.extensions,
        ..ServerError::new(error.message, None)
    }])
}

/// `POST /graphql`
pub(super) async fn call(State(doors): State<Doors>, headers: HeaderMap, body: Body) -> Response {
    if !is_json(&headers) {
        let message = "send content-type: application/json";
        return refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "FF-HTTP-003", message);
    }
    let body = match body::read(body, MAX_PERSON_BYTES, super::BODY_CODES).await {
        Ok(body) => body,
        Err(refused) => return *refused,
    };
    let media = Media::wanted(&headers);
    let called = match callers::of(&doors.app, &headers, Intent::Change).await {
        Ok(called) => called,
        Err(refused) => return *refused,
    };
    let caller = called.caller;
    if let Err(message) = check_numbers(&body) {
        return media.refused(StatusCode::BAD_REQUEST, &call_error(message, "FF-API-400"));
    }
    let mut request: Request = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => {
            let message = format!("the body is not a GraphQL request: {error}");
            return refusal(StatusCode::BAD_REQUEST, "FF-HTTP-005", message);
        }
    };
    drop(body);
    if let Err(message) = doors.documents.prepare(&mut request) {
        return media.refused(StatusCode::BAD_REQUEST, &call_error(message, "FF-API-400"));
    }
    let trace = headers
        .get("traceparent")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let request = request
        .data(TraceParent(trace))
        .data(caller.clone())
        .data(called.known.showing);
    callers::named(media.answer(&doors.api.execute(request).await), &caller)
}

/// Refuses a number that the reader below would round, by the path of its field in the body.
fn check_numbers(body: &[u8]) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(body) else {
        return Ok(());
    };
    match strict::scan(text) {
        Err(error @ (StrictError::IntegerTooLarge { at } | StrictError::TooDeep { at })) => {
            Err(match path_at(text, at).as_str() {
                "" => error.to_string(),
                path => format!("`{path}`: {error}"),
            })
        }
        // A key that stands twice is the reader's to refuse, or the engine's.
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Media types are compared without case, and without their parameters. Source: RFC 9110 §8.3.1.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// `/graphql/ws`: subscriptions and queries. The guard has compared `Origin` before the upgrade. It is closed when who opened
/// it is signed out, or has other roles.
pub(super) async fn follow(
    State(doors): State<Doors>,
    protocol: GraphQLProtocol,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let called = match callers::of(&doors.app, &headers, Intent::Look).await {
        Ok(called) => called,
        Err(refused) => return *refused,
    };
    let mut data = Data::default();
    data.insert(BySocket);
    data.insert(called.caller);
    data.insert(called.known.showing.clone());
    upgrade
        .protocols(async_graphql::http::ALL_WEBSOCKET_PROTOCOLS)
        .max_message_size(64 * 1024)
        .on_upgrade(move |stream| async move {
            let served = GraphQLWebSocket::new(stream, doors.api.clone(), protocol)
                .with_data(data)
                .keepalive_timeout(Duration::from_secs(60))
                .serve();
            tokio::select! {
                () = served => {}
                () = doors.app.no_longer(&called.proof, &called.known) => {}
            }
        })
}
