//! Manifests by tag or digest, byte for byte as pushed.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{CONTENT_DIGEST, Repository, header_value};
use crate::config::MANIFEST_BYTES_MAX;
use crate::refusal::{Code, Refusal};
use crate::registry::Registry;

/// `GET` and `HEAD …/manifests/REFERENCE`.
pub(super) async fn get(
    State(registry): State<Registry>,
    Repository(name): Repository,
    Path((_, _, reference)): Path<(String, String, String)>,
) -> Result<Response, Refusal> {
    let stored = registry.manifest(&name, &reference)?;
    let headers = [
        (header::CONTENT_TYPE, header_value(&stored.manifest.media_type)),
        (header::CONTENT_LENGTH, header_value(stored.bytes.len())),
        (CONTENT_DIGEST, header_value(stored.digest)),
    ];
    Ok((headers, stored.bytes.clone()).into_response())
}

/// `PUT …/manifests/REFERENCE`: through the gates.
pub(super) async fn put(
    State(registry): State<Registry>,
    Repository(name): Repository,
    Path((_, _, reference)): Path<(String, String, String)>,
    body: Body,
) -> Result<Response, Refusal> {
    let bytes = axum::body::to_bytes(body, MANIFEST_BYTES_MAX)
        .await
        .map_err(|error| {
            let message = format!(
                "the manifest is above the limit of {MANIFEST_BYTES_MAX} bytes or broke off: {error}"
            );
            Refusal::new(Code::SizeInvalid, message)
        })?;
    let stored = registry.put_manifest(&name, &reference, bytes).await?;
    let mut headers = HeaderMap::new();
    let place = format!(
        "/v2/{}/{}/manifests/{}",
        name.publisher(),
        name.name(),
        stored.digest
    );
    headers.insert(header::LOCATION, header_value(place));
    headers.insert(CONTENT_DIGEST, header_value(stored.digest));
    if let Some(subject) = &stored.manifest.subject {
        headers.insert(
            HeaderName::from_static("oci-subject"),
            header_value(subject.digest),
        );
    }
    Ok((StatusCode::CREATED, headers).into_response())
}
