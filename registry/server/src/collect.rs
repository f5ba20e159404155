//! What anybody may push is bounded and leaves by itself: manifests that no publication stands behind, and blobs that no
//! manifest names. What is published is never touched, and never pushed out.

use std::sync::Arc;

use flowforge_protocol::{ConnectorName, Digest};

use crate::config::{MANIFESTS_MAX, ORPHAN_LIFE_MS, REFERRERS_MAX, UNSIGNED_MAX};
use crate::gates::{Kind, version_of_tag};
use crate::manifest::Stored;
use crate::refusal::{Code, Refusal};
use crate::registry::Registry;
use crate::{files, index::Repo};

/// What one call removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Manifests whose time was over.
    pub manifests: usize,
    /// Blobs that no manifest names.
    pub blobs: usize,
}

impl Registry {
    /// Removes what was pushed and not published within its time, and blobs that nothing names. To be called now and then.
    ///
    /// # Errors
    /// [`Code::Unknown`]: the disk's trouble; what was removed before it stays removed.
    pub async fn collect(&self) -> Result<Collected, Refusal> {
        let _writing = self.inner.writer.lock().await;
        let now_ms = self.now_ms();
        let life_ms = u64::try_from(self.inner.config.unsigned_life.as_millis()).unwrap_or(u64::MAX);
        let over: Vec<(ConnectorName, Digest)> = {
            let index = self.index();
            let of_repo = |(name, repo): (&ConnectorName, &Repo)| {
                let old = repo
                    .unsigned(None)
                    .into_iter()
                    .filter(|(arrived, _)| arrived.saturating_add(life_ms) <= now_ms);
                old.map(|(_, digest)| (name.clone(), digest)).collect::<Vec<_>>()
            };
            index.repos.iter().flat_map(of_repo).collect()
        };
        for (name, digest) in &over {
            self.remove_manifest(name, digest).await?;
        }
        let named = self.index().named_blobs();
        let (blobs, layout) = (Arc::clone(&self.inner.blobs), self.inner.layout.clone());
        let removed = files::blocking("collect blobs", move || {
            let removed = blobs.sweep(&named, now_ms.saturating_sub(ORPHAN_LIFE_MS))?;
            for digest in &removed {
                // Only components have one.
                let _ = std::fs::remove_file(layout.interface(digest));
            }
            Ok(removed)
        })
        .await?;
        let mut index = self.index_mut();
        for repo in index.repos.values_mut() {
            removed.iter().for_each(|digest| {
                repo.blobs.remove(digest);
            });
        }
        index
            .repos
            .retain(|_, repo| !repo.manifests.is_empty() || !repo.blobs.is_empty());
        Ok(Collected {
            manifests: over.len(),
            blobs: removed.len(),
        })
    }

    /// Removes a manifest that was pushed and not published, before its time. A tag of one stands for the manifest.
    ///
    /// # Errors
    /// [`Code::Unsupported`]: it is published. [`Code::ManifestUnknown`], [`Code::NameUnknown`]: there is none.
    pub(crate) async fn delete_manifest(&self, name: &ConnectorName, reference: &str) -> Result<(), Refusal> {
        let _writing = self.inner.writer.lock().await;
        let digest = {
            let index = self.index();
            let repo = index.repos.get(name);
            let repo =
                repo.ok_or_else(|| Refusal::new(Code::NameUnknown, format!("there is no connector {name}")))?;
            let tagged = || repo.tags.get(&version_of_tag(reference).ok()?).copied();
            let digest = reference.parse::<Digest>().ok().or_else(tagged);
            let stored = digest.and_then(|digest| repo.manifests.get(&digest));
            let stored = stored.ok_or_else(|| {
                let reference: String = reference.chars().take(130).collect();
                Refusal::new(
                    Code::ManifestUnknown,
                    format!("{name} has no manifest `{reference}`"),
                )
            })?;
            if repo.is_signed(stored) {
                return Err(Refusal::new(
                    Code::Unsupported,
                    "what is published is not deleted, because releases name it by digest; withdraw it with \
                     `flowforge connector yank`",
                ));
            }
            stored.digest
        };
        self.remove_manifest(name, &digest).await
    }

    /// Forgets a blob of this repository that none of its manifests names. Its bytes leave when nobody has it.
    ///
    /// # Errors
    /// [`Code::Unsupported`]: a manifest names it. [`Code::BlobUnknown`]: there is none.
    pub(crate) async fn delete_blob(&self, name: &ConnectorName, digest: &Digest) -> Result<(), Refusal> {
        let _writing = self.inner.writer.lock().await;
        if !self.has_blob(name, digest) {
            return Err(Refusal::new(
                Code::BlobUnknown,
                format!("{name} has no blob {digest}"),
            ));
        }
        let named = self
            .index()
            .repos
            .get(name)
            .is_some_and(|repo| repo.names_blob(digest));
        if named {
            return Err(Refusal::new(
                Code::Unsupported,
                "a manifest names this blob; it leaves with the manifest",
            ));
        }
        self.with_repo(name, |repo| repo.blobs.remove(digest));
        Ok(())
    }

    /// Makes room for one more manifest. Of unsigned ones the oldest leaves, so that a flood of them keeps nobody out; what
    /// is published has a bound of its own. The writer's lock is held.
    pub(crate) async fn make_room_for(&self, name: &ConnectorName, stored: &Stored) -> Result<(), Refusal> {
        let leaves = {
            let index = self.index();
            let Some(repo) = index.repos.get(name) else {
                return Ok(());
            };
            if matches!(Kind::of(&stored.manifest)?, Kind::Publication { .. }) {
                let signed = repo.manifests.len() - repo.unsigned(None).len();
                if signed >= MANIFESTS_MAX {
                    let message = format!("{name} is full: at most {MANIFESTS_MAX} manifests are published");
                    return Err(Refusal::new(Code::Denied, message));
                }
                return Ok(());
            }
            let subject = stored.manifest.subject.as_ref().map(|subject| &subject.digest);
            let about_it = subject.map(|subject| repo.unsigned(Some(subject)));
            let about_it = about_it.filter(|all| all.len() >= REFERRERS_MAX);
            let all = || Some(repo.unsigned(None)).filter(|all| all.len() >= UNSIGNED_MAX);
            let oldest = about_it.or_else(all).and_then(|all| all.into_iter().min());
            oldest.map(|(_, digest)| digest)
        };
        match leaves {
            Some(digest) => self.remove_manifest(name, &digest).await,
            None => Ok(()),
        }
    }

    async fn remove_manifest(&self, name: &ConnectorName, digest: &Digest) -> Result<(), Refusal> {
        let tags = self.with_repo(name, |repo| repo.forget(digest));
        let layout = &self.inner.layout;
        // Tags first: one that stands for nothing is no harm, and is not served.
        let mut paths: Vec<_> = tags.iter().map(|version| layout.tag(name, version)).collect();
        paths.push(layout.manifest(name, digest));
        files::blocking("remove a manifest", move || {
            paths
                .iter()
                .try_for_each(|path| match std::fs::remove_file(path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                    Ok(()) | Err(_) => Ok(()),
                })
        })
        .await
    }
}
