//! The list of events that went out or wait to: looked at, tried once more because a person asks for it, and forgotten.

use flowforge_core::Scope;

use crate::cells::{Row, params};
use crate::connection::Connection;
use crate::outbox::{Told, told};
use crate::sql::{self, signed, unsigned};
use crate::{Page, Store, StoreError};

/// Where the delivery of an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventState {
    /// It is tried, or will be.
    Pending,
    /// The endpoint has taken it.
    Delivered,
    /// It was tried as often as it is, or the endpoint does not want it.
    Failed,
}

impl EventState {
    /// As it is kept.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    /// The other way round; none for a word of a newer program.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        let mut all = [Self::Pending, Self::Delivered, Self::Failed].into_iter();
        all.find(|state| state.as_str() == word)
    }
}

/// An event for one endpoint, with what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventDelivery {
    /// Its number, by which people name it.
    pub number: u64,
    /// What it tells.
    pub told: Told,
    /// `pending`, `delivered`, `failed`.
    pub state: String,
    /// When it is tried next, if it is.
    pub due_ms: u64,
    /// How often it was tried.
    pub attempts: u64,
    /// When it was tried last.
    pub last_at_ms: Option<u64>,
    /// The status of the last answer, if there was one.
    pub last_status: Option<u64>,
    /// The beginning of the last answer, or why there was none.
    pub last_answer: Option<String>,
    /// Who had it sent once more.
    pub asked_by: Option<String>,
}

/// Which deliveries to list; what is absent does not count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// The endpoint.
    pub endpoint: Option<String>,
    /// `run.ended` and the like.
    pub kind: Option<String>,
    /// Where it stands.
    pub state: Option<EventState>,
    /// The run that it is about.
    pub run: Option<String>,
}

/// How much is kept of what went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepEvents {
    /// Events from before this time are forgotten, whether or not they were delivered.
    pub since_ms: u64,
    /// So many are kept; beyond, the oldest that do not wait are forgotten, then the oldest.
    pub count_max: u64,
}

const COLUMNS: &str = "state, due_ms, attempts, last_at_ms, last_status, last_answer, asked_by";

fn from_row(row: &Row<'_>) -> Result<(i64, EventDelivery), StoreError> {
    let number = |column| Ok::<_, StoreError>(row.get::<Option<i64>>(column)?.map(unsigned));
    let (seq, told) = told(row)?;
    let first = crate::outbox::TOLD_COLUMNS;
    let delivery = EventDelivery {
        number: unsigned(seq),
        told,
        state: row.get(first)?,
        due_ms: unsigned(row.get(first + 1)?),
        attempts: unsigned(row.get(first + 2)?),
        last_at_ms: number(first + 3)?,
        last_status: number(first + 4)?,
        last_answer: row.get(first + 5)?,
        asked_by: row.get(first + 6)?,
    };
    Ok((seq, delivery))
}

impl Store {
    /// Events that went out or wait to, newest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn event_deliveries(
        &self,
        scope: &Scope,
        filter: &EventFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<EventDelivery>, StoreError> {
        let (filter, before) = (filter.clone(), before.unwrap_or(i64::MAX));
        self.read(scope, move |connection, scope| {
            let rows = sql::all(
                connection,
                &format!(
                    "select {}, {COLUMNS} from event_delivery where workspace = ?1 and project = ?2 and seq < ?3 \
                     and (cast(?5 as text) is null or endpoint = ?5) and (cast(?6 as text) is null or kind = ?6) \
                     and (cast(?7 as text) is null or state = ?7) and (cast(?8 as text) is null or run = ?8) \
                     order by seq desc limit ?4",
                    crate::outbox::TOLD
                ),
                params![
                    scope.workspace(),
                    scope.project(),
                    before,
                    i64::from(limit) + 1,
                    filter.endpoint,
                    filter.kind,
                    filter.state.map(EventState::as_str),
                    filter.run
                ],
                from_row,
            )?;
            Ok(Page::from_rows(rows, limit))
        })
        .await
    }

    /// The delivery of this number.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn event_delivery(
        &self,
        scope: &Scope,
        number: u64,
    ) -> Result<Option<EventDelivery>, StoreError> {
        self.read(scope, move |connection, scope| {
            let sql = format!(
                "select {}, {COLUMNS} from event_delivery where seq = ?1 and workspace = ?2 and project = ?3",
                crate::outbox::TOLD
            );
            let params = params![signed(number), scope.workspace(), scope.project()];
            sql::first(connection, &sql, params, |row| Ok(from_row(row)?.1))
        })
        .await
    }

    /// Has a delivery sent once more, under the name that its event has: it begins anew, and is due at once. False if there
    /// is none.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn send_event_again(
        &self,
        scope: &Scope,
        number: u64,
        by: String,
        at_ms: u64,
    ) -> Result<bool, StoreError> {
        self.change(
            scope,
            None,
            |sent| *sent,
            move |transaction, scope| {
                let sent = sql::run(
                    transaction,
                    "update event_delivery set state = 'pending', due_ms = ?4, attempts = 0, asked_by = ?5 \
                     where seq = ?1 and workspace = ?2 and project = ?3",
                    params![
                        signed(number),
                        scope.workspace(),
                        scope.project(),
                        signed(at_ms),
                        by
                    ],
                )?;
                Ok(sent > 0)
            },
        )
        .await
    }
}

/// Forgets what is too old, then of what is too much the oldest that do not wait, then the oldest.
pub(crate) fn forget(
    connection: &Connection,
    scope: &Scope,
    keep: KeepEvents,
    rows_max: u32,
) -> Result<(), StoreError> {
    let (workspace, project) = (scope.workspace(), scope.project());
    sql::run(
        connection,
        "delete from event_delivery where seq in (select seq from event_delivery where at_ms < ?1 and workspace = ?3 \
         and project = ?4 order by seq limit ?2)",
        params![signed(keep.since_ms), rows_max, workspace, project],
    )?;
    let count = sql::first(
        connection,
        "select count(*) from event_delivery where workspace = ?1 and project = ?2",
        [workspace, project],
        |row| Ok(unsigned(row.get(0)?)),
    )?;
    let beyond = count.unwrap_or(0).saturating_sub(keep.count_max);
    if beyond > 0 {
        sql::run(
            connection,
            "delete from event_delivery where seq in (select seq from event_delivery where workspace = ?1 \
             and project = ?2 order by case when state = 'pending' then 1 else 0 end, seq limit ?3)",
            params![workspace, project, signed(beyond.min(u64::from(rows_max)))],
        )?;
    }
    Ok(())
}
