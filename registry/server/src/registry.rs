//! The registry itself: one folder, one index, and the order in which a push becomes durable.
//!
//! Manifests, tags and versions are changed by one writer at a time; blobs come in side by side. Readers hold the
//! index only as long as a look-up takes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use flowforge_protocol::{ConnectorName, Digest};
use semver::Version;
use tokio::sync::{Mutex, Semaphore};

use crate::blobs::Blobs;
use crate::config::{BLOBS_MAX, INSPECTIONS_MAX, REPOS_MAX, RegistryConfig};
use crate::gates::{self, Kind, STATEMENT_BYTES_MAX};
use crate::index::{Index, Repo};
use crate::layout::Layout;
use crate::load::{self, OpenError, VersionFile};
use crate::manifest::{Descriptor, Manifest, Stored};
use crate::refusal::{Code, Refusal};
use crate::uploads::Uploads;
use crate::{files, http};

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
    inspections: Arc<Semaphore>,
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
            index.repos.insert(name, repo);
        }
        Ok(())
    }

    /// The HTTP surface: `/v2/…`, `/.well-known/wasm-pkg/registry.json` and `/connectors/{digest}/publication`.
    ///
    /// It lets everybody who reaches it pull and push; whoever mounts it decides who that is.
    pub fn router(&self) -> axum::Router {
        http::router(self.clone())
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
        self.inner
            .uploads
            .finish(name, id, digest, &self.inner.blobs, self.now_ms())
            .await?;
        self.index_mut()
            .repos
            .entry(name.clone())
            .or_default()
            .blobs
            .insert(digest);
        Ok(())
    }

    fn has_room(&self, name: &ConnectorName) -> Result<(), Refusal> {
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

    fn has_blob(&self, name: &ConnectorName, digest: &Digest) -> bool {
        self.index()
            .repos
            .get(name)
            .is_some_and(|repo| repo.blobs.contains(digest))
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

    /// The published versions of a connector as tags, sorted as text.
    pub(crate) fn tags(&self, name: &ConnectorName) -> Result<Vec<String>, Refusal> {
        let index = self.index();
        let repo = index.repos.get(name).filter(|repo| !repo.manifests.is_empty());
        let repo =
            repo.ok_or_else(|| Refusal::new(Code::NameUnknown, format!("there is no connector {name}")))?;
        let mut tags: Vec<_> = repo.versions.keys().map(ToString::to_string).collect();
        tags.sort_unstable();
        Ok(tags)
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

    /// Takes a manifest through the gates and keeps it. Returns it as stored.
    pub(crate) async fn put_manifest(
        &self,
        name: &ConnectorName,
        reference: &str,
        bytes: Bytes,
    ) -> Result<Arc<Stored>, Refusal> {
        let stored = Arc::new(Stored::parse(bytes)?);
        let version = match reference.parse::<Digest>() {
            Ok(digest) if digest == stored.digest => None,
            Ok(digest) => {
                let message = format!("the manifest has digest {}, pushed as {digest}", stored.digest);
                return Err(Refusal::new(Code::DigestInvalid, message));
            }
            Err(_) => Some(gates::version_of_tag(reference)?),
        };
        self.check_contents(name, &stored.manifest).await?;
        match Kind::of(&stored.manifest)? {
            Kind::Component(layer) => self.put_component(name, version, layer, &stored).await?,
            Kind::Publication { subject, statement } => {
                self.put_publication(name, subject, statement, &stored).await?;
            }
            Kind::Referrer => {
                let _writing = self.inner.writer.lock().await;
                self.store_manifest(name, &stored).await?;
            }
        }
        Ok(stored)
    }

    /// Everything that a manifest names must be here, in the stated size.
    async fn check_contents(&self, name: &ConnectorName, manifest: &Manifest) -> Result<(), Refusal> {
        for content in manifest.contents() {
            let size = match self.has_blob(name, &content.digest) {
                true => self.inner.blobs.stat(content.digest).await?,
                false => None,
            };
            let digest = content.digest;
            match size {
                Some(size) if size == content.size => {}
                Some(size) => {
                    let message = format!("{digest} is {size} bytes, the manifest says {}", content.size);
                    return Err(Refusal::new(Code::SizeInvalid, message));
                }
                None => {
                    let message = format!("the manifest names {digest}, which was not pushed to {name}");
                    return Err(Refusal::new(Code::ManifestBlobUnknown, message));
                }
            }
        }
        Ok(())
    }

    async fn put_component(
        &self,
        name: &ConnectorName,
        version: Option<Version>,
        layer: &Descriptor,
        stored: &Arc<Stored>,
    ) -> Result<(), Refusal> {
        self.inspect(name, version.as_ref(), layer.digest).await?;
        let _writing = self.inner.writer.lock().await;
        let mut moves_tag = false;
        if let Some(version) = &version {
            moves_tag = self.may_become(name, version, &layer.digest)?;
        }
        self.store_manifest(name, stored).await?;
        let Some(version) = version.filter(|_| moves_tag) else {
            return Ok(());
        };
        let path = self.inner.layout.tag(name, &version);
        self.write("write a tag", path, stored.digest.to_string().into())
            .await?;
        self.with_repo(name, |repo| repo.tags.insert(version, stored.digest));
        Ok(())
    }

    /// Judges a component's bytes and keeps what they offer.
    async fn inspect(
        &self,
        name: &ConnectorName,
        version: Option<&Version>,
        layer: Digest,
    ) -> Result<(), Refusal> {
        let closed = |_| Refusal::new(Code::Unknown, "the registry is shutting down");
        let turn = Arc::clone(&self.inner.inspections)
            .acquire_owned()
            .await
            .map_err(closed)?;
        let bytes = self
            .inner
            .blobs
            .read(layer, self.inner.config.component_bytes_max)
            .await?;
        let (name, version, layout) = (name.clone(), version.cloned(), self.inner.layout.clone());
        files::blocking("inspect a component", move || {
            let _turn = turn;
            let judged = gates::inspect_component(&name, version.as_ref(), &bytes);
            if let Ok(interface) = &judged {
                load::store_interface(&layout, &layer, interface)?;
            }
            Ok(judged.map(|_| ()))
        })
        .await?
    }

    /// Whether these bytes may take a version, and whether the tag moves to their manifest. A published version keeps
    /// its bytes and its manifest, which signatures hang on; one that was never published may be pushed anew.
    fn may_become(&self, name: &ConnectorName, version: &Version, layer: &Digest) -> Result<bool, Refusal> {
        let index = self.index();
        let Some(repo) = index.repos.get(name) else {
            return Ok(true);
        };
        match repo.versions.get(version) {
            Some(entry) if entry.layer_digest == *layer => Ok(false),
            Some(_) => {
                let next = gates::next_free(version, |version| repo.versions.contains_key(version));
                let message = format!("{name} {version} exists with different content; next free: {next}");
                Err(Refusal::new(Code::Denied, message))
            }
            None => Ok(repo.layer_of_tag(version).is_none_or(|old| old.digest != *layer)),
        }
    }

    async fn put_publication(
        &self,
        name: &ConnectorName,
        subject: Digest,
        statement: &Descriptor,
        stored: &Arc<Stored>,
    ) -> Result<(), Refusal> {
        let component = self.manifest(name, &subject.to_string()).map_err(|_| {
            let message = format!(
                "the publication is about {subject}, which {name} does not have; push the component first"
            );
            Refusal::new(Code::ManifestInvalid, message)
        })?;
        let layer = component
            .manifest
            .component()
            .map(|layer| layer.digest)
            .ok_or_else(|| {
                Refusal::new(
                    Code::ManifestInvalid,
                    format!("the publication is about {subject}, which is no component"),
                )
            })?;
        if statement.size > STATEMENT_BYTES_MAX {
            let message = format!(
                "the publication is {} bytes, above the limit of {STATEMENT_BYTES_MAX}",
                statement.size
            );
            return Err(Refusal::new(Code::SizeInvalid, message));
        }
        let envelope = self
            .inner
            .blobs
            .read(statement.digest, STATEMENT_BYTES_MAX)
            .await?;
        let signed = gates::check_publication(&envelope, &self.inner.config.trust, name, &layer)?;
        let version = gates::version_of_tag(&signed.version)?;
        let _writing = self.inner.writer.lock().await;
        let tagged = self.tagged_component(name, &version, &layer)?;
        let layout = self.inner.layout.clone();
        let interface = files::blocking("read an interface", move || {
            Ok(load::load_interface(&layout, &layer))
        })
        .await?;
        let interface = interface.ok_or_else(|| {
            Refusal::new(
                Code::ManifestInvalid,
                format!("{name} {version} was not inspected; push the component again"),
            )
        })?;
        let published_at_ms = match self.get(name, &version) {
            Some(entry) => entry.published_at_ms,
            None => (self.inner.config.now_ms)(),
        };
        let file = VersionFile {
            manifest_digest: tagged.digest,
            publication: String::from_utf8_lossy(&envelope).into_owned(),
            published_at_ms,
        };
        let bytes = serde_json::to_vec(&file).map_err(|error| Refusal::new(Code::Unknown, error))?;
        let entry = load::new_entry(
            name,
            version.clone(),
            &tagged,
            interface,
            file,
            &self.inner.config.trust,
        )
        .map_err(|reason| Refusal::new(Code::Denied, reason))?;
        self.store_manifest(name, stored).await?;
        let path = self.inner.layout.version(name, &version);
        self.write("write a version", path, bytes.into()).await?;
        tracing::info!(connector = %name, %version, digest = %layer, "connector was published");
        self.with_repo(name, |repo| repo.versions.insert(version, Arc::new(entry)));
        (self.inner.config.published)();
        Ok(())
    }

    /// The manifest that the tag of this version stands for, if it has these bytes.
    fn tagged_component(
        &self,
        name: &ConnectorName,
        version: &Version,
        layer: &Digest,
    ) -> Result<Arc<Stored>, Refusal> {
        let index = self.index();
        let repo = index.repos.get(name);
        let tagged = repo.and_then(|repo| repo.manifests.get(repo.tags.get(version)?));
        let has_bytes =
            |stored: &&Arc<Stored>| stored.manifest.component().is_some_and(|c| c.digest == *layer);
        tagged.filter(has_bytes).cloned().ok_or_else(|| {
            let message = format!(
                "the publication is for {name} {version}, which was pushed with other bytes or not at all"
            );
            Refusal::new(Code::ManifestInvalid, message)
        })
    }

    /// Keeps a manifest by its digest. The writer's lock is held.
    async fn store_manifest(&self, name: &ConnectorName, stored: &Arc<Stored>) -> Result<(), Refusal> {
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
    async fn write(&self, what: &'static str, path: PathBuf, bytes: Bytes) -> Result<(), Refusal> {
        let temporary = self.inner.layout.temporary();
        files::blocking(what, move || files::write_whole(&temporary, &path, &bytes)).await
    }

    pub(crate) fn with_repo<T>(&self, name: &ConnectorName, change: impl FnOnce(&mut Repo) -> T) -> T {
        change(self.index_mut().repos.entry(name.clone()).or_default())
    }
}
