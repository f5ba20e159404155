//! When each cron trigger is due next.

use crate::cells::params;
use flowforge_core::Scope;

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
                "select workflow, trigger, fingerprint, next_due_ms from schedule \
                 where workspace = ?1 and project = ?2 order by next_due_ms limit 100000",
                [scope.workspace(), scope.project()],
                |row| {
                    Ok(Schedule {
                        workflow: row.get(0)?,
                        trigger: row.get(1)?,
                        fingerprint: row.get(2)?,
                        next_due_ms: unsigned(row.get(3)?),
                    })
                },
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
            for schedule in schedules {
                sql::run(
                    transaction,
                    "insert into schedule (workflow, trigger, fingerprint, next_due_ms, workspace, project) \
                     values (?1, ?2, ?3, ?4, ?5, ?6)",
                    params![
                        schedule.workflow,
                        schedule.trigger,
                        schedule.fingerprint,
                        signed(schedule.next_due_ms),
                        scope.workspace(),
                        scope.project()
                    ],
                )?;
            }
            Ok(())
        })
        .await
    }

    /// Moves a schedule on, after the run that was due at `from_ms` is stored. One that another server has moved on
    /// meanwhile stays where it is.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn advance_schedule(
        &self,
        scope: &Scope,
        schedule: Schedule,
        from_ms: u64,
    ) -> Result<(), StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            sql::run(
                transaction,
                "update schedule set next_due_ms = ?4 where workflow = ?1 and trigger = ?2 and fingerprint = ?3 \
                 and workspace = ?5 and project = ?6 and next_due_ms = ?7",
                params![
                    schedule.workflow,
                    schedule.trigger,
                    schedule.fingerprint,
                    signed(schedule.next_due_ms),
                    scope.workspace(),
                    scope.project(),
                    signed(from_ms)
                ],
            )?;
            Ok(())
        })
        .await
    }
}
