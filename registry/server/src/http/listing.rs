//! Lists: the protocol's version, tags, referrers, discovery, publications.

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, Uri, header};
use axum::response::{IntoResponse, Response};
use flowforge_protocol::ConnectorName;
use serde::Deserialize;
use serde_json::json;

use super::token::Entered;
use super::{Repository, header_value, parse_digest};
use crate::manifest::IMAGE_INDEX;
use crate::refusal::{Code, Refusal};
use crate::registry::Registry;

/// `GET /v2/`: here is a registry, and it asks for no sign-in.
pub(super) async fn version() -> Response {
    let version = HeaderName::from_static("docker-distribution-api-version");
    ([(version, header_value("registry/2.0"))], axum::Json(json!({}))).into_response()
}

/// Any other path below `/v2/`, which the nest has taken off.
pub(super) async fn unknown_path(uri: Uri) -> Refusal {
    let path: String = uri.path().chars().take(200).collect();
    Refusal::new(
        Code::NameUnknown,
        format!("there is nothing at `/v2{path}`: a repository is named `publisher/name`"),
    )
}

#[derive(Deserialize)]
pub(super) struct Page {
    /// Most entries; all if it is absent, because clients that do not say it do not turn pages either.
    n: Option<usize>,
    /// The last entry of the page before.
    last: Option<String>,
}

/// `GET …/tags/list`: the published versions.
pub(super) async fn tags(
    State(registry): State<Registry>,
    Repository(name): Repository,
    Query(page): Query<Page>,
) -> Result<Response, Refusal> {
    let repository = format!("{}/{}", name.publisher(), name.name());
    let all = registry.tags(&name)?;
    let (tags, headers) = page.of(&all, &format!("/v2/{repository}/tags/list"));
    Ok((headers, axum::Json(json!({"name": repository, "tags": tags}))).into_response())
}

/// `GET /v2/_catalog`: the repositories that have something to offer.
pub(super) async fn catalog(
    State(registry): State<Registry>,
    Extension(entered): Extension<Entered>,
    Query(page): Query<Page>,
) -> Response {
    let all = registry.repositories(entered.visitor());
    let (repositories, headers) = page.of(&all, "/v2/_catalog");
    (headers, axum::Json(json!({"repositories": repositories}))).into_response()
}

impl Page {
    /// This page of a sorted list, with the link to the next one.
    fn of<'a>(&self, all: &'a [String], path: &str) -> (Vec<&'a String>, HeaderMap) {
        let rest = all
            .iter()
            .filter(|entry| self.last.as_ref().is_none_or(|last| *entry > last));
        let n = self.n.unwrap_or(usize::MAX);
        let entries: Vec<&String> = rest.clone().take(n).collect();
        let more = rest.count() > entries.len();
        let mut headers = HeaderMap::new();
        if let (true, Some(last)) = (more, entries.last()) {
            let last = last.replace('/', "%2F");
            let next = format!("<{path}?n={n}&last={last}>; rel=\"next\"");
            headers.insert(header::LINK, header_value(next));
        }
        (entries, headers)
    }
}

#[derive(Deserialize)]
pub(super) struct Filter {
    #[serde(rename = "artifactType")]
    artifact_type: Option<String>,
}

/// `GET …/referrers/DIGEST`: what refers to a manifest; nothing if there is none.
pub(super) async fn referrers(
    State(registry): State<Registry>,
    Repository(name): Repository,
    Path((_, _, digest)): Path<(String, String, String)>,
    Query(filter): Query<Filter>,
) -> Result<Response, Refusal> {
    let subject = parse_digest(&digest)?;
    let manifests = registry.referrers(&name, &subject, filter.artifact_type.as_deref());
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, header_value(IMAGE_INDEX));
    if filter.artifact_type.is_some() {
        headers.insert(
            HeaderName::from_static("oci-filters-applied"),
            header_value("artifactType"),
        );
    }
    let index = json!({"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": manifests});
    Ok((headers, index.to_string()).into_response())
}

/// `GET /.well-known/wasm-pkg/registry.json`: where the registry is. Nothing else may stand in this file: clients take
/// any further key for another protocol.
pub(super) async fn well_known(headers: HeaderMap) -> Result<Response, Refusal> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.ok_or_else(|| Refusal::new(Code::Unsupported, "the request names no host"))?;
    Ok(axum::Json(json!({"preferredProtocol": "oci", "oci": {"registry": host}})).into_response())
}

#[derive(Deserialize)]
pub(super) struct Which {
    /// Of this connector, if several have the same bytes.
    name: Option<ConnectorName>,
}

/// `GET /connectors/DIGEST/publication`: the envelope for these bytes that the hosts of this site believe.
pub(super) async fn publication(
    State(registry): State<Registry>,
    Extension(entered): Extension<Entered>,
    Path(digest): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, Refusal> {
    let layer = parse_digest(&digest)?;
    let entry = registry.by_digest(&layer, which.name.as_ref());
    let entry = entry
        .filter(|entry| entered.may_pull(&registry, &entry.name))
        .ok_or_else(|| {
            Refusal::new(
                Code::ManifestUnknown,
                format!("no published connector has the digest {layer}"),
            )
        })?;
    let kind = [(header::CONTENT_TYPE, header_value("application/json"))];
    Ok((kind, entry.statement().to_owned()).into_response())
}
