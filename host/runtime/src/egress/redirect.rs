//! Redirects that a guest lets the host follow. Source: RFC 9110 §15.4, and the rules of browsers for credentials.
//!
//! Every hop is a request of its own: grants, addresses, number of requests and the durable intent are checked again. The
//! secret and the guest's own credentials stay with the origin they were meant for.

use std::error::Error as StdError;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, HeaderMap, LOCATION};
use http::{Method, StatusCode};
use http_body::Body;
use tokio::time::Instant;
use url::Url;

use super::{Answer, Attachment, EgressError, Outbound, send};
use crate::step::StepShared;
use flowforge_connect::Destination;

/// A request without a body, which can be sent again to another place.
pub(crate) struct Plain {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) auth: Option<Attachment>,
    pub(crate) timeout: Option<Duration>,
}

/// Sends a request and follows at most `redirects_max` redirects.
pub(crate) async fn send_and_follow<B>(
    step: &StepShared,
    mut request: Plain,
    redirects_max: u8,
    no_body: impl Fn() -> B,
) -> Result<Answer, EgressError>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    if request.method != Method::GET && request.method != Method::HEAD {
        return Err(EgressError::InvalidRequest(
            "redirects are followed only for GET and HEAD".to_owned(),
        ));
    }
    let deadline = request.timeout.map(|timeout| Instant::now() + timeout);
    let mut seen = vec![request.url.clone()];
    loop {
        let outbound = Outbound {
            method: request.method.clone(),
            url: request.url.clone(),
            headers: request.headers.clone(),
            body: no_body(),
            auth: request.auth.clone(),
            timeout: deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())),
            decodes: true,
        };
        let answer = send(step, outbound)
            .await
            .map_err(|error| after_redirect(error, &seen))?;
        let Some(target) = target(&answer)? else {
            return Ok(answer);
        };
        if seen.len() > usize::from(redirects_max) {
            return Err(refused(
                &answer.url,
                &format!(
                    "is redirect number {}, at most {redirects_max} are followed",
                    seen.len()
                ),
            ));
        }
        if seen.contains(&target) {
            return Err(refused(&answer.url, "leads in a circle"));
        }
        leave(&mut request, &answer.url, &target)?;
        seen.push(target.clone());
        request.url = target;
    }
}

/// Where the answer sends us, if it does.
fn target(answer: &Answer) -> Result<Option<Url>, EgressError> {
    let is_redirect = matches!(
        answer.response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let Some(location) = answer.response.headers().get(LOCATION).filter(|_| is_redirect) else {
        return Ok(None);
    };
    let location = std::str::from_utf8(location.as_bytes()).ok();
    let target = location.and_then(|location| answer.url.join(location).ok());
    let mut target = target.ok_or_else(|| refused(&answer.url, "names no address"))?;
    // The part after `#` is for the reader and is never sent.
    target.set_fragment(None);
    Ok(Some(target))
}

/// Takes from the request what may not go to the next place.
fn leave(request: &mut Plain, from: &Url, to: &Url) -> Result<(), EgressError> {
    let place = |url: &Url| {
        Destination::of_url(url).map_err(|reason| refused(from, &format!("cannot be followed: {reason}")))
    };
    let (here, there) = (place(from)?, place(to)?);
    if here.secure && !there.secure {
        return Err(refused(from, "leads from https to http"));
    }
    if here != there {
        // It does not come back either: the other place could send it where it likes.
        request.auth = None;
        request.headers.remove(AUTHORIZATION);
        request.headers.remove(COOKIE);
    }
    Ok(())
}

fn refused(from: &Url, reason: &str) -> EgressError {
    EgressError::Redirect(format!("the redirect from {} {reason}", origin(from)))
}

fn origin(url: &Url) -> String {
    Destination::of_url(url).map_or_else(|_| "an unknown place".to_owned(), |place| place.to_string())
}

/// The error of a hop, saying who sent us there.
fn after_redirect(error: EgressError, seen: &[Url]) -> EgressError {
    let Some(from) = seen.len().checked_sub(2).and_then(|index| seen.get(index)) else {
        return error;
    };
    let told = |reason: String| format!("{reason}, where a redirect from {} leads", origin(from));
    match error {
        EgressError::DestinationDenied(reason) => EgressError::DestinationDenied(told(reason)),
        EgressError::Unreachable(reason) => EgressError::Unreachable(told(reason)),
        EgressError::TimedOut(reason) => EgressError::TimedOut(told(reason)),
        // The guest's request was right; where it was sent is not.
        EgressError::InvalidRequest(reason) => EgressError::Redirect(told(reason)),
        other => other,
    }
}
