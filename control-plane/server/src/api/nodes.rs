//! Ids that are unique among everything here, and what they stand for.
//!
//! What has a random id (runs, questions, hosts) is found by it. What is found by its name has an id made of its kind and
//! name. Both mean nothing to clients.

use async_graphql::{Context, ID, Interface, Object, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flowforge_core::{Action, Object as Thing};
use flowforge_protocol::{HostId, RunId};
use flowforge_store::Found;

use super::approvals::ApprovalNode;
use super::connectors::ConnectorNode;
use super::drafts::DraftNode;
use super::fault;
use super::hosts::HostNode;
use super::loads::{self, reading};
use super::people::{ApiTokenNode, InvitationNode, MemberNode, SessionNode};
use super::query::{app, caller, showing};
use super::runs::RunNode;
use super::secrets::SecretNode;
use super::workflows::{WorkflowNode, WorkflowVersionNode};

/// Ids that one question may ask for.
const MAX_IDS: usize = 100;

/// Kinds of things that are found by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Workflow,
    WorkflowVersion,
    Draft,
    Secret,
    Connector,
    Member,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::Workflow,
        Self::WorkflowVersion,
        Self::Draft,
        Self::Secret,
        Self::Connector,
        Self::Member,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Workflow => "Workflow",
            Self::WorkflowVersion => "WorkflowVersion",
            Self::Draft => "Draft",
            Self::Secret => "Secret",
            Self::Connector => "Connector",
            Self::Member => "Member",
        }
    }
}

/// The id of a thing that is found by its name.
pub(super) fn global_id(kind: Kind, name: &str) -> ID {
    ID(URL_SAFE_NO_PAD.encode(format!("{}:{name}", kind.as_str())))
}

/// What an id that [`global_id`] made stands for.
fn read_id(id: &str) -> Option<(Kind, String)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(id).ok()?).ok()?;
    let (kind, name) = text.split_once(':')?;
    let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind)?;
    Some((kind, name.to_owned()))
}

/// Something with an id that is unique among everything here.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Unique among everything here."))]
pub(crate) enum Node {
    Run(RunNode),
    Approval(ApprovalNode),
    Host(HostNode),
    Workflow(WorkflowNode),
    WorkflowVersion(WorkflowVersionNode),
    Draft(DraftNode),
    Secret(SecretNode),
    Connector(ConnectorNode),
    Member(MemberNode),
    Invitation(InvitationNode),
    AccountSession(SessionNode),
    ApiToken(ApiTokenNode),
}

/// Finding things by their ids.
#[derive(Default)]
pub(crate) struct Nodes;

#[Object]
impl Nodes {
    /// What has this id; null if nothing has.
    async fn node(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Node>> {
        find(ctx, &id).await
    }

    /// What has these ids, at most 100, in their order; null for each that nothing has.
    #[graphql(complexity = "ids.len() + ids.len() * child_complexity / 10")]
    async fn nodes(&self, ctx: &Context<'_>, ids: Vec<ID>) -> Result<Vec<Option<Node>>> {
        if ids.len() > MAX_IDS {
            let message = format!("{} ids, more than {MAX_IDS}", ids.len());
            return Err(super::coded(message, super::CODE_ARGUMENT));
        }
        let found = futures::future::join_all(ids.iter().map(|id| find(ctx, id))).await;
        found.into_iter().collect()
    }
}

async fn find(ctx: &Context<'_>, id: &str) -> Result<Option<Node>> {
    let Some((kind, name)) = read_id(id) else {
        return by_random_id(ctx, id).await;
    };
    let reading = reading(ctx).await?;
    let app = app(ctx)?;
    Ok(match kind {
        Kind::Workflow => {
            let release = app.published_of(&name, None).await;
            release
                .map_err(|error| fault(&error))?
                .map(|release| Node::Workflow(WorkflowNode(release)))
        }
        Kind::WorkflowVersion => {
            let Some((workflow, version)) = name.rsplit_once('/') else {
                return Ok(None);
            };
            let versions = loads::versions(ctx, workflow.to_owned())
                .await?
                .unwrap_or_default();
            let found = versions.iter().find(|head| head.version.to_string() == version);
            found.map(|head| Node::WorkflowVersion(WorkflowVersionNode(head.clone())))
        }
        Kind::Draft => {
            let draft = reading.draft(&name).await.map_err(|error| fault(&error))?;
            draft.map(|draft| Node::Draft(DraftNode(Box::new(draft))))
        }
        Kind::Secret => {
            let secret = reading.secret(&name).await.map_err(|error| fault(&error))?;
            secret.map(|secret| Node::Secret(SecretNode::from(secret)))
        }
        Kind::Connector => {
            let latest = name.parse().ok().and_then(|name| app.registry.latest(&name));
            latest.map(|entry| Node::Connector(ConnectorNode(entry)))
        }
        Kind::Member => {
            let member = reading.member(&name).await.map_err(|error| fault(&error))?;
            member.map(|member| Node::Member(MemberNode(member)))
        }
    })
}

async fn by_random_id(ctx: &Context<'_>, id: &str) -> Result<Option<Node>> {
    let Ok(run) = id.parse::<RunId>() else {
        return of_people(ctx, id).await;
    };
    if let Some(run) = loads::heads(ctx, run).await? {
        return Ok(Some(Node::Run(RunNode::of_head(run.as_ref().clone()))));
    }
    let reading = reading(ctx).await?;
    if let Found::One(approval) = reading.approval(id).await.map_err(|error| fault(&error))? {
        return Ok(Some(Node::Approval(ApprovalNode::new(approval))));
    }
    let host = id
        .parse::<HostId>()
        .ok()
        .and_then(|id| app(ctx).ok()?.hosts.get(&id));
    Ok(host.map(|host| Node::Host(HostNode(host))))
}

/// What has an id of its own around an account, if it is the caller's to see; else it is as if it were not there.
async fn of_people(ctx: &Context<'_>, id: &str) -> Result<Option<Node>> {
    let (app, caller) = (app(ctx)?, caller(ctx)?);
    let may = |action| app.policy.check(caller, action, &Thing::project()).is_ok();
    if may(Action::ReadInvitations) {
        let links = app.links(caller).await.map_err(|error| fault(&error))?;
        if let Some(link) = links.into_iter().find(|link| link.id == id) {
            return Ok(Some(Node::Invitation(InvitationNode(link))));
        }
    }
    if !may(Action::ReadAccount) {
        return Ok(None);
    }
    let sessions = app.sessions_of(caller, showing(ctx)).await;
    let mut sessions = sessions.map_err(|error| fault(&error))?.into_iter();
    if let Some((session, own)) = sessions.find(|(session, _)| session.id == id) {
        return Ok(Some(Node::AccountSession(SessionNode { session, own })));
    }
    let tokens = app.tokens_of(caller).await.map_err(|error| fault(&error))?;
    let found = tokens.into_iter().find(|token| token.id == id);
    Ok(found.map(|token| Node::ApiToken(ApiTokenNode(token))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_its_kind_and_name_again_and_nothing_else_is_one() {
        for kind in Kind::ALL {
            let id = global_id(kind, "a:b/1");
            assert_eq!(read_id(&id), Some((kind, "a:b/1".to_owned())));
        }
        for wrong in [
            "",
            "!",
            "orders",
            &URL_SAFE_NO_PAD.encode("Thing:a"),
            &URL_SAFE_NO_PAD.encode("Run"),
        ] {
            assert_eq!(read_id(wrong), None, "{wrong}");
        }
    }
}
