//! Changes of people: inviting, roles, removing.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject, Union};
use flowforge_core::Role;

use super::codes::ProblemCode;
use super::fault;
use super::loads::reading;
use super::mutation::{field, input_problem};
use super::people::{MemberNode, RoleName};
use super::problems::{InputProblem, InvitationNotFoundProblem, MemberNotFoundProblem, MemberStateProblem};
use super::query::{app, caller};
use super::scalars::Long;
use crate::app::people::{LinkFor, LinkMade, MemberError};

/// Somebody to be invited.
#[derive(InputObject)]
pub(crate) struct InviteMemberInput {
    /// The roles that the new account gets.
    roles: Vec<RoleName>,
}

/// A one-time link. Its address is told here and never again: whoever has it may use it, once.
#[derive(SimpleObject)]
pub(crate) struct OneTimeLink {
    /// By which it is listed and withdrawn.
    id: ID,
    /// The address to be opened in a browser, or given to `flowforge login`.
    address: String,
    expires_at_ms: Long,
}

#[derive(Union)]
pub(crate) enum InviteMemberPayload {
    Success(InviteMemberSuccess),
    Input(InputProblem),
}

/// The link is good.
#[derive(SimpleObject)]
pub(crate) struct InviteMemberSuccess {
    link: OneTimeLink,
}

/// A member who forgot the password.
#[derive(InputObject)]
pub(crate) struct ResetPasswordInput {
    name: String,
}

#[derive(Union)]
pub(crate) enum ResetPasswordPayload {
    Success(ResetPasswordSuccess),
    NotFound(MemberNotFoundProblem),
    Input(InputProblem),
}

/// The link is good; the old password stays until it is used.
#[derive(SimpleObject)]
pub(crate) struct ResetPasswordSuccess {
    link: OneTimeLink,
}

/// A link to be taken back.
#[derive(InputObject)]
pub(crate) struct WithdrawInvitationInput {
    id: ID,
}

#[derive(Union)]
pub(crate) enum WithdrawInvitationPayload {
    Success(WithdrawInvitationSuccess),
    NotFound(InvitationNotFoundProblem),
}

/// The link is good for nothing any more.
#[derive(SimpleObject)]
pub(crate) struct WithdrawInvitationSuccess {
    id: ID,
}

/// A member with its new roles.
#[derive(InputObject)]
pub(crate) struct SetMemberRolesInput {
    name: String,
    /// Those it has from now on; one at least.
    roles: Vec<RoleName>,
}

#[derive(Union)]
pub(crate) enum SetMemberRolesPayload {
    Success(SetMemberRolesSuccess),
    NotFound(MemberNotFoundProblem),
    State(MemberStateProblem),
    Input(InputProblem),
}

/// The member as it is now.
#[derive(SimpleObject)]
pub(crate) struct SetMemberRolesSuccess {
    member: MemberNode,
}

/// A member to be removed.
#[derive(InputObject)]
pub(crate) struct RemoveMemberInput {
    name: String,
}

#[derive(Union)]
pub(crate) enum RemoveMemberPayload {
    Success(RemoveMemberSuccess),
    NotFound(MemberNotFoundProblem),
    State(MemberStateProblem),
}

/// It is gone, with its sessions and tokens; its name stays taken.
#[derive(SimpleObject)]
pub(crate) struct RemoveMemberSuccess {
    name: String,
}

fn unknown(name: &str) -> MemberNotFoundProblem {
    let name: String = name.chars().take(64).collect();
    MemberNotFoundProblem::new(ProblemCode::Mem001, format!("there is no member `{name}`"))
}

fn last(error: &MemberError) -> MemberStateProblem {
    MemberStateProblem::new(ProblemCode::Mem002, error.to_string())
}

/// Changes of people.
#[derive(Default)]
pub(crate) struct MemberChanges;

fn link_of(ctx: &Context<'_>, made: &LinkMade) -> Result<OneTimeLink> {
    Ok(OneTimeLink {
        id: ID(made.id.clone()),
        address: app(ctx)?.people.address_of(&made.secret),
        expires_at_ms: made.expires_at_ms.into(),
    })
}

#[Object]
impl MemberChanges {
    /// Invites somebody: makes a link that is good once, for seven days.
    async fn invite_member(
        &self,
        ctx: &Context<'_>,
        input: InviteMemberInput,
    ) -> Result<InviteMemberPayload> {
        use InviteMemberPayload as Payload;
        let roles = input.roles.into_iter().map(Role::from).collect();
        let made = app(ctx)?.make_link(caller(ctx)?, LinkFor::Invited(roles)).await;
        Ok(match made {
            Ok(made) => Payload::Success(InviteMemberSuccess {
                link: link_of(ctx, &made)?,
            }),
            Err(error @ MemberError::NoRoles) => {
                Payload::Input(input_problem(vec![field("roles", error.to_string())]))
            }
            Err(error @ MemberError::TooManyLinks) => {
                Payload::Input(input_problem(vec![field("", error.to_string())]))
            }
            Err(error) => return Err(fault(&error)),
        })
    }

    /// Makes a link, good once and for an hour, by which a member sets a new password.
    async fn reset_password(
        &self,
        ctx: &Context<'_>,
        input: ResetPasswordInput,
    ) -> Result<ResetPasswordPayload> {
        use ResetPasswordPayload as Payload;
        let wanted = LinkFor::Reset(input.name.clone());
        Ok(match app(ctx)?.make_link(caller(ctx)?, wanted).await {
            Ok(made) => Payload::Success(ResetPasswordSuccess {
                link: link_of(ctx, &made)?,
            }),
            Err(MemberError::Unknown) => Payload::NotFound(unknown(&input.name)),
            Err(error @ MemberError::TooManyLinks) => {
                Payload::Input(input_problem(vec![field("", error.to_string())]))
            }
            Err(error) => return Err(fault(&error)),
        })
    }

    /// Takes a link back that nobody has used.
    async fn withdraw_invitation(
        &self,
        ctx: &Context<'_>,
        input: WithdrawInvitationInput,
    ) -> Result<WithdrawInvitationPayload> {
        let withdrawn = app(ctx)?.withdraw_link(caller(ctx)?, &input.id).await;
        Ok(match withdrawn.map_err(|error| fault(&error))? {
            true => WithdrawInvitationPayload::Success(WithdrawInvitationSuccess { id: input.id }),
            false => {
                let message = "there is no link with this id that waits to be used";
                let problem = InvitationNotFoundProblem::new(ProblemCode::Mem003, message);
                WithdrawInvitationPayload::NotFound(problem)
            }
        })
    }

    /// Gives a member roles in the place of those it has.
    async fn set_member_roles(
        &self,
        ctx: &Context<'_>,
        input: SetMemberRolesInput,
    ) -> Result<SetMemberRolesPayload> {
        use SetMemberRolesPayload as Payload;
        let roles = input.roles.into_iter().map(Role::from).collect();
        match app(ctx)?.set_roles(caller(ctx)?, &input.name, roles).await {
            Ok(()) => {}
            Err(MemberError::Unknown) => return Ok(Payload::NotFound(unknown(&input.name))),
            Err(error @ MemberError::LastAdmin) => return Ok(Payload::State(last(&error))),
            Err(error @ MemberError::NoRoles) => {
                let problem = input_problem(vec![field("roles", error.to_string())]);
                return Ok(Payload::Input(problem));
            }
            Err(error) => return Err(fault(&error)),
        }
        let member = reading(ctx).await?.member(&input.name).await;
        Ok(match member.map_err(|error| fault(&error))? {
            Some(member) => Payload::Success(SetMemberRolesSuccess {
                member: MemberNode(member),
            }),
            None => Payload::NotFound(unknown(&input.name)),
        })
    }

    /// Removes a member: sessions and tokens end, and the name is not given to anybody else.
    async fn remove_member(
        &self,
        ctx: &Context<'_>,
        input: RemoveMemberInput,
    ) -> Result<RemoveMemberPayload> {
        use RemoveMemberPayload as Payload;
        Ok(match app(ctx)?.remove_member(caller(ctx)?, &input.name).await {
            Ok(()) => Payload::Success(RemoveMemberSuccess { name: input.name }),
            Err(MemberError::Unknown) => Payload::NotFound(unknown(&input.name)),
            Err(error @ MemberError::LastAdmin) => Payload::State(last(&error)),
            Err(error) => return Err(fault(&error)),
        })
    }
}
