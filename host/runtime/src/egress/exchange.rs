//! One request and its response, in the fixed order of checks.

use std::error::Error as StdError;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, HeaderMap, HeaderValue};
use http::{Method, Request, Response, Uri};
use http_body::Body;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::Url;
use zeroize::Zeroizing;

use super::dial::{DialError, Stream};
use super::secret::{Place, covers};
use super::{Attachment, Destination, headers};
use crate::step::StepShared;

/// A request as a guest asks for it.
pub(crate) struct Outbound<B> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: B,
    pub(crate) auth: Option<Attachment>,
    /// Shorter than the step's own limit, if the guest wants so.
    pub(crate) timeout: Option<Duration>,
}

/// A response whose body is still to be read. Dropping it closes the connection.
pub(crate) struct Answer {
    pub(crate) response: Response<Incoming>,
    pub(crate) connection: JoinSet<()>,
    pub(crate) deadline: Instant,
}

/// Why there is no response. The variants are those of `send-error`.
#[derive(Debug)]
pub(crate) enum EgressError {
    DestinationDenied(String),
    SecretDenied(String),
    InvalidRequest(String),
    Unreachable(String),
    TimedOut(String),
    TooLarge(u64),
    /// The attempt is over; the reason stands in the step's ledger.
    Ended,
}

/// What was checked before the first effect.
struct Checked {
    destination: Destination,
    place: Option<(Attachment, Place)>,
}

/// Sends a request and waits for the head of the response.
///
/// # Cancel safety
/// Dropping the future closes the connection; what was sent until then was sent.
pub(crate) async fn send<B>(step: &StepShared, mut outbound: Outbound<B>) -> Result<Answer, EgressError>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let checked = check(step, &outbound)?;
    let deadline = outbound.timeout.map_or(step.deadline, |timeout| {
        step.deadline.min(Instant::now() + timeout)
    });
    step.count_request().map_err(EgressError::InvalidRequest)?;
    let what = format!("{} {}", outbound.method, checked.destination);
    step.before_effect(&what).await.map_err(|_| EgressError::Ended)?;
    let destination = &checked.destination;
    let late = |phase: &str| format!("{destination}: {phase} took too long, nothing was sent");
    let stream = match tokio::time::timeout_at(deadline, step.dialer.connect(destination)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(DialError::Blocked(reason))) => return Err(EgressError::DestinationDenied(reason)),
        Ok(Err(DialError::Unreachable(reason))) => return Err(EgressError::Unreachable(reason)),
        Err(_) => return Err(EgressError::Unreachable(late("connecting"))),
    };
    if let Some((attachment, place)) = &checked.place {
        attach(step, destination, attachment, place, &mut outbound).await?;
    }
    step.note_use(destination.to_string());
    let request = to_request(destination, outbound)?;
    match tokio::time::timeout_at(deadline, converse(step, stream, request)).await {
        Ok(Ok((response, connection))) => {
            headers_within(step, response.headers())?;
            Ok(Answer {
                response,
                connection,
                deadline,
            })
        }
        Ok(Err(reason)) => Err(EgressError::TimedOut(format!("{destination}: {reason}"))),
        Err(_) => Err(EgressError::TimedOut(format!("{destination}: no answer in time"))),
    }
}

fn check<B>(step: &StepShared, outbound: &Outbound<B>) -> Result<Checked, EgressError> {
    let destination = Destination::of_url(&outbound.url).map_err(EgressError::InvalidRequest)?;
    if !step.may_reach(&destination) {
        return Err(EgressError::DestinationDenied(destination.to_string()));
    }
    if outbound.method == Method::CONNECT {
        return Err(EgressError::InvalidRequest(
            "method CONNECT is not allowed".to_owned(),
        ));
    }
    headers::check(&outbound.headers, &step.limits).map_err(EgressError::InvalidRequest)?;
    let Some(attachment) = &outbound.auth else {
        return Ok(Checked {
            destination,
            place: None,
        });
    };
    let slot = &attachment.slot;
    let Some(grant) = step.grants.secrets.get(slot) else {
        return Err(EgressError::SecretDenied(format!(
            "slot `{slot}` is not bound to a secret in this node"
        )));
    };
    if !covers(grant, &destination) {
        let reason = format!(
            "secret `{}` in slot `{slot}` is not for {destination}",
            grant.secret
        );
        return Err(EgressError::SecretDenied(reason));
    }
    let place = attachment
        .placement
        .place(&outbound.headers, &outbound.url)
        .map_err(EgressError::InvalidRequest)?;
    Ok(Checked {
        destination,
        place: Some((attachment.clone(), place)),
    })
}

async fn attach<B>(
    step: &StepShared,
    destination: &Destination,
    attachment: &Attachment,
    place: &Place,
    outbound: &mut Outbound<B>,
) -> Result<(), EgressError> {
    let slot = &attachment.slot;
    let secret = match step.open_secret(slot).await {
        Ok(Some(secret)) => secret,
        Ok(None) => {
            return Err(EgressError::SecretDenied(format!(
                "slot `{slot}` holds no secret on this host"
            )));
        }
        Err(()) => return Err(EgressError::Ended),
    };
    let value: &Zeroizing<Vec<u8>> = &secret.value;
    attachment
        .placement
        .write(place, value, &mut outbound.headers, &mut outbound.url)
        .map_err(|reason| EgressError::SecretDenied(format!("slot `{slot}`: {reason}")))?;
    step.note_use(format!("secret {} → {destination}", secret.name));
    Ok(())
}

/// The request as it goes over the wire: path and query only, `host` from the destination.
fn to_request<B>(destination: &Destination, outbound: Outbound<B>) -> Result<Request<B>, EgressError> {
    let invalid = |error: String| EgressError::InvalidRequest(error);
    let mut path = outbound.url.path().to_owned();
    if let Some(query) = outbound.url.query() {
        path.push('?');
        path.push_str(query);
    }
    let uri: Uri = path
        .parse()
        .map_err(|error: http::uri::InvalidUri| invalid(error.to_string()))?;
    let default_port = if destination.secure { 443 } else { 80 };
    let host = if destination.port == default_port {
        destination.host.to_string()
    } else {
        format!("{}:{}", destination.host, destination.port)
    };
    let host = HeaderValue::from_str(&host).map_err(|error| invalid(error.to_string()))?;
    let mut request = Request::new(outbound.body);
    *request.method_mut() = outbound.method;
    *request.uri_mut() = uri;
    *request.headers_mut() = outbound.headers;
    request.headers_mut().insert(HOST, host);
    Ok(request)
}

async fn converse<B>(
    step: &StepShared,
    stream: Stream,
    request: Request<B>,
) -> Result<(Response<Incoming>, JoinSet<()>), String>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_headers(step.limits.header_count)
        .max_buf_size(step.limits.header_bytes.max(8 << 10))
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| describe(&error))?;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        // A broken connection also breaks the request or the body, which is where it is told.
        let _ = connection.await;
    });
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| describe(&error))?;
    Ok((response, tasks))
}

fn headers_within(step: &StepShared, headers: &HeaderMap) -> Result<(), EgressError> {
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len().saturating_add(value.len()))
        .sum();
    if bytes > step.limits.header_bytes {
        return Err(EgressError::TooLarge(step.limits.header_bytes as u64));
    }
    Ok(())
}

/// An error with its causes in one line.
pub(crate) fn describe(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl Answer {
    /// The next piece of the body; nothing at its end. `left` counts down to the limit.
    pub(crate) async fn next_piece(
        &mut self,
        left: &mut u64,
        limit: u64,
    ) -> Result<Option<Bytes>, EgressError> {
        if self.response.body().size_hint().lower() > *left {
            return Err(EgressError::TooLarge(limit));
        }
        loop {
            let frame = match tokio::time::timeout_at(self.deadline, self.response.body_mut().frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => {
                    return Err(EgressError::TimedOut(format!(
                        "the response broke off: {}",
                        describe(&error)
                    )));
                }
                Ok(None) => return Ok(None),
                Err(_) => {
                    return Err(EgressError::TimedOut(
                        "the response did not end in time".to_owned(),
                    ));
                }
            };
            if let Ok(data) = frame.into_data() {
                *left = left
                    .checked_sub(data.len() as u64)
                    .ok_or(EgressError::TooLarge(limit))?;
                return Ok(Some(data));
            }
        }
    }
}
