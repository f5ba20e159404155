//! The control plane's GraphQL, registry and artefact doors: in clear on this machine, else over the hosts' line.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::pieces::{KeptValue, ValuePieces};
use flowforge_protocol::sync::{RecordPage, SyncReply, SyncRequest};
use flowforge_protocol::{Digest, RunId};
use futures::TryStreamExt as _;
use http::header::InvalidHeaderValue;
use http::uri::InvalidUri;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::control::{CertificateLife, ControlLink, LinkError, MAX_COMPONENT_BYTES, Registration, Session};
use super::dial::{Dialer, TlsSetupError};
use super::http::{Http, NO_ANSWER, Post, read_limited, refusal, refused_by_status, whole};
use super::line::Line;
use super::registrar::Registrar;
use super::timeouts::Timeouts;
use crate::release::ReleaseDocuments;
use crate::secrets::{SealedCopy, SecretAnswer};

/// How long a call may take beyond the wait it asks for.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a component or artefact may take.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(300);
/// Largest GraphQL answer: 256 jobs of 256 KiB in an envelope.
const MAX_REPLY_BYTES: u64 = 96 * 1024 * 1024;
/// Largest publisher's statement.
const MAX_PUBLICATION_BYTES: u64 = 64 * 1024;

/// Path of the hosts' own schema, `host.graphql`.
const PATH: &str = "host/graphql";

const REGISTER: &str = "mutation($input: RegisterHostInput!) { registerHost(input: $input) { __typename \
    ... on RegisterHostSuccess { hostId session workspace } ... on RegistrationProblem { code message } } }";
const SYNC: &str = "mutation($input: SyncInput!) { sync(input: $input) { workspace planeIncarnation timeMs starts \
    changes delivery acknowledged { run through } rejected { run code message } receiptsStored } }";
const DOCUMENTS: &str = "query($release: String!, $grants: String!) { releaseDocuments(release: $release, grants: $grants) \
    { release grants } }";
const RECORDS: &str = "query($run: String!, $fromSeq: Long!) { runRecords(run: $run, fromSeq: $fromSeq) \
    { run epoch firstSeq count chain lines } }";
const VALUES: &str =
    "mutation($input: KeepValuesInput!) { keepValues(input: $input) { value through whole } }";
const SECRETS: &str = "query($names: [String!]!) { sealedSecrets(names: $names) { __typename \
    ... on SealedSecret { name version kind destinations sealed } ... on SecretAbsent { name } \
    ... on SecretNotGranted { name } } }";

/// The real link.
#[derive(Clone)]
pub struct GraphQlLink {
    http: Arc<Http>,
    server: Url,
    timeouts: Timeouts,
    /// Absent on this machine.
    line: Option<Arc<Line>>,
}

impl GraphQlLink {
    /// A link to this address on this machine, which [`crate::join::loopback_address`] has accepted, in clear.
    #[must_use]
    pub fn new(server: Url) -> Self {
        Self {
            http: Arc::new(Http::new(Dialer::default())),
            server,
            timeouts: Timeouts::default(),
            line: None,
        }
    }

    /// A link over the hosts' line, as whoever has this credential.
    ///
    /// # Errors
    /// [`TlsSetupError`]: the credential is of no use for TLS.
    pub fn on_line(server: Url, line: Line) -> Result<Self, TlsSetupError> {
        Ok(Self {
            http: Arc::new(Http::new(line.dialer()?)),
            server,
            timeouts: Timeouts::default(),
            line: Some(Arc::new(line)),
        })
    }

    /// The hosts' line, if it goes over that.
    pub(super) fn line(&self) -> Option<&Arc<Line>> {
        self.line.as_ref()
    }

    pub(super) fn server(&self) -> &Url {
        &self.server
    }

    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    pub(super) fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    pub(super) fn url(&self, path: &str) -> Result<Url, LinkError> {
        self.server
            .join(path)
            .map_err(|error| LinkError::Malformed(format!("`{path}` is no path: {error}")))
    }

    fn request(&self, method: Method, path: &str) -> Result<http::request::Builder, LinkError> {
        Ok(Request::builder().method(method).uri(self.url(path)?.as_str()))
    }

    pub(super) async fn graphql<T: DeserializeOwned>(
        &self,
        session: Option<&str>,
        query: &'static str,
        variables: impl Serialize + Send,
        timeout: Duration,
    ) -> Result<T, LinkError> {
        #[derive(Serialize)]
        struct Call<V> {
            query: &'static str,
            variables: V,
        }
        let body = serde_json::to_vec(&Call { query, variables }).map_err(|error| unwritable(&error))?;
        let to: Uri = self
            .url(PATH)?
            .as_str()
            .parse()
            .map_err(|error: InvalidUri| unwritable(&error))?;
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(session) = session {
            let bearer = bearer(session)
                .parse()
                .map_err(|error: InvalidHeaderValue| unwritable(&error))?;
            headers.insert(header::AUTHORIZATION, bearer);
        }
        let post = Post {
            to,
            headers,
            body: body.into(),
            limit: MAX_REPLY_BYTES,
        };
        let (status, body) = self.http.post(&post, &self.timeouts, timeout).await?;
        let answer: Answer<T> = match serde_json::from_slice(&body) {
            Ok(answer) => answer,
            Err(_) if !status.is_success() => return Err(refused_by_status(status, &body)),
            Err(error) => return Err(LinkError::Malformed(error.to_string())),
        };
        match (answer.data, answer.errors.into_iter().next()) {
            (_, Some(error)) => Err(error.into_link_error()),
            (Some(data), None) if status.is_success() => Ok(data),
            _ => Err(refused_by_status(status, &body)),
        }
    }

    async fn get(&self, path: &str, what: &str, limit: u64) -> Result<Vec<u8>, LinkError> {
        let request = self.request(Method::GET, path)?.body(whole(Vec::new()));
        let request = request.map_err(|error| unwritable(&error))?;
        let call = async {
            let response = self.http.send(request).await?;
            match response.status() {
                status if status.is_success() => read_limited(response, limit).await,
                StatusCode::NOT_FOUND => Err(LinkError::Absent(what.to_owned())),
                _ => Err(refusal(response).await),
            }
        };
        let answer = tokio::time::timeout(TRANSFER_TIMEOUT, call).await;
        answer.unwrap_or_else(|_| Err(LinkError::Unreachable(NO_ANSWER.to_owned())))
    }
}

fn bearer(session: &str) -> String {
    format!("Bearer {session}")
}

/// A call of this program's own that cannot be put into a request.
fn unwritable(error: &dyn std::fmt::Display) -> LinkError {
    LinkError::Malformed(format!("the call cannot be written: {error}"))
}

#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Answer<T> {
    #[serde(default = "none")]
    data: Option<T>,
    #[serde(default)]
    errors: Vec<AnswerError>,
}

fn none<T>() -> Option<T> {
    None
}

#[derive(Deserialize)]
struct AnswerError {
    message: String,
    #[serde(default)]
    extensions: Value,
}

impl AnswerError {
    fn into_link_error(self) -> LinkError {
        let code = self
            .extensions
            .get("code")
            .and_then(Value::as_str)
            .unwrap_or("unknown");
        if code == NO_SESSION_CODE {
            LinkError::NoSession
        } else {
            LinkError::Refused {
                code: code.to_owned(),
                message: self.message,
            }
        }
    }
}

/// `extensions.code` of an answer to a session that is not known.
const NO_SESSION_CODE: &str = "FF-API-401";

/// Reads a single field of the answer's `data`.
macro_rules! data {
    ($(#[$attribute:meta])* $name:ident { $field:ident: $ty:ty }) => {
        #[derive(Deserialize)]
        $(#[$attribute])*
        struct $name {
            $field: $ty,
        }
    };
}

#[derive(Deserialize)]
#[serde(tag = "__typename")]
enum RegisterPayload {
    #[serde(rename_all = "camelCase")]
    RegisterHostSuccess {
        host_id: flowforge_protocol::HostId,
        session: String,
        workspace: String,
    },
    RegistrationProblem {
        code: String,
        message: String,
    },
}

#[derive(Deserialize)]
struct DocumentsPayload {
    release: String,
    grants: String,
}

#[derive(Deserialize)]
#[serde(tag = "__typename")]
enum SecretPayload {
    SealedSecret {
        name: String,
        version: u32,
        kind: String,
        destinations: Vec<String>,
        sealed: Value,
    },
    SecretAbsent {
        name: String,
    },
    SecretNotGranted {
        name: String,
    },
}

impl From<SecretPayload> for SecretAnswer {
    fn from(payload: SecretPayload) -> Self {
        match payload {
            SecretPayload::SealedSecret {
                name,
                version,
                kind,
                destinations,
                sealed,
            } => Self::Sealed(SealedCopy {
                name,
                version,
                kind,
                destinations,
                sealed: sealed.to_string(),
            }),
            SecretPayload::SecretAbsent { name } => Self::Absent { name },
            SecretPayload::SecretNotGranted { name } => Self::NotGranted { name },
        }
    }
}

data!(
    #[serde(rename_all = "camelCase")]
    RegisterData {
        register_host: RegisterPayload
    }
);
data!(SyncData { sync: SyncReply });
data!(#[serde(rename_all = "camelCase")] DocumentsData { release_documents: Option<DocumentsPayload> });
data!(#[serde(rename_all = "camelCase")] RecordsData { run_records: Option<RecordPage> });
data!(#[serde(rename_all = "camelCase")] ValuesData { keep_values: Vec<KeptValue> });
data!(#[serde(rename_all = "camelCase")] SecretsData { sealed_secrets: Vec<SecretPayload> });

#[async_trait]
impl ControlLink for GraphQlLink {
    async fn register(&self, registration: &Registration) -> Result<Session, LinkError> {
        let variables = json!({ "input": {
            "token": registration.token, "name": registration.name,
            "identityKey": STANDARD.encode(registration.identity_key),
            "sealKey": STANDARD.encode(registration.seal_key),
            "proof": registration.proof,
        } });
        let data: RegisterData = self.graphql(None, REGISTER, variables, CALL_TIMEOUT).await?;
        match data.register_host {
            RegisterPayload::RegisterHostSuccess {
                host_id,
                session,
                workspace,
            } => Ok(Session {
                host: host_id,
                session,
                workspace,
            }),
            RegisterPayload::RegistrationProblem { code, message } => {
                Err(LinkError::Refused { code, message })
            }
        }
    }

    async fn sync(&self, session: &str, request: &SyncRequest) -> Result<SyncReply, LinkError> {
        #[derive(Serialize)]
        struct Variables<'r> {
            input: &'r SyncRequest,
        }
        let wait = Duration::from_millis(u64::from(request.wait_ms));
        let timeout = wait.saturating_add(CALL_TIMEOUT);
        let variables = Variables { input: request };
        let data: SyncData = self.graphql(Some(session), SYNC, variables, timeout).await?;
        Ok(data.sync)
    }

    async fn release_documents(
        &self,
        session: &str,
        release: Digest,
        grants: Digest,
    ) -> Result<ReleaseDocuments, LinkError> {
        let variables = json!({ "release": release, "grants": grants });
        let data: DocumentsData = self
            .graphql(Some(session), DOCUMENTS, variables, CALL_TIMEOUT)
            .await?;
        let documents = data
            .release_documents
            .ok_or_else(|| LinkError::Absent(format!("release {release} with grants {grants}")))?;
        Ok(ReleaseDocuments {
            release: documents.release,
            grants: documents.grants,
        })
    }

    async fn run_records(&self, session: &str, run: &RunId, from_seq: u64) -> Result<RecordBatch, LinkError> {
        let variables = json!({ "run": run, "fromSeq": from_seq });
        let data: RecordsData = self
            .graphql(Some(session), RECORDS, variables, CALL_TIMEOUT)
            .await?;
        let page = data.run_records;
        page.map(|RecordPage(batch)| batch)
            .ok_or_else(|| LinkError::Absent(format!("record {from_seq} of run {run}")))
    }

    async fn sealed_secrets(&self, session: &str, names: &[String]) -> Result<Vec<SecretAnswer>, LinkError> {
        let variables = json!({ "names": names });
        let data: SecretsData = self
            .graphql(Some(session), SECRETS, variables, CALL_TIMEOUT)
            .await?;
        Ok(data.sealed_secrets.into_iter().map(SecretAnswer::from).collect())
    }

    async fn keep_values(&self, session: &str, pieces: &ValuePieces) -> Result<Vec<KeptValue>, LinkError> {
        #[derive(Serialize)]
        struct Variables<'p> {
            input: &'p ValuePieces,
        }
        let variables = Variables { input: pieces };
        let data: ValuesData = self
            .graphql(Some(session), VALUES, variables, CALL_TIMEOUT)
            .await?;
        Ok(data.keep_values)
    }

    async fn component(&self, name: &str, digest: Digest) -> Result<Vec<u8>, LinkError> {
        let repository = name.replacen(':', "/", 1);
        let path = format!("v2/{repository}/blobs/{digest}");
        self.get(&path, &format!("connector {name} {digest}"), MAX_COMPONENT_BYTES)
            .await
    }

    async fn publication(&self, digest: Digest) -> Result<String, LinkError> {
        let path = format!("connectors/{digest}/publication");
        let what = format!("a publisher's statement about {digest}");
        let bytes = self.get(&path, &what, MAX_PUBLICATION_BYTES).await?;
        String::from_utf8(bytes).map_err(|_| LinkError::Malformed("it is not UTF-8".to_owned()))
    }

    async fn put_artefact(&self, session: &str, digest: Digest, file: &Path) -> Result<(), LinkError> {
        let url = self.url(&format!("artefacts/{digest}"))?;
        let open =
            |error: std::io::Error| LinkError::Absent(format!("artefact {digest} on this disk: {error}"));
        let file = tokio::fs::File::open(file).await.map_err(open)?;
        let bytes = file.metadata().await.map_err(open)?.len();
        let frames = tokio_util::io::ReaderStream::new(file).map_ok(Frame::data);
        let request = Request::put(url.as_str())
            .header(header::AUTHORIZATION, bearer(session))
            .header(header::CONTENT_LENGTH, bytes)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .body(StreamBody::new(frames).boxed_unsync())
            .map_err(|error| unwritable(&error))?;
        let call = async {
            let response = self.http.send(request).await?;
            if response.status().is_success() {
                Ok(())
            } else {
                Err(refusal(response).await)
            }
        };
        let answer = tokio::time::timeout(TRANSFER_TIMEOUT, call).await;
        answer.unwrap_or_else(|_| Err(LinkError::Unreachable(NO_ANSWER.to_owned())))
    }

    async fn renew(&self, registrar: &Registrar) -> Result<Option<u64>, LinkError> {
        self.renew_certificate(registrar).await
    }

    fn certificate(&self) -> Option<CertificateLife> {
        self.line.as_ref()?.life()
    }
}
