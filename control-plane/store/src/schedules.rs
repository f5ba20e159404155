//! When each cron trigger is due next, what it started last, and which times wait until that is over.

use crate::cells::{Row, params};
use crate::connection::Connection;
use flowforge_core::Scope;
use flowforge_protocol::RunId;
use serde_json::json;

use crate::sql::{self, signed, unsigned};
use crate::{Store, StoreError};

/// One cron trigger of a published workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Workflow name.
    pub workflow: String,
    /// The trigger's name in it.
    pub trigger: String,
    /// What the due time was computed from; when the published trigger differs, it is computed anew.
    pub fingerprint: String,
    /// The next time it is due.
    pub next_due_ms: u64,
    /// What became of the times before.
    pub past: SchedulePast,
}

/// What became of the due times of a trigger that are over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchedulePast {
    /// The time for which a run was started last.
    pub last_due_ms: Option<u64>,
    /// That run.
    pub last_run: Option<RunId>,
    /// Times whose runs wait until that one is over, oldest first.
    pub waiting: Vec<u64>,
    /// How many times started nothing, by the policies of the trigger or because too many waited.
    pub skipped: u64,
}

const COLUMNS: &str = "select workflow, trigger, fingerprint, next_due_ms, last_due_ms, last_run, waiting, skipped \
     from schedule";

fn from_row(row: &Row<'_>) -> Result<Schedule, StoreError> {
    let last_run = row.get::<Option<String>>(5)?.map(|text| text.parse()).transpose();
    let waiting = serde_json::from_str(row.text(6)?);
    Ok(Schedule {
        workflow: row.get(0)?,
        trigger: row.get(1)?,
        fingerprint: row.get(2)?,
        next_due_ms: unsigned(row.get(3)?),
        past: SchedulePast {
            last_due_ms: row.get::<Option<i64>>(4)?.map(unsigned),
            last_run: last_run.map_err(|error| StoreError::unreadable("run id", error))?,
            waiting: waiting.map_err(|error| StoreError::unreadable("times that wait", error))?,
            skipped: unsigned(row.get(7)?),
        },
    })
}

impl Store {
    /// Every schedule, earliest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn schedules(&self, scope: &Scope) -> Result<Vec<Schedule>, StoreError> {
        self.read(scope, |connection, scope| {
            sql::all(
                connection,
                &format!(
                    "{COLUMNS} where workspace = ?1 and project = ?2 order by next_due_ms, workflow, trigger limit 100000"
                ),
                [scope.workspace(), scope.project()],
                from_row,
            )
        })
        .await
    }

    /// Makes these the schedules of a workflow, in the place of those it had.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn set_schedules(
        &self,
        scope: &Scope,
        workflow: String,
        schedules: Vec<Schedule>,
    ) -> Result<(), StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            sql::run(
                transaction,
                "delete from schedule where workflow = ?1 and workspace = ?2 and project = ?3",
                [workflow.as_str(), scope.workspace(), scope.project()],
            )?;
            for schedule in &schedules {
                insert(transaction, scope, schedule)?;
            }
            Ok(())
        })
        .await
    }

    /// Puts a schedule in the place of what was read of it: after a run is stored, or a time is skipped or waits. False if
    /// another server has moved it on meanwhile; then it stays as that one left it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn move_schedule(
        &self,
        scope: &Scope,
        from: Schedule,
        to: Schedule,
    ) -> Result<bool, StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            let moved = sql::run(
                transaction,
                "update schedule set next_due_ms = ?4, last_due_ms = ?5, last_run = ?6, waiting = ?7, skipped = ?8 \
                 where workflow = ?1 and trigger = ?2 and fingerprint = ?3 and workspace = ?9 and project = ?10 \
                 and next_due_ms = ?11 and waiting = ?12 and coalesce(last_run, '') = ?13",
                params![
                    to.workflow,
                    to.trigger,
                    to.fingerprint,
                    signed(to.next_due_ms),
                    to.past.last_due_ms.map(signed),
                    to.past.last_run.as_ref().map(RunId::as_str),
                    json!(to.past.waiting).to_string(),
                    signed(to.past.skipped),
                    scope.workspace(),
                    scope.project(),
                    signed(from.next_due_ms),
                    json!(from.past.waiting).to_string(),
                    from.past.last_run.as_ref().map_or("", RunId::as_str)
                ],
            )?;
            Ok(moved == 1)
        })
        .await
    }
}

fn insert(connection: &Connection, scope: &Scope, schedule: &Schedule) -> Result<(), StoreError> {
    let past = &schedule.past;
    sql::run(
        connection,
        "insert into schedule (workflow, trigger, fingerprint, next_due_ms, last_due_ms, last_run, waiting, skipped, \
         workspace, project) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            schedule.workflow,
            schedule.trigger,
            schedule.fingerprint,
            signed(schedule.next_due_ms),
            past.last_due_ms.map(signed),
            past.last_run.as_ref().map(RunId::as_str),
            json!(past.waiting).to_string(),
            signed(past.skipped),
            scope.workspace(),
            scope.project()
        ],
    )?;
    Ok(())
}
