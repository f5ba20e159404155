//! One request to a collector. Source: OTLP specification 1.7, section "OTLP/HTTP".

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;

use crate::settings::Endpoint;
use crate::tls::Dialer;

/// Largest answer of a collector that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The longest pause that a collector may ask for.
const PAUSE_MAX: Duration = Duration::from_mins(5);
/// Who asks.
const AGENT: &str = concat!("flowforge/", env!("CARGO_PKG_VERSION"));

/// Why a request was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotTaken {
    /// For people.
    pub(crate) reason: String,
    /// Whether the same may be sent again.
    pub(crate) again: bool,
    /// The least pause before that.
    pub(crate) pause: Option<Duration>,
}

impl NotTaken {
    fn for_now(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            again: true,
            pause: None,
        }
    }
}

/// The body as it is sent.
pub(crate) fn packed(endpoint: &Endpoint, body: Vec<u8>) -> Bytes {
    if !endpoint.gzip {
        return body.into();
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Into memory: it does not fail.
    let _ = encoder.write_all(&body);
    encoder.finish().unwrap_or_default().into()
}

/// Sends a packed body, and gives the body of the answer.
///
/// # Errors
/// [`NotTaken`].
pub(crate) async fn post(dialer: &Dialer, endpoint: &Endpoint, body: Bytes) -> Result<Bytes, NotTaken> {
    match tokio::time::timeout(endpoint.timeout, exchange(dialer, endpoint, body)).await {
        Ok(answered) => answered,
        Err(_) => Err(NotTaken::for_now(format!(
            "no answer within {} ms",
            endpoint.timeout.as_millis()
        ))),
    }
}

async fn exchange(dialer: &Dialer, endpoint: &Endpoint, body: Bytes) -> Result<Bytes, NotTaken> {
    let line = dialer.connect(&endpoint.url).await.map_err(NotTaken::for_now)?;
    let broken = |error: hyper::Error| NotTaken::for_now(format!("the connection broke: {error}"));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(line))
        .await
        .map_err(broken)?;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        // A broken connection also breaks the request, which is where it is told.
        let _ = connection.await;
    });
    let answer = sender
        .send_request(request(endpoint, body)?)
        .await
        .map_err(broken)?;
    let status = answer.status();
    let pause = answer
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(|seconds| Duration::from_secs(seconds).min(PAUSE_MAX));
    if status.is_success() {
        let read = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        // It was taken, whatever its answer is.
        return Ok(read.map(http_body_util::Collected::to_bytes).unwrap_or_default());
    }
    Err(NotTaken {
        reason: format!("it answered {status}"),
        again: matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        ),
        pause,
    })
}

fn request(endpoint: &Endpoint, body: Bytes) -> Result<Request<Full<Bytes>>, NotTaken> {
    let wrong = |reason: String| NotTaken {
        reason,
        again: false,
        pause: None,
    };
    let url = &endpoint.url;
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let uri: Uri = path
        .parse()
        .map_err(|error| wrong(format!("its address: {error}")))?;
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    let host = HeaderValue::from_str(&host).map_err(|error| wrong(format!("its name: {error}")))?;
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    headers.extend(endpoint.headers.iter().cloned());
    headers.insert(HOST, host);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    if endpoint.gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(request)
}
