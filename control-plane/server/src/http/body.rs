//! Bodies of requests: bounded in size and in time, so that nobody holds a connection by sending slowly.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::Response;

use super::refusal;

/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// The codes of a body that is not taken.
#[derive(Clone, Copy)]
pub(super) struct Codes {
    /// It is too large, or was cut.
    pub(super) too_large: &'static str,
    /// It took too long.
    pub(super) too_slow: &'static str,
}

/// The whole body.
pub(super) async fn read(body: Body, limit: usize, codes: Codes) -> Result<Bytes, Box<Response>> {
    within(BODY_TIMEOUT, body, limit, codes).await
}

async fn within(time: Duration, body: Body, limit: usize, codes: Codes) -> Result<Bytes, Box<Response>> {
    match tokio::time::timeout(time, axum::body::to_bytes(body, limit)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => {
            let message = format!("the body is larger than {limit} bytes, or was cut");
            Err(Box::new(refusal(
                StatusCode::PAYLOAD_TOO_LARGE,
                codes.too_large,
                message,
            )))
        }
        Err(_) => {
            let message = format!("the body took longer than {} s", time.as_secs());
            Err(Box::new(refusal(
                StatusCode::REQUEST_TIMEOUT,
                codes.too_slow,
                message,
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures::stream;

    use super::*;

    const CODES: Codes = Codes {
        too_large: "L",
        too_slow: "S",
    };

    /// Thousands of bodies that never ended held every connection: only their heads had a time.
    #[tokio::test]
    async fn a_body_has_its_time_and_its_size() {
        let whole = read(Body::from("12345"), 5, CODES).await.unwrap();
        assert_eq!(whole, "12345");
        let large = read(Body::from("123456"), 5, CODES).await.unwrap_err();
        assert_eq!(large.status(), 413);
        let slow = stream::pending::<Result<Bytes, std::io::Error>>();
        let slow = within(Duration::ZERO, Body::from_stream(slow), 5, CODES);
        let slow = slow.await.unwrap_err();
        assert_eq!(slow.status(), 408);
    }
}
