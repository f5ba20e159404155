//! One call to an endpoint: within its time, never to where an answer points, of the answer no more than its beginning.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use flowforge_connect::words::{Broken, of_exchange};
use flowforge_connect::{Connection, DialError};
use futures::StreamExt as _;
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use url::Position;

use crate::app::outside::Outside;

/// Longest time for one call, from the name to the end of the answer.
const TIME_MAX: Duration = Duration::from_secs(15);
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Characters of an answer that are kept.
const ANSWER_KEPT: usize = 500;
/// Bytes of the header of an answer.
const HEADER_BYTES_MAX: usize = 64 << 10;

/// What is sent.
pub(super) struct Letter<'a> {
    pub(super) id: &'a str,
    pub(super) seconds: u64,
    pub(super) signature: String,
    pub(super) body: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// The status, if there was an answer.
    pub(super) status: Option<u16>,
    /// Its beginning, or why there is none.
    pub(super) text: String,
    /// In how many seconds it wants to be asked again.
    pub(super) retry_after: Option<u64>,
}

impl Answer {
    /// There is none.
    pub(super) fn none(why: impl Into<String>) -> Self {
        Self {
            status: None,
            text: why.into(),
            retry_after: None,
        }
    }
}

/// Makes the call.
pub(super) async fn call(outside: &Outside, url: &str, letter: Letter<'_>) -> Answer {
    match tokio::time::timeout(TIME_MAX, exchange(outside, url, letter)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(why)) => Answer::none(why),
        Err(_) => Answer::none(format!("no answer within {} s", TIME_MAX.as_secs())),
    }
}

async fn exchange(outside: &Outside, url: &str, letter: Letter<'_>) -> Result<Answer, String> {
    // What is allowed may have changed since the endpoint was made.
    let (url, destination) = outside.address(url)?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(&url[Position::BeforePath..])
        .header(header::HOST, &url[Position::BeforeHost..Position::AfterPort])
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_LENGTH, letter.body.len())
        .header(
            header::USER_AGENT,
            concat!("FlowForge/", env!("CARGO_PKG_VERSION"), " (webhooks)"),
        )
        .header("webhook-id", letter.id)
        .header("webhook-timestamp", letter.seconds)
        .header("webhook-signature", letter.signature)
        .body(Body::from(letter.body))
        .map_err(|error| error.to_string())?;
    let connection = outside.dialer.connect(&destination).await;
    let connection = connection.map_err(|error| match error {
        DialError::Blocked(why) => format!("nothing is sent to {why}"),
        DialError::Unreachable(why) => why,
    })?;
    let (answer, _connection) = send(connection, request).await.map_err(|error| words(&error))?;
    let status = answer.status();
    let retry_after = retry_after(status, answer.headers());
    let text = beginning(Body::new(answer.into_body())).await;
    let text = match status.is_redirection() {
        true => "it points elsewhere, which is not followed: set the endpoint to where it is".to_owned(),
        false => text,
    };
    Ok(Answer {
        status: Some(status.as_u16()),
        text,
        retry_after,
    })
}

/// The answer, and what keeps its connection going.
async fn send(
    connection: Connection,
    request: Request<Body>,
) -> Result<(hyper::Response<hyper::body::Incoming>, JoinSet<()>), hyper::Error> {
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(HEADER_BYTES_MAX)
        .handshake(TokioIo::new(connection))
        .await?;
    let mut driving = JoinSet::new();
    driving.spawn(async move {
        // A broken connection also breaks the request or the answer, which is where it is told.
        let _ = connection.await;
    });
    Ok((sender.send_request(request).await?, driving))
}

fn words(error: &hyper::Error) -> String {
    match of_exchange(error) {
        Broken::Malformed(why) | Broken::Cut(why) => why,
    }
}

/// The beginning of an answer as text.
async fn beginning(body: Body) -> String {
    let mut bytes = Vec::new();
    let mut pieces = body.into_data_stream();
    while let Some(Ok(piece)) = pieces.next().await {
        let room = ANSWER_BYTES_MAX.saturating_sub(bytes.len());
        bytes.extend(piece.iter().take(room));
        if bytes.len() >= ANSWER_BYTES_MAX {
            break;
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let kept = text.chars().filter(|c| !c.is_control() || *c == '\n');
    kept.take(ANSWER_KEPT).collect()
}

/// A wait that an endpoint without room asks for, in seconds.
fn retry_after(status: StatusCode, headers: &HeaderMap) -> Option<u64> {
    let asks = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    );
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().filter(|_| asks)
}
