//! Publishers and accounts of the registry, as the API shows and takes them.

use std::sync::Arc;

use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject, Union};
use flowforge_core::{Action, Object};
use flowforge_registry::{Publisher, Role, Visibility};

use super::faults::denied;
use super::loads::reading;
use super::problems::RegistryProblem;
use super::query::{app, caller};
use super::scalars::Long;

/// What a member of a publisher may do.
#[derive(Debug, Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Role")]
pub(crate) enum PublisherRole {
    /// Pushes versions.
    Publisher,
    /// Also says who belongs to it, which keys it has, and who sees its work.
    Owner,
}

/// Who sees and gets a connector through the registry's door.
#[derive(Debug, Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Visibility")]
pub(crate) enum ConnectorVisibility {
    /// Everybody who may pull at all.
    Public,
    /// Listed for everybody, pulled by members and by those with a pull grant.
    Listed,
    /// Known to members and to those with a pull grant only.
    Private,
}

/// Somebody who publishes connectors under a name.
pub(crate) struct PublisherNode(pub(super) Arc<Publisher>);

#[Object(name = "Publisher")]
impl PublisherNode {
    /// The part before the colon in the names of its connectors.
    async fn name(&self) -> &str {
        &self.0.name
    }

    async fn created_at_ms(&self) -> Long {
        self.0.created_at_ms.into()
    }

    /// By their accounts.
    async fn members(&self) -> Vec<PublisherMemberNode> {
        let members = self.0.members.iter();
        members
            .map(|(account, role)| PublisherMemberNode {
                account: account.clone(),
                role: (*role).into(),
            })
            .collect()
    }

    /// Oldest first, those that ended too.
    async fn keys(&self, ctx: &Context<'_>) -> Result<Vec<PublisherKeyNode>> {
        let now_ms = app(ctx)?.clock.now_ms();
        let keys = self.0.keys.iter();
        Ok(keys
            .map(|key| PublisherKeyNode {
                id: key.key.id().to_string(),
                usable: key.is_usable(now_ms),
                usable_from_ms: key.usable_from_ms.into(),
                added_at_ms: key.added_at_ms.into(),
                added_by: key.added_by.clone(),
                ended_at_ms: key.ended.as_ref().map(|end| end.at_ms.into()),
                reason: key.ended.as_ref().map(|end| end.reason.clone()),
                distrusted_from_ms: key
                    .ended
                    .as_ref()
                    .and_then(|end| end.distrusted_from_ms)
                    .map(Into::into),
            })
            .collect())
    }

    /// Who sees its connectors, unless one of them says otherwise.
    async fn visibility(&self) -> ConnectorVisibility {
        self.0.visibility.into()
    }

    /// Connectors that are seen by others than the rest.
    async fn exceptions(&self) -> Vec<VisibilityNode> {
        let exceptions = self.0.exceptions.iter();
        exceptions
            .map(|(connector, visibility)| VisibilityNode {
                connector: format!("{}:{connector}", self.0.name),
                visibility: (*visibility).into(),
            })
            .collect()
    }

    /// Who may pull what not everybody may.
    async fn pull_grants(&self) -> Vec<PullGrantNode> {
        let grants = self.0.grants.iter();
        grants
            .map(|grant| PullGrantNode {
                account: grant.account.clone(),
                connector: grant
                    .connector
                    .as_ref()
                    .map(|connector| format!("{}:{connector}", self.0.name)),
                until_ms: grant.until_ms.map(Into::into),
            })
            .collect()
    }
}

/// A member of a publisher.
#[derive(SimpleObject)]
#[graphql(name = "PublisherMember")]
pub(crate) struct PublisherMemberNode {
    account: String,
    role: PublisherRole,
}

/// A key of a publisher.
#[derive(SimpleObject)]
#[graphql(name = "PublisherKey")]
pub(crate) struct PublisherKeyNode {
    id: String,
    /// Whether it may sign something new now.
    usable: bool,
    /// When it may sign first.
    usable_from_ms: Long,
    added_at_ms: Long,
    added_by: String,
    /// When it was decided that it signs no more.
    ended_at_ms: Option<Long>,
    /// Why.
    reason: Option<String>,
    /// What was published with it from then on does not hold any more.
    distrusted_from_ms: Option<Long>,
}

/// A connector that is seen by others than the rest of its publisher's.
#[derive(SimpleObject)]
#[graphql(name = "ConnectorVisibilityException")]
pub(crate) struct VisibilityNode {
    /// `publisher:name`
    connector: String,
    visibility: ConnectorVisibility,
}

/// That an account may pull what not everybody may.
#[derive(SimpleObject)]
#[graphql(name = "PullGrant")]
pub(crate) struct PullGrantNode {
    account: String,
    /// `publisher:name`; absent for all of the publisher's.
    connector: Option<String>,
    /// Until when; what was pulled before stays.
    until_ms: Option<Long>,
}

/// Who comes to the registry, besides members of the workspace.
#[derive(SimpleObject)]
pub(crate) struct RegistryAccess {
    /// Names of those with a password, in the order of the alphabet.
    accounts: Vec<String>,
    /// Whether public connectors are pulled without an account.
    anonymous_pull: bool,
}

/// A publisher to be made.
#[derive(InputObject)]
pub(crate) struct CreatePublisherInput {
    /// The part before the colon in the names of its connectors.
    pub(super) name: String,
    /// Its first key: `ed25519:…`.
    pub(super) key: String,
    /// The envelope of a publisher-key statement about it, signed by the key itself.
    pub(super) possession: String,
}

/// A key to be added.
#[derive(InputObject)]
pub(crate) struct AddPublisherKeyInput {
    pub(super) publisher: String,
    /// `ed25519:…`
    pub(super) key: String,
    /// The envelope of a publisher-key statement about it, signed by the key itself.
    pub(super) possession: String,
    /// The same statement, signed by a key that the publisher may use now. Without it, because all are lost, the new one waits
    /// a week.
    pub(super) endorsement: Option<String>,
}

/// What becomes of a key.
#[derive(Debug, Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PublisherKeyDecision {
    /// It signs no more, and all that it signed holds.
    Retire,
    /// It may be in other hands: what was published with it since then does not hold any more.
    Revoke,
    /// It need not wait; for whoever manages the registry.
    Confirm,
}

/// A decision about a key.
#[derive(InputObject)]
pub(crate) struct DecidePublisherKeyInput {
    pub(super) publisher: String,
    /// The key's id, or the beginning of it.
    pub(super) key: String,
    pub(super) decision: PublisherKeyDecision,
    /// One line for people.
    pub(super) reason: String,
    /// For `REVOKE`: from when on it may have been in other hands, milliseconds since 1970 UTC; absent: always.
    pub(super) since_ms: Option<Long>,
}

/// What an account may do for a publisher.
#[derive(InputObject)]
pub(crate) struct SetPublisherMemberInput {
    pub(super) publisher: String,
    pub(super) account: String,
    /// Absent: it is no member.
    pub(super) role: Option<PublisherRole>,
}

/// Who sees connectors.
#[derive(InputObject)]
pub(crate) struct SetConnectorVisibilityInput {
    /// `publisher`, for all that say nothing of their own, or `publisher:name`.
    pub(super) of: String,
    pub(super) visibility: ConnectorVisibility,
}

/// A pull grant to be given or taken.
#[derive(InputObject)]
pub(crate) struct SetPullGrantInput {
    pub(super) account: String,
    /// `publisher`, for all of its connectors, or `publisher:name`.
    pub(super) of: String,
    /// Until when, milliseconds since 1970 UTC; absent: until it is taken.
    pub(super) until_ms: Option<Long>,
    /// True: it is taken.
    pub(super) taken: Option<bool>,
}

/// An account with a password.
#[derive(InputObject)]
pub(crate) struct SetRegistryAccountInput {
    pub(super) name: String,
    /// True: the account is removed; otherwise it is made, or gets a new password in the place of the old one.
    pub(super) removed: Option<bool>,
}

/// Who comes to the registry without an account.
#[derive(InputObject)]
pub(crate) struct SetRegistryAccessInput {
    /// Whether public connectors are pulled without an account.
    pub(super) anonymous_pull: bool,
}

#[derive(Union)]
pub(crate) enum ChangePublisherPayload {
    Success(ChangePublisherSuccess),
    Registry(RegistryProblem),
}

/// It is so now.
#[derive(SimpleObject)]
pub(crate) struct ChangePublisherSuccess {
    pub(super) publisher: PublisherNode,
}

#[derive(Union)]
pub(crate) enum ChangeRegistryAccessPayload {
    Success(ChangeRegistryAccessSuccess),
    Registry(RegistryProblem),
}

/// It is so now.
#[derive(SimpleObject)]
pub(crate) struct ChangeRegistryAccessSuccess {
    pub(super) access: RegistryAccess,
    /// The new password of the account. It is shown this once and kept nowhere.
    pub(super) password: Option<String>,
}

/// Questions about publishers and accounts.
#[derive(Default)]
pub(crate) struct PublisherQuestions;

#[Object]
impl PublisherQuestions {
    /// A publisher that has members and keys of its own; absent if it has none, or the name is nobody's.
    async fn publisher(&self, ctx: &Context<'_>, name: String) -> Result<Option<PublisherNode>> {
        reading(ctx).await?;
        Ok(app(ctx)?.registry.publisher(&name).map(PublisherNode))
    }

    /// Publishers that have members and keys of their own, by name, at most 100.
    #[graphql(complexity = "10 + 10 * child_complexity")]
    async fn publishers(&self, ctx: &Context<'_>, after: Option<String>) -> Result<Vec<PublisherNode>> {
        reading(ctx).await?;
        let after = after.unwrap_or_default();
        let all = app(ctx)?.registry.publishers().into_iter();
        Ok(all
            .filter(|publisher| publisher.name > after)
            .take(100)
            .map(PublisherNode)
            .collect())
    }

    /// Who comes to the registry.
    async fn registry_access(&self, ctx: &Context<'_>) -> Result<RegistryAccess> {
        let asked = app(ctx)?.allow(caller(ctx)?, Action::ManageRegistry, Object::project());
        asked.await.map_err(|refused| denied(&refused))?;
        access(ctx)
    }
}

/// Who comes to the registry.
pub(super) fn access(ctx: &Context<'_>) -> Result<RegistryAccess> {
    let registry = &app(ctx)?.registry;
    Ok(RegistryAccess {
        accounts: registry.accounts().into_keys().collect(),
        anonymous_pull: registry.anonymous_pull(),
    })
}
