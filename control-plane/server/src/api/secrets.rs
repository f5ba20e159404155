//! Secrets as the API shows and takes them: never are their values shown.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject, Union};
use flowforge_store::{SecretHead, StoredSecret};
use zeroize::Zeroizing;

use super::codes::ProblemCode;
use super::fault;
use super::mutation::{field, input_problem};
use super::nodes::{Kind, global_id};
use super::payloads::{
    DeleteSecretInput, DeleteSecretPayload, DeleteSecretSuccess, SetSecretInput, SetSecretPayload,
    SetSecretSuccess,
};
use super::problems::SecretNotFoundProblem;
use super::query::{app, caller};
use super::scalars::Long;
use crate::app::keeping::KeepError;
use crate::secrets::{SecretDraft, VaultError};

/// Whether runs of drafts may use a secret.
#[derive(Debug, Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecretDrafts {
    /// They may.
    Allow,
    /// Only runs of published versions may.
    Deny,
}

/// A secret, without its value.
pub(crate) struct SecretNode(pub(crate) SecretHead);

impl From<StoredSecret> for SecretNode {
    fn from(secret: StoredSecret) -> Self {
        Self(SecretHead {
            name: secret.name,
            kind: secret.kind,
            destinations: secret.destinations,
            drafts: secret.drafts,
            version: secret.version,
            updated_at_ms: secret.updated_at_ms,
            deleted: None,
        })
    }
}

#[Object(name = "Secret")]
impl SecretNode {
    /// Unique among everything here.
    pub(crate) async fn id(&self) -> ID {
        global_id(Kind::Secret, &self.0.name)
    }

    async fn name(&self) -> &str {
        &self.0.name
    }

    /// `bearer`, `basic`, `api-key`, `hmac-key` or `opaque`.
    async fn kind(&self) -> &str {
        &self.0.kind
    }

    /// Where the value may be sent.
    async fn destinations(&self) -> &[String] {
        &self.0.destinations
    }

    /// Whether runs of drafts may use it.
    async fn drafts(&self) -> SecretDrafts {
        if self.0.drafts {
            SecretDrafts::Allow
        } else {
            SecretDrafts::Deny
        }
    }

    /// Grows with each value.
    async fn version(&self) -> u32 {
        self.0.version
    }

    async fn updated_at_ms(&self) -> Long {
        self.0.updated_at_ms.into()
    }

    /// When it was put into the trash, if it is there; 30 days later it is gone.
    async fn deleted_at_ms(&self) -> Option<Long> {
        self.0.deleted.as_ref().map(|(at_ms, _)| Long(*at_ms))
    }

    /// Who put it into the trash.
    async fn deleted_by(&self) -> Option<&str> {
        self.0.deleted.as_ref().map(|(_, by)| by.as_str())
    }
}

/// A secret to be taken out of the trash.
#[derive(InputObject)]
pub(crate) struct RestoreSecretInput {
    name: String,
}

#[derive(Union)]
pub(crate) enum RestoreSecretPayload {
    Success(RestoreSecretSuccess),
    NotFound(SecretNotFoundProblem),
}

/// It can be used again, with the value that it had.
#[derive(SimpleObject)]
pub(crate) struct RestoreSecretSuccess {
    secret: SecretNode,
}

/// Keeping secrets.
#[derive(Default)]
pub(crate) struct SecretChanges;

#[Object]
impl SecretChanges {
    /// Keeps a secret, encrypted; its value never comes back.
    async fn set_secret(&self, ctx: &Context<'_>, input: SetSecretInput) -> Result<SetSecretPayload> {
        let app = app(ctx)?;
        let mut draft = SecretDraft {
            name: input.name,
            kind: input.kind,
            value: Zeroizing::new(input.value),
            destinations: input.destinations,
            drafts: input.drafts.unwrap_or(SecretDrafts::Deny) == SecretDrafts::Allow,
        };
        let faults = draft.faults();
        if !faults.is_empty() {
            let fields = faults
                .into_iter()
                .map(|fault| field(fault.path, fault.message))
                .collect();
            return Ok(SetSecretPayload::Input(input_problem(fields)));
        }
        match app.set_secret(caller(ctx)?, draft).await {
            Ok(Some(secret)) => Ok(SetSecretPayload::Success(SetSecretSuccess {
                secret: SecretNode::from(secret),
            })),
            Ok(None) => Err(fault(&flowforge_store::StoreError::Stopped)),
            Err(KeepError::Vault(error @ VaultError::TooMany)) => {
                let fields = vec![field("name", error.to_string())];
                Ok(SetSecretPayload::Input(input_problem(fields)))
            }
            Err(error) => Err(fault(&error)),
        }
    }

    /// Puts a secret into the trash for 30 days: nothing can use it, and hosts wipe their copies. With `purge` its value is
    /// gone at once.
    async fn delete_secret(
        &self,
        ctx: &Context<'_>,
        input: DeleteSecretInput,
    ) -> Result<DeleteSecretPayload> {
        let app = app(ctx)?;
        let purge = input.purge.unwrap_or(false);
        let deleted = app.delete_secret(caller(ctx)?, &input.name, purge).await;
        let deleted = deleted.map_err(|error| fault(&error))?;
        Ok(if deleted {
            DeleteSecretPayload::Success(DeleteSecretSuccess { name: input.name })
        } else {
            let message = format!("there is no secret `{}`", input.name);
            DeleteSecretPayload::NotFound(SecretNotFoundProblem::new(ProblemCode::Sec001, message))
        })
    }

    /// Takes a secret out of the trash, with the value that it had.
    async fn restore_secret(
        &self,
        ctx: &Context<'_>,
        input: RestoreSecretInput,
    ) -> Result<RestoreSecretPayload> {
        let restored = app(ctx)?.restore_secret(caller(ctx)?, &input.name).await;
        Ok(match restored.map_err(|error| fault(&error))? {
            Some(secret) => RestoreSecretPayload::Success(RestoreSecretSuccess {
                secret: SecretNode::from(secret),
            }),
            None => {
                let message = format!("there is no secret `{}` in the trash", input.name);
                RestoreSecretPayload::NotFound(SecretNotFoundProblem::new(ProblemCode::Sec001, message))
            }
        })
    }
}
