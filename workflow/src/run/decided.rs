//! Whether a decision that was ordered is one: of a question that waits, by people who may.

use flowforge_protocol::StepKey;
use flowforge_protocol::approval::Decision;
use serde_json::Value;

use super::state::RunState;
use crate::approval::{AnswerRefusal, Question};

/// Why a decision changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecisionRefusal {
    /// Nobody waits for it: the question was answered, has expired, or its run is ending.
    #[error("the question is closed")]
    Closed,
    /// The answers do not count: the question stays open.
    #[error(transparent)]
    Answers(#[from] AnswerRefusal),
}

impl RunState {
    /// The step whose question this decision answers, if the answers in it count by what the release says.
    ///
    /// # Errors
    /// [`DecisionRefusal`]; nothing of it may be recorded.
    pub fn check_decision(&self, decision: &Decision<Value>) -> Result<StepKey, DecisionRefusal> {
        let mut waiting = self.waiting().into_iter();
        let asked = waiting.find(|asked| asked.approval == decision.approval);
        let (Some(asked), Some(accepted)) = (asked, self.facts.accepted()) else {
            return Err(DecisionRefusal::Closed);
        };
        let question = Question {
            workspace: &accepted.workspace,
            project: &accepted.project,
            run: &self.run,
            step: &asked.step,
            approval: &asked.approval,
            title: &asked.title,
            show: &asked.show,
            approvers: &asked.approvers,
            terms: &asked.terms,
            started_by: accepted.trigger.started_by(),
        };
        question.check_decision(decision)?;
        Ok(asked.step)
    }
}
