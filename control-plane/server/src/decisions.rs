//! What people tell a run: decisions on its questions (B12), and that it should stop.

use flowforge_protocol::HostId;
use flowforge_protocol::job::{Decision, Order};
use flowforge_store::{
    Approval, ApprovalState, Decided, Found, NewDecision, NewJob, RunState, StoreError, StoredRun,
};

use crate::app::App;
use crate::orders::{Draft, OrderError};

/// Longest comment.
pub(crate) const MAX_COMMENT_BYTES: usize = 4 * 1024;

/// Why nothing was told to the run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TellError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Order(#[from] OrderError),
}

/// What became of a decision.
pub(crate) enum DecideOutcome {
    Decided(Approval),
    /// It was answered or closed before.
    TooLate(Approval),
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
    pub(crate) async fn decide(
        &self,
        wanted: &str,
        approved: bool,
        by: String,
        comment: Option<String>,
    ) -> Result<DecideOutcome, TellError> {
        let approval = match self.store.find_approval(wanted).await? {
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
        let Some(run) = self.store.run(&approval.run).await? else {
            return Ok(DecideOutcome::NotFound(format!(
                "the run of approval {} is gone",
                approval.id
            )));
        };
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
        let job = self.order(&run, &host, Order::Decide(decision))?;
        let decided = self
            .store
            .decide(NewDecision {
                approval: approval.id.clone(),
                approved,
                by,
                comment,
                at_ms,
                job: job.clone(),
            })
            .await?;
        if decided == Decided::Stored {
            self.send(&host, job);
            self.events.tell(&run.id, None);
        }
        match self.store.find_approval(approval.id.as_str()).await? {
            Found::One(now) if decided == Decided::Stored => Ok(DecideOutcome::Decided(now)),
            Found::One(now) => Ok(DecideOutcome::TooLate(now)),
            Found::None | Found::Several => Ok(DecideOutcome::TooLate(approval)),
        }
    }

    pub(crate) async fn cancel(&self, wanted: &str, reason: String) -> Result<CancelOutcome, TellError> {
        let run = match self.find_run(wanted).await? {
            Ok(run) => run,
            Err(message) => return Ok(CancelOutcome::NotFound(message)),
        };
        if run.state.is_final() {
            return Ok(CancelOutcome::Over(run));
        }
        match &run.host {
            None => {
                let now_ms = self.clock.now_ms();
                if self
                    .store
                    .cancel_unassigned(run.id.clone(), reason.clone(), now_ms)
                    .await?
                {
                    let outcome = serde_json::json!({"state": "cancelled", "reason": reason}).to_string();
                    self.confirmed(1);
                    self.events.tell(&run.id, Some(outcome));
                } else if let Some(StoredRun { host: Some(host), .. }) = self.store.run(&run.id).await? {
                    self.order_cancel(&run, &host, reason).await?;
                }
            }
            Some(host) => self.order_cancel(&run, host, reason).await?,
        }
        let now = self.store.run(&run.id).await?.unwrap_or(run);
        match now.state {
            RunState::Cancelled => Ok(CancelOutcome::Told(now)),
            state if state.is_final() => Ok(CancelOutcome::Over(now)),
            _ => Ok(CancelOutcome::Told(now)),
        }
    }

    async fn order_cancel(&self, run: &StoredRun, host: &HostId, reason: String) -> Result<(), TellError> {
        let run = match run.host {
            Some(_) => run.clone(),
            None => self.store.run(&run.id).await?.unwrap_or_else(|| run.clone()),
        };
        let job = self.order(
            &run,
            host,
            Order::Cancel {
                reason: reason.clone(),
            },
        )?;
        if self.store.order_cancel(reason, job.clone()).await? {
            self.send(host, job);
            self.events.tell(&run.id, None);
        }
        Ok(())
    }

    fn order(&self, run: &StoredRun, host: &HostId, order: Order) -> Result<NewJob, OrderError> {
        self.scheduler.sign(Draft {
            host,
            run: &run.id,
            epoch: run.epoch,
            order,
            traceparent: run.traceparent.clone(),
            now_ms: self.clock.now_ms(),
        })
    }

    fn send(&self, host: &HostId, job: NewJob) {
        if let Some(entry) = self.hosts.get(host) {
            entry.state().queue.push(job.into());
            entry.wake.notify_one();
        }
    }

    /// The run with this id, unique prefix, or `last`; else why not, for people.
    pub(crate) async fn find_run(&self, wanted: &str) -> Result<Result<StoredRun, String>, StoreError> {
        Ok(match self.store.find_run(wanted).await? {
            Found::One(run) => Ok(run),
            Found::None if wanted == "last" => Err("there is no run yet".to_owned()),
            Found::None => Err(format!("there is no run `{wanted}`")),
            Found::Several => Err(format!("several runs begin with `{wanted}`; give more of the id")),
        })
    }
}
