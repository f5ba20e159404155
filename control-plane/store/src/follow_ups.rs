//! What a run starts when it ends, as its release says: other workflows, and calls to the endpoints that it names.
//!
//! What is to be started is written in the transaction of the end; whoever starts it names the request by the run, so that it
//! starts once however often it is tried.

use flowforge_core::Scope;
use flowforge_protocol::RunId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cells::{Row, params};
use crate::connection::Connection;
use crate::outbox::{self, RUN_DONE, RUN_ENDED, RUN_FAILED};
use crate::sql::{self, small};
use crate::{Store, StoreError};

/// What follows an end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follows {
    /// The workflow that is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// The webhook endpoint that is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

/// What follows each end of a run. A run that somebody cancels has neither.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnEnd {
    /// When it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<Follows>,
    /// When it failed, was rejected, or was not answered in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Follows>,
}

impl OnEnd {
    /// What follows an end of this name, and the kind of the event that tells it.
    fn after(self, state: &str) -> Option<(&'static str, Follows)> {
        match state {
            "done" => self.done.map(|follows| (RUN_DONE, follows)),
            "failed" | "rejected" | "expired" => self.failed.map(|follows| (RUN_FAILED, follows)),
            _ => None,
        }
    }
}

/// A workflow that is to be started because a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwedFollowUp {
    /// The run that ended.
    pub run: RunId,
    /// Its workflow.
    pub of: String,
    /// Its version.
    pub version: u32,
    /// What started it, as JSON text.
    pub trigger: String,
    /// Its outcome as JSON text.
    pub outcome: String,
    /// Its trace context.
    pub traceparent: Option<String>,
    /// The workflow to be started.
    pub workflow: String,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowUp {
    /// The workflow.
    pub workflow: String,
    /// The run that was started.
    pub started: Option<RunId>,
    /// Why none was.
    pub refused: Option<String>,
}

/// Rows of what a group of ends brings.
#[derive(Default)]
pub(crate) struct Ends {
    /// For those who follow all ends.
    pub(crate) told: Vec<Value>,
    /// For the endpoints that releases name.
    pub(crate) named: Vec<Value>,
    /// Run and workflow.
    pub(crate) follow: Vec<Value>,
}

impl Ends {
    /// A run ended. `watched`: somebody may follow all ends of its project.
    pub(crate) fn ended(
        &mut self,
        (run, row): (&str, i64),
        state: &str,
        at_ms: u64,
        watched: bool,
        on_end: Option<&str>,
    ) {
        if watched {
            self.told.push(outbox::end_row(RUN_ENDED, run, at_ms, row, None));
        }
        // Written by this program; what a newer one has written besides is none of this one's business.
        let on_end = on_end.and_then(|text| serde_json::from_str::<OnEnd>(text).ok());
        let Some((kind, follows)) = on_end.and_then(|on_end| on_end.after(state)) else {
            return;
        };
        if let Some(endpoint) = &follows.endpoint {
            self.named
                .push(outbox::end_row(kind, run, at_ms, row, Some(endpoint)));
        }
        if let Some(workflow) = follows.workflow {
            self.follow.push(json!([run, row, workflow]));
        }
    }

    /// Whether somebody outside is told of it.
    pub(crate) fn goes_out(&self) -> bool {
        !self.told.is_empty() || !self.named.is_empty()
    }

    /// Writes all of it.
    pub(crate) fn store(self, connection: &Connection) -> Result<(), StoreError> {
        let text = |rows: Vec<Value>| (!rows.is_empty()).then(|| Value::Array(rows).to_string());
        if let Some(rows) = text(self.told) {
            outbox::tell_ends(connection, &rows)?;
        }
        if let Some(rows) = text(self.named) {
            outbox::tell_named(connection, &rows)?;
        }
        if let Some(rows) = text(self.follow) {
            sql::run(
                connection,
                "insert into follow_up (run, workspace, project, workflow) select item.value ->> 0, run.workspace, \
                 run.project, item.value ->> 2 from json_each(?1) item \
                 join run on run.seq = cast(item.value ->> 1 as bigint) where true on conflict do nothing",
                [rows],
            )?;
        }
        Ok(())
    }
}

/// A run that ends without a record: see [`Ends::ended`].
pub(crate) fn ended_here(connection: &Connection, row: i64, at_ms: u64) -> Result<(), StoreError> {
    let found = sql::first(
        connection,
        "select id, state, on_end from run where seq = ?1",
        [row],
        |row| {
            Ok((
                row.get::<String>(0)?,
                row.get::<String>(1)?,
                row.get::<Option<String>>(2)?,
            ))
        },
    )?;
    let mut ends = Ends::default();
    if let Some((run, state, on_end)) = found {
        ends.ended((&run, row), &state, at_ms, true, on_end.as_deref());
    }
    ends.store(connection)
}

fn owed(row: &Row<'_>) -> Result<OwedFollowUp, StoreError> {
    Ok(OwedFollowUp {
        run: sql::parsed(row, 0, "run id")?,
        of: row.get(1)?,
        version: small(row.get(2)?),
        trigger: row.get(3)?,
        outcome: row.get::<Option<String>>(4)?.unwrap_or_default(),
        traceparent: row.get(5)?,
        workflow: row.get(6)?,
    })
}

impl Store {
    /// Workflows that are to be started because runs ended, at most `limit`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn owed_follow_ups(&self, scope: &Scope, limit: u32) -> Result<Vec<OwedFollowUp>, StoreError> {
        self.read(scope, move |connection, scope| {
            sql::all(
                connection,
                "select run.id, run.workflow, run.version, run.trigger, run.outcome, run.traceparent, follow_up.workflow \
                 from follow_up join run on run.id = follow_up.run where follow_up.workspace = ?2 \
                 and follow_up.project = ?3 and follow_up.started is null and follow_up.refused is null \
                 order by follow_up.run limit ?1",
                params![limit, scope.workspace(), scope.project()],
                owed,
            )
        })
        .await
    }

    /// What became of it: the run that was started, or why none is.
    ///
    /// # Errors
    /// See [`StoreError`]; then it is tried again, and starts nothing twice.
    pub async fn followed_up(
        &self,
        scope: &Scope,
        run: RunId,
        became: Result<RunId, String>,
    ) -> Result<(), StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            let (started, refused) = match &became {
                Ok(started) => (Some(started.as_str()), None),
                Err(why) => (None, Some(why.as_str())),
            };
            sql::run(
                transaction,
                "update follow_up set started = ?4, refused = ?5 where run = ?1 and workspace = ?2 and project = ?3",
                params![
                    run.as_str(),
                    scope.workspace(),
                    scope.project(),
                    started,
                    refused
                ],
            )?;
            Ok(())
        })
        .await
    }

    /// What the ends of these runs started, or will.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn follow_ups(
        &self,
        scope: &Scope,
        runs: Vec<RunId>,
    ) -> Result<Vec<(RunId, FollowUp)>, StoreError> {
        self.read(scope, move |connection, scope| {
            sql::all(
                connection,
                "select run, workflow, started, refused from follow_up where run in (select value from json_each(?1)) \
                 and workspace = ?2 and project = ?3",
                [json!(runs).to_string().as_str(), scope.workspace(), scope.project()],
                |row| {
                    let started = row.get::<Option<String>>(2)?.map(|text| text.parse()).transpose();
                    let follow_up = FollowUp {
                        workflow: row.get(1)?,
                        started: started.map_err(|error| StoreError::unreadable("run id", error))?,
                        refused: row.get(3)?,
                    };
                    Ok((sql::parsed(row, 0, "run id")?, follow_up))
                },
            )
        })
        .await
    }
}
