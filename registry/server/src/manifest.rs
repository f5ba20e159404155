//! Manifests: read just enough to judge them, kept exactly as they came.

use std::collections::BTreeMap;

use bytes::Bytes;
use flowforge_protocol::publication::PUBLICATION_TYPE;
use flowforge_protocol::{Digest, strict};
use serde::{Deserialize, Serialize};

use crate::config::{LAYERS_MAX, MANIFEST_BYTES_MAX};
use crate::refusal::{Code, Refusal};

/// Media type of every manifest here.
pub(crate) const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of a list of manifests.
pub(crate) const IMAGE_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Media type of a component's bytes.
pub(crate) const WASM_LAYER: &str = "application/wasm";
/// Media type of a component's configuration.
pub(crate) const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// Media type of no configuration: the two bytes `{}`.
pub(crate) const EMPTY_CONFIG: &str = "application/vnd.oci.empty.v1+json";

/// A reference to content by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    /// Other places for the content. Refused: whoever follows them leaves this registry, with its credentials.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) urls: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// The parts of a manifest that the registry reads. Others are kept in its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u32,
    #[serde(default = "image_manifest")]
    pub(crate) media_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

fn image_manifest() -> String {
    IMAGE_MANIFEST.to_owned()
}

impl Manifest {
    /// Reads a manifest and checks what holds for every kind of it.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let invalid = |message: String| Refusal::new(Code::ManifestInvalid, message);
        if bytes.len() > MANIFEST_BYTES_MAX {
            let message = format!(
                "the manifest is {} bytes, above the limit of {MANIFEST_BYTES_MAX}",
                bytes.len()
            );
            return Err(Refusal::new(Code::SizeInvalid, message));
        }
        let manifest: Self = strict::parse_strict(bytes, MANIFEST_BYTES_MAX)
            .map_err(|e| invalid(format!("not an image manifest: {e}")))?;
        if manifest.schema_version != 2 || manifest.media_type != IMAGE_MANIFEST {
            return Err(invalid(format!(
                "only manifests of type `{IMAGE_MANIFEST}` with schemaVersion 2 are accepted, found `{}`",
                manifest.media_type.chars().take(100).collect::<String>()
            )));
        }
        if manifest.layers.len() > LAYERS_MAX {
            let found = manifest.layers.len();
            return Err(invalid(format!(
                "{found} layers, at most {LAYERS_MAX} are accepted"
            )));
        }
        if manifest.contents().any(|descriptor| !descriptor.urls.is_empty()) {
            return Err(invalid(
                "content by `urls` is not accepted; push the blob itself".to_owned(),
            ));
        }
        Ok(manifest)
    }

    /// What the manifest is made of: configuration and layers.
    pub(crate) fn contents(&self) -> impl Iterator<Item = &Descriptor> {
        std::iter::once(&self.config).chain(&self.layers)
    }

    /// The component's layer, if this is the manifest of a component.
    pub(crate) fn component(&self) -> Option<&Descriptor> {
        match self.layers.as_slice() {
            [layer] if layer.media_type == WASM_LAYER && self.subject.is_none() => Some(layer),
            _ => None,
        }
    }

    /// What kind of thing a referrer is: its own word, or the type of its configuration.
    pub(crate) fn kind(&self) -> &str {
        self.artifact_type.as_deref().unwrap_or(&self.config.media_type)
    }
}

/// A manifest as pushed.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) digest: Digest,
    pub(crate) bytes: Bytes,
    pub(crate) manifest: Manifest,
}

impl Stored {
    pub(crate) fn parse(bytes: Bytes) -> Result<Self, Refusal> {
        Ok(Self {
            digest: Digest::of(&bytes),
            manifest: Manifest::parse(&bytes)?,
            bytes,
        })
    }

    /// Whether it is a publisher's statement about another manifest. What has no subject is about nothing, whatever it calls
    /// itself.
    pub(crate) fn is_publication(&self) -> bool {
        self.manifest.subject.is_some() && self.manifest.kind() == PUBLICATION_TYPE
    }

    /// How a list of referrers shows it.
    pub(crate) fn as_referrer(&self) -> Descriptor {
        Descriptor {
            media_type: self.manifest.media_type.clone(),
            digest: self.digest,
            size: self.bytes.len() as u64,
            artifact_type: Some(self.manifest.kind().to_owned()),
            urls: Vec::new(),
            annotations: self.manifest.annotations.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(change: impl FnOnce(&mut serde_json::Value)) -> Result<Manifest, Refusal> {
        let digest = Digest::of(b"x");
        let mut value = json!({
            "schemaVersion": 2, "mediaType": IMAGE_MANIFEST, "future": {"kept": true},
            "config": {"mediaType": EMPTY_CONFIG, "digest": digest, "size": 1},
            "layers": [{"mediaType": WASM_LAYER, "digest": digest, "size": 1}],
        });
        change(&mut value);
        Manifest::parse(value.to_string().as_bytes())
    }

    #[test]
    fn a_manifest_with_fields_of_the_future_is_read() {
        let manifest = with(|_| {}).unwrap();
        assert!(manifest.component().is_some());
        assert!(with(|m| m["layers"][0]["future"] = json!(1)).is_ok());
    }

    #[test]
    fn what_is_no_image_manifest_is_refused() {
        let code = |result: Result<Manifest, Refusal>| result.unwrap_err().code;
        assert_eq!(
            code(with(|m| m["schemaVersion"] = json!(1))),
            Code::ManifestInvalid
        );
        assert_eq!(
            code(with(|m| m["mediaType"] = json!(IMAGE_INDEX))),
            Code::ManifestInvalid
        );
        assert_eq!(code(with(|m| m["layers"] = json!("none"))), Code::ManifestInvalid);
        assert_eq!(
            code(with(|m| m["layers"][0]["urls"] = json!(["http://evil"]))),
            Code::ManifestInvalid
        );
        assert_eq!(
            code(with(|m| m["layers"][0]["digest"] = json!("sha256:00"))),
            Code::ManifestInvalid
        );
        let many = vec![json!({"mediaType": "x", "digest": Digest::of(b"x"), "size": 1}); LAYERS_MAX + 1];
        assert_eq!(code(with(|m| m["layers"] = json!(many))), Code::ManifestInvalid);
        let large = json!("x".repeat(MANIFEST_BYTES_MAX));
        assert_eq!(
            code(with(|m| m["annotations"] = json!({"a": large}))),
            Code::SizeInvalid
        );
        assert_eq!(code(Manifest::parse(b"{}")), Code::ManifestInvalid);
        let twice = br#"{"schemaVersion":2,"schemaVersion":2,"layers":[],"config":{}}"#;
        assert!(
            Manifest::parse(twice)
                .unwrap_err()
                .message
                .contains("occurs twice")
        );
    }
}
