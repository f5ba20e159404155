//! Who asks, and for what the plane knows them.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use flowforge_protocol::HostId;

use crate::{Permission, Role, Scope};

/// Who asks for something.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Actor {
    /// The person at a control plane that has no sign-in, who is whoever reaches it on loopback; and, where there is
    /// sign-in, whoever holds the data folder and shows the token that lies in it.
    Owner,
    /// Somebody with an account.
    Account(Account),
    /// A registered host, by its session or certificate.
    Host(HostId),
    /// The control plane itself: schedules, webhooks that a signature let in, and what is owed to runs.
    Plane,
    /// Somebody who has not shown who they are.
    Nobody,
}

/// A person, or a program with an account of its own, that has shown who it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Account {
    /// Its name in the workspace, as members and approvers are written.
    pub name: Arc<str>,
    /// How it was shown, for the audit: `session`, `token`, `link`.
    pub shown_by: Arc<str>,
    /// The roles that it has in the project of the caller.
    pub roles: Arc<BTreeSet<Role>>,
    /// The permissions that what was shown passes on, as far as the roles have them; none: all of them.
    pub passes_on: Option<Arc<BTreeSet<Permission>>>,
}

impl Actor {
    /// The name under which runs, records and drafts keep who did something: `local` for the owner.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Owner => "local",
            Self::Account(account) => &account.name,
            Self::Host(id) => id.as_str(),
            Self::Plane => "plane",
            Self::Nobody => "nobody",
        }
    }

    /// What kind of actor it is, as the audit spells it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Account(_) => "account",
            Self::Host(_) => "host",
            Self::Plane => "plane",
            Self::Nobody => "nobody",
        }
    }

    /// How it showed who it is, as the audit spells it.
    #[must_use]
    pub fn shown_by(&self) -> &str {
        match self {
            Self::Owner => "loopback",
            Self::Account(account) => &account.shown_by,
            Self::Host(_) => "session",
            Self::Plane => "itself",
            Self::Nobody => "nothing",
        }
    }
}

/// `account ann`, `host h-…`; the kind alone where it names one actor.
impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(_) | Self::Host(_) => write!(f, "{} {}", self.kind(), self.name()),
            Self::Owner | Self::Plane | Self::Nobody => f.write_str(self.kind()),
        }
    }
}

/// Who asks, in which scope, by which request. Every use case takes one first. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub actor: Actor,
    /// Whose things are meant. It comes from who asks and from the door, never from an argument alone.
    pub scope: Scope,
    /// Names the request in the audit and in the answer; printable, at most [`MAX_REQUEST_BYTES`].
    pub request: Arc<str>,
}

/// Longest name of a request, in bytes.
pub const MAX_REQUEST_BYTES: usize = 64;

impl Caller {
    /// This actor in this scope, by this request.
    #[must_use]
    pub fn new(actor: Actor, scope: Scope, request: &str) -> Self {
        Self {
            actor,
            scope,
            request: request.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_is_shown_by_its_kind_and_name() {
        let ann = Actor::Account(Account {
            name: "ann".into(),
            shown_by: "token".into(),
            roles: Arc::default(),
            passes_on: None,
        });
        assert_eq!(
            (ann.to_string().as_str(), ann.shown_by()),
            ("account ann", "token")
        );
        let host = Actor::Host(HostId::from_entropy([1; 16]));
        assert_eq!(host.to_string(), format!("host {}", host.name()));
        assert_eq!(Actor::Owner.to_string(), "owner");
        assert_eq!(Actor::Owner.name(), "local");
        assert_eq!((Actor::Nobody.kind(), Actor::Plane.kind()), ("nobody", "plane"));
    }
}
