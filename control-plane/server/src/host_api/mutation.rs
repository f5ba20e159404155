//! What a host may change.

use async_graphql::{Context, Object, Result};
use flowforge_store::KeepError;

use super::claim::{ClaimHostInput, ClaimHostPayload, ClaimHostSuccess};
use super::register::{RegisterHostInput, RegisterHostPayload, RegisterHostSuccess, RegistrationProblem};
use super::sync::{SyncInput, SyncPayload};
use super::values::{KeepValuesInput, KeptValueNode};
use super::{app, host, peer};
use crate::api::{CODE_ARGUMENT, coded, fault};
use crate::registration::RegisterError;

/// What a host may change.
pub(crate) struct Mutation;

#[Object]
impl Mutation {
    /// Admits a host that holds the join token, or gives a known one a new session.
    async fn register_host(
        &self,
        ctx: &Context<'_>,
        input: RegisterHostInput,
    ) -> Result<RegisterHostPayload> {
        let app = app(ctx)?;
        match app.register(peer(ctx), input.into()).await {
            Ok((id, session)) => Ok(RegisterHostPayload::Success(RegisterHostSuccess {
                host_id: id.to_string(),
                session,
                workspace: app.workspace().to_owned(),
                time_ms: app.clock.now_ms().into(),
            })),
            Err(error @ (RegisterError::Store(_) | RegisterError::Entropy(_))) => Err(fault(&error)),
            Err(error) => Ok(RegisterHostPayload::Problem(RegistrationProblem {
                code: error.code().to_owned(),
                message: error.to_string(),
            })),
        }
    }

    /// Gives a host of another machine a certificate: its first by an invitation, the next ones by the one it has. On the
    /// hosts' line only.
    async fn claim_host(&self, ctx: &Context<'_>, input: ClaimHostInput) -> Result<ClaimHostPayload> {
        let app = app(ctx)?;
        let claimed = match input.read() {
            Ok(request) => app.claim_host(peer(ctx), request).await,
            Err(error) => Err(error),
        };
        match claimed {
            Ok(issued) => Ok(ClaimHostPayload::Success(ClaimHostSuccess::of(
                &issued,
                app.workspace(),
            ))),
            Err(error) => match error.code() {
                Some(code) => Ok(ClaimHostPayload::Problem(RegistrationProblem {
                    code: code.to_owned(),
                    message: error.to_string(),
                })),
                None => Err(fault(&error)),
            },
        }
    }

    /// The host leaves: its certificate and its key are good for nothing any more. True.
    async fn leave_host(&self, ctx: &Context<'_>) -> Result<bool> {
        let (app, host) = (app(ctx)?, host(ctx)?);
        app.host_leaves(&host.id).await.map_err(|error| fault(&error))?;
        Ok(true)
    }

    /// Takes pieces of large values, which come before the records that hold them, and says of every value that is named
    /// how much of it is here. Repeating a call changes nothing.
    async fn keep_values(&self, ctx: &Context<'_>, input: KeepValuesInput) -> Result<Vec<KeptValueNode>> {
        let (app, host) = (app(ctx)?, host(ctx)?);
        let kept = app
            .store
            .keep_values(&host.scope, input.read()?, app.clock.now_ms())
            .await;
        match kept {
            Ok(kept) => Ok(kept.into_iter().map(KeptValueNode::from).collect()),
            Err(error @ KeepError::Refused { .. }) => Err(coded(error.to_string(), CODE_ARGUMENT)),
            Err(error @ (KeepError::NoRoom | KeepError::Store(_))) => Err(fault(&error)),
        }
    }

    /// The standing call and the uploading call.
    async fn sync(&self, ctx: &Context<'_>, input: SyncInput) -> Result<SyncPayload> {
        let (app, host) = (app(ctx)?, host(ctx)?);
        let request = input.read(app.workspace())?;
        let reply = app.sync(host, request).await.map_err(|error| fault(&error))?;
        Ok(SyncPayload::of(reply))
    }
}
