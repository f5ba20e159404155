//! What is in the registry, in memory: small, and rebuilt from the folder at every start.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use flowforge_gates::{Advisory, Known};
use flowforge_protocol::{ConnectorName, Digest};
use semver::Version;

use crate::access::People;
use crate::catalogue::Entry;
use crate::manifest::{Descriptor, Stored};
use crate::standing::Deprecation;

#[derive(Debug, Default)]
pub(crate) struct Repo {
    pub(crate) manifests: BTreeMap<Digest, Arc<Stored>>,
    /// Version → manifest that the tag stands for; published or not.
    pub(crate) tags: BTreeMap<Version, Digest>,
    pub(crate) versions: BTreeMap<Version, Arc<Entry>>,
    /// Manifests of versions that were published once and are not served now, because their signer is not trusted any
    /// more. Releases may name them, so they stay.
    pub(crate) withheld: HashSet<Digest>,
    /// The latest version as lists and searches show it.
    pub(crate) front: Option<Front>,
    /// Why it should not be used for something new.
    pub(crate) deprecation: Option<Arc<Deprecation>>,
    /// Blobs that were pushed to this repository: others are unknown here, even if their bytes are kept. With
    /// their sizes.
    pub(crate) blobs: HashMap<Digest, u64>,
    /// When each manifest came, milliseconds since 1970 UTC; for those of an earlier process, when this one began.
    pub(crate) arrived: HashMap<Digest, u64>,
}

/// A connector as lists and searches show it, prepared once for all of them.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) latest: Arc<Entry>,
    /// Everything that is searched, in lower case: first name and title, then the rest.
    pub(crate) text: String,
    head_bytes: usize,
}

impl Front {
    fn of<'a>(versions: impl Iterator<Item = &'a Arc<Entry>>) -> Option<Self> {
        let offered = versions.filter(|entry| entry.standing.yanked.is_none());
        let latest = offered.max_by_key(|entry| (entry.version.pre.is_empty(), &entry.version))?;
        let meta = latest.interface.meta.as_ref();
        let title = meta.map_or("", |meta| meta.title.as_str());
        let mut text = format!("{} {title}", latest.name).to_lowercase();
        let head_bytes = text.len();
        let summary = meta.map_or("", |meta| meta.summary.as_str());
        let operations = latest
            .interface
            .operations
            .iter()
            .map(|operation| operation.name.as_str());
        for part in [summary].into_iter().chain(operations) {
            text.push(' ');
            text.push_str(&part.to_lowercase());
        }
        Some(Self {
            latest: Arc::clone(latest),
            text,
            head_bytes,
        })
    }

    /// Name and title, in lower case.
    pub(crate) fn head(&self) -> &str {
        self.text.get(..self.head_bytes).unwrap_or_default()
    }
}

impl Repo {
    /// Enters a version, or another state of it.
    pub(crate) fn publish(&mut self, entry: Arc<Entry>) {
        self.versions.insert(entry.version.clone(), entry);
        self.front = Front::of(self.versions.values());
    }

    pub(crate) fn add_manifest(&mut self, stored: Arc<Stored>, now_ms: u64) {
        self.arrived.entry(stored.digest).or_insert(now_ms);
        self.blobs.extend(
            stored
                .manifest
                .contents()
                .map(|content| (content.digest, content.size)),
        );
        self.manifests.insert(stored.digest, stored);
    }

    /// True if a publisher's signature stands behind it: it is a published component, or the publication of one. Anybody
    /// can push anything else, so that expires, and has a bound of its own.
    pub(crate) fn is_signed(&self, stored: &Stored) -> bool {
        let published = |entry: &Arc<Entry>| entry.manifest_digest == stored.digest;
        stored.is_publication()
            || self.withheld.contains(&stored.digest)
            || self.versions.values().any(published)
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

    /// Bytes of the blobs that no signed manifest names.
    pub(crate) fn unsigned_bytes(&self) -> u64 {
        let signed = self.manifests.values().filter(|stored| self.is_signed(stored));
        let named: HashSet<Digest> = signed
            .flat_map(|stored| stored.manifest.contents())
            .map(|content| content.digest)
            .collect();
        let unsigned = self.blobs.iter().filter(|(digest, _)| !named.contains(digest));
        unsigned.map(|(_, size)| size).sum()
    }

    /// Whether a manifest of this repository names the blob.
    pub(crate) fn names_blob(&self, digest: &Digest) -> bool {
        let mut contents = self
            .manifests
            .values()
            .flat_map(|stored| stored.manifest.contents());
        contents.any(|content| content.digest == *digest)
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
    /// By their id.
    pub(crate) advisories: BTreeMap<String, Arc<Advisory>>,
    /// Accounts and publishers.
    pub(crate) people: Arc<People>,
    /// Everybody who has published something.
    publishers: BTreeSet<String>,
    signed_blobs: HashSet<Digest>,
    signed_bytes: u64,
}

impl Index {
    /// Bytes of what signed manifests name, each blob once.
    pub(crate) fn signed_bytes(&self) -> u64 {
        self.signed_bytes
    }

    /// Everybody who has published something.
    pub(crate) fn published_by(&self) -> impl Iterator<Item = &str> {
        self.publishers.iter().map(String::as_str)
    }

    /// Counts what a manifest names as signed. What is signed once stays.
    pub(crate) fn count_signed(&mut self, stored: &Stored) {
        for content in stored.manifest.contents() {
            if self.signed_blobs.insert(content.digest) {
                self.signed_bytes = self.signed_bytes.saturating_add(content.size);
            }
        }
    }

    /// Enters a repository that was read from the folder.
    pub(crate) fn add_repo(&mut self, name: ConnectorName, repo: Repo) {
        let signed: Vec<_> = repo
            .manifests
            .values()
            .filter(|stored| repo.is_signed(stored))
            .cloned()
            .collect();
        signed.iter().for_each(|stored| self.count_signed(stored));
        if !repo.versions.is_empty() {
            self.publishers.insert(name.publisher().to_owned());
        }
        self.repos.insert(name, repo);
    }

    /// Enters a version, or another state of it.
    pub(crate) fn publish(&mut self, entry: Arc<Entry>) {
        if !self.publishers.contains(entry.name.publisher()) {
            self.publishers.insert(entry.name.publisher().to_owned());
        }
        self.repos.entry(entry.name.clone()).or_default().publish(entry);
    }

    /// What the gates ask the registry about a connector.
    pub(crate) fn known(&self, name: &ConnectorName, bytes_max: u64, owner: Result<(), String>) -> Known<'_> {
        let versions = self
            .repos
            .get(name)
            .into_iter()
            .flat_map(|repo| repo.versions.values());
        Known {
            bytes_max,
            versions: versions
                .map(|entry| (&entry.version, entry.layer_digest, entry.interface.as_ref()))
                .collect(),
            publishers: self
                .published_by()
                .chain(self.people.publishers.keys().map(String::as_str))
                .collect(),
            advisories: self.advisories.values().map(AsRef::as_ref).collect(),
            owner,
        }
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
