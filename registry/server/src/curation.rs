//! Deciding about what is published: yank, deprecate, advise. Nothing of it touches bytes, tags or signatures.

use std::sync::Arc;

use flowforge_gates::Advisory;
use flowforge_protocol::ConnectorName;
use semver::Version;

use crate::catalogue::Entry;
use crate::config::ADVISORIES_MAX;
use crate::refusal::{Code, Refusal};
use crate::registry::Registry;
use crate::standing::{Deprecation, Note, Standing};

impl Registry {
    /// Withdraws a version: it leaves lists, searches and tags, and whoever names it still gets it, because releases do.
    ///
    /// # Errors
    /// [`Code::ManifestUnknown`]: there is no such version. [`Code::ManifestInvalid`]: the reason is none.
    pub async fn yank(
        &self,
        name: &ConnectorName,
        version: &Version,
        reason: &str,
    ) -> Result<Arc<Entry>, Refusal> {
        let note = Note::new(reason, self.now_ms())?;
        self.change_standing(name, version, |standing| standing.yanked = Some(note))
            .await
    }

    /// Takes a withdrawal back.
    ///
    /// # Errors
    /// [`Code::ManifestUnknown`]: there is no such version.
    pub async fn restore(&self, name: &ConnectorName, version: &Version) -> Result<Arc<Entry>, Refusal> {
        self.change_standing(name, version, |standing| standing.yanked = None)
            .await
    }

    /// Says that a connector is replaced, or with nothing that it is not.
    ///
    /// # Errors
    /// [`Code::NameUnknown`]: nothing of this name is published. [`Code::ManifestInvalid`]: the reason is none.
    pub async fn deprecate(
        &self,
        name: &ConnectorName,
        notice: Option<(&str, Option<&str>)>,
    ) -> Result<(), Refusal> {
        let notice = notice
            .map(|(reason, instead)| Deprecation::new(reason, instead, self.now_ms()))
            .transpose()?;
        let _writing = self.inner.writer.lock().await;
        if self.versions(name).is_empty() {
            return Err(Refusal::new(
                Code::NameUnknown,
                format!("there is no connector {name}"),
            ));
        }
        self.write_document(
            "write a deprecation",
            self.inner.layout.deprecation(name),
            &notice,
        )
        .await?;
        self.with_repo(name, |repo| repo.deprecation = notice.map(Arc::new));
        (self.inner.config.published)();
        Ok(())
    }

    /// Why a connector should not be used for something new, if so.
    #[must_use]
    pub fn deprecation(&self, name: &ConnectorName) -> Option<Arc<Deprecation>> {
        self.index().repos.get(name)?.deprecation.clone()
    }

    /// Keeps an advisory, in place of an older one of the same id.
    ///
    /// # Errors
    /// [`Code::ManifestInvalid`]: it cannot be understood. [`Code::Denied`]: there are too many.
    pub async fn advise(&self, advisory: Advisory) -> Result<(), Refusal> {
        advisory
            .check()
            .map_err(|error| Refusal::new(Code::ManifestInvalid, error))?;
        let _writing = self.inner.writer.lock().await;
        let is_new = !self.index().advisories.contains_key(&advisory.id);
        if is_new && self.index().advisories.len() >= ADVISORIES_MAX {
            let message = format!("the registry keeps at most {ADVISORIES_MAX} advisories");
            return Err(Refusal::new(Code::Denied, message));
        }
        self.write_document(
            "write an advisory",
            self.inner.layout.advisory(&advisory.id),
            &advisory,
        )
        .await?;
        self.index_mut()
            .advisories
            .insert(advisory.id.clone(), Arc::new(advisory));
        (self.inner.config.published)();
        Ok(())
    }

    /// The advisories that hold of a version, the worst first.
    #[must_use]
    pub fn advisories(&self, name: &ConnectorName, version: &Version) -> Vec<Arc<Advisory>> {
        let index = self.index();
        let about = index
            .advisories
            .values()
            .filter(|advisory| advisory.concerns(name, version));
        let mut found: Vec<_> = about.cloned().collect();
        found.sort_by_key(|advisory| std::cmp::Reverse(advisory.severity()));
        found
    }

    async fn change_standing(
        &self,
        name: &ConnectorName,
        version: &Version,
        change: impl FnOnce(&mut Standing),
    ) -> Result<Arc<Entry>, Refusal> {
        let _writing = self.inner.writer.lock().await;
        let unknown = || {
            Refusal::new(
                Code::ManifestUnknown,
                format!("{name} {version} is not published here"),
            )
        };
        let entry = self.get(name, version).ok_or_else(unknown)?;
        let mut changed = Entry::clone(&entry);
        change(&mut changed.standing);
        self.write_document(
            "write a standing",
            self.inner.layout.standing(name, version),
            &changed.standing,
        )
        .await?;
        let changed = Arc::new(changed);
        self.index_mut().publish(Arc::clone(&changed));
        (self.inner.config.published)();
        Ok(changed)
    }
}
