//! What a host may change.

use async_graphql::{Context, Object, Result};

use super::register::{RegisterHostInput, RegisterHostPayload, RegisterHostSuccess, RegistrationProblem};
use super::sync::{SyncInput, SyncPayload};
use super::{app, host};
use crate::api::fault;
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
        match app.register(input.into()).await {
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

    /// The standing call and the uploading call.
    async fn sync(&self, ctx: &Context<'_>, input: SyncInput) -> Result<SyncPayload> {
        let (app, host) = (app(ctx)?, host(ctx)?);
        let request = input.read(app.workspace())?;
        let reply = app.sync(host, request).await.map_err(|error| fault(&error))?;
        Ok(SyncPayload::of(reply))
    }
}
