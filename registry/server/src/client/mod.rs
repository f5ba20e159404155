//! A client for this registry and others that speak the protocol: push a component with its publication, pull both.
//!
//! Nothing that a server says is believed about content: every blob and manifest is compared with its digest. Whether
//! a publication is by the right publisher is for whoever holds a trust root.

mod fallback;
mod judge;
mod pull;
mod push;
mod transfer;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_ports::InspectError;
use flowforge_protocol::{ConnectorName, Digest};
use reqwest::header::HeaderValue;
use reqwest::{RequestBuilder, Response, StatusCode, header};
use serde::Deserialize;

use crate::config::COMPONENT_BYTES_MAX;

pub use pull::Pulled;
pub use push::{Pushed, payload_of};
pub use transfer::Transfer;

/// Largest answer that is no component, in bytes.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;
/// How long a server may let us wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why something was not pushed or pulled.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server could not be reached or broke off; nothing is known of the outcome, pushing again is safe.
    #[error("the registry at {base} cannot be reached")]
    Unreachable {
        /// Its address.
        base: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The server refuses, and says why.
    #[error("{message} ({code})")]
    Refused {
        /// The protocol's code, such as `DENIED`.
        code: String,
        /// The server's words.
        message: String,
    },
    /// The server does not speak the protocol.
    #[error("the registry answered {what} with {found}")]
    Protocol {
        /// What was asked.
        what: &'static str,
        /// What came.
        found: String,
    },
    /// The server sent other bytes than were asked for. Do not use it.
    #[error("the registry served wrong bytes for {expected}: they have digest {found}")]
    WrongBytes {
        /// What was asked for.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// More bytes than there may be.
    #[error("the registry sent more than {limit_bytes} bytes for {what}")]
    TooLarge {
        /// What was asked.
        what: &'static str,
        /// The largest size.
        limit_bytes: u64,
    },
    /// The publication does not speak of these bytes; sign again.
    #[error("the publication is for {found}, the component has {expected}")]
    OtherComponent {
        /// Digest of the bytes at hand.
        expected: Digest,
        /// What the publication says.
        found: Digest,
    },
    /// The file is no component; nothing was pushed.
    #[error("the file cannot be published")]
    NotComponent(#[source] InspectError),
    /// The name of an account has no colon in it.
    #[error("an account's name has no colon in it")]
    BadAccount,
    /// The publication is none.
    #[error("not a publication: {0}")]
    BadPublication(String),
}

/// A client of one registry. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    /// The `Authorization` that goes with every request.
    account: Option<HeaderValue>,
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<ErrorEntry>,
}

#[derive(Deserialize)]
struct ErrorEntry {
    code: String,
    #[serde(default)]
    message: String,
}

impl Client {
    /// A client for the registry at this address, such as `http://127.0.0.1:7400`.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`]: the system gives no HTTP client.
    pub fn new(base: &str) -> Result<Self, ClientError> {
        let base = base.trim_end_matches('/').to_owned();
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(PATIENCE)
            // What is pushed must not follow a redirect to somewhere else.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build();
        match http {
            Ok(http) => Ok(Self {
                http,
                base,
                account: None,
            }),
            Err(source) => Err(ClientError::Unreachable { base, source }),
        }
    }

    /// The same client, which signs in with the name and password of an account. The password is sent with every request,
    /// so the way to the registry has to be a safe one.
    ///
    /// # Errors
    /// [`ClientError::BadAccount`]: the name has a colon.
    pub fn with_account(mut self, name: &str, password: &str) -> Result<Self, ClientError> {
        let credentials = STANDARD.encode(format!("{name}:{password}"));
        let header = HeaderValue::try_from(format!("Basic {credentials}")).ok();
        let mut header = header
            .filter(|_| !name.contains(':'))
            .ok_or(ClientError::BadAccount)?;
        header.set_sensitive(true);
        self.account = Some(header);
        Ok(self)
    }

    /// `/v2/PUBLISHER/NAME/…` at the registry.
    fn at(&self, name: &ConnectorName, path: &str) -> String {
        format!("{}/v2/{}/{}/{path}", self.base, name.publisher(), name.name())
    }

    /// A place that the server named, which may be relative. Another server's is not followed.
    fn place(&self, location: &str) -> Result<String, ClientError> {
        if location.starts_with('/') && !location.starts_with("//") {
            return Ok(format!("{}{location}", self.base));
        }
        if location.starts_with(&format!("{}/", self.base)) {
            return Ok(location.to_owned());
        }
        Err(ClientError::Protocol {
            what: "an upload",
            found: "a place on another server".to_owned(),
        })
    }

    async fn send(&self, mut request: RequestBuilder) -> Result<Response, ClientError> {
        if let Some(account) = &self.account {
            request = request.header(header::AUTHORIZATION, account.clone());
        }
        request.send().await.map_err(|source| self.unreachable(source))
    }

    fn unreachable(&self, source: reqwest::Error) -> ClientError {
        ClientError::Unreachable {
            base: self.base.clone(),
            source,
        }
    }

    /// The answer, if it has this status; otherwise what the server says went wrong.
    async fn expect(
        &self,
        what: &'static str,
        response: Response,
        wanted: StatusCode,
    ) -> Result<Response, ClientError> {
        let status = response.status();
        if status == wanted {
            return Ok(response);
        }
        let body = self.body(what, response, ANSWER_BYTES_MAX).await?;
        let said = serde_json::from_slice::<Errors>(&body)
            .ok()
            .and_then(|said| said.errors.into_iter().next());
        Err(match said {
            Some(error) => ClientError::Refused {
                code: error.code,
                message: error.message,
            },
            None => ClientError::Protocol {
                what,
                found: format!("status {status}"),
            },
        })
    }

    /// The body, of at most so many bytes.
    async fn body(
        &self,
        what: &'static str,
        mut response: Response,
        limit_bytes: u64,
    ) -> Result<Vec<u8>, ClientError> {
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|source| self.unreachable(source))?
        {
            if body.len() as u64 + chunk.len() as u64 > limit_bytes {
                return Err(ClientError::TooLarge { what, limit_bytes });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}
