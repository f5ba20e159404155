//! `/session`: signing in and out, and who one is; `/session/link`: using a one-time link.
//!
//! The secret of a session goes out in its cookie and nowhere else. What a client shows in the place of a cookie, it takes
//! out of there.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flowforge_core::{Action, Actor, Caller, Object, Permission};
use flowforge_identity::{CsrfToken, cookie, expired_cookie};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::callers::{self, Intent, REQUEST_HEADER};
use super::graphql::is_json;
use super::{Doors, body, refusal};
use crate::app::App;
use crate::app::people::{Begun, Joined, Showing, SignedIn};

/// Largest body here.
const MAX_BYTES: usize = 16 * 1024;
/// The link is not good.
const CODE_LINK: &str = "FF-ACC-003";
/// A value is wrong.
const CODE_INPUT: &str = "FF-ACC-004";

/// Name and password, as somebody types them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    name: String,
    password: String,
}

/// A one-time link, and the account that it is used for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Join {
    link: String,
    name: String,
    password: String,
}

/// What is known of whoever asks, as pages and programs read it.
fn about(app: &App, caller: &Caller, csrf: Option<&CsrfToken>) -> Value {
    let roles: Vec<&str> = match &caller.actor {
        Actor::Account(account) => account.roles.iter().map(|role| role.as_str()).collect(),
        Actor::Owner | Actor::Host(_) | Actor::Plane | Actor::Nobody => Vec::new(),
    };
    let may = |action: Action| app.policy.check(caller, action, &Object::project()).is_ok();
    // An actor has a permission if it may do something that needs it.
    let has = |permission: &Permission| {
        let mut actions = Action::ALL.iter();
        *permission != Permission::SignIn
            && actions.any(|action| action.permission() == *permission && may(*action))
    };
    let permissions: Vec<&str> = Permission::ALL
        .iter()
        .filter(|permission| has(permission))
        .map(|permission| permission.as_str())
        .collect();
    let signed_in = caller.actor != Actor::Nobody;
    json!({
        "needsSignIn": app.people.sign_in,
        "signedIn": signed_in,
        "workspace": app.workspace(),
        "account": signed_in.then(|| json!({
            "name": caller.actor.name(),
            "roles": roles,
            "permissions": permissions,
        })),
        "csrf": csrf.map(CsrfToken::as_str),
    })
}

/// Never kept by a browser or by what stands between.
fn uncached(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

fn with_cookie(mut response: Response, text: &str) -> Response {
    if let Ok(mut value) = HeaderValue::try_from(text) {
        value.set_sensitive(true);
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    uncached(response)
}

/// `GET /session`. A session that is not good any more is nobody's: the page is to say so, and the cookie goes.
pub(super) async fn get(State(doors): State<Doors>, headers: HeaderMap) -> Response {
    let app = &doors.app;
    match callers::anybody(app, &headers, Intent::Look).await {
        Ok(called) => {
            let csrf = app
                .people
                .sign_in
                .then(|| callers::csrf_of(&called.proof))
                .flatten();
            uncached(Json(about(app, &called.caller, csrf.as_ref())).into_response())
        }
        Err(refused) if headers.contains_key(header::AUTHORIZATION) => *refused,
        Err(refused) if refused.status() != StatusCode::UNAUTHORIZED => *refused,
        Err(_) => {
            let nobody = app.caller(Actor::Nobody, None);
            let answer = Json(about(app, &nobody, None)).into_response();
            with_cookie(answer, &expired_cookie(callers::is_public(app, &headers)))
        }
    }
}

/// The body of a request, if it is what is expected.
async fn read<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T, Box<Response>> {
    if !is_json(headers) {
        let message = "send content-type: application/json";
        return Err(Box::new(refusal(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "FF-HTTP-003",
            message,
        )));
    }
    let bytes = Zeroizing::new(body::read(body, MAX_BYTES, super::BODY_CODES).await?.to_vec());
    // What was typed is in the body, and what a parser says of it may repeat it.
    serde_json::from_slice(&bytes).map_err(|_| {
        let message = "the body is not what is expected here; docs/people.md shows it";
        Box::new(refusal(StatusCode::BAD_REQUEST, "FF-HTTP-005", message))
    })
}

/// There is nobody to sign in where nobody signs in.
fn needs_sign_in(app: &App) -> Result<(), Box<Response>> {
    if app.people.sign_in {
        return Ok(());
    }
    let message = "this server has no sign-in: whoever reaches it on this machine is its owner";
    Err(Box::new(refusal(StatusCode::CONFLICT, "FF-ACC-006", message)))
}

fn begun(app: &App, headers: &HeaderMap, begun: &Begun) -> Response {
    let caller = app.caller(Actor::Account(begun.account.clone()), None);
    let csrf = CsrfToken::of(&begun.secret);
    let answer = Json(about(app, &caller, Some(&csrf))).into_response();
    with_cookie(answer, &cookie(&begun.secret, callers::is_public(app, headers)))
}

fn agent(headers: &HeaderMap) -> &str {
    callers::text(headers, header::USER_AGENT).unwrap_or("unknown")
}

/// `POST /session`
pub(super) async fn post(State(doors): State<Doors>, headers: HeaderMap, body: Body) -> Response {
    match sign_in(&doors.app, &headers, body).await {
        Ok(response) | Err(response) => *response,
    }
}

async fn sign_in(app: &App, headers: &HeaderMap, body: Body) -> Result<Box<Response>, Box<Response>> {
    needs_sign_in(app)?;
    let given: SignIn = read(headers, body).await?;
    let request = callers::text(headers, REQUEST_HEADER);
    let password = Zeroizing::new(given.password);
    let signed_in = app
        .sign_in(request, &given.name, password, agent(headers))
        .await
        .map_err(|error| Box::new(super::fault(&error)))?;
    Ok(Box::new(match signed_in {
        SignedIn::Begun(session) => begun(app, headers, &session),
        SignedIn::Wrong => {
            let message = "the name or the password is wrong";
            uncached(refusal(StatusCode::UNAUTHORIZED, "FF-ACC-001", message))
        }
        SignedIn::Wait(ms) => wait(ms),
    }))
}

fn wait(ms: u64) -> Response {
    let seconds = ms.div_ceil(1_000).max(1);
    let message = format!("too many tries for this name; try again in {seconds} s");
    let body = json!({"code": "FF-ACC-002", "message": message, "retryAfterMs": ms});
    let answer = (
        StatusCode::TOO_MANY_REQUESTS,
        [(header::RETRY_AFTER, seconds.to_string())],
        Json(body),
    );
    uncached(answer.into_response())
}

/// `POST /session/link`
pub(super) async fn join(State(doors): State<Doors>, headers: HeaderMap, body: Body) -> Response {
    match use_link(&doors.app, &headers, body).await {
        Ok(response) | Err(response) => *response,
    }
}

async fn use_link(app: &App, headers: &HeaderMap, body: Body) -> Result<Box<Response>, Box<Response>> {
    needs_sign_in(app)?;
    let given: Join = read(headers, body).await?;
    let request = callers::text(headers, REQUEST_HEADER);
    let (link, password) = (Zeroizing::new(given.link), Zeroizing::new(given.password));
    let joined = app
        .join(request, &link, &given.name, password, agent(headers))
        .await
        .map_err(|error| Box::new(super::fault(&error)))?;
    Ok(Box::new(match joined {
        Joined::Begun(session) => begun(app, headers, &session),
        Joined::NotGood => {
            let message = "this link is not good: it was used, withdrawn or has expired, or was not copied as a whole; \
                ask for a new one";
            uncached(refusal(StatusCode::BAD_REQUEST, CODE_LINK, message))
        }
        Joined::Input(field, message) => {
            let body = json!({"code": CODE_INPUT, "message": message, "field": field});
            uncached((StatusCode::BAD_REQUEST, Json(body)).into_response())
        }
    }))
}

/// `DELETE /session`
pub(super) async fn delete(State(doors): State<Doors>, headers: HeaderMap) -> Response {
    match sign_out(&doors.app, &headers).await {
        Ok(response) | Err(response) => *response,
    }
}

async fn sign_out(app: &App, headers: &HeaderMap) -> Result<Box<Response>, Box<Response>> {
    let called = callers::of(app, headers, Intent::Change).await?;
    if let Some(Showing::Session(digest)) = &called.known.showing {
        app.sign_out(&called.caller, digest)
            .await
            .map_err(|error| Box::new(super::fault(&error)))?;
    }
    let gone = StatusCode::NO_CONTENT.into_response();
    let secure = callers::is_public(app, headers);
    Ok(Box::new(with_cookie(gone, &expired_cookie(secure))))
}
