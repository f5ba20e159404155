//! A grant set: what the releases of a workspace may reach and which secrets they may use.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::envelope::Document;
use crate::used::Use;
use crate::{Digest, NodeId};

/// Payload type of the envelope that carries a [`GrantSet`].
pub const GRANT_SET_TYPE: &str = "application/vnd.flowforge.grant-set.v1+json";

/// The grants of one release: signed by the grant key, apart from the release key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantSet {
    /// Tenant.
    pub workspace: String,
    /// Project inside it.
    pub project: String,
    /// The release these grants are for.
    pub release: Digest,
    /// Grows with each new set for the same workflow.
    pub version: u64,
    /// Grants by node; a node that is absent gets nothing.
    pub nodes: BTreeMap<NodeId, NodeGrants>,
    /// When it was made, milliseconds since 1970 UTC.
    pub created_at_ms: u64,
}

impl GrantSet {
    /// Whether a node may do this.
    #[must_use]
    pub fn allows(&self, node: &NodeId, what: &Use) -> bool {
        self.nodes.get(node).is_some_and(|grants| grants.allow(what))
    }
}

impl NodeGrants {
    /// Whether this is among the grants: the destination itself, or the secret for this destination.
    #[must_use]
    pub fn allow(&self, what: &Use) -> bool {
        match &what.secret {
            None => self.destinations.contains(&what.destination),
            Some(secret) => self
                .secrets
                .values()
                .any(|grant| grant.secret == *secret && grant.destinations.contains(&what.destination)),
        }
    }
}

impl Document for GrantSet {
    const TYPE: &'static str = GRANT_SET_TYPE;
}

/// What one node may use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeGrants {
    /// Destinations, `scheme://name:port`.
    pub destinations: Vec<String>,
    /// Slot → grant of one secret.
    pub secrets: BTreeMap<String, SecretGrant>,
}

/// One secret for one slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretGrant {
    /// Name of the secret.
    pub secret: String,
    /// Kind: `bearer`, `basic`, `api-key`, `hmac-key`, `opaque`.
    pub kind: String,
    /// Where it may be sent, `scheme://name:port`.
    pub destinations: Vec<String>,
}
