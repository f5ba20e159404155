//! Hosts as the API shows them.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::loads;
use super::scalars::Long;
use super::standing::{HostCertificate, HostStandingName};
use crate::app::App;
use crate::fleet::hosts::HostEntry;

/// A machine that runs steps.
pub(crate) struct HostNode(pub(crate) Arc<HostEntry>);

#[Object(name = "Host")]
impl HostNode {
    /// Unique among everything here.
    pub(crate) async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    async fn name(&self) -> String {
        self.0.state().host.name.clone()
    }

    /// True while a standing call is open that could be answered so far, or the host was heard less than 5 s ago.
    async fn connected(&self, ctx: &Context<'_>) -> Result<bool> {
        let monotonic_ms = ctx.data::<Arc<App>>()?.clock.monotonic_ms();
        Ok(self.0.state().connected(monotonic_ms))
    }

    /// It said that it takes no more work now.
    async fn busy(&self) -> bool {
        self.0.state().busy
    }

    async fn last_heard_ms(&self) -> Option<Long> {
        self.0.state().host.last_heard_ms.map(Long)
    }

    async fn registered_at_ms(&self) -> Long {
        self.0.state().host.registered_at_ms.into()
    }

    /// What it is, as its site and whoever invited it say: labels, and `pool:NAME` for its pool.
    async fn labels(&self) -> Vec<String> {
        self.0.state().host.labels.clone()
    }

    /// Runs that have not ended.
    #[graphql(complexity = 5)]
    async fn open_runs(&self, ctx: &Context<'_>) -> Result<u32> {
        let count = loads::open_runs(ctx, self.0.id.clone()).await?;
        let count = count.map_or(0, |count| *count);
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// What was decided about it.
    async fn standing(&self, ctx: &Context<'_>) -> Result<HostStandingName> {
        let decided = ctx.data::<Arc<App>>()?.peers.standing(&self.0.id);
        Ok(decided.map(|decided| decided.standing).unwrap_or_default().into())
    }

    /// Why, and by whom; null if nothing was decided.
    async fn standing_reason(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let decided = ctx.data::<Arc<App>>()?.peers.standing(&self.0.id);
        Ok(decided.map(|decided| decided.reason))
    }

    /// The certificate that it shows; null for a host on the server's own machine.
    async fn certificate(&self, ctx: &Context<'_>) -> Result<Option<HostCertificate>> {
        let held = ctx.data::<Arc<App>>()?.peers.held(&self.0.id);
        Ok(held.map(|held| HostCertificate {
            generation: held.generation.into(),
            expires_at_ms: held.expires_at_ms.into(),
        }))
    }

    /// Base64 of the Ed25519 public key.
    async fn identity_key(&self) -> String {
        STANDARD.encode(self.0.state().host.identity_key)
    }
}
