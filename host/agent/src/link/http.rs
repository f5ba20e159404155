//! HTTP calls to the control plane, and what became of them.

use std::io;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;

use super::control::LinkError;
use super::dial::{DialError, Dialer};
use super::timeouts::Timeouts;

/// Connections that are kept open between calls.
const IDLE_MAX: usize = 4;
/// Most bytes of an answer that is a refusal.
const REFUSAL_BYTES: u64 = 4_096;

/// What goes out.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A body that is here as a whole.
pub(super) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// Makes calls on connections that are kept.
pub(super) struct Http {
    current: RwLock<(Dialer, Client<Dialer, Body>)>,
}

impl Http {
    pub(super) fn new(dialer: Dialer) -> Self {
        Self {
            current: RwLock::new((dialer.clone(), client(dialer))),
        }
    }

    /// From now on connections are opened in this way; those that are open end with their calls.
    pub(super) fn replace(&self, dialer: Dialer) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = (dialer.clone(), client(dialer));
    }

    /// Connections that are idle are used no more: what cut one of them has cut, or cuts, the others of its age.
    fn leave_idle(&self) {
        let dialer = self
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .clone();
        self.replace(dialer);
    }

    /// Sends a request; the answer's body is still to be read.
    pub(super) async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, LinkError> {
        self.request(request).await.map_err(|error| unreachable(&error))
    }

    async fn request(&self, request: Request<Body>) -> Result<Response<Incoming>, legacy::Error> {
        let client = self
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .1
            .clone();
        client.request(request).await
    }

    /// Posts a call that may be repeated, and reads its answer, at most so large.
    ///
    /// A proxy on the way may cut a connection when it is old, whatever goes over it then: that is no sign that the line is
    /// out. So a call whose connection broke under way is made once more, on a new one.
    /// Each try has the time that is given.
    pub(super) async fn post(
        &self,
        post: &Post,
        timeouts: &Timeouts,
        time: Duration,
    ) -> Result<(StatusCode, Vec<u8>), LinkError> {
        let no_answer = || Err(Failed::Other(LinkError::Unreachable(NO_ANSWER.to_owned())));
        let first = timeouts.within(time, self.try_post(post)).await;
        match first.unwrap_or_else(no_answer) {
            Err(Failed::UnderWay(_)) => self.leave_idle(),
            Err(Failed::Other(error)) => return Err(error),
            Ok(answer) => return Ok(answer),
        }
        let second = timeouts.within(time, self.try_post(post)).await;
        match second.unwrap_or_else(no_answer) {
            Err(Failed::UnderWay(error) | Failed::Other(error)) => Err(error),
            Ok(answer) => Ok(answer),
        }
    }

    async fn try_post(&self, post: &Post) -> Result<(StatusCode, Vec<u8>), Failed> {
        let mut request = Request::new(whole(post.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = post.to.clone();
        request.headers_mut().clone_from(&post.headers);
        let answer = self.request(request).await.map_err(|error| {
            let told = unreachable(&error);
            if error.is_connect() {
                Failed::Other(told)
            } else {
                Failed::UnderWay(told)
            }
        })?;
        let status = answer.status();
        match read_limited(answer, post.limit).await {
            Ok(body) => Ok((status, body)),
            Err(error @ LinkError::Unreachable(_)) => Err(Failed::UnderWay(error)),
            Err(error) => Err(Failed::Other(error)),
        }
    }
}

/// A call that may be repeated.
pub(super) struct Post {
    pub(super) to: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Most bytes of its answer.
    pub(super) limit: u64,
}

/// What is said of a call without an answer.
pub(super) const NO_ANSWER: &str = "the control plane did not answer in time";

/// How a call failed.
enum Failed {
    /// Its connection broke after it was made: whether the call arrived is unknown.
    UnderWay(LinkError),
    /// There was no connection, or the answer makes no sense.
    Other(LinkError),
}

fn client(dialer: Dialer) -> Client<Dialer, Body> {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_max_idle_per_host(IDLE_MAX)
        .build(dialer)
}

fn unreachable(error: &(dyn std::error::Error + 'static)) -> LinkError {
    // What a person can act on: the dialer's own words, or else the innermost cause, as "connection refused".
    let mut cause = error;
    loop {
        if let Some(dial) = cause.downcast_ref::<DialError>() {
            return LinkError::Unreachable(format!("the control plane cannot be reached: {dial}"));
        }
        match cause.source() {
            Some(next) => cause = next,
            None => break,
        }
    }
    let is_cut = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
    if cause.downcast_ref().is_some_and(is_cut) {
        return LinkError::Unreachable("the connection to the control plane was cut".to_owned());
    }
    LinkError::Unreachable(format!("the control plane cannot be reached: {cause}"))
}

/// What an answer that is no success means.
pub(super) fn refused_by_status(status: StatusCode, body: &[u8]) -> LinkError {
    #[derive(Deserialize)]
    struct Refusal {
        code: String,
        message: String,
    }
    if status == StatusCode::UNAUTHORIZED {
        return LinkError::NoSession;
    }
    match serde_json::from_slice::<Refusal>(body) {
        Ok(Refusal { code, message }) if code.starts_with("FF-ENR-") => LinkError::Refused { code, message },
        _ => LinkError::Refused {
            code: status.as_u16().to_string(),
            message: String::from_utf8_lossy(body).chars().take(200).collect(),
        },
    }
}

/// The refusal that is an answer.
pub(super) async fn refusal(response: Response<Incoming>) -> LinkError {
    let status = response.status();
    refused_by_status(
        status,
        &read_limited(response, REFUSAL_BYTES).await.unwrap_or_default(),
    )
}

/// The whole body of an answer.
pub(super) async fn read_limited(response: Response<Incoming>, limit: u64) -> Result<Vec<u8>, LinkError> {
    let too_large = || LinkError::Malformed(format!("it is larger than {limit} bytes"));
    let mut body = response.into_body();
    let declared = hyper::body::Body::size_hint(&body).lower();
    if declared > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(declared).unwrap_or(0));
    let mut total = 0_u64;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| unreachable(&error))?;
        let Ok(chunk) = frame.into_data() else { continue };
        total = total.saturating_add(chunk.len() as u64);
        if total > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// A moment of an HTTP `Date`.
pub(super) fn http_date_ms(text: &str) -> Option<u64> {
    let at = httpdate::parse_http_date(text).ok()?;
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_an_answer_is_read() {
        assert_eq!(
            http_date_ms("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(784_111_777_000)
        );
        assert_eq!(http_date_ms("soon"), None);
    }
}
