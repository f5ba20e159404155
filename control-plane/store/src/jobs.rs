//! Signed orders on their way to a host, and runs that have no host yet.

use flowforge_failpoints::Point;
use flowforge_protocol::{Digest, HostId, JobId, RunId};
use serde_json::json;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

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

/// The statement that stores [`rows`], bound at this place.
macro_rules! insert_jobs {
    ($rows:literal) => {
        concat!(
            "insert into job (sequence, id, host, run, kind, envelope, expires_at_ms, issue) \
             select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7 \
             from json_each(",
            $rows,
            ")"
        )
    };
}
pub(crate) use insert_jobs;

/// Orders as a JSON array of rows.
pub(crate) fn rows(jobs: &[NewJob]) -> String {
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
    serde_json::Value::Array(jobs.iter().map(row).collect()).to_string()
}

pub(crate) async fn insert(transaction: &mut SqliteConnection, jobs: &[NewJob]) -> Result<(), StoreError> {
    if jobs.is_empty() {
        return Ok(());
    }
    sqlx::query(insert_jobs!("$1"))
        .bind(rows(jobs))
        .execute(&mut *transaction)
        .await?;
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
            Box::pin(async move {
                let next: Option<String> =
                    sqlx::query_scalar("select value from meta where key = 'job_sequence'")
                        .fetch_optional(&mut *transaction)
                        .await?;
                let next = match next {
                    Some(text) => text
                        .parse()
                        .map_err(|e| StoreError::unreadable("job sequence", e))?,
                    None => 1_u64,
                };
                sqlx::query(
                    "insert into meta (key, value) values ('job_sequence', ?1) \
                     on conflict do update set value = excluded.value",
                )
                .bind(next.saturating_add(count).to_string())
                .execute(&mut *transaction)
                .await?;
                Ok(next)
            })
        })
        .await
    }

    /// Orders for a host that it has not confirmed, by ascending sequence.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn open_jobs(&self, host: &HostId, limit: u32) -> Result<Vec<OpenJob>, StoreError> {
        let rows = sqlx::query(
            "select id, sequence, run, envelope, expires_at_ms, issue from job \
             where host = ?1 order by sequence limit ?2",
        )
        .bind(host.as_str())
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(open_job).collect()
    }

    /// How many runs wait for a host to be chosen.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn count_unassigned(&self) -> Result<u64, StoreError> {
        let count: i64 =
            sqlx::query_scalar("select count(*) from run where host is null and ended_at_ms is null")
                .fetch_one(&self.readers)
                .await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Runs that wait for a host to be chosen, oldest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn unassigned(&self, limit: u32) -> Result<Vec<Unassigned>, StoreError> {
        let rows = sqlx::query(
            "select id, release, input, trigger, traceparent from run \
             where host is null and ended_at_ms is null order by seq limit ?1",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.iter()
            .map(|row| {
                let id: String = row.try_get(0)?;
                let release: String = row.try_get(1)?;
                Ok(Unassigned {
                    id: id.parse().map_err(|e| StoreError::unreadable("run id", e))?,
                    release: release
                        .parse()
                        .map_err(|e| StoreError::unreadable("release digest", e))?,
                    input: row.try_get(2)?,
                    trigger: row.try_get(3)?,
                    traceparent: row.try_get(4)?,
                })
            })
            .collect()
    }

    /// Gives runs that have no host to one, with epoch + 1 (B2). Returns the jobs that were stored: a run that was
    /// cancelled or assigned meanwhile is left out.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn assign(&self, jobs: Vec<NewJob>) -> Result<Vec<NewJob>, StoreError> {
        self.alone(Some(Point::B2), move |transaction| {
            Box::pin(async move {
                let mut stored = Vec::with_capacity(jobs.len());
                for job in jobs {
                    let taken = sqlx::query(
                        "update run set host = ?2, epoch = epoch + 1 \
                         where id = ?1 and host is null and ended_at_ms is null",
                    )
                    .bind(job.run.as_str())
                    .bind(job.host.as_str())
                    .execute(&mut *transaction)
                    .await?;
                    if taken.rows_affected() == 1 {
                        stored.push(job);
                    }
                }
                insert(transaction, &stored).await?;
                Ok(stored)
            })
        })
        .await
    }

    /// Puts a newly signed order in the place of one that expired undelivered. False if the old one is confirmed.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn reissue(&self, reissue: Reissue) -> Result<bool, StoreError> {
        self.alone(None, move |transaction| {
            Box::pin(async move {
                let removed = sqlx::query("delete from job where id = ?1")
                    .bind(reissue.old.as_str())
                    .execute(&mut *transaction)
                    .await?;
                let still_open = removed.rows_affected() == 1;
                if still_open {
                    insert(transaction, std::slice::from_ref(&reissue.new)).await?;
                }
                Ok(still_open)
            })
        })
        .await
    }
}

fn open_job(row: &SqliteRow) -> Result<OpenJob, StoreError> {
    let id: String = row.try_get(0)?;
    let run: String = row.try_get(2)?;
    Ok(OpenJob {
        id: id.parse().map_err(|e| StoreError::unreadable("job id", e))?,
        sequence: unsigned(row.try_get(1)?),
        run: run.parse().map_err(|e| StoreError::unreadable("run id", e))?,
        envelope: row.try_get(3)?,
        expires_at_ms: unsigned(row.try_get(4)?),
        issue: u32::try_from(row.try_get::<i64, _>(5)?).unwrap_or(u32::MAX),
    })
}

/// A column that this program writes as a whole number of at most 2^53.
pub(crate) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// The other way round.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
