//! Who may bring connectors where people sign in. What the registry itself demands of them is its own.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use flowforge_core::{Action, Object};

use super::callers::{self, Intent};
use super::refusal;
use crate::api::CODE_DENIED;
use crate::app::App;

/// Lets a request to the registry through if it is the caller's to make. Hosts of this machine read without showing who they
/// are; by the URL for people of other machines nobody reads without.
pub(super) async fn only_who_may(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let headers = request.headers().clone();
    match refused(&app, &method, &path, &headers).await {
        Some(refused) => *refused,
        None => next.run(request).await,
    }
}

async fn refused(app: &App, method: &Method, path: &str, headers: &HeaderMap) -> Option<Box<Response>> {
    let only_reads = matches!(*method, Method::GET | Method::HEAD);
    if !app.people.sign_in || only_reads && !callers::is_public(app, headers) {
        return None;
    }
    // A push that is tried changes nothing.
    let looks = only_reads || path == "/connectors/judgement";
    let intent = if only_reads { Intent::Look } else { Intent::Change };
    let called = match callers::of(app, headers, intent).await {
        Ok(called) => called,
        Err(mut refused) => {
            if refused.status() == StatusCode::UNAUTHORIZED {
                let basic = HeaderValue::from_static("Basic realm=\"flowforge\"");
                refused.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
            }
            return Some(refused);
        }
    };
    let denied = if looks {
        app.reading(&called.caller, Action::Read).await.err()
    } else {
        let object = Object::project();
        app.allow(&called.caller, Action::PublishConnector, object)
            .await
            .err()
    };
    denied.map(|denied| Box::new(refusal(StatusCode::FORBIDDEN, CODE_DENIED, denied.to_string())))
}
