//! What is done for runs because of other runs: children are started, their ends are told, those that nobody waits for any
//! more are stopped, what follows an end is started, signals go to whom they are for.
//!
//! What is owed stands in the store, in the commit that made it so; this task is woken when there may be something, and
//! looks by itself now and then. So nothing is lost with a process, and a failure is tried again.

use std::sync::Arc;
use std::time::Duration;

use flowforge_core::Action;
use flowforge_protocol::job::{ChildOrder, Order, SignalOrder};
use flowforge_protocol::record::{Lineage, ParentStep, Trigger};
use flowforge_protocol::{Failure, FailureKind, RunId};
use flowforge_store::{ClientRequest, DueSignal, NewJob, OrderedChild, OwedEnd, Started, StoreError, Target};
use serde_json::Value;

use crate::app::decisions::TellError;
use crate::app::starts::{StartError, StartOptions, StartRequest, request_body};
use crate::app::{App, LoadError};
use crate::fleet::duties::LOOK;
use crate::follow_ups::FollowUpError;
use crate::orders::{Draft, OrderError};

/// The longest pause between two looks.
const PAUSE: Duration = Duration::from_secs(30);
/// The pause after a failure.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);
/// What is done of each kind before the next kind has its turn.
const AT_ONCE: u32 = 64;
/// Runs that one signal for a workflow reaches at most.
const MAX_TARGETS: u32 = 1_000;

#[derive(Debug, thiserror::Error)]
enum ErrandError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Tell(#[from] TellError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    FollowUp(#[from] FollowUpError),
}

/// Does what is owed until the server closes.
pub(crate) async fn run(app: Arc<App>) {
    loop {
        let pause = match app.errands_if_mine().await {
            Ok(true) => Duration::ZERO,
            // Another server may go away whose duty they were.
            Ok(false) if app.bus.is_shared() => LOOK,
            Ok(false) => PAUSE,
            Err(error) => {
                tracing::error!(%error, "what is owed to a run could not be done; trying again");
                PAUSE_AFTER_FAILURE
            }
        };
        tokio::select! {
            () = app.events.errands.notified() => {}
            () = tokio::time::sleep(pause) => {}
            () = app.closing.cancelled() => return,
        }
    }
}

/// One errand that fails holds the others not up.
fn is_done(result: Result<(), ErrandError>) -> bool {
    match result {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(%error, "what is owed to a run could not be done; trying again later");
            false
        }
    }
}

impl App {
    async fn errands_if_mine(&self) -> Result<bool, ErrandError> {
        match self.duty.is_mine(&self.bus, &self.store, &self.scope).await? {
            true => self.do_errands().await,
            false => Ok(false),
        }
    }

    /// Does a bounded part of what is owed; true if there is more.
    async fn do_errands(&self) -> Result<bool, ErrandError> {
        let most = usize::try_from(AT_ONCE).unwrap_or(usize::MAX);
        let mut more = false;
        let signals = self.store.due_signals(&self.scope, AT_ONCE, MAX_TARGETS).await?;
        more |= signals.len() >= most;
        let mut all_done = true;
        for signal in signals {
            all_done &= is_done(self.send_signal(signal).await);
        }
        let ends = self.store.owed_ends(&self.scope, AT_ONCE).await?;
        more |= ends.len() >= most;
        for end in ends {
            all_done &= is_done(self.tell_parent(end).await);
        }
        for (run, reason) in self.store.runs_to_stop(&self.scope, AT_ONCE).await? {
            all_done &= is_done(self.stop(run, reason).await);
        }
        for owed in self.store.owed_follow_ups(&self.scope, AT_ONCE).await? {
            all_done &= is_done(self.follow_up(owed).await.map_err(ErrandError::from));
        }
        for child in self.store.ordered_children(&self.scope, AT_ONCE).await? {
            all_done &= is_done(self.start_child(child).await);
        }
        Ok(more && all_done)
    }

    async fn stop(&self, run: RunId, reason: String) -> Result<(), ErrandError> {
        let caller = self.of_plane("errand");
        self.cancel(&caller, run.as_str(), reason, 0).await?;
        Ok(self.store.stop_told(&self.scope, run).await?)
    }

    async fn order_for(&self, target: &Target, order: Order) -> Result<NewJob, OrderError> {
        let draft = Draft {
            host: &target.host,
            run: &target.run,
            epoch: target.epoch,
            order,
            traceparent: target.traceparent.clone(),
            now_ms: self.clock.now_ms(),
        };
        self.scheduler.write(draft).await
    }

    async fn send_signal(&self, signal: DueSignal) -> Result<(), ErrandError> {
        let payload: Value = serde_json::from_str(&signal.payload)
            .map_err(|error| OrderError::Unreadable(format!("signal {}: {error}", signal.message)))?;
        let mut jobs = Vec::with_capacity(signal.targets.len());
        for target in &signal.targets {
            let order = SignalOrder {
                message: signal.message.clone(),
                name: signal.name.clone(),
                correlation: signal.correlation.clone(),
                payload: payload.clone(),
                by: signal.by.clone(),
            };
            jobs.push(self.order_for(target, Order::Signal(order)).await?);
        }
        if self
            .store
            .send_signal(&self.scope, signal.message, jobs.clone())
            .await?
        {
            for job in jobs {
                self.dispatch_change(job);
            }
        }
        Ok(())
    }

    async fn tell_parent(&self, end: OwedEnd) -> Result<(), ErrandError> {
        let job = match &end.parent {
            None => None,
            Some(parent) => Some(self.end_order(&end, parent).await?),
        };
        if self.store.told_parent(&self.scope, end.run, job.clone()).await?
            && let Some(job) = job
        {
            self.dispatch_change(job);
        }
        Ok(())
    }

    /// The order that tells a parent how its child ended. An output that does not fit into an order is a failure.
    async fn end_order(&self, end: &OwedEnd, parent: &Target) -> Result<NewJob, OrderError> {
        let mut outcome: Value = serde_json::from_str(&end.outcome).unwrap_or_default();
        let mut part = |name: &str| outcome.get_mut(name).map(Value::take);
        let state = part("state").and_then(|state| state.as_str().map(str::to_owned));
        let mut order = ChildOrder {
            step: end.step.clone(),
            run: end.run.clone(),
            state: state.unwrap_or_default(),
            output: part("output").unwrap_or_default(),
            failure: part("failure").and_then(|failure| serde_json::from_value(failure).ok()),
        };
        match self.order_for(parent, Order::ChildEnded(order.clone())).await {
            Err(OrderError::DoesNotFit(unfit)) => {
                let message = format!(
                    "the output of run {} does not fit into an order: {unfit}",
                    end.run
                );
                order.output = Value::Null;
                order.state = "failed".to_owned();
                order.failure = Some(Failure::new(FailureKind::Limit, message).with_code("FF-RUN-021"));
                self.order_for(parent, Order::ChildEnded(order)).await
            }
            signed => signed,
        }
    }

    async fn start_child(&self, child: OrderedChild) -> Result<(), ErrandError> {
        let release = match self.release(&child.release).await {
            Ok(Some(release)) if release.stored.grants_digest == child.grants => release,
            Ok(_) => {
                return self
                    .refuse_child(child, "its release is not published here")
                    .await;
            }
            Err(error @ LoadError::Store(_)) => return Err(error.into()),
            Err(LoadError::Release { source, .. }) => {
                return self.refuse_child(child, &source.to_string()).await;
            }
        };
        let Some(input) = child
            .input
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
        else {
            return self
                .refuse_child(child, "its input stays on the host of the run that ordered it")
                .await;
        };
        let caller = self.of_plane("errand");
        let parent = self.store.run(&caller.scope, &child.parent).await?;
        let trigger = parent.and_then(|parent| serde_json::from_str::<Trigger>(&parent.trigger).ok());
        let started_by = trigger.and_then(|trigger| trigger.started_by().map(str::to_owned));
        let request = StartRequest {
            id: child.id.clone(),
            requests: vec![ClientRequest {
                id: format!("child:{}", child.id),
                body: request_body(&release.stored.workflow, None, &input),
            }],
            release,
            input,
            trigger: Trigger::Parent {
                run: child.parent.clone(),
                step: child.step.clone(),
                started_by,
            },
            traceparent: child.traceparent.clone(),
            lineage: Some(Lineage {
                root: child.id.clone(),
                predecessor: None,
                generation: 1,
                parent: Some(ParentStep {
                    run: child.parent.clone(),
                    step: child.step.clone(),
                }),
                repeats: Default::default(),
            }),
            options: StartOptions::default(),
            delivery: None,
        };
        match self.start(&caller, Action::StartRun, request).await {
            Ok(Started::New) => Ok(()),
            Ok(Started::Duplicate { .. } | Started::Conflict { .. }) => {
                Ok(self.store.drop_ordered(&self.scope, child.id, None).await?)
            }
            Err(StartError::Input(problems)) => {
                let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
                let why = format!("the input does not fit the workflow: {}", problems.join("; "));
                self.refuse_child(child, &why).await
            }
            // There is room again later.
            Err(StartError::Busy { .. }) => Ok(()),
            Err(error @ StartError::Held(_)) => {
                tracing::warn!(run_id = %child.id, %error, "a run that was ordered waits for a grant");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A run that was ordered cannot be started: its parent is told that it has failed.
    async fn refuse_child(&self, child: OrderedChild, why: &str) -> Result<(), ErrandError> {
        let Some(parent) = &child.target else {
            // The parent is told when a host has it again.
            return Ok(());
        };
        let why: String = why.chars().take(1_000).collect();
        let message = format!("run {} could not be started: {why}", child.id.short());
        tracing::warn!(run_id = %parent.run, error = message, "a run that was ordered cannot be started");
        let order = ChildOrder {
            step: child.step,
            run: child.id.clone(),
            state: "failed".to_owned(),
            output: Value::Null,
            failure: Some(Failure::new(FailureKind::Invalid, message.clone()).with_code("FF-RUN-022")),
        };
        let job = self.order_for(parent, Order::ChildEnded(order)).await?;
        self.store
            .drop_ordered(&self.scope, child.id, Some(job.clone()))
            .await?;
        self.store
            .note_trouble(&self.scope, parent.run.clone(), message)
            .await?;
        self.dispatch_change(job);
        Ok(())
    }
}
