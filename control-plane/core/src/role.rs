//! Roles of people: which permissions each holds, and the policy of a plane with accounts.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Account, Action, Actor, Caller, Denied, Object, OwnerPolicy, Permission, Policy};

/// What somebody is in a project. A member may have several; what one of them permits is permitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Looks.
    Viewer,
    /// Writes and tries drafts, and starts runs.
    Builder,
    /// Starts, stops and repairs runs.
    Operator,
    /// Publishes releases and connectors.
    Publisher,
    /// Does all that people do, and says who may what.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [
        Self::Viewer,
        Self::Builder,
        Self::Operator,
        Self::Publisher,
        Self::Admin,
    ];

    /// Its name, as it is stored and as refusals spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Builder => "builder",
            Self::Operator => "operator",
            Self::Publisher => "publisher",
            Self::Admin => "admin",
        }
    }

    /// The role of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// The permissions that each role holds: the one table of who may what.
#[must_use]
pub fn permits() -> BTreeMap<Role, BTreeSet<Permission>> {
    use Permission::{
        Approve, Edit, KeepAccount, KeepSecrets, ManageHosts, ManageMembers, Operate, Publish, Read,
        ReadAudit, Run,
    };
    BTreeMap::from([
        (Role::Viewer, BTreeSet::from([Read, KeepAccount])),
        (
            Role::Builder,
            BTreeSet::from([Read, Edit, Run, Approve, KeepAccount]),
        ),
        (
            Role::Operator,
            BTreeSet::from([Read, Run, Operate, Approve, KeepAccount]),
        ),
        (
            Role::Publisher,
            BTreeSet::from([Read, Publish, Approve, KeepAccount]),
        ),
        (
            Role::Admin,
            BTreeSet::from([
                Read,
                ReadAudit,
                Edit,
                Publish,
                Run,
                Operate,
                Approve,
                KeepSecrets,
                ManageMembers,
                ManageHosts,
                KeepAccount,
            ]),
        ),
    ])
}

/// The policy of a plane with accounts: an account may what one of its roles permits and what it showed passes on. Nobody
/// may sign in, and nothing else; all who have no account may what they may on a plane without accounts.
#[derive(Debug, Clone)]
pub struct RolePolicy {
    permits: BTreeMap<Role, BTreeSet<Permission>>,
}

impl RolePolicy {
    /// With these permissions of each role.
    #[must_use]
    pub const fn new(permits: BTreeMap<Role, BTreeSet<Permission>>) -> Self {
        Self { permits }
    }

    /// Why an account does not have a permission; none if it has.
    fn lacks(&self, account: &Account, permission: Permission) -> Option<String> {
        if permission == Permission::SignIn {
            return None;
        }
        let holds = |role: &Role| {
            self.permits
                .get(role)
                .is_some_and(|permits| permits.contains(&permission))
        };
        let name = permission.as_str();
        if !account.roles.iter().any(holds) {
            let holders = words(Role::ALL.into_iter().filter(holds));
            let own = words(account.roles.iter().copied());
            let has = match holders.as_str() {
                "" => "no role of people has".to_owned(),
                holders => format!("the roles that have it are: {holders}"),
            };
            return Some(format!(
                "it needs the permission `{name}`; {has}; {} has: {}",
                account.name,
                if own.is_empty() { "none" } else { &own }
            ));
        }
        let is_passed_on = account
            .passes_on
            .as_ref()
            .is_none_or(|passed| passed.contains(&permission));
        (!is_passed_on).then(|| {
            format!(
                "it needs the permission `{name}`, which {} has and this token does not pass on",
                account.name
            )
        })
    }
}

fn words(roles: impl Iterator<Item = Role>) -> String {
    roles.map(Role::as_str).collect::<Vec<_>>().join(", ")
}

impl Policy for RolePolicy {
    fn check(&self, caller: &Caller, action: Action, object: &Object) -> Result<(), Box<Denied>> {
        let permission = action.permission();
        let why = match &caller.actor {
            Actor::Account(account) => self.lacks(account, permission),
            Actor::Nobody if permission == Permission::SignIn => None,
            Actor::Nobody => Some(format!(
                "it needs the permission `{}`; sign in first",
                permission.as_str()
            )),
            other if OwnerPolicy::allows(other, permission) => None,
            _ => Some(format!(
                "it needs the permission `{}`, which this kind of caller never has",
                permission.as_str()
            )),
        };
        match why {
            None => Ok(()),
            Some(why) => Err(Box::new(Denied {
                actor: caller.actor.clone(),
                action,
                object: object.clone(),
                scope: caller.scope.clone(),
                why,
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::Scope;

    /// Who holds what, written a second time: columns are viewer, builder, operator, publisher, admin.
    const EXPECTED: [(Permission, [bool; 5]); 13] = [
        (Permission::Read, [true, true, true, true, true]),
        (Permission::ReadAudit, [false, false, false, false, true]),
        (Permission::Edit, [false, true, false, false, true]),
        (Permission::Publish, [false, false, false, true, true]),
        (Permission::Run, [false, true, true, false, true]),
        (Permission::Operate, [false, false, true, false, true]),
        (Permission::Approve, [false, true, true, true, true]),
        (Permission::KeepSecrets, [false, false, false, false, true]),
        (Permission::ManageMembers, [false, false, false, false, true]),
        (Permission::ManageHosts, [false, false, false, false, true]),
        (Permission::Serve, [false, false, false, false, false]),
        (Permission::KeepAccount, [true, true, true, true, true]),
        (Permission::SignIn, [true, true, true, true, true]),
    ];

    fn caller(roles: &[Role], passes_on: Option<&[Permission]>) -> Caller {
        let account = Account {
            name: "ann".into(),
            shown_by: "session".into(),
            roles: Arc::new(roles.iter().copied().collect()),
            passes_on: passes_on.map(|passed| Arc::new(passed.iter().copied().collect())),
        };
        Caller::new(Actor::Account(account), Scope::new("w", "p"), "r")
    }

    fn fits(policy: &RolePolicy) -> bool {
        Action::ALL.iter().all(|action| {
            let row = EXPECTED
                .iter()
                .find(|(permission, _)| *permission == action.permission());
            let (_, expected) = row.unwrap();
            Role::ALL.iter().zip(expected).all(|(role, may)| {
                let checked = policy.check(&caller(&[*role], None), *action, &Object::project());
                checked.is_ok() == *may
            })
        })
    }

    #[test]
    fn every_action_is_permitted_to_the_expected_roles_and_no_permit_can_be_missing_or_added() {
        assert!(fits(&RolePolicy::new(permits())));
        for role in Role::ALL {
            for permission in Permission::ALL {
                if permission == Permission::SignIn {
                    continue;
                }
                let mut changed = permits();
                let of_role = changed.entry(role).or_default();
                if !of_role.remove(&permission) {
                    of_role.insert(permission);
                }
                assert!(!fits(&RolePolicy::new(changed)), "{role:?} {permission:?}");
            }
        }
    }

    #[test]
    fn a_refusal_names_the_permission_and_the_roles_that_hold_it() {
        let policy = RolePolicy::new(permits());
        let denied = policy
            .check(
                &caller(&[Role::Viewer], None),
                Action::PublishRelease,
                &Object::project(),
            )
            .unwrap_err();
        assert_eq!(
            denied.why,
            "it needs the permission `publish`; the roles that have it are: publisher, admin; ann has: viewer"
        );
        let without = policy.check(&caller(&[], None), Action::Read, &Object::project());
        assert!(without.unwrap_err().why.ends_with("ann has: none"));
    }

    #[test]
    fn a_token_passes_on_what_it_says_and_nothing_that_its_account_has_not() {
        let policy = RolePolicy::new(permits());
        let token = caller(&[Role::Builder], Some(&[Permission::Read, Permission::Publish]));
        let may = |action| policy.check(&token, action, &Object::project());
        assert!(may(Action::Read).is_ok());
        let denied = may(Action::StartRun).unwrap_err();
        assert!(
            denied.why.contains("this token does not pass on"),
            "{}",
            denied.why
        );
        assert!(may(Action::PublishRelease).is_err(), "a builder does not publish");
        assert!(may(Action::MakeToken).is_err(), "a token makes no tokens");
    }

    #[test]
    fn nobody_may_sign_in_and_nothing_else() {
        let policy = RolePolicy::new(permits());
        let nobody = Caller::new(Actor::Nobody, Scope::new("w", "p"), "r");
        let allowed: Vec<_> = Action::ALL
            .iter()
            .filter(|action| policy.check(&nobody, **action, &Object::project()).is_ok())
            .collect();
        assert_eq!(allowed, [&Action::SignIn]);
    }

    #[test]
    fn roles_have_names() {
        for role in Role::ALL {
            assert_eq!(Role::named(role.as_str()), Some(role));
        }
        assert_eq!(Role::named("owner"), None);
        for permission in Permission::ALL {
            assert_eq!(Permission::named(permission.as_str()), Some(permission));
        }
    }
}
