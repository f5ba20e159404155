//! Inviting hosts, and deciding about them.

use std::sync::Arc;

use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject, Union};
use flowforge_core::Action;
use flowforge_store::Standing;

use super::codes::ProblemCode;
use super::fault;
use super::hosts::HostNode;
use super::loads::reading_for;
use super::mutation::{field, input_problem};
use super::problems::{HostNotFoundProblem, HostStateProblem, InputProblem, NoHostsLineProblem};
use super::query::{app, caller};
use super::scalars::Long;
use crate::enrolment::{DecideError, Decision, InviteError, Invitee};
use crate::fleet::hosts::HostEntry;

/// What was decided about a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Standing")]
pub(crate) enum HostStandingName {
    /// It works.
    Active,
    /// It finishes what it has and gets nothing new.
    Draining,
    /// Its calls are refused: somebody said so.
    Revoked,
    /// Its calls are refused: two machines showed its certificate.
    Cloned,
    /// It said good-bye.
    Left,
}

/// The certificate that a host shows on the hosts' line.
#[derive(SimpleObject)]
pub(crate) struct HostCertificate {
    /// Counts the certificates of this host, from 1.
    pub(crate) generation: Long,
    /// The host gets the next one after two thirds of its life.
    pub(crate) expires_at_ms: Long,
}

/// A host to be invited.
#[derive(InputObject)]
pub(crate) struct InviteHostInput {
    /// Name that it gets: 1 to 64 characters of `a-z`, `0-9` and `-`.
    name: String,
    /// How long the invitation is good, milliseconds: a minute to 30 days. Default an hour.
    #[graphql(default = 3_600_000)]
    life_ms: u64,
    /// The pool that it belongs to, for workflows that name one in `runs_on`.
    pool: Option<String>,
    /// Labels that it has, for workflows that ask for them in `runs_on`; at most 32 with the pool.
    #[graphql(default)]
    labels: Vec<String>,
}

/// The invitation. It is told here and never again: it holds a secret, and is good for one host.
#[derive(SimpleObject)]
pub(crate) struct InviteHostSuccess {
    /// One line of text, for `flowforge-host --token-file`.
    token: String,
    expires_at_ms: Long,
    /// Where the host will call.
    server: String,
}

#[derive(Union)]
pub(crate) enum InviteHostPayload {
    Success(InviteHostSuccess),
    Input(InputProblem),
    NoLine(NoHostsLineProblem),
}

/// What is to be decided about a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum HostDecision {
    /// It finishes what it has and gets nothing new.
    Drain,
    /// It gets new work again.
    Undrain,
    /// Its calls are refused from now on. Work that it has accepted goes on there.
    Revoke,
}

/// A decision about a host.
#[derive(InputObject)]
pub(crate) struct DecideHostInput {
    /// Name or id, or the first characters of its id.
    host: String,
    decision: HostDecision,
    /// Why, for people; at most 500 characters are kept.
    reason: Option<String>,
}

#[derive(Union)]
pub(crate) enum DecideHostPayload {
    Success(DecideHostSuccess),
    NotFound(HostNotFoundProblem),
    State(HostStateProblem),
}

/// The host as it is now.
#[derive(SimpleObject)]
pub(crate) struct DecideHostSuccess {
    host: HostNode,
}

/// Changes of hosts.
#[derive(Default)]
pub(crate) struct HostChanges;

#[Object]
impl HostChanges {
    /// Invites a host of another machine.
    async fn invite_host(&self, ctx: &Context<'_>, input: InviteHostInput) -> Result<InviteHostPayload> {
        let app = app(ctx)?;
        let invitee = Invitee {
            name: &input.name,
            life_ms: input.life_ms,
            pool: input.pool.as_deref(),
            labels: &input.labels,
        };
        Ok(match app.invite_host(caller(ctx)?, invitee).await {
            Ok((token, expires_at_ms)) => InviteHostPayload::Success(InviteHostSuccess {
                token: token.to_string(),
                expires_at_ms: expires_at_ms.into(),
                server: app.line.as_ref().map(|line| line.url.clone()).unwrap_or_default(),
            }),
            Err(InviteError::Input(path, rule)) => {
                InviteHostPayload::Input(input_problem(vec![field(path, rule)]))
            }
            Err(error @ InviteError::TooMany) => {
                InviteHostPayload::Input(input_problem(vec![field("", error.to_string())]))
            }
            Err(error @ InviteError::Line(_)) => {
                InviteHostPayload::NoLine(NoHostsLineProblem::new(ProblemCode::Enr013, error.to_string()))
            }
            Err(error @ (InviteError::Entropy(_) | InviteError::Denied(_) | InviteError::Store(_))) => {
                return Err(fault(&error));
            }
        })
    }

    /// Decides whether a host gets work, and whether it is heard.
    async fn decide_host(&self, ctx: &Context<'_>, input: DecideHostInput) -> Result<DecideHostPayload> {
        let (app, caller) = (app(ctx)?, caller(ctx)?);
        // Whoever may not is told so, whatever hosts there are.
        reading_for(ctx, Action::DecideHost).await?;
        let decision = match input.decision {
            HostDecision::Drain => Decision::Drain,
            HostDecision::Undrain => Decision::Undrain,
            HostDecision::Revoke => Decision::Revoke,
        };
        let decided: std::result::Result<Arc<HostEntry>, DecideError> = async {
            let host = app.find_host(&input.host)?;
            app.decide_about(caller, &host, decision, input.reason.as_deref())
                .await?;
            Ok(host)
        }
        .await;
        Ok(match decided {
            Ok(host) => DecideHostPayload::Success(DecideHostSuccess { host: HostNode(host) }),
            Err(error @ (DecideError::Unknown(_) | DecideError::Ambiguous(_))) => {
                DecideHostPayload::NotFound(HostNotFoundProblem::new(ProblemCode::Enr017, error.to_string()))
            }
            Err(error @ DecideError::Gone(_)) => {
                DecideHostPayload::State(HostStateProblem::new(ProblemCode::Enr018, error.to_string()))
            }
            Err(error @ (DecideError::Denied(_) | DecideError::Store(_))) => return Err(fault(&error)),
        })
    }
}
