//! What is asked for, which permission that needs, and the port that answers.
//!
//! A use case names its [`Action`]; the table in [`Action::permission`] says which [`Permission`] it needs; a [`Policy`]
//! says whether this actor has it here. There is no other way to be allowed anything.

use std::fmt;

use crate::{Actor, Caller, Scope};

/// What somebody may be allowed to do inside a scope. Roles are sets of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Permission {
    /// See runs, workflows, questions, hosts, and the names of secrets.
    Read,
    /// See who did what.
    ReadAudit,
    /// Write, try and throw away drafts; put workflows into folders and into the trash.
    Edit,
    /// Publish releases.
    Publish,
    /// Start runs, and make new ones from old ones.
    Run,
    /// Stop, pause, signal and review runs.
    Operate,
    /// Answer questions; whether this actor is one who is asked is looked at beside.
    Approve,
    /// Set and delete secrets, and say which drafts may use them.
    KeepSecrets,
    /// Invite people, say which roles they have and who belongs to which group.
    ManageMembers,
    /// Let hosts in, drain and revoke them.
    ManageHosts,
    /// Take jobs and bring records.
    Serve,
    /// Keep one's own account: password, sessions, API tokens.
    KeepAccount,
    /// Show who one is: the one thing that nobody may.
    SignIn,
}

/// Something, the name by which it is written, the permission that it needs.
macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident $text:literal $permission:ident)*) => {
        /// What a use case does, as the audit spells it: `run.start`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action { $($(#[$doc])* $name,)* }

        impl Action {
            /// Every action.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The permission that it needs: the one table of what needs what.
            #[must_use]
            pub const fn permission(self) -> Permission {
                match self { $(Self::$name => Permission::$permission,)* }
            }
        }
    };
}

actions! {
    /// Looking at something that is no secret value.
    Read "read" Read
    /// Looking at what was done.
    ReadAudit "audit.read" ReadAudit
    /// Looking at which secrets there are, or at one.
    ReadSecret "secret.read" Read
    /// Checking and compiling a workflow file, which keeps nothing.
    CheckWorkflow "workflow.check" Read
    /// Saving or restoring a draft.
    SaveDraft "draft.save" Edit
    /// Throwing a draft away.
    DiscardDraft "draft.discard" Edit
    /// Running a draft, or a node of one.
    TryDraft "draft.try" Edit
    /// Putting a workflow into a folder, or changing its tags.
    ArrangeWorkflow "workflow.arrange" Edit
    /// Putting a workflow into the trash.
    DeleteWorkflow "workflow.delete" Edit
    /// Taking a workflow out of the trash.
    RestoreWorkflow "workflow.restore" Edit
    /// Publishing a release.
    PublishRelease "release.publish" Publish
    /// Starting a run.
    StartRun "run.start" Run
    /// Running a run again from a node on.
    RetryRun "run.retry" Run
    /// Trying a node of a published workflow.
    TryNode "run.try" Run
    /// Stopping a run.
    CancelRun "run.cancel" Operate
    /// Pausing a run.
    PauseRun "run.pause" Operate
    /// Letting a paused run go on.
    ResumeRun "run.resume" Operate
    /// Erasing the values of a run that is over.
    EraseRun "run.erase" Operate
    /// Stopping the polls of a trigger.
    PauseTrigger "trigger.pause" Operate
    /// Letting the polls of a trigger go on.
    ResumeTrigger "trigger.resume" Operate
    /// Saying what becomes of a step whose outcome is unknown.
    ReviewStep "run.review" Operate
    /// Sending a signal.
    SendSignal "signal.send" Operate
    /// Having a request to a webhook done once more.
    ReplayDelivery "delivery.replay" Run
    /// Making a webhook endpoint, or saying where one is and what it is told.
    SetEndpoint "endpoint.set" KeepSecrets
    /// Giving a webhook endpoint another key.
    RotateEndpoint "endpoint.rotate" KeepSecrets
    /// Removing a webhook endpoint.
    DeleteEndpoint "endpoint.delete" KeepSecrets
    /// Disabling a webhook endpoint, or enabling it again.
    DecideEndpoint "endpoint.decide" Operate
    /// Sending an event to a webhook endpoint that tries it.
    TestEndpoint "endpoint.test" Operate
    /// Having an event sent once more.
    RetryEvent "event.retry" Operate
    /// Answering a question.
    DecideApproval "approval.decide" Approve
    /// Keeping a secret's value.
    SetSecret "secret.set" KeepSecrets
    /// Putting a secret into the trash.
    DeleteSecret "secret.delete" KeepSecrets
    /// Taking a secret out of the trash.
    RestoreSecret "secret.restore" KeepSecrets
    /// Giving a secret to a host, sealed.
    SealSecret "secret.seal" Serve
    /// Saying who belongs to a group.
    SetGroup "group.set" ManageMembers
    /// Removing a group.
    DeleteGroup "group.delete" ManageMembers
    /// Making an account of a link, or a new password of one; or showing the password of an account.
    SignIn "session.begin" SignIn
    /// Ending a session.
    EndSession "session.end" KeepAccount
    /// Changing one's own password.
    ChangePassword "account.password" KeepAccount
    /// Saying with which key one signs answers.
    SetSigningKey "account.signing-key" KeepAccount
    /// Looking at one's own sessions and tokens.
    ReadAccount "account.read" KeepAccount
    /// Making an API token.
    MakeToken "token.make" KeepAccount
    /// Revoking an API token.
    RevokeToken "token.revoke" KeepAccount
    /// Looking at who was invited.
    ReadInvitations "invitation.read" ManageMembers
    /// Inviting somebody.
    InviteMember "member.invite" ManageMembers
    /// Taking an invitation back.
    WithdrawInvitation "invitation.withdraw" ManageMembers
    /// Saying which roles a member has.
    SetRoles "member.roles" ManageMembers
    /// Letting a member make a new password.
    ResetPassword "member.reset" ManageMembers
    /// Removing a member, with sessions and tokens.
    RemoveMember "member.remove" ManageMembers
    /// Registering a host.
    RegisterHost "host.register" ManageHosts
    /// Inviting a host of another machine.
    InviteHost "host.invite" ManageHosts
    /// Draining, revoking or taking back a host.
    DecideHost "host.decide" ManageHosts
    /// Bringing a version of a connector.
    PublishConnector "connector.publish" Publish
    /// Withdrawing a version of a connector, replacing one, or keeping an advisory.
    CurateConnector "connector.curate" Publish
    /// Letting an upgraded connector have what it asks for besides, or no more.
    GrantCapability "connector.grant" KeepSecrets
    /// Making a publisher, or changing its members, its keys, and who sees its work.
    ManagePublisher "publisher.manage" Publish
    /// Saying who has an account at the registry, and who pulls without one.
    ManageRegistry "registry.manage" ManageMembers
}

/// What an action is done to: the kind and the name or id of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name or id inside the scope; empty for the project itself.
    pub id: String,
}

/// Kinds of things that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// The project that the scope names.
    Project,
    /// A workflow, by its name.
    Workflow,
    /// The draft of a workflow, by the workflow's name.
    Draft,
    /// A run, by its id.
    Run,
    /// A question, by its id.
    Approval,
    /// A secret, by its name.
    Secret,
    /// A group, by its name.
    Group,
    /// A host, by its id.
    Host,
    /// A connector, by its name.
    Connector,
    /// An account, by its name.
    Account,
    /// A session of an account, by its id.
    Session,
    /// An API token, by its id.
    Token,
    /// An invitation of a person, by its id.
    Invitation,
    /// A request to a webhook, by its id.
    Delivery,
    /// Somebody who publishes connectors, by name.
    Publisher,
    /// A webhook endpoint, by its name.
    Endpoint,
    /// An event for a webhook endpoint, by its number.
    Event,
}

impl ObjectKind {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::Project,
        Self::Workflow,
        Self::Draft,
        Self::Run,
        Self::Approval,
        Self::Secret,
        Self::Group,
        Self::Host,
        Self::Connector,
        Self::Account,
        Self::Session,
        Self::Token,
        Self::Invitation,
        Self::Delivery,
        Self::Publisher,
        Self::Endpoint,
        Self::Event,
    ];

    /// Its name, as the audit spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Workflow => "workflow",
            Self::Draft => "draft",
            Self::Run => "run",
            Self::Approval => "approval",
            Self::Secret => "secret",
            Self::Group => "group",
            Self::Host => "host",
            Self::Connector => "connector",
            Self::Account => "account",
            Self::Session => "session",
            Self::Token => "token",
            Self::Invitation => "invitation",
            Self::Delivery => "delivery",
            Self::Publisher => "publisher",
            Self::Endpoint => "endpoint",
            Self::Event => "event",
        }
    }
}

impl Object {
    /// The thing of this kind with this name or id.
    #[must_use]
    pub fn new(kind: ObjectKind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into() }
    }

    /// The project that is asked in.
    #[must_use]
    pub const fn project() -> Self {
        Self {
            kind: ObjectKind::Project,
            id: String::new(),
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id.as_str() {
            "" => f.write_str(self.kind.as_str()),
            id => write!(f, "{} {id}", self.kind.as_str()),
        }
    }
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 13] = [
        Self::Read,
        Self::ReadAudit,
        Self::Edit,
        Self::Publish,
        Self::Run,
        Self::Operate,
        Self::Approve,
        Self::KeepSecrets,
        Self::ManageMembers,
        Self::ManageHosts,
        Self::Serve,
        Self::KeepAccount,
        Self::SignIn,
    ];

    /// Its name, as policies and refusals spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::ReadAudit => "read-audit",
            Self::Edit => "edit",
            Self::Publish => "publish",
            Self::Run => "run",
            Self::Operate => "operate",
            Self::Approve => "approve",
            Self::KeepSecrets => "keep-secrets",
            Self::ManageMembers => "manage-members",
            Self::ManageHosts => "manage-hosts",
            Self::Serve => "serve",
            Self::KeepAccount => "keep-account",
            Self::SignIn => "sign-in",
        }
    }

    /// The permission of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|permission| permission.as_str() == name)
    }
}

/// An actor may not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{actor} may not do {} to {object} in {scope}: {why}", .action.as_str())]
pub struct Denied {
    /// Who asked.
    pub actor: Actor,
    /// For what; its permission is the one that is missing.
    pub action: Action,
    /// On which thing.
    pub object: Object,
    /// Where.
    pub scope: Scope,
    /// Which rule forbids it, or who has the permission: a fragment for people.
    pub why: String,
}

/// Says who may do what: the port that roles and policies of people stand behind.
///
/// An answer comes from memory: no I/O, no waiting. What it depends on is brought up to date by whoever changes it.
pub trait Policy: fmt::Debug + Send + Sync {
    /// Whether the caller may do this to that thing.
    ///
    /// # Errors
    /// [`Denied`] says who asked for what, and why not. The caller is told; nothing else has happened.
    fn check(&self, caller: &Caller, action: Action, object: &Object) -> Result<(), Box<Denied>>;
}

/// The policy of a plane without accounts: the owner does what people do, a host what hosts do, the plane what is owed,
/// nobody nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct OwnerPolicy;

impl OwnerPolicy {
    /// Whether an actor that has no account has this permission.
    pub(crate) const fn allows(actor: &Actor, permission: Permission) -> bool {
        match actor {
            Actor::Owner => !matches!(
                permission,
                Permission::Serve | Permission::KeepAccount | Permission::SignIn
            ),
            Actor::Host(_) => matches!(permission, Permission::Serve),
            Actor::Plane => matches!(
                permission,
                Permission::Read | Permission::Run | Permission::Operate | Permission::ManageHosts
            ),
            Actor::Account(_) | Actor::Nobody => false,
        }
    }
}

impl Policy for OwnerPolicy {
    fn check(&self, caller: &Caller, action: Action, object: &Object) -> Result<(), Box<Denied>> {
        let permission = action.permission();
        if Self::allows(&caller.actor, permission) {
            return Ok(());
        }
        let holder = match permission {
            Permission::Serve => "hosts have",
            Permission::KeepAccount | Permission::SignIn => "accounts have, and this server has none",
            _ => "the owner has",
        };
        Err(Box::new(Denied {
            actor: caller.actor.clone(),
            action,
            object: object.clone(),
            scope: caller.scope.clone(),
            why: format!(
                "it needs the permission `{}`, which {holder}",
                permission.as_str()
            ),
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use flowforge_protocol::HostId;

    use super::*;

    fn allowed(actor: Actor) -> BTreeSet<Permission> {
        let caller = Caller::new(actor, Scope::new("w", "p"), "r");
        let may = |action: &&Action| OwnerPolicy.check(&caller, **action, &Object::project()).is_ok();
        Action::ALL
            .iter()
            .filter(may)
            .map(|action| action.permission())
            .collect()
    }

    #[test]
    fn a_host_serves_and_does_nothing_that_people_do() {
        let host = Actor::Host(HostId::from_entropy([1; 16]));
        assert_eq!(allowed(host), BTreeSet::from([Permission::Serve]));
        let of_owner = allowed(Actor::Owner);
        assert!(!of_owner.contains(&Permission::Serve));
        assert_eq!(
            of_owner.len(),
            Permission::ALL.len() - 3,
            "an action for each permission, and no account"
        );
    }

    #[test]
    fn nobody_may_nothing_and_a_refusal_names_who_what_where_and_why() {
        assert!(allowed(Actor::Nobody).is_empty());
        let caller = Caller::new(Actor::Nobody, Scope::new("w", "p"), "r");
        let object = Object::new(ObjectKind::Workflow, "orders");
        let denied = OwnerPolicy.check(&caller, Action::StartRun, &object).unwrap_err();
        assert_eq!(
            denied.to_string(),
            "nobody may not do run.start to workflow orders in w/p: it needs the permission `run`, which the owner has"
        );
    }

    #[test]
    fn the_plane_itself_decides_nothing_for_people() {
        let of_itself = allowed(Actor::Plane);
        assert!(of_itself.contains(&Permission::Run));
        for of_people in [Permission::Approve, Permission::Publish, Permission::KeepSecrets] {
            assert!(!of_itself.contains(&of_people));
        }
    }

    #[test]
    fn names_are_one_for_each() {
        let actions: BTreeSet<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
        assert_eq!(actions.len(), Action::ALL.len());
        let permissions: BTreeSet<_> = Permission::ALL
            .iter()
            .map(|permission| permission.as_str())
            .collect();
        assert_eq!(permissions.len(), Permission::ALL.len());
        let kinds: BTreeSet<_> = ObjectKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(kinds.len(), ObjectKind::ALL.len());
    }
}
