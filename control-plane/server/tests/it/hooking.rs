//! Requests to webhooks, as senders make them.

use flowforge_protocol::Digest;
use serde_json::Value;

use crate::support::Plane;

/// HMAC-SHA256 by its definition, in hex, so that a check is not compared with itself.
pub(crate) fn hmac(key: &str, text: &str) -> String {
    let block = |with: u8| {
        let mut padded = key.as_bytes().to_vec();
        padded.resize(64, 0);
        padded.iter().map(|byte| byte ^ with).collect::<Vec<u8>>()
    };
    let inner = Digest::of_parts(&[&block(0x36), text.as_bytes()]);
    Digest::of_parts(&[&block(0x5c), inner.as_bytes()]).hex()
}

/// A request to a webhook: the status of the answer, and what it says.
pub(crate) async fn hook(
    plane: &Plane,
    path: &str,
    body: impl AsRef<[u8]>,
    headers: &[(&str, &str)],
) -> (u16, Value) {
    let mut request = plane.http.post(plane.url(path)).body(body.as_ref().to_vec());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}
