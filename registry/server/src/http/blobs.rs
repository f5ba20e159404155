//! Blobs: pulled whole or in a range, pushed in one piece or in many.

use std::io::SeekFrom;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flowforge_protocol::ConnectorName;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::token::Entered;
use super::{CONTENT_DIGEST, Repository, header_value, parse_digest};
use crate::refusal::{Code, Refusal};
use crate::registry::Registry;

/// `GET` and `HEAD …/blobs/DIGEST`, with one range if asked.
pub(super) async fn get(
    State(registry): State<Registry>,
    Repository(name): Repository,
    Path((_, _, digest)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let digest = parse_digest(&digest)?;
    let (mut file, size) = registry.open_blob(&name, digest).await?;
    let mut answer = HeaderMap::new();
    answer.insert(CONTENT_DIGEST, header_value(digest));
    answer.insert(header::CONTENT_TYPE, header_value("application/octet-stream"));
    answer.insert(header::ACCEPT_RANGES, header_value("bytes"));
    let asked = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let (status, start, length) = match asked.map(|range| parse_range(range, size)) {
        None | Some(Range::Whole) => (StatusCode::OK, 0, size),
        Some(Range::Part { first, last }) => {
            let range = format!("bytes {first}-{last}/{size}");
            answer.insert(header::CONTENT_RANGE, header_value(range));
            (StatusCode::PARTIAL_CONTENT, first, last - first + 1)
        }
        Some(Range::Outside) => {
            answer.insert(header::CONTENT_RANGE, header_value(format!("bytes */{size}")));
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, answer).into_response());
        }
    };
    let failed = |error| Refusal::storage("read a blob", &error);
    file.seek(SeekFrom::Start(start)).await.map_err(failed)?;
    answer.insert(header::CONTENT_LENGTH, header_value(length));
    let stream = ReaderStream::with_capacity(file.take(length), 64 * 1024);
    Ok((status, answer, Body::from_stream(stream)).into_response())
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    /// No range, or one of a form that may be ignored.
    Whole,
    Part {
        first: u64,
        last: u64,
    },
    Outside,
}

/// Reads `bytes=FIRST-LAST` or `bytes=FIRST-`. Other forms are answered whole, as RFC 9110 §14.2 allows.
fn parse_range(text: &str, size: u64) -> Range {
    let Some((first, last)) = text
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
    else {
        return Range::Whole;
    };
    let last = if last.is_empty() {
        Ok(u64::MAX)
    } else {
        last.parse()
    };
    let (Ok(first), Ok(last)) = (first.parse::<u64>(), last) else {
        return Range::Whole;
    };
    if first > last {
        return Range::Whole;
    }
    if first >= size {
        return Range::Outside;
    }
    Range::Part {
        first,
        last: last.min(size - 1),
    }
}

#[derive(Deserialize)]
pub(super) struct Target {
    /// Digest of the whole content.
    digest: Option<String>,
    /// Digest of content that another repository has.
    mount: Option<String>,
    /// That repository.
    from: Option<String>,
}

/// `POST …/blobs/uploads/`: begins an upload, or takes all of it if the digest is given. A blob of another repository is
/// mounted without an upload if whoever asks may pull it there; otherwise an upload begins, whether the other one has it or
/// not, so that nobody learns of it.
pub(super) async fn begin(
    State(registry): State<Registry>,
    Repository(name): Repository,
    Query(target): Query<Target>,
    Extension(entered): Extension<Entered>,
    body: Body,
) -> Result<Response, Refusal> {
    if let (Some(digest), Some(from)) = (&target.mount, &target.from) {
        let digest = parse_digest(digest)?;
        let from: Option<ConnectorName> = from.replacen('/', ":", 1).parse().ok();
        let from = from.filter(|from| entered.may_pull(&registry, from));
        if let Some(from) = from
            && registry.mount(&name, &from, digest)?
        {
            return Ok(created(&name, &digest.to_string()));
        }
    }
    let digest = target.digest.as_deref().map(parse_digest).transpose()?;
    let id = registry.uploads().begin(&name).await?;
    let Some(digest) = digest else {
        return Ok((StatusCode::ACCEPTED, progress(&name, &id, 0)).into_response());
    };
    registry.uploads().append(&name, &id, None, body).await?;
    registry.finish_upload(&name, &id, digest).await?;
    Ok(created(&name, &digest.to_string()))
}

/// `PATCH …/blobs/uploads/ID`: the next piece.
pub(super) async fn append(
    State(registry): State<Registry>,
    Repository(name): Repository,
    Path((_, _, id)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let start = start_of(&headers)?;
    match registry.uploads().append(&name, &id, start, body).await {
        Ok(offset) => Ok((StatusCode::ACCEPTED, progress(&name, &id, offset)).into_response()),
        Err(refusal) if refusal.code == Code::BlobUploadInvalid => {
            out_of_order(&registry, &name, &id, refusal).await
        }
        Err(refusal) => Err(refusal),
    }
}

/// A piece that is out of order or stopped: 416, and where to go on.
async fn out_of_order(
    registry: &Registry,
    name: &ConnectorName,
    id: &str,
    refusal: Refusal,
) -> Result<Response, Refusal> {
    let offset = registry.uploads().offset(name, id).await?;
    let mut response = refusal.into_response();
    *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
    response.headers_mut().extend(progress(name, id, offset));
    Ok(response)
}

/// `PUT …/blobs/uploads/ID?digest=`: the last piece, which may be empty, and what it all must be.
pub(super) async fn finish(
    State(registry): State<Registry>,
    Repository(name): Repository,
    Path((_, _, id)): Path<(String, String, String)>,
    Query(target): Query<Target>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let missing = || Refusal::new(Code::DigestInvalid, "the query names no digest");
    let digest = parse_digest(&target.digest.ok_or_else(missing)?)?;
    let start = start_of(&headers)?;
    match registry.uploads().append(&name, &id, start, body).await {
        Ok(_) => {}
        Err(refusal) if refusal.code == Code::BlobUploadInvalid => {
            return out_of_order(&registry, &name, &id, refusal).await;
        }
        Err(refusal) => return Err(refusal),
    }
    registry.finish_upload(&name, &id, digest).await?;
    Ok(created(&name, &digest.to_string()))
}

/// `GET …/blobs/uploads/ID`: how far it is.
pub(super) async fn status(
    State(registry): State<Registry>,
    Repository(name): Repository,
    Path((_, _, id)): Path<(String, String, String)>,
) -> Result<Response, Refusal> {
    let offset = registry.uploads().offset(&name, &id).await?;
    Ok((StatusCode::NO_CONTENT, progress(&name, &id, offset)).into_response())
}

/// `DELETE …/blobs/uploads/ID`.
pub(super) async fn cancel(
    State(registry): State<Registry>,
    Repository(name): Repository,
    Path((_, _, id)): Path<(String, String, String)>,
) -> Result<StatusCode, Refusal> {
    registry.uploads().cancel(&name, &id)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where a piece begins: `Content-Range: START-END`, with or without the unit that some clients write.
fn start_of(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let Some(range) = headers.get(header::CONTENT_RANGE) else {
        return Ok(None);
    };
    let text = range.to_str().unwrap_or_default();
    let text = text.strip_prefix("bytes ").unwrap_or(text);
    let start = text.split_once('-').and_then(|(start, _)| start.parse().ok());
    start.map(Some).ok_or_else(|| {
        Refusal::new(
            Code::BlobUploadInvalid,
            "`Content-Range` is not in the form START-END",
        )
    })
}

fn progress(name: &ConnectorName, id: &str, offset: u64) -> HeaderMap {
    let place = format!("/v2/{}/{}/blobs/uploads/{id}", name.publisher(), name.name());
    HeaderMap::from_iter([
        (header::LOCATION, header_value(place)),
        (
            header::RANGE,
            header_value(format!("0-{}", offset.saturating_sub(1))),
        ),
        (HeaderName::from_static("docker-upload-uuid"), header_value(id)),
    ])
}

fn created(name: &ConnectorName, digest: &str) -> Response {
    let place = format!("/v2/{}/{}/blobs/{digest}", name.publisher(), name.name());
    let headers = [
        (header::LOCATION, header_value(place)),
        (CONTENT_DIGEST, header_value(digest)),
    ];
    (StatusCode::CREATED, headers).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_far_as_they_are_understood() {
        let part = |first, last| Range::Part { first, last };
        assert_eq!(parse_range("bytes=0-3", 10), part(0, 3));
        assert_eq!(parse_range("bytes=4-", 10), part(4, 9));
        assert_eq!(parse_range("bytes=4-99", 10), part(4, 9));
        assert_eq!(parse_range("bytes=9-9", 10), part(9, 9));
        assert_eq!(parse_range("bytes=10-", 10), Range::Outside);
        for ignored in ["bytes=-5", "bytes=5-3", "items=0-1", "bytes=0-1,3-4", "bytes=x-"] {
            assert_eq!(parse_range(ignored, 10), Range::Whole, "{ignored}");
        }
    }
}
