//! The `flowforge:connector` custom section: what WIT cannot say about a connector.
//!
//! The build tool writes it, so that one file is self-contained and one signature covers it. It is a claim of the
//! author: it may add words and lower the caution about repetition, never add a permission.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wasm_encoder::{CustomSection, Encode as _, Section as _};
use wasmparser::{Parser, Payload};

use crate::{Docs, Effect, Trigger};

/// Name of the custom section.
pub const META_SECTION: &str = "flowforge:connector";

/// Largest section that is read or written, in bytes.
pub(crate) const META_BYTES_MAX: usize = 256 * 1024;

/// What the build tool wrote about a connector. Fields that a reader does not know are passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorMeta {
    /// `publisher:name`.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// Name for people.
    #[serde(default)]
    pub title: String,
    /// One sentence.
    #[serde(default)]
    pub summary: String,
    /// `transform`, `data`, `messaging`, `files`, `ai`, `devices` or `other`.
    #[serde(default)]
    pub category: String,
    /// SPDX expression.
    #[serde(default)]
    pub license: String,
    /// What it needs from the outside.
    #[serde(default)]
    pub needs: Needs,
    /// Slot → what kind of secret it takes.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretSlot>,
    /// Operation name → what is known of it beyond its types.
    #[serde(default)]
    pub operations: BTreeMap<String, OperationMeta>,
    /// The doc comments of its WIT.
    #[serde(default)]
    pub docs: Docs,
}

/// What a connector needs from the outside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// Outgoing HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpNeed>,
}

/// Why and where a connector makes requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpNeed {
    /// Suggested destinations; `*` if the builder chooses.
    #[serde(default)]
    pub destinations: Vec<String>,
    /// For people.
    #[serde(default)]
    pub reason: String,
}

/// A place for a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretSlot {
    /// `bearer`, `basic`, `api-key`, `hmac-key` or `opaque`.
    pub kind: String,
    /// Where it is meant to be sent.
    #[serde(default)]
    pub destinations: Vec<String>,
}

/// What is known of an operation beyond its types.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationMeta {
    /// Short name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What a repetition does, if it is known to be harmless.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// How it begins runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
}

/// Why the section could not be written.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// The bytes are no component.
    #[error("not a component")]
    NotComponent,
    /// The section would be too large.
    #[error("connector description is {actual_bytes} bytes, above the limit of {limit_bytes}")]
    TooLarge {
        /// Its size.
        actual_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// The description is no JSON; cannot happen with a value of this crate.
    #[error("connector description cannot be written")]
    Encode(#[source] serde_json::Error),
}

/// The component with this description, in place of one it may already have.
///
/// # Errors
/// [`EmbedError::NotComponent`] if the bytes are no component, [`EmbedError::TooLarge`] above 256 KiB of JSON.
pub fn embed_meta(component: &[u8], meta: &ConnectorMeta) -> Result<Vec<u8>, EmbedError> {
    let json = serde_json::to_vec(meta).map_err(EmbedError::Encode)?;
    if json.len() > META_BYTES_MAX {
        return Err(EmbedError::TooLarge {
            actual_bytes: json.len(),
            limit_bytes: META_BYTES_MAX,
        });
    }
    if !Parser::is_component(component) {
        return Err(EmbedError::NotComponent);
    }
    let mut out = without_meta(component).ok_or(EmbedError::NotComponent)?;
    let section = CustomSection {
        name: Cow::Borrowed(META_SECTION),
        data: Cow::Owned(json),
    };
    out.push(section.id());
    section.encode(&mut out);
    Ok(out)
}

/// The bytes without top-level `flowforge:connector` sections; nothing if they cannot be parsed.
fn without_meta(component: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(component.len());
    let mut copied = 0;
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload.ok()? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if depth == 1 && section.name() == META_SECTION => {
                // The section begins with its id and its length, before the range that the parser reports.
                let body = section.range().end - section.range().start;
                let header = 1 + leb128_len(body);
                out.extend_from_slice(component.get(copied..section.range().start.checked_sub(header)?)?);
                copied = section.range().end;
            }
            _ => {}
        }
    }
    out.extend_from_slice(component.get(copied..)?);
    Some(out)
}

fn leb128_len(value: usize) -> usize {
    let bits = usize::BITS - value.max(1).leading_zeros();
    usize::try_from(bits.div_ceil(7)).unwrap_or(1)
}
