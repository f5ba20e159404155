//! Connectors as the API shows them.

use std::sync::Arc;

use async_graphql::{Context, ID, Json, Object, Result, SimpleObject};
use flowforge_registry::Entry;

use super::fault;
use super::nodes::{Kind, global_id};
use super::scalars::{AnyJson, Long};
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

/// One connector version, by its bytes.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(name = "PinnedConnector")]
pub(crate) struct PinnedConnectorNode {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) digest: String,
}
