//! What the registry would say, without a push.

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_protocol::ConnectorName;
use serde::Deserialize;

use crate::config::ENVELOPE_BYTES_MAX;
use crate::refusal::{Code, Refusal};
use crate::registry::Registry;

/// The header with the publisher's statement, in base64.
pub(crate) const PUBLICATION: &str = "flowforge-publication";

#[derive(Deserialize)]
pub(super) struct Asked {
    name: ConnectorName,
    version: String,
}

/// `POST /connectors/judgement?name=…&version=…` with the component as its body: every gate, asked and answered. Nothing is
/// kept of it.
pub(super) async fn judge(
    State(registry): State<Registry>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let envelope = headers.get(PUBLICATION).map(|text| {
        if text.len() > ENVELOPE_BYTES_MAX {
            let message = format!("the publication is above the limit of {ENVELOPE_BYTES_MAX} bytes");
            return Err(Refusal::new(Code::SizeInvalid, message));
        }
        STANDARD.decode(text).map_err(|_| {
            Refusal::new(
                Code::ManifestInvalid,
                format!("the header `{PUBLICATION}` is not base64"),
            )
        })
    });
    let envelope = envelope.transpose()?;
    let bytes_max = usize::try_from(registry.component_bytes_max()).unwrap_or(usize::MAX);
    let bytes = axum::body::to_bytes(body, bytes_max).await.map_err(|error| {
        let message = format!("the component is above the limit of {bytes_max} bytes or broke off: {error}");
        Refusal::new(Code::SizeInvalid, message)
    })?;
    let report = registry
        .judge(&asked.name, &asked.version, bytes, envelope.as_deref())
        .await?;
    Ok(axum::Json(report).into_response())
}
