//! Questions to people as the API shows them.

use async_graphql::{Context, Enum, ID, Json, Object, Result, SimpleObject};
use flowforge_protocol::approval::{Answer, OnExpiry};
use flowforge_store::{Approval, ApprovalState};

use serde_json::Value;

use super::loads;
use super::query::{app, caller};
use super::runs::RunNode;
use super::scalars::{AnyJson, Long};
use crate::app::approving::reminders;

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

/// What it means that nobody answers a question in time.
#[derive(Debug, Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApprovalExpiry {
    /// An outcome of its own.
    Expire,
    /// A no.
    Reject,
    /// A yes, with the defaults of the form.
    Approve,
}

impl From<OnExpiry> for ApprovalExpiry {
    fn from(on_expiry: OnExpiry) -> Self {
        match on_expiry {
            OnExpiry::Expire => Self::Expire,
            OnExpiry::Reject => Self::Reject,
            OnExpiry::Approve => Self::Approve,
        }
    }
}

/// What one person answered.
#[derive(SimpleObject)]
pub(crate) struct ApprovalAnswer {
    by: String,
    /// The entry of `approvers` that this one answered for: the own name, or a group.
    answers_for: Option<String>,
    approved: bool,
    comment: Option<String>,
    at_ms: Long,
    /// What was filled in.
    form: Option<AnyJson>,
    /// Whether it has a signature of this person's own.
    signed: bool,
}

impl From<Answer<Value>> for ApprovalAnswer {
    fn from(answer: Answer<Value>) -> Self {
        Self {
            by: answer.by,
            answers_for: answer.answers_for,
            approved: answer.approved,
            comment: answer.comment,
            at_ms: answer.at_ms.into(),
            form: answer.form.map(Json),
            signed: answer.signature.is_some(),
        }
    }
}

/// One question to people.
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

    /// How many people must say yes; one no is enough for a no.
    async fn quorum(&self) -> u32 {
        self.0.terms.quorum
    }

    /// What people answered, in the order in which they did.
    async fn answers(&self) -> Vec<ApprovalAnswer> {
        self.0.answers.iter().cloned().map(ApprovalAnswer::from).collect()
    }

    /// What whoever says yes fills in: a list of fields, each with `name`, the JSON Schema `schema`, and where there is one
    /// `default`; one that is `optional` may be left out.
    async fn form(&self) -> AnyJson {
        Json(serde_json::json!(self.0.terms.form))
    }

    /// Whose own signature an answer needs; nobody: none is needed.
    async fn signers(&self) -> Vec<&str> {
        self.0.terms.signers.keys().map(String::as_str).collect()
    }

    /// The workspace that a signature is for.
    async fn workspace<'c>(&self, ctx: &Context<'c>) -> Result<&'c str> {
        Ok(caller(ctx)?.scope.workspace())
    }

    /// The project that a signature is for.
    async fn project<'c>(&self, ctx: &Context<'c>) -> Result<&'c str> {
        Ok(caller(ctx)?.scope.project())
    }

    /// What it means that nobody answers in time.
    async fn on_expiry(&self) -> ApprovalExpiry {
        self.0.terms.on_expiry.into()
    }

    /// How often those who are asked were reminded; null if nobody is.
    async fn reminders(&self, ctx: &Context<'_>) -> Result<Option<Long>> {
        let found = reminders(&self.0, app(ctx)?.clock.now_ms());
        Ok(found.map(|found| found.count.into()))
    }

    /// When they are the next time.
    async fn next_reminder_at_ms(&self, ctx: &Context<'_>) -> Result<Option<Long>> {
        let found = reminders(&self.0, app(ctx)?.clock.now_ms());
        Ok(found.map(|found| found.next_ms.into()))
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
