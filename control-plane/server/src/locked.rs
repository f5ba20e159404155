//! What a workflow may call: published connectors, in the version its lock says or the newest, and published workflows.

use std::collections::BTreeMap;
use std::sync::Arc;

use flowforge_protocol::ConnectorName;
use flowforge_registry::{Entry, Registry};
use flowforge_workflow::{ConnectorVersion, Connectors, KnownWorkflow, Lock, Missing};

use crate::release::ReadyRelease;

/// Published connectors, in the version the lock says or the newest; and published workflows, in their newest.
pub(crate) struct Locked<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) workflows: BTreeMap<String, Arc<ReadyRelease>>,
    pub(crate) lock: Lock,
}

impl Locked<'_> {
    pub(crate) fn entry(&self, name: &str) -> Option<Arc<Entry>> {
        let parsed: ConnectorName = name.parse().ok()?;
        match self.lock.get(name) {
            None => self.registry.latest_installed(&parsed),
            Some(pinned) => {
                let entry = self.registry.get(&parsed, &pinned.version.parse().ok()?)?;
                (entry.layer_digest == pinned.digest && entry.is_installed).then_some(entry)
            }
        }
    }
}

impl Locked<'_> {
    /// That a connector is published here and no host would run it: its publisher's key is not the site's.
    fn not_installed(&self, name: &str, parsed: &ConnectorName) -> Option<Missing> {
        let entry = match self.lock.get(name) {
            Some(pinned) => self.registry.get(parsed, &pinned.version.parse().ok()?),
            None => self.registry.latest(parsed),
        };
        let entry = entry.filter(|entry| !entry.is_installed)?;
        Some(Missing {
            message: format!(
                "`{name}` {} is published by `{}` and not installed here: hosts run what this site's own key vouches for",
                entry.version,
                parsed.publisher()
            ),
            fix: format!(
                "look at what it asks for, then flowforge connector install {name}@{}",
                entry.version
            ),
        })
    }
}

impl Connectors for Locked<'_> {
    fn find(&self, name: &str) -> Option<ConnectorVersion> {
        let entry = self.entry(name)?;
        Some(ConnectorVersion {
            version: entry.version.to_string(),
            digest: entry.layer_digest,
            interface: entry.interface.as_ref().clone(),
        })
    }

    fn missing(&self, name: &str) -> Option<Missing> {
        let parsed: ConnectorName = name.parse().ok()?;
        if let Some(missing) = self.not_installed(name, &parsed) {
            return Some(missing);
        }
        let pinned = self.lock.get(name)?;
        let version = pinned.version.parse().ok();
        let same = version.and_then(|version| self.registry.get(&parsed, &version));
        let newest = self.registry.latest(&parsed);
        let here = match (&same, &newest) {
            (Some(same), _) => format!("version {} is {} here", same.version, same.layer_digest),
            (None, Some(newest)) => {
                format!("the newest here is {} ({})", newest.version, newest.layer_digest)
            }
            (None, None) => "no version of it is published here".to_owned(),
        };
        let fix = match &newest {
            Some(newest) => format!(
                "take the line of `{name}` out of workflow.lock to use {}, or publish the pinned version here",
                newest.version
            ),
            None => "publish it with `flowforge connector publish FOLDER`".to_owned(),
        };
        Some(Missing {
            message: format!(
                "workflow.lock pins `{name}` to {} ({}), which is not published here: {here}",
                pinned.version, pinned.digest
            ),
            fix,
        })
    }

    fn names(&self) -> Vec<String> {
        self.registry
            .list()
            .iter()
            .map(|entry| entry.name.to_string())
            .collect()
    }

    fn workflow(&self, name: &str) -> Option<KnownWorkflow> {
        self.workflows
            .get(name)
            .map(|release| KnownWorkflow::from(&release.workflow))
    }

    fn workflows(&self) -> Option<Vec<String>> {
        Some(self.workflows.keys().cloned().collect())
    }
}
