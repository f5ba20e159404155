//! One request and its response, in the fixed order of checks.

use std::error::Error as StdError;
use std::time::Duration;

use bytes::Bytes;
use flowforge_protocol::Use;
use http::header::{ACCEPT_ENCODING, HOST, HeaderMap, HeaderValue};
use http::{Method, Request, Response, Uri};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::Url;

use super::secret::{Place, covers, names};
use super::traced::Traced;
use super::{Answer, Attachment, headers};
use crate::step::StepShared;
use flowforge_connect::words::{Broken, of_exchange};
use flowforge_connect::{Connection, Destination, DialError};

/// What this host can decode, for services that ask.
const DECODED: HeaderValue = HeaderValue::from_static("gzip, deflate, br");

/// A request as a guest asks for it.
pub(crate) struct Outbound<B> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: B,
    pub(crate) auth: Option<Attachment>,
    /// Shorter than the step's own limit, if the guest wants so.
    pub(crate) timeout: Option<Duration>,
    /// Whether the host decodes the response, and therefore asks for the encodings it knows.
    pub(crate) decodes: bool,
}

/// Why there is no response. The variants are those of `send-error`, with their meanings.
#[derive(Debug)]
pub(crate) enum EgressError {
    DestinationDenied(String),
    SecretDenied(String),
    InvalidRequest(String),
    BodyUnavailable(String),
    Unreachable(String),
    TimedOut(String),
    TooLarge(u64),
    Malformed(String),
    NotKept(String),
    Storage(String),
    Redirect(String),
    /// The attempt is over; the reason stands in the step's notes.
    Ended,
}

impl From<Broken> for EgressError {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Malformed(reason) => Self::Malformed(reason),
            Broken::Cut(reason) => Self::TimedOut(reason),
        }
    }
}

impl EgressError {
    /// What it is, in one word of few.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::DestinationDenied(_) => "destination_denied",
            Self::SecretDenied(_) => "secret_denied",
            Self::InvalidRequest(_) => "invalid_request",
            Self::BodyUnavailable(_) => "body_unavailable",
            Self::Unreachable(_) => "unreachable",
            Self::TimedOut(_) => "timed_out",
            Self::TooLarge(_) => "too_large",
            Self::Malformed(_) => "malformed",
            Self::NotKept(_) => "not_kept",
            Self::Storage(_) => "storage",
            Self::Redirect(_) => "redirect",
            Self::Ended => "ended",
        }
    }

    /// The same error, saying where it happened.
    fn at(self, destination: &Destination) -> Self {
        match self {
            Self::TimedOut(reason) => Self::TimedOut(format!("{destination}: {reason}")),
            Self::Malformed(reason) => Self::Malformed(format!("{destination}: {reason}")),
            other => other,
        }
    }
}

/// What was checked before the first effect.
struct Checked {
    destination: Destination,
    next: Use,
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
    step.before_effect(&checked.next)
        .await
        .map_err(|()| EgressError::Ended)?;
    step.sign_of_life();
    let traced = Traced::begin(step, &checked.destination, &mut outbound);
    let answered = deliver(step, outbound, checked, deadline).await;
    if let Some(traced) = traced {
        traced.end(&answered);
    }
    answered
}

/// Sends what was checked, when its intent is durable.
async fn deliver<B>(
    step: &StepShared,
    mut outbound: Outbound<B>,
    checked: Checked,
    deadline: Instant,
) -> Result<Answer, EgressError>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let destination = &checked.destination;
    let late = |phase: &str| format!("{destination}: {phase} took too long, nothing was sent");
    let stream = match tokio::time::timeout_at(deadline, step.dialer.connect(destination)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(DialError::Blocked(reason))) => return Err(EgressError::DestinationDenied(reason)),
        Ok(Err(DialError::Unreachable(reason))) => return Err(EgressError::Unreachable(reason)),
        Err(_) => return Err(EgressError::Unreachable(late("connecting"))),
    };
    // The address as the guest wrote it: what it is told later holds no secret that the host put there.
    let url = outbound.url.clone();
    if let Some((attachment, place)) = &checked.place {
        attach(step, destination, attachment, place, &mut outbound).await?;
    }
    let request = to_request(destination, outbound)?;
    step.note_use(checked.next);
    let answered = tokio::time::timeout_at(deadline, converse(step, stream, request)).await;
    step.sign_of_life();
    match answered {
        Ok(Ok((response, connection))) => {
            headers_within(step, response.headers())?;
            Ok(Answer {
                response,
                connection,
                deadline,
                url,
            })
        }
        Ok(Err(broken)) => Err(EgressError::from(broken).at(destination)),
        Err(_) => Err(EgressError::TimedOut(format!("{destination}: no answer in time"))),
    }
}

fn check<B>(step: &StepShared, outbound: &Outbound<B>) -> Result<Checked, EgressError> {
    let destination = Destination::of_url(&outbound.url).map_err(EgressError::InvalidRequest)?;
    if !step.may_reach(&destination) {
        step.services.denied(&Use::of(destination.to_string()));
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
            next: Use::of(destination.to_string()),
            destination,
            place: None,
        });
    };
    let slot = &attachment.slot;
    let refused = || {
        step.services
            .denied(&Use::of(destination.to_string()).with_secret(slot.clone()))
    };
    let Some(grant) = step.grants.secrets.get(slot) else {
        refused();
        return Err(EgressError::SecretDenied(format!(
            "slot `{slot}` is not bound to a secret in this node"
        )));
    };
    if !covers(grant, &destination) {
        refused();
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
        next: Use::of(destination.to_string()).with_secret(grant.secret.clone()),
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
    // The grant may be older than the value: both must agree.
    if !names(&secret.destinations, destination) {
        return Err(EgressError::SecretDenied(format!(
            "secret `{}` in slot `{slot}` was set for other places than {destination}",
            secret.name
        )));
    }
    let written = attachment
        .placement
        .write(place, &secret.value, &mut outbound.headers, &mut outbound.url)
        .map_err(|reason| EgressError::SecretDenied(format!("slot `{slot}`: {reason}")))?;
    for form in &written {
        step.redactor.learn(&secret.name, form);
    }
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
        .map_err(|_: http::uri::InvalidUri| invalid("the address cannot stand in a request".to_owned()))?;
    let default_port = if destination.secure { 443 } else { 80 };
    let host = if destination.port == default_port {
        destination.host.to_string()
    } else {
        format!("{}:{}", destination.host, destination.port)
    };
    let host = HeaderValue::from_str(&host)
        .map_err(|_| invalid("the name of the address cannot stand in a header".to_owned()))?;
    let decodes = outbound.decodes;
    let mut request = Request::new(outbound.body);
    *request.method_mut() = outbound.method;
    *request.uri_mut() = uri;
    *request.headers_mut() = outbound.headers;
    request.headers_mut().insert(HOST, host);
    if decodes {
        request.headers_mut().entry(ACCEPT_ENCODING).or_insert(DECODED);
    }
    Ok(request)
}

async fn converse<B>(
    step: &StepShared,
    stream: Connection,
    request: Request<B>,
) -> Result<(Response<Incoming>, JoinSet<()>), Broken>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_headers(step.limits.header_count)
        .max_buf_size(step.limits.header_bytes.max(8 << 10))
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| of_exchange(&error))?;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        // A broken connection also breaks the request or the body, which is where it is told.
        let _ = connection.await;
    });
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| of_exchange(&error))?;
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
