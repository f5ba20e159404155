//! Deleting. What is published stays, because releases name it by digest; what was only pushed may leave before its time.

use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::{Repository, parse_digest};
use crate::refusal::Refusal;
use crate::registry::Registry;

/// `DELETE …/manifests/REFERENCE`.
pub(super) async fn manifest(
    State(registry): State<Registry>,
    Repository(name): Repository,
    Path((_, _, reference)): Path<(String, String, String)>,
) -> Result<StatusCode, Refusal> {
    registry.delete_manifest(&name, &reference).await?;
    Ok(StatusCode::ACCEPTED)
}

/// `DELETE …/blobs/DIGEST`.
pub(super) async fn blob(
    State(registry): State<Registry>,
    Repository(name): Repository,
    Path((_, _, digest)): Path<(String, String, String)>,
) -> Result<StatusCode, Refusal> {
    registry.delete_blob(&name, &parse_digest(&digest)?).await?;
    Ok(StatusCode::ACCEPTED)
}
