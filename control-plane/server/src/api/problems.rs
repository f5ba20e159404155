//! Answers that are not a success. Each is a type of its own and implements `Problem`, so that a client that does not
//! know a new one still gets its message and code.

use async_graphql::{Interface, SimpleObject};

use super::approvals::ApprovalNode;
use super::capabilities::CapabilityHold;
use super::codes::ProblemCode;
use super::drafts::DraftNode;
use super::runs::RunStateName;
use super::scalars::Long;
use super::workflows::DiagnosticNode;
use crate::app::capabilities::Hold;
use crate::app::starts::StartError;

macro_rules! plain_problem {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, SimpleObject)]
        pub(crate) struct $name {
            /// For people: what is wrong and what to do about it.
            pub(crate) message: String,
            /// Stable, for people who look it up: `FF-…`.
            pub(crate) code: String,
            /// The same as one of a closed set, for programs.
            pub(crate) kind: ProblemCode,
        }

        impl $name {
            pub(crate) fn new(kind: ProblemCode, message: impl Into<String>) -> Self {
                Self { message: message.into(), code: kind.to_string(), kind }
            }
        }
    };
}

plain_problem!(
    /// A signature is missing, of an untrusted key, or over other bytes.
    SignatureProblem
);
plain_problem!(
    /// The documents are signed, but they do not say what this server would have compiled.
    ReleaseProblem
);
plain_problem!(
    /// There is no such workflow or version.
    WorkflowNotFoundProblem
);
plain_problem!(
    /// The same `clientRequestId` was used for another request.
    RequestConflictProblem
);
plain_problem!(
    /// There is no such run, or several begin like this.
    RunNotFoundProblem
);
plain_problem!(
    /// There is no such approval, or several begin like this.
    ApprovalNotFoundProblem
);
plain_problem!(
    /// The question is not put to whoever answers; it stays open.
    NotAskedProblem
);
plain_problem!(
    /// What would happen is not what was shown any more.
    PlanChangedProblem
);
plain_problem!(
    /// No published workflow has such a trigger.
    TriggerNotFoundProblem
);
plain_problem!(
    /// There is no such secret.
    SecretNotFoundProblem
);
plain_problem!(
    /// There is no draft of this workflow.
    DraftNotFoundProblem
);
plain_problem!(
    /// There is no such host, or several are called so.
    HostNotFoundProblem
);
plain_problem!(
    /// There is no such delivery, or several begin like this.
    DeliveryNotFoundProblem
);
plain_problem!(
    /// The delivery cannot be done once more.
    DeliveryStateProblem
);
plain_problem!(
    /// There is no such webhook endpoint, or nothing is sent there.
    EndpointNotFoundProblem
);
plain_problem!(
    /// There is no event of this number.
    EventNotFoundProblem
);
plain_problem!(
    /// The host was revoked or has left.
    HostStateProblem
);
plain_problem!(
    /// This server has no listener for hosts of other machines.
    NoHostsLineProblem
);
plain_problem!(
    /// The registry does not have it, or cannot take it.
    RegistryProblem
);
plain_problem!(
    /// This server holds no key to sign with; the message names the command that does it.
    SigningProblem
);

plain_problem!(
    /// There is no such member.
    MemberNotFoundProblem
);
plain_problem!(
    /// Nobody would be an administrator any more.
    MemberStateProblem
);
plain_problem!(
    /// There is no such link that waits to be used.
    InvitationNotFoundProblem
);
plain_problem!(
    /// The password is another one.
    PasswordProblem
);
plain_problem!(
    /// Whoever asks has no such session.
    SessionNotFoundProblem
);
plain_problem!(
    /// Whoever asks has no such API token.
    ApiTokenNotFoundProblem
);

/// The workflow cannot be released as it is.
#[derive(SimpleObject)]
pub(crate) struct WorkflowProblem {
    /// For people: what is wrong and what to do about it.
    pub(crate) message: String,
    /// Stable, for people who look it up: `FF-…`.
    pub(crate) code: String,
    /// The same as one of a closed set, for programs.
    pub(crate) kind: ProblemCode,
    /// Every finding, with its place and mend.
    pub(crate) diagnostics: Vec<DiagnosticNode>,
}

/// The number of the release is not the next one.
#[derive(SimpleObject)]
pub(crate) struct VersionProblem {
    /// For people: what is wrong and what to do about it.
    pub(crate) message: String,
    /// Stable, for people who look it up: `FF-…`.
    pub(crate) code: String,
    /// The same as one of a closed set, for programs.
    pub(crate) kind: ProblemCode,
    /// The version that is due.
    pub(crate) expected: u32,
}

/// A connector is not published as the release pins it.
#[derive(SimpleObject)]
pub(crate) struct ConnectorProblem {
    /// For people: what is wrong and what to do about it.
    pub(crate) message: String,
    /// Stable, for people who look it up: `FF-…`.
    pub(crate) code: String,
    /// The same as one of a closed set, for programs.
    pub(crate) kind: ProblemCode,
    /// Which one.
    pub(crate) connector: String,
}

/// A value is wrong; each fault names its place.
#[derive(SimpleObject)]
pub(crate) struct InputProblem {
    /// For people: what is wrong and what to do about it.
    pub(crate) message: String,
    /// Stable, for people who look it up: `FF-…`.
    pub(crate) code: String,
    /// The same as one of a closed set, for programs.
    pub(crate) kind: ProblemCode,
    /// The faults.
    pub(crate) fields: Vec<FieldProblem>,
}

/// One wrong value.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct FieldProblem {
    /// `threshold`, `rows[3].price`; empty for the whole value.
    pub(crate) path: String,
    /// What is wrong with it.
    pub(crate) message: String,
}

/// There is no room now.
#[derive(SimpleObject)]
pub(crate) struct BusyProblem {
    /// For people: what is wrong and what to do about it.
    pub(crate) message: String,
    /// Stable, for people who look it up: `FF-…`.
    pub(crate) code: String,
    /// The same as one of a closed set, for programs.
    pub(crate) kind: ProblemCode,
    /// The least wait before another try.
    pub(crate) retry_after_ms: Long,
}

/// A connector asks for more than it may have: somebody has to grant it before anything starts.
#[derive(SimpleObject)]
pub(crate) struct CapabilityProblem {
    /// For people: what is wrong and what to do about it.
    pub(crate) message: String,
    /// Stable, for people who look it up: `FF-…`.
    pub(crate) code: String,
    /// The same as one of a closed set, for programs.
    pub(crate) kind: ProblemCode,
    /// What is missing, connector by connector.
    pub(crate) held: Vec<CapabilityHold>,
}

impl CapabilityProblem {
    pub(crate) fn of(held: &[Hold]) -> Self {
        let kind = ProblemCode::Reg010;
        Self {
            message: StartError::Held(held.to_vec()).to_string(),
            code: kind.to_string(),
            kind,
            held: held.iter().cloned().map(CapabilityHold::from).collect(),
        }
    }
}

/// The run is in a state in which this cannot happen.
#[derive(SimpleObject)]
pub(crate) struct RunStateProblem {
    /// For people: what is wrong and what to do about it.
    pub(crate) message: String,
    /// Stable, for people who look it up: `FF-…`.
    pub(crate) code: String,
    /// The same as one of a closed set, for programs.
    pub(crate) kind: ProblemCode,
    /// Where it stands.
    pub(crate) state: RunStateName,
}

/// The question is closed.
#[derive(SimpleObject)]
pub(crate) struct ApprovalStateProblem {
    /// For people: what is wrong and what to do about it.
    pub(crate) message: String,
    /// Stable, for people who look it up: `FF-…`.
    pub(crate) code: String,
    /// The same as one of a closed set, for programs.
    pub(crate) kind: ProblemCode,
    /// How it was closed, and by whom.
    pub(crate) approval: ApprovalNode,
}

/// Somebody saved or discarded the draft since it was read.
#[derive(SimpleObject)]
pub(crate) struct DraftConflictProblem {
    /// For people: what is wrong and what to do about it.
    pub(crate) message: String,
    /// Stable, for people who look it up: `FF-…`.
    pub(crate) code: String,
    /// The same as one of a closed set, for programs.
    pub(crate) kind: ProblemCode,
    /// The draft as it is now; null if it is gone.
    pub(crate) draft: Option<DraftNode>,
}

/// An answer that is not a success. Every type whose name ends in `Problem` implements it.
#[derive(Interface)]
#[expect(
    clippy::duplicated_attributes,
    reason = "two of the fields have one type, and each names it"
)]
#[graphql(
    field(
        name = "message",
        ty = "&String",
        desc = "For people: what is wrong and what to do about it."
    ),
    field(
        name = "code",
        ty = "&String",
        desc = "Stable, for people who look it up: `FF-…`."
    ),
    field(
        name = "kind",
        ty = "&ProblemCode",
        desc = "The same as one of a closed set, for programs."
    )
)]
pub(crate) enum Problem {
    Signature(SignatureProblem),
    Release(ReleaseProblem),
    WorkflowNotFound(WorkflowNotFoundProblem),
    RequestConflict(RequestConflictProblem),
    RunNotFound(RunNotFoundProblem),
    ApprovalNotFound(ApprovalNotFoundProblem),
    NotAsked(NotAskedProblem),
    SecretNotFound(SecretNotFoundProblem),
    TriggerNotFound(TriggerNotFoundProblem),
    PlanChanged(PlanChangedProblem),
    Workflow(WorkflowProblem),
    Version(VersionProblem),
    Connector(ConnectorProblem),
    Registry(RegistryProblem),
    Input(InputProblem),
    Busy(BusyProblem),
    RunState(RunStateProblem),
    ApprovalState(ApprovalStateProblem),
    DraftNotFound(DraftNotFoundProblem),
    DraftConflict(DraftConflictProblem),
    Signing(SigningProblem),
    HostNotFound(HostNotFoundProblem),
    HostState(HostStateProblem),
    NoHostsLine(NoHostsLineProblem),
    MemberNotFound(MemberNotFoundProblem),
    MemberState(MemberStateProblem),
    InvitationNotFound(InvitationNotFoundProblem),
    Password(PasswordProblem),
    SessionNotFound(SessionNotFoundProblem),
    ApiTokenNotFound(ApiTokenNotFoundProblem),
    DeliveryNotFound(DeliveryNotFoundProblem),
    DeliveryState(DeliveryStateProblem),
    EndpointNotFound(EndpointNotFoundProblem),
    EventNotFound(EventNotFoundProblem),
    Capability(CapabilityProblem),
}
