//! Schedules: the newest release of each workflow says when, the store remembers what is due next.
//!
//! A time that passed while the server was down is made up for once: of all missed times of one trigger the last one
//! starts a run, the others are skipped. The run's request name is made of workflow, trigger and due time, so that a
//! crash between the run's commit and the schedule's starts nothing twice. A due time that a clock far ahead has left
//! behind is brought back to the next one after now. A workflow whose newest release cannot be used keeps what is stored.
//! Of several servers one has the duty; a due time that two of them see starts one run all the same.

use std::collections::HashMap;
use std::sync::Arc;

use flowforge_core::Action;
use flowforge_protocol::Digest;
use flowforge_protocol::record::Trigger;
use flowforge_store::{ClientRequest, Schedule, StoreError};
use flowforge_workflow::model::TriggerKind;
use flowforge_workflow::schedule::next_after;
use serde_json::{Map, Value};

use crate::app::App;
use crate::app::starts::{StartOptions, StartRequest, new_run_id, request_body};
use crate::fleet::duties::LOOK;
use crate::release::ReadyRelease;

/// Missed times that are looked at, at most, to find the last of them.
const MAX_MISSED: usize = 10_000;
/// The wait after a failure, in milliseconds.
const RETRY_MS: u64 = 5_000;

struct Table {
    release: Arc<ReadyRelease>,
    cron: String,
    time_zone: String,
    input: Map<String, Value>,
    fingerprint: String,
}

type Tables = HashMap<(String, String), Table>;

/// Starts what is due until the server closes.
pub(crate) async fn run(app: Arc<App>) {
    loop {
        let wait_until = match turn(&app).await {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(%error, "schedules could not be read or written; trying again");
                Some(app.clock.now_ms().saturating_add(RETRY_MS))
            }
        };
        let due = async {
            match wait_until {
                Some(at) => app.clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        // Another server may go away whose duty they were.
        let look = async {
            match app.bus.is_shared() {
                true => tokio::time::sleep(LOOK).await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => {}
            () = look => {}
            () = app.schedules_changed.notified() => {}
            () = app.closing.cancelled() => return,
        }
    }
}

/// Starts everything that is due now; returns when something is due next.
async fn turn(app: &App) -> Result<Option<u64>, StoreError> {
    if !app.duty.is_mine(&app.bus, &app.store, &app.scope).await? {
        return Ok(None);
    }
    let tables = tables(app);
    reconcile(app, &tables).await?;
    let now_ms = app.clock.now_ms();
    let mut next: Option<u64> = None;
    for mut schedule in app.store.schedules(&app.scope).await? {
        let Some(table) = tables.get(&(schedule.workflow.clone(), schedule.trigger.clone())) else {
            continue;
        };
        if let Some(following) = self::next(table, now_ms).filter(|at| *at < schedule.next_due_ms) {
            tracing::warn!(
                workflow = schedule.workflow,
                trigger = schedule.trigger,
                "the clock was ahead: a schedule is due earlier than was stored"
            );
            let from_ms = std::mem::replace(&mut schedule.next_due_ms, following);
            app.store
                .advance_schedule(&app.scope, schedule.clone(), from_ms)
                .await?;
        }
        if schedule.next_due_ms <= now_ms {
            let (due_ms, after) = last_missed(table, schedule.next_due_ms, now_ms);
            if !start(app, table, &schedule, due_ms).await {
                next = Some(next.unwrap_or(u64::MAX).min(now_ms.saturating_add(RETRY_MS)));
                continue;
            }
            let from_ms = std::mem::replace(&mut schedule.next_due_ms, after.unwrap_or(MAX_DUE_MS));
            app.store
                .advance_schedule(&app.scope, schedule.clone(), from_ms)
                .await?;
        }
        next = Some(next.unwrap_or(u64::MAX).min(schedule.next_due_ms));
    }
    Ok(next)
}

/// Stands for "never again".
const MAX_DUE_MS: u64 = 1 << 53;

fn tables(app: &App) -> Tables {
    let mut tables = Tables::new();
    for release in app.newest() {
        for trigger in &release.workflow.triggers {
            let TriggerKind::Schedule {
                cron,
                time_zone,
                input,
            } = &trigger.kind
            else {
                continue;
            };
            let table = Table {
                release: Arc::clone(&release),
                cron: cron.clone(),
                time_zone: time_zone.clone(),
                input: input.clone(),
                fingerprint: Digest::of(format!("{cron}\n{time_zone}").as_bytes()).hex(),
            };
            tables.insert((release.stored.workflow.clone(), trigger.name.clone()), table);
        }
    }
    tables
}

/// Makes the stored schedules those of the published workflows; an unchanged time table keeps its due time.
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
        let known = stored
            .iter()
            .filter(same)
            .find(|s| &s.workflow == workflow && &s.trigger == trigger);
        let next_due_ms = match known {
            Some(schedule) => schedule.next_due_ms,
            None => next(table, now_ms).unwrap_or(MAX_DUE_MS),
        };
        by_workflow.entry(workflow.clone()).or_default().push(Schedule {
            workflow: workflow.clone(),
            trigger: trigger.clone(),
            fingerprint: table.fingerprint.clone(),
            next_due_ms,
        });
    }
    for (workflow, schedules) in by_workflow {
        app.store.set_schedules(&app.scope, workflow, schedules).await?;
    }
    Ok(())
}

fn next(table: &Table, after_ms: u64) -> Option<u64> {
    // The lint checked the time table before it was signed.
    next_after(&table.cron, &table.time_zone, after_ms).ok().flatten()
}

/// The last due time that is not in the future, and the first that is.
fn last_missed(table: &Table, first_ms: u64, now_ms: u64) -> (u64, Option<u64>) {
    let mut due_ms = first_ms;
    for _ in 0..MAX_MISSED {
        match next(table, due_ms) {
            Some(following) if following <= now_ms => due_ms = following,
            following => return (due_ms, following),
        }
    }
    (due_ms, next(table, now_ms))
}

/// True if the run is stored, or never can be.
async fn start(app: &App, table: &Table, schedule: &Schedule, due_ms: u64) -> bool {
    let (workflow, trigger) = (&schedule.workflow, &schedule.trigger);
    let input = Value::Object(table.input.clone());
    let Ok(id) = new_run_id() else { return false };
    let request = StartRequest {
        id,
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
    };
    let caller = app.of_plane("schedule");
    match app.start(&caller, Action::StartRun, request).await {
        Ok(_) => true,
        Err(crate::app::starts::StartError::Input(faults)) => {
            tracing::error!(
                workflow,
                trigger,
                ?faults,
                "a scheduled run was not started: its input does not fit"
            );
            true
        }
        Err(error @ crate::app::starts::StartError::Held(_)) => {
            tracing::error!(workflow, trigger, %error, "a scheduled run was not started");
            true
        }
        Err(error) => {
            tracing::error!(workflow, trigger, %error, "a scheduled run was not started; trying again");
            false
        }
    }
}
