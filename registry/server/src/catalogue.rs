//! The catalogue: what is published, newest first where that matters.

use std::sync::Arc;

use flowforge_ports::Interface;
use flowforge_protocol::{ConnectorName, Digest, KeyId};
use semver::Version;

use crate::registry::Registry;

/// One published version of a connector.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The connector.
    pub name: ConnectorName,
    /// Its version.
    pub version: Version,
    /// Digest of the component's bytes: what releases pin.
    pub layer_digest: Digest,
    /// Digest of the manifest, which signatures hang on.
    pub manifest_digest: Digest,
    /// Size of the component in bytes.
    pub size_bytes: u64,
    /// What it offers and asks for, read from its bytes.
    pub interface: Arc<Interface>,
    /// The key that signed the publication.
    pub publisher_key: KeyId,
    /// The publication's envelope, as pushed.
    pub publication: String,
    /// When it was published here, milliseconds since 1970 UTC.
    pub published_at_ms: u64,
}

/// What is published. All answers come from memory.
impl Registry {
    /// The latest version of every connector, by name.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Entry>> {
        let index = self.index();
        index
            .repos
            .values()
            .filter_map(|repo| latest(repo.versions.values()))
            .collect()
    }

    /// All published versions of a connector, newest first.
    #[must_use]
    pub fn versions(&self, name: &ConnectorName) -> Vec<Arc<Entry>> {
        let index = self.index();
        let repo = index.repos.get(name);
        repo.map(|repo| repo.versions.values().rev().cloned().collect())
            .unwrap_or_default()
    }

    /// The latest version: the highest one that is no pre-release, else the highest.
    #[must_use]
    pub fn latest(&self, name: &ConnectorName) -> Option<Arc<Entry>> {
        latest(self.index().repos.get(name)?.versions.values())
    }

    /// One version.
    #[must_use]
    pub fn get(&self, name: &ConnectorName, version: &Version) -> Option<Arc<Entry>> {
        self.index().repos.get(name)?.versions.get(version).cloned()
    }

    /// A published version with these bytes, of this name if one is given.
    #[must_use]
    pub fn by_digest(&self, layer: &Digest, name: Option<&ConnectorName>) -> Option<Arc<Entry>> {
        let index = self.index();
        let entry = index
            .by_layer(layer)
            .find(|entry| name.is_none_or(|name| entry.name == *name));
        entry.cloned()
    }
}

fn latest<'a>(versions: impl Iterator<Item = &'a Arc<Entry>>) -> Option<Arc<Entry>> {
    versions
        .max_by_key(|entry| (entry.version.pre.is_empty(), &entry.version))
        .cloned()
}
