//! Who belongs here, and with which roles.

use std::collections::BTreeSet;

use flowforge_core::{Action, Caller, Denied, Object, ObjectKind, Role};
use flowforge_store::{Membership, StoreError};

use crate::app::App;
use crate::entropy::EntropyError;

/// Why nothing was changed about a member or a link.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MemberError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error("it may not be done")]
    Denied(#[from] Box<Denied>),
    #[error("there is no such member")]
    Unknown,
    #[error("nobody would be an administrator any more; make somebody else one first")]
    LastAdmin,
    #[error("name one role at least; to take all, remove the member")]
    NoRoles,
    #[error("too many links wait to be used; withdraw some")]
    TooManyLinks,
}

impl App {
    /// Gives a member these roles in the place of those it had. What it holds open is looked at within ten seconds.
    pub(crate) async fn set_roles(
        &self,
        caller: &Caller,
        name: &str,
        roles: BTreeSet<Role>,
    ) -> Result<(), MemberError> {
        let object = Object::new(ObjectKind::Account, name);
        let allowed = self.allow(caller, Action::SetRoles, object.clone()).await?;
        if roles.is_empty() {
            return Err(MemberError::NoRoles);
        }
        let words: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
        let change = allowed.about(object, Some(words.join(", "))).change();
        done(change.set_roles(allowed.scope(), name.to_owned(), roles).await?)
    }

    /// Removes a member, with sessions and tokens. The name is not given to anybody else.
    pub(crate) async fn remove_member(&self, caller: &Caller, name: &str) -> Result<(), MemberError> {
        let object = Object::new(ObjectKind::Account, name);
        let allowed = self.allow(caller, Action::RemoveMember, object).await?;
        let (change, now_ms) = (allowed.change(), self.clock.now_ms());
        done(
            change
                .remove_member(allowed.scope(), name.to_owned(), now_ms)
                .await?,
        )
    }
}

fn done(became: Membership) -> Result<(), MemberError> {
    match became {
        Membership::Changed => Ok(()),
        Membership::Unknown => Err(MemberError::Unknown),
        Membership::LastAdmin => Err(MemberError::LastAdmin),
    }
}
