//! The HTTP surface of the registry: OCI Distribution 1.1 with its token endpoint, the `wasm-pkg` discovery file,
//! publications by digest, and judgements.
//!
//! One door stands in front of everything: who may pull and who may push is decided there, before a body is read.

mod blobs;
mod deletion;
pub(crate) mod judgement;
mod listing;
mod manifests;
mod token;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post, put};
use flowforge_protocol::{ConnectorName, Digest};
use serde_json::json;

use crate::refusal::{Code, Refusal};
use crate::registry::Registry;

/// Who comes in without credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Everybody, as whoever runs the registry: something else decides who reaches it.
    Open,
    /// Nobody: a request shows a password or a token, or pulls what everybody may pull.
    Guarded,
}

pub(crate) fn router(registry: Registry, door: Door) -> Router {
    let door = axum::middleware::from_fn_with_state((registry.clone(), door), token::door);
    reads().merge(writes()).layer(door).with_state(registry)
}

/// Pulling and looking things up.
fn reads() -> Router<Registry> {
    Router::new()
        .route("/v2/", get(listing::version))
        .route("/v2", get(listing::version))
        .route("/v2/token", get(token::issue))
        .route("/v2/_catalog", get(listing::catalog))
        .route("/v2/{publisher}/{name}/tags/list", get(listing::tags))
        .route(
            "/v2/{publisher}/{name}/referrers/{digest}",
            get(listing::referrers),
        )
        .route(
            "/v2/{publisher}/{name}/manifests/{reference}",
            get(manifests::get),
        )
        .route("/v2/{publisher}/{name}/blobs/{digest}", get(blobs::get))
        // The nest has no routes of its own: it only says what is answered below `/v2/` where nothing is.
        .nest("/v2", Router::new().fallback(listing::unknown_path))
        .route("/.well-known/wasm-pkg/registry.json", get(listing::well_known))
        .route("/connectors/{digest}/publication", get(listing::publication))
}

/// Pushing, and asking what a push would hear.
fn writes() -> Router<Registry> {
    Router::new()
        .route("/connectors/judgement", post(judgement::judge))
        .route(
            "/v2/{publisher}/{name}/manifests/{reference}",
            put(manifests::put).delete(deletion::manifest),
        )
        .route(
            "/v2/{publisher}/{name}/blobs/{digest}",
            axum::routing::delete(deletion::blob),
        )
        .route("/v2/{publisher}/{name}/blobs/uploads/", post(blobs::begin))
        .route(
            "/v2/{publisher}/{name}/blobs/uploads/{id}",
            patch(blobs::append)
                .put(blobs::finish)
                .get(blobs::status)
                .delete(blobs::cancel),
        )
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = json!({"errors": [{"code": self.code.as_str(), "message": self.message}]});
        (status, axum::Json(body)).into_response()
    }
}

/// The connector that a path `/v2/PUBLISHER/NAME/…` is about.
struct Repository(ConnectorName);

impl<S: Sync> FromRequestParts<S> for Repository {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        let mut segments = parts.uri.path().split('/').skip(2);
        let (publisher, name) = (
            segments.next().unwrap_or_default(),
            segments.next().unwrap_or_default(),
        );
        format!("{publisher}:{name}")
            .parse()
            .map(Self)
            .map_err(|error| Refusal::new(Code::NameInvalid, error))
    }
}

/// Reads a digest out of a path or a query.
fn parse_digest(text: &str) -> Result<Digest, Refusal> {
    text.parse()
        .map_err(|error| Refusal::new(Code::DigestInvalid, error))
}

/// A value that is made of digests, numbers and names only, so always a header.
fn header_value(text: impl std::fmt::Display) -> HeaderValue {
    HeaderValue::try_from(text.to_string()).unwrap_or(HeaderValue::from_static(""))
}

const CONTENT_DIGEST: header::HeaderName = header::HeaderName::from_static("docker-content-digest");
