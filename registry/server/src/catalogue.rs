//! The catalogue: what is published, newest first where that matters, and found by what it is.

use std::sync::Arc;

use flowforge_ports::{CapabilityKind, Interface};
use flowforge_protocol::{ConnectorName, Digest, KeyId};
use semver::Version;

use crate::index::Front;
use crate::registry::Registry;
use crate::standing::Standing;

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
    /// The publisher's envelope, as pushed.
    pub publication: String,
    /// The envelope of the site's own key about the same bytes, where the publisher's key is not one that hosts know.
    pub adoption: Option<String>,
    /// Whether the hosts of this site run it: the trust root believes one of the two.
    pub is_installed: bool,
    /// Whether the publisher's own signature does not hold any more, because its key was revoked; the site's does.
    pub is_disowned: bool,
    /// When it was published here, milliseconds since 1970 UTC.
    pub published_at_ms: u64,
    /// What was decided about it since.
    pub standing: Standing,
}

impl Entry {
    /// The envelope that hosts check against the trust root.
    #[must_use]
    pub fn statement(&self) -> &str {
        self.adoption.as_deref().unwrap_or(&self.publication)
    }
}

/// What is looked for. What is empty matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// Words that name, title, summary or an operation contain; all of them.
    pub words: Vec<String>,
    /// Its category.
    pub category: Option<String>,
    /// A capability that it asks for.
    pub capability: Option<CapabilityKind>,
    /// Its publisher.
    pub publisher: Option<String>,
}

/// A connector that was found, and how well it fits.
#[derive(Debug, Clone)]
pub struct Hit {
    /// 0 for the name itself, 1 for a name that begins so, 2 for a word in name or title, 3 for anything else.
    pub rank: u8,
    /// Its latest version.
    pub entry: Arc<Entry>,
}

/// What is published. All answers come from memory.
impl Registry {
    /// The latest version of every connector that is not withdrawn, by name.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Entry>> {
        let index = self.index();
        let fronts = index.repos.values().filter_map(|repo| repo.front.as_ref());
        fronts.map(|front| Arc::clone(&front.latest)).collect()
    }

    /// Connectors that match, the best first and then by name; those behind `after`, at most `limit`.
    #[must_use]
    pub fn search(&self, search: &Search, after: Option<(u8, &str)>, limit: usize) -> Vec<Hit> {
        let words: Vec<String> = search.words.iter().map(|word| word.to_lowercase()).collect();
        let index = self.index();
        let fronts = index.repos.values().filter_map(|repo| repo.front.as_ref());
        // The repositories come by name, so each rank fills in the order of names and may be full early.
        let mut ranks: [Vec<Hit>; 4] = Default::default();
        for front in fronts.filter(|front| fits(front, search)) {
            let Some(rank) = rank(front, &words) else { continue };
            let is_behind = after.is_none_or(|after| (rank, front.latest.name.as_str()) > after);
            if let Some(hits) = ranks.get_mut(usize::from(rank))
                && is_behind
                && hits.len() < limit
            {
                let entry = Arc::clone(&front.latest);
                hits.push(Hit { rank, entry });
            }
        }
        ranks.into_iter().flatten().take(limit).collect()
    }

    /// All published versions of a connector, newest first, withdrawn ones too.
    #[must_use]
    pub fn versions(&self, name: &ConnectorName) -> Vec<Arc<Entry>> {
        let index = self.index();
        let repo = index.repos.get(name);
        repo.map(|repo| repo.versions.values().rev().cloned().collect())
            .unwrap_or_default()
    }

    /// The latest version that is not withdrawn: the highest one that is no pre-release, else the highest.
    #[must_use]
    pub fn latest(&self, name: &ConnectorName) -> Option<Arc<Entry>> {
        let index = self.index();
        let front = index.repos.get(name)?.front.as_ref()?;
        Some(Arc::clone(&front.latest))
    }

    /// The latest version that hosts of this site run, withdrawn ones left out.
    #[must_use]
    pub fn latest_installed(&self, name: &ConnectorName) -> Option<Arc<Entry>> {
        let index = self.index();
        let versions = index.repos.get(name)?.versions.values();
        let offered = versions.filter(|entry| entry.is_installed && entry.standing.yanked.is_none());
        offered
            .max_by_key(|entry| (entry.version.pre.is_empty(), &entry.version))
            .cloned()
    }

    /// One version, withdrawn or not.
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

fn fits(front: &Front, search: &Search) -> bool {
    let entry = &front.latest;
    let meta = entry.interface.meta.as_ref();
    let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
    is(&search.category, meta.map_or("", |meta| meta.category.as_str()))
        && is(&search.publisher, entry.name.publisher())
        && search
            .capability
            .is_none_or(|kind| entry.interface.has_capability(kind))
}

fn rank(front: &Front, words: &[String]) -> Option<u8> {
    if !words.iter().all(|word| front.text.contains(word.as_str())) {
        return None;
    }
    let name = front.latest.name.as_str();
    let [word] = words else {
        let all_in_head = words.iter().all(|word| front.head().contains(word.as_str()));
        return Some(if all_in_head { 2 } else { 3 });
    };
    let own = front.latest.name.name();
    Some(if word == name || word == own {
        0
    } else if name.starts_with(word.as_str()) || own.starts_with(word.as_str()) {
        1
    } else if front.head().contains(word.as_str()) {
        2
    } else {
        3
    })
}
