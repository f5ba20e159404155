//! What webhooks ask for: the plane does it, because a signature or the path lets them in.

use flowforge_protocol::RunId;
use flowforge_store::{StoreError, StoredRun};

use crate::app::App;
use crate::secrets::{VaultError, WebhookKey};

impl App {
    /// The workflow that a path below `/hooks/` belongs to.
    pub(crate) async fn hook_owner(&self, path: &str) -> Result<Option<String>, StoreError> {
        self.store.hook_owner(&self.scope, path).await
    }

    /// The run that a repeated request has started before.
    pub(crate) async fn run_of_hook(&self, run: &RunId) -> Result<Option<StoredRun>, StoreError> {
        self.store.run(&self.scope, run).await
    }

    /// The key that signs the requests of a webhook, if it is set.
    pub(crate) async fn webhook_key(&self, name: &str) -> Result<Option<WebhookKey>, VaultError> {
        self.secrets.webhook_key(&self.store, name).await
    }
}
