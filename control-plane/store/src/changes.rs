//! What a group of calls changes: one statement for each kind, over all rows of that kind.

use std::collections::{BTreeSet, HashMap};

use flowforge_protocol::{Digest, JobId, RunId};
use rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::{StoreError, sql};

/// Where the records of a run stand.
pub(crate) struct Head {
    pub(crate) row: i64,
    pub(crate) host: Option<String>,
    pub(crate) epoch: u64,
    pub(crate) next_seq: u64,
    pub(crate) chain: Digest,
    pub(crate) state: String,
    pub(crate) ended_at_ms: Option<u64>,
    pub(crate) outcome: Option<String>,
    pub(crate) bytes: u64,
    pub(crate) dirty: bool,
}

/// Rows of each kind, as JSON arrays; the lines of all batches lie one behind the other in `arena`.
#[derive(Default)]
pub(crate) struct Changes {
    pub(crate) batches: Vec<Value>,
    pub(crate) arena: Vec<u8>,
    pub(crate) requested: Vec<Value>,
    pub(crate) answered: Vec<Value>,
    pub(crate) times_up: Vec<Value>,
    pub(crate) cancels_taken: Vec<RunId>,
    /// Runs whose questions may have changed.
    pub(crate) asking: BTreeSet<i64>,
    /// Runs whose record 0 is stored with this.
    pub(crate) begun: Vec<RunId>,
    pub(crate) ended: Vec<(RunId, i64)>,
    pub(crate) receipts: Vec<Value>,
    pub(crate) heard: Vec<Value>,
    pub(crate) gaps: Vec<Value>,
}

const ADD_BATCHES: &str = "insert into batch (run, first_seq, count, epoch, chain, lines) \
     select value ->> 0, value ->> 1, value ->> 2, value ->> 3, unhex(value ->> 4), \
     substr(?2, value ->> 5, value ->> 6) from json_each(?1)";
// A record that is stored shows that the host has the run, and that its orders can take effect.
const MOVE_RUNS: &str = "update run set next_seq = new.value ->> 1, chain = unhex(new.value ->> 2), \
     state = new.value ->> 3, ended_at_ms = new.value ->> 4, outcome = new.value ->> 5, bytes = new.value ->> 6, \
     lost_at_ms = null, trouble = null \
     from (select value from json_each(?1)) new where run.seq = new.value ->> 0";
const ASK: &str = "insert into approval (id, run, step, title, show, approvers, state, requested_at_ms, \
     expires_at_ms) select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, 'pending', \
     value ->> 6, value ->> 7 from json_each(?1) where true on conflict do nothing";
const ANSWER: &str = "update approval set state = new.value ->> 2, decided_by = new.value ->> 3, \
     comment = new.value ->> 4, decided_at_ms = new.value ->> 5, open = 0 \
     from (select value from json_each(?1)) new \
     where approval.id = new.value ->> 0 and approval.run = new.value ->> 1";
// A decision that is stored here and came too late at the host did not happen.
const EXPIRE: &str = "update approval set state = 'expired', decided_by = null, comment = null, decided_at_ms = null, \
     open = 0 from (select value from json_each(?1)) new \
     where approval.run = new.value ->> 0 and approval.step = new.value ->> 1 and approval.open = 1";
const WITHDRAW: &str = "update approval set state = 'withdrawn', decided_by = null, comment = null, \
     decided_at_ms = null, open = 0 where open = 1 and run in (select value from json_each(?1))";
const WAIT_OR_RUN: &str = "update run set state = case when exists (select 1 from approval \
     where approval.run = run.seq and approval.open = 1) then 'waiting' else 'running' end \
     where ended_at_ms is null and seq in (select value from json_each(?1))";
const FORGET_STARTS: &str = "delete from job where kind in ('start', 'resume') \
     and run in (select value from json_each(?1)) returning run, id";
const FORGET_DECISIONS: &str = "delete from job where kind = 'decide' and subject in \
     (select value ->> 0 from json_each(?1)) returning run, id";
const FORGET_CANCELS: &str = "delete from job where kind = 'cancel' \
     and run in (select value from json_each(?1)) returning run, id";
const FORGET_ALL: &str = "delete from job where run in (select value from json_each(?1)) returning run, id";
const KEEP_RECEIPTS: &str = "update run set receipt = new.value ->> 1 from (select value from json_each(?1)) new \
     where run.seq = new.value ->> 0 and run.receipt is null";
const HEAR: &str = "update host set last_heard_ms = new.value ->> 1 from (select value from json_each(?1)) new \
     where host.id = new.value ->> 0";
const ADD_GAPS: &str = "insert into host_gap (host, from_ms, to_ms) select value ->> 0, value ->> 1, value ->> 2 \
     from json_each(?1) where true on conflict do update set to_ms = max(to_ms, excluded.to_ms)";

/// An order that took effect, and its run.
pub(crate) type Settled = (RunId, JobId);

/// Stores all of it; returns the orders that took effect.
///
/// The order counts: a question is asked before it is answered, answered before its time comes, and a run's end withdraws
/// the questions that the same call brought.
pub(crate) fn store(
    connection: &Connection,
    heads: &HashMap<RunId, Head>,
    changes: Changes,
) -> Result<Vec<Settled>, StoreError> {
    if let Some(batches) = rows(changes.batches) {
        sql::run(connection, ADD_BATCHES, params![batches, changes.arena])?;
    }
    over(connection, MOVE_RUNS, rows(moved(heads)).as_ref())?;
    over(connection, ASK, rows(changes.requested).as_ref())?;
    let answered = rows(changes.answered);
    over(connection, ANSWER, answered.as_ref())?;
    over(connection, EXPIRE, rows(changes.times_up).as_ref())?;
    let ended_rows = changes.ended.iter().map(|(_, row)| Value::from(*row)).collect();
    over(connection, WITHDRAW, rows(ended_rows).as_ref())?;
    let asking = changes.asking.into_iter().map(Value::from).collect();
    over(connection, WAIT_OR_RUN, rows(asking).as_ref())?;
    let mut settled = Vec::new();
    let ended = names(changes.ended.iter().map(|(run, _)| run));
    for (statement, rows) in [
        (FORGET_STARTS, names(changes.begun.iter())),
        (FORGET_DECISIONS, answered),
        (FORGET_CANCELS, names(changes.cancels_taken.iter())),
        (FORGET_ALL, ended),
    ] {
        settled.extend(forgotten(connection, statement, rows)?);
    }
    over(connection, KEEP_RECEIPTS, rows(changes.receipts).as_ref())?;
    over(connection, HEAR, rows(changes.heard).as_ref())?;
    over(connection, ADD_GAPS, rows(changes.gaps).as_ref())?;
    Ok(settled)
}

/// Where the runs stand that moved.
fn moved(heads: &HashMap<RunId, Head>) -> Vec<Value> {
    let moved = heads.values().filter(|head| head.dirty);
    let row = |head: &Head| {
        json!([
            head.row,
            head.next_seq,
            head.chain.hex(),
            head.state,
            head.ended_at_ms,
            head.outcome,
            head.bytes
        ])
    };
    moved.map(row).collect()
}

fn forgotten(
    connection: &Connection,
    statement: &str,
    rows: Option<String>,
) -> Result<Vec<Settled>, StoreError> {
    let Some(rows) = rows else { return Ok(Vec::new()) };
    sql::all(connection, statement, [rows], |row| {
        Ok((sql::parsed(row, 0, "run id")?, sql::parsed(row, 1, "job id")?))
    })
}

/// Ids as JSON, if there are any.
fn names<'a>(runs: impl Iterator<Item = &'a RunId>) -> Option<String> {
    rows(runs.map(|run| Value::from(run.as_str())).collect())
}

/// The rows as JSON, if there are any.
fn rows(rows: Vec<Value>) -> Option<String> {
    (!rows.is_empty()).then(|| Value::Array(rows).to_string())
}

fn over(connection: &Connection, statement: &str, rows: Option<&String>) -> Result<(), StoreError> {
    if let Some(rows) = rows {
        sql::run(connection, statement, [rows])?;
    }
    Ok(())
}
