//! What is owed to runs because of other runs: children to be started, ends to be told, runs to be stopped with the run
//! that waits for them.
//!
//! Each is a row that was written in the commit that made it so; whoever does it strikes the row in the commit that makes
//! it done. So nothing is lost with a process, and nothing is done twice.

use crate::cells::params;
use flowforge_core::Scope;
use flowforge_protocol::{Digest, RunId, StepKey};

use crate::jobs::{self, NewJob};
use crate::signals::Target;
use crate::sql::{self, unsigned};
use crate::{Store, StoreError};

/// A run that another one has ordered and that is not stored yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderedChild {
    /// Its id, which its parent chose.
    pub id: RunId,
    /// The parent.
    pub parent: RunId,
    /// The parent's step.
    pub step: StepKey,
    /// Its release, as the parent's release pins it.
    pub release: Digest,
    /// Its grants.
    pub grants: Digest,
    /// Its input as JSON text; absent if its bytes are not here.
    pub input: Option<String>,
    /// The parent, if a host has it now: who is told when the run cannot be started.
    pub target: Option<Target>,
    /// The parent's trace context.
    pub traceparent: Option<String>,
}

/// The end of a run, owed to its parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwedEnd {
    /// The run.
    pub run: RunId,
    /// Its outcome as JSON text.
    pub outcome: String,
    /// The parent's step.
    pub step: StepKey,
    /// The parent, if it still waits for this run and a host has it.
    pub parent: Option<Target>,
}

impl Store {
    /// Runs that were ordered by others and are not stored yet, at most `limit`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn ordered_children(&self, scope: &Scope, limit: u32) -> Result<Vec<OrderedChild>, StoreError> {
        self.read(scope, move |connection, scope| {
            sql::all(
                connection,
                "select child.id, run.id, child.step, child.release, child.grants, child.input, run.traceparent, \
                 case when run.lost_at_ms is null and run.ended_at_ms is null then run.host end, run.epoch \
                 from ordered_child child join run on run.seq = child.parent \
                 where run.workspace = ?2 and run.project = ?3 order by child.id limit ?1",
                params![limit, scope.workspace(), scope.project()],
                |row| {
                    let (parent, traceparent): (RunId, Option<String>) =
                        (sql::parsed(row, 1, "run id")?, row.get(6)?);
                    let target = match row.get::<Option<String>>(7)? {
                        None => None,
                        Some(_) => Some(Target {
                            run: parent.clone(),
                            host: sql::parsed(row, 7, "host id")?,
                            epoch: unsigned(row.get(8)?),
                            traceparent: traceparent.clone(),
                        }),
                    };
                    Ok(OrderedChild {
                        id: sql::parsed(row, 0, "run id")?,
                        parent,
                        step: sql::parsed(row, 2, "step")?,
                        release: sql::parsed(row, 3, "release digest")?,
                        grants: sql::parsed(row, 4, "grants digest")?,
                        input: row.get(5)?,
                        target,
                        traceparent,
                    })
                },
            )
        })
        .await
    }

    /// A run that was ordered is not started: it was started before, or it cannot be, which this order tells its parent.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn drop_ordered(
        &self,
        scope: &Scope,
        child: RunId,
        order: Option<NewJob>,
    ) -> Result<(), StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            let dropped = sql::run(
                transaction,
                "delete from ordered_child where id = ?1 and exists (select 1 from run where run.seq = ordered_child.parent \
                 and run.workspace = ?2 and run.project = ?3)",
                [child.as_str(), scope.workspace(), scope.project()],
            )?;
            if dropped == 1 {
                jobs::insert(transaction, scope, order.as_slice())?;
            }
            Ok(())
        })
        .await
    }

    /// Ends that are owed to parents, oldest first, at most `limit`. A parent that is lost is told when it is not.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn owed_ends(&self, scope: &Scope, limit: u32) -> Result<Vec<OwedEnd>, StoreError> {
        self.read(scope, move |connection, scope| {
            sql::all(
                connection,
                "select run.id, run.outcome, run.parent_step, parent.id, parent.host, parent.epoch, parent.traceparent \
                 from run left join run parent on parent.id = run.parent and parent.ended_at_ms is null \
                 and parent.workspace = run.workspace and parent.project = run.project \
                 and exists (select 1 from wait where wait.run = parent.seq and wait.step = run.parent_step \
                 and wait.child = run.id) \
                 where run.parent_told = 0 and run.ended_at_ms is not null and run.workspace = ?2 and run.project = ?3 \
                 and (parent.id is null or (parent.host is not null and parent.lost_at_ms is null)) \
                 order by run.seq limit ?1",
                params![limit, scope.workspace(), scope.project()],
                |row| {
                    let parent = match row.get::<Option<String>>(3)? {
                        None => None,
                        Some(_) => Some(Target {
                            run: sql::parsed(row, 3, "run id")?,
                            host: sql::parsed(row, 4, "host id")?,
                            epoch: unsigned(row.get(5)?),
                            traceparent: row.get(6)?,
                        }),
                    };
                    Ok(OwedEnd {
                        run: sql::parsed(row, 0, "run id")?,
                        outcome: row.get::<Option<String>>(1)?.unwrap_or_default(),
                        step: sql::parsed(row, 2, "step")?,
                        parent,
                    })
                },
            )
        })
        .await
    }

    /// A run's end is not owed to its parent any more: it is in this order, or the parent does not wait. False if the
    /// parent changed hands since it was looked at: then the end is still owed.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn told_parent(
        &self,
        scope: &Scope,
        run: RunId,
        order: Option<NewJob>,
    ) -> Result<bool, StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            if let Some(job) = &order {
                let there = sql::first(
                    transaction,
                    "select host = ?2 from run where id = ?1 and ended_at_ms is null and workspace = ?3 and project = ?4",
                    [job.run.as_str(), job.host.as_str(), scope.workspace(), scope.project()],
                    |row| Ok(row.get::<Option<bool>>(0)?.unwrap_or(false)),
                )?;
                if there != Some(true) {
                    return Ok(false);
                }
                jobs::insert(transaction, scope, std::slice::from_ref(job))?;
            }
            sql::run(
                transaction,
                "update run set parent_told = 1 where id = ?1 and workspace = ?2 and project = ?3",
                [run.as_str(), scope.workspace(), scope.project()],
            )?;
            Ok(true)
        })
        .await
    }

    /// Runs that are to be stopped, each with the reason, at most `limit`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn runs_to_stop(&self, scope: &Scope, limit: u32) -> Result<Vec<(RunId, String)>, StoreError> {
        self.read(scope, move |connection, scope| {
            sql::all(
                connection,
                "select id, stop_wanted from run where stop_wanted is not null and ended_at_ms is null \
                 and workspace = ?2 and project = ?3 order by seq limit ?1",
                params![limit, scope.workspace(), scope.project()],
                |row| Ok((sql::parsed(row, 0, "run id")?, row.get(1)?)),
            )
        })
        .await
    }

    /// A run has been told to stop.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn stop_told(&self, scope: &Scope, run: RunId) -> Result<(), StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            sql::run(
                transaction,
                "update run set stop_wanted = null where id = ?1 and workspace = ?2 and project = ?3",
                [run.as_str(), scope.workspace(), scope.project()],
            )?;
            Ok(())
        })
        .await
    }
}
