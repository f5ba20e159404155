//! Answers to questions, as the API takes them.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject, Union};
use flowforge_core::Actor;
use flowforge_protocol::approval::MAX_COMMENT_BYTES;

use super::approvals::{ApprovalNode, how_it_closed};
use super::codes::ProblemCode;
use super::fault;
use super::mutation::{field, input_problem};
use super::problems::{
    ApprovalNotFoundProblem, ApprovalStateProblem, InputProblem, NotAskedProblem, SignatureProblem,
};
use super::query::{app, caller};
use super::scalars::AnyJson;
use crate::app::approving::{Answerer, DecideOutcome, Given};

/// Longest envelope of a signature, in bytes; what is signed has 4 KiB at most.
const MAX_SIGNATURE_BYTES: usize = 8 * 1024;

/// An answer to a question.
#[derive(InputObject)]
pub(crate) struct DecideApprovalInput {
    /// An id, a unique prefix of one, or `last`.
    id: String,
    approved: bool,
    /// At most 4 KiB.
    comment: Option<String>,
    /// Who answers: one of the question's approvers, if it has some. Defaults to `local`; a development server takes that
    /// for its owner, who counts as everybody.
    by: Option<String>,
    /// What is filled in, an object of the question's `form`; only with a yes. What has a default may be left out, unless the
    /// answer is signed.
    form: Option<AnyJson>,
    /// Where the question asks for a signature of one's own: the envelope.
    signature: Option<String>,
}

#[derive(Union)]
pub(crate) enum DecideApprovalPayload {
    Success(DecideApprovalSuccess),
    NotFound(ApprovalNotFoundProblem),
    NotAsked(NotAskedProblem),
    State(ApprovalStateProblem),
    Signature(SignatureProblem),
    Input(InputProblem),
}

/// The answer counts. A question that several must answer may still be pending.
#[derive(SimpleObject)]
pub(crate) struct DecideApprovalSuccess {
    approval: ApprovalNode,
}

/// Answers.
#[derive(Default)]
pub(crate) struct Deciding;

#[Object]
impl Deciding {
    /// Answers a question. As many yes as it wants decide it, or one no.
    async fn decide_approval(
        &self,
        ctx: &Context<'_>,
        input: DecideApprovalInput,
    ) -> Result<DecideApprovalPayload> {
        use DecideApprovalPayload as Payload;
        let app = app(ctx)?;
        let caller = caller(ctx)?;
        let is_owner = caller.actor == Actor::Owner;
        let mut faults = Vec::new();
        if input
            .by
            .as_deref()
            .is_some_and(|by| !is_owner && by != caller.actor.name())
        {
            faults.push(field("by", "whoever signed in answers under the own name"));
        }
        let actor = Answerer {
            // Whoever names somebody answers as that one, not as the owner.
            owner: app.dev && is_owner && input.by.is_none(),
            name: input.by.unwrap_or_else(|| caller.actor.name().to_owned()),
        };
        if actor.name.is_empty() || actor.name.len() > 128 || actor.name.chars().any(char::is_control) {
            faults.push(field("by", "expected 1 to 128 printable characters"));
        }
        let length = input.comment.as_ref().map_or(0, String::len);
        if length > MAX_COMMENT_BYTES {
            faults.push(field("comment", format!("at most {MAX_COMMENT_BYTES} bytes")));
        }
        let length = input.signature.as_ref().map_or(0, String::len);
        if length > MAX_SIGNATURE_BYTES {
            faults.push(field("signature", format!("at most {MAX_SIGNATURE_BYTES} bytes")));
        }
        if !faults.is_empty() {
            return Ok(Payload::Input(input_problem(faults)));
        }
        let given = Given {
            approved: input.approved,
            comment: input.comment,
            form: input.form.map(|form| form.0),
            signature: input.signature,
        };
        let outcome = app.decide(caller, &input.id, &actor, given).await;
        Ok(match outcome.map_err(|error| fault(&error))? {
            DecideOutcome::Answered(approval) => Payload::Success(DecideApprovalSuccess {
                approval: ApprovalNode::new(approval),
            }),
            DecideOutcome::TooLate(approval) => Payload::State(ApprovalStateProblem {
                message: how_it_closed(&approval),
                code: ProblemCode::Apr001.to_string(),
                kind: ProblemCode::Apr001,
                approval: ApprovalNode::new(approval),
            }),
            DecideOutcome::NotAsked(message) => {
                Payload::NotAsked(NotAskedProblem::new(ProblemCode::Apr003, message))
            }
            DecideOutcome::Twice(message) => {
                Payload::NotAsked(NotAskedProblem::new(ProblemCode::Apr004, message))
            }
            DecideOutcome::Signature(message) => {
                Payload::Signature(SignatureProblem::new(ProblemCode::Apr005, message))
            }
            DecideOutcome::Wrong(problems) => {
                let faults = problems.into_iter();
                let faults = faults.map(|found| field(&found.path, found.message));
                Payload::Input(input_problem(faults.collect()))
            }
            DecideOutcome::NotFound(message) => {
                Payload::NotFound(ApprovalNotFoundProblem::new(ProblemCode::Apr002, message))
            }
        })
    }
}
