//! Workflows, their versions and what the lint says about them.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Json, Object, Result, SimpleObject};
use flowforge_store::{Arrangement, ReleaseHead};
use flowforge_workflow::{Diagnostic, Severity};

use super::capabilities::{CapabilityHold, NoticeNode};
use super::connectors::PinnedConnectorNode;
use super::fault;
use super::limits::spend;
use super::loads;
use super::nodes::{Kind, global_id};
use super::scalars::{AnyJson, Long};
use crate::app::App;
use crate::release::ReadyRelease;

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
    /// Unique among everything here.
    pub(crate) async fn id(&self) -> ID {
        global_id(Kind::Workflow, &self.0.stored.workflow)
    }

    /// The folder that it is in: `shop/orders`; empty at the top.
    async fn folder(&self, ctx: &Context<'_>) -> Result<String> {
        let there = loads::arrangements(ctx, self.0.stored.workflow.clone()).await?;
        Ok(there.map(|there| there.folder.clone()).unwrap_or_default())
    }

    /// In the order of the alphabet.
    async fn tags(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        let there = loads::arrangements(ctx, self.0.stored.workflow.clone()).await?;
        Ok(there.map(|there| there.tags.clone()).unwrap_or_default())
    }

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

    /// Connectors that ask for more than they may have: no run starts before that is granted.
    #[graphql(complexity = 5)]
    async fn held(&self, ctx: &Context<'_>) -> Result<Vec<CapabilityHold>> {
        let held = ctx.data::<Arc<App>>()?.held(&self.0);
        Ok(held.into_iter().map(CapabilityHold::from).collect())
    }

    /// What is known to be wrong with its connectors, the worst of each first.
    #[graphql(complexity = 5)]
    async fn notices(&self, ctx: &Context<'_>) -> Result<Vec<NoticeNode>> {
        let notices = ctx.data::<Arc<App>>()?.notices_of(&self.0);
        Ok(notices.into_iter().map(NoticeNode::from).collect())
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
        let versions = loads::versions(ctx, self.0.stored.workflow.clone()).await?;
        let versions = versions.unwrap_or_default();
        Ok(versions.iter().cloned().map(WorkflowVersionNode).collect())
    }
}

/// Which workflows to list.
pub(super) struct WorkflowFilter {
    words: Vec<String>,
    folder: Option<String>,
    tag: Option<String>,
}

impl WorkflowFilter {
    pub(super) fn new(search: Option<String>, folder: Option<String>, tag: Option<String>) -> Self {
        let words = search.unwrap_or_default();
        Self {
            words: words.split_whitespace().map(str::to_lowercase).collect(),
            folder: folder.filter(|folder| !folder.is_empty()),
            tag,
        }
    }

    /// Whether it needs to know where a workflow is.
    pub(super) fn asks_where(&self) -> bool {
        !self.words.is_empty() || self.folder.is_some() || self.tag.is_some()
    }

    /// Whether a workflow is one of them.
    pub(super) fn fits(&self, release: &ReadyRelease, place: Option<&Arrangement>) -> bool {
        let (folder, tags) = place.map_or(("", &[][..]), |place| (place.folder.as_str(), &place.tags[..]));
        let inside = self.folder.as_ref().is_none_or(|wanted| {
            let rest = folder.strip_prefix(wanted.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        let (name, title) = (&release.stored.workflow, &release.stored.title);
        let text = format!("{name} {title} {folder} {}", tags.join(" ")).to_lowercase();
        inside
            && self.tag.as_ref().is_none_or(|wanted| tags.contains(wanted))
            && self.words.iter().all(|word| text.contains(word))
    }
}

/// One published version.
pub(crate) struct WorkflowVersionNode(pub(super) ReleaseHead);

#[Object(name = "WorkflowVersion")]
impl WorkflowVersionNode {
    /// Unique among everything here.
    pub(crate) async fn id(&self) -> ID {
        global_id(
            Kind::WorkflowVersion,
            &format!("{}/{}", self.0.workflow, self.0.version),
        )
    }

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
    async fn signed_by(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let signer = loads::signers(ctx, self.0.digest).await?;
        Ok(signer.map(|signer| signer.as_ref().clone()))
    }

    async fn published_at_ms(&self) -> Long {
        self.0.published_at_ms.into()
    }

    /// The workflow file as it was published.
    async fn source(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let Some(bytes) = self.0.source_bytes else {
            return Ok(None);
        };
        spend(ctx, bytes)?;
        let source = loads::sources(ctx, self.0.digest).await?;
        Ok(source.map(|source| source.as_ref().clone()))
    }
}
