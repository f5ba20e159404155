//! Who calls at the doors of people.
//!
//! A control plane without sign-in has one person: whoever reaches it on loopback and says nothing else. Where people sign
//! in, a request shows a session by its cookie, or a session, an API token or the owner's token in its `authorization`;
//! clients of a registry show a token as the password there. Who shows a host's session is that host, and may do here what
//! hosts may do: nothing. A change that goes with a cookie must bring the session's second secret in a header, too: a page
//! of another site can make a browser send the cookie, and cannot know that secret.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_core::{Actor, Caller};
use flowforge_identity::{CsrfToken, Secret, SecretKind, cookie_of};
use zeroize::Zeroizing;

use super::refusal;
use crate::app::App;
use crate::app::people::{Known, Proof};

/// Header that names a request, in what comes and in what is answered.
pub(super) const REQUEST_HEADER: &str = "x-request-id";
/// Header with the second secret of a session.
const CSRF_HEADER: &str = "x-csrf-token";

/// What a request is about to do, as far as its proof goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    /// Only look, and a browser sends it to this place only by our own pages.
    Look,
    /// Perhaps change something.
    Change,
}

/// Who calls, and what that was shown by.
pub(super) struct Called {
    pub(super) caller: Caller,
    pub(super) known: Known,
    pub(super) proof: Proof,
}

/// The text of a header.
pub(super) fn text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether a request came by the URL for people of other machines, so by TLS.
pub(super) fn is_public(app: &App, headers: &HeaderMap) -> bool {
    text(headers, header::HOST).is_some_and(|host| app.people.is_public(host))
}

fn unknown() -> Box<Response> {
    let message =
        "what this request shows is not known here, or not good any more; leave it out, or sign in anew";
    Box::new(refusal(StatusCode::UNAUTHORIZED, "FF-API-401", message))
}

/// What a request shows.
pub(super) fn proof_of(app: &App, headers: &HeaderMap) -> Result<Proof, Box<Response>> {
    if let Some(given) = headers.get(header::AUTHORIZATION) {
        let given = given.to_str().map_err(|_| unknown())?;
        let token = given
            .strip_prefix("Bearer ")
            .map(|token| Zeroizing::new(token.to_owned()))
            .or_else(|| password_of(given));
        return token.map(Proof::Bearer).ok_or_else(unknown);
    }
    // A browser may send several of them.
    let cookies = headers.get_all(header::COOKIE).iter();
    let mut cookies = cookies.filter_map(|value| value.to_str().ok());
    let secure = is_public(app, headers);
    let session = cookies.find_map(|text| cookie_of(text, secure));
    Ok(session.map_or(Proof::Nothing, |text| {
        Proof::Cookie(Zeroizing::new(text.to_owned()))
    }))
}

/// The password of `Basic` credentials.
fn password_of(given: &str) -> Option<Zeroizing<String>> {
    let pair = Zeroizing::new(STANDARD.decode(given.strip_prefix("Basic ")?.trim()).ok()?);
    let (_, password) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
    Some(Zeroizing::new(password.to_owned()))
}

/// The second secret that pages send beside the cookie of this session.
pub(super) fn csrf_of(proof: &Proof) -> Option<CsrfToken> {
    match proof {
        Proof::Cookie(text) => Secret::from_text(SecretKind::Session, text)
            .ok()
            .map(|secret| CsrfToken::of(&secret)),
        Proof::Nothing | Proof::Bearer(_) => None,
    }
}

/// Who calls by these headers, or why nobody is believed. Nobody is one, too.
pub(super) async fn anybody(app: &App, headers: &HeaderMap, intent: Intent) -> Result<Called, Box<Response>> {
    let proof = proof_of(app, headers)?;
    let known = match app.who(&proof).await {
        Ok(Some(known)) => known,
        Ok(None) => return Err(unknown()),
        Err(error) => return Err(Box::new(super::fault(&error))),
    };
    if intent == Intent::Change
        && app.people.sign_in
        && let Some(expected) = csrf_of(&proof)
        && !expected.is(text(headers, CSRF_HEADER).unwrap_or_default())
    {
        let message = "a change that goes with a cookie needs the header x-csrf-token; GET /session tells it";
        return Err(Box::new(refusal(StatusCode::FORBIDDEN, "FF-ACC-005", message)));
    }
    Ok(Called {
        caller: app.caller(known.actor.clone(), text(headers, REQUEST_HEADER)),
        known,
        proof,
    })
}

/// As [`anybody`], for doors at which nobody has any business.
pub(super) async fn of(app: &App, headers: &HeaderMap, intent: Intent) -> Result<Called, Box<Response>> {
    let called = anybody(app, headers, intent).await?;
    if called.caller.actor == Actor::Nobody {
        let message = "sign in first: in the browser, with `flowforge login URL`, or with an API token in \
            `authorization: Bearer …`";
        return Err(Box::new(refusal(StatusCode::UNAUTHORIZED, "FF-API-401", message)));
    }
    Ok(called)
}

/// Names the request in its answer.
pub(super) fn named(mut response: Response, caller: &Caller) -> Response {
    if let Ok(name) = header::HeaderValue::try_from(caller.request.as_ref()) {
        response.headers_mut().insert(REQUEST_HEADER, name);
    }
    response
}
