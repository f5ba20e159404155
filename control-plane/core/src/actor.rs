//! Who asks, and what each may do.

use flowforge_protocol::HostId;

use crate::Scope;

/// Who asks for something.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Actor {
    /// The person whose control plane this is.
    Owner,
    /// A registered host, by its session.
    Host(HostId),
    /// The control plane itself: schedules, and what is owed to runs.
    System,
    /// Somebody who has not shown who they are.
    Nobody,
}

/// What somebody may be allowed to do inside a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// See runs, workflows, questions, hosts and the names of secrets.
    Read,
    /// Start runs, and make new ones from old ones.
    StartRun,
    /// Stop, pause, signal and review runs.
    ChangeRun,
    /// Answer a question; whether this person may answer this one is asked beside.
    Decide,
    /// Publish releases and work on drafts.
    Publish,
    /// Set and delete secrets.
    ChangeSecrets,
    /// Say who belongs to which group.
    ChangeGroups,
    /// Take jobs and bring records.
    Serve,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::StartRun,
        Self::ChangeRun,
        Self::Decide,
        Self::Publish,
        Self::ChangeSecrets,
        Self::ChangeGroups,
        Self::Serve,
    ];
}

/// An actor does not have a permission.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{actor:?} does not have the permission {permission:?} in {scope}")]
pub struct Denied {
    /// Who asked.
    pub actor: Actor,
    /// For what.
    pub permission: Permission,
    /// Where.
    pub scope: Scope,
}

/// Who asks, and in which scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    /// Who.
    pub actor: Actor,
    /// Where.
    pub scope: Scope,
}

impl Caller {
    /// Says whether the caller has a permission in its scope: the one place where that is decided.
    ///
    /// # Errors
    /// [`Denied`] names who asked for what and where.
    pub fn may(&self, permission: Permission) -> Result<(), Denied> {
        let allowed = match &self.actor {
            Actor::Owner => permission != Permission::Serve,
            Actor::Host(_) => permission == Permission::Serve,
            Actor::System => matches!(
                permission,
                Permission::Read | Permission::StartRun | Permission::ChangeRun
            ),
            Actor::Nobody => false,
        };
        if allowed {
            return Ok(());
        }
        Err(Denied {
            actor: self.actor.clone(),
            permission,
            scope: self.scope.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(actor: Actor) -> Vec<Permission> {
        let caller = Caller {
            actor,
            scope: Scope::new("w", "p"),
        };
        let all = Permission::ALL.into_iter();
        all.filter(|permission| caller.may(*permission).is_ok()).collect()
    }

    #[test]
    fn a_host_serves_and_does_nothing_that_people_do() {
        let host = Actor::Host(HostId::from_entropy([1; 16]));
        assert_eq!(allowed(host), [Permission::Serve]);
        assert!(!allowed(Actor::Owner).contains(&Permission::Serve));
        assert_eq!(allowed(Actor::Owner).len(), Permission::ALL.len() - 1);
    }

    #[test]
    fn nobody_may_nothing_and_a_refusal_names_who_what_and_where() {
        assert_eq!(allowed(Actor::Nobody), []);
        let caller = Caller {
            actor: Actor::Nobody,
            scope: Scope::new("w", "p"),
        };
        let denied = caller.may(Permission::StartRun).unwrap_err();
        let said = denied.to_string();
        assert!(
            said.contains("Nobody") && said.contains("StartRun") && said.contains("w/p"),
            "{said}"
        );
    }

    #[test]
    fn the_plane_itself_decides_nothing_for_people() {
        let of_itself = allowed(Actor::System);
        assert!(of_itself.contains(&Permission::StartRun));
        for of_people in [Permission::Decide, Permission::Publish, Permission::ChangeSecrets] {
            assert!(!of_itself.contains(&of_people));
        }
    }
}
