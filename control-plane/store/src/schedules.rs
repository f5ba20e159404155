//! When each cron trigger is due next.

use sqlx::Row as _;

use crate::jobs::{signed, unsigned};
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
    pub async fn schedules(&self) -> Result<Vec<Schedule>, StoreError> {
        let rows = sqlx::query(
            "select workflow, trigger, fingerprint, next_due_ms from schedule order by next_due_ms limit 100000",
        )
        .fetch_all(&self.readers)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Schedule {
                    workflow: row.try_get(0)?,
                    trigger: row.try_get(1)?,
                    fingerprint: row.try_get(2)?,
                    next_due_ms: unsigned(row.try_get(3)?),
                })
            })
            .collect()
    }

    /// Makes these the schedules of a workflow, in the place of those it had.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn set_schedules(&self, workflow: String, schedules: Vec<Schedule>) -> Result<(), StoreError> {
        self.alone(None, move |transaction| {
            Box::pin(async move {
                sqlx::query("delete from schedule where workflow = ?1")
                    .bind(&workflow)
                    .execute(&mut *transaction)
                    .await?;
                for schedule in schedules {
                    sqlx::query(
                        "insert into schedule (workflow, trigger, fingerprint, next_due_ms) values (?1, ?2, ?3, ?4)",
                    )
                    .bind(&schedule.workflow)
                    .bind(&schedule.trigger)
                    .bind(&schedule.fingerprint)
                    .bind(signed(schedule.next_due_ms))
                    .execute(&mut *transaction)
                    .await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Moves a schedule on, after the run that was due is stored.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn advance_schedule(&self, schedule: Schedule) -> Result<(), StoreError> {
        self.alone(None, move |transaction| {
            Box::pin(async move {
                sqlx::query(
                    "update schedule set next_due_ms = ?4 where workflow = ?1 and trigger = ?2 and fingerprint = ?3",
                )
                .bind(&schedule.workflow)
                .bind(&schedule.trigger)
                .bind(&schedule.fingerprint)
                .bind(signed(schedule.next_due_ms))
                .execute(&mut *transaction)
                .await?;
                Ok(())
            })
        })
        .await
    }
}
