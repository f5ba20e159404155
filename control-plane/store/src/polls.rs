//! Triggers whose events a connector finds: where each goes on, the poll that is under way, and the runs of what it found.
//!
//! A poll is a run like any other, kept under a name that no workflow has: [`finder_of`]. It is stored in the commit that
//! notes it as the open one, and the runs of its events are stored in the commit that moves the cursor: whenever a process
//! ends, each event has started one run or will.

use crate::cells::{Row, params};
use crate::connection::Connection;
use flowforge_core::Scope;
use flowforge_failpoints::Point;
use flowforge_protocol::RunId;

use crate::drafts::FINDER;
use crate::sql::{self, signed, small, unsigned};
use crate::start::{self, NewRun, Started};
use crate::{Store, StoreError};

/// A trigger whose events are polled for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poll {
    /// Workflow name.
    pub workflow: String,
    /// The trigger's name in it.
    pub trigger: String,
    /// What is asked; when the published trigger asks something else, it begins anew.
    pub fingerprint: String,
    /// The cursor of the next poll as JSON text; none for the first.
    pub place: Option<String>,
    /// When the next poll is due, unless one is open.
    pub due_ms: u64,
    /// How many polls were begun.
    pub polls: u64,
    /// The run of the poll whose answer is not handed over yet.
    pub open_run: Option<RunId>,
    /// What became of the polls before.
    pub past: PollPast,
    /// Who stopped it and why, while it is stopped.
    pub paused_by: Option<String>,
}

/// What became of the polls of a trigger that are over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PollPast {
    /// When the last one was over.
    pub last_ms: Option<u64>,
    /// Its run; none of one that could not be begun.
    pub last_run: Option<RunId>,
    /// How many events the last one found that went well.
    pub last_events: u64,
    /// How many events started runs, all polls together.
    pub events: u64,
    /// How many of the last ones failed, one after the other.
    pub failures: u32,
    /// Why the last one failed: code and words for people. None after one that went well.
    pub problem: Option<(String, String)>,
}

/// A trigger by its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollKey {
    /// Workflow name.
    pub workflow: String,
    /// The trigger's name in it.
    pub trigger: String,
}

impl Poll {
    /// Its names.
    #[must_use]
    pub fn key(&self) -> PollKey {
        PollKey {
            workflow: self.workflow.clone(),
            trigger: self.trigger.clone(),
        }
    }
}

/// How a poll ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PollEnd {
    /// It went well: the trigger goes on there.
    Found {
        /// The cursor of the next poll as JSON text.
        place: Option<String>,
    },
    /// It failed: the next one asks the same again.
    Failed {
        /// Code and words for people.
        problem: (String, String),
    },
}

/// The name under which the runs are kept that find the events of a workflow's triggers.
#[must_use]
pub fn finder_of(workflow: &str) -> String {
    format!("{workflow}{FINDER}")
}

/// Whether a run of this name only finds events.
#[must_use]
pub fn is_finder(name: &str) -> bool {
    name.ends_with(FINDER)
}

const COLUMNS: &str = "select workflow, trigger, fingerprint, place, due_ms, polls, open_run, last_ms, last_run, last_events, \
     events, failures, problem_code, problem, paused_by from poll";

fn run_id(row: &Row<'_>, column: usize) -> Result<Option<RunId>, StoreError> {
    let id = row.get::<Option<String>>(column)?.map(|text| text.parse());
    id.transpose()
        .map_err(|error| StoreError::unreadable("run id", error))
}

fn from_row(row: &Row<'_>) -> Result<Poll, StoreError> {
    let code: Option<String> = row.get(12)?;
    Ok(Poll {
        workflow: row.get(0)?,
        trigger: row.get(1)?,
        fingerprint: row.get(2)?,
        place: row.get(3)?,
        due_ms: unsigned(row.get(4)?),
        polls: unsigned(row.get(5)?),
        open_run: run_id(row, 6)?,
        past: PollPast {
            last_ms: row.get::<Option<i64>>(7)?.map(unsigned),
            last_run: run_id(row, 8)?,
            last_events: unsigned(row.get(9)?),
            events: unsigned(row.get(10)?),
            failures: small(row.get(11)?),
            problem: code.zip(row.get(13)?),
        },
        paused_by: row.get(14)?,
    })
}

impl Store {
    /// Every trigger whose events are polled for, earliest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn polls(&self, scope: &Scope) -> Result<Vec<Poll>, StoreError> {
        self.read(scope, |connection, scope| {
            sql::all(
                connection,
                &format!(
                    "{COLUMNS} where workspace = ?1 and project = ?2 order by due_ms, workflow, trigger limit 100000"
                ),
                [scope.workspace(), scope.project()],
                from_row,
            )
        })
        .await
    }

    /// Makes these the polled triggers of a workflow, in the place of those it had. One that asks the same as before stays as
    /// it is; another begins anew, and is stopped if it was.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn set_polls(
        &self,
        scope: &Scope,
        workflow: String,
        polls: Vec<Poll>,
    ) -> Result<(), StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            let names: Vec<&str> = polls.iter().map(|poll| poll.trigger.as_str()).collect();
            sql::run(
                transaction,
                "delete from poll where workflow = ?1 and workspace = ?2 and project = ?3 \
                 and trigger not in (select value from json_each(?4))",
                [
                    workflow.as_str(),
                    scope.workspace(),
                    scope.project(),
                    &serde_json::json!(names).to_string(),
                ],
            )?;
            for poll in &polls {
                sql::run(
                    transaction,
                    "insert into poll (workspace, project, workflow, trigger, fingerprint, due_ms) \
                     values (?1, ?2, ?3, ?4, ?5, ?6) on conflict (workspace, project, workflow, trigger) do update \
                     set fingerprint = excluded.fingerprint, due_ms = excluded.due_ms, place = null, open_run = null, \
                     failures = 0, problem_code = null, problem = null where poll.fingerprint <> excluded.fingerprint",
                    params![
                        scope.workspace(),
                        scope.project(),
                        workflow,
                        poll.trigger,
                        poll.fingerprint,
                        signed(poll.due_ms)
                    ],
                )?;
            }
            Ok(())
        })
        .await
    }

    /// Stores the run of a poll as the open one of its trigger, which was read like this. False if the trigger has moved on
    /// meanwhile; then nothing is stored.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn begin_poll(&self, scope: &Scope, read: &Poll, run: NewRun) -> Result<bool, StoreError> {
        let read = read.clone();
        self.alone(scope, Some(Point::B2), move |transaction, scope| {
            let begun = sql::run(
                transaction,
                "update poll set open_run = ?5, polls = polls + 1 where workspace = ?1 and project = ?2 and workflow = ?3 \
                 and trigger = ?4 and open_run is null and paused_by is null and polls = ?6 and fingerprint = ?7",
                params![
                    scope.workspace(),
                    scope.project(),
                    read.workflow,
                    read.trigger,
                    run.id.as_str(),
                    signed(read.polls),
                    read.fingerprint
                ],
            )?;
            if begun == 1 {
                start::write(transaction, &[(scope.clone(), run, None)])?;
            }
            Ok(begun == 1)
        })
        .await
    }

    /// Writes down how the poll ended that is the open one of its trigger, which was read like this, and stores the runs of
    /// what it found. Gives what became of each; none if the trigger has moved on meanwhile, and then nothing is stored.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn end_poll(
        &self,
        scope: &Scope,
        read: &Poll,
        end: PollEnd,
        (now_ms, due_ms): (u64, u64),
        runs: Vec<NewRun>,
    ) -> Result<Option<Vec<Started>>, StoreError> {
        let read = read.clone();
        self.alone(scope, Some(Point::B2), move |transaction, scope| {
            if !ended(transaction, scope, &read, &end, (now_ms, due_ms))? {
                return Ok(None);
            }
            let found = runs.len();
            let runs: Vec<_> = runs.into_iter().map(|run| (scope.clone(), run, None)).collect();
            let started = start::write(transaction, &runs)?;
            let new = started.iter().filter(|one| **one == Started::New).count();
            if matches!(end, PollEnd::Found { .. }) {
                sql::run(
                    transaction,
                    "update poll set last_events = ?5, events = events + ?6 where workspace = ?1 and project = ?2 \
                     and workflow = ?3 and trigger = ?4",
                    params![
                        scope.workspace(),
                        scope.project(),
                        read.workflow,
                        read.trigger,
                        signed(found as u64),
                        signed(new as u64)
                    ],
                )?;
            }
            Ok(Some(started))
        })
        .await
    }

    /// Stops a polled trigger, with who did it and why, or lets it go on at `due_ms`. False if there is none of these names.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn pause_poll(
        &self,
        scope: &Scope,
        key: PollKey,
        paused_by: Option<String>,
        due_ms: u64,
    ) -> Result<bool, StoreError> {
        self.change(
            scope,
            None,
            |there: &bool| *there,
            move |transaction, scope| {
                let changed = sql::run(
                    transaction,
                    "update poll set paused_by = ?5, due_ms = case when cast(?5 as text) is null then ?6 else due_ms end \
                     where workspace = ?1 and project = ?2 and workflow = ?3 and trigger = ?4",
                    params![
                        scope.workspace(),
                        scope.project(),
                        key.workflow,
                        key.trigger,
                        paused_by,
                        signed(due_ms)
                    ],
                )?;
                Ok(changed == 1)
            },
        )
        .await
    }
}

/// Moves a trigger on behind its open poll, if it is still as it was read.
fn ended(
    connection: &Connection,
    scope: &Scope,
    read: &Poll,
    end: &PollEnd,
    (now_ms, due_ms): (u64, u64),
) -> Result<bool, StoreError> {
    let (found, place, code, problem) = match end {
        PollEnd::Found { place } => (true, place.as_deref(), None, None),
        PollEnd::Failed {
            problem: (code, problem),
        } => (false, None, Some(code), Some(problem)),
    };
    let ended = sql::run(
        connection,
        "update poll set place = case when ?5 = 1 then ?6 else place end, open_run = null, last_ms = ?7, last_run = ?8, \
         due_ms = ?9, failures = case when ?5 = 1 then 0 else failures + 1 end, problem_code = ?10, problem = ?11 \
         where workspace = ?1 and project = ?2 and workflow = ?3 and trigger = ?4 and coalesce(open_run, '') = ?12 \
         and polls = ?13 and fingerprint = ?14",
        params![
            scope.workspace(),
            scope.project(),
            read.workflow,
            read.trigger,
            i64::from(found),
            place,
            signed(now_ms),
            read.open_run.as_ref().map(RunId::as_str),
            signed(due_ms),
            code,
            problem,
            read.open_run.as_ref().map_or("", RunId::as_str),
            signed(read.polls),
            read.fingerprint
        ],
    )?;
    Ok(ended == 1)
}
