//! Signed orders on their way to a host, and runs that have no host yet.

use flowforge_failpoints::Point;
use flowforge_protocol::{Digest, HostId, JobId, RunId};
use rusqlite::{Connection, Row, params};
use serde_json::json;

use crate::sql::{self, small, unsigned};
use crate::{Store, StoreError};

/// A signed order to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// Its place in the order of all jobs; from [`Store::reserve_sequences`].
    pub sequence: u64,
    /// Who is to act on it.
    pub host: HostId,
    /// The run.
    pub run: RunId,
    /// `start`, `decide` or `cancel`.
    pub kind: &'static str,
    /// The envelope as JSON text.
    pub envelope: String,
    /// Not to be delivered at or after this time.
    pub expires_at_ms: u64,
    /// How often it was signed anew because it had expired.
    pub issue: u32,
}

/// A stored order that its host has not confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenJob {
    /// Its id.
    pub id: JobId,
    /// Its place in the order of all jobs.
    pub sequence: u64,
    /// The run.
    pub run: RunId,
    /// The envelope as JSON text.
    pub envelope: String,
    /// Not to be delivered at or after this time.
    pub expires_at_ms: u64,
    /// How often it was signed anew because it had expired.
    pub issue: u32,
}

/// A run that waits for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unassigned {
    /// The run.
    pub id: RunId,
    /// The release.
    pub release: Digest,
    /// The input as JSON text.
    pub input: String,
    /// What started it, as JSON text.
    pub trigger: String,
    /// W3C trace context.
    pub traceparent: Option<String>,
}

/// An expired order and the one that takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reissue {
    /// The order that nobody will accept any more.
    pub old: JobId,
    /// The same order with a new id, sequence and expiry.
    pub new: NewJob,
}

const STORE: &str = "insert into job (sequence, id, host, run, kind, envelope, expires_at_ms, issue) \
     select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7 \
     from json_each(?1)";

pub(crate) fn insert(connection: &Connection, jobs: &[NewJob]) -> Result<(), StoreError> {
    if jobs.is_empty() {
        return Ok(());
    }
    let row = |job: &NewJob| {
        json!([
            job.sequence,
            job.id,
            job.host,
            job.run,
            job.kind,
            job.envelope,
            job.expires_at_ms,
            job.issue
        ])
    };
    let rows = serde_json::Value::Array(jobs.iter().map(row).collect());
    sql::run(connection, STORE, [rows.to_string()])?;
    Ok(())
}

impl Store {
    /// Reserves `count` job sequences that were never used before and returns the first.
    ///
    /// Those that a stopped process leaves unused stay unused: sequences grow, they need not be dense.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn reserve_sequences(&self, count: u64) -> Result<u64, StoreError> {
        self.alone(None, move |transaction| {
            let next = sql::first(
                transaction,
                "select value from meta where key = 'job_sequence'",
                (),
                |row| sql::parsed(row, 0, "job sequence"),
            )?;
            let next: u64 = next.unwrap_or(1);
            sql::run(
                transaction,
                "insert into meta (key, value) values ('job_sequence', ?1) \
                 on conflict do update set value = excluded.value",
                [next.saturating_add(count).to_string()],
            )?;
            Ok(next)
        })
        .await
    }

    /// Orders for a host that it has not confirmed, by ascending sequence.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn open_jobs(&self, host: &HostId, limit: u32) -> Result<Vec<OpenJob>, StoreError> {
        let host = host.clone();
        self.read(move |connection| {
            sql::all(
                connection,
                "select id, sequence, run, envelope, expires_at_ms, issue from job \
                 where host = ?1 order by sequence limit ?2",
                params![host.as_str(), limit],
                open_job,
            )
        })
        .await
    }

    /// How many runs wait for a host to be chosen.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn count_unassigned(&self) -> Result<u64, StoreError> {
        self.read(|connection| {
            let count = sql::first(
                connection,
                "select count(*) from run where host is null and ended_at_ms is null",
                (),
                |row| Ok(unsigned(row.get(0)?)),
            )?;
            Ok(count.unwrap_or(0))
        })
        .await
    }

    /// Runs that wait for a host to be chosen, oldest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn unassigned(&self, limit: u32) -> Result<Vec<Unassigned>, StoreError> {
        self.read(move |connection| {
            sql::all(
                connection,
                "select id, release, input, trigger, traceparent from run \
                 where host is null and ended_at_ms is null order by seq limit ?1",
                [limit],
                |row| {
                    Ok(Unassigned {
                        id: sql::parsed(row, 0, "run id")?,
                        release: sql::parsed(row, 1, "release digest")?,
                        input: row.get(2)?,
                        trigger: row.get(3)?,
                        traceparent: row.get(4)?,
                    })
                },
            )
        })
        .await
    }

    /// Gives runs that have no host to one, with epoch + 1 (B2). Returns the jobs that were stored: a run that was
    /// cancelled or assigned meanwhile is left out.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn assign(&self, jobs: Vec<NewJob>) -> Result<Vec<NewJob>, StoreError> {
        self.alone(Some(Point::B2), move |transaction| {
            let mut stored = Vec::with_capacity(jobs.len());
            for job in jobs {
                let taken = sql::run(
                    transaction,
                    "update run set host = ?2, epoch = epoch + 1 \
                     where id = ?1 and host is null and ended_at_ms is null",
                    [job.run.as_str(), job.host.as_str()],
                )?;
                if taken == 1 {
                    stored.push(job);
                }
            }
            insert(transaction, &stored)?;
            Ok(stored)
        })
        .await
    }

    /// Puts a newly signed order in the place of one that expired undelivered. False if the old one is confirmed.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn reissue(&self, reissue: Reissue) -> Result<bool, StoreError> {
        self.alone(None, move |transaction| {
            let removed = sql::run(
                transaction,
                "delete from job where id = ?1",
                [reissue.old.as_str()],
            )?;
            let still_open = removed == 1;
            if still_open {
                insert(transaction, std::slice::from_ref(&reissue.new))?;
            }
            Ok(still_open)
        })
        .await
    }
}

fn open_job(row: &Row<'_>) -> Result<OpenJob, StoreError> {
    Ok(OpenJob {
        id: sql::parsed(row, 0, "job id")?,
        sequence: unsigned(row.get(1)?),
        run: sql::parsed(row, 2, "run id")?,
        envelope: row.get(3)?,
        expires_at_ms: unsigned(row.get(4)?),
        issue: small(row.get(5)?),
    })
}
