//! Changing publishers and accounts of the registry.
//!
//! Two rules hold one after the other: the policy of the plane says who may ask for it at all, and the publisher's own
//! document says who of those is one of its owners. Whoever may manage the registry stands above the second.

use std::sync::Arc;

use async_graphql::{Context, Object, Result};
use flowforge_core::{Action, Actor, Object, ObjectKind};
use flowforge_protocol::VerifyingKey;
use flowforge_registry::{KeyDecision, NewKey, Publisher, PullGrant, Refusal, Role, Visibility, Visitor};

use super::codes::ProblemCode;
use super::curation::problem_of;
use super::fault;
use super::faults::denied;
use super::problems::RegistryProblem;
use super::publishers::{
    AddPublisherKeyInput, ChangePublisherPayload, ChangePublisherSuccess, ChangeRegistryAccessPayload,
    ChangeRegistryAccessSuccess, CreatePublisherInput, DecidePublisherKeyInput, PublisherKeyDecision,
    PublisherNode, SetConnectorVisibilityInput, SetPublisherMemberInput, SetPullGrantInput,
    SetRegistryAccessInput, SetRegistryAccountInput, access,
};
use super::query::{app, caller};
use crate::app::Allowed;

/// Changes of publishers and accounts.
#[derive(Default)]
pub(crate) struct PublisherChanges;

#[Object]
impl PublisherChanges {
    /// Makes a publisher: from now on only its own keys publish under its name. Whoever makes it is its first owner.
    async fn create_publisher(
        &self,
        ctx: &Context<'_>,
        input: CreatePublisherInput,
    ) -> Result<ChangePublisherPayload> {
        let Ok(key) = input.key.parse::<VerifyingKey>() else {
            return Ok(no_key());
        };
        let asked = Asked::new(ctx, &input.name, format!("made with key {}", key.id().short())).await?;
        let new = NewKey {
            key: &key,
            by_itself: &input.possession,
            by_another: None,
        };
        let registry = &app(ctx)?.registry;
        let made = registry.create_publisher(&input.name, &asked.visitor, new).await;
        asked.answer(made).await
    }

    /// Adds a key to a publisher.
    async fn add_publisher_key(
        &self,
        ctx: &Context<'_>,
        input: AddPublisherKeyInput,
    ) -> Result<ChangePublisherPayload> {
        let Ok(key) = input.key.parse::<VerifyingKey>() else {
            return Ok(no_key());
        };
        let how = match &input.endorsement {
            Some(_) => "vouched for by another",
            None => "without another key's word",
        };
        let what = format!("key {} added, {how}", key.id().short());
        let asked = Asked::new(ctx, &input.publisher, what).await?;
        let new = NewKey {
            key: &key,
            by_itself: &input.possession,
            by_another: input.endorsement.as_deref(),
        };
        let registry = &app(ctx)?.registry;
        let added = registry.add_key(&input.publisher, &asked.visitor, new).await;
        asked.answer(added).await
    }

    /// Ends a key of a publisher, or lets it be used before its time.
    async fn decide_publisher_key(
        &self,
        ctx: &Context<'_>,
        input: DecidePublisherKeyInput,
    ) -> Result<ChangePublisherPayload> {
        let decision = match input.decision {
            PublisherKeyDecision::Retire => KeyDecision::Retire,
            PublisherKeyDecision::Confirm => KeyDecision::Confirm,
            PublisherKeyDecision::Revoke => KeyDecision::Revoke {
                since_ms: input.since_ms.map(|since| since.0),
            },
        };
        let what = format!("key {}: {:?}, {}", input.key, input.decision, input.reason);
        let asked = Asked::new(ctx, &input.publisher, what).await?;
        let registry = &app(ctx)?.registry;
        let decided = registry.decide_key(
            &input.publisher,
            &asked.visitor,
            &input.key,
            &input.reason,
            decision,
        );
        asked.answer(decided.await).await
    }

    /// Says what an account may do for a publisher.
    async fn set_publisher_member(
        &self,
        ctx: &Context<'_>,
        input: SetPublisherMemberInput,
    ) -> Result<ChangePublisherPayload> {
        let role = input.role.map(Role::from);
        let what = match role {
            Some(role) => format!("member {} is {role:?}", input.account),
            None => format!("{} is no member any more", input.account),
        };
        let asked = Asked::new(ctx, &input.publisher, what).await?;
        let registry = &app(ctx)?.registry;
        let set = registry.set_member(&input.publisher, &asked.visitor, &input.account, role);
        asked.answer(set.await).await
    }

    /// Says who sees connectors of a publisher through the registry's door. Members of the workspace see all.
    async fn set_connector_visibility(
        &self,
        ctx: &Context<'_>,
        input: SetConnectorVisibilityInput,
    ) -> Result<ChangePublisherPayload> {
        let (publisher, connector) = parts(&input.of);
        let visibility = Visibility::from(input.visibility);
        let asked = Asked::new(ctx, publisher, format!("{} is {visibility:?}", input.of)).await?;
        let registry = &app(ctx)?.registry;
        let set = registry.set_visibility(publisher, &asked.visitor, connector, visibility);
        asked.answer(set.await).await
    }

    /// Lets an account pull what not everybody may, or no more.
    async fn set_pull_grant(
        &self,
        ctx: &Context<'_>,
        input: SetPullGrantInput,
    ) -> Result<ChangePublisherPayload> {
        let (publisher, connector) = parts(&input.of);
        let given = !input.taken.unwrap_or(false);
        let verb = if given { "may pull" } else { "pulls no more" };
        let asked = Asked::new(ctx, publisher, format!("{} {verb} {}", input.account, input.of)).await?;
        let grant = PullGrant {
            account: input.account,
            connector: connector.map(str::to_owned),
            until_ms: input.until_ms.map(|until| until.0),
        };
        let registry = &app(ctx)?.registry;
        let set = registry.set_pull_grant(publisher, &asked.visitor, grant, given);
        asked.answer(set.await).await
    }

    /// Makes an account of the registry for a robot or a customer, gives it a new password, or removes it.
    async fn set_registry_account(
        &self,
        ctx: &Context<'_>,
        input: SetRegistryAccountInput,
    ) -> Result<ChangeRegistryAccessPayload> {
        let name: String = input.name.chars().take(128).collect();
        let removed = input.removed.unwrap_or(false);
        let what = match removed {
            true => format!("account {name} removed"),
            false => format!("account {name} has a new password"),
        };
        let allowed = may_manage(ctx, what).await?;
        let registry = &app(ctx)?.registry;
        let done = match removed {
            true => registry.remove_account(&input.name).await.map(|()| None),
            false => registry.set_account(&input.name, allowed.by()).await.map(Some),
        };
        access_answer(ctx, &allowed, done).await
    }

    /// Says who comes to the registry without an account.
    async fn set_registry_access(
        &self,
        ctx: &Context<'_>,
        input: SetRegistryAccessInput,
    ) -> Result<ChangeRegistryAccessPayload> {
        let what = match input.anonymous_pull {
            true => "public connectors are pulled without an account",
            false => "nobody pulls without an account",
        };
        let allowed = may_manage(ctx, what.to_owned()).await?;
        let done = app(ctx)?.registry.set_anonymous_pull(input.anonymous_pull).await;
        access_answer(ctx, &allowed, done.map(|()| None)).await
    }
}

/// A change of a publisher that the policy lets happen.
struct Asked {
    allowed: Allowed,
    visitor: Visitor,
}

impl Asked {
    async fn new(ctx: &Context<'_>, publisher: &str, what: String) -> Result<Self> {
        let (app, caller) = (app(ctx)?, caller(ctx)?);
        let name: String = publisher.chars().take(128).collect();
        let object = Object::new(ObjectKind::Publisher, name);
        let allowed = app.allow(caller, Action::ManagePublisher, object.clone()).await;
        let allowed = allowed.map_err(|refused| denied(&refused))?;
        let above = app.policy.check(caller, Action::ManageRegistry, &object).is_ok();
        let visitor = match &caller.actor {
            _ if above => Visitor::Operator,
            Actor::Account(account) => Visitor::Account(account.name.to_string()),
            _ => Visitor::Anonymous,
        };
        let what: String = what.chars().take(1_000).collect();
        Ok(Self {
            allowed: allowed.about(object, Some(what)),
            visitor,
        })
    }

    async fn answer(
        &self,
        done: std::result::Result<Arc<Publisher>, Refusal>,
    ) -> Result<ChangePublisherPayload> {
        match done {
            Ok(publisher) => {
                self.allowed.note_done().await.map_err(|error| fault(&error))?;
                let publisher = PublisherNode(publisher);
                Ok(ChangePublisherPayload::Success(ChangePublisherSuccess {
                    publisher,
                }))
            }
            Err(refusal) => Ok(ChangePublisherPayload::Registry(problem_of(refusal))),
        }
    }
}

async fn may_manage(ctx: &Context<'_>, what: String) -> Result<Allowed> {
    let asked = app(ctx)?.allow(caller(ctx)?, Action::ManageRegistry, Object::project());
    let allowed = asked.await.map_err(|refused| denied(&refused))?;
    Ok(allowed.about(Object::project(), Some(what)))
}

async fn access_answer(
    ctx: &Context<'_>,
    allowed: &Allowed,
    done: std::result::Result<Option<String>, Refusal>,
) -> Result<ChangeRegistryAccessPayload> {
    match done {
        Ok(password) => {
            allowed.note_done().await.map_err(|error| fault(&error))?;
            let success = ChangeRegistryAccessSuccess {
                access: access(ctx)?,
                password,
            };
            Ok(ChangeRegistryAccessPayload::Success(success))
        }
        Err(refusal) => Ok(ChangeRegistryAccessPayload::Registry(problem_of(refusal))),
    }
}

/// `publisher`, or `publisher:name` in its parts.
fn parts(of: &str) -> (&str, Option<&str>) {
    match of.split_once(':') {
        Some((publisher, connector)) => (publisher, Some(connector)),
        None => (of, None),
    }
}

fn no_key() -> ChangePublisherPayload {
    let message = "the key is none: expected the public half as `ed25519:` and 64 hexadecimal digits";
    ChangePublisherPayload::Registry(RegistryProblem::new(ProblemCode::Reg002, message))
}
