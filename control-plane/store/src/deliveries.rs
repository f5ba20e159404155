//! What came to webhooks, and what became of it: written in the commit of the run or the signal, listed, and forgotten.
//!
//! The bodies of the newest of each path are kept, so that a person can have them done once more. Of a request whose sender
//! did not prove who they are no body is kept.

use flowforge_core::Scope;
use flowforge_protocol::{DeliveryId, RunId};
use serde_json::{Value, json};

use crate::cells::{Row, params};
use crate::connection::Connection;
use crate::runs::Found;
use crate::sql::{self, signed, unsigned};
use crate::{Page, Store, StoreError};

/// So many of the newest deliveries of a path keep their body.
pub const REPLAYABLE_MAX: u32 = 50;

/// The code of a request whose name stands for another one.
pub(crate) const CODE_NAME_TAKEN: &str = "FF-RUN-002";
/// The code of a signal for which there is no room.
pub(crate) const CODE_FULL: &str = "FF-HOOK-010";

/// A request to a webhook, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// When it came.
    pub at_ms: u64,
    /// Below `/hooks/`.
    pub path: String,
    /// The workflow that listens there.
    pub workflow: String,
    /// The trigger's name in it.
    pub trigger: String,
    /// How its sender had to prove who they are.
    pub scheme: String,
    /// Type of its body, as its sender said it.
    pub media_type: Option<String>,
    /// Bytes of its body as it came.
    pub bytes: u64,
    /// The body, decoded, as base64 text; none of one whose sender is not proven.
    pub body: Option<String>,
    /// The delivery that a person had done once more, and who that was.
    pub replay: Option<(DeliveryId, String)>,
}

/// What became of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// It started a run, or is a signal.
    Accepted,
    /// It had come before.
    Duplicate,
    /// It was refused; its code says why.
    Refused,
}

impl DeliveryOutcome {
    /// As it is kept.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Refused => "refused",
        }
    }

    /// The other way round; none for a word of a newer program.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        let mut all = [Self::Accepted, Self::Duplicate, Self::Refused].into_iter();
        all.find(|outcome| outcome.as_str() == word)
    }
}

/// A delivery with what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// When it came.
    pub at_ms: u64,
    /// Below `/hooks/`.
    pub path: String,
    /// The workflow that listened there.
    pub workflow: String,
    /// The trigger's name in it.
    pub trigger: String,
    /// How its sender had to prove who they are.
    pub scheme: String,
    /// Type of its body, as its sender said it.
    pub media_type: Option<String>,
    /// Bytes of its body as it came.
    pub bytes: u64,
    /// `accepted`, `duplicate`, `refused`.
    pub outcome: String,
    /// Why it was refused.
    pub code: Option<String>,
    /// The run that it started, or that another one with its name had started.
    pub run: Option<RunId>,
    /// The signal that it is.
    pub signal: Option<String>,
    /// The delivery that it repeats because a person asked for it.
    pub replay_of: Option<DeliveryId>,
    /// Who asked for that.
    pub asked_by: Option<String>,
    /// Whether its body is kept.
    pub has_body: bool,
}

/// Which deliveries to list; what is absent does not count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Below `/hooks/`.
    pub path: Option<String>,
    /// The workflow.
    pub workflow: Option<String>,
    /// What became of it.
    pub outcome: Option<DeliveryOutcome>,
}

/// How much is kept of what came to webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepDeliveries {
    /// Those that came before this time are forgotten.
    pub since_ms: u64,
    /// So many are kept; the oldest beyond are forgotten before their time.
    pub count_max: u64,
    /// Bytes of base64 text of all kept bodies; the oldest beyond lose theirs.
    pub body_bytes_max: u64,
}

const COLUMNS: &str = "select seq, id, at_ms, path, workflow, trigger, scheme, media_type, bytes, outcome, code, run, \
     signal, replay_of, asked_by, \
     cast(case when body is null then 0 else 1 end as bigint) from delivery";

fn from_row(row: &Row<'_>) -> Result<(i64, Delivery), StoreError> {
    let optional = |column| row.get::<Option<String>>(column);
    let id_of = |text: Option<String>| text.map(|text| text.parse()).transpose();
    let unreadable = |error| StoreError::unreadable("delivery id", error);
    let delivery = Delivery {
        id: sql::parsed(row, 1, "delivery id")?,
        at_ms: unsigned(row.get(2)?),
        path: row.get(3)?,
        workflow: row.get(4)?,
        trigger: row.get(5)?,
        scheme: row.get(6)?,
        media_type: optional(7)?,
        bytes: unsigned(row.get(8)?),
        outcome: row.get(9)?,
        code: optional(10)?,
        run: optional(11)?
            .map(|text| text.parse())
            .transpose()
            .map_err(|error| StoreError::unreadable("run id", error))?,
        signal: optional(12)?,
        replay_of: id_of(optional(13)?).map_err(unreadable)?,
        asked_by: optional(14)?,
        has_body: row.get(15)?,
    };
    Ok((row.get(0)?, delivery))
}

impl Store {
    /// Keeps a delivery that was refused before it could be a run or a signal.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn note_refused_delivery(
        &self,
        scope: &Scope,
        delivery: NewDelivery,
        code: &'static str,
    ) -> Result<(), StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            let row = delivery.row(scope, DeliveryOutcome::Refused, Some(code), None, None);
            insert(transaction, vec![row])
        })
        .await
    }

    /// Deliveries, newest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn deliveries(
        &self,
        scope: &Scope,
        filter: &DeliveryFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<Delivery>, StoreError> {
        let (filter, before) = (filter.clone(), before.unwrap_or(i64::MAX));
        self.read(scope, move |connection, scope| {
            let rows = sql::all(
                connection,
                &format!(
                    "{COLUMNS} where workspace = ?1 and project = ?2 and seq < ?3 \
                     and (cast(?5 as text) is null or path = ?5) and (cast(?6 as text) is null or workflow = ?6) \
                     and (cast(?7 as text) is null or outcome = ?7) order by seq desc limit ?4"
                ),
                params![
                    scope.workspace(),
                    scope.project(),
                    before,
                    i64::from(limit) + 1,
                    filter.path,
                    filter.workflow,
                    filter.outcome.map(DeliveryOutcome::as_str)
                ],
                from_row,
            )?;
            Ok(Page::from_rows(rows, limit))
        })
        .await
    }

    /// The delivery with this id, unique prefix, or `last`, the one that came last.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn find_delivery(&self, scope: &Scope, wanted: &str) -> Result<Found<Delivery>, StoreError> {
        let wanted = wanted.to_owned();
        self.read(scope, move |connection, scope| {
            let sql = if wanted == "last" {
                format!(
                    "{COLUMNS} where cast(?1 as text) = ?1 and workspace = ?2 and project = ?3 order by seq desc limit 1"
                )
            } else {
                format!(
                    "{COLUMNS} where id >= ?1 and id < ?1 || '~' and workspace = ?2 and project = ?3 order by id limit 2"
                )
            };
            let rows = sql::all(
                connection,
                &sql,
                [wanted.as_str(), scope.workspace(), scope.project()],
                |row| from_row(row).map(|(_, delivery)| delivery),
            )?;
            Ok(Found::from_rows(rows))
        })
        .await
    }

    /// The body of a delivery as base64 text, if it is kept.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn delivery_body(
        &self,
        scope: &Scope,
        delivery: &DeliveryId,
    ) -> Result<Option<String>, StoreError> {
        let delivery = delivery.clone();
        self.read(scope, move |connection, scope| {
            let body = sql::first(
                connection,
                "select body from delivery where id = ?1 and workspace = ?2 and project = ?3",
                [delivery.as_str(), scope.workspace(), scope.project()],
                |row| row.get::<Option<String>>(0),
            )?;
            Ok(body.flatten())
        })
        .await
    }

    /// Forgets what need not be kept of deliveries, at most `rows_max` of them.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn trim_deliveries(
        &self,
        scope: &Scope,
        keep: KeepDeliveries,
        rows_max: u32,
    ) -> Result<(), StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            forget(transaction, scope, keep, rows_max)
        })
        .await
    }
}

impl NewDelivery {
    /// What is kept of it. Of one that had come before the body is kept with the first.
    pub(crate) fn row(
        &self,
        scope: &Scope,
        outcome: DeliveryOutcome,
        code: Option<&str>,
        run: Option<&str>,
        signal: Option<&str>,
    ) -> Value {
        let body = self
            .body
            .as_ref()
            .filter(|_| outcome != DeliveryOutcome::Duplicate);
        json!([
            scope.workspace(),
            scope.project(),
            self.id,
            self.at_ms,
            self.path,
            self.workflow,
            self.trigger,
            self.scheme,
            self.media_type,
            self.bytes,
            outcome.as_str(),
            code,
            run,
            signal,
            self.replay.as_ref().map(|(of, _)| of),
            self.replay.as_ref().map(|(_, by)| by),
            body,
        ])
    }
}

const INSERT: &str = "insert into delivery (workspace, project, id, at_ms, path, workflow, trigger, scheme, media_type, bytes, \
     outcome, code, run, signal, replay_of, asked_by, body) select value ->> 0, value ->> 1, value ->> 2, \
     cast(value ->> 3 as bigint), value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8, \
     cast(value ->> 9 as bigint), value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14, value ->> 15, \
     value ->> 16 from json_each(?1)";

/// Keeps deliveries, all of them by one statement.
pub(crate) fn insert(connection: &Connection, rows: Vec<Value>) -> Result<(), StoreError> {
    if !rows.is_empty() {
        sql::run(connection, INSERT, [Value::Array(rows).to_string()])?;
    }
    Ok(())
}

/// Forgets bodies beyond those that are kept, then what is too old, then the oldest beyond the count.
pub(crate) fn forget(
    connection: &Connection,
    scope: &Scope,
    keep: KeepDeliveries,
    rows_max: u32,
) -> Result<(), StoreError> {
    sql::run(
        connection,
        "update delivery set body = null where seq in (select seq from (select seq, \
         row_number() over (partition by path order by seq desc) as place, \
         sum(length(body)) over (order by seq desc) as bytes \
         from delivery where workspace = ?1 and project = ?2 and body is not null) as held \
         where place > ?3 or bytes > ?4)",
        params![
            scope.workspace(),
            scope.project(),
            REPLAYABLE_MAX,
            signed(keep.body_bytes_max)
        ],
    )?;
    sql::run(
        connection,
        "delete from delivery where seq in (select seq from delivery where at_ms < ?1 and workspace = ?3 \
         and project = ?4 order by seq limit ?2)",
        params![
            signed(keep.since_ms),
            rows_max,
            scope.workspace(),
            scope.project()
        ],
    )?;
    // Beyond the place of the oldest one that is kept.
    sql::run(
        connection,
        "delete from delivery where seq in (select seq from delivery where workspace = ?1 and project = ?2 \
         order by seq desc limit ?3 offset ?4)",
        params![
            scope.workspace(),
            scope.project(),
            rows_max,
            signed(keep.count_max)
        ],
    )?;
    Ok(())
}
