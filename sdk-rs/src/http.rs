//! Outgoing HTTP with typed failures.
//!
//! The host attaches secrets, checks the destination against the node's grants, decodes what the transfer encoded and
//! follows redirects where a request allows it. This module turns an answer that says "later" into a retryable failure, so
//! that the retry policy, not the connector, waits.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::flowforge::connector::http as host;
pub use crate::bindings::flowforge::connector::http::{HeaderPlacement, Placement};
use crate::{Artefact, Failure, context, json};

/// How much of a refusal's body its failure quotes, in characters.
const QUOTED_CHARS: usize = 200;

/// One request. Nothing happens before [`Request::send`].
#[derive(Debug, Clone)]
pub struct Request {
    host: host::Request,
    /// The input that names what is asked for.
    input: Option<String>,
}

impl Request {
    /// A request without body.
    #[must_use]
    pub fn new(method: &str, url: &str) -> Self {
        Self {
            host: host::Request {
                method: method.to_owned(),
                url: url.to_owned(),
                headers: Vec::new(),
                body: None,
                auth: None,
                timeout_ms: None,
                save_as: None,
                redirects_max: None,
            },
            input: None,
        }
    }

    /// Say which input of the operation names the address: a request that the host refuses as none is then that input's
    /// fault, `Invalid` with this path.
    #[must_use]
    pub fn named_by(mut self, input: &str) -> Self {
        self.input = Some(input.to_owned());
        self
    }

    /// `GET`.
    #[must_use]
    pub fn get(url: &str) -> Self {
        Self::new("GET", url)
    }

    /// `POST`.
    #[must_use]
    pub fn post(url: &str) -> Self {
        Self::new("POST", url)
    }

    /// Add a header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.host.headers.push(host::Header {
            name: name.to_owned(),
            value: value.to_owned(),
        });
        self
    }

    /// Whether a header field of this name is set, in any case.
    #[must_use]
    pub fn has_header(&self, name: &str) -> bool {
        self.host
            .headers
            .iter()
            .any(|header| header.name.eq_ignore_ascii_case(name))
    }

    /// Send the step's idempotency key in the header `idempotency-key`, so that a repeated attempt acts once.
    #[must_use]
    pub fn idempotent(self) -> Self {
        let key = context::step().idempotency_key;
        self.header("idempotency-key", &key)
    }

    /// Send these bytes, at most 2 MiB.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.host.body = Some(host::Body::Bytes(bytes.into()));
        self
    }

    /// Send an artefact, at most 64 MiB.
    #[must_use]
    pub fn artefact(mut self, artefact: Artefact) -> Self {
        self.host.body = Some(host::Body::Artefact(artefact));
        self
    }

    /// Send a value as JSON and set `content-type`, unless it is set.
    ///
    /// # Errors
    /// `Internal`: the value cannot be JSON.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<Self, Failure> {
        let text = json::text(value)?;
        let typed = if self.has_header("content-type") {
            self
        } else {
            self.header("content-type", "application/json")
        };
        Ok(typed.body(text))
    }

    /// Let the host attach the secret of this slot. The connector never sees its value.
    #[must_use]
    pub fn auth(mut self, slot: &str, placement: Placement) -> Self {
        self.host.auth = Some(host::Auth {
            slot: slot.to_owned(),
            placement,
        });
        self
    }

    /// Limit the whole exchange, in milliseconds; the step's own limit holds besides.
    #[must_use]
    pub fn timeout_ms(mut self, timeout_ms: u32) -> Self {
        self.host.timeout_ms = Some(timeout_ms);
        self
    }

    /// Let the host follow at most this many redirects, at most 10, of a `GET` or `HEAD` without a body. Each passes every
    /// check of the node again; the secret stays with the origin of this request.
    #[must_use]
    pub fn redirects_max(mut self, redirects: u8) -> Self {
        self.host.redirects_max = Some(redirects);
        self
    }

    /// Store the body of a response of status 2xx as an artefact of this name, up to 64 MiB.
    #[must_use]
    pub fn save_as(mut self, name: &str) -> Self {
        self.host.save_as = Some(name.to_owned());
        self
    }

    /// Send and give back only an answer of status 2xx or 3xx.
    ///
    /// # Errors
    /// 429 → `Throttled`, 408 and 425 and 5xx → `Unavailable` or, with a known wait, `Throttled`; 401 and 403 → `Denied`;
    /// every other 4xx → `Rejected` with the status as its code. No answer: as [`Request::send_any`].
    pub fn send(self) -> Result<Response, Failure> {
        let response = self.send_any()?;
        match response.failure() {
            Some(failure) => Err(failure),
            None => Ok(response),
        }
    }

    /// Send and give back the answer, whatever its status.
    ///
    /// # Errors
    /// `Denied`: no grant. `Unavailable`: no connection, nothing was sent. `TimedOut`: the outcome is unknown, or the
    /// response could not be stored. `Rejected`: the service answered, and the answer is `too_large`, a
    /// `malformed_response`, `not_kept` for a quota or a secret in it, or a `redirect` that is not followed. `Internal`: the
    /// request breaks a rule; `Invalid` where [`Request::named_by`] says that an input is to blame.
    pub fn send_any(self) -> Result<Response, Failure> {
        match (host::send(&self.host), self.input) {
            (Ok(response), _) => Ok(Response(response)),
            (Err(host::SendError::InvalidRequest(message)), Some(input)) => {
                Err(Failure::invalid(input, message))
            }
            (Err(error), _) => Err(error.into()),
        }
    }
}

/// One response.
#[derive(Debug, Clone)]
pub struct Response(host::Response);

impl Response {
    /// Status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// The first header field of this name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// All header fields in their order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .headers
            .iter()
            .map(|header| (header.name.as_str(), header.value.as_str()))
    }

    /// The address that answered: another than the request's where redirects were followed.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// What `retry-after` asks for, in milliseconds from now, whichever of its two forms was used.
    #[must_use]
    pub fn retry_after_ms(&self) -> Option<u32> {
        self.0.retry_after_ms
    }

    /// The body in memory; empty if it was saved as an artefact.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.0.body {
            host::Body::Bytes(bytes) => bytes,
            host::Body::Artefact(_) => &[],
        }
    }

    /// The artefact that [`Request::save_as`] asked for.
    #[must_use]
    pub fn artefact(&self) -> Option<&Artefact> {
        match &self.0.body {
            host::Body::Bytes(_) => None,
            host::Body::Artefact(artefact) => Some(artefact),
        }
    }

    /// The body as text: a byte order mark decides, then the `charset` of `content-type`, then UTF-8.
    ///
    /// # Errors
    /// `Rejected` with code `not_text`, saying which charset failed.
    pub fn text(&self) -> Result<Cow<'_, str>, Failure> {
        let content_type = self.header("content-type");
        if let Some(text) = utf8(self.bytes(), content_type) {
            return Ok(Cow::Borrowed(text));
        }
        let text = host::decode_text(self.bytes(), content_type);
        text.map(Cow::Owned).map_err(|error| {
            let reason = match error {
                host::TextError::UnknownCharset(name) => {
                    format!("the response is in the charset `{name}`, which no host knows")
                }
                host::TextError::Malformed(name) => format!("the response is no text in {name}"),
                host::TextError::TooLarge(limit) => {
                    format!("the response is larger than {limit} bytes of text")
                }
            };
            Failure::rejected("not_text", reason)
        })
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// `Rejected` with code `not_json`, naming line and column.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(&self.text()?).map_err(|error| {
            Failure::rejected(
                "not_json",
                format!("the response is not the JSON expected: {error}"),
            )
        })
    }

    /// What this status means as a failure; none below 400.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        let status = self.status();
        if status < 400 {
            return None;
        }
        let wait = self.retry_after_ms();
        let message = self.refusal();
        Some(match status {
            401 | 403 => Failure::Denied(message),
            429 => Failure::throttled(message, wait),
            408 | 425 | 500.. => match wait {
                Some(_) => Failure::throttled(message, wait),
                None => Failure::Unavailable(message),
            },
            _ => Failure::rejected(status.to_string(), message),
        })
    }

    fn refusal(&self) -> String {
        let text = String::from_utf8_lossy(self.bytes());
        let quoted: String = text.trim().chars().take(QUOTED_CHARS).collect();
        if quoted.is_empty() {
            format!("answered {}", self.status())
        } else {
            format!("answered {}: {quoted}", self.status())
        }
    }
}

/// The text without a byte order mark, if it is UTF-8 and says nothing else: most are, and need no call to the host.
fn utf8<'b>(bytes: &'b [u8], content_type: Option<&str>) -> Option<&'b str> {
    let says_other = content_type
        .map(str::to_ascii_lowercase)
        .is_some_and(|text| text.contains("charset") && !text.contains("utf-8") && !text.contains("utf8"));
    let (text, is_marked) = match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(text) => (text, true),
        None => (bytes, false),
    };
    if says_other && !is_marked {
        return None;
    }
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
        Response(host::Response {
            status,
            headers: headers
                .iter()
                .map(|(name, value)| host::Header {
                    name: (*name).to_owned(),
                    value: (*value).to_owned(),
                })
                .collect(),
            body: host::Body::Bytes(body.as_bytes().to_vec()),
            url: "http://h/".to_owned(),
            retry_after_ms: None,
        })
    }

    fn waiting(status: u16, retry_after_ms: u32, body: &str) -> Response {
        let mut response = response(status, &[], body);
        response.0.retry_after_ms = Some(retry_after_ms);
        response
    }

    #[test]
    fn statuses_become_the_failures_that_say_who_may_retry() {
        assert_eq!(response(204, &[], "").failure(), None);
        assert_eq!(response(302, &[], "").failure(), None);
        assert_eq!(
            waiting(429, 2000, "busy").failure(),
            Some(Failure::throttled("answered 429: busy", Some(2000)))
        );
        assert_eq!(
            response(503, &[], "").failure(),
            Some(Failure::Unavailable("answered 503".into()))
        );
        assert_eq!(
            waiting(503, 1000, "").failure(),
            Some(Failure::throttled("answered 503", Some(1000)))
        );
        assert_eq!(
            response(401, &[], "").failure(),
            Some(Failure::Denied("answered 401".into()))
        );
        assert_eq!(
            response(404, &[], "no").failure(),
            Some(Failure::rejected("404", "answered 404: no"))
        );
    }

    #[test]
    fn utf_8_is_read_here_and_everything_else_by_the_host() {
        assert_eq!(utf8(b"\xef\xbb\xbf{}", Some("application/json")), Some("{}"));
        assert_eq!(utf8("ü".as_bytes(), None), Some("ü"));
        assert_eq!(utf8("ü".as_bytes(), Some("text/plain; charset=UTF-8")), Some("ü"));
        assert_eq!(
            utf8(b"\xef\xbb\xbfa", Some("text/plain; charset=latin1")),
            Some("a")
        );
        assert_eq!(utf8(b"a", Some("text/plain; charset=iso-8859-1")), None);
        assert_eq!(utf8(b"\xff\xfea\0", None), None);
    }

    #[test]
    fn json_behind_a_byte_order_mark_is_json() {
        let response = response(200, &[], "\u{feff}{\"n\":7}");
        assert_eq!(response.json::<serde_json::Value>().unwrap()["n"], 7);
    }
}
