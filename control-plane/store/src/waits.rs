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
    /// What a run waits for, oldest first, at most `limit`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn waits_of(
        &self,
        scope: &Scope,
        run: &RunId,
        limit: u32,
    ) -> Result<Vec<OpenWait>, StoreError> {
        let run = run.clone();
        let found = self.read(scope, move |connection, scope| {
            sql::all(
                connection,
                "select step, kind, name, correlation, child, reason, since_ms, due_ms from wait \
                 where run = (select seq from run where id = ?1 and workspace = ?3 and project = ?4) \
                 order by since_ms, step limit ?2",
                params![run.as_str(), limit, scope.workspace(), scope.project()],
                |row| from_row(row, 0),
            )
        });
        Ok(found.await?.into_iter().flatten().collect())
    }
}
