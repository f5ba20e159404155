//! A release: a published workflow version with every connector pinned by digest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::envelope::Document;
use crate::{Digest, NodeId};

/// Payload type of the envelope that carries a [`Release`].
pub const RELEASE_TYPE: &str = "application/vnd.flowforge.workflow-release.v1+json";

/// The version of a release that is none: a draft, signed so that it can be tried. It is never published.
pub const DRAFT_VERSION: u32 = 0;

/// What may run: signed by the release key, immutable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Tenant.
    pub workspace: String,
    /// Project inside it.
    pub project: String,
    /// Workflow name, kebab-case.
    pub workflow: String,
    /// 1, 2, 3, … for each workflow; [`DRAFT_VERSION`] for a draft that is tried.
    pub version: u32,
    /// For people.
    pub title: String,
    /// Digest of `definition` in canonical form.
    pub definition_digest: Digest,
    /// The definition in canonical form; only the `workflow` crate reads it.
    pub definition: serde_json::Value,
    /// Every connector the definition calls, by name.
    pub connectors: BTreeMap<String, PinnedConnector>,
    /// The connector that each node calls: what a verifier needs to know which of them ran.
    pub calls: BTreeMap<NodeId, String>,
    /// Every workflow that a `workflow` node runs, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub children: BTreeMap<String, PinnedRelease>,
    /// Whether values stay on the host: the control plane then knows their sizes and types, not their contents.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub values_stay: bool,
    /// Configuration fixed for this version.
    pub config: serde_json::Map<String, serde_json::Value>,
    /// What each node asks for; a host gives at most what the grant set also holds.
    pub requests: Vec<GrantRequest>,
    /// When it was made, milliseconds since 1970 UTC.
    pub created_at_ms: u64,
}

impl Document for Release {
    const TYPE: &'static str = RELEASE_TYPE;
    // A definition with its embedded data may be larger than other documents.
    const MAX_BYTES: usize = 1024 * 1024;
}

/// One connector version, by its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedConnector {
    /// Semantic version, for people.
    pub version: String,
    /// Digest of the component's bytes.
    pub digest: Digest,
}

/// One release of another workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedRelease {
    /// Its version, for people.
    pub version: u32,
    /// Digest of the release's payload bytes.
    pub release: Digest,
    /// Digest of the grant set's payload bytes.
    pub grants: Digest,
}

/// What one node needs beyond computing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantRequest {
    /// The node, wherever it is nested: ids are unique in a workflow.
    pub node: NodeId,
    /// `scheme://name:port`, port always written out.
    pub destinations: Vec<String>,
    /// Slot of the connector → name of the secret.
    pub secrets: BTreeMap<String, String>,
}
