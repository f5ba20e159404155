//! What runs wait for besides questions to people: a time, a signal, another run, a look at a step.

use crate::cells::{Row, params};
use flowforge_core::Scope;
use flowforge_protocol::{RunId, StepKey};

use crate::sql::{self, unsigned};
use crate::{Store, StoreError};

/// What a step waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitFor {
    /// A time.
    Time,
    /// A signal.
    Signal {
        /// Its name.
        name: String,
        /// If given, only one with this correlation counts.
        correlation: Option<String>,
    },
    /// The end of another run.
    Child {
        /// The run.
        run: RunId,
    },
    /// A person's look.
    Review {
        /// Why.
        reason: String,
    },
}

/// A step that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenWait {
    /// The step.
    pub step: StepKey,
    /// For what.
    pub what: WaitFor,
    /// Since when, by the host's clock.
    pub since_ms: u64,
    /// When the waiting ends in any case.
    pub due_ms: Option<u64>,
}

/// The wait whose columns begin there, if there is one.
pub(crate) fn from_row(row: &Row<'_>, first: usize) -> Result<Option<OpenWait>, StoreError> {
    let Some(kind) = row.get::<Option<String>>(first + 1)? else {
        return Ok(None);
    };
    let what = match kind.as_str() {
        "time" => WaitFor::Time,
        "signal" => WaitFor::Signal {
            name: row.get(first + 2)?,
            correlation: row.get(first + 3)?,
        },
        "child" => WaitFor::Child {
            run: sql::parsed(row, first + 4, "run id")?,
        },
        "review" => WaitFor::Review {
            reason: row.get::<Option<String>>(first + 5)?.unwrap_or_default(),
        },
        other => return Err(StoreError::unreadable("kind of wait", other)),
    };
    Ok(Some(OpenWait {
        step: sql::parsed(row, first, "step")?,
        what,
        since_ms: unsigned(row.get(first + 6)?),
        due_ms: row.get::<Option<i64>>(first + 7)?.map(unsigned),
    }))
}

impl Store {
    /// What runs wait for, each with its run, oldest first, at most `limit` of each.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn waits_of(
        &self,
        scope: &Scope,
        runs: Vec<RunId>,
        limit: u32,
    ) -> Result<Vec<(RunId, OpenWait)>, StoreError> {
        let found = self.read(scope, move |connection, scope| {
            sql::all(
                connection,
                "select step, kind, name, correlation, child, reason, since_ms, due_ms, id from ( \
                     select wait.*, run.id as id, row_number() over (partition by wait.run order by since_ms, step) \
                     as place from wait join run on run.seq = wait.run \
                     where run.id in (select value from json_each(?1)) and run.workspace = ?3 and run.project = ?4) ranked \
                 where place <= ?2 order by since_ms, step",
                params![
                    serde_json::json!(runs).to_string(),
                    limit,
                    scope.workspace(),
                    scope.project()
                ],
                |row| {
                    let run = sql::parsed(row, 8, "run id")?;
                    Ok(from_row(row, 0)?.map(|wait| (run, wait)))
                },
            )
        });
        let found: Vec<Option<(RunId, OpenWait)>> = found.await?;
        Ok(found.into_iter().flatten().collect())
    }
}
