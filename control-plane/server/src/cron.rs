//! Schedules: the newest release of each workflow says when, the store remembers what is due next and what waits.
//!
//! What becomes of times that were missed, and of a time at which the run before is still open, says the trigger; it is
//! decided here and nowhere else. Every time that is to start a run waits first and is taken from there in order, so that
//! what waits survives a restart. The run's request name is made of workflow, trigger and due time: a crash between the run's
//! commit and the schedule's starts nothing twice, and of two servers that see a time both start one run. A due time that a
//! clock far ahead has left behind is brought back to the next one after now. A workflow whose newest release cannot be used
//! keeps what is stored.

use std::collections::HashMap;
use std::sync::Arc;

use flowforge_core::Action;
use flowforge_protocol::RunId;
use flowforge_protocol::record::Trigger;
use flowforge_store::{ClientRequest, RunState, Schedule, SchedulePast, Started, StoreError};
use flowforge_workflow::model::{Overlap, Timetable, TriggerKind};
use serde_json::Value;

use crate::app::App;
use crate::app::starts::{StartError, StartOptions, StartRequest, new_run_id, request_body};
use crate::release::ReadyRelease;
use crate::timetables::{MAX_DUE_MS, MAX_WAITING, due, fingerprint, next};
use crate::turns::{Ahead, RETRY_MS};

struct Table {
    release: Arc<ReadyRelease>,
    times: Timetable,
    fingerprint: String,
}

type Tables = HashMap<(String, String), Table>;

/// Starts what is due until the server closes.
pub(crate) async fn run(app: Arc<App>) {
    let mut moved = app.events.subscribe();
    loop {
        let ahead = match turn(&app).await {
            Ok(ahead) => ahead,
            Err(error) => {
                tracing::error!(%error, "schedules could not be read or written; trying again");
                Ahead::after_failure(&app)
            }
        };
        if !ahead.wait(&app, &mut moved, &app.schedules_changed).await {
            return;
        }
    }
}

/// Starts everything that is due now; returns what to wait for.
async fn turn(app: &App) -> Result<Ahead, StoreError> {
    let mut ahead = Ahead::default();
    if !app.duty.is_mine(&app.bus, &app.store, &app.scope).await? {
        return Ok(ahead);
    }
    let tables = tables(app);
    reconcile(app, &tables).await?;
    let now_ms = app.clock.now_ms();
    for schedule in app.store.schedules(&app.scope).await? {
        if let Some(table) = tables.get(&(schedule.workflow.clone(), schedule.trigger.clone())) {
            one(app, table, schedule, now_ms, &mut ahead).await?;
        }
    }
    Ok(ahead)
}

/// Does what is due of one schedule. It is written down after each run, and stays for the next turn where another server has
/// moved it on.
async fn one(
    app: &App,
    table: &Table,
    stored: Schedule,
    now_ms: u64,
    ahead: &mut Ahead,
) -> Result<(), StoreError> {
    let mut now = stored.clone();
    if let Some(following) = next(&table.times, now_ms).filter(|at| *at < now.next_due_ms) {
        tracing::warn!(
            workflow = now.workflow,
            trigger = now.trigger,
            "the clock was ahead: a schedule is due earlier than was stored"
        );
        now.next_due_ms = following;
    }
    let come = due(&table.times, now.next_due_ms, now_ms);
    now.next_due_ms = come.next_due_ms;
    now.past.skipped += come.skipped;
    now.past.waiting.extend(come.fire);
    let beyond = now.past.waiting.len().saturating_sub(MAX_WAITING);
    skip(&mut now.past, 0..beyond);
    let mut written = stored;
    while let Some(&due_ms) = now.past.waiting.first() {
        if let Some(open) = open_before(app, table, &now).await? {
            hold(app, table, &mut now, &open).await;
            if !now.past.waiting.is_empty() {
                ahead.hold(open.id);
            }
            break;
        }
        match start(app, table, &now, due_ms).await {
            Began::Run(run) => {
                now.past.last_run = Some(run);
                now.past.last_due_ms = Some(due_ms);
            }
            Began::Never => now.past.skipped += 1,
            Began::TryAgain => {
                ahead.at(now_ms.saturating_add(RETRY_MS));
                break;
            }
        }
        now.past.waiting.remove(0);
        if !app.store.move_schedule(&app.scope, written, now.clone()).await? {
            ahead.at(now_ms);
            return Ok(());
        }
        written = now.clone();
    }
    if written != now {
        app.store.move_schedule(&app.scope, written, now.clone()).await?;
    }
    ahead.at(now.next_due_ms);
    Ok(())
}

/// These of the times that wait start nothing.
fn skip(past: &mut SchedulePast, which: std::ops::Range<usize>) {
    past.skipped += which.len() as u64;
    past.waiting.drain(which);
}

/// The run that the trigger started last, if the trigger asks about it and it is not over.
struct OpenRun {
    id: RunId,
    /// Somebody wants it to stop already.
    stops: bool,
}

async fn open_before(app: &App, table: &Table, schedule: &Schedule) -> Result<Option<OpenRun>, StoreError> {
    let Some(id) = schedule
        .past
        .last_run
        .as_ref()
        .filter(|_| table.times.overlap.is_some())
    else {
        return Ok(None);
    };
    // A run that is gone is over, and one that was lost with its host goes on nowhere.
    let run = app.store.run(&app.scope, id).await?;
    let open = run.filter(|run| !run.state.is_final() && run.state != RunState::Lost);
    Ok(open.map(|run| OpenRun {
        id: run.head.id.clone(),
        stops: run.head.cancel_reason.is_some(),
    }))
}

/// What becomes of the times that wait while the run before is open.
async fn hold(app: &App, table: &Table, schedule: &mut Schedule, open: &OpenRun) {
    let waiting = schedule.past.waiting.len();
    match table.times.overlap {
        Some(Overlap::Queue) | None => {}
        Some(Overlap::Skip) => skip(&mut schedule.past, 0..waiting),
        Some(Overlap::Cancel) => {
            skip(&mut schedule.past, 0..waiting.saturating_sub(1));
            if !open.stops {
                let reason = format!(
                    "the next time of schedule `{}` has come, and its policy is to stop the run before",
                    schedule.trigger
                );
                let caller = app.of_plane("schedule");
                if let Err(error) = app.cancel(&caller, open.id.as_str(), reason, 0).await {
                    tracing::error!(%error, run = %open.id, "a run could not be stopped for the next of its schedule; trying again");
                }
            }
        }
    }
}

fn tables(app: &App) -> Tables {
    let mut tables = Tables::new();
    for release in app.newest() {
        for trigger in &release.workflow.triggers {
            let TriggerKind::Schedule(times) = &trigger.kind else {
                continue;
            };
            let table = Table {
                release: Arc::clone(&release),
                times: times.clone(),
                fingerprint: fingerprint(times),
            };
            tables.insert((release.stored.workflow.clone(), trigger.name.clone()), table);
        }
    }
    tables
}

/// Makes the stored schedules those of the published workflows. An unchanged time table keeps its due time and what waits;
/// under a changed one the run that was started last is still the one before.
async fn reconcile(app: &App, tables: &Tables) -> Result<(), StoreError> {
    let mut stored = app.store.schedules(&app.scope).await?;
    stored.retain(|schedule| app.unusable(&schedule.workflow).is_none());
    let same = |s: &&Schedule| {
        let table = tables.get(&(s.workflow.clone(), s.trigger.clone()));
        table.is_some_and(|table| table.fingerprint == s.fingerprint)
    };
    let kept = stored.iter().filter(same).count();
    if kept == stored.len() && kept == tables.len() {
        return Ok(());
    }
    let now_ms = app.clock.now_ms();
    let mut by_workflow: HashMap<String, Vec<Schedule>> = HashMap::new();
    for schedule in &stored {
        by_workflow.entry(schedule.workflow.clone()).or_default();
    }
    for ((workflow, trigger), table) in tables {
        let before = stored
            .iter()
            .find(|s| &s.workflow == workflow && &s.trigger == trigger);
        let schedule = match before.filter(same) {
            Some(known) => known.clone(),
            None => Schedule {
                workflow: workflow.clone(),
                trigger: trigger.clone(),
                fingerprint: table.fingerprint.clone(),
                next_due_ms: next(&table.times, now_ms).unwrap_or(MAX_DUE_MS),
                past: before.map(|before| moved_over(&before.past)).unwrap_or_default(),
            },
        };
        by_workflow.entry(workflow.clone()).or_default().push(schedule);
    }
    for (workflow, schedules) in by_workflow {
        app.store.set_schedules(&app.scope, workflow, schedules).await?;
    }
    Ok(())
}

/// What a new time table takes over from the one before: not the times that waited, which are not its own.
fn moved_over(before: &SchedulePast) -> SchedulePast {
    let mut past = before.clone();
    let waiting = past.waiting.len();
    skip(&mut past, 0..waiting);
    past
}

/// What became of starting the run of a time.
enum Began {
    /// It is stored, now or before.
    Run(RunId),
    /// There can never be one.
    Never,
    /// It is to be tried again.
    TryAgain,
}

async fn start(app: &App, table: &Table, schedule: &Schedule, due_ms: u64) -> Began {
    let (workflow, trigger) = (&schedule.workflow, &schedule.trigger);
    let input = Value::Object(table.times.input.clone());
    let Ok(id) = new_run_id() else {
        return Began::TryAgain;
    };
    let request = StartRequest {
        id: id.clone(),
        release: Arc::clone(&table.release),
        trigger: Trigger::Schedule { due_ms },
        traceparent: None,
        lineage: None,
        options: StartOptions::default(),
        requests: vec![ClientRequest {
            id: format!("schedule:{workflow}:{trigger}:{due_ms}"),
            body: request_body(workflow, None, &input),
        }],
        input,
        delivery: None,
    };
    let caller = app.of_plane("schedule");
    match app.start(&caller, Action::StartRun, request).await {
        Ok(Started::New) => Began::Run(id),
        Ok(Started::Duplicate { run } | Started::Conflict { run }) => Began::Run(run),
        Err(StartError::Input(faults)) => {
            tracing::error!(
                workflow,
                trigger,
                ?faults,
                "a scheduled run was not started: its input does not fit"
            );
            Began::Never
        }
        Err(error @ StartError::Held(_)) => {
            tracing::error!(workflow, trigger, %error, "a scheduled run was not started");
            Began::Never
        }
        Err(error) => {
            tracing::error!(workflow, trigger, %error, "a scheduled run was not started; trying again");
            Began::TryAgain
        }
    }
}
