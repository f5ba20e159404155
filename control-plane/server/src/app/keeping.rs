//! Keeping secrets: set, thrown away, taken back. Their values come in here and leave only sealed to a host.

use flowforge_core::{Action, Caller, Denied, Object, ObjectKind};
use flowforge_store::{StoreError, StoredSecret};

use crate::app::App;
use crate::secrets::{SecretDraft, VaultError};

/// Why something was not kept, by fault of this server, or because it may not be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("it may not be done")]
    Denied(#[from] Box<Denied>),
}

impl App {
    /// Keeps a value whose draft has no faults; gives the secret as it is then, unless somebody has thrown it away since.
    pub(crate) async fn set_secret(
        &self,
        caller: &Caller,
        draft: SecretDraft,
    ) -> Result<Option<StoredSecret>, KeepError> {
        let name = draft.name.clone();
        let object = Object::new(ObjectKind::Secret, &name);
        let allowed = self.allow(caller, Action::SetSecret, object).await?;
        let now_ms = self.clock.now_ms();
        self.secrets.set(&allowed.change(), draft, now_ms).await?;
        Ok(allowed.store().secret(allowed.scope(), &name).await?)
    }

    /// Puts a secret into the trash, or forgets its value at once. False if there is none.
    pub(crate) async fn delete_secret(
        &self,
        caller: &Caller,
        name: &str,
        purge: bool,
    ) -> Result<bool, KeepError> {
        let object = Object::new(ObjectKind::Secret, name);
        let allowed = self.allow(caller, Action::DeleteSecret, object.clone()).await?;
        let allowed = allowed.about(object, purge.then(|| "its value is gone for good".to_owned()));
        let (change, now_ms) = (allowed.change(), self.clock.now_ms());
        let deleted = change
            .delete_secret(allowed.scope(), name, allowed.by(), now_ms, purge)
            .await?;
        self.secrets.changed();
        Ok(deleted)
    }

    /// Takes a secret out of the trash. None if it is not there.
    pub(crate) async fn restore_secret(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<Option<StoredSecret>, KeepError> {
        let object = Object::new(ObjectKind::Secret, name);
        let allowed = self.allow(caller, Action::RestoreSecret, object).await?;
        let (change, scope) = (allowed.change(), allowed.scope());
        if !change.restore_secret(scope, name).await? {
            return Ok(None);
        }
        self.secrets.changed();
        Ok(allowed.store().secret(scope, name).await?)
    }
}
