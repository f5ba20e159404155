//! Questions to people as the API shows them.

use async_graphql::{Context, Enum, ID, Json, Object, Result};
use flowforge_store::{Approval, ApprovalState};

use super::loads;
use super::runs::RunNode;
use super::scalars::{AnyJson, Long};

/// Where a question stands.
#[derive(Debug, Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "ApprovalState")]
pub(crate) enum ApprovalStateName {
    /// Nobody has answered.
    Pending,
    /// Somebody said yes.
    Approved,
    /// Somebody said no.
    Rejected,
    /// Nobody answered in time.
    Expired,
    /// The run ended before anybody answered.
    Withdrawn,
}

impl From<ApprovalState> for ApprovalStateName {
    fn from(state: ApprovalState) -> Self {
        match state {
            ApprovalState::Pending => Self::Pending,
            ApprovalState::Approved => Self::Approved,
            ApprovalState::Rejected => Self::Rejected,
            ApprovalState::Expired => Self::Expired,
            ApprovalState::Withdrawn => Self::Withdrawn,
        }
    }
}

impl From<ApprovalStateName> for ApprovalState {
    fn from(state: ApprovalStateName) -> Self {
        match state {
            ApprovalStateName::Pending => Self::Pending,
            ApprovalStateName::Approved => Self::Approved,
            ApprovalStateName::Rejected => Self::Rejected,
            ApprovalStateName::Expired => Self::Expired,
            ApprovalStateName::Withdrawn => Self::Withdrawn,
        }
    }
}

/// Why a question takes no answer any more, for people.
pub(crate) fn how_it_closed(approval: &Approval) -> String {
    let by = |word: &str| match approval.decided_by.as_deref() {
        Some(person) => format!("was {word} by {person}"),
        None => format!("was {word}"),
    };
    let how = match approval.state {
        ApprovalState::Approved => by("approved"),
        ApprovalState::Rejected => by("rejected"),
        ApprovalState::Expired => "expired before anybody answered".to_owned(),
        ApprovalState::Withdrawn => "was withdrawn, because the run ended".to_owned(),
        ApprovalState::Pending => "has expired, or is being answered by somebody else".to_owned(),
    };
    format!("approval {} {how}", approval.id.short())
}

/// One question to a person.
pub(crate) struct ApprovalNode(Box<Approval>);

impl ApprovalNode {
    pub(crate) fn new(approval: Approval) -> Self {
        Self(Box::new(approval))
    }
}

#[Object(name = "Approval")]
impl ApprovalNode {
    /// Unique among everything here.
    pub(crate) async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// Id of the run that asks.
    async fn run(&self) -> &str {
        self.0.run.as_str()
    }

    /// The run that asks.
    #[graphql(complexity = "2 + child_complexity")]
    async fn asked_by(&self, ctx: &Context<'_>) -> Result<Option<RunNode>> {
        let run = loads::heads(ctx, self.0.run.clone()).await?;
        Ok(run.map(|run| RunNode::of_head(run.as_ref().clone())))
    }

    async fn workflow(&self) -> &str {
        &self.0.workflow
    }

    async fn step(&self) -> &str {
        &self.0.step
    }

    /// The question.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// What is shown with it.
    async fn show(&self) -> AnyJson {
        Json(self.0.show.clone())
    }

    /// Who may answer.
    async fn approvers(&self) -> &[String] {
        &self.0.approvers
    }

    async fn state(&self) -> ApprovalStateName {
        self.0.state.into()
    }

    async fn requested_at_ms(&self) -> Long {
        self.0.requested_at_ms.into()
    }

    /// When it ends unanswered.
    async fn expires_at_ms(&self) -> Option<Long> {
        self.0.expires_at_ms.map(Long)
    }

    async fn decided_by(&self) -> Option<&str> {
        self.0.decided_by.as_deref()
    }

    async fn comment(&self) -> Option<&str> {
        self.0.comment.as_deref()
    }

    async fn decided_at_ms(&self) -> Option<Long> {
        self.0.decided_at_ms.map(Long)
    }
}
