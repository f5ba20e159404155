//! What people answer to the questions of runs (B12).
//!
//! Whether an answer counts is [`Question`]'s rule, which the host asks again before it acts. Only what the control plane
//! alone knows is decided here: who somebody is, and in which groups.

use flowforge_core::{Action, Caller, Object, ObjectKind};
use flowforge_protocol::StepKey;
use flowforge_protocol::approval::{Answer, Decision};
use flowforge_protocol::job::Order;
use flowforge_protocol::record::Trigger;
use flowforge_store::{Approval, ApprovalState, Decided, Found, Group, NewDecision, StoredRun};
use flowforge_workflow::InputProblem;
use flowforge_workflow::approval::{AnswerRefusal, Question};
use serde_json::Value;

use crate::app::decisions::TellError;
use crate::app::{Allowed, App};

/// How often an answer is tried again behind one that came at the same moment; nobody is overtaken as often as this by the
/// few answers that one question takes.
const TRIES: u32 = 16;

/// Who answers.
pub(crate) struct Answerer {
    /// Its name.
    pub(crate) name: String,
    /// True for the person at a development server, who counts as everybody.
    pub(crate) owner: bool,
}

/// What somebody answers.
pub(crate) struct Given {
    /// Yes or no.
    pub(crate) approved: bool,
    /// In which words.
    pub(crate) comment: Option<String>,
    /// What was filled in.
    pub(crate) form: Option<Value>,
    /// The envelope of the own signature.
    pub(crate) signature: Option<String>,
}

/// As whom somebody answers.
struct Part {
    by: String,
    /// The entry of `approvers`; none where nobody is named.
    answers_for: Option<String>,
}

impl Answerer {
    /// As whom this one answers a question to these approvers of a run that was started so; none if it may not. Nobody is a
    /// group.
    fn part(&self, approvers: &[String], groups: &[Group], started_by: Option<&str>) -> Option<Part> {
        if groups.iter().any(|group| group.name == self.name) {
            return None;
        }
        let is_one = |approver: &&String| {
            let mut of_name = groups.iter().filter(|group| group.name == **approver);
            **approver == self.name || of_name.any(|group| group.members.contains(&self.name))
        };
        let entry = approvers.iter().find(is_one);
        let as_owner = self.owner && !approvers.is_empty();
        if as_owner && (entry.is_none() || started_by == Some(self.name.as_str())) {
            return Some(Part {
                by: format!("{} (owner of this development server)", self.name),
                answers_for: entry.or(approvers.first()).cloned(),
            });
        }
        (approvers.is_empty() || entry.is_some()).then(|| Part {
            by: self.name.clone(),
            answers_for: entry.cloned(),
        })
    }
}

/// What became of an answer.
pub(crate) enum DecideOutcome {
    /// It counts; the question may still wait for others.
    Answered(Approval),
    /// It was answered or closed before.
    TooLate(Approval),
    /// The question is not put to this actor; it stays open.
    NotAsked(String),
    /// This one has answered.
    Twice(String),
    /// The own signature is missing, or is for something else.
    Signature(String),
    /// What came with the answer is wrong, each with its path.
    Wrong(Vec<InputProblem>),
    NotFound(String),
}

impl App {
    /// Takes an answer; whether the one who answers is asked is looked at here, and written down if not.
    pub(crate) async fn decide(
        &self,
        caller: &Caller,
        wanted: &str,
        actor: &Answerer,
        given: Given,
    ) -> Result<DecideOutcome, TellError> {
        let object = Object::new(ObjectKind::Approval, wanted);
        let allowed = self.allow(caller, Action::DecideApproval, object).await?;
        let mut approval = match allowed.store().find_approval(allowed.scope(), wanted).await? {
            Found::One(approval) => approval,
            Found::None => {
                return Ok(DecideOutcome::NotFound(format!(
                    "there is no approval `{wanted}`"
                )));
            }
            Found::Several => {
                return Ok(DecideOutcome::NotFound(format!(
                    "several approvals begin with `{wanted}`; give more of the id"
                )));
            }
        };
        let Some(run) = allowed.store().run(allowed.scope(), &approval.run).await? else {
            return Ok(DecideOutcome::NotFound(format!(
                "the run of approval {} is gone",
                approval.id
            )));
        };
        let groups = allowed.store().groups(allowed.scope()).await?;
        for _ in 0..TRIES {
            if approval.state != ApprovalState::Pending || run.host.is_none() {
                return Ok(DecideOutcome::TooLate(approval));
            }
            let answers = match self.judge(caller, &run, &approval, actor, &groups, &given) {
                Ok(answers) => answers,
                Err(refusal) => return Ok(self.does_not_count(caller, &approval, refusal).await),
            };
            let stored = self.keep_answer(&allowed, &run, &approval, answers).await?;
            match allowed
                .store()
                .find_approval(allowed.scope(), approval.id.as_str())
                .await?
            {
                Found::One(now) if stored == Decided::Stored => return Ok(DecideOutcome::Answered(now)),
                Found::One(now) => approval = now,
                Found::None | Found::Several => return Ok(DecideOutcome::TooLate(approval)),
            }
            if stored == Decided::TooLate {
                break;
            }
        }
        Ok(DecideOutcome::TooLate(approval))
    }

    /// The answers to a question with a new one behind them, if that counts.
    fn judge(
        &self,
        caller: &Caller,
        run: &StoredRun,
        approval: &Approval,
        actor: &Answerer,
        groups: &[Group],
        given: &Given,
    ) -> Result<Vec<Answer<Value>>, AnswerRefusal> {
        let trigger: Option<Trigger> = serde_json::from_str(&run.trigger).ok();
        let started_by = trigger.as_ref().and_then(Trigger::started_by);
        let not_asked = || AnswerRefusal::NotAsked {
            by: actor.name.clone(),
            approvers: approval.approvers.clone(),
        };
        let part = actor
            .part(&approval.approvers, groups, started_by)
            .ok_or_else(not_asked)?;
        let step: StepKey = approval.step.parse().map_err(|_| not_asked())?;
        let question = Question {
            workspace: caller.scope.workspace(),
            project: caller.scope.project(),
            run: &run.id,
            step: &step,
            approval: &approval.id,
            title: &approval.title,
            show: &approval.show,
            approvers: &approval.approvers,
            terms: &approval.terms,
            started_by,
        };
        let form = question.form(given.approved, given.form.as_ref());
        let answer = Answer {
            by: part.by,
            answers_for: part.answers_for,
            approved: given.approved,
            comment: given.comment.clone(),
            at_ms: self.clock.now_ms(),
            form: form.map_err(AnswerRefusal::Form)?,
            signature: given.signature.clone().map(Value::String),
        };
        question.check(&approval.answers, &answer)?;
        let mut answers = approval.answers.clone();
        answers.push(answer);
        Ok(answers)
    }

    /// Stores answers of which the last is new, and orders the decision if they make one.
    async fn keep_answer(
        &self,
        allowed: &Allowed,
        run: &StoredRun,
        approval: &Approval,
        answers: Vec<Answer<Value>>,
    ) -> Result<Decided, TellError> {
        let Some(last) = answers.last() else {
            return Ok(Decided::TooLate);
        };
        let (by, at_ms) = (last.by.clone(), last.at_ms);
        let mut said = format!("{} as {by}", if last.approved { "approved" } else { "rejected" });
        let is_enough = approval.terms.is_decided_by(&answers);
        let mut decided = None;
        if let (true, Some(host)) = (is_enough, run.host.as_ref()) {
            let sum = Decision::of(approval.id.clone(), answers.clone());
            if let Some(sum) = sum {
                let job = self
                    .order(run, host, Order::Decide(Box::new(sum.clone())))
                    .await?;
                decided = Some((sum, job));
            }
        } else {
            said = format!("{said}, {} of {}", answers.len(), approval.terms.quorum);
        }
        let job = decided.as_ref().map(|(_, job)| job.clone());
        let decision = NewDecision {
            approval: approval.id.clone(),
            answers,
            decided,
            at_ms,
        };
        let about = Object::new(ObjectKind::Approval, approval.id.as_str());
        let change = allowed.about(about, Some(said)).change();
        let stored = change.decide(allowed.scope(), decision).await?;
        if stored == Decided::Stored {
            if let Some(job) = job {
                self.dispatch_change(job);
            }
            self.events.tell(&run.id, None);
        }
        Ok(stored)
    }

    /// What whoever answers is told of an answer that does not count. That somebody is not asked is written down.
    async fn does_not_count(
        &self,
        caller: &Caller,
        approval: &Approval,
        refusal: AnswerRefusal,
    ) -> DecideOutcome {
        let why = refusal.to_string();
        let problem = |path: &str, message: String| InputProblem {
            path: path.to_owned(),
            message,
        };
        match refusal {
            AnswerRefusal::Form(problems) => {
                let of_form = |found: InputProblem| {
                    let path = match found.path.as_str() {
                        "" => "form".to_owned(),
                        path => format!("form.{path}"),
                    };
                    problem(&path, found.message)
                };
                DecideOutcome::Wrong(problems.into_iter().map(of_form).collect())
            }
            AnswerRefusal::Comment { .. } => DecideOutcome::Wrong(vec![problem("comment", why)]),
            AnswerRefusal::Twice { .. } => DecideOutcome::Twice(why),
            AnswerRefusal::Sum(_) => DecideOutcome::Wrong(vec![problem("", why)]),
            AnswerRefusal::Signature { .. } => {
                self.note_not_asked(caller, approval, why.clone()).await;
                DecideOutcome::Signature(why)
            }
            AnswerRefusal::NotAsked { .. } | AnswerRefusal::OwnRun { .. } => {
                let why = format!("approval {}: {why}", approval.id.short());
                self.note_not_asked(caller, approval, why.clone()).await;
                DecideOutcome::NotAsked(why)
            }
        }
    }

    async fn note_not_asked(&self, caller: &Caller, approval: &Approval, why: String) {
        let object = Object::new(ObjectKind::Approval, approval.id.as_str());
        self.note_refused(caller, Action::DecideApproval, object, why)
            .await;
    }
}

/// When those who are asked are reminded of a question.
pub(crate) struct Reminders {
    /// How often they were.
    pub(crate) count: u64,
    /// When they are the next time, milliseconds since 1970 UTC.
    pub(crate) next_ms: u64,
}

/// The reminders of a question that waits; none of one that is closed, or that reminds nobody.
pub(crate) fn reminders(approval: &Approval, now_ms: u64) -> Option<Reminders> {
    let every_ms = approval.terms.remind_ms.filter(|every_ms| *every_ms > 0)?;
    if approval.state != ApprovalState::Pending {
        return None;
    }
    let count = now_ms.saturating_sub(approval.requested_at_ms) / every_ms;
    let next_ms = approval
        .requested_at_ms
        .saturating_add(every_ms.saturating_mul(count + 1));
    Some(Reminders { count, next_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, owner: bool) -> Answerer {
        Answerer {
            name: name.to_owned(),
            owner,
        }
    }

    fn part(actor: &Answerer, approvers: &[String], groups: &[Group]) -> Option<(String, Option<String>)> {
        let part = actor.part(approvers, groups, Some("local"))?;
        Some((part.by, part.answers_for))
    }

    /// `approvers: [duty]` says who may answer, and anybody could, under any name.
    #[test]
    fn only_who_is_asked_may_answer() {
        let (duty, none) = (["duty".to_owned()], &[]);
        let as_duty = |by: &str| Some((by.to_owned(), Some("duty".to_owned())));
        assert_eq!(part(&of("mallory", false), &duty, none), None);
        assert_eq!(
            part(&of("mallory", false), &[], none),
            Some(("mallory".to_owned(), None))
        );
        assert_eq!(part(&of("duty", false), &duty, none), as_duty("duty"));
        let groups = [Group {
            name: "duty".to_owned(),
            members: vec!["ann".to_owned()],
        }];
        assert_eq!(part(&of("ann", false), &duty, &groups), as_duty("ann"));
        assert_eq!(part(&of("bob", false), &duty, &groups), None);
        assert_eq!(
            part(&of("duty", false), &duty, &groups),
            None,
            "a group is nobody"
        );
    }

    #[test]
    fn the_owner_of_a_development_server_counts_as_everybody_and_says_so() {
        let owner = of("local", true);
        let said = "local (owner of this development server)".to_owned();
        for approvers in [["duty".to_owned()], ["local".to_owned()]] {
            let answers_for = Some(approvers[0].clone());
            assert_eq!(part(&owner, &approvers, &[]), Some((said.clone(), answers_for)));
        }
        assert_eq!(part(&owner, &[], &[]), Some(("local".to_owned(), None)));
    }
}
