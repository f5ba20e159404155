//! The releases of this host, each verified and planned once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use flowforge_journal::{Journal, Space, Urgency};
use flowforge_protocol::grants::{GrantSet, NodeGrants};
use flowforge_protocol::release::Release;
use flowforge_protocol::{Digest, NodeId, Signed, TrustRoot};
use flowforge_runtime::SharedCache;
use flowforge_workflow::Plan;

use super::components::Components;
use super::fetch::Fetcher;
use super::{ArtifactSource, grants};
use crate::apart::Apart;
use crate::clock::Entropy;
use crate::connectors::{Connector, ConnectorHost};
use crate::order::Refusal;
use crate::site::SiteSettings;
use crate::text::with_causes;

/// Most releases held for jobs that may come; those of running runs are held by them.
const RELEASES_MAX: usize = 128;

/// A release that may run here.
pub struct LoadedRelease {
    /// Digest of the release's payload.
    pub digest: Digest,
    /// Digest of the grant set's payload.
    pub grants_digest: Digest,
    /// The verified release.
    pub release: Signed<Release>,
    /// What the state machine runs on.
    pub plan: Arc<Plan>,
    connectors: BTreeMap<String, Arc<dyn Connector>>,
    grants: BTreeMap<NodeId, NodeGrants>,
}

impl LoadedRelease {
    /// The connector of this name.
    #[must_use]
    pub fn connector(&self, name: &str) -> Option<&Arc<dyn Connector>> {
        self.connectors.get(name)
    }

    /// What this node may use.
    #[must_use]
    pub fn grants(&self, node: &NodeId) -> NodeGrants {
        self.grants.get(node).cloned().unwrap_or_default()
    }

    /// The digests of the connectors, by name.
    #[must_use]
    pub fn connector_digests(&self) -> BTreeMap<String, Digest> {
        self.release
            .connectors
            .iter()
            .map(|(name, pinned)| (name.clone(), pinned.digest))
            .collect()
    }
}

/// Why a release is not loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// It must not run here, or cannot.
    #[error(transparent)]
    Refused(Refusal),
    /// Something transient is in the way; try again later.
    #[error("{0}")]
    NotNow(String),
}

/// What the releases need.
pub(crate) struct ReleasesParts<'p> {
    pub(crate) journal: Journal,
    pub(crate) trust: Arc<TrustRoot>,
    pub(crate) source: Arc<dyn ArtifactSource>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) host: Arc<dyn ConnectorHost>,
    pub(crate) data_dir: &'p Path,
    /// Where records are read again and plans are made.
    pub(crate) readings: Apart,
    /// What the site objects to.
    pub(crate) site: SiteSettings,
}

/// The releases of this host.
pub struct Releases {
    journal: Journal,
    components: Components,
    readings: Apart,
    site: SiteSettings,
    releases: SharedCache<(Digest, Digest), Arc<LoadedRelease>>,
}

impl Releases {
    pub(crate) fn new(parts: ReleasesParts<'_>) -> Self {
        let fetcher = Fetcher {
            source: parts.source,
            entropy: parts.entropy,
        };
        let folder = parts.data_dir.join("components");
        Self {
            journal: parts.journal,
            components: Components::new(parts.trust, fetcher, parts.host, folder),
            readings: parts.readings,
            site: parts.site,
            releases: SharedCache::new(RELEASES_MAX),
        }
    }

    /// Where records are read again and plans are made.
    pub(super) fn readings(&self) -> &Apart {
        &self.readings
    }

    pub(super) fn fetcher(&self) -> &Fetcher {
        &self.components.fetcher
    }

    /// The release with these grants, if it is in memory.
    pub(super) fn get(&self, release: Digest, grants: Digest) -> Option<Arc<LoadedRelease>> {
        self.releases.get(&(release, grants))
    }

    /// The release with these grants: from memory, from the journal and the disk, or from the control plane.
    ///
    /// # Errors
    /// [`LoadError`].
    pub(super) async fn load(
        &self,
        release: Digest,
        grants: Digest,
    ) -> Result<Arc<LoadedRelease>, LoadError> {
        self.releases
            .get_or_load(&(release, grants), || self.load_anew(release, grants))
            .await
    }

    async fn load_anew(&self, release: Digest, grants: Digest) -> Result<Arc<LoadedRelease>, LoadError> {
        let (signed, grant_set) = match self.stored(release, grants).await? {
            Some(documents) => documents,
            None => self.fetched(release, grants).await?,
        };
        let mut connectors = BTreeMap::new();
        let mut interfaces = BTreeMap::new();
        for (name, pinned) in &signed.connectors {
            let connector = self.components.load(name, pinned).await?;
            interfaces.insert(name.clone(), connector.interface().clone());
            connectors.insert(name.clone(), connector);
        }
        let refused = |reason: String| LoadError::Refused(Refusal::Release { release, reason });
        if Digest::of_json(&signed.definition) != signed.definition_digest {
            return Err(refused(
                "its definition is not the one its digest names".to_owned(),
            ));
        }
        let (definition, children) = (signed.definition.clone(), signed.children.clone());
        let plan = self
            .readings
            .run(None, move |_| {
                Plan::from_canonical(&definition, &interfaces, &children)
            })
            .await
            .map_err(|stopping| LoadError::NotNow(stopping.to_string()))?
            .map_err(|error| refused(with_causes(&error)))?;
        let granted = grants::intersect(&signed.requests, &grant_set.nodes);
        if let Some(reason) = self.site.objects(&signed, &granted) {
            return Err(LoadError::Refused(Refusal::Site { release, reason }));
        }
        Ok(Arc::new(LoadedRelease {
            digest: release,
            grants_digest: grants,
            release: signed,
            plan,
            connectors,
            grants: granted,
        }))
    }

    fn verify(
        &self,
        release: Digest,
        grants: Digest,
        release_envelope: &[u8],
        grants_envelope: &[u8],
    ) -> Result<(Signed<Release>, Signed<GrantSet>), Refusal> {
        let trust = &self.components.trust;
        let release_refused = |reason: String| Refusal::Release { release, reason };
        let signed = Signed::<Release>::open(release_envelope, &trust.release_keys)
            .map_err(|error| release_refused(error.to_string()))?;
        if signed.digest() != release {
            return Err(release_refused(format!(
                "the document that came has digest {}",
                signed.digest()
            )));
        }
        if signed.workspace != trust.workspace {
            return Err(release_refused("it belongs to another workspace".to_owned()));
        }
        let grants_refused = |reason: String| Refusal::Grants { grants, reason };
        let set = Signed::<GrantSet>::open(grants_envelope, &trust.grant_keys)
            .map_err(|error| grants_refused(error.to_string()))?;
        if set.digest() != grants {
            return Err(grants_refused(format!(
                "the document that came has digest {}",
                set.digest()
            )));
        }
        if set.workspace != trust.workspace {
            return Err(grants_refused("it belongs to another workspace".to_owned()));
        }
        if set.release != release {
            return Err(grants_refused(format!("it is for release {}", set.release)));
        }
        Ok((signed, set))
    }

    /// The documents as they were stored, if they are and still verify.
    async fn stored(
        &self,
        release: Digest,
        grants: Digest,
    ) -> Result<Option<(Signed<Release>, Signed<GrantSet>)>, LoadError> {
        let read = async |space, digest: Digest| {
            self.journal
                .get(space, &digest.hex())
                .await
                .map_err(|error| LoadError::NotNow(with_causes(&error)))
        };
        let (Some(release_envelope), Some(grants_envelope)) = (
            read(Space::Release, release).await?,
            read(Space::Grants, grants).await?,
        ) else {
            return Ok(None);
        };
        Ok(self
            .verify(release, grants, &release_envelope, &grants_envelope)
            .ok())
    }

    async fn fetched(
        &self,
        release: Digest,
        grants: Digest,
    ) -> Result<(Signed<Release>, Signed<GrantSet>), LoadError> {
        let documents = self.components.fetcher.documents(release, grants).await?;
        let verified = self
            .verify(
                release,
                grants,
                documents.release.as_bytes(),
                documents.grants.as_bytes(),
            )
            .map_err(LoadError::Refused)?;
        for (space, digest, envelope) in [
            (Space::Release, release, documents.release),
            (Space::Grants, grants, documents.grants),
        ] {
            self.journal
                .put(space, &digest.hex(), envelope.into_bytes(), Urgency::Lazy)
                .await
                .map_err(|error| LoadError::NotNow(with_causes(&error)))?;
        }
        Ok(verified)
    }
}
