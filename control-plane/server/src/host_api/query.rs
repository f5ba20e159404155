//! What a host may ask for.

use async_graphql::{Context, Json, Object, Result, SimpleObject};
use flowforge_protocol::Digest;

use super::secrets::{SealedSecret, SecretAbsent, SecretAnswer, SecretNotGranted};
use super::{app, host};
use crate::api::{CODE_ARGUMENT, coded, fault};
use crate::registration::{SealedAnswer, SealedError};

/// The signed documents of a release.
#[derive(SimpleObject)]
pub(crate) struct ReleaseDocuments {
    /// DSSE envelope, JSON.
    release: String,
    /// DSSE envelope, JSON.
    grants: String,
}

/// What a host may ask for.
pub(crate) struct Query;

#[Object]
impl Query {
    /// The envelopes of a release and its grant set, by the digests of their payloads; null if they are not here.
    async fn release_documents(
        &self,
        ctx: &Context<'_>,
        release: String,
        grants: String,
    ) -> Result<Option<ReleaseDocuments>> {
        host(ctx)?;
        let digest = |text: String| {
            text.parse::<Digest>()
                .map_err(|error| coded(error.to_string(), CODE_ARGUMENT))
        };
        let (release, grants) = (digest(release)?, digest(grants)?);
        let found = app(ctx)?.release(&release).await.map_err(|error| fault(&error))?;
        Ok(found
            .filter(|found| found.stored.grants_digest == grants)
            .map(|found| ReleaseDocuments {
                release: found.stored.envelope.clone(),
                grants: found.stored.grants.clone(),
            }))
    }

    /// Secrets that the runs of this host need, sealed to its key: one answer for each name, in the order of the names.
    async fn sealed_secrets(&self, ctx: &Context<'_>, names: Vec<String>) -> Result<Vec<SecretAnswer>> {
        let answers = match app(ctx)?.sealed_secrets(host(ctx)?, &names).await {
            Ok(answers) => answers,
            Err(error @ SealedError::TooMany) => return Err(coded(error.to_string(), CODE_ARGUMENT)),
            Err(error) => return Err(fault(&error)),
        };
        answers
            .into_iter()
            .map(|answer| {
                Ok(match answer {
                    SealedAnswer::Sealed(secret, sealed) => SecretAnswer::Sealed(SealedSecret {
                        name: secret.name,
                        version: secret.version,
                        kind: secret.kind,
                        destinations: secret.destinations,
                        sealed: Json(serde_json::to_value(sealed).map_err(|error| fault(&error))?),
                    }),
                    SealedAnswer::Absent(name) => SecretAnswer::Absent(SecretAbsent { name }),
                    SealedAnswer::NotGranted(name) => SecretAnswer::NotGranted(SecretNotGranted { name }),
                })
            })
            .collect()
    }
}
