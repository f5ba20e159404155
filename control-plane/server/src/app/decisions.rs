//! What people tell a run: decisions on its questions (B12), and that it should stop.

use flowforge_core::{Action, Actor, Caller, Denied, Object, ObjectKind, Scope};
use flowforge_protocol::HostId;
use flowforge_protocol::awaited::Decision;
use flowforge_protocol::job::Order;
use flowforge_protocol::record::Trigger;
use flowforge_store::{
    Approval, ApprovalState, Decided, Found, Group, NewDecision, NewJob, RunState, Store, StoreError,
    StoredRun,
};

use crate::app::{Allowed, App};
use crate::fleet::words::Word;
use crate::orders::{Draft, OrderError};

/// Longest comment.
pub(crate) const MAX_COMMENT_BYTES: usize = 4 * 1024;

/// Runs above a run that are looked at for who started it; more than workflows may be nested.
const PARENTS_MAX: usize = 32;

/// Why nothing was told to the run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TellError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error("it may not be done")]
    Denied(#[from] Box<Denied>),
}

/// Who answers.
pub(crate) struct Answerer {
    /// Its name.
    pub(crate) name: String,
    /// True for the person at a development server, who counts as everybody.
    pub(crate) owner: bool,
}

impl Answerer {
    /// Under which name this one answers a question to these approvers; none if it may not. Nobody is a group.
    fn answers_as(&self, approvers: &[String], groups: &[Group]) -> Option<String> {
        if groups.iter().any(|group| group.name == self.name) {
            return None;
        }
        let is_one = |approver: &String| {
            let mut of_name = groups.iter().filter(|group| group.name == *approver);
            *approver == self.name || of_name.any(|group| group.members.contains(&self.name))
        };
        if approvers.is_empty() || approvers.iter().any(is_one) {
            return Some(self.name.clone());
        }
        self.owner
            .then(|| format!("{} (owner of this development server)", self.name))
    }
}

/// What became of a decision.
pub(crate) enum DecideOutcome {
    Decided(Approval),
    /// It was answered or closed before.
    TooLate(Approval),
    /// The question is not put to this actor; it stays open.
    NotAsked(String),
    NotFound(String),
}

/// What became of a wish to stop.
pub(crate) enum CancelOutcome {
    /// It is stopped, or its host has been told to stop it.
    Told(StoredRun),
    /// It is over.
    Over(StoredRun),
    NotFound(String),
}

impl App {
    /// Answers a question; whether the one who answers is asked is looked at here, and written down if not.
    pub(crate) async fn decide(
        &self,
        caller: &Caller,
        wanted: &str,
        approved: bool,
        actor: &Answerer,
        comment: Option<String>,
    ) -> Result<DecideOutcome, TellError> {
        let object = Object::new(ObjectKind::Approval, wanted);
        let allowed = self.allow(caller, Action::DecideApproval, object).await?;
        let (store, scope) = (allowed.store(), allowed.scope());
        let approval = match store.find_approval(scope, wanted).await? {
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
        if approval.state != ApprovalState::Pending {
            return Ok(DecideOutcome::TooLate(approval));
        }
        let groups = store.groups(scope).await?;
        let Some(by) = actor.answers_as(&approval.approvers, &groups) else {
            let why = format!(
                "`{}` may not answer approval {}; it is put to {}",
                actor.name,
                approval.id.short(),
                approval.approvers.join(", ")
            );
            let object = Object::new(ObjectKind::Approval, approval.id.as_str());
            self.note_refused(caller, Action::DecideApproval, object, why.clone())
                .await;
            return Ok(DecideOutcome::NotAsked(why));
        };
        let Some(run) = store.run(scope, &approval.run).await? else {
            return Ok(DecideOutcome::NotFound(format!(
                "the run of approval {} is gone",
                approval.id
            )));
        };
        if let Some(why) = self.own_question(caller, &run, &approval).await? {
            let object = Object::new(ObjectKind::Approval, approval.id.as_str());
            self.note_refused(caller, Action::DecideApproval, object, why.clone())
                .await;
            return Ok(DecideOutcome::NotAsked(why));
        }
        let Some(host) = run.host.clone() else {
            return Ok(DecideOutcome::TooLate(approval));
        };
        let at_ms = self.clock.now_ms();
        let decision = Decision {
            approval: approval.id.clone(),
            approved,
            by: by.clone(),
            comment: comment.clone(),
            at_ms,
        };
        let job = self.order(&run, &host, Order::Decide(decision)).await?;
        let word = if approved { "approved" } else { "rejected" };
        let about = Object::new(ObjectKind::Approval, approval.id.as_str());
        let decided = allowed
            .about(about, Some(format!("{word} as {by}")))
            .change()
            .decide(
                scope,
                NewDecision {
                    approval: approval.id.clone(),
                    approved,
                    by,
                    comment,
                    at_ms,
                    job: job.clone(),
                },
            )
            .await?;
        if decided == Decided::Stored {
            self.dispatch_change(job);
            self.events.tell(&run.id, None);
        }
        match store.find_approval(scope, approval.id.as_str()).await? {
            Found::One(now) if decided == Decided::Stored => Ok(DecideOutcome::Decided(now)),
            Found::One(now) => Ok(DecideOutcome::TooLate(now)),
            Found::None | Found::Several => Ok(DecideOutcome::TooLate(approval)),
        }
    }

    /// Why an account may not answer a question of a run that it started itself; none if it may. Where nobody is named who
    /// answers, everybody is asked, whoever started the run, too.
    async fn own_question(
        &self,
        caller: &Caller,
        run: &StoredRun,
        approval: &Approval,
    ) -> Result<Option<String>, StoreError> {
        let Actor::Account(account) = &caller.actor else {
            return Ok(None);
        };
        if approval.approvers.is_empty() {
            return Ok(None);
        }
        let mut trigger = run.trigger.clone();
        for _ in 0..PARENTS_MAX {
            let parent = match serde_json::from_str::<Trigger>(&trigger) {
                Ok(Trigger::Manual { by }) if *by == *account.name => {
                    return Ok(Some(format!(
                        "`{by}` started this run, and nobody answers the questions of an own run; approval {} is put to {}",
                        approval.id.short(),
                        approval.approvers.join(", ")
                    )));
                }
                Ok(Trigger::Parent { run, .. } | Trigger::RunEnded { run, .. }) => run,
                Ok(
                    Trigger::Manual { .. }
                    | Trigger::Webhook { .. }
                    | Trigger::Schedule { .. }
                    | Trigger::Form { .. },
                )
                | Err(_) => {
                    return Ok(None);
                }
            };
            match self.store.run(&caller.scope, &parent).await? {
                Some(parent) => trigger.clone_from(&parent.trigger),
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Stops a run; attempts that are under way may go on for `grace_ms`.
    pub(crate) async fn cancel(
        &self,
        caller: &Caller,
        wanted: &str,
        reason: String,
        grace_ms: u64,
    ) -> Result<CancelOutcome, TellError> {
        let object = Object::new(ObjectKind::Run, wanted);
        let allowed = self.allow(caller, Action::CancelRun, object).await?;
        let (store, scope) = (allowed.store(), allowed.scope());
        let run = match find_run(store, scope, wanted).await? {
            Ok(run) => run,
            Err(message) => return Ok(CancelOutcome::NotFound(message)),
        };
        if run.state.is_final() {
            return Ok(CancelOutcome::Over(run));
        }
        // A run that nobody has ends here; of any other, whether it moved meanwhile or not, its host is told.
        let now_ms = self.clock.now_ms();
        let about = Object::new(ObjectKind::Run, run.id.as_str());
        let allowed = allowed.about(about, Some(reason.clone()));
        let ended = allowed
            .change()
            .cancel_here(scope, run.id.clone(), reason.clone(), now_ms)
            .await?;
        match ended {
            Some(ended) => {
                let outcome = serde_json::json!({"state": "cancelled", "reason": reason}).to_string();
                self.confirmed(u64::from(ended.was_queued));
                self.outside.wanted.notify_one();
                self.events.tell(&run.id, Some(outcome));
            }
            None => self.order_cancel(&allowed, &run, reason, grace_ms).await?,
        }
        let now = store.run(scope, &run.id).await?.unwrap_or(run);
        match now.state {
            RunState::Cancelled => Ok(CancelOutcome::Told(now)),
            state if state.is_final() => Ok(CancelOutcome::Over(now)),
            _ => Ok(CancelOutcome::Told(now)),
        }
    }

    async fn order_cancel(
        &self,
        allowed: &Allowed,
        run: &StoredRun,
        reason: String,
        grace_ms: u64,
    ) -> Result<(), TellError> {
        let Some(run) = allowed.store().run(allowed.scope(), &run.id).await? else {
            return Ok(());
        };
        let Some(host) = run.host.clone() else {
            return Ok(());
        };
        let told = reason.clone();
        let order = Order::Cancel {
            reason: told,
            grace_ms,
        };
        let job = self.order(&run, &host, order).await?;
        let change = allowed.change();
        let ordered = change.order_cancel(allowed.scope(), reason, job.clone()).await?;
        if let Some(replaced) = ordered {
            if let Some(entry) = self.hosts.get(&host) {
                entry.state().queue.settle(&replaced);
            }
            self.dispatch_change(job);
            self.events.tell(&run.id, None);
        }
        Ok(())
    }

    pub(crate) async fn order(
        &self,
        run: &StoredRun,
        host: &HostId,
        order: Order,
    ) -> Result<NewJob, OrderError> {
        let draft = Draft {
            host,
            run: &run.id,
            epoch: run.epoch,
            order,
            traceparent: run.traceparent.clone(),
            now_ms: self.clock.now_ms(),
        };
        self.scheduler.write(draft).await
    }

    /// Hands a stored order for a run that is there to its host's queue, here and at other servers.
    pub(crate) fn dispatch_change(&self, job: NewJob) {
        self.bus.say(Word::Orders(job.host.clone()));
        if let Some(entry) = self.hosts.get(&job.host) {
            entry.state().queue.push(job.into());
            entry.wake.notify_one();
        }
    }
}

/// The run with this id, unique prefix, or `last`; else why not, for people.
pub(crate) async fn find_run(
    store: &Store,
    scope: &Scope,
    wanted: &str,
) -> Result<Result<StoredRun, String>, StoreError> {
    Ok(match store.find_run(scope, wanted).await? {
        Found::One(run) => Ok(run),
        Found::None if wanted == "last" => Err("there is no run yet".to_owned()),
        Found::None => Err(format!("there is no run `{wanted}`")),
        Found::Several => Err(format!("several runs begin with `{wanted}`; give more of the id")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `approvers: [duty]` says who may answer, and anybody could, under any name.
    #[test]
    fn only_who_is_asked_may_answer() {
        let actor = |name: &str, owner| Answerer {
            name: name.to_owned(),
            owner,
        };
        let (duty, none) = (["duty".to_owned()], &[]);
        assert_eq!(actor("mallory", false).answers_as(&duty, none), None);
        assert_eq!(actor("mallory", false).answers_as(&[], none).unwrap(), "mallory");
        assert_eq!(actor("duty", false).answers_as(&duty, none).unwrap(), "duty");
        let groups = [Group {
            name: "duty".to_owned(),
            members: vec!["ann".to_owned()],
        }];
        assert_eq!(actor("ann", false).answers_as(&duty, &groups).unwrap(), "ann");
        assert_eq!(actor("bob", false).answers_as(&duty, &groups), None);
        assert_eq!(
            actor("duty", false).answers_as(&duty, &groups),
            None,
            "a group is nobody"
        );
        let owner = actor("local", true);
        assert_eq!(
            owner.answers_as(&duty, none).unwrap(),
            "local (owner of this development server)"
        );
        assert_eq!(owner.answers_as(&[], none).unwrap(), "local");
    }
}
