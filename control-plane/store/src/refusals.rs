//! Orders that a host will not act on, and runs that end here because no host has them.
//!
//! A refused start ends its run if nothing of it is stored. A refused decision or cancellation is kept: it may take effect
//! later, here or at another host. A host that does not know a run loses it: the run is *lost* until a record of it comes,
//! it is resumed, or somebody ends it.

use crate::cells::params;
use crate::connection::Connection;
use flowforge_core::Scope;
use flowforge_protocol::{HostId, JobId, RunId};
use serde_json::json;

use crate::jobs::{self, JobKind, NewJob};
use crate::sql::{self, signed};
use crate::{Store, StoreError};
use crate::{approvals, changes, follow_ups};

/// What a host says about an order that it will not act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The host.
    pub host: HostId,
    /// The order.
    pub job: JobId,
    /// True if the host says that it does not have the order's run.
    pub unknown_run: bool,
    /// True if the host had the run and dropped it, because it cannot be read any more: then the reason stands in the
    /// outcome of a run that ends with this.
    pub given_up: bool,
    /// True if the host says that the answers in a decision do not count: the question is open again.
    pub reopens: bool,
    /// The reason, for people.
    pub reason: String,
    /// The outcome that a refused start gives its run, as JSON text.
    pub outcome: String,
    /// When.
    pub at_ms: u64,
}

/// What became of a refused order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// There is no such order for this host: nothing changed.
    Unknown,
    /// Its run is over with this.
    Ended {
        /// The run.
        run: RunId,
        /// Its outcome as JSON text.
        outcome: String,
        /// True if no host had confirmed the run.
        was_queued: bool,
    },
    /// The order is kept.
    Kept {
        /// The run.
        run: RunId,
    },
    /// The order was of no use any more and is gone.
    Dropped {
        /// The run.
        run: RunId,
    },
}

/// A run that ended here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedHere {
    /// True if no host had confirmed the run.
    pub was_queued: bool,
}

impl Store {
    /// Notes that a host will not act on an order; see [`Refused`].
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn refuse_job(&self, scope: &Scope, refusal: Refusal) -> Result<Refused, StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            refuse(transaction, scope, &refusal)
        })
        .await
    }

    /// Ends a run that no host has, as cancelled. `None` if a host has it or it is over: then an order is needed.
    ///
    /// A lost run gets the next epoch: should its records come back, they are of another time.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn cancel_here(
        &self,
        scope: &Scope,
        run: RunId,
        reason: String,
        at_ms: u64,
    ) -> Result<Option<EndedHere>, StoreError> {
        self.change(scope, None, Option::is_some, move |transaction, scope| {
            let outcome = cancelled(&reason);
            sql::run(
                transaction,
                "update run set cancel_reason = ?2 where id = ?1 and ended_at_ms is null \
                 and (host is null or lost_at_ms is not null) and workspace = ?3 and project = ?4",
                [run.as_str(), &reason, scope.workspace(), scope.project()],
            )?;
            end(
                transaction,
                scope,
                &run,
                Whose::Nobody,
                "cancelled",
                &outcome,
                at_ms,
            )
        })
        .await
    }

    /// Ends a run that has no host, as failed: it cannot be ordered. `outcome` is JSON text. `None` if a host has it or it
    /// is over.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn fail_unassigned(
        &self,
        scope: &Scope,
        run: RunId,
        outcome: String,
        at_ms: u64,
    ) -> Result<Option<EndedHere>, StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            end(
                transaction,
                scope,
                &run,
                Whose::Unassigned,
                "failed",
                &outcome,
                at_ms,
            )
        })
        .await
    }

    /// Ends a run whose start cannot be written anew, as failed, if nothing of it is stored. `None` otherwise: only the job
    /// is forgotten then.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn fail_order(
        &self,
        scope: &Scope,
        job: JobId,
        outcome: String,
        at_ms: u64,
    ) -> Result<Option<(RunId, EndedHere)>, StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            let Some((run, kind)) = take(transaction, scope, &job)? else {
                return Ok(None);
            };
            if kind != JobKind::Start {
                return Ok(None);
            }
            let ended = end(
                transaction,
                scope,
                &run,
                Whose::NotBegun,
                "failed",
                &outcome,
                at_ms,
            )?;
            Ok(ended.map(|ended| (run, ended)))
        })
        .await
    }

    /// Stores the order to stop a run that a host has, in the place of an earlier one. Returns the orders that it replaces;
    /// `None` if the run is over or another host has it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn order_cancel(
        &self,
        scope: &Scope,
        reason: String,
        job: NewJob,
    ) -> Result<Option<Vec<JobId>>, StoreError> {
        self.change(scope, None, Option::is_some, move |transaction, scope| {
            let open = sql::run(
                transaction,
                "update run set cancel_reason = ?2 where id = ?1 and host = ?3 and ended_at_ms is null \
                 and workspace = ?4 and project = ?5",
                [
                    job.run.as_str(),
                    &reason,
                    job.host.as_str(),
                    scope.workspace(),
                    scope.project(),
                ],
            )?;
            if open == 0 {
                return Ok(None);
            }
            let replaced = sql::all(
                transaction,
                "delete from job where run = ?1 and kind = 'cancel' returning id",
                [job.run.as_str()],
                |row| sql::parsed(row, 0, "job id"),
            )?;
            jobs::insert(transaction, scope, std::slice::from_ref(&job))?;
            Ok(Some(replaced))
        })
        .await
    }

    /// Notes for people why an order for a run does not take effect.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn note_trouble(&self, scope: &Scope, run: RunId, trouble: String) -> Result<(), StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            sql::run(
                transaction,
                "update run set trouble = ?2 where id = ?1 and ended_at_ms is null and workspace = ?3 and project = ?4",
                [run.as_str(), &trouble, scope.workspace(), scope.project()],
            )?;
            Ok(())
        })
        .await
    }

    /// Notes that a host does not have these runs. Those that are its own and not over are lost from now on; their ids
    /// come back.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn lose(
        &self,
        scope: &Scope,
        host: HostId,
        runs: Vec<RunId>,
        at_ms: u64,
    ) -> Result<Vec<RunId>, StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            sql::all(
                transaction,
                "update run set lost_at_ms = ?3 where host = ?1 and ended_at_ms is null and lost_at_ms is null \
                 and id in (select value from json_each(?2)) and workspace = ?4 and project = ?5 returning id",
                params![
                    host.as_str(),
                    json!(runs).to_string(),
                    signed(at_ms),
                    scope.workspace(),
                    scope.project()
                ],
                |row| sql::parsed(row, 0, "run id"),
            )
        })
        .await
    }
}

/// Whose a run must be to be ended here.
#[derive(Clone, Copy)]
enum Whose {
    Unassigned,
    /// Nobody's: unassigned or lost.
    Nobody,
    /// A host may have been told of it, but no record is stored.
    NotBegun,
}

fn cancelled(reason: &str) -> String {
    json!({"state": "cancelled", "reason": reason}).to_string()
}

fn take(connection: &Connection, scope: &Scope, job: &JobId) -> Result<Option<(RunId, JobKind)>, StoreError> {
    let taken = sql::all(
        connection,
        "delete from job where id = ?1 and workspace = ?2 and project = ?3 returning run, kind",
        [job.as_str(), scope.workspace(), scope.project()],
        |row| {
            Ok((
                sql::parsed(row, 0, "run id")?,
                JobKind::from_column(&row.get::<String>(1)?)?,
            ))
        },
    )?;
    Ok(taken.into_iter().next())
}

/// The order that is refused: its run, its kind, and what it is about.
fn known(
    connection: &Connection,
    scope: &Scope,
    refusal: &Refusal,
) -> Result<Option<(RunId, JobKind, Option<String>)>, StoreError> {
    sql::first(
        connection,
        "select run, kind, subject from job where id = ?1 and host = ?2 and workspace = ?3 and project = ?4",
        [
            refusal.job.as_str(),
            refusal.host.as_str(),
            scope.workspace(),
            scope.project(),
        ],
        |row| {
            let kind = JobKind::from_column(&row.get::<String>(1)?)?;
            let run = sql::parsed::<RunId>(row, 0, "run id")?;
            Ok((run, kind, row.get::<Option<String>>(2)?))
        },
    )
}

fn refuse(connection: &Connection, scope: &Scope, refusal: &Refusal) -> Result<Refused, StoreError> {
    let known = known(connection, scope, refusal)?;
    let Some((run, kind, subject)) = known else {
        return Ok(Refused::Unknown);
    };
    if kind == JobKind::Start {
        take(connection, scope, &refusal.job)?;
        let outcome = &refusal.outcome;
        let ended = end(
            connection,
            scope,
            &run,
            Whose::NotBegun,
            "failed",
            outcome,
            refusal.at_ms,
        )?;
        return Ok(match ended {
            Some(EndedHere { was_queued }) => Refused::Ended {
                run,
                outcome: outcome.clone(),
                was_queued,
            },
            None => Refused::Dropped { run },
        });
    }
    sql::run(
        connection,
        "update run set trouble = ?2, lost_at_ms = case when ?3 = 1 then coalesce(lost_at_ms, ?4) else lost_at_ms end \
         where id = ?1 and ended_at_ms is null",
        params![
            run.as_str(),
            refusal.reason,
            refusal.unknown_run || kind == JobKind::Resume,
            signed(refusal.at_ms)
        ],
    )?;
    match kind {
        JobKind::Decide if refusal.reopens => {
            take(connection, scope, &refusal.job)?;
            approvals::reopen(connection, &subject.unwrap_or_default())?;
            Ok(Refused::Dropped { run })
        }
        JobKind::Resume => {
            take(connection, scope, &refusal.job)?;
            Ok(Refused::Dropped { run })
        }
        // Nobody has the run, and somebody asked for its end.
        JobKind::Cancel if refusal.unknown_run => {
            let reason = sql::first(
                connection,
                "select coalesce(cancel_reason, '') from run where id = ?1",
                [run.as_str()],
                |row| row.get::<String>(0),
            )?;
            let mut reason = reason.unwrap_or_default();
            if refusal.given_up {
                reason = format!("{reason}; {}", refusal.reason);
            }
            let outcome = cancelled(&reason);
            let ended = end(
                connection,
                scope,
                &run,
                Whose::Nobody,
                "cancelled",
                &outcome,
                refusal.at_ms,
            )?;
            Ok(match ended {
                Some(EndedHere { was_queued }) => Refused::Ended {
                    run,
                    outcome,
                    was_queued,
                },
                None => Refused::Dropped { run },
            })
        }
        _ => Ok(Refused::Kept { run }),
    }
}

/// Ends a run without a record: its questions are withdrawn and its orders forgotten.
fn end(
    connection: &Connection,
    scope: &Scope,
    run: &RunId,
    whose: Whose,
    state: &str,
    outcome: &str,
    at_ms: u64,
) -> Result<Option<EndedHere>, StoreError> {
    let whose = match whose {
        Whose::Unassigned => "host is null",
        Whose::Nobody => "(host is null or lost_at_ms is not null)",
        Whose::NotBegun => "next_seq = 0",
    };
    let found = sql::first(
        connection,
        &format!(
            "select seq, state = 'queued' from run where id = ?1 and ended_at_ms is null and {whose} \
             and workspace = ?2 and project = ?3"
        ),
        [run.as_str(), scope.workspace(), scope.project()],
        |row| Ok((row.get::<i64>(0)?, row.get::<bool>(1)?)),
    )?;
    let Some((row, was_queued)) = found else {
        return Ok(None);
    };
    sql::run(
        connection,
        "update run set state = ?2, ended_at_ms = ?3, closed_at_ms = ?3, outcome = ?4, \
         epoch = epoch + case when host is not null and lost_at_ms is not null then 1 else 0 end, lost_at_ms = null, trouble = null where seq = ?1",
        params![row, state, signed(at_ms), outcome],
    )?;
    sql::run(
        connection,
        "update approval set state = 'withdrawn', decided_by = null, comment = null, decided_at_ms = null, open = 0 \
         where run = ?1 and open = 1",
        [row],
    )?;
    changes::wait_for_nothing(connection, row)?;
    follow_ups::ended_here(connection, row, at_ms)?;
    sql::run(connection, "delete from job where run = ?1", [run.as_str()])?;
    Ok(Some(EndedHere { was_queued }))
}
