//! `/artefacts/<digest>`: hosts bring them, people take them.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flowforge_core::Action;
use flowforge_protocol::Digest;
use flowforge_store::DiskFull;
use tokio_util::io::ReaderStream;

use super::callers::{self, Intent};
use super::{Doors, refusal};
use crate::api::CODE_DENIED;
use crate::artefacts::{MAX_BYTES, PutError};

/// How long an artefact may take on its way here.
const PUT_TIMEOUT: Duration = Duration::from_secs(600);

fn parse(text: &str) -> Result<Digest, Box<Response>> {
    text.parse()
        .map_err(|error: flowforge_protocol::digest::ParseDigestError| {
            Box::new(refusal(StatusCode::BAD_REQUEST, "FF-ART-001", error.to_string()))
        })
}

fn fault(error: &dyn std::error::Error) -> Response {
    tracing::error!(%error, "an artefact could not be read or written");
    refusal(
        StatusCode::INTERNAL_SERVER_ERROR,
        "FF-API-500",
        "the control plane could not do this; its log says why",
    )
}

/// `GET /artefacts/<digest>`
pub(super) async fn get(
    State(doors): State<Doors>,
    Path(digest): Path<String>,
    headers: HeaderMap,
) -> Response {
    let called = match callers::of(&doors.app, &headers, Intent::Look).await {
        Ok(called) => called,
        Err(refused) => return *refused,
    };
    if let Err(denied) = doors.app.reading(&called.caller, Action::Read).await {
        return refusal(StatusCode::FORBIDDEN, CODE_DENIED, denied.to_string());
    }
    let digest = match parse(&digest) {
        Ok(digest) => digest,
        Err(refused) => return *refused,
    };
    match doors.artefacts.get(&digest).await {
        Ok(Some((file, bytes))) => {
            // Never shown in a page of this origin: the bytes come from a connector.
            let headers = [
                (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
                (header::CONTENT_DISPOSITION, "attachment".to_owned()),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
                (header::CONTENT_LENGTH, bytes.to_string()),
                (header::ETAG, format!("\"{digest}\"")),
            ];
            (headers, Body::from_stream(ReaderStream::new(file))).into_response()
        }
        Ok(None) => {
            let message = format!("artefact {digest} is not here; the host may not have uploaded it yet");
            refusal(StatusCode::NOT_FOUND, "FF-ART-002", message)
        }
        Err(error) => fault(&error),
    }
}

/// `PUT /artefacts/<digest>`, hosts only.
pub(super) async fn put(
    State(doors): State<Doors>,
    Path(digest): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let session = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let session = session.and_then(|text| text.strip_prefix("Bearer "));
    let host = match session {
        Some(session) => doors.app.host_of_session(session).await,
        None => Ok(None),
    };
    let is_host = match host {
        Ok(host) => host.is_some(),
        Err(error) => return fault(&error),
    };
    if !is_host {
        return refusal(
            StatusCode::UNAUTHORIZED,
            "FF-API-401",
            "this call needs the session of a registered host",
        );
    }
    let digest = match parse(&digest) {
        Ok(digest) => digest,
        Err(refused) => return *refused,
    };
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    if declared
        .and_then(|text| text.parse::<u64>().ok())
        .is_some_and(|bytes| bytes > MAX_BYTES)
    {
        return refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            "FF-ART-003",
            PutError::TooLarge.to_string(),
        );
    }
    let put = doors.artefacts.put(&digest, body.into_data_stream());
    // What has come of one that takes too long is taken back when it is dropped.
    let put = tokio::time::timeout(PUT_TIMEOUT, put).await;
    match put.unwrap_or(Err(PutError::Cut)) {
        Ok(true) => StatusCode::CREATED.into_response(),
        Ok(false) => StatusCode::NO_CONTENT.into_response(),
        Err(error @ PutError::TooLarge) => {
            refusal(StatusCode::PAYLOAD_TOO_LARGE, "FF-ART-003", error.to_string())
        }
        Err(error @ PutError::Full { .. }) => {
            refusal(StatusCode::INSUFFICIENT_STORAGE, "FF-ART-006", error.to_string())
        }
        Err(error @ PutError::WrongDigest { .. }) => {
            refusal(StatusCode::BAD_REQUEST, "FF-ART-004", error.to_string())
        }
        Err(error @ PutError::Cut) => refusal(StatusCode::BAD_REQUEST, "FF-ART-005", error.to_string()),
        Err(PutError::Io(error)) if error.kind() == std::io::ErrorKind::StorageFull => {
            let full = DiskFull {
                path: doors.artefacts.folder().to_owned(),
            };
            refusal(
                StatusCode::INSUFFICIENT_STORAGE,
                crate::api::CODE_FULL,
                full.to_string(),
            )
        }
        Err(PutError::Io(error)) => fault(&error),
    }
}
