//! Reading runs and their records, and stopping one that has no host.

use flowforge_protocol::record::RecordBatch;
use flowforge_protocol::{Digest, HostId, JobId, RunId};
use rusqlite::{Connection, Row, params};

use crate::ingest::digest_of;
use crate::jobs::{self, NewJob};
use crate::sql::{self, signed, small, unsigned};
use crate::{Page, Store, StoreError};

/// Where a run stands, as far as its records are stored here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// No host has confirmed it.
    Queued,
    /// A host has it.
    Running,
    /// It waits for a person.
    Waiting,
    /// It ended well.
    Done,
    /// A step failed.
    Failed,
    /// A person said no.
    Rejected,
    /// Nobody answered in time.
    Expired,
    /// Somebody stopped it.
    Cancelled,
}

impl RunState {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Queued, "queued"),
        (Self::Running, "running"),
        (Self::Waiting, "waiting"),
        (Self::Done, "done"),
        (Self::Failed, "failed"),
        (Self::Rejected, "rejected"),
        (Self::Expired, "expired"),
        (Self::Cancelled, "cancelled"),
    ];

    /// Its word: `done`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(state, _)| *state == self)
            .map_or("", |(_, name)| name)
    }

    fn from_column(text: &str) -> Result<Self, StoreError> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found
            .map(|(state, _)| *state)
            .ok_or_else(|| StoreError::unreadable("run state", text))
    }

    /// True if the run is over.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running | Self::Waiting)
    }
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRun {
    /// Its id.
    pub id: RunId,
    /// Workflow name.
    pub workflow: String,
    /// Its version.
    pub version: u32,
    /// Digest of the release.
    pub release: Digest,
    /// Where it stands.
    pub state: RunState,
    /// The input as JSON text.
    pub input: String,
    /// What started it, as JSON text.
    pub trigger: String,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// Who has the lease.
    pub host: Option<HostId>,
    /// Fencing number; 0 without a host.
    pub epoch: u64,
    /// When it was accepted.
    pub created_at_ms: u64,
    /// When it ended, by the host's clock.
    pub ended_at_ms: Option<u64>,
    /// Number of records stored.
    pub records: u64,
    /// Chain value after the last of them.
    pub chain: Option<Digest>,
    /// The outcome as JSON text.
    pub outcome: Option<String>,
    /// The host's receipt: the envelope as JSON text.
    pub receipt: Option<String>,
    /// Why somebody asked for its end, if somebody did.
    pub cancel_reason: Option<String>,
}

/// Which runs to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only runs of this workflow.
    pub workflow: Option<String>,
    /// Only runs in this state.
    pub state: Option<RunState>,
}

/// The answer to a search by id or prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<T> {
    /// Exactly one.
    One(T),
    /// None.
    None,
    /// The prefix fits several.
    Several,
}

impl<T> Found<T> {
    pub(crate) fn from_rows(mut rows: Vec<T>) -> Self {
        let one = rows.pop();
        match (one, rows.is_empty()) {
            (Some(row), true) => Self::One(row),
            (Some(_), false) => Self::Several,
            (None, _) => Self::None,
        }
    }
}

const COLUMNS: &str = "select seq, id, workflow, version, release, state, input, trigger, traceparent, host, epoch, \
     created_at_ms, ended_at_ms, next_seq, chain, outcome, receipt, cancel_reason from run ";

fn from_row(row: &Row<'_>) -> Result<(i64, StoredRun), StoreError> {
    let host: Option<String> = row.get(9)?;
    let chain: Option<Vec<u8>> = row.get(14)?;
    let run = StoredRun {
        id: sql::parsed(row, 1, "run id")?,
        workflow: row.get(2)?,
        version: small(row.get(3)?),
        release: sql::parsed(row, 4, "release digest")?,
        state: RunState::from_column(&row.get::<_, String>(5)?)?,
        input: row.get(6)?,
        trigger: row.get(7)?,
        traceparent: row.get(8)?,
        host: match host {
            Some(text) => Some(text.parse().map_err(|e| StoreError::unreadable("host id", e))?),
            None => None,
        },
        epoch: unsigned(row.get(10)?),
        created_at_ms: unsigned(row.get(11)?),
        ended_at_ms: row.get::<_, Option<i64>>(12)?.map(unsigned),
        records: unsigned(row.get(13)?),
        chain: chain.as_deref().map(digest_of).transpose()?,
        outcome: row.get(15)?,
        receipt: row.get(16)?,
        cancel_reason: row.get(17)?,
    };
    Ok((row.get(0)?, run))
}

fn without_place(row: &Row<'_>) -> Result<StoredRun, StoreError> {
    Ok(from_row(row)?.1)
}

impl Store {
    /// The run with this id.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn run(&self, id: &RunId) -> Result<Option<StoredRun>, StoreError> {
        let id = id.clone();
        self.read(move |connection| {
            let sql = format!("{COLUMNS} where id = ?1");
            sql::first(connection, &sql, [id.as_str()], without_place)
        })
        .await
    }

    /// The run with this id, id prefix, or `last`, the newest.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn find_run(&self, wanted: &str) -> Result<Found<StoredRun>, StoreError> {
        let wanted = wanted.to_owned();
        self.read(move |connection| {
            let sql = if wanted == "last" {
                format!("{COLUMNS} where ?1 = ?1 order by seq desc limit 1")
            } else {
                format!("{COLUMNS} where id >= ?1 and id < ?1 || '~' order by id limit 2")
            };
            Ok(Found::from_rows(sql::all(
                connection,
                &sql,
                [wanted],
                without_place,
            )?))
        })
        .await
    }

    /// Runs, newest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn runs(
        &self,
        filter: &RunFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<StoredRun>, StoreError> {
        let (filter, before) = (filter.clone(), before.unwrap_or(i64::MAX));
        self.read(move |connection| {
            let sql = list_statement(&filter);
            let state = filter.state.map(RunState::as_str);
            let params = params![before, state, i64::from(limit) + 1, filter.workflow];
            let rows = sql::all(connection, &sql, params, from_row)?;
            Ok(Page::from_rows(rows, limit))
        })
        .await
    }

    /// Record batches of a run from `first_seq` on, in order; `max_bytes` bounds the lines, but one batch always comes.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn batches(
        &self,
        run: &RunId,
        first_seq: u64,
        max_bytes: u64,
    ) -> Result<Vec<RecordBatch>, StoreError> {
        let run = run.clone();
        self.read(move |connection| {
            sql::all(
                connection,
                "select epoch, first_seq, count, chain, lines from ( \
                     select batch.*, sum(length(lines)) over (order by first_seq) - length(lines) as before \
                     from batch where run = (select seq from run where id = ?1) and first_seq + count > ?2) \
                 where before < ?3 order by first_seq",
                params![run.as_str(), signed(first_seq), signed(max_bytes)],
                |row| {
                    Ok(RecordBatch {
                        run: run.clone(),
                        epoch: unsigned(row.get(0)?),
                        first_seq: unsigned(row.get(1)?),
                        count: small(row.get(2)?),
                        chain: digest_of(&row.get::<_, Vec<u8>>(3)?)?,
                        lines: row.get(4)?,
                    })
                },
            )
        })
        .await
    }

    /// Stops a run that no host has. False if a host has it or it is over: then a job is needed.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn cancel_unassigned(
        &self,
        run: RunId,
        reason: String,
        at_ms: u64,
    ) -> Result<bool, StoreError> {
        let outcome = serde_json::json!({"state": "cancelled", "reason": reason}).to_string();
        self.alone(None, move |transaction| {
            let changed = sql::run(
                transaction,
                "update run set state = 'cancelled', ended_at_ms = ?2, outcome = ?3, cancel_reason = ?4 \
                 where id = ?1 and host is null and ended_at_ms is null",
                params![run.as_str(), signed(at_ms), outcome, reason],
            )?;
            Ok(changed == 1)
        })
        .await
    }

    /// Stores the order to stop a run that a host has, once. False if it was ordered before or the run is over.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn order_cancel(&self, reason: String, job: NewJob) -> Result<bool, StoreError> {
        self.alone(None, move |transaction| {
            let changed = sql::run(
                transaction,
                "update run set cancel_reason = ?2 \
                 where id = ?1 and host = ?3 and cancel_reason is null and ended_at_ms is null",
                [job.run.as_str(), &reason, job.host.as_str()],
            )?;
            let first = changed == 1;
            if first {
                jobs::insert(transaction, std::slice::from_ref(&job))?;
            }
            Ok(first)
        })
        .await
    }

    /// Ends a run whose start its host refuses, and forgets the refused job. `outcome` is JSON text of a failed outcome.
    /// Returns the run if it ended with this.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn refuse_job(
        &self,
        host: HostId,
        job: JobId,
        outcome: String,
        at_ms: u64,
    ) -> Result<Option<RunId>, StoreError> {
        self.alone(None, move |transaction| {
            refuse(transaction, &host, &job, &outcome, at_ms)
        })
        .await
    }

    /// Releases of the runs that a host has and that are not over.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn open_releases(&self, host: &HostId) -> Result<Vec<Digest>, StoreError> {
        let host = host.clone();
        self.read(move |connection| {
            sql::all(
                connection,
                "select distinct release from run where host = ?1 and ended_at_ms is null",
                [host.as_str()],
                |row| sql::parsed(row, 0, "release digest"),
            )
        })
        .await
    }
}

fn list_statement(filter: &RunFilter) -> String {
    // Each state has the partial index that fits it; `done` is most of the table and needs none.
    let state = match filter.state {
        None | Some(RunState::Done) => "",
        Some(state) if state.is_final() => " and state in ('failed', 'rejected', 'expired', 'cancelled')",
        Some(_) => " and ended_at_ms is null",
    };
    let workflow = match filter.workflow {
        Some(_) => " and workflow = ?4",
        None => " and ?4 is null",
    };
    format!(
        "{COLUMNS} where seq < ?1 and (?2 is null or state = ?2){workflow}{state} order by seq desc limit ?3"
    )
}

fn refuse(
    connection: &Connection,
    host: &HostId,
    job: &JobId,
    outcome: &str,
    at_ms: u64,
) -> Result<Option<RunId>, StoreError> {
    let refused = sql::all(
        connection,
        "delete from job where id = ?1 and host = ?2 returning run, kind",
        [job.as_str(), host.as_str()],
        |row| Ok((sql::parsed(row, 0, "run id")?, row.get::<_, String>(1)?)),
    )?;
    let Some((run, kind)) = refused.into_iter().next() else {
        return Ok(None);
    };
    let run: RunId = run;
    if kind != "start" {
        return Ok(None);
    }
    let ended = sql::run(
        connection,
        "update run set state = 'failed', ended_at_ms = ?2, outcome = ?3 \
         where id = ?1 and next_seq = 0 and ended_at_ms is null",
        params![run.as_str(), signed(at_ms), outcome],
    )?;
    Ok((ended == 1).then_some(run))
}
