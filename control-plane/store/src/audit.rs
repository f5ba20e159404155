//! Who did what: entries that are written in the transaction of the change, and read page by page.
//!
//! A handle of [`Store::noting`] carries an entry; the first change through it that takes effect writes the entry beside
//! itself, in the same commit. A change that does not take effect writes nothing. Entries are never changed, and leave by
//! their age or number only ([`crate::Keep`]).

use std::sync::Arc;

use flowforge_core::{AuditEntry, Scope};
use flowforge_failpoints::Point;
use serde_json::{Value, json};

use crate::cells::{Row, params};
use crate::connection::Connection;
use crate::sql::{self, signed, unsigned};
use crate::{Page, Store, StoreError};

/// An entry as it is kept. Its words are those of `flowforge_core`, kept as text: a later program may have more of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// When, milliseconds since 1970.
    pub at_ms: u64,
    /// `owner`, `account`, `host`, `plane`, `nobody`.
    pub actor_kind: String,
    /// Its name.
    pub actor: String,
    /// How it showed who it is.
    pub shown_by: String,
    /// `run.start`.
    pub action: String,
    /// `run`.
    pub object_kind: String,
    /// Its name or id; empty for the project itself.
    pub object: String,
    /// `done`, `denied`, `refused`.
    pub outcome: String,
    /// What helps to understand it.
    pub detail: Option<String>,
    /// The request that asked for it.
    pub request: String,
}

/// Which entries to list; what is absent does not count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Name of the actor.
    pub actor: Option<String>,
    /// The action: `run.start`; or, with a dot at its end, all that begin so: `run.`.
    pub action: Option<String>,
    /// Kind of the object.
    pub object_kind: Option<String>,
    /// Name or id of the object.
    pub object: Option<String>,
    /// The outcome.
    pub outcome: Option<String>,
    /// Not before this time.
    pub since_ms: Option<u64>,
    /// Before this time.
    pub until_ms: Option<u64>,
}

impl Store {
    /// The same store, whose next change that takes effect writes this entry beside itself; without an entry, nothing.
    #[must_use]
    pub fn noting(&self, entry: Option<AuditEntry>) -> Self {
        let mut noting = self.clone();
        noting.note = entry.map(Arc::new);
        noting
    }

    /// Writes an entry that goes with no change: a refusal.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn note(&self, scope: &Scope, entry: AuditEntry) -> Result<(), StoreError> {
        self.alone(scope, None, move |transaction, _| {
            insert(transaction, [&entry].into_iter())
        })
        .await
    }

    /// Entries, newest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn audit(
        &self,
        scope: &Scope,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<AuditRecord>, StoreError> {
        let (filter, before) = (filter.clone(), before.unwrap_or(i64::MAX));
        self.read(scope, move |connection, scope| {
            // Both ends of what the action may be: one name, or all that begin alike.
            let family = filter.action.as_ref().filter(|action| action.ends_with('.'));
            let beyond = family.map(|family| format!("{family}~"));
            let beyond = beyond.or_else(|| filter.action.clone());
            let rows = sql::all(
                connection,
                LIST,
                params![
                    scope.workspace(),
                    scope.project(),
                    before,
                    i64::from(limit) + 1,
                    filter.actor,
                    filter.action,
                    beyond,
                    filter.object_kind,
                    filter.object,
                    filter.outcome,
                    signed(filter.since_ms.unwrap_or(0)),
                    signed(filter.until_ms.unwrap_or(u64::MAX))
                ],
                from_row,
            )?;
            Ok(Page::from_rows(rows, limit))
        })
        .await
    }

    /// A change in a transaction of its own; where it took effect, the entry of this handle is written beside it.
    pub(crate) async fn change<T, F>(
        &self,
        scope: &Scope,
        point: Option<Point>,
        took: impl Fn(&T) -> bool + Send + 'static,
        write: F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &Scope) -> Result<T, StoreError> + Send + 'static,
    {
        let note = self.note.clone();
        self.alone(scope, point, move |transaction, scope| {
            let value = write(transaction, scope)?;
            if let Some(entry) = note.filter(|_| took(&value)) {
                insert(transaction, [entry.as_ref()].into_iter())?;
            }
            Ok(value)
        })
        .await
    }
}

const LIST: &str = "select seq, at_ms, actor_kind, actor, shown_by, action, object_kind, object, outcome, detail, request \
     from audit where workspace = ?1 and project = ?2 and seq < ?3 \
     and (cast(?5 as text) is null or actor = ?5) \
     and (cast(?6 as text) is null or (action >= ?6 and action <= ?7)) \
     and (cast(?8 as text) is null or object_kind = ?8) and (cast(?9 as text) is null or object = ?9) \
     and (cast(?10 as text) is null or outcome = ?10) and at_ms >= ?11 and at_ms < ?12 order by seq desc limit ?4";

fn from_row(row: &Row<'_>) -> Result<(i64, AuditRecord), StoreError> {
    let record = AuditRecord {
        at_ms: unsigned(row.get(1)?),
        actor_kind: row.get(2)?,
        actor: row.get(3)?,
        shown_by: row.get(4)?,
        action: row.get(5)?,
        object_kind: row.get(6)?,
        object: row.get(7)?,
        outcome: row.get(8)?,
        detail: row.get(9)?,
        request: row.get(10)?,
    };
    Ok((row.get(0)?, record))
}

const INSERT: &str = "insert into audit (workspace, project, at_ms, actor_kind, actor, shown_by, action, object_kind, \
     object, outcome, detail, request) select value ->> 0, value ->> 1, cast(value ->> 2 as bigint), value ->> 3, \
     value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11 \
     from json_each(?1)";

/// Writes entries, all of them by one statement.
pub(crate) fn insert<'e>(
    connection: &Connection,
    entries: impl Iterator<Item = &'e AuditEntry>,
) -> Result<(), StoreError> {
    let rows: Vec<Value> = entries.map(row).collect();
    if !rows.is_empty() {
        sql::run(connection, INSERT, [Value::Array(rows).to_string()])?;
    }
    Ok(())
}

fn row(entry: &AuditEntry) -> Value {
    let (caller, object) = (&entry.caller, &entry.object);
    json!([
        caller.scope.workspace(),
        caller.scope.project(),
        entry.at_ms,
        caller.actor.kind(),
        caller.actor.name(),
        caller.actor.shown_by(),
        entry.action.as_str(),
        object.kind.as_str(),
        object.id,
        entry.outcome.as_str(),
        entry.detail,
        caller.request.as_ref(),
    ])
}

/// Forgets entries that are too old, then the oldest beyond those that are kept; returns how many.
pub(crate) fn forget(
    connection: &Connection,
    scope: &Scope,
    since_ms: u64,
    rows_kept: u64,
    rows_max: u32,
) -> Result<usize, StoreError> {
    let old = sql::run(
        connection,
        "delete from audit where seq in (select seq from audit where at_ms < ?1 and workspace = ?3 and project = ?4 \
         order by seq limit ?2)",
        params![signed(since_ms), rows_max, scope.workspace(), scope.project()],
    )?;
    let count = sql::first(
        connection,
        "select count(*) from audit where workspace = ?1 and project = ?2",
        [scope.workspace(), scope.project()],
        |row| Ok(unsigned(row.get(0)?)),
    )?;
    let beyond = count.unwrap_or(0).saturating_sub(rows_kept);
    if beyond == 0 {
        return Ok(old);
    }
    let more = sql::run(
        connection,
        "delete from audit where seq in (select seq from audit where workspace = ?2 and project = ?3 \
         order by seq limit ?1)",
        params![
            signed(beyond.min(u64::from(rows_max))),
            scope.workspace(),
            scope.project()
        ],
    )?;
    Ok(old + more)
}
