//! Who calls at the doors of people.
//!
//! A control plane without accounts has one person: whoever reaches it on loopback and says nothing else. Who shows a host's
//! session is that host, and may do here what hosts may do: nothing.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use flowforge_core::{Actor, Caller};

use super::refusal;
use crate::app::App;

/// Header that names a request, in what comes and in what is answered.
pub(super) const REQUEST_HEADER: &str = "x-request-id";

/// Who calls by these headers, or why nobody is believed.
pub(super) fn of(app: &App, headers: &HeaderMap) -> Result<Caller, Box<Response>> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let actor = match headers.get(header::AUTHORIZATION) {
        None => Actor::Owner,
        Some(given) => {
            let token = given.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
            let host = token.and_then(|token| app.hosts.of_session(token));
            match host {
                Some(host) => Actor::Host(host.id.clone()),
                None => {
                    let message = "this token is not known here; leave it out, or sign in anew";
                    return Err(Box::new(refusal(StatusCode::UNAUTHORIZED, "FF-API-401", message)));
                }
            }
        }
    };
    Ok(app.caller(actor, text(REQUEST_HEADER)))
}

/// Names the request in its answer.
pub(super) fn named(mut response: Response, caller: &Caller) -> Response {
    if let Ok(name) = header::HeaderValue::try_from(caller.request.as_ref()) {
        response.headers_mut().insert(REQUEST_HEADER, name);
    }
    response
}
