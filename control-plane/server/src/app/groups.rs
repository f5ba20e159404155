//! Who belongs to which group.

use flowforge_core::{Action, Caller, Object, ObjectKind};
use flowforge_store::{GroupChange, GroupChanged};

use crate::app::App;
use crate::app::keeping::KeepError;

impl App {
    /// Changes who is in a group; without members it is gone.
    pub(crate) async fn change_group(
        &self,
        caller: &Caller,
        change: GroupChange,
    ) -> Result<GroupChanged, KeepError> {
        let empties = change.add.is_empty() && change.members.as_ref().is_some_and(Vec::is_empty);
        let action = if empties {
            Action::DeleteGroup
        } else {
            Action::SetGroup
        };
        let object = Object::new(ObjectKind::Group, &change.name);
        let allowed = self.allow(caller, action, object.clone()).await?;
        let allowed = allowed.about(object, Some(said(&change)));
        Ok(allowed.change().change_group(allowed.scope(), change).await?)
    }
}

/// The change in a few words: `ann, bob`, `with cy`, `without ann`.
fn said(change: &GroupChange) -> String {
    let mut words = Vec::new();
    if let Some(members) = &change.members {
        words.push(members.join(", "));
    }
    for (word, names) in [("with", &change.add), ("without", &change.remove)] {
        if !names.is_empty() {
            words.push(format!("{word} {}", names.join(", ")));
        }
    }
    words.join(", ")
}
