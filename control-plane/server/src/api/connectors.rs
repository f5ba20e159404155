//! Connectors as the API shows them.

use std::sync::Arc;

use async_graphql::{Context, ID, Json, Object, Result, SimpleObject};
use flowforge_registry::Entry;

use super::fault;
use super::nodes::{Kind, global_id};
use super::scalars::{AnyJson, Long};
use super::workflows::WorkflowNode;
use crate::app::App;

/// A published version of a connector.
pub(crate) struct ConnectorNode(pub(crate) Arc<Entry>);

#[Object(name = "Connector")]
impl ConnectorNode {
    /// Unique among everything here; the same for all versions.
    pub(crate) async fn id(&self) -> ID {
        global_id(Kind::Connector, self.0.name.as_str())
    }

    /// `publisher:name`
    async fn name(&self) -> &str {
        self.0.name.as_str()
    }

    async fn version(&self) -> String {
        self.0.version.to_string()
    }

    /// `sha256:…` of the component's bytes.
    async fn digest(&self) -> String {
        self.0.layer_digest.to_string()
    }

    async fn size_bytes(&self) -> Long {
        self.0.size_bytes.into()
    }

    async fn title(&self) -> Option<&str> {
        self.0.interface.meta.as_ref().map(|meta| meta.title.as_str())
    }

    async fn summary(&self) -> Option<&str> {
        self.0.interface.meta.as_ref().map(|meta| meta.summary.as_str())
    }

    /// Id of the key that signed the publication.
    async fn publisher_key(&self) -> String {
        self.0.publisher_key.to_string()
    }

    async fn published_at_ms(&self) -> Long {
        self.0.published_at_ms.into()
    }

    /// Operations, ports and capabilities, as they were read from the bytes.
    #[graphql(complexity = 5)]
    async fn interface(&self) -> Result<AnyJson> {
        serde_json::to_value(self.0.interface.as_ref())
            .map(Json)
            .map_err(|error| fault(&error))
    }

    /// `transform`, `data`, `messaging`, `files`, `ai`, `devices` or `other`.
    async fn category(&self) -> Option<&str> {
        self.0.interface.meta.as_ref().map(|meta| meta.category.as_str())
    }

    /// SPDX expression; absent if it states none.
    async fn license(&self) -> Option<&str> {
        let meta = self.0.interface.meta.as_ref()?;
        Some(meta.license.as_str()).filter(|text| !text.is_empty())
    }

    /// What it asks of the host beyond the basics: `http`, `secrets`, `artefacts`, …
    async fn capabilities(&self) -> Vec<&'static str> {
        let kinds = self
            .0
            .interface
            .capabilities
            .iter()
            .map(|capability| capability.kind.as_str());
        kinds
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    /// Why this version was withdrawn, if it was. It is still served to whoever names it.
    async fn yanked(&self) -> Option<ReasonNode> {
        let note = self.0.standing.yanked.as_ref()?;
        Some(ReasonNode {
            reason: note.reason.clone(),
            use_instead: None,
            at_ms: note.at_ms.into(),
        })
    }

    /// Why the connector should not be used for something new, if so.
    async fn deprecated(&self, ctx: &Context<'_>) -> Result<Option<ReasonNode>> {
        let notice = ctx.data::<Arc<App>>()?.registry.deprecation(&self.0.name);
        Ok(notice.map(|notice| ReasonNode {
            reason: notice.reason.clone(),
            use_instead: notice.use_instead.clone(),
            at_ms: notice.at_ms.into(),
        }))
    }

    /// What is known to be wrong with this version, the worst first.
    async fn advisories(&self, ctx: &Context<'_>) -> Result<Vec<AdvisoryNode>> {
        let registry = &ctx.data::<Arc<App>>()?.registry;
        let found = registry.advisories(&self.0.name, &self.0.version);
        Ok(found
            .iter()
            .map(|advisory| AdvisoryNode {
                id: advisory.id.clone(),
                summary: advisory.summary.clone(),
                severity: format!("{:?}", advisory.severity()).to_uppercase(),
                fixed_in: advisory
                    .fixed_in(&self.0.name, &self.0.version)
                    .map(|version| version.to_string()),
            })
            .collect())
    }

    /// What differs from an older version, port by port, and what it asks for besides; absent if that is not published.
    #[graphql(complexity = 10)]
    async fn difference(&self, ctx: &Context<'_>, since: String) -> Result<Option<AnyJson>> {
        let registry = &ctx.data::<Arc<App>>()?.registry;
        let older = since
            .parse()
            .ok()
            .and_then(|version| registry.get(&self.0.name, &version));
        let Some(older) = older else {
            return Ok(None);
        };
        let found = flowforge_gates::compare(&older.interface, &self.0.interface);
        let impact = found.impact();
        let mut value = serde_json::to_value(&found).map_err(|error| fault(&error))?;
        if let Some(fields) = value.as_object_mut() {
            fields.insert(
                "impact".to_owned(),
                serde_json::to_value(impact).map_err(|error| fault(&error))?,
            );
        }
        Ok(Some(Json(value)))
    }

    /// Whether the hosts of this site run this version: its own key vouches for it.
    async fn installed(&self) -> bool {
        self.0.is_installed
    }

    /// The workflows whose newest version uses this version of it, by name, at most 100.
    #[graphql(complexity = "10 + child_complexity")]
    async fn used_by(&self, ctx: &Context<'_>) -> Result<Vec<WorkflowNode>> {
        let version = self.0.version.to_string();
        let using = ctx
            .data::<Arc<App>>()?
            .users_of(self.0.name.as_str(), Some(&version));
        Ok(using.into_iter().take(100).map(WorkflowNode).collect())
    }

    /// Published versions, newest first.
    async fn versions(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        let app = ctx.data::<Arc<App>>()?;
        Ok(app
            .registry
            .versions(&self.0.name)
            .iter()
            .map(|entry| entry.version.to_string())
            .collect())
    }
}

/// Why something was decided about a connector.
#[derive(SimpleObject)]
#[graphql(name = "ConnectorNotice")]
pub(crate) struct ReasonNode {
    reason: String,
    /// What to use in its place.
    use_instead: Option<String>,
    at_ms: Long,
}

/// Something that is known to be wrong with a version.
#[derive(SimpleObject)]
#[graphql(name = "ConnectorAdvisory")]
pub(crate) struct AdvisoryNode {
    id: String,
    summary: String,
    /// `LOW`, `MODERATE`, `HIGH` or `CRITICAL`.
    severity: String,
    /// The first later version without it.
    fixed_in: Option<String>,
}

/// One connector version, by its bytes.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(name = "PinnedConnector")]
pub(crate) struct PinnedConnectorNode {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) digest: String,
}
