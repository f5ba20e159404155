//! What becomes of a pushed manifest: judged, kept, and published when its publisher's statement comes.
//!
//! A version is made in an order that leaves nothing half-published: the component's manifest and its tag, which stand for
//! nothing yet; the publication's manifest; last the version's own file, in one rename.

use std::sync::Arc;

use bytes::Bytes;
use flowforge_gates::{Candidate, Report, Subject, judge, judge_interface};
use flowforge_ports::Interface;
use flowforge_protocol::{ConnectorName, Digest};
use semver::Version;

use crate::catalogue::Entry;
use crate::config::CONFIG_BYTES_MAX;
use crate::files;
use crate::gates::{self, Kind, STATEMENT_BYTES_MAX, Word};
use crate::index::Index;
use crate::load::{self, VersionFile};
use crate::manifest::{Descriptor, Manifest, Stored, WASM_CONFIG};
use crate::refusal::{Code, Refusal};
use crate::registry::Registry;

impl Registry {
    /// Says of a component what a push and its publication would hear, and keeps nothing.
    ///
    /// # Errors
    /// [`Code::Unknown`]: the registry is shutting down. What is wrong with the component stands in the report.
    pub async fn judge(
        &self,
        name: &ConnectorName,
        version: &str,
        bytes: Bytes,
        envelope: Option<&[u8]>,
    ) -> Result<Report, Refusal> {
        let closed = |_| Refusal::new(Code::Unknown, "the registry is shutting down");
        let turn = Arc::clone(&self.inner.inspections)
            .acquire_owned()
            .await
            .map_err(closed)?;
        let layer = Digest::of(&bytes);
        let owner = match envelope {
            Some(envelope) => self
                .with_speakers(name, |speakers| {
                    speakers.check(envelope, name, &layer, self.now_ms())
                })
                .map(drop)
                .map_err(|refusal| refusal.message),
            None => Err("nobody signed it".to_owned()),
        };
        let (registry, name, version) = (self.clone(), name.clone(), version.to_owned());
        files::blocking("judge a component", move || {
            let _turn = turn;
            let candidate = Candidate {
                name: &name,
                version: &version,
                bytes: &bytes,
            };
            // A component takes long to read, so the index is not held while that is done.
            let nothing = Index::default();
            let bytes_max = registry.inner.config.component_bytes_max;
            let (report, interface) = judge(candidate, &nothing.known(&name, bytes_max, owner.clone()));
            let Some(interface) = interface else {
                return Ok(report);
            };
            let index = registry.index();
            let subject = Subject {
                name: &name,
                version: &version,
                digest: report.digest,
                size_bytes: report.size_bytes,
            };
            let known = index.known(&name, bytes_max, owner);
            Ok(judge_interface(subject, &interface, &known))
        })
        .await
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
    pub(crate) async fn check_contents(
        &self,
        name: &ConnectorName,
        manifest: &Manifest,
    ) -> Result<(), Refusal> {
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
        let interface = self.inspect(name, version.as_ref(), layer.digest).await?;
        self.check_claims_of(&stored.manifest, &interface).await?;
        let _writing = self.inner.writer.lock().await;
        let mut moves_tag = false;
        if let Some(version) = &version {
            moves_tag = self.may_become(name, version, layer, &interface)?;
        }
        self.store_manifest(name, stored).await?;
        let Some(version) = version.filter(|_| moves_tag) else {
            return Ok(());
        };
        self.move_tag(name, &version, stored.digest).await
    }

    async fn move_tag(
        &self,
        name: &ConnectorName,
        version: &Version,
        manifest: Digest,
    ) -> Result<(), Refusal> {
        let path = self.inner.layout.tag(name, version);
        self.write("write a tag", path, manifest.to_string().into())
            .await?;
        self.with_repo(name, |repo| repo.tags.insert(version.clone(), manifest));
        Ok(())
    }

    /// Judges a component's bytes and keeps what they offer.
    async fn inspect(
        &self,
        name: &ConnectorName,
        version: Option<&Version>,
        layer: Digest,
    ) -> Result<Interface, Refusal> {
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
        let bytes_max = self.inner.config.component_bytes_max;
        files::blocking("inspect a component", move || {
            let _turn = turn;
            let judged = gates::inspect_component(&name, version.as_ref(), &bytes, bytes_max);
            if let Ok(interface) = &judged {
                load::store_interface(&layout, &layer, interface)?;
            }
            Ok(judged)
        })
        .await?
    }

    /// What the manifest's configuration says of the component is compared with the component.
    async fn check_claims_of(&self, manifest: &Manifest, interface: &Interface) -> Result<(), Refusal> {
        if manifest.config.media_type != WASM_CONFIG {
            return Ok(());
        }
        if manifest.config.size > CONFIG_BYTES_MAX {
            let message = format!(
                "the configuration is {} bytes, above the limit of {CONFIG_BYTES_MAX}",
                manifest.config.size
            );
            return Err(Refusal::new(Code::SizeInvalid, message));
        }
        let config = self
            .inner
            .blobs
            .read(manifest.config.digest, CONFIG_BYTES_MAX)
            .await?;
        gates::check_config(interface, &config)
    }

    /// Whether these bytes may take a version, and whether the tag moves to their manifest. A published version keeps
    /// its bytes and its manifest, which signatures hang on; one that was never published may be pushed anew.
    fn may_become(
        &self,
        name: &ConnectorName,
        version: &Version,
        layer: &Descriptor,
        interface: &Interface,
    ) -> Result<bool, Refusal> {
        let index = self.index();
        let Some(repo) = index.repos.get(name) else {
            return Ok(true);
        };
        let report = self.judged(&index, name, version, layer, interface, Ok(()));
        // Whether it is signed is asked when the publication comes; what no signature could mend is said now.
        gates::let_through(&report)?;
        if repo.versions.contains_key(version) {
            return Ok(false);
        }
        Ok(repo
            .layer_of_tag(version)
            .is_none_or(|old| old.digest != layer.digest))
    }

    /// What all gates say of a component that is here.
    fn judged(
        &self,
        index: &Index,
        name: &ConnectorName,
        version: &Version,
        layer: &Descriptor,
        interface: &Interface,
        owner: Result<(), String>,
    ) -> Report {
        let version = version.to_string();
        let subject = Subject {
            name,
            version: &version,
            digest: layer.digest,
            size_bytes: layer.size,
        };
        let known = index.known(name, self.inner.config.component_bytes_max, owner);
        judge_interface(subject, interface, &known)
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
        let described = component.manifest.component().cloned().ok_or_else(|| {
            Refusal::new(
                Code::ManifestInvalid,
                format!("the publication is about {subject}, which is no component"),
            )
        })?;
        let layer = described.digest;
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
        let word = self.with_speakers(name, |speakers| {
            speakers.check(&envelope, name, &layer, self.now_ms())
        })?;
        let (signed, is_site) = match &word {
            Word::Publisher(signed) => (signed, false),
            Word::Site(signed) => (signed, true),
        };
        let version = gates::version_of_tag(&signed.version)?;
        let _writing = self.inner.writer.lock().await;
        // Once more, under the lock: what nobody had signed may have left since.
        let component = self.manifest(name, &subject.to_string())?;
        let (tagged, moves_tag) = self.manifest_of_version(name, &version, &component);
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
        gates::let_through(&self.judged(&self.index(), name, &version, &described, &interface, Ok(())))?;
        let text = String::from_utf8_lossy(&envelope).into_owned();
        let file = self.version_file(name, &version, tagged.digest, text, is_site)?;
        let bytes = serde_json::to_vec(&file).map_err(|error| Refusal::new(Code::Unknown, error))?;
        let entry = self
            .with_speakers(name, |speakers| {
                load::new_entry(name, version.clone(), &tagged, interface, file, speakers)
            })
            .map_err(|reason| Refusal::new(Code::Denied, reason))?;
        let entry = match self.get(name, &version) {
            // What was decided about it since holds for the same bytes with another signature too.
            Some(known) => Entry {
                standing: known.standing.clone(),
                ..entry
            },
            None => entry,
        };
        self.store_manifest(name, stored).await?;
        if moves_tag {
            self.move_tag(name, &version, tagged.digest).await?;
        }
        let path = self.inner.layout.version(name, &version);
        self.write("write a version", path, bytes.into()).await?;
        tracing::info!(connector = %name, %version, digest = %layer, "connector was published");
        let mut index = self.index_mut();
        index.count_signed(stored);
        index.count_signed(&tagged);
        index.publish(Arc::new(entry));
        drop(index);
        (self.inner.config.published)();
        Ok(())
    }

    /// What is kept of a version with this statement beside what was said of it before.
    fn version_file(
        &self,
        name: &ConnectorName,
        version: &Version,
        manifest_digest: Digest,
        statement: String,
        is_site: bool,
    ) -> Result<VersionFile, Refusal> {
        let known = self.get(name, version);
        let published_at_ms = known
            .as_ref()
            .map_or_else(|| self.now_ms(), |entry| entry.published_at_ms);
        let (publication, adoption) = match (known, is_site) {
            (Some(known), true) => (known.publication.clone(), Some(statement)),
            (None, true) => {
                let message = format!(
                    "{name} {version} is not published here, and `{}` publishes its own; this key can only install what it \
                     published",
                    name.publisher()
                );
                return Err(Refusal::new(Code::Denied, message));
            }
            (known, false) => (statement, known.and_then(|known| known.adoption.clone())),
        };
        Ok(VersionFile {
            manifest_digest,
            publication,
            published_at_ms,
            adoption,
        })
    }

    /// The manifest that a version stands for from now on, and whether its tag has to be moved there. A published one keeps
    /// its own; until then anybody may move the tag, so it follows whoever signs: to the manifest that the signature
    /// hangs on.
    fn manifest_of_version(
        &self,
        name: &ConnectorName,
        version: &Version,
        signed: &Arc<Stored>,
    ) -> (Arc<Stored>, bool) {
        let index = self.index();
        let repo = index.repos.get(name);
        let published = repo
            .and_then(|repo| repo.manifests.get(&repo.versions.get(version)?.manifest_digest))
            .unwrap_or(signed);
        let tagged = repo.and_then(|repo| repo.tags.get(version));
        (Arc::clone(published), tagged != Some(&published.digest))
    }
}
