//! What follows the end of a run, as the API shows it.

use async_graphql::{Context, Object, Result};
use flowforge_store::FollowUp;

use super::loads;
use super::runs::RunNode;

/// A workflow that is started because a run ended.
pub(crate) struct FollowUpNode(pub(crate) FollowUp);

#[Object(name = "FollowUp")]
impl FollowUpNode {
    /// The workflow.
    async fn workflow(&self) -> &str {
        &self.0.workflow
    }

    /// The run that was started; null if none was yet, or that is gone.
    async fn run(&self, ctx: &Context<'_>) -> Result<Option<RunNode>> {
        let Some(run) = self.0.started.clone() else {
            return Ok(None);
        };
        let head = loads::heads(ctx, run).await?;
        Ok(head.map(|head| RunNode::of_head((*head).clone())))
    }

    /// Why none was.
    async fn refused(&self) -> Option<&str> {
        self.0.refused.as_deref()
    }
}
