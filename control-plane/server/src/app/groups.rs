//! Who belongs to which group.

use flowforge_core::{Action, Caller, Object, ObjectKind};
use flowforge_store::Group;

use crate::app::App;
use crate::app::keeping::KeepError;

impl App {
    /// Makes these the members of a group; without any it is gone. False if there are too many groups.
    pub(crate) async fn set_group(&self, caller: &Caller, group: Group) -> Result<bool, KeepError> {
        let action = if group.members.is_empty() {
            Action::DeleteGroup
        } else {
            Action::SetGroup
        };
        let object = Object::new(ObjectKind::Group, &group.name);
        let allowed = self.allow(caller, action, object.clone()).await?;
        let allowed = allowed.about(object, Some(group.members.join(", ")));
        Ok(allowed.change().set_group(allowed.scope(), group).await?)
    }
}
