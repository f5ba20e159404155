//! Signed orders on their way to a host.
//!
//! An order is kept until it took effect, not until it was delivered: see the table. What a host refuses is in
//! [`crate::refusals`], which runs wait for a host in [`crate::unassigned`].

use std::collections::{HashMap, HashSet};

use crate::cells::{Row, params};
use crate::connection::Connection;
use flowforge_core::Scope;
use flowforge_protocol::{HostId, JobId, RunId};
use serde_json::{Value, json};

use crate::ingest::HostIngest;
use crate::sql::{self, small, unsigned};
use crate::{Store, StoreError};

/// What an order asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// Start a run.
    Start,
    /// Go on with a run whose records come along.
    Resume,
    /// Take a person's decision.
    Decide,
    /// Take what a person says of a step that needs review.
    Review,
    /// Take a signal.
    Signal,
    /// Take the end of a child run.
    ChildEnded,
    /// Pause a run.
    Pause,
    /// Let a paused run go on.
    Unpause,
    /// Stop a run.
    Cancel,
    /// Drop what is left of a run that has ended.
    Erase,
}

impl JobKind {
    const ALL: [Self; 10] = [
        Self::Start,
        Self::Resume,
        Self::Decide,
        Self::Review,
        Self::Signal,
        Self::ChildEnded,
        Self::Pause,
        Self::Unpause,
        Self::Cancel,
        Self::Erase,
    ];

    /// True for an order that brings a run to its host.
    #[must_use]
    pub fn brings_a_run(self) -> bool {
        matches!(self, Self::Start | Self::Resume)
    }

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Resume => "resume",
            Self::Decide => "decide",
            Self::Review => "review",
            Self::Signal => "signal",
            Self::ChildEnded => "child_ended",
            Self::Pause => "pause",
            Self::Unpause => "unpause",
            Self::Cancel => "cancel",
            Self::Erase => "erase",
        }
    }

    pub(crate) fn from_column(text: &str) -> Result<Self, StoreError> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| StoreError::unreadable("job kind", text))
    }
}

/// A signed order to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// Its place in the order of all jobs; none is used twice, see [`Store::sequences`].
    pub sequence: u64,
    /// Who is to act on it.
    pub host: HostId,
    /// The run.
    pub run: RunId,
    /// What it asks for.
    pub kind: JobKind,
    /// What it is about, for those that a record settles one by one: the question that a decision answers, the message of
    /// a signal, the child that ended, the step that was looked at.
    pub subject: Option<String>,
    /// The order as it will be signed when it goes out: JSON text.
    pub document: String,
    /// Not to be delivered at or after this time.
    pub expires_at_ms: u64,
    /// How often it was written anew because it had expired.
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
    /// What it asks for.
    pub kind: JobKind,
    /// The order as it will be signed when it goes out: JSON text.
    pub document: String,
    /// Not to be delivered at or after this time.
    pub expires_at_ms: u64,
    /// How often it was written anew because it had expired.
    pub issue: u32,
}

/// An expired order and the one that takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reissue {
    /// The order that nobody will accept any more.
    pub old: JobId,
    /// The same order with a new id, sequence and expiry.
    pub new: NewJob,
}

// An order for a run or a host of another project is none: the column may not be null.
const STORE: &str = "insert into job (sequence, id, host, run, kind, subject, document, expires_at_ms, issue, \
     workspace, project) select cast(value ->> 0 as bigint), value ->> 1, \
     (select id from host where host.id = value ->> 2 and host.workspace = value ->> 9 and host.project = value ->> 10), \
     (select id from run where run.id = value ->> 3 and run.workspace = value ->> 9 and run.project = value ->> 10), \
     value ->> 4, value ->> 5, value ->> 6, cast(value ->> 7 as bigint), cast(value ->> 8 as bigint), value ->> 9, value ->> 10 from json_each(?1)";

/// Stores orders of one project.
pub(crate) fn insert(connection: &Connection, scope: &Scope, jobs: &[NewJob]) -> Result<(), StoreError> {
    insert_all(connection, jobs.iter().map(|job| (scope, job)))
}

/// Stores orders, each of its project.
pub(crate) fn insert_all<'a>(
    connection: &Connection,
    jobs: impl Iterator<Item = (&'a Scope, &'a NewJob)> + Clone,
) -> Result<(), StoreError> {
    let Some(highest) = jobs.clone().map(|(_, job)| job.sequence).max() else {
        return Ok(());
    };
    let row = |(scope, job): (&Scope, &NewJob)| {
        json!([
            job.sequence,
            job.id,
            job.host,
            job.run,
            job.kind.as_str(),
            job.subject,
            job.document,
            job.expires_at_ms,
            job.issue,
            scope.workspace(),
            scope.project()
        ])
    };
    let rows = Value::Array(jobs.map(row).collect());
    sql::run(connection, STORE, [rows.to_string()])?;
    // Jobs are deleted: the highest sequence is remembered apart from them. A database gives the numbers itself.
    if connection.database().is_some() {
        return Ok(());
    }
    sql::run(
        connection,
        "insert into meta (key, value) values ('job_sequence', ?1) on conflict (key) do update set value = excluded.value \
         where cast(meta.value as bigint) < cast(excluded.value as bigint)",
        [highest.to_string()],
    )?;
    Ok(())
}

/// Orders that are over when their host has them. Of the others only a record shows that they took effect.
const CONFIRMED_IS_OVER: &str = "('start', 'resume', 'erase')";

/// The orders that hosts of their projects name.
const OF_ITS_HOST: &str = "from json_each(?1) said join job on job.id = said.value ->> 0 \
     where job.host = said.value ->> 1 and job.workspace = said.value ->> 2 and job.project = said.value ->> 3";

/// Notes what hosts have made durable. Returns how many runs each host took with it that no host had confirmed.
pub(crate) fn confirm(
    connection: &Connection,
    ingests: &[(Scope, HostIngest)],
) -> Result<HashMap<HostId, u64>, StoreError> {
    let said: Vec<Value> = ingests
        .iter()
        .flat_map(|(scope, ingest)| {
            let named = |job| json!([job, ingest.host, scope.workspace(), scope.project()]);
            ingest.received.iter().map(named)
        })
        .collect();
    let mut taken = HashMap::new();
    if said.is_empty() {
        return Ok(taken);
    }
    let said = Value::Array(said).to_string();
    let hosts = sql::all(
        connection,
        &format!(
            "update run set state = 'running' where state = 'queued' and id in (select job.run {OF_ITS_HOST} \
             and job.kind in {CONFIRMED_IS_OVER}) returning host"
        ),
        [&said],
        |row| sql::parsed::<HostId>(row, 0, "host id"),
    )?;
    for host in hosts {
        *taken.entry(host).or_insert(0) += 1;
    }
    sql::run(
        connection,
        &format!(
            "delete from job where sequence in (select job.sequence {OF_ITS_HOST} \
             and job.kind in {CONFIRMED_IS_OVER})"
        ),
        [&said],
    )?;
    sql::run(
        connection,
        &format!("update job set received = 1 where sequence in (select job.sequence {OF_ITS_HOST})"),
        [&said],
    )?;
    Ok(taken)
}

impl Store {
    /// Orders for a host that it has not confirmed: first those for runs that it has, then those that bring one; each by
    /// ascending sequence.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn open_jobs(
        &self,
        scope: &Scope,
        host: &HostId,
        limit: u32,
    ) -> Result<Vec<OpenJob>, StoreError> {
        let host = host.clone();
        self.read(scope, move |connection, scope| {
            sql::all(
                connection,
                "select id, sequence, run, kind, document, expires_at_ms, issue from job \
                 where host = ?1 and received = 0 and workspace = ?3 and project = ?4 \
                 order by kind in ('start', 'resume'), sequence limit ?2",
                params![host.as_str(), limit, scope.workspace(), scope.project()],
                open_job,
            )
        })
        .await
    }

    /// Stores an order for a run that a host has, in the place of earlier ones of these kinds with the same subject.
    /// Returns those that it replaces; `None` if the run is over or another host has it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn order_change(
        &self,
        scope: &Scope,
        replaces: &'static [JobKind],
        job: NewJob,
    ) -> Result<Option<Vec<JobId>>, StoreError> {
        self.change(scope, None, Option::is_some, move |transaction, scope| {
            let open = sql::first(
                transaction,
                "select 1 from run where id = ?1 and host = ?2 and ended_at_ms is null \
                 and workspace = ?3 and project = ?4",
                [job.run.as_str(), job.host.as_str(), scope.workspace(), scope.project()],
                |_| Ok(()),
            )?;
            if open.is_none() {
                return Ok(None);
            }
            let kinds: Vec<&str> = replaces.iter().map(|kind| kind.as_str()).collect();
            let replaced = sql::all(
                transaction,
                "delete from job where run = ?1 and kind in (select value from json_each(?2)) and subject is not distinct from ?3 \
                 returning id",
                params![job.run.as_str(), json!(kinds).to_string(), job.subject],
                |row| sql::parsed(row, 0, "job id"),
            )?;
            insert(transaction, scope, std::slice::from_ref(&job))?;
            Ok(Some(replaced))
        })
        .await
    }

    /// Puts newly signed orders in the place of those that expired undelivered, all in one commit. Returns the orders that
    /// are stored now. An old one that is confirmed meanwhile is left out; so is a start of which a record is stored, and
    /// any order of a run that is over: nobody may get them again.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing was replaced.
    pub async fn reissue(&self, scope: &Scope, set: Vec<Reissue>) -> Result<Vec<NewJob>, StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            let old: Vec<&JobId> = set.iter().map(|reissue| &reissue.old).collect();
            let removed: HashSet<JobId> = sql::all(
                transaction,
                "delete from job where received = 0 and id in (select value from json_each(?1)) \
                 and workspace = ?2 and project = ?3 returning id",
                [
                    json!(old).to_string().as_str(),
                    scope.workspace(),
                    scope.project(),
                ],
                |row| sql::parsed(row, 0, "job id"),
            )?
            .into_iter()
            .collect();
            let runs: Vec<&RunId> = set.iter().map(|reissue| &reissue.new.run).collect();
            let begun: HashMap<RunId, bool> = sql::all(
                transaction,
                "select run.id, run.next_seq from run where run.id in (select value from json_each(?1)) \
                 and (run.ended_at_ms is null or run.erased_at_ms is not null) and run.workspace = ?2 and run.project = ?3",
                [
                    json!(runs).to_string().as_str(),
                    scope.workspace(),
                    scope.project(),
                ],
                |row| Ok((sql::parsed(row, 0, "run id")?, row.get::<i64>(1)? > 0)),
            )?
            .into_iter()
            .collect();
            let wanted = |reissue: &Reissue| {
                let run_begun = begun.get(&reissue.new.run);
                removed.contains(&reissue.old)
                    && run_begun.is_some_and(|begun| reissue.new.kind != JobKind::Start || !begun)
            };
            let stored: Vec<NewJob> = set
                .into_iter()
                .filter(wanted)
                .map(|reissue| reissue.new)
                .collect();
            insert(transaction, scope, &stored)?;
            Ok(stored)
        })
        .await
    }
}

pub(crate) fn open_job(row: &Row<'_>) -> Result<OpenJob, StoreError> {
    Ok(OpenJob {
        id: sql::parsed(row, 0, "job id")?,
        sequence: unsigned(row.get(1)?),
        run: sql::parsed(row, 2, "run id")?,
        kind: JobKind::from_column(&row.get::<String>(3)?)?,
        document: row.get(4)?,
        expires_at_ms: unsigned(row.get(5)?),
        issue: small(row.get(6)?),
    })
}
