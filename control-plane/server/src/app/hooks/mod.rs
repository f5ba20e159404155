//! What webhooks ask for: the plane does it, because a signature or the path lets them in.
//!
//! A delivery is taken in one place, whether it just came or a person has it done once more: its body is read by the newest
//! release of the workflow that listens there, and becomes a run or a signal. What became of it is kept in that commit.

pub(crate) mod body;
mod deliveries;
mod rates;
mod taking;

use std::sync::Arc;

use flowforge_protocol::RunId;
use flowforge_store::{StoreError, StoredRun};
use flowforge_workflow::model::{TriggerKind, Webhook};

pub(crate) use self::deliveries::{Keeper, Replayed, keep};
pub(crate) use self::rates::Rates;
pub(crate) use self::taking::{Delivered, Name, NotTaken, Took};
use crate::app::App;
use crate::release::ReadyRelease;
use crate::secrets::{VaultError, WebhookKey};

/// A webhook that listens, with its release.
#[derive(Clone)]
pub(crate) struct Hook {
    pub(crate) release: Arc<ReadyRelease>,
    /// The trigger's name.
    pub(crate) trigger: String,
    pub(crate) webhook: Webhook,
}

impl App {
    /// The webhook that listens at a path below `/hooks/`, as far as this process knows.
    pub(crate) fn listening(&self, path: &str) -> Option<Hook> {
        let (release, place) = self.hook(path)?;
        let trigger = release.workflow.triggers.get(place)?;
        let TriggerKind::Webhook(webhook) = &trigger.kind else {
            return None;
        };
        Some(Hook {
            trigger: trigger.name.clone(),
            webhook: webhook.clone(),
            release: Arc::clone(&release),
        })
    }

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
