//! What a host may ask for.

use async_graphql::{Context, Json, Object, Result, SimpleObject};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_protocol::{Digest, RunId};

use super::secrets::{SealedSecret, SecretAbsent, SecretAnswer, SecretNotGranted};
use super::{app, host};
use crate::api::{CODE_ARGUMENT, Long, coded, fault};
use crate::registration::{SealedAnswer, SealedError};

/// The signed documents of a release.
#[derive(SimpleObject)]
pub(crate) struct ReleaseDocuments {
    /// DSSE envelope, JSON.
    release: String,
    /// DSSE envelope, JSON.
    grants: String,
}

/// Consecutive records of a run that comes to the host, or of the generation before one that does.
#[derive(SimpleObject)]
pub(crate) struct RecordPage {
    run: String,
    /// Fencing number under which they were written.
    epoch: Long,
    first_seq: Long,
    count: Long,
    /// Chain value after the last line.
    chain: String,
    /// Base64 of `count` records with their values: lines of JSON, each ended by a line feed. At most 4 MiB of lines.
    lines: String,
}

/// What a host may ask for.
pub(crate) struct Query;

#[Object]
impl Query {
    /// Whom the workspace believes for what, JSON. An invitation names its digest; null where there are no invitations.
    async fn trust_root(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(app(ctx)?.line.as_ref().map(|line| line.trust_root.clone()))
    }

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

    /// Records from this number on, of a run that the host has or that an order which was delivered to it names; null if
    /// they are not here. The next ones begin behind these.
    async fn run_records(
        &self,
        ctx: &Context<'_>,
        run: String,
        from_seq: Long,
    ) -> Result<Option<RecordPage>> {
        let run: RunId = run
            .parse()
            .map_err(|_| coded("the run's id is none".to_owned(), CODE_ARGUMENT))?;
        let found = app(ctx)?.records_for(host(ctx)?, &run, from_seq.0).await;
        let found = found.map_err(|error| fault(&error))?;
        Ok(found.map(|batch| RecordPage {
            run: batch.run.to_string(),
            epoch: batch.epoch.into(),
            first_seq: batch.first_seq.into(),
            count: u64::from(batch.count).into(),
            chain: batch.chain.to_string(),
            lines: STANDARD.encode(&batch.lines),
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
