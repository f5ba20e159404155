//! Runs that wait for a host: those that none has yet, and those that may move and whose host's lease is over.

use flowforge_core::Scope;
use flowforge_failpoints::Point;
use flowforge_protocol::{Digest, HostId, RunId};
use serde_json::json;

use crate::cells::{Row, params};
use crate::jobs::{self, NewJob};
use crate::sql::{self, unsigned};
use crate::{Store, StoreError};

/// A run that waits for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unassigned {
    /// The run.
    pub id: RunId,
    /// The fencing number under which a host would get it.
    pub epoch: u64,
    /// The release.
    pub release: Digest,
    /// The input as JSON text.
    pub input: String,
    /// What started it, as JSON text.
    pub trigger: String,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// Where it comes from among runs, as JSON text.
    pub lineage: Option<String>,
    /// What else its order says, as JSON text.
    pub options: Option<String>,
    /// How long a host may have it without renewing its lease; none for a run that stays at its host.
    pub lease_ms: Option<u64>,
    /// The host whose lease is over; none if no host has it.
    pub held_by: Option<HostId>,
}

/// Which runs wait, in two statements: each has an index of its own.
const WAITING: [&str; 2] = [
    "host is null",
    "lapsed_at_ms is not null and (host <> ?4 or lost_at_ms is not null)",
];

fn from_row(row: &Row<'_>) -> Result<Unassigned, StoreError> {
    let held_by: Option<String> = row.get(9)?;
    let read = |text: String| text.parse().map_err(|e| StoreError::unreadable("host id", e));
    Ok(Unassigned {
        id: sql::parsed(row, 0, "run id")?,
        release: sql::parsed(row, 1, "release digest")?,
        input: row.get(2)?,
        trigger: row.get(3)?,
        traceparent: row.get(4)?,
        epoch: unsigned(row.get(5)?).saturating_add(1),
        lineage: row.get(6)?,
        options: row.get(7)?,
        lease_ms: row.get::<Option<i64>>(8)?.map(unsigned),
        held_by: held_by.map(read).transpose()?,
    })
}

impl Store {
    /// How many runs wait for a host to be chosen, or for another one than their own.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn count_unassigned(&self, scope: &Scope) -> Result<u64, StoreError> {
        self.read(scope, |connection, scope| {
            let count = sql::first(
                connection,
                "select (select count(*) from run where host is null and ended_at_ms is null and workspace = ?1 and project = ?2) \
                 + (select count(*) from run where lapsed_at_ms is not null and ended_at_ms is null and workspace = ?1 and project = ?2)",
                [scope.workspace(), scope.project()],
                |row| Ok(unsigned(row.get(0)?)),
            )?;
            Ok(count.unwrap_or(0))
        })
        .await
    }

    /// How many runs no host has confirmed.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn count_queued(&self, scope: &Scope) -> Result<u64, StoreError> {
        self.read(scope, |connection, scope| {
            let count = sql::first(
                connection,
                "select count(*) from run where state = 'queued' and ended_at_ms is null and workspace = ?1 and project = ?2",
                [scope.workspace(), scope.project()],
                |row| Ok(unsigned(row.get(0)?)),
            )?;
            Ok(count.unwrap_or(0))
        })
        .await
    }

    /// Runs that this host with these words may be given, oldest first: those that no host has, and those of other hosts whose
    /// leases are over.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn unassigned(
        &self,
        scope: &Scope,
        host: &HostId,
        words: &[String],
        limit: u32,
    ) -> Result<Vec<Unassigned>, StoreError> {
        let (host, words) = (host.clone(), json!(words).to_string());
        self.read(scope, move |connection, scope| {
            let mut found = Vec::new();
            for which in WAITING {
                found.extend(sql::all(
                    connection,
                    &format!(
                        "select id, release, input, trigger, traceparent, epoch, lineage, options, lease_ms, host from run \
                         where {which} and ended_at_ms is null and workspace = ?2 and project = ?3 \
                         and cast(?4 as text) is not null and (labels is null or not exists \
                         (select value from json_each(labels) except select value from json_each(?5))) \
                         order by seq limit ?1"
                    ),
                    params![
                        limit,
                        scope.workspace(),
                        scope.project(),
                        host.as_str(),
                        words
                    ],
                    from_row,
                )?);
            }
            Ok(found)
        })
        .await
    }

    /// Gives runs that have no host to one, with epoch + 1 (B2). Returns the jobs that were stored: a run that was
    /// cancelled or assigned meanwhile is left out.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn assign(&self, scope: &Scope, jobs: Vec<NewJob>) -> Result<Vec<NewJob>, StoreError> {
        self.alone(scope, Some(Point::B2), move |transaction, scope| {
            let mut stored = Vec::with_capacity(jobs.len());
            for job in jobs {
                let taken = sql::run(
                    transaction,
                    "update run set host = ?2, epoch = epoch + 1 \
                     where id = ?1 and host is null and ended_at_ms is null and workspace = ?3 and project = ?4",
                    [job.run.as_str(), job.host.as_str(), scope.workspace(), scope.project()],
                )?;
                if taken == 1 {
                    stored.push(job);
                }
            }
            jobs::insert(transaction, scope, &stored)?;
            Ok(stored)
        })
        .await
    }
}
