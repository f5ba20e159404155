//! Workflows, their versions and what the lint says about them.

use std::sync::Arc;

use async_graphql::{Context, Enum, Json, Object, Result, SimpleObject};
use flowforge_store::StoredRelease;
use flowforge_workflow::{Diagnostic, Severity};

use super::connectors::PinnedConnectorNode;
use super::fault;
use super::limits::spend;
use super::scalars::{AnyJson, Long};
use crate::app::App;
use crate::release::ReadyRelease;

/// Versions shown at most.
const MAX_VERSIONS: u32 = 100;

/// How much a finding matters.
#[derive(Debug, Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "Severity")]
pub(crate) enum SeverityName {
    /// The workflow cannot be published.
    Error,
    /// It can, but somebody should look.
    Warning,
}

/// One finding of the lint.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(name = "Diagnostic")]
pub(crate) struct DiagnosticNode {
    severity: SeverityName,
    /// Stable, for programs: `FF-WF-…`.
    code: String,
    message: String,
    /// 1-based.
    line: u32,
    /// 1-based.
    column: u32,
    /// The line of the file.
    excerpt: String,
    /// What to do, for people.
    fix: Option<String>,
    /// What the mended source has had done to it, if that is certain: "added …".
    fixed: Option<String>,
}

impl From<&Diagnostic> for DiagnosticNode {
    fn from(found: &Diagnostic) -> Self {
        let fixed = found
            .correction
            .as_ref()
            .map(|correction| correction.title.clone());
        Self {
            severity: match found.severity {
                Severity::Error => SeverityName::Error,
                Severity::Warning => SeverityName::Warning,
            },
            code: found.code.clone(),
            message: found.message.clone(),
            line: found.line,
            column: found.column,
            excerpt: found.excerpt.clone(),
            fix: found.fix.clone().or_else(|| fixed.clone()),
            fixed,
        }
    }
}

/// A published workflow: its newest version.
pub(crate) struct WorkflowNode(pub(crate) Arc<ReadyRelease>);

#[Object(name = "Workflow")]
impl WorkflowNode {
    async fn name(&self) -> &str {
        &self.0.stored.workflow
    }

    async fn title(&self) -> &str {
        &self.0.stored.title
    }

    /// The newest version.
    async fn version(&self) -> u32 {
        self.0.stored.version
    }

    /// Digest of the release.
    async fn release(&self) -> String {
        self.0.digest().to_string()
    }

    /// Digest of the grant set.
    async fn grants(&self) -> String {
        self.0.stored.grants_digest.to_string()
    }

    async fn published_at_ms(&self) -> Long {
        self.0.stored.published_at_ms.into()
    }

    /// JSON Schema of what a run is asked for.
    async fn input_schema(&self) -> AnyJson {
        Json(self.0.input_schema.clone())
    }

    /// As the definition declares them.
    async fn triggers(&self) -> Result<AnyJson> {
        serde_json::to_value(&self.0.workflow.triggers)
            .map(Json)
            .map_err(|error| fault(&error))
    }

    async fn connectors(&self) -> Vec<PinnedConnectorNode> {
        let pinned = self.0.release.connectors.iter();
        pinned
            .map(|(name, connector)| PinnedConnectorNode {
                name: name.clone(),
                version: connector.version.clone(),
                digest: connector.digest.to_string(),
            })
            .collect()
    }

    /// Published versions, newest first, at most 100.
    #[graphql(complexity = "10 + child_complexity")]
    async fn versions(&self, ctx: &Context<'_>) -> Result<Vec<WorkflowVersionNode>> {
        let app = ctx.data::<Arc<App>>()?;
        let versions = app
            .store
            .versions(&app.scope, &self.0.stored.workflow, MAX_VERSIONS)
            .await
            .map_err(|error| fault(&error))?;
        Ok(versions.into_iter().map(WorkflowVersionNode).collect())
    }
}

/// One published version.
pub(crate) struct WorkflowVersionNode(StoredRelease);

#[Object(name = "WorkflowVersion")]
impl WorkflowVersionNode {
    async fn version(&self) -> u32 {
        self.0.version
    }

    /// Digest of the release.
    async fn release(&self) -> String {
        self.0.digest.to_string()
    }

    /// Digest of the grant set.
    async fn grants(&self) -> String {
        self.0.grants_digest.to_string()
    }

    /// Id of the key that signed the release.
    async fn signed_by(&self) -> Option<String> {
        let envelope: serde_json::Value = serde_json::from_str(&self.0.envelope).ok()?;
        let key = envelope.pointer("/signatures/0/keyid")?;
        key.as_str().map(str::to_owned)
    }

    async fn published_at_ms(&self) -> Long {
        self.0.published_at_ms.into()
    }

    /// The workflow file as it was published.
    async fn source(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        spend(ctx, self.0.source.as_ref().map_or(0, |text| text.len() as u64))?;
        Ok(self.0.source.as_deref())
    }
}
