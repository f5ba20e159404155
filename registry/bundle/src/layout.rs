//! The documents of a layout. Source: OCI Image Layout 1.1.

use std::collections::BTreeMap;

use flowforge_protocol::{ConnectorName, Digest};
use semver::Version;
use serde::{Deserialize, Serialize};

/// Most versions of one bundle.
pub const VERSIONS_MAX: usize = 10_000;
/// Most documents about one version: publications, scorecards, bills of materials.
pub const REFERRERS_MAX: usize = 64;

/// Largest document, in bytes.
pub(crate) const DOCUMENT_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Largest manifest, in bytes.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 256 * 1024;
/// Media type of a manifest.
pub(crate) const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of a list of manifests.
pub(crate) const IMAGE_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Annotation with the version, where other tools look for a tag.
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Annotation with the connector's name.
pub(crate) const CONNECTOR: &str = "dev.flowforge.connector";

/// The path of the marker file, and what is in it.
pub(crate) const MARKER: (&str, &str) = ("oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
/// The path of the list of contents.
pub(crate) const INDEX: &str = "index.json";
/// Folder of all blobs.
pub(crate) const BLOBS: &str = "blobs/sha256/";

/// One version with everything that refers to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The connector.
    pub name: ConnectorName,
    /// The version.
    pub version: Version,
    /// Digest of the component's manifest.
    pub manifest: Digest,
    /// Digests of the manifests that refer to it.
    pub referrers: Vec<Digest>,
}

/// A reference to content.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// `index.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    pub(crate) schema_version: u32,
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) manifests: Vec<Descriptor>,
}

/// The parts of a manifest that matter here.
#[derive(Debug, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
    pub(crate) subject: Option<Descriptor>,
}

impl Manifest {
    pub(crate) fn parse(digest: Digest, bytes: &[u8]) -> Result<Self, crate::BundleError> {
        serde_json::from_slice(bytes)
            .map_err(|error| crate::BundleError::document(format!("the manifest {digest}"), error))
    }

    pub(crate) fn contents(&self) -> impl Iterator<Item = &Descriptor> {
        std::iter::once(&self.config).chain(&self.layers)
    }
}

pub(crate) fn blob_path(digest: &Digest) -> String {
    format!("{BLOBS}{}", digest.hex())
}

/// Reads a version as a bundle names it; nothing for what is none.
#[must_use]
pub fn parse_version(text: &str) -> Option<Version> {
    Version::parse(text).ok()
}
