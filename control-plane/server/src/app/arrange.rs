//! Where people put workflows: folders, tags, the trash.

use std::sync::Arc;

use flowforge_core::{Action, Caller, Object, ObjectKind};
use flowforge_store::Trashed;

use crate::app::App;
use crate::app::keeping::KeepError;
use crate::release::ReadyRelease;

/// What became of a workflow that was to come back.
pub(crate) enum Restored {
    /// It is there again.
    Workflow(Arc<ReadyRelease>),
    /// It is not in the trash, or its time there is over.
    None,
    /// Another workflow listens at this path meanwhile.
    HookTaken(String),
    /// It is there again, and cannot be used, because of this.
    Unusable(String),
}

impl App {
    /// Puts a workflow into a folder and gives it tags. False if there is no such workflow.
    pub(crate) async fn arrange_workflow(
        &self,
        caller: &Caller,
        workflow: &str,
        folder: &str,
        tags: Vec<String>,
    ) -> Result<bool, KeepError> {
        let object = Object::new(ObjectKind::Workflow, workflow);
        let allowed = self
            .allow(caller, Action::ArrangeWorkflow, object.clone())
            .await?;
        let allowed = allowed.about(object, Some(format!("/{folder} {}", tags.join(" "))));
        let change = allowed.change();
        Ok(change.arrange(allowed.scope(), workflow, folder, tags).await?)
    }

    /// Puts a workflow into the trash. Runs of it that have begun go on.
    pub(crate) async fn trash_workflow(&self, caller: &Caller, workflow: &str) -> Result<Trashed, KeepError> {
        let object = Object::new(ObjectKind::Workflow, workflow);
        let allowed = self.allow(caller, Action::DeleteWorkflow, object).await?;
        let now_ms = self.clock.now_ms();
        let trashed = allowed
            .change()
            .trash_workflow(allowed.scope(), workflow, allowed.by(), now_ms)
            .await?;
        if trashed == Trashed::Trashed {
            self.withdrawn(workflow);
        }
        Ok(trashed)
    }

    /// Takes a workflow out of the trash: it has its webhook paths again, and its schedules from now on.
    pub(crate) async fn restore_workflow(
        &self,
        caller: &Caller,
        workflow: &str,
    ) -> Result<Restored, KeepError> {
        let object = Object::new(ObjectKind::Workflow, workflow);
        let allowed = self.allow(caller, Action::RestoreWorkflow, object).await?;
        let (store, scope) = (allowed.store(), allowed.scope());
        let Some(stored) = store.trashed_release(scope, workflow).await? else {
            return Ok(Restored::None);
        };
        let ready = ReadyRelease::new(stored, self.trust_root());
        let triggers = ready.iter().flat_map(|ready| &ready.workflow.triggers);
        let paths = triggers.filter_map(|trigger| trigger.kind.path().map(str::to_owned));
        let paths = paths.collect();
        let change = allowed.change();
        Ok(
            match (change.restore_workflow(scope, workflow, paths).await?, ready) {
                (None, _) => Restored::None,
                (Some(Err(path)), _) => Restored::HookTaken(path),
                (Some(Ok(())), Err(error)) => Restored::Unusable(error.to_string()),
                (Some(Ok(())), Ok(ready)) => match self.published(ready.stored.clone()) {
                    Ok(ready) => Restored::Workflow(ready),
                    Err(error) => Restored::Unusable(error.to_string()),
                },
            },
        )
    }
}
