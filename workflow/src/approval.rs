//! Whether answers of people satisfy a question: the one rule of who may answer, how many must, and with what.
//!
//! The control plane asks it before it keeps an answer, and the host before it acts on the decision that the answers make.
//! Owns nothing that changes; what is asked comes from the release, what is answered from a signed order.

use flowforge_protocol::approval::{
    Answer, Decision, MAX_COMMENT_BYTES, MAX_FORM_BYTES, PersonalAnswer, Terms, question_digest, said_digest,
};
use flowforge_protocol::{ApprovalId, InputField, RunId, Signed, StepKey};
use serde_json::Value;

use crate::input::{InputProblem, complete_form};

/// A question, as far as it matters for who may answer it and how.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// Tenant.
    pub workspace: &'q str,
    /// Project inside it.
    pub project: &'q str,
    /// The run that asks.
    pub run: &'q RunId,
    /// Its step.
    pub step: &'q StepKey,
    /// The question's id.
    pub approval: &'q ApprovalId,
    /// The question.
    pub title: &'q str,
    /// What is shown with it.
    pub show: &'q Value,
    /// Who may answer; empty: anybody.
    pub approvers: &'q [String],
    /// What it wants besides.
    pub terms: &'q Terms,
    /// Who started the run, or the one that ordered it.
    pub started_by: Option<&'q str>,
}

/// Why an answer, or a decision, is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerRefusal {
    /// It is put to others.
    #[error("`{by}` is not asked; the question is put to {}", .approvers.join(", "))]
    NotAsked {
        /// Who answered.
        by: String,
        /// Who is asked.
        approvers: Vec<String>,
    },
    /// Whoever started the run does not answer its questions, where somebody is named who does.
    #[error("`{by}` started this run, and nobody answers the questions of an own run; it is put to {}", .approvers.join(", "))]
    OwnRun {
        /// Who answered.
        by: String,
        /// Who is asked.
        approvers: Vec<String>,
    },
    /// One person counts once.
    #[error("`{by}` has answered already, and one person counts once")]
    Twice {
        /// Who answered.
        by: String,
    },
    /// The form is not filled in as it must be.
    #[error("the form does not fit: {}", problems(.0))]
    Form(Vec<InputProblem>),
    /// The comment is too long.
    #[error("the comment of `{by}` is longer than {MAX_COMMENT_BYTES} bytes")]
    Comment {
        /// Who answered.
        by: String,
    },
    /// The signature of the person is missing, or is not for this answer.
    #[error("the answer of `{by}` needs a signature by the key that the release names, and {reason}")]
    Signature {
        /// Who answered.
        by: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A decision that its answers do not make.
    #[error("the answers do not make this decision: {0}")]
    Sum(String),
}

fn problems(problems: &[InputProblem]) -> String {
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

impl Question<'_> {
    /// The form of a yes as the run gets it, with its defaults; `None` with a no, and where nothing is to be filled in.
    ///
    /// # Errors
    /// What is wrong with what was filled in, each with its path.
    pub fn form(&self, approved: bool, given: Option<&Value>) -> Result<Option<Value>, Vec<InputProblem>> {
        let surplus = |message: &str| {
            vec![InputProblem {
                path: String::new(),
                message: message.to_owned(),
            }]
        };
        match (given, approved, self.terms.form.is_empty()) {
            (None, false, _) | (None, _, true) => Ok(None),
            (Some(_), false, _) => Err(surplus("a no comes without a form")),
            (Some(_), true, true) => Err(surplus("this question has no form")),
            (given, true, false) => {
                let form = complete_form(&self.terms.form, given.unwrap_or(&Value::Null))?;
                let bytes = form.to_string().len();
                if bytes > MAX_FORM_BYTES {
                    let message = format!("the form has {bytes} bytes, above the limit of {MAX_FORM_BYTES}");
                    return Err(surplus(&message));
                }
                Ok(Some(form))
            }
        }
    }

    /// Whether this answer counts behind those that came before it.
    ///
    /// # Errors
    /// [`AnswerRefusal`]; the question stays as it was.
    pub fn check(&self, before: &[Answer<Value>], answer: &Answer<Value>) -> Result<(), AnswerRefusal> {
        self.check_person(answer)?;
        let by = || answer.by.clone();
        if before.iter().any(|earlier| earlier.by == answer.by) {
            return Err(AnswerRefusal::Twice { by: by() });
        }
        let length = answer.comment.as_ref().map_or(0, String::len);
        if length > MAX_COMMENT_BYTES {
            return Err(AnswerRefusal::Comment { by: by() });
        }
        let form = self.form(answer.approved, answer.form.as_ref());
        if form.map_err(AnswerRefusal::Form)? != answer.form {
            let problem = InputProblem {
                path: String::new(),
                message: "it is not filled in to the end".to_owned(),
            };
            return Err(AnswerRefusal::Form(vec![problem]));
        }
        self.check_signature(answer)
            .map_err(|reason| AnswerRefusal::Signature { by: by(), reason })
    }

    fn check_person(&self, answer: &Answer<Value>) -> Result<(), AnswerRefusal> {
        if self.approvers.is_empty() {
            return Ok(());
        }
        let (by, approvers) = (answer.by.clone(), self.approvers.to_vec());
        let stands_for = answer.answers_for.as_ref();
        if !stands_for.is_some_and(|entry| self.approvers.contains(entry)) {
            return Err(AnswerRefusal::NotAsked { by, approvers });
        }
        if self.started_by == Some(answer.by.as_str()) {
            return Err(AnswerRefusal::OwnRun { by, approvers });
        }
        Ok(())
    }

    fn check_signature(&self, answer: &Answer<Value>) -> Result<(), String> {
        let given = answer.signature.as_ref();
        if self.terms.signers.is_empty() {
            return match given {
                None => Ok(()),
                Some(_) => Err("this question asks for none".to_owned()),
            };
        }
        let Some(key) = self.terms.signers.get(&answer.by) else {
            return Err("there is no key of this name".to_owned());
        };
        let Some(envelope) = given.and_then(Value::as_str) else {
            return Err("there is none".to_owned());
        };
        let signed = Signed::<PersonalAnswer>::open(envelope.as_bytes(), std::slice::from_ref(key));
        let signed = signed
            .map_err(|error| format!("it does not hold: {error}"))?
            .into_document();
        let expected = PersonalAnswer {
            signed_at_ms: signed.signed_at_ms,
            ..self.to_sign(answer)
        };
        if signed == expected {
            Ok(())
        } else {
            Err("it is for another answer, or for another question".to_owned())
        }
    }

    /// What a person signs who gives this answer.
    #[must_use]
    pub fn to_sign(&self, answer: &Answer<Value>) -> PersonalAnswer {
        PersonalAnswer {
            workspace: self.workspace.to_owned(),
            project: self.project.to_owned(),
            run: self.run.clone(),
            step: self.step.clone(),
            approval: self.approval.clone(),
            question: question_digest(self.title, self.show, &self.terms.form),
            by: answer.by.clone(),
            approved: answer.approved,
            said: said_digest(answer.comment.as_deref(), answer.form.as_ref()),
            signed_at_ms: answer.at_ms,
        }
    }

    /// Whether this decision follows from answers that count.
    ///
    /// # Errors
    /// [`AnswerRefusal`]; nothing was decided.
    pub fn check_decision(&self, decision: &Decision<Value>) -> Result<(), AnswerRefusal> {
        let answers = decision.answers.as_slice();
        for (place, answer) in answers.iter().enumerate() {
            let (before, _) = answers.split_at(place);
            if self.terms.is_decided_by(before) {
                let message = "it was decided before the last answer";
                return Err(AnswerRefusal::Sum(message.to_owned()));
            }
            self.check(before, answer)?;
        }
        if !self.terms.is_decided_by(answers) {
            let message = format!("{} of {} people answered", answers.len(), self.terms.quorum);
            return Err(AnswerRefusal::Sum(message));
        }
        let sum = Decision::of(decision.approval.clone(), answers.to_vec());
        if sum.as_ref() != Some(decision) {
            let message = "what it says of them is something else";
            return Err(AnswerRefusal::Sum(message.to_owned()));
        }
        Ok(())
    }
}

/// What stands in for the form when a question is approved because nobody answered; `None` if it has none.
///
/// # Errors
/// The fields that nothing stands in for.
pub(crate) fn untouched_form(form: &[InputField]) -> Result<Option<Value>, Vec<InputProblem>> {
    if form.is_empty() {
        return Ok(None);
    }
    complete_form(form, &Value::Null).map(Some)
}

#[cfg(test)]
mod tests;
