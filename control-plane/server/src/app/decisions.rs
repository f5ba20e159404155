//! What people tell a run: that it should stop, and how any order to it is sent.

use flowforge_core::{Action, Caller, Denied, Object, ObjectKind, Scope};
use flowforge_protocol::HostId;
use flowforge_protocol::job::Order;
use flowforge_store::{Found, NewJob, RunState, Store, StoreError, StoredRun};

use crate::app::{Allowed, App};
use crate::fleet::words::Word;
use crate::orders::{Draft, OrderError};

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

/// What became of a wish to stop.
pub(crate) enum CancelOutcome {
    /// It is stopped, or its host has been told to stop it.
    Told(StoredRun),
    /// It is over.
    Over(StoredRun),
    NotFound(String),
}

impl App {
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
