//! People as the API shows them: whoever asks, members, roles, who was invited, sessions, API tokens.

use std::collections::BTreeSet;

use async_graphql::connection::Connection;
use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use flowforge_core::{Account, Actor, Permission, Role, permits};
use flowforge_identity::LinkKind;
use flowforge_store::{Member, StoredLink, StoredSession, StoredToken};

use super::fault;
use super::loads::reading;
use super::nodes::{Kind, global_id};
use super::page::{Cursor, Window, from_edges};
use super::query::{app, caller, showing};
use super::scalars::Long;

/// What somebody is in this project.
#[derive(Debug, Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Role", name = "Role")]
pub(crate) enum RoleName {
    /// Looks.
    Viewer,
    /// Writes and tries drafts, and starts runs.
    Builder,
    /// Starts, stops and repairs runs.
    Operator,
    /// Publishes releases and connectors.
    Publisher,
    /// Does all that people do, and says who may what.
    Admin,
}

/// What somebody may be allowed to do.
#[derive(Debug, Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Permission", name = "Permission")]
pub(crate) enum PermissionName {
    /// See runs, workflows, questions, hosts, and the names of secrets.
    Read,
    /// See who did what.
    ReadAudit,
    /// Write, try and throw away drafts; put workflows into folders and into the trash.
    Edit,
    /// Publish releases and connectors.
    Publish,
    /// Start runs, and make new ones from old ones.
    Run,
    /// Stop, pause, signal and review runs.
    Operate,
    /// Answer questions that are put to whoever has it.
    Approve,
    /// Set and delete secrets, and say which drafts may use them.
    KeepSecrets,
    /// Invite people, say which roles they have and who belongs to which group.
    ManageMembers,
    /// Let hosts in, drain and revoke them.
    ManageHosts,
    /// Take jobs and bring records.
    Serve,
    /// Keep one's own account: password, sessions, API tokens.
    KeepAccount,
    /// Show who one is.
    SignIn,
}

fn role_names(roles: &BTreeSet<Role>) -> Vec<RoleName> {
    roles.iter().map(|role| RoleName::from(*role)).collect()
}

fn permission_names(permissions: &BTreeSet<Permission>) -> Vec<PermissionName> {
    permissions
        .iter()
        .map(|held| PermissionName::from(*held))
        .collect()
}

/// A role with what it permits.
#[derive(SimpleObject)]
pub(crate) struct RolePermissions {
    role: RoleName,
    permissions: Vec<PermissionName>,
}

/// Whoever asks.
pub(crate) struct ViewerNode;

fn account<'a>(ctx: &Context<'a>) -> Result<Option<&'a Account>> {
    Ok(match &caller(ctx)?.actor {
        Actor::Account(account) => Some(account),
        Actor::Owner | Actor::Host(_) | Actor::Plane | Actor::Nobody => None,
    })
}

#[Object(name = "Viewer")]
impl ViewerNode {
    /// Name of the account; `local` for the owner.
    async fn name(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(caller(ctx)?.actor.name().to_owned())
    }

    /// `owner` or `account`.
    async fn kind(&self, ctx: &Context<'_>) -> Result<&'static str> {
        Ok(caller(ctx)?.actor.kind())
    }

    /// Its roles here; none for the owner, who needs none.
    async fn roles(&self, ctx: &Context<'_>) -> Result<Vec<RoleName>> {
        Ok(account(ctx)?.map_or_else(Vec::new, |account| role_names(&account.roles)))
    }

    /// The public key with which it signs answers; null if none is known here.
    #[graphql(complexity = "10")]
    async fn signing_key(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let Some(account) = account(ctx)? else {
            return Ok(None);
        };
        let member = reading(ctx).await?.member(&account.name).await;
        let member = member.map_err(|error| fault(&error))?;
        Ok(member.and_then(|member| Some(member.signing_key?.to_string())))
    }

    /// The sessions of its account, newest first.
    #[graphql(complexity = "10 + child_complexity")]
    async fn sessions(&self, ctx: &Context<'_>) -> Result<Vec<SessionNode>> {
        if account(ctx)?.is_none() {
            return Ok(Vec::new());
        }
        let sessions = app(ctx)?.sessions_of(caller(ctx)?, showing(ctx)).await;
        let sessions = sessions.map_err(|error| fault(&error))?;
        Ok(sessions
            .into_iter()
            .map(|(session, own)| SessionNode { session, own })
            .collect())
    }

    /// The API tokens of its account, newest first.
    #[graphql(complexity = "10 + child_complexity")]
    async fn api_tokens(&self, ctx: &Context<'_>) -> Result<Vec<ApiTokenNode>> {
        if account(ctx)?.is_none() {
            return Ok(Vec::new());
        }
        let tokens = app(ctx)?.tokens_of(caller(ctx)?).await;
        let tokens = tokens.map_err(|error| fault(&error))?;
        Ok(tokens.into_iter().map(ApiTokenNode).collect())
    }
}

/// Somebody with an account and roles here.
pub(crate) struct MemberNode(pub(crate) Member);

#[Object(name = "Member")]
impl MemberNode {
    /// Unique among everything here.
    pub(crate) async fn id(&self) -> ID {
        global_id(Kind::Member, &self.0.name)
    }

    async fn name(&self) -> &str {
        &self.0.name
    }

    async fn roles(&self) -> Vec<RoleName> {
        role_names(&self.0.roles)
    }

    /// The public key with which this person signs answers, as `signed_by` of a workflow takes it; null if none is known here.
    async fn signing_key(&self) -> Option<String> {
        self.0.signing_key.as_ref().map(ToString::to_string)
    }

    /// Since when.
    async fn since_ms(&self) -> Long {
        self.0.since_ms.into()
    }
}

/// What a one-time link is for.
#[derive(Debug, Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InvitationKind {
    /// The first administrator makes an account.
    FirstAdministrator,
    /// Somebody who was invited makes an account.
    Invitation,
    /// A member who forgot it sets a new password.
    PasswordReset,
}

/// A one-time link that waits to be used. Its secret was told when it was made.
pub(crate) struct InvitationNode(pub(crate) StoredLink);

#[Object(name = "Invitation")]
impl InvitationNode {
    /// Unique among everything here.
    pub(crate) async fn id(&self) -> ID {
        ID(self.0.id.clone())
    }

    /// What it is for; null if a newer program made it and this one does not know the kind.
    async fn kind(&self) -> Option<InvitationKind> {
        Some(match LinkKind::named(&self.0.kind)? {
            LinkKind::FirstAdministrator => InvitationKind::FirstAdministrator,
            LinkKind::Invitation => InvitationKind::Invitation,
            LinkKind::PasswordReset => InvitationKind::PasswordReset,
        })
    }

    /// The account whose password it sets.
    async fn account(&self) -> Option<&str> {
        self.0.account.as_deref()
    }

    /// The roles of the account that it makes.
    async fn roles(&self) -> Vec<RoleName> {
        role_names(&self.0.roles)
    }

    async fn made_by(&self) -> &str {
        &self.0.made_by
    }

    async fn made_at_ms(&self) -> Long {
        self.0.made_at_ms.into()
    }

    async fn expires_at_ms(&self) -> Long {
        self.0.expires_at_ms.into()
    }
}

/// A session of whoever asks.
pub(crate) struct SessionNode {
    pub(crate) session: StoredSession,
    pub(crate) own: bool,
}

#[Object(name = "AccountSession")]
impl SessionNode {
    /// Unique among everything here.
    pub(crate) async fn id(&self) -> ID {
        ID(self.session.id.clone())
    }

    /// What its browser or program calls itself.
    async fn agent(&self) -> &str {
        &self.session.agent
    }

    async fn began_at_ms(&self) -> Long {
        self.session.began_at_ms.into()
    }

    /// When it was used last, to five minutes.
    async fn used_at_ms(&self) -> Long {
        self.session.used_at_ms.into()
    }

    /// Whether it is the one that asks.
    async fn current(&self) -> bool {
        self.own
    }
}

/// An API token of whoever asks, without its text.
pub(crate) struct ApiTokenNode(pub(crate) StoredToken);

#[Object(name = "ApiToken")]
impl ApiTokenNode {
    /// Unique among everything here.
    pub(crate) async fn id(&self) -> ID {
        ID(self.0.id.clone())
    }

    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it passes on, as long as its account has it.
    async fn permissions(&self) -> Vec<PermissionName> {
        permission_names(&self.0.permissions)
    }

    async fn made_at_ms(&self) -> Long {
        self.0.made_at_ms.into()
    }

    async fn expires_at_ms(&self) -> Long {
        self.0.expires_at_ms.into()
    }

    /// When it was used last, to five minutes; null if never.
    async fn used_at_ms(&self) -> Option<Long> {
        self.0.used_at_ms.map(Long)
    }
}

/// Looking at people.
#[derive(Default)]
pub(crate) struct People;

#[Object]
impl People {
    /// Whoever asks.
    async fn viewer(&self) -> ViewerNode {
        ViewerNode
    }

    /// What each role permits.
    async fn roles(&self, ctx: &Context<'_>) -> Result<Vec<RolePermissions>> {
        reading(ctx).await?;
        let all = permits().into_iter();
        Ok(all
            .map(|(role, permissions)| RolePermissions {
                role: role.into(),
                permissions: permission_names(&permissions),
            })
            .collect())
    }

    /// Members, by name.
    #[graphql(complexity = "usize::try_from(first).unwrap_or(0) * child_complexity / 10 + child_complexity")]
    async fn members(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
    ) -> Result<Connection<Cursor, MemberNode>> {
        let window = Window::new("members", Some(first), after)?;
        let members = reading(ctx).await?.members().await;
        let mut members = members.map_err(|error| fault(&error))?;
        let after = window.after.as_ref().map_or("", |cursor| cursor.0.as_str());
        members.retain(|member| member.name.as_str() > after);
        let limit = usize::try_from(window.limit).unwrap_or(usize::MAX);
        let has_more = members.len() > limit;
        members.truncate(limit);
        let edges = members
            .into_iter()
            .map(|member| (Cursor(member.name.clone()), MemberNode(member)));
        Ok(from_edges(edges, has_more, &window))
    }

    /// One-time links that wait to be used, newest first, at most 1,000.
    async fn invitations(&self, ctx: &Context<'_>) -> Result<Vec<InvitationNode>> {
        let links = app(ctx)?.links(caller(ctx)?).await;
        let links = links.map_err(|error| fault(&error))?;
        Ok(links.into_iter().map(InvitationNode).collect())
    }
}
