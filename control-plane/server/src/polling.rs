//! The polls of triggers: the newest release of each workflow says what is asked and how often, the store remembers where
//! each goes on.
//!
//! A poll is a run of its own with one step, which a host does like any other: with its grants and secrets, in the sandbox,
//! again after a crash. It is stored in the commit that notes it as the open one, so a trigger has one open poll at most; when
//! it is over, the runs of its events are stored in the commit that moves the cursor. Each of them is named by its event, so
//! that one that comes again starts nothing. A poll that failed leaves the cursor where it was, and the next one comes later.

use std::collections::HashMap;
use std::sync::Arc;

use flowforge_core::{Action, Object, ObjectKind};
use flowforge_protocol::record::Trigger;
use flowforge_protocol::{Digest, NodeId, RunId};
use flowforge_store::{ClientRequest, Poll, PollEnd, RunState, Started, StoreError, StoredRun};
use flowforge_workflow::model::{Poll as Asked, TriggerKind};
use serde_json::{Value, json};

use crate::app::App;
use crate::app::polls::fingerprint;
use crate::app::starts::{Begins, StartError, StartOptions, StartRequest, Written, new_run_id};
use crate::poll_answers::{self, Answer, Event, PollProblem};
use crate::release::ReadyRelease;
use crate::turns::{Ahead, RETRY_MS};

/// Longest time from a poll that failed to the next one, in milliseconds: an hour, or the trigger's own time if that is longer.
const MAX_BACK_OFF_MS: u64 = 60 * 60 * 1_000;

/// A polled trigger of a newest release.
struct Table {
    release: Arc<ReadyRelease>,
    step: NodeId,
    asked: Asked,
    fingerprint: String,
}

type Tables = HashMap<(String, String), Table>;

/// Polls until the server closes.
pub(crate) async fn run(app: Arc<App>) {
    let mut moved = app.events.subscribe();
    loop {
        let ahead = match turn(&app).await {
            Ok(ahead) => ahead,
            Err(error) => {
                tracing::error!(%error, "polled triggers could not be read or written; trying again");
                Ahead::after_failure(&app)
            }
        };
        if !ahead.wait(&app, &mut moved, &app.polls_changed).await {
            return;
        }
    }
}

/// Does everything that is to be done now; returns what to wait for.
async fn turn(app: &App) -> Result<Ahead, StoreError> {
    let mut ahead = Ahead::default();
    let tables = tables(app);
    if !app.duty.is_mine(&app.bus, &app.store, &app.scope).await? {
        return Ok(ahead);
    }
    reconcile(app, &tables).await?;
    let now_ms = app.clock.now_ms();
    for poll in app.store.polls(&app.scope).await? {
        if let Some(table) = tables.get(&(poll.workflow.clone(), poll.trigger.clone())) {
            let turn = Turn { app, table, now_ms };
            turn.one(poll, &mut ahead).await?;
        }
    }
    Ok(ahead)
}

fn tables(app: &App) -> Tables {
    let mut tables = Tables::new();
    for release in app.newest() {
        for trigger in &release.workflow.triggers {
            let (TriggerKind::Poll(asked), Some(step)) = (&trigger.kind, trigger.step()) else {
                continue;
            };
            let table = Table {
                fingerprint: fingerprint(&release.workflow, asked),
                release: Arc::clone(&release),
                asked: asked.as_ref().clone(),
                step,
            };
            tables.insert((release.stored.workflow.clone(), trigger.name.clone()), table);
        }
    }
    tables
}

/// Makes the stored triggers those of the published workflows. A workflow in the trash, and one whose newest release cannot be
/// used, keeps what is stored: it goes on there when it is back.
async fn reconcile(app: &App, tables: &Tables) -> Result<(), StoreError> {
    let published: Vec<String> = app
        .newest()
        .iter()
        .map(|release| release.stored.workflow.clone())
        .collect();
    let stored = app.store.polls(&app.scope).await?;
    for workflow in published {
        let here: Vec<&Poll> = stored.iter().filter(|poll| poll.workflow == workflow).collect();
        let wanted: Vec<(&String, &Table)> = tables
            .iter()
            .filter(|((of, _), _)| *of == workflow)
            .map(|((_, trigger), table)| (trigger, table))
            .collect();
        let same = |poll: &&&Poll| {
            wanted
                .iter()
                .any(|(trigger, table)| **trigger == poll.trigger && table.fingerprint == poll.fingerprint)
        };
        let kept = here.iter().filter(same).count();
        if kept == here.len() && kept == wanted.len() {
            continue;
        }
        let now_ms = app.clock.now_ms();
        let polls = wanted.into_iter().map(|(trigger, table)| Poll {
            workflow: workflow.clone(),
            trigger: trigger.clone(),
            fingerprint: table.fingerprint.clone(),
            place: None,
            due_ms: now_ms,
            polls: 0,
            open_run: None,
            past: Default::default(),
            paused_by: None,
        });
        app.store
            .set_polls(&app.scope, workflow.clone(), polls.collect())
            .await?;
    }
    Ok(())
}

/// One look at one trigger.
struct Turn<'a> {
    app: &'a App,
    table: &'a Table,
    now_ms: u64,
}

impl Turn<'_> {
    async fn one(&self, poll: Poll, ahead: &mut Ahead) -> Result<(), StoreError> {
        let Some(open) = &poll.open_run else {
            return self.begin(poll, ahead).await;
        };
        let run = self.app.store.run(&self.app.scope, open).await?;
        match run {
            Some(run) if !run.state.is_final() && run.state != RunState::Lost => {
                ahead.hold(open.clone());
                Ok(())
            }
            Some(run) => match poll_answers::read(&run, poll.place.as_deref()) {
                Ok(answer) => self.hand_over(poll, &run, answer, ahead).await,
                Err(problem) => self.fail(poll, problem, ahead).await,
            },
            None => {
                let problem = PollProblem::new(poll_answers::CODE_FAILED, "its run is gone");
                self.fail(poll, problem, ahead).await
            }
        }
    }

    /// The longest time from the end of a poll to the next one.
    fn longest_ms(&self) -> u64 {
        self.table.asked.every_ms.max(MAX_BACK_OFF_MS)
    }

    async fn begin(&self, poll: Poll, ahead: &mut Ahead) -> Result<(), StoreError> {
        if poll.paused_by.is_some() {
            return Ok(());
        }
        // A clock that was far ahead may have left it behind.
        let due_ms = poll.due_ms.min(self.now_ms.saturating_add(self.longest_ms()));
        if due_ms > self.now_ms {
            ahead.at(due_ms);
            return Ok(());
        }
        match self.begun(&poll).await {
            Ok(Some(run)) => ahead.hold(run),
            Ok(None) => ahead.at(self.now_ms),
            Err(StartError::Store(error)) => return Err(error),
            Err(StartError::Held(held)) => {
                let message = StartError::Held(held).to_string();
                let problem = PollProblem::new(poll_answers::CODE_HELD, message);
                return self.fail(poll, problem, ahead).await;
            }
            Err(error) => self.later(&poll, &error, ahead),
        }
        Ok(())
    }

    /// This server cannot do it now.
    fn later(&self, poll: &Poll, error: &StartError, ahead: &mut Ahead) {
        let (workflow, trigger) = (&poll.workflow, &poll.trigger);
        tracing::error!(workflow, trigger, %error, "a poll could not be begun or handed over; trying again");
        ahead.at(self.now_ms.saturating_add(RETRY_MS));
    }

    /// Stores the run of the next poll; none if another server has moved the trigger on.
    async fn begun(&self, poll: &Poll) -> Result<Option<RunId>, StartError> {
        let cursor: Value = match &poll.place {
            Some(place) => serde_json::from_str(place).unwrap_or_default(),
            None => Value::Null,
        };
        let id = new_run_id()?;
        let options = StartOptions {
            until: Some(self.table.step.clone()),
            ..StartOptions::default()
        };
        let trigger = Trigger::Poll {
            trigger: poll.trigger.clone(),
        };
        let request = self.request(
            id.clone(),
            json!({ "cursor": cursor }),
            trigger,
            options,
            Vec::new(),
        );
        self.app.may_start(&self.table.release).await?;
        let Written { run, begins } = self.app.write(request).await?;
        let allowed = self.allowed().await?;
        let stored = allowed.change().begin_poll(allowed.scope(), poll, run).await?;
        if !stored {
            return Ok(None);
        }
        self.app.has_begun(begins);
        Ok(Some(id))
    }

    async fn allowed(&self) -> Result<crate::app::Allowed, StartError> {
        let object = Object::new(ObjectKind::Workflow, &self.table.release.stored.workflow);
        let caller = self.app.of_plane("poll");
        Ok(self.app.allow(&caller, Action::StartRun, object).await?)
    }

    fn request(
        &self,
        id: RunId,
        input: Value,
        trigger: Trigger,
        options: StartOptions,
        requests: Vec<ClientRequest>,
    ) -> StartRequest {
        StartRequest {
            id,
            release: Arc::clone(&self.table.release),
            input,
            trigger,
            traceparent: None,
            lineage: None,
            options,
            requests,
            delivery: None,
        }
    }

    /// Stores a run for each event, and the place where the next poll goes on.
    async fn hand_over(
        &self,
        poll: Poll,
        found_by: &StoredRun,
        answer: Answer,
        ahead: &mut Ahead,
    ) -> Result<(), StoreError> {
        let written = match self.written(&poll, &found_by.head.id, answer.events).await {
            Ok(Ok(written)) => written,
            Ok(Err(problem)) => return self.fail(poll, problem, ahead).await,
            Err(StartError::Store(error)) => return Err(error),
            Err(error) => {
                self.later(&poll, &error, ahead);
                return Ok(());
            }
        };
        let due_ms = match answer.more {
            true => self.now_ms,
            false => self.now_ms.saturating_add(self.table.asked.every_ms),
        };
        let (runs, begins): (Vec<_>, Vec<_>) = written
            .into_iter()
            .map(|Written { run, begins }| (run, begins))
            .unzip();
        let end = PollEnd::Found { place: answer.place };
        let allowed = match self.allowed().await {
            Ok(allowed) => allowed,
            Err(error) => {
                self.later(&poll, &error, ahead);
                return Ok(());
            }
        };
        let store = allowed.change();
        let started = store
            .end_poll(allowed.scope(), &poll, end, (self.now_ms, due_ms), runs)
            .await?;
        ahead.at(started.as_ref().map_or(self.now_ms, |_| due_ms));
        let started = started.unwrap_or_default().into_iter().zip(begins);
        let new = started.filter(|(started, _)| *started == Started::New);
        new.for_each(|(_, begins): (Started, Begins)| self.app.has_begun(begins));
        Ok(())
    }

    /// The runs of these events; or why there cannot be one of each.
    async fn written(
        &self,
        poll: &Poll,
        found_by: &RunId,
        events: Vec<Event>,
    ) -> Result<Result<Vec<Written>, PollProblem>, StartError> {
        if events.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        match self.app.may_start(&self.table.release).await {
            Err(error @ StartError::Held(_)) => {
                return Ok(Err(PollProblem::new(poll_answers::CODE_HELD, error.to_string())));
            }
            other => other?,
        }
        let mut written = Vec::with_capacity(events.len());
        for event in events {
            let name = Digest::of(event.id.as_bytes());
            let (input, extra) = self.table.release.parted(Value::Object(event.fields));
            let trigger = Trigger::Event {
                trigger: poll.trigger.clone(),
                id: event.id.clone(),
                found_by: found_by.clone(),
            };
            let options = StartOptions {
                extra,
                ..StartOptions::default()
            };
            let request = ClientRequest {
                id: format!("poll:{}:{}:{}", poll.workflow, poll.trigger, name.hex()),
                body: name,
            };
            let request = self.request(new_run_id()?, input, trigger, options, vec![request]);
            match self.app.write(request).await {
                Ok(run) => written.push(run),
                Err(StartError::Input(faults)) => {
                    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
                    let message = format!(
                        "event `{}` does not fit the input: {}",
                        event.id,
                        faults.join("; ")
                    );
                    return Ok(Err(PollProblem::new(poll_answers::CODE_UNFIT, message)));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Ok(written))
    }

    /// A poll failed: the next one asks the same, the later the more of them failed.
    async fn fail(&self, poll: Poll, problem: PollProblem, ahead: &mut Ahead) -> Result<(), StoreError> {
        let due_ms = self.now_ms.saturating_add(self.back_off_ms(poll.past.failures));
        let (workflow, trigger) = (&poll.workflow, &poll.trigger);
        tracing::warn!(
            workflow,
            trigger,
            code = problem.code,
            problem = problem.message,
            "a poll failed"
        );
        let end = PollEnd::Failed {
            problem: (problem.code.to_owned(), problem.message),
        };
        let store = &self.app.store;
        let times = (self.now_ms, due_ms);
        store
            .end_poll(&self.app.scope, &poll, end, times, Vec::new())
            .await?;
        ahead.at(due_ms);
        Ok(())
    }

    /// The trigger's own time, doubled for each failure before this one.
    fn back_off_ms(&self, failures_before: u32) -> u64 {
        let doubled = 2_u64.saturating_pow(failures_before);
        self.table
            .asked
            .every_ms
            .saturating_mul(doubled)
            .min(self.longest_ms())
    }
}
