//! Questions to people: what counts as an answer, and the decision that answers make.
//!
//! Owns the documents. Whether answers satisfy a question is one rule, which the control plane and the host share; it
//! stands where forms are understood, beside the workflow language. An answer comes with one of two assurances: the
//! control plane's word, which the signed order is, or besides it the signature of the person, by a key that the release
//! names. Nobody who lacks that key can make such an answer, whatever other keys they have.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::envelope::Document;
use crate::value::Datum;
use crate::{ApprovalId, Digest, InputField, RunId, StepKey, VerifyingKey};

/// Payload type of the envelope that carries a [`PersonalAnswer`].
pub const PERSONAL_ANSWER_TYPE: &str = "application/vnd.flowforge.personal-answer.v1+json";
/// Most people whose yes a question may want.
pub const MAX_QUORUM: u32 = 8;
/// Longest comment of an answer, in bytes.
pub const MAX_COMMENT_BYTES: usize = 4 * 1024;
/// Largest filled-in form of an answer, in bytes of JSON.
pub const MAX_FORM_BYTES: usize = 8 * 1024;

/// What a question wants besides somebody who may answer. The release says it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// How many people must say yes, 1 to [`MAX_QUORUM`]; one no is enough for a no.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub quorum: u32,
    /// What whoever says yes fills in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub form: Vec<InputField>,
    /// Whose own signature an answer needs: names and keys. Empty: the control plane's word is enough.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub signers: BTreeMap<String, VerifyingKey>,
    /// What it means that nobody answered in time.
    #[serde(default, skip_serializing_if = "OnExpiry::is_expire")]
    pub on_expiry: OnExpiry,
    /// After how long those who are asked are reminded, and again after as long, milliseconds; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remind_ms: Option<u64>,
}

/// What it means that nobody answered in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExpiry {
    /// An outcome of its own.
    #[default]
    Expire,
    /// As a no.
    Reject,
    /// As a yes, with the form's defaults.
    Approve,
}

impl OnExpiry {
    fn is_expire(&self) -> bool {
        *self == Self::Expire
    }
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_one(quorum: &u32) -> bool {
    *quorum == 1
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            quorum: 1,
            form: Vec::new(),
            signers: BTreeMap::new(),
            on_expiry: OnExpiry::default(),
            remind_ms: None,
        }
    }
}

impl Terms {
    /// Whether answers that count decide the question: as many said yes as it wants, or one said no.
    #[must_use]
    pub fn is_decided_by<V>(&self, answers: &[Answer<V>]) -> bool {
        let enough = usize::try_from(self.quorum).is_ok_and(|quorum| answers.len() >= quorum);
        enough || answers.last().is_some_and(|last| !last.approved)
    }

    /// Whether they say nothing beyond one yes of anybody who may answer.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// What one person said. `V` is how its values stand: as they are in an order, by reference in a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer<V = Datum> {
    /// Who.
    pub by: String,
    /// The entry of `approvers` that this person answers for: the own name, or a group. Absent where nobody is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers_for: Option<String>,
    /// Yes or no.
    pub approved: bool,
    /// Their words, if any; at most [`MAX_COMMENT_BYTES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// When, milliseconds since 1970 UTC.
    pub at_ms: u64,
    /// The form, filled in; with a yes where the question has one.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub form: Option<V>,
    /// The envelope of the [`PersonalAnswer`], a JSON string, where the question wants it.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub signature: Option<V>,
}

fn none<V>() -> Option<V> {
    None
}

/// What was decided: the answers of people, and what they come to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision<V = Datum> {
    /// The question.
    pub approval: ApprovalId,
    /// Yes or no.
    pub approved: bool,
    /// Who decided: everybody who said yes, or the one who said no.
    pub by: String,
    /// The words of the last one, if any; at most [`MAX_COMMENT_BYTES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// When the last one answered, milliseconds since 1970 UTC.
    pub at_ms: u64,
    /// Every answer, in the order in which they came. Records of earlier versions have none.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Answer<V>>,
}

impl<V> Decision<V> {
    /// What these answers come to; `None` if there are none.
    #[must_use]
    pub fn of(approval: ApprovalId, answers: Vec<Answer<V>>) -> Option<Self> {
        let last = answers.last()?;
        let by = if last.approved {
            let names: Vec<&str> = answers.iter().map(|answer| answer.by.as_str()).collect();
            names.join(", ")
        } else {
            last.by.clone()
        };
        Some(Self {
            approval,
            approved: last.approved,
            by,
            comment: last.comment.clone(),
            at_ms: last.at_ms,
            answers,
        })
    }
}

impl Decision<Value> {
    /// As a record holds it: with its values to be sealed.
    #[must_use]
    pub fn recorded(self) -> Decision {
        let answer = |answer: Answer<Value>| Answer {
            by: answer.by,
            answers_for: answer.answers_for,
            approved: answer.approved,
            comment: answer.comment,
            at_ms: answer.at_ms,
            form: answer.form.map(Datum::new),
            signature: answer.signature.map(Datum::new),
        };
        Decision {
            approval: self.approval,
            approved: self.approved,
            by: self.by,
            comment: self.comment,
            at_ms: self.at_ms,
            answers: self.answers.into_iter().map(answer).collect(),
        }
    }
}

/// What a person signs with the own key: this answer to this question of this step, and to no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonalAnswer {
    /// Tenant.
    pub workspace: String,
    /// Project inside it.
    pub project: String,
    /// The run that asks.
    pub run: RunId,
    /// Its step.
    pub step: StepKey,
    /// The question.
    pub approval: ApprovalId,
    /// Digest of what the person was shown, see [`question_digest`].
    pub question: Digest,
    /// Who answers.
    pub by: String,
    /// Yes or no.
    pub approved: bool,
    /// Digest of what the person said with it, see [`said_digest`].
    pub said: Digest,
    /// When it was signed by the person's clock, milliseconds since 1970 UTC; for people.
    pub signed_at_ms: u64,
}

impl Document for PersonalAnswer {
    const TYPE: &'static str = PERSONAL_ANSWER_TYPE;
    const MAX_BYTES: usize = 4 * 1024;
}

/// Digest of what a person is shown: the question, what is shown with it, and the fields of its form.
#[must_use]
pub fn question_digest(title: &str, show: &Value, form: &[InputField]) -> Digest {
    Digest::of_json(&json!({ "title": title, "show": show, "form": form }))
}

/// Digest of what a person says besides yes or no.
#[must_use]
pub fn said_digest(comment: Option<&str>, form: Option<&Value>) -> Digest {
    Digest::of_json(&json!({ "comment": comment, "form": form }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(by: &str, approved: bool) -> Answer<Value> {
        Answer {
            by: by.to_owned(),
            answers_for: None,
            approved,
            comment: approved.then(|| format!("{by} looked")),
            at_ms: 5,
            form: None,
            signature: None,
        }
    }

    #[test]
    fn a_yes_is_of_everybody_who_said_it_and_a_no_of_one() {
        let approval = ApprovalId::from_entropy([4; 16]);
        let decided = |answers| Decision::of(approval.clone(), answers);
        let yes = decided(vec![answer("ann", true), answer("bob", true)]).unwrap();
        assert_eq!((yes.approved, yes.by.as_str()), (true, "ann, bob"));
        assert_eq!(yes.comment.as_deref(), Some("bob looked"));
        let no = decided(vec![answer("ann", true), answer("bob", false)]).unwrap();
        assert_eq!((no.approved, no.by.as_str()), (false, "bob"));
        assert_eq!(decided(Vec::new()), None);
    }

    #[test]
    fn terms_that_say_nothing_are_written_as_nothing() {
        let plain = Terms::default();
        assert!(plain.is_plain());
        assert_eq!(serde_json::to_value(&plain).unwrap(), json!({}));
        assert_eq!(serde_json::from_value::<Terms>(json!({})).unwrap(), plain);
        let two: Terms = serde_json::from_value(json!({ "quorum": 2 })).unwrap();
        assert!(!two.is_plain());
    }
}
