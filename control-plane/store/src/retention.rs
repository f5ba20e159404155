//! What only grows is bounded here: runs that are over, names of requests, releases that nothing uses, gaps, signals
//! that nobody takes.
//!
//! A run that is not over is never removed, nor one whose receipt its host may still bring. The file itself does not shrink;
//! what is freed is used again.

use crate::cells::params;
use crate::connection::Connection;
use flowforge_core::Scope;
use flowforge_protocol::RunId;
use serde_json::Value;

use crate::sql::{self, signed, unsigned};
use crate::{
    KeepDeliveries, KeepEvents, Store, StoreError, audit, deliveries, event_log, secrets, workflows,
};

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Runs whose end was stored before this time, by the clock here, are removed, oldest first. What a host says of the
    /// time is not asked: its clock may be of another century.
    pub ended_since_ms: u64,
    /// Bytes of inputs and records of runs that are over, and of the values that only these hold; above it the oldest are removed.
    pub ended_bytes_max: u64,
    /// No run that ended at or after this time is removed for its bytes.
    pub young_since_ms: u64,
    /// A run without a receipt that ended at or after this time is kept: its host may still bring it.
    pub unreceipted_since_ms: u64,
    /// Runs that only found the events of triggers are removed that ended before this time.
    pub finders_since_ms: u64,
    /// Names of requests from before this time are forgotten.
    pub requests_since_ms: u64,
    /// So many names of requests are kept; the oldest beyond are forgotten before their time.
    pub requests_max: u64,
    /// Releases from before this time are removed if no run uses them and they are not among the newest.
    pub releases_since_ms: u64,
    /// How many of the newest versions of a workflow are kept in any case.
    pub versions_min: u32,
    /// Gaps that ended before this time are forgotten.
    pub gaps_since_ms: u64,
    /// Signals from before this time that no run has taken are forgotten.
    pub signals_since_ms: u64,
    /// Large values that no run holds and that did not move since this time are removed.
    pub values_since_ms: u64,
    /// Entries of the audit from before this time are forgotten.
    pub audit_since_ms: u64,
    /// So many entries of the audit are kept; the oldest beyond are forgotten before their time.
    pub audit_max: u64,
    /// What came to webhooks.
    pub deliveries: KeepDeliveries,
    /// What went out to webhook endpoints.
    pub events: KeepEvents,
    /// What was put into the trash before this time is gone for good.
    pub trash_since_ms: u64,
    /// Rows of each kind that one call removes at most, so that no write waits long.
    pub rows_max: u32,
}

/// What one call removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// Runs, with their records, questions and orders.
    pub runs: Vec<RunId>,
    /// Names of requests.
    pub requests: usize,
    /// Releases.
    pub releases: usize,
    /// Signals that no run has taken.
    pub signals: usize,
    /// True if the next call would find more at once.
    pub more: bool,
}

// A receipt shows that the host has nothing more to bring.
const REMOVABLE: &str = "workspace = ?3 and project = ?4 and closed_at_ms is not null and parent_told = 1 and (receipt is not null or closed_at_ms < ?2)";

// Of the runs that hold a value the newest counts it: the value goes with that one.
const OWN_VALUES: &str = "(select cast(coalesce(sum(held.bytes), 0) as bigint) from value_use own join value held on held.seq = own.value \
     where own.run = run.seq and not exists (select 1 from value_use later where later.value = own.value \
     and later.run > own.run))";

impl Store {
    /// Removes what need not be kept, a bounded part of it.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing was removed.
    pub async fn collect(&self, scope: &Scope, keep: Keep) -> Result<Collected, StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            let limit = usize::try_from(keep.rows_max).unwrap_or(usize::MAX);
            let mut runs = old_runs(transaction, scope, &keep)?;
            runs.extend(runs_above_the_bound(
                transaction,
                scope,
                &keep,
                limit.saturating_sub(runs.len()),
            )?);
            let rows: Value = runs.iter().map(|(row, _)| *row).collect();
            remove_runs(transaction, &rows.to_string())?;
            let requests = sql::run(
                transaction,
                "delete from request where name in \
                 (select name from request where at_ms < ?1 and workspace = ?3 and project = ?4 limit ?2) \
                 and workspace = ?3 and project = ?4",
                params![signed(keep.requests_since_ms), keep.rows_max, scope.workspace(), scope.project()],
            )?;
            let requests = requests + forget_requests(transaction, scope, &keep)?;
            let releases = remove_releases(transaction, scope, &keep)?;
            sql::run(
                transaction,
                "delete from host_gap where to_ms < ?1 and host in \
                 (select id from host where workspace = ?2 and project = ?3)",
                params![signed(keep.gaps_since_ms), scope.workspace(), scope.project()],
            )?;
            let values = sql::run(
                transaction,
                "delete from value where seq in \
                 (select seq from value where used = 0 and touched_ms < ?1 and workspace = ?3 and project = ?4 limit ?2)",
                params![signed(keep.values_since_ms), keep.rows_max, scope.workspace(), scope.project()],
            )?;
            let signals = sql::run(
                transaction,
                "delete from signal where seq in (select seq from signal where (at_ms < ?1 \
                 or exists (select 1 from run where run.id = signal.run and run.ended_at_ms is not null)) \
                 and workspace = ?3 and project = ?4 limit ?2)",
                params![signed(keep.signals_since_ms), keep.rows_max, scope.workspace(), scope.project()],
            )?;
            let noted = audit::forget(transaction, scope, keep.audit_since_ms, keep.audit_max, keep.rows_max)?;
            deliveries::forget(transaction, scope, keep.deliveries, keep.rows_max)?;
            event_log::forget(transaction, scope, keep.events, keep.rows_max)?;
            secrets::empty_trash(transaction, scope, keep.trash_since_ms)?;
            let trashed = workflows::empty_trash(transaction, scope, keep.trash_since_ms, keep.rows_max)?;
            Ok(Collected {
                more: runs.len() >= limit || noted >= limit || trashed >= limit || requests >= limit || releases >= limit || signals >= limit || values >= limit,
                signals,
                runs: runs.into_iter().map(|(_, run)| run).collect(),
                requests,
                releases,
            })
        })
        .await
    }

    /// When the oldest run that is not over was accepted.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn oldest_open_run_ms(&self, scope: &Scope) -> Result<Option<u64>, StoreError> {
        self.read(scope, |connection, scope| {
            let oldest = sql::first(
                connection,
                "select min(created_at_ms) from run where ended_at_ms is null \
                 and workspace = ?1 and project = ?2",
                [scope.workspace(), scope.project()],
                |row| Ok(row.get::<Option<i64>>(0)?.map(unsigned)),
            )?;
            Ok(oldest.flatten())
        })
        .await
    }
}

fn old_runs(connection: &Connection, scope: &Scope, keep: &Keep) -> Result<Vec<(i64, RunId)>, StoreError> {
    sql::all(
        connection,
        &format!(
            "select seq, id from run where (closed_at_ms < ?1 or (closed_at_ms < ?6 and workflow like '%~trigger')) \
             and {REMOVABLE} order by closed_at_ms limit ?5"
        ),
        params![
            signed(keep.ended_since_ms),
            signed(keep.unreceipted_since_ms),
            scope.workspace(),
            scope.project(),
            keep.rows_max,
            signed(keep.finders_since_ms)
        ],
        |row| Ok((row.get(0)?, sql::parsed(row, 1, "run id")?)),
    )
}

/// The oldest runs that must go so that the rest keeps within its bytes. Those that are too old for their age are gone first.
fn runs_above_the_bound(
    connection: &Connection,
    scope: &Scope,
    keep: &Keep,
    limit: usize,
) -> Result<Vec<(i64, RunId)>, StoreError> {
    let bytes = sql::first(
        connection,
        "select cast(coalesce(sum(bytes), 0) + (select coalesce(sum(held.bytes), 0) from value held where held.used = 1 \
         and held.workspace = ?2 and held.project = ?3 and not exists (select 1 from value_use use join run open on open.seq = use.run \
         where use.value = held.seq and open.closed_at_ms is null)) as bigint) from run where closed_at_ms >= ?1 \
         and workspace = ?2 and project = ?3",
        params![signed(keep.ended_since_ms), scope.workspace(), scope.project()],
        |row| Ok(unsigned(row.get(0)?)),
    )?;
    let mut above = bytes.unwrap_or(0).saturating_sub(keep.ended_bytes_max);
    if above == 0 {
        return Ok(Vec::new());
    }
    let oldest = sql::all(
        connection,
        &format!(
            "select seq, id, bytes + {OWN_VALUES} from run where closed_at_ms >= ?1 and closed_at_ms < ?5 and {REMOVABLE} \
             order by closed_at_ms limit ?6"
        ),
        params![
            signed(keep.ended_since_ms),
            signed(keep.unreceipted_since_ms),
            scope.workspace(),
            scope.project(),
            signed(keep.young_since_ms),
            i64::try_from(limit).unwrap_or(i64::MAX)
        ],
        |row| {
            Ok((
                (row.get(0)?, sql::parsed(row, 1, "run id")?),
                unsigned(row.get(2)?),
            ))
        },
    )?;
    let mut chosen = Vec::new();
    for (run, bytes) in oldest {
        if above == 0 {
            break;
        }
        above = above.saturating_sub(bytes);
        chosen.push(run);
    }
    Ok(chosen)
}

/// The runs in these rows hold no values any more; those that no other run holds go.
pub(crate) fn release_values(connection: &Connection, rows: &str) -> Result<(), StoreError> {
    let held: Vec<i64> = sql::all(
        connection,
        "select distinct value from value_use where run in (select cast(value as bigint) from json_each(?1))",
        [rows],
        |row| row.get(0),
    )?;
    sql::run(
        connection,
        "delete from value_use where run in (select cast(value as bigint) from json_each(?1))",
        [rows],
    )?;
    sql::run(
        connection,
        "delete from value where seq in (select cast(value as bigint) from json_each(?1)) \
         and not exists (select 1 from value_use held where held.value = value.seq)",
        [Value::from(held).to_string()],
    )?;
    Ok(())
}

fn remove_runs(connection: &Connection, rows: &str) -> Result<(), StoreError> {
    release_values(connection, rows)?;
    for statement in [
        "delete from job where run in (select id from run where seq in (select cast(value as bigint) from json_each(?1)))",
        "delete from approval where run in (select cast(value as bigint) from json_each(?1))",
        "delete from wait where run in (select cast(value as bigint) from json_each(?1))",
        "delete from follow_up where run in (select id from run where seq in (select cast(value as bigint) from json_each(?1)))",
        "delete from ordered_child where parent in (select cast(value as bigint) from json_each(?1))",
        "delete from batch where run in (select cast(value as bigint) from json_each(?1))",
        "delete from run where seq in (select cast(value as bigint) from json_each(?1))",
    ] {
        sql::run(connection, statement, [rows])?;
    }
    Ok(())
}

/// Forgets the oldest names of requests beyond those that are kept.
fn forget_requests(connection: &Connection, scope: &Scope, keep: &Keep) -> Result<usize, StoreError> {
    let count = sql::first(
        connection,
        "select count(*) from request where workspace = ?1 and project = ?2",
        [scope.workspace(), scope.project()],
        |row| Ok(unsigned(row.get(0)?)),
    )?;
    let beyond = count.unwrap_or(0).saturating_sub(keep.requests_max);
    if beyond == 0 {
        return Ok(0);
    }
    sql::run(
        connection,
        "delete from request where name in \
         (select name from request where workspace = ?2 and project = ?3 order by at_ms limit ?1) \
         and workspace = ?2 and project = ?3",
        params![
            signed(beyond.min(u64::from(keep.rows_max))),
            scope.workspace(),
            scope.project()
        ],
    )
}

fn remove_releases(connection: &Connection, scope: &Scope, keep: &Keep) -> Result<usize, StoreError> {
    sql::run(
        connection,
        "delete from release where digest in (select old.digest from release old where old.published_at_ms < ?1 \
         and old.workspace = ?4 and old.project = ?5 \
         and not exists (select 1 from run where run.release = old.digest) \
         and not exists (select 1 from pinned where pinned.child = old.digest) \
         and not exists (select 1 from ordered_child where ordered_child.release = old.digest) \
         and (select count(*) from release newer where newer.workspace = old.workspace and newer.project = old.project \
         and newer.workflow = old.workflow and newer.version > old.version) >= ?2 \
         limit ?3)",
        params![
            signed(keep.releases_since_ms),
            keep.versions_min.max(1),
            keep.rows_max,
            scope.workspace(),
            scope.project()
        ],
    )
}
