//! What connectors may have in this project, and the runs that wait until an upgraded one is granted what it asks for besides.
//!
//! The first release that uses a connector says what it may have: whoever published it saw that. A later version that asks
//! for more is published and starts no runs until somebody who may grants it. What is granted lies in the store; this is
//! a picture of it, which is made anew before anybody is refused if other servers may have changed it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock};

use flowforge_core::{Action, Caller, Denied, Object, ObjectKind};
use flowforge_protocol::ConnectorName;
use flowforge_protocol::release::PinnedConnector;
use flowforge_store::{CapabilityChange, CapabilityGrant, StoreError};

use crate::app::App;
use crate::release::{Asked, ReadyRelease};

/// What each connector may have.
#[derive(Debug, Default)]
pub(crate) struct Capabilities(RwLock<BTreeMap<String, BTreeSet<String>>>);

/// A connector that asks for more than it may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) connector: String,
    pub(crate) version: String,
    /// What it asks for besides, in words such as `http https://a.example`.
    pub(crate) missing: Vec<String>,
}

impl std::fmt::Display for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} {} asks for {}",
            self.connector,
            self.version,
            self.missing.join(", ")
        )
    }
}

impl Capabilities {
    pub(crate) fn of(grants: Vec<CapabilityGrant>) -> Self {
        let capabilities = Self::default();
        capabilities.replace(grants);
        capabilities
    }

    fn replace(&self, grants: Vec<CapabilityGrant>) {
        let mut granted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for grant in grants {
            granted
                .entry(grant.connector)
                .or_default()
                .insert(grant.capability);
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = granted;
    }

    /// What is missing for these; a connector that was never used here has no bound yet.
    fn missing(&self, asked: &[Asked]) -> Vec<Hold> {
        let granted = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let held = asked.iter().filter_map(|asked| {
            let granted = granted.get(&asked.connector)?;
            let missing: Vec<String> = asked.capabilities.difference(granted).cloned().collect();
            (!missing.is_empty()).then(|| Hold {
                connector: asked.connector.clone(),
                version: asked.version.clone(),
                missing,
            })
        });
        held.collect()
    }
}

/// Why nothing was granted or taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GrantError {
    #[error("it may not be done")]
    Denied(#[from] Box<Denied>),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "a connector is granted at most {} capabilities",
        flowforge_store::MAX_CAPABILITIES
    )]
    TooMany,
}

impl App {
    /// What these connectors ask for. None of one that is not published any more: its hosts have it, or nobody has.
    fn asked_by(&self, connectors: &BTreeMap<String, PinnedConnector>) -> (Vec<Asked>, bool) {
        let mut asked = Vec::with_capacity(connectors.len());
        for (name, pinned) in connectors {
            let entry = match (name.parse::<ConnectorName>(), pinned.version.parse()) {
                (Ok(parsed), Ok(version)) => self.registry.get(&parsed, &version),
                _ => None,
            };
            if let Some(entry) = entry.filter(|entry| entry.layer_digest == pinned.digest) {
                asked.push(Asked {
                    connector: name.clone(),
                    version: pinned.version.clone(),
                    capabilities: flowforge_gates::asked_for(&entry.interface),
                });
            }
        }
        let all = asked.len() == connectors.len();
        (asked, all)
    }

    /// Which of a release's connectors ask for more than they may have, as far as this process knows.
    pub(crate) fn held(&self, release: &ReadyRelease) -> Vec<Hold> {
        match release.asked(|| self.asked_by(&release.release.connectors)) {
            Ok(asked) => self.capabilities.missing(asked),
            Err(asked) => self.capabilities.missing(&asked),
        }
    }

    /// The same, before anybody is refused for it.
    pub(crate) async fn surely_held(&self, release: &ReadyRelease) -> Result<Vec<Hold>, StoreError> {
        let held = self.held(release);
        if held.is_empty() || !self.bus.is_shared() {
            return Ok(held);
        }
        self.look_at_capabilities().await?;
        Ok(self.held(release))
    }

    /// Reads what connectors may have.
    pub(crate) async fn look_at_capabilities(&self) -> Result<(), StoreError> {
        let grants = self.store.capability_grants(&self.scope).await?;
        self.capabilities.replace(grants);
        Ok(())
    }

    /// A release is about to be published: connectors that were never used here get what they ask for.
    pub(crate) async fn use_connectors(
        &self,
        connectors: &BTreeMap<String, PinnedConnector>,
        by: &str,
    ) -> Result<(), StoreError> {
        let asked = self.asked_by(connectors).0;
        let known = {
            let granted = self.capabilities.0.read().unwrap_or_else(PoisonError::into_inner);
            asked.iter().all(|asked| granted.contains_key(&asked.connector))
        };
        if known {
            return Ok(());
        }
        let asked = asked
            .into_iter()
            .map(|asked| (asked.connector, asked.capabilities.into_iter().collect()))
            .collect();
        self.store
            .use_connectors(&self.scope, asked, by.to_owned(), self.clock.now_ms())
            .await?;
        self.look_at_capabilities().await
    }

    /// Grants a connector what it asks for, or takes it.
    pub(crate) async fn set_capabilities(
        &self,
        caller: &Caller,
        connector: String,
        capabilities: Vec<String>,
        taken: bool,
    ) -> Result<(), GrantError> {
        let object = Object::new(ObjectKind::Connector, connector.as_str());
        let allowed = self
            .allow(caller, Action::GrantCapability, object.clone())
            .await?;
        let verb = if taken { "took" } else { "granted" };
        let what: String = format!("{verb} {}", capabilities.join(", "))
            .chars()
            .take(1_000)
            .collect();
        let allowed = allowed.about(object, Some(what));
        let change = CapabilityChange {
            connector,
            capabilities,
            taken,
            by: allowed.by().to_owned(),
            at_ms: self.clock.now_ms(),
        };
        let changed = allowed.change().set_capabilities(allowed.scope(), change).await?;
        changed.ok_or(GrantError::TooMany)?;
        self.look_at_capabilities().await?;
        self.bus.say(crate::fleet::words::Word::Connectors);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(connector: &str, capabilities: &[&str]) -> Asked {
        Asked {
            connector: connector.to_owned(),
            version: "0.2.0".to_owned(),
            capabilities: capabilities.iter().map(ToString::to_string).collect(),
        }
    }

    fn grant(connector: &str, capability: &str) -> CapabilityGrant {
        CapabilityGrant {
            connector: connector.to_owned(),
            capability: capability.to_owned(),
            granted_by: "local".to_owned(),
            granted_at_ms: 0,
        }
    }

    #[test]
    fn a_connector_that_was_used_asks_for_what_it_has_not_got() {
        let capabilities = Capabilities::of(vec![
            grant("acme:geo", ""),
            grant("acme:geo", "http"),
            grant("acme:pure", ""),
        ]);
        let missing = capabilities.missing(&[
            asked("acme:geo", &["http", "http https://a.example"]),
            asked("acme:pure", &["http"]),
            asked("acme:new", &["http"]),
        ]);
        let told: Vec<String> = missing.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "acme:geo 0.2.0 asks for http https://a.example",
                "acme:pure 0.2.0 asks for http"
            ]
        );
        assert!(capabilities.missing(&[asked("acme:geo", &["http"])]).is_empty());
    }
}
