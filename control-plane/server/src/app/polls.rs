//! Polled triggers as people see them, and stopping them.

use std::collections::HashMap;

use flowforge_core::{Action, Caller, Object, ObjectKind};
use flowforge_protocol::Digest;
use flowforge_protocol::canonical::canonical_json;
use flowforge_store::{Poll, PollKey, StoreError};
use flowforge_workflow::model::{Poll as Asked, TriggerKind, Workflow};
use serde_json::json;

use crate::app::App;
use crate::app::keeping::KeepError;

/// A polled trigger of a published workflow.
pub(crate) struct Polled {
    pub(crate) workflow: String,
    pub(crate) trigger: String,
    pub(crate) asked: Asked,
    /// None of one that is so new that nobody has looked at it yet.
    pub(crate) stored: Option<Poll>,
}

/// What tells one question from another: a trigger that asks something else begins anew. How often it asks does not count.
pub(crate) fn fingerprint(workflow: &Workflow, asked: &Asked) -> String {
    let call = &asked.call;
    let question = json!([call.connector, call.operation, call.with, workflow.config]);
    Digest::of(&canonical_json(&question)).hex()
}

impl App {
    /// The polled triggers of the newest releases.
    pub(crate) fn polled(&self, stored: Vec<Poll>) -> Vec<Polled> {
        let key = |poll: &Poll| (poll.workflow.clone(), poll.trigger.clone());
        let mut stored: HashMap<_, _> = stored.into_iter().map(|poll| (key(&poll), poll)).collect();
        let mut polled = Vec::new();
        for release in self.newest() {
            let workflow = &release.stored.workflow;
            for trigger in &release.workflow.triggers {
                let TriggerKind::Poll(asked) = &trigger.kind else {
                    continue;
                };
                let now = fingerprint(&release.workflow, asked);
                let known = stored.remove(&(workflow.clone(), trigger.name.clone()));
                polled.push(Polled {
                    workflow: workflow.clone(),
                    trigger: trigger.name.clone(),
                    asked: asked.as_ref().clone(),
                    stored: known.filter(|poll| poll.fingerprint == now),
                });
            }
        }
        polled
    }

    /// The polled trigger of these names.
    pub(crate) async fn polled_trigger(
        &self,
        workflow: &str,
        trigger: &str,
    ) -> Result<Option<Polled>, StoreError> {
        let polled = self.polled(self.store.polls(&self.scope).await?);
        Ok(polled
            .into_iter()
            .find(|polled| polled.workflow == workflow && polled.trigger == trigger))
    }

    /// Stops the polls of a trigger, or lets them go on at once; a poll that is open ends. False if there is no such trigger.
    pub(crate) async fn pause_trigger(
        &self,
        caller: &Caller,
        key: PollKey,
        paused_by: Option<String>,
    ) -> Result<bool, KeepError> {
        let action = match paused_by {
            Some(_) => Action::PauseTrigger,
            None => Action::ResumeTrigger,
        };
        let object = Object::new(ObjectKind::Workflow, &key.workflow);
        let allowed = self.allow(caller, action, object.clone()).await?;
        let allowed = allowed.about(object, Some(format!("trigger {}", key.trigger)));
        let now_ms = self.clock.now_ms();
        let there = allowed
            .change()
            .pause_poll(allowed.scope(), key, paused_by, now_ms)
            .await?;
        self.polls_changed.notify_one();
        Ok(there)
    }
}
