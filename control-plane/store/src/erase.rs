//! The values of one run, erased because somebody asked.
//!
//! What goes: the input, the output, every value of its records, what was asked and answered, what was sent to it and from it.
//! What stays: the record lines with the salted digests of the values, so that the chain and the receipt hold as before, the
//! words of failures, and who asked for what. Artefacts have their own time, and children are runs of their own.

use crate::cells::params;
use crate::connection::Connection;
use flowforge_core::Scope;
use flowforge_protocol::RunId;
use flowforge_protocol::chain::{no_fetch, records, without_values};
use flowforge_protocol::record::Event;
use serde_json::json;

use crate::jobs::{self, NewJob};
use crate::retention::release_values;
use crate::runs::{Erasure, erasure};
use crate::sql::{self, signed, unsigned};
use crate::{Store, StoreError};

/// Whose values go, and for whom.
#[derive(Debug, Clone)]
pub struct NewErasure {
    /// The run.
    pub run: RunId,
    /// Who asked, and when.
    pub erasure: Erasure,
    /// The order to the run's host, which may still have the run; none for a run that no host had.
    pub job: Option<NewJob>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Erased {
    /// The values are gone.
    Done,
    /// They were gone before.
    Before(Erasure),
    /// There is no such run.
    Unknown,
    /// The run has not ended.
    NotEnded,
    /// Its host is about to bring its receipt.
    NoReceipt,
}

/// A run as far as it matters here.
struct Ended {
    row: i64,
    is_over: bool,
    has_receipt: bool,
    /// A record ended it, not this store.
    has_end: bool,
    erased: Option<Erasure>,
}

impl Store {
    /// Erases the values of a run that has ended, and stores the order for its host with that.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing was erased.
    pub async fn erase_run(&self, scope: &Scope, wanted: NewErasure) -> Result<Erased, StoreError> {
        let took = |erased: &Erased| matches!(erased, Erased::Done);
        self.change(scope, None, took, move |transaction, scope| {
            let Some(found) = find(transaction, scope, &wanted.run)? else {
                return Ok(Erased::Unknown);
            };
            if let Some(before) = found.erased {
                return Ok(Erased::Before(before));
            }
            if !found.is_over {
                return Ok(Erased::NotEnded);
            }
            if found.has_end && !found.has_receipt {
                return Ok(Erased::NoReceipt);
            }
            erase(transaction, found.row, &wanted)?;
            jobs::insert(transaction, scope, wanted.job.as_slice())?;
            Ok(Erased::Done)
        })
        .await
    }
}

fn find(connection: &Connection, scope: &Scope, run: &RunId) -> Result<Option<Ended>, StoreError> {
    sql::first(
        connection,
        "select seq, ended_at_ms is not null, receipt is not null, outcome_digest is not null, erased_by, erased_at_ms \
         from run where id = ?1 and workspace = ?2 and project = ?3",
        [run.as_str(), scope.workspace(), scope.project()],
        |row| {
            Ok(Ended {
                row: row.get(0)?,
                is_over: row.get(1)?,
                has_receipt: row.get(2)?,
                has_end: row.get(3)?,
                erased: erasure(row.get(4)?, row.get(5)?),
            })
        },
    )
}

fn erase(connection: &Connection, row: i64, wanted: &NewErasure) -> Result<(), StoreError> {
    let (bytes, outcome) = strip_batches(connection, row)?;
    release_values(connection, &json!([row]).to_string())?;
    sql::run(
        connection,
        "update run set input = 'null', options = null, response = null, outcome = coalesce(?2, outcome), bytes = ?3, \
         held_bytes = 0, erased_by = ?4, erased_at_ms = ?5 where seq = ?1",
        params![
            row,
            outcome,
            signed(bytes),
            wanted.erasure.by,
            signed(wanted.erasure.at_ms)
        ],
    )?;
    sql::run(
        connection,
        "update approval set title = '', show = 'null', comment = null, answers = '[]', answered = 0 where run = ?1",
        [row],
    )?;
    // Orders say inputs, answers and payloads; what came to a webhook became one.
    for statement in [
        "update delivery set body = null where run = ?1 and body is not null",
        "update event_delivery set detail = null, title = null where run = ?1",
        "delete from job where run = ?1",
        "delete from signal where run = ?1",
    ] {
        sql::run(connection, statement, [wanted.run.as_str()])?;
    }
    Ok(())
}

/// Leaves only the record lines of a run: how many bytes that are, and its outcome as its last record says it now.
fn strip_batches(connection: &Connection, row: i64) -> Result<(u64, Option<String>), StoreError> {
    let unreadable = |error| StoreError::unreadable("records", error);
    let (mut bytes, mut outcome, mut after) = (0, None, -1_i64);
    loop {
        // One at a time: a run can be large.
        let next = sql::first(
            connection,
            "select first_seq, lines from batch where run = ?1 and first_seq > ?2 order by first_seq limit 1",
            params![row, after],
            |row| Ok((row.get::<i64>(0)?, row.get::<Vec<u8>>(1)?)),
        )?;
        let Some((first_seq, lines)) = next else {
            return Ok((bytes, outcome));
        };
        let stripped = without_values(&lines, unsigned(first_seq)).map_err(unreadable)?;
        sql::run(
            connection,
            "update batch set lines = ?3 where run = ?1 and first_seq = ?2",
            params![row, first_seq, stripped],
        )?;
        if let Some(last) = records(&stripped, unsigned(first_seq), &no_fetch).last()
            && let Event::Ended { outcome: ended } = last.map_err(unreadable)?.event
        {
            outcome = Some(ended.shown().to_string());
        }
        bytes += stripped.len() as u64;
        after = first_seq;
    }
}
