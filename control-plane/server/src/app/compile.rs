//! From a workflow file to documents that are ready to be signed: lint, pin, compile. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flowforge_protocol::envelope::payload;
use flowforge_protocol::grants::{GrantSet, NodeGrants, SecretGrant};
use flowforge_protocol::release::{DRAFT_VERSION, GrantRequest, PinnedConnector, PinnedRelease, Release};
use flowforge_protocol::strict::StrictError;
use flowforge_protocol::{Digest, NodeId};
use flowforge_store::StoreError;
use flowforge_workflow::model::{TriggerKind, Workflow};
use flowforge_workflow::{
    Definition, Diagnostic, Interrupt, Lock, Severity, release_calls, release_children,
};
use serde_json::{Map, Value};

use crate::apart::ApartError;
use crate::app::App;
use crate::locked::Locked;

/// What the lint says about a file.
pub(crate) struct Checked {
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) nodes: usize,
    pub(crate) connectors: usize,
    pub(crate) fixed_source: Option<String>,
}

/// Documents that are ready to be signed.
pub(crate) struct Prepared {
    pub(crate) release: Release,
    pub(crate) release_payload: Vec<u8>,
    pub(crate) release_digest: Digest,
    pub(crate) grants_payload: Vec<u8>,
    pub(crate) lock: String,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) nodes: usize,
    pub(crate) destinations: Vec<String>,
    pub(crate) secrets: Vec<String>,
}

/// What a file compiles to, before anything of this server comes to it.
struct Compiled {
    definition: Definition,
    canonical: Value,
    workflow: Workflow,
    requests: Vec<GrantRequest>,
    connectors: BTreeMap<String, PinnedConnector>,
    children: BTreeMap<String, PinnedRelease>,
    diagnostics: Vec<Diagnostic>,
}

/// A file and what comes with it.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) text: String,
    /// `workflow.lock`.
    pub(crate) lock: Option<String>,
    /// Configuration in the place of the file's.
    pub(crate) config: Map<String, Value>,
}

/// Why nothing was prepared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrepareError {
    #[error("the workflow has errors")]
    Workflow(Vec<Diagnostic>),
    #[error(transparent)]
    Apart(#[from] ApartError),
    #[error("the release does not fit into a document")]
    DoesNotFit(#[from] StrictError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A finding about something outside the file, shown where the file first speaks of it.
fn finding(
    severity: Severity,
    code: &str,
    source: &str,
    about: &str,
    message: String,
    mend: String,
) -> Diagnostic {
    let (index, line) = source
        .lines()
        .enumerate()
        .find(|(_, line)| line.contains(about))
        .unwrap_or((0, ""));
    Diagnostic {
        severity,
        code: code.to_owned(),
        message,
        line: u32::try_from(index + 1).unwrap_or(u32::MAX),
        column: u32::try_from(line.find(about).unwrap_or(0) + 1).unwrap_or(u32::MAX),
        excerpt: line.to_owned(),
        fix: Some(mend),
        correction: None,
    }
}

impl App {
    /// What a file may call, with the versions that its lock says.
    pub(crate) fn locked(&self, lock: Option<&str>) -> Result<Locked<'_>, Vec<Diagnostic>> {
        let lock = match lock.map(flowforge_workflow::lock_parse) {
            None => Lock::new(),
            Some(Ok(lock)) => lock,
            Some(Err(error)) => {
                let mend = "mend or delete workflow.lock".to_owned();
                return Err(vec![finding(
                    Severity::Error,
                    "FF-WF-090",
                    "",
                    "",
                    error.to_string(),
                    mend,
                )]);
            }
        };
        let newest = self.newest().into_iter();
        Ok(Locked {
            registry: &self.registry,
            workflows: newest
                .map(|release| (release.stored.workflow.clone(), release))
                .collect(),
            lock,
        })
    }

    fn read(
        &self,
        source: &Source,
        interrupt: &Interrupt,
    ) -> Result<(Definition, Locked<'_>, Vec<Diagnostic>), Vec<Diagnostic>> {
        let Source { text, lock, config } = source;
        let source = text.as_str();
        let definition = flowforge_workflow::parse(source)?;
        let locked = self.locked(lock.as_deref())?;
        // Whoever waited for a check that was stopped is told so, and hears nothing of this.
        let mut found =
            flowforge_workflow::lint_within(&definition, config, &locked, interrupt).unwrap_or_default();
        let entries: Vec<_> = definition
            .connectors()
            .iter()
            .filter_map(|name| locked.entry(name))
            .collect();
        found.extend(self.findings_about(source, entries.iter()));
        if let Err(error) = flowforge_workflow::canonical(&definition, config) {
            let mend = "leave it out, or add it to `config`".to_owned();
            found.push(finding(
                Severity::Error,
                "FF-WF-092",
                source,
                "config",
                error.to_string(),
                mend,
            ));
        }
        Ok((definition, locked, found))
    }

    /// Looks at a file; changes nothing.
    pub(crate) async fn check(self: &Arc<Self>, source: Source) -> Result<Checked, ApartError> {
        self.apart(move |app, interrupt| app.check_now(&source, interrupt))
            .await
    }

    fn check_now(&self, given: &Source, interrupt: &Interrupt) -> Checked {
        let source = given.text.as_str();
        match self.read(given, interrupt) {
            Ok((definition, _, diagnostics)) => {
                let fixable = diagnostics.iter().any(|found| found.correction.is_some());
                Checked {
                    fixed_source: fixable.then(|| flowforge_workflow::apply_fixes(source, &diagnostics)),
                    nodes: definition.node_count(),
                    connectors: definition.connectors().len(),
                    diagnostics,
                }
            }
            Err(diagnostics) => {
                let fixable = diagnostics.iter().any(|found| found.correction.is_some());
                Checked {
                    fixed_source: fixable.then(|| flowforge_workflow::apply_fixes(source, &diagnostics)),
                    nodes: 0,
                    connectors: 0,
                    diagnostics,
                }
            }
        }
    }

    fn compile_now(&self, given: &Source, interrupt: &Interrupt) -> Result<Compiled, Vec<Diagnostic>> {
        let (definition, locked, mut diagnostics) = self.read(given, interrupt)?;
        let canonical = flowforge_workflow::canonical(&definition, &given.config).ok();
        let workflow = canonical
            .as_ref()
            .and_then(|value| serde_json::from_value::<Workflow>(value.clone()).ok());
        let (Some(canonical), Some(workflow), false) =
            (canonical, workflow, diagnostics.iter().any(Diagnostic::is_error))
        else {
            return Err(diagnostics);
        };
        let requests = match flowforge_workflow::grant_requests(&workflow, &workflow.config) {
            Ok(requests) => requests,
            Err(error) => {
                let mend = "write scheme://name:port".to_owned();
                diagnostics.push(finding(
                    Severity::Error,
                    "FF-WF-093",
                    &given.text,
                    "allow",
                    error.to_string(),
                    mend,
                ));
                return Err(diagnostics);
            }
        };
        Ok(Compiled {
            connectors: pins(&definition, &locked),
            children: children_of(&workflow, &locked),
            definition,
            canonical,
            workflow,
            requests,
            diagnostics,
        })
    }

    /// Compiles a file to documents, for its next version or for a draft, which is none; changes nothing.
    pub(crate) async fn prepare(
        self: &Arc<Self>,
        source: Source,
        draft: bool,
    ) -> Result<Prepared, PrepareError> {
        let text = source.text.clone();
        let compiled = self
            .apart(move |app, interrupt| app.compile_now(&source, interrupt))
            .await?;
        let Compiled {
            definition,
            canonical,
            workflow,
            requests,
            connectors,
            children,
            mut diagnostics,
        } = compiled.map_err(PrepareError::Workflow)?;
        let source = text.as_str();
        let nodes = self.node_grants(source, &requests, &mut diagnostics).await?;
        self.look_at_hooks(source, &workflow, &mut diagnostics).await?;
        if diagnostics.iter().any(Diagnostic::is_error) {
            return Err(PrepareError::Workflow(diagnostics));
        }
        let version = match draft {
            true => DRAFT_VERSION,
            false => {
                let last = self
                    .store
                    .release_of(&self.scope, &workflow.workflow, None)
                    .await?;
                last.map_or(1, |last| last.version.saturating_add(1))
            }
        };
        let now_ms = self.clock.now_ms();
        let release = Release {
            workspace: self.workspace().to_owned(),
            project: self.scope.project().to_owned(),
            workflow: workflow.workflow.clone(),
            version,
            title: definition.title().to_owned(),
            definition_digest: Digest::of_json(&canonical),
            definition: canonical,
            connectors: connectors.clone(),
            calls: release_calls(&workflow),
            children,
            values_stay: workflow.values_stay,
            config: workflow.config.clone(),
            requests,
            created_at_ms: now_ms,
        };
        let release_payload = payload(&release)?;
        let release_digest = Digest::of(&release_payload);
        let destinations = flat(nodes.values().flat_map(|node| node.destinations.iter()));
        let secrets = flat(
            nodes
                .values()
                .flat_map(|node| node.secrets.values().map(|grant| &grant.secret)),
        );
        let grants = GrantSet {
            workspace: self.workspace().to_owned(),
            project: self.scope.project().to_owned(),
            release: release_digest,
            version: u64::from(version),
            nodes,
            created_at_ms: now_ms,
        };
        Ok(Prepared {
            grants_payload: payload(&grants)?,
            release_payload,
            release_digest,
            lock: flowforge_workflow::lock_format(&connectors),
            nodes: definition.node_count(),
            destinations,
            secrets,
            diagnostics,
            release,
        })
    }

    /// What each node may use: what it asks for, with the kind and the bounds of each secret.
    async fn node_grants(
        &self,
        source: &str,
        requests: &[GrantRequest],
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Result<BTreeMap<NodeId, NodeGrants>, StoreError> {
        let mut nodes = BTreeMap::new();
        for request in requests {
            let mut secrets = BTreeMap::new();
            for (slot, name) in &request.secrets {
                let Some(secret) = self.store.secret(&self.scope, name).await? else {
                    let message = format!("node `{}` uses secret `{name}`, which is not set", request.node);
                    let place = request.destinations.first().map_or("https://…", String::as_str);
                    let mend = format!("flowforge secret set {name} --kind bearer --for {place}");
                    diagnostics.push(finding(Severity::Error, "FF-WF-094", source, name, message, mend));
                    continue;
                };
                let grant = SecretGrant {
                    secret: name.clone(),
                    kind: secret.kind,
                    destinations: secret.destinations,
                };
                secrets.insert(slot.clone(), grant);
            }
            let grants = NodeGrants {
                destinations: request.destinations.clone(),
                secrets,
            };
            nodes.insert(request.node.clone(), grants);
        }
        Ok(nodes)
    }

    /// A webhook whose key is not set yet can be published, but it answers nobody.
    async fn look_at_hooks(
        &self,
        source: &str,
        workflow: &Workflow,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Result<(), StoreError> {
        for trigger in &workflow.triggers {
            let TriggerKind::Webhook(hook) = &trigger.kind else {
                continue;
            };
            let (Some(key), path) = (hook.secret(), &hook.path) else {
                continue;
            };
            if self.store.secret(&self.scope, key).await?.is_none() {
                let message =
                    format!("webhook /hooks/{path} is checked with secret `{key}`, which is not set");
                let mend = format!("flowforge secret set {key} --kind hmac-key");
                diagnostics.push(finding(
                    Severity::Warning,
                    "FF-WF-095",
                    source,
                    key,
                    message,
                    mend,
                ));
            }
        }
        Ok(())
    }
}

fn pins(definition: &Definition, locked: &Locked<'_>) -> BTreeMap<String, PinnedConnector> {
    let entries = definition
        .connectors()
        .into_iter()
        .filter_map(|name| Some((locked.entry(&name)?, name)));
    entries
        .map(|(entry, name)| {
            let pinned = PinnedConnector {
                version: entry.version.to_string(),
                digest: entry.layer_digest,
            };
            (name, pinned)
        })
        .collect()
}

fn flat<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    names.collect::<BTreeSet<_>>().into_iter().cloned().collect()
}

/// The release that each `workflow` node will run. The lint has found every one that is missing.
fn children_of(workflow: &Workflow, locked: &Locked<'_>) -> BTreeMap<String, PinnedRelease> {
    let names = release_children(workflow).into_iter();
    names
        .filter_map(|name| {
            let release = locked.workflows.get(&name)?;
            let pinned = PinnedRelease {
                version: release.stored.version,
                release: release.digest(),
                grants: release.stored.grants_digest,
            };
            Some((name, pinned))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_stands_where_the_file_speaks_of_it() {
        let found = finding(
            Severity::Error,
            "X",
            "a: 1\n  b: token\n",
            "token",
            String::new(),
            String::new(),
        );
        assert_eq!(
            (found.line, found.column, found.excerpt.as_str()),
            (2, 6, "  b: token")
        );
    }
}
