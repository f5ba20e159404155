//! What is in the registry, in memory: small, and rebuilt from the folder at every start.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use flowforge_protocol::publication::PUBLICATION_TYPE;
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
    /// When each manifest came, milliseconds since 1970 UTC; for those of an earlier process, when this one began.
    pub(crate) arrived: HashMap<Digest, u64>,
}

impl Repo {
    pub(crate) fn add_manifest(&mut self, stored: Arc<Stored>, now_ms: u64) {
        self.arrived.entry(stored.digest).or_insert(now_ms);
        self.blobs
            .extend(stored.manifest.contents().map(|descriptor| descriptor.digest));
        self.manifests.insert(stored.digest, stored);
    }

    /// True if a publisher's signature stands behind it: it is a published component, or the publication of one. Anybody
    /// can push anything else, so that expires, and has a bound of its own.
    pub(crate) fn is_signed(&self, stored: &Stored) -> bool {
        let published = |entry: &Arc<Entry>| entry.manifest_digest == stored.digest;
        stored.manifest.kind() == PUBLICATION_TYPE || self.versions.values().any(published)
    }

    /// Unsigned manifests, and when they came; only those about a subject if one is given.
    pub(crate) fn unsigned(&self, subject: Option<&Digest>) -> Vec<(u64, Digest)> {
        let about = |stored: &&Arc<Stored>| {
            subject.is_none_or(|wanted| {
                let subject = stored.manifest.subject.as_ref();
                subject.is_some_and(|subject| subject.digest == *wanted)
            })
        };
        let unsigned = self
            .manifests
            .values()
            .filter(about)
            .filter(|stored| !self.is_signed(stored));
        unsigned
            .map(|stored| {
                let arrived = self.arrived.get(&stored.digest).copied();
                (arrived.unwrap_or(0), stored.digest)
            })
            .collect()
    }

    /// Forgets a manifest and the tags that stand for it; returns those. Its blobs stay until they are collected.
    pub(crate) fn forget(&mut self, digest: &Digest) -> Vec<Version> {
        self.manifests.remove(digest);
        self.arrived.remove(digest);
        let tags = self.tags.extract_if(.., |_, tagged| tagged == digest);
        tags.map(|(version, _)| version).collect()
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
    /// Bytes of what signed manifests name, each blob once.
    pub(crate) fn signed_bytes(&self) -> u64 {
        let mut sizes = HashMap::new();
        for repo in self.repos.values() {
            let signed = repo.manifests.values().filter(|stored| repo.is_signed(stored));
            let contents = signed.flat_map(|stored| stored.manifest.contents());
            sizes.extend(contents.map(|content| (content.digest, content.size)));
        }
        sizes.values().sum()
    }

    /// Every blob that a manifest names.
    pub(crate) fn named_blobs(&self) -> HashSet<Digest> {
        let manifests = self.repos.values().flat_map(|repo| repo.manifests.values());
        let contents = manifests.flat_map(|stored| stored.manifest.contents());
        contents.map(|content| content.digest).collect()
    }

    /// All published versions whose bytes have this digest.
    pub(crate) fn by_layer(&self, layer: &Digest) -> impl Iterator<Item = &Arc<Entry>> {
        let published = self.repos.values().flat_map(|repo| repo.versions.values());
        published.filter(move |entry| entry.layer_digest == *layer)
    }
}
