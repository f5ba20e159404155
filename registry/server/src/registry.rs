//! The registry itself: one folder, one index, and the order in which a push becomes durable.
//!
//! Manifests, tags and versions are changed by one writer at a time; blobs come in side by side. Readers hold the
//! index only as long as a look-up takes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use flowforge_protocol::{ConnectorName, Digest};
use tokio::sync::{Mutex, Semaphore};

use crate::access::{People, TokenKey, Visitor};
use crate::blobs::Blobs;
use crate::config::{BLOBS_MAX, INSPECTIONS_MAX, REPOS_MAX, RegistryConfig};
use crate::gates::Speakers;
use crate::http::Door;
use crate::index::{Index, Repo};
use crate::layout::Layout;
use crate::load::{self, OpenError};
use crate::manifest::{Descriptor, Stored};
use crate::refusal::{Code, Refusal};
use crate::uploads::Uploads;
use crate::{files, gates, http};

/// A registry on a folder. Clones share it.
#[derive(Clone)]
pub struct Registry {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: RegistryConfig,
    pub(crate) layout: Layout,
    pub(crate) blobs: Arc<Blobs>,
    uploads: Uploads,
    index: RwLock<Index>,
    /// Held while manifests, tags or versions change.
    pub(crate) writer: Mutex<()>,
    pub(crate) inspections: Arc<Semaphore>,
    pub(crate) token_key: TokenKey,
    _lock: File,
}

impl Registry {
    /// Opens the folder, making it if there is none. Blocks; call it before serving.
    ///
    /// # Errors
    /// [`OpenError::Locked`]: another process has it. [`OpenError::Io`]: it cannot be read or written.
    pub fn open(path: &Path, config: RegistryConfig) -> Result<Self, OpenError> {
        let loaded = load::open(path, &config)?;
        let inner = Inner {
            uploads: Uploads::new(loaded.layout.clone(), &config),
            blobs: Arc::new(loaded.blobs),
            layout: loaded.layout,
            index: RwLock::new(loaded.index),
            writer: Mutex::new(()),
            inspections: Arc::new(Semaphore::new(INSPECTIONS_MAX)),
            token_key: loaded.token_key,
            _lock: loaded.lock,
            config,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Reads the folder anew: another process that shares it has published something.
    ///
    /// # Errors
    /// [`Code::Unknown`]: the disk's trouble; what was known stays known.
    pub async fn look_again(&self) -> Result<(), Refusal> {
        let _writing = self.inner.writer.lock().await;
        let (layout, config) = (self.inner.layout.clone(), self.inner.config.clone());
        let found = files::blocking("look at the registry's folder", move || {
            load::index(&layout, &config)
        })
        .await?;
        let mut index = self.index_mut();
        for (name, mut repo) in found.repos {
            if let Some(known) = index.repos.get(&name) {
                // What is being pushed here has no manifest yet.
                repo.blobs.extend(&known.blobs);
                let arrived = known.arrived.iter().map(|(digest, at_ms)| (*digest, *at_ms));
                repo.arrived.extend(arrived);
            }
            index.add_repo(name, repo);
        }
        index.advisories.extend(found.advisories);
        index.people = found.people;
        Ok(())
    }

    /// The HTTP surface: `/v2/…`, `/.well-known/wasm-pkg/registry.json` and `/connectors/{digest}/publication`.
    ///
    /// The door says who comes in without credentials; whoever mounts it may name the [`crate::Visitor`] of a request in
    /// its extensions.
    pub fn router(&self, door: Door) -> axum::Router {
        http::router(self.clone(), door)
    }

    /// The bytes of a published component.
    ///
    /// # Errors
    /// [`Code::BlobUnknown`]: no published version has this digest. [`Code::Unknown`]: the disk's trouble.
    pub async fn component(&self, layer: &Digest) -> Result<Bytes, Refusal> {
        if self.by_digest(layer, None).is_none() {
            return Err(Refusal::new(
                Code::BlobUnknown,
                format!("no published connector has the digest {layer}"),
            ));
        }
        self.inner
            .blobs
            .read(*layer, self.inner.config.component_bytes_max)
            .await
    }

    pub(crate) fn index(&self) -> RwLockReadGuard<'_, Index> {
        // Changes to the index are single insertions, whole even if their task panicked.
        self.inner.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.inner.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is done with the keys that speak for the publisher of a connector. The index is held meanwhile.
    pub(crate) fn with_speakers<T>(&self, name: &ConnectorName, ask: impl FnOnce(Speakers<'_>) -> T) -> T {
        let index = self.index();
        let publisher = index.people.publishers.get(name.publisher());
        ask(Speakers {
            trust: &self.inner.config.trust,
            publisher: publisher.map(AsRef::as_ref),
        })
    }

    /// Who may do what, as it stands now.
    pub(crate) fn people(&self) -> Arc<People> {
        Arc::clone(&self.index().people)
    }

    pub(crate) fn component_bytes_max(&self) -> u64 {
        self.inner.config.component_bytes_max
    }

    /// Makes a blob of one repository one of another too; false if the first does not have it.
    pub(crate) fn mount(
        &self,
        name: &ConnectorName,
        from: &ConnectorName,
        digest: Digest,
    ) -> Result<bool, Refusal> {
        let size = self
            .index()
            .repos
            .get(from)
            .and_then(|repo| repo.blobs.get(&digest).copied());
        let Some(size) = size else {
            return Ok(false);
        };
        self.has_room(name)?;
        self.inner.blobs.touch(&digest, self.now_ms());
        self.with_repo(name, |repo| repo.blobs.insert(digest, size));
        Ok(true)
    }

    pub(crate) fn uploads(&self) -> &Uploads {
        &self.inner.uploads
    }

    /// Ends an upload as a blob of this repository.
    pub(crate) async fn finish_upload(
        &self,
        name: &ConnectorName,
        id: &str,
        digest: Digest,
    ) -> Result<(), Refusal> {
        self.has_room(name)?;
        let size = self
            .inner
            .uploads
            .finish(name, id, digest, &self.inner.blobs, self.now_ms())
            .await?;
        self.index_mut()
            .repos
            .entry(name.clone())
            .or_default()
            .blobs
            .insert(digest, size);
        Ok(())
    }

    pub(crate) fn has_room(&self, name: &ConnectorName) -> Result<(), Refusal> {
        let index = self.index();
        let full = match index.repos.get(name) {
            Some(repo) => repo.blobs.len() >= BLOBS_MAX,
            None => index.repos.len() >= REPOS_MAX,
        };
        if full {
            let message =
                format!("the registry is full: at most {REPOS_MAX} connectors of {BLOBS_MAX} blobs each");
            return Err(Refusal::new(Code::Denied, message));
        }
        let signed = index.signed_bytes();
        let unsigned = self.inner.blobs.stored_bytes().saturating_sub(signed);
        if unsigned > self.inner.config.unsigned_bytes_max {
            let message = format!(
                "what was pushed and not published uses {unsigned} bytes; it leaves by itself, try again in an hour"
            );
            return Err(Refusal::new(Code::TooManyRequests, message));
        }
        let of_repo = index.repos.get(name).map_or(0, Repo::unsigned_bytes);
        if of_repo > self.inner.config.unsigned_repo_bytes_max {
            let message = format!(
                "what was pushed to {name} and not published uses {of_repo} bytes; it leaves by itself, try again in an hour"
            );
            return Err(Refusal::new(Code::TooManyRequests, message));
        }
        Ok(())
    }

    pub(crate) fn now_ms(&self) -> u64 {
        (self.inner.config.now_ms)()
    }

    /// Opens a blob of this repository. A blob that only others pushed is unknown here.
    pub(crate) async fn open_blob(
        &self,
        name: &ConnectorName,
        digest: Digest,
    ) -> Result<(tokio::fs::File, u64), Refusal> {
        if !self.has_blob(name, &digest) {
            return Err(Refusal::new(
                Code::BlobUnknown,
                format!("{name} has no blob {digest}"),
            ));
        }
        self.inner.blobs.open(digest).await
    }

    pub(crate) fn has_blob(&self, name: &ConnectorName, digest: &Digest) -> bool {
        self.index()
            .repos
            .get(name)
            .is_some_and(|repo| repo.blobs.contains_key(digest))
    }

    /// A manifest by digest, or by the tag of a published version: what stands behind a tag is signed.
    pub(crate) fn manifest(&self, name: &ConnectorName, reference: &str) -> Result<Arc<Stored>, Refusal> {
        let index = self.index();
        let repo = index.repos.get(name).filter(|repo| !repo.manifests.is_empty());
        let repo =
            repo.ok_or_else(|| Refusal::new(Code::NameUnknown, format!("there is no connector {name}")))?;
        let digest = match reference.parse::<Digest>() {
            Ok(digest) => Some(digest),
            Err(_) => gates::version_of_tag(reference)
                .ok()
                .and_then(|version| Some(repo.versions.get(&version)?.manifest_digest)),
        };
        let stored = digest.and_then(|digest| repo.manifests.get(&digest)).cloned();
        stored.ok_or_else(|| {
            let reference: String = reference.chars().take(130).collect();
            Refusal::new(
                Code::ManifestUnknown,
                format!("{name} has no manifest `{reference}`"),
            )
        })
    }

    /// The published versions of a connector as tags, sorted as text; withdrawn ones are served and not listed.
    pub(crate) fn tags(&self, name: &ConnectorName) -> Result<Vec<String>, Refusal> {
        let index = self.index();
        let repo = index.repos.get(name).filter(|repo| !repo.manifests.is_empty());
        let repo =
            repo.ok_or_else(|| Refusal::new(Code::NameUnknown, format!("there is no connector {name}")))?;
        let offered = repo
            .versions
            .values()
            .filter(|entry| entry.standing.yanked.is_none());
        let mut tags: Vec<_> = offered.map(|entry| entry.version.to_string()).collect();
        tags.sort_unstable();
        Ok(tags)
    }

    /// The connectors that have something to offer this visitor, as the protocol names them, sorted.
    pub(crate) fn repositories(&self, visitor: &Visitor) -> Vec<String> {
        let (index, now_ms) = (self.index(), self.now_ms());
        let offered = index
            .repos
            .iter()
            .filter(|(name, repo)| repo.front.is_some() && index.people.sees(visitor, name, now_ms));
        let mut names: Vec<_> = offered
            .map(|(name, _)| format!("{}/{}", name.publisher(), name.name()))
            .collect();
        names.sort_unstable();
        names
    }

    /// What refers to a manifest, of one kind if it is given.
    pub(crate) fn referrers(
        &self,
        name: &ConnectorName,
        subject: &Digest,
        kind: Option<&str>,
    ) -> Vec<Descriptor> {
        let index = self.index();
        let Some(repo) = index.repos.get(name) else {
            return Vec::new();
        };
        let wanted = |stored: &&Arc<Stored>| kind.is_none_or(|kind| stored.manifest.kind() == kind);
        repo.referrers(subject)
            .filter(wanted)
            .map(|stored| stored.as_referrer())
            .collect()
    }

    /// Keeps a manifest by its digest. The writer's lock is held.
    pub(crate) async fn store_manifest(
        &self,
        name: &ConnectorName,
        stored: &Arc<Stored>,
    ) -> Result<(), Refusal> {
        // Once more, under the lock: what nothing named so far may have been collected since the first look.
        self.check_contents(name, &stored.manifest).await?;
        if self.has_manifest(name, &stored.digest) {
            return Ok(());
        }
        self.make_room_for(name, stored).await?;
        let path = self.inner.layout.manifest(name, &stored.digest);
        self.write("write a manifest", path, stored.bytes.clone()).await?;
        let now_ms = self.now_ms();
        self.with_repo(name, |repo| repo.add_manifest(Arc::clone(stored), now_ms));
        Ok(())
    }

    fn has_manifest(&self, name: &ConnectorName, digest: &Digest) -> bool {
        let index = self.index();
        let repo = index.repos.get(name);
        repo.is_some_and(|repo| repo.manifests.contains_key(digest))
    }

    /// Writes a file durably. `what` names it in the log if it fails.
    pub(crate) async fn write(&self, what: &'static str, path: PathBuf, bytes: Bytes) -> Result<(), Refusal> {
        let temporary = self.inner.layout.temporary();
        files::blocking(what, move || files::write_whole(&temporary, &path, &bytes)).await
    }

    pub(crate) fn with_repo<T>(&self, name: &ConnectorName, change: impl FnOnce(&mut Repo) -> T) -> T {
        change(self.index_mut().repos.entry(name.clone()).or_default())
    }
}
