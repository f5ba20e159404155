//! What whoever asks does with the own account: password, sessions, API tokens.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject, Union};
use flowforge_core::Permission;
use flowforge_protocol::VerifyingKey;
use zeroize::Zeroizing;

use super::codes::ProblemCode;
use super::fault;
use super::mutation::{field, input_problem};
use super::people::{ApiTokenNode, PermissionName};
use super::problems::{
    ApiTokenNotFoundProblem, BusyProblem, InputProblem, MemberNotFoundProblem, PasswordProblem,
    SessionNotFoundProblem,
};
use super::query::{app, caller, showing};
use crate::app::people::{PasswordChanged, TokenError, TokenWanted};

/// Ninety days, the life of a token that says nothing else.
const TOKEN_LIFE_MS: u64 = 90 * 24 * 60 * 60 * 1_000;

/// The old password and the new one.
#[derive(InputObject)]
pub(crate) struct ChangePasswordInput {
    old: String,
    /// 12 to 256 characters.
    new: String,
}

#[derive(Union)]
pub(crate) enum ChangePasswordPayload {
    Success(ChangePasswordSuccess),
    Wrong(PasswordProblem),
    Input(InputProblem),
    Busy(BusyProblem),
}

/// The new password counts; all other sessions have ended.
#[derive(SimpleObject)]
pub(crate) struct ChangePasswordSuccess {
    name: String,
}

/// A session to be ended.
#[derive(InputObject)]
pub(crate) struct EndSessionInput {
    id: ID,
}

#[derive(Union)]
pub(crate) enum EndSessionPayload {
    Success(EndSessionSuccess),
    NotFound(SessionNotFoundProblem),
}

/// It speaks for nobody any more.
#[derive(SimpleObject)]
pub(crate) struct EndSessionSuccess {
    id: ID,
}

/// A token for a program.
#[derive(InputObject)]
pub(crate) struct MakeApiTokenInput {
    /// What its owner calls it: 1 to 64 characters.
    name: String,
    /// What it passes on; never `KEEP_ACCOUNT`.
    permissions: Vec<PermissionName>,
    /// How long it is good, milliseconds: a minute to 366 days. Default 90 days.
    #[graphql(default_with = "TOKEN_LIFE_MS")]
    life_ms: u64,
}

#[derive(Union)]
pub(crate) enum MakeApiTokenPayload {
    Success(MakeApiTokenSuccess),
    Input(InputProblem),
}

/// The token is good.
#[derive(SimpleObject)]
pub(crate) struct MakeApiTokenSuccess {
    token: ApiTokenNode,
    /// What the program sends, `authorization: Bearer …`. It is told here and never again.
    secret: String,
}

/// A token to be revoked.
#[derive(InputObject)]
pub(crate) struct RevokeApiTokenInput {
    id: ID,
}

#[derive(Union)]
pub(crate) enum RevokeApiTokenPayload {
    Success(RevokeApiTokenSuccess),
    NotFound(ApiTokenNotFoundProblem),
}

/// It is good for nothing any more.
#[derive(SimpleObject)]
pub(crate) struct RevokeApiTokenSuccess {
    id: ID,
}

/// The public key with which one signs answers.
#[derive(InputObject)]
pub(crate) struct SetSigningKeyInput {
    /// `ed25519:` and 64 lower-case hexadecimal digits.
    key: String,
}

#[derive(Union)]
pub(crate) enum SetSigningKeyPayload {
    Success(SetSigningKeySuccess),
    NotFound(MemberNotFoundProblem),
    Input(InputProblem),
}

/// The account says so. A workflow that asks for a signature names the key itself.
#[derive(SimpleObject)]
pub(crate) struct SetSigningKeySuccess {
    key: String,
}

/// Changes of the own account.
#[derive(Default)]
pub(crate) struct OwnAccount;

#[Object]
impl OwnAccount {
    /// Gives the own account another password, and ends its other sessions.
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        input: ChangePasswordInput,
    ) -> Result<ChangePasswordPayload> {
        use ChangePasswordPayload as Payload;
        let (old, new) = (Zeroizing::new(input.old), Zeroizing::new(input.new));
        let caller = caller(ctx)?;
        let changed = app(ctx)?.change_password(caller, showing(ctx), old, new).await;
        Ok(match changed.map_err(|error| fault(&error))? {
            PasswordChanged::Changed => Payload::Success(ChangePasswordSuccess {
                name: caller.actor.name().to_owned(),
            }),
            PasswordChanged::Wrong => {
                let message = "the old password is another one";
                Payload::Wrong(PasswordProblem::new(ProblemCode::Acc001, message))
            }
            PasswordChanged::Rule(rule) => {
                Payload::Input(input_problem(vec![field("new", rule.to_string())]))
            }
            PasswordChanged::Wait(ms) => Payload::Busy(BusyProblem {
                message: format!("too many tries; try again in {} s", ms.div_ceil(1_000)),
                code: ProblemCode::Acc002.to_string(),
                kind: ProblemCode::Acc002,
                retry_after_ms: ms.into(),
            }),
        })
    }

    /// Says with which key the own account signs answers, for those who write workflows. What counts for a run is the key
    /// that its release names.
    async fn set_signing_key(
        &self,
        ctx: &Context<'_>,
        input: SetSigningKeyInput,
    ) -> Result<SetSigningKeyPayload> {
        use SetSigningKeyPayload as Payload;
        let key = match input.key.parse::<VerifyingKey>() {
            Ok(key) => key,
            Err(error) => {
                return Ok(Payload::Input(input_problem(vec![field(
                    "key",
                    error.to_string(),
                )])));
            }
        };
        let kept = app(ctx)?.set_signing_key(caller(ctx)?, key.clone()).await;
        Ok(match kept.map_err(|error| fault(&error))? {
            true => Payload::Success(SetSigningKeySuccess { key: key.to_string() }),
            false => {
                let message = "whoever asks has no account that could have a key";
                Payload::NotFound(MemberNotFoundProblem::new(ProblemCode::Mem001, message))
            }
        })
    }

    /// Ends a session of the own account.
    async fn end_session(&self, ctx: &Context<'_>, input: EndSessionInput) -> Result<EndSessionPayload> {
        let ended = app(ctx)?.end_session(caller(ctx)?, &input.id).await;
        Ok(match ended.map_err(|error| fault(&error))? {
            true => EndSessionPayload::Success(EndSessionSuccess { id: input.id }),
            false => {
                let message = "you have no session with this id";
                EndSessionPayload::NotFound(SessionNotFoundProblem::new(ProblemCode::Acc007, message))
            }
        })
    }

    /// Makes an API token of the own account, for a program.
    async fn make_api_token(
        &self,
        ctx: &Context<'_>,
        input: MakeApiTokenInput,
    ) -> Result<MakeApiTokenPayload> {
        let wanted = TokenWanted {
            name: input.name,
            permissions: input.permissions.into_iter().map(Permission::from).collect(),
            life_ms: input.life_ms,
        };
        Ok(match app(ctx)?.make_token(caller(ctx)?, wanted).await {
            Ok((token, secret)) => MakeApiTokenPayload::Success(MakeApiTokenSuccess {
                token: ApiTokenNode(token),
                secret: secret.to_string(),
            }),
            Err(TokenError::Input(path, message)) => {
                MakeApiTokenPayload::Input(input_problem(vec![field(path, message)]))
            }
            Err(error) => return Err(fault(&error)),
        })
    }

    /// Revokes an API token of the own account.
    async fn revoke_api_token(
        &self,
        ctx: &Context<'_>,
        input: RevokeApiTokenInput,
    ) -> Result<RevokeApiTokenPayload> {
        let revoked = app(ctx)?.revoke_token(caller(ctx)?, &input.id).await;
        Ok(match revoked.map_err(|error| fault(&error))? {
            true => RevokeApiTokenPayload::Success(RevokeApiTokenSuccess { id: input.id }),
            false => {
                let message = "you have no token with this id";
                RevokeApiTokenPayload::NotFound(ApiTokenNotFoundProblem::new(ProblemCode::Acc008, message))
            }
        })
    }
}
