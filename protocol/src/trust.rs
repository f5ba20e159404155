//! The trust root: which keys a workspace believes for what.
//!
//! A host pins one when it joins; everything it acts on is signed by a key that stands here. The roles are apart, so
//! that a stolen scheduler key can only run again what the release and grant keys approved.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::envelope::Document;
use crate::keys::VerifyingKey;

/// Payload type of the envelope that carries a [`TrustRoot`].
pub const TRUST_ROOT_TYPE: &str = "application/vnd.flowforge.trust-root.v1+json";

/// Stands for every publisher that has no entry of its own.
pub const ANY_PUBLISHER: &str = "*";

/// The keys of a workspace, by role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustRoot {
    /// Tenant.
    pub workspace: String,
    /// Grows with every change; a reader never goes back to a smaller one.
    pub version: u64,
    /// May sign releases: what may run.
    pub release_keys: Vec<VerifyingKey>,
    /// May sign grant sets: what a release may reach.
    pub grant_keys: Vec<VerifyingKey>,
    /// May sign jobs: run it now, here.
    pub scheduler_keys: Vec<VerifyingKey>,
    /// May sign publications: publisher's name (the part of a connector's name before the colon) → keys. The entry
    /// [`ANY_PUBLISHER`] speaks for names without an entry, never for one that has its own.
    pub publishers: BTreeMap<String, Vec<VerifyingKey>>,
}

impl TrustRoot {
    /// The keys that may publish under a publisher's name; empty if nobody may.
    #[must_use]
    pub fn publisher_keys(&self, publisher: &str) -> &[VerifyingKey] {
        self.publishers
            .get(publisher)
            .or_else(|| self.publishers.get(ANY_PUBLISHER))
            .map_or(&[], Vec::as_slice)
    }
}

impl Document for TrustRoot {
    const TYPE: &'static str = TRUST_ROOT_TYPE;
}
