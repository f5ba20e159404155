//! What is in the registry, in memory: small, and rebuilt from the folder at every start.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use flowforge_protocol::{ConnectorName, Digest};
use semver::Version;

use crate::catalogue::Entry;
use crate::manifest::{Descriptor, Stored};

#[derive(Debug, Default)]
pub(crate) struct Repo {
    pub(crate) manifests: BTreeMap<Digest, Arc<Stored>>,
    /// Version → manifest that the tag stands for; published or not.
    pub(crate) tags: BTreeMap<Version, Digest>,
    pub(crate) versions: BTreeMap<Version, Arc<Entry>>,
    /// Blobs that were pushed to this repository: others are unknown here, even if their bytes are kept.
    pub(crate) blobs: HashSet<Digest>,
}

impl Repo {
    pub(crate) fn add_manifest(&mut self, stored: Arc<Stored>) {
        self.blobs
            .extend(stored.manifest.contents().map(|descriptor| descriptor.digest));
        self.manifests.insert(stored.digest, stored);
    }

    /// The component's layer behind a tag.
    pub(crate) fn layer_of_tag(&self, version: &Version) -> Option<&Descriptor> {
        self.manifests.get(self.tags.get(version)?)?.manifest.component()
    }

    pub(crate) fn referrers<'a>(&'a self, subject: &'a Digest) -> impl Iterator<Item = &'a Arc<Stored>> {
        let of_subject = |stored: &&Arc<Stored>| {
            stored
                .manifest
                .subject
                .as_ref()
                .is_some_and(|s| s.digest == *subject)
        };
        self.manifests.values().filter(of_subject)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) repos: BTreeMap<ConnectorName, Repo>,
}

impl Index {
    /// All published versions whose bytes have this digest.
    pub(crate) fn by_layer(&self, layer: &Digest) -> impl Iterator<Item = &Arc<Entry>> {
        let published = self.repos.values().flat_map(|repo| repo.versions.values());
        published.filter(move |entry| entry.layer_digest == *layer)
    }
}
