//! Publishing signed documents: verified, compared with what this process would have compiled, stored.
//!
//! This process never holds the release or grant key. What it compiles somebody else signs, and what comes back is
//! believed only as far as it is what this process would have compiled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flowforge_core::{Action, Caller, Denied, Object, ObjectKind};
use flowforge_protocol::envelope::{OpenError, Signed};
use flowforge_protocol::grants::{GrantSet, NodeGrants};
use flowforge_protocol::release::{DRAFT_VERSION, GrantRequest, PinnedConnector, Release};
use flowforge_protocol::{ConnectorName, Digest};
use flowforge_store::{Links, Published, StoreError, StoredRelease};
use flowforge_workflow::model::Workflow;
use flowforge_workflow::{Diagnostic, Plan, release_calls, release_children};

use crate::app::App;
use crate::release::{ReadyRelease, ReleaseError};

/// Signed documents: release and grant set, as JSON text.
pub(crate) struct Envelopes {
    pub(crate) release: String,
    pub(crate) grants: String,
}

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error("{message}")]
    Signature { code: &'static str, message: String },
    #[error("{0}")]
    Release(String),
    #[error("version {expected} is due")]
    Version { expected: u32 },
    #[error("{message}")]
    Connector { connector: String, message: String },
    #[error("the workflow has errors")]
    Workflow(Vec<Diagnostic>),
    #[error(transparent)]
    Ready(#[from] ReleaseError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("it may not be done")]
    Denied(#[from] Box<Denied>),
}

impl App {
    /// Publishes signed documents as the next version of their workflow.
    pub(crate) async fn publish(
        &self,
        caller: &Caller,
        envelopes: Envelopes,
        source: Option<String>,
    ) -> Result<Arc<ReadyRelease>, PublishError> {
        let allowed = self
            .allow(caller, Action::PublishRelease, Object::project())
            .await?;
        let checked = self.checked(envelopes, source, false).await;
        let (stored, workflow, children) = match checked {
            Ok(checked) => checked,
            Err(error) => {
                if let PublishError::Signature { code, message } = &error {
                    let why = format!("{code}: {message}");
                    self.note_refused(caller, Action::PublishRelease, Object::project(), why)
                        .await;
                }
                return Err(error);
            }
        };
        let object = Object::new(ObjectKind::Workflow, &stored.workflow);
        let what = format!("version {}, {}", stored.version, stored.digest);
        let allowed = self
            .allow(allowed.caller(), Action::PublishRelease, object.clone())
            .await?
            .about(object, Some(what));
        let links = Links {
            hooks: hook_paths(&workflow),
            children,
        };
        let ready = ReadyRelease::new(stored.clone(), self.trust_root())?;
        self.use_connectors(&ready.release.connectors, allowed.by())
            .await?;
        let published = allowed
            .change()
            .publish(allowed.scope(), stored.clone(), links)
            .await;
        let published = published.map_err(|error| match error {
            flowforge_store::PublishError::Version { expected } => PublishError::Version { expected },
            flowforge_store::PublishError::Store(error) => PublishError::Store(error),
            error @ (flowforge_store::PublishError::Trashed { .. }
            | flowforge_store::PublishError::OtherGrants
            | flowforge_store::PublishError::Elsewhere
            | flowforge_store::PublishError::TooMany
            | flowforge_store::PublishError::NoChild { .. }
            | flowforge_store::PublishError::HookTaken { .. }) => PublishError::Release(error.to_string()),
        })?;
        if published == Published::Known {
            // The documents of every release that ran are public: who sends them again moves nothing.
            return Ok(Arc::new(ready));
        }
        self.outside.wanted.notify_one();
        tracing::info!(
            workflow = stored.workflow,
            version = stored.version,
            "a release was published"
        );
        Ok(self.published(stored)?)
    }

    /// Signed documents as they are stored, with what they say: their workflow and the releases that it runs. They are of a
    /// draft or of a version, as the caller wants.
    pub(crate) async fn checked(
        &self,
        envelopes: Envelopes,
        source: Option<String>,
        is_draft: bool,
    ) -> Result<(StoredRelease, Workflow, Vec<Digest>), PublishError> {
        let trust = self.trust_root();
        let unsigned = |what: &str, error: &OpenError| PublishError::Signature {
            code: error.code(),
            message: format!("{what}: {error}"),
        };
        let release = Signed::<Release>::open(envelopes.release.as_bytes(), &trust.release_keys)
            .map_err(|error| unsigned("release", &error))?;
        let grants = Signed::<GrantSet>::open(envelopes.grants.as_bytes(), &trust.grant_keys)
            .map_err(|error| unsigned("grants", &error))?;
        let version = release.version;
        match (is_draft, version == DRAFT_VERSION) {
            (true, true) | (false, false) => {}
            (true, false) => {
                let message = format!("it is version {version} of its workflow; start that instead");
                return Err(PublishError::Release(message));
            }
            (false, true) => {
                let message = "a release of a draft is not published".to_owned();
                return Err(PublishError::Release(message));
            }
        }
        let workflow = self.check_release(&release, &grants)?;
        self.check_children(&release).await?;
        if let Some(source) = &source {
            same_source(source, &release)?;
        }
        let children = release.children.values().map(|child| child.release).collect();
        let stored = StoredRelease {
            digest: release.digest(),
            workflow: release.workflow.clone(),
            version,
            title: release.title.clone(),
            grants_digest: grants.digest(),
            envelope: envelopes.release,
            grants: envelopes.grants,
            source,
            published_at_ms: self.clock.now_ms(),
        };
        Ok((stored, workflow, children))
    }

    /// Every release that its nodes run must be published here, with the grants that it pins.
    async fn check_children(&self, release: &Release) -> Result<(), PublishError> {
        for (name, pinned) in &release.children {
            let stored = self.store.release(&self.scope, &pinned.release).await?;
            let is_it = |stored: &StoredRelease| {
                stored.workflow == *name
                    && stored.version == pinned.version
                    && stored.grants_digest == pinned.grants
            };
            if !stored.as_ref().is_some_and(is_it) {
                let message = format!(
                    "workflow `{name}` version {} is not published here as it is pinned",
                    pinned.version
                );
                return Err(PublishError::Release(message));
            }
        }
        Ok(())
    }

    /// Whether signed documents are what this process would have compiled.
    fn check_release(
        &self,
        release: &Signed<Release>,
        grants: &Signed<GrantSet>,
    ) -> Result<Workflow, PublishError> {
        let refuse = |message: String| Err(PublishError::Release(message));
        if release.workspace != self.workspace() || grants.workspace != self.workspace() {
            return refuse(format!("it is for another workspace than `{}`", self.workspace()));
        }
        if release.project != self.scope.project() || grants.project != self.scope.project() {
            return refuse(format!(
                "it is for another project than `{}`",
                self.scope.project()
            ));
        }
        if grants.release != release.digest() {
            return refuse("the grants are for another release".to_owned());
        }
        if Digest::of_json(&release.definition) != release.definition_digest {
            return refuse("the digest of the definition is not that of the definition".to_owned());
        }
        let workflow: Workflow = match serde_json::from_value(release.definition.clone()) {
            Ok(workflow) => workflow,
            Err(error) => return refuse(format!("the definition is not readable: {error}")),
        };
        if workflow.workflow != release.workflow || workflow.config != release.config {
            return refuse("name or configuration differ between release and definition".to_owned());
        }
        let called: BTreeSet<&str> = workflow
            .calls()
            .map(|(_, call)| call.connector.as_str())
            .collect();
        if !called
            .iter()
            .copied()
            .eq(release.connectors.keys().map(String::as_str))
        {
            return refuse("the pinned connectors are not those that the definition calls".to_owned());
        }
        if workflow.values_stay != release.values_stay || release_calls(&workflow) != release.calls {
            return refuse(
                "what stays on the host, or the calls of nodes, are not those of the definition".to_owned(),
            );
        }
        if !release_children(&workflow).iter().eq(release.children.keys()) {
            return refuse("the pinned workflows are not those that the definition runs".to_owned());
        }
        let interfaces = self.interfaces(&release.connectors)?;
        if let Err(error) = Plan::from_canonical(&release.definition, &interfaces, &release.children) {
            return refuse(format!("the definition cannot run: {error}"));
        }
        match flowforge_workflow::grant_requests(&workflow, &workflow.config) {
            Ok(requests) if requests == release.requests => {}
            Ok(_) => return refuse("the requests are not those of the definition".to_owned()),
            Err(error) => return refuse(error.to_string()),
        }
        for (node, granted) in &grants.nodes {
            let request = release.requests.iter().find(|request| &request.node == node);
            if !request.is_some_and(|request| within(granted, request)) {
                return refuse(format!("the grants give node `{node}` more than it asks for"));
            }
        }
        Ok(workflow)
    }

    /// Interfaces of pinned connectors; each must be published as it is pinned.
    pub(crate) fn interfaces(
        &self,
        connectors: &BTreeMap<String, PinnedConnector>,
    ) -> Result<BTreeMap<String, flowforge_ports::Interface>, PublishError> {
        let mut interfaces = BTreeMap::new();
        for (name, pinned) in connectors {
            let entry = match (name.parse::<ConnectorName>(), pinned.version.parse()) {
                (Ok(parsed), Ok(version)) => self.registry.get(&parsed, &version),
                _ => None,
            };
            match entry {
                Some(entry) if entry.layer_digest == pinned.digest => {
                    interfaces.insert(name.clone(), entry.interface.as_ref().clone());
                }
                Some(entry) => {
                    let message = format!(
                        "{name} {} is published as {}, not {}",
                        pinned.version, entry.layer_digest, pinned.digest
                    );
                    return Err(PublishError::Connector {
                        connector: name.clone(),
                        message,
                    });
                }
                None => {
                    return Err(PublishError::Connector {
                        connector: name.clone(),
                        message: format!("{name} {} is not published here", pinned.version),
                    });
                }
            }
        }
        Ok(interfaces)
    }
}

/// The paths below `/hooks/` and `/forms/` that a workflow listens at.
fn hook_paths(workflow: &Workflow) -> Vec<String> {
    workflow
        .triggers
        .iter()
        .filter_map(|trigger| trigger.kind.path().map(str::to_owned))
        .collect()
}

/// Whether a file is what a release was compiled from.
fn same_source(source: &str, release: &Release) -> Result<(), PublishError> {
    let definition = flowforge_workflow::parse(source).map_err(PublishError::Workflow)?;
    let compiled = flowforge_workflow::canonical(&definition, &release.config);
    if compiled.is_ok_and(|compiled| compiled == release.definition) {
        Ok(())
    } else {
        Err(PublishError::Release(
            "the file is not what was compiled and signed".to_owned(),
        ))
    }
}

fn within(granted: &NodeGrants, request: &GrantRequest) -> bool {
    let destinations = granted
        .destinations
        .iter()
        .all(|destination| request.destinations.contains(destination));
    let secrets = granted
        .secrets
        .iter()
        .all(|(slot, grant)| request.secrets.get(slot) == Some(&grant.secret));
    destinations && secrets
}

#[cfg(test)]
mod tests {
    use flowforge_protocol::grants::SecretGrant;

    use super::*;

    #[test]
    fn grants_stay_within_the_request() {
        let request = GrantRequest {
            node: "notify".parse().unwrap(),
            destinations: vec!["https://a:443".to_owned()],
            secrets: BTreeMap::from([("auth".to_owned(), "token".to_owned())]),
        };
        let grant = |secret: &str| SecretGrant {
            secret: secret.to_owned(),
            kind: "bearer".to_owned(),
            destinations: Vec::new(),
        };
        let granted = |destination: &str, slot: &str, secret: &str| NodeGrants {
            destinations: vec![destination.to_owned()],
            secrets: BTreeMap::from([(slot.to_owned(), grant(secret))]),
        };
        assert!(within(&granted("https://a:443", "auth", "token"), &request));
        assert!(within(&NodeGrants::default(), &request));
        assert!(!within(&granted("https://b:443", "auth", "token"), &request));
        assert!(!within(&granted("https://a:443", "auth", "other"), &request));
        assert!(!within(&granted("https://a:443", "other", "token"), &request));
    }
}
