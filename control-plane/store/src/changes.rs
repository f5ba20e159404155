//! What a group of calls changes: one statement for each kind, over all rows of that kind.

use std::collections::HashMap;

use flowforge_protocol::{Digest, RunId};
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
    pub(crate) dirty: bool,
}

/// Rows of each kind, as JSON arrays; the lines of all batches lie one behind the other in `arena`.
#[derive(Default)]
pub(crate) struct Changes {
    pub(crate) batches: Vec<Value>,
    pub(crate) arena: Vec<u8>,
    pub(crate) requested: Vec<Value>,
    pub(crate) answered: Vec<Value>,
    pub(crate) ended_rows: Vec<i64>,
    pub(crate) received: Vec<Value>,
    pub(crate) receipts: Vec<Value>,
    pub(crate) heard: Vec<Value>,
}

const CONFIRM: &str = "update run set state = 'running' where state = 'queued' and id in (select job.run \
     from json_each(?1) said join job on job.id = said.value ->> 0 \
     where job.host = said.value ->> 1 and job.kind = 'start')";
const FORGET_JOBS: &str = "delete from job where sequence in (select job.sequence from json_each(?1) said \
     join job on job.id = said.value ->> 0 where job.host = said.value ->> 1)";
const ADD_BATCHES: &str = "insert into batch (run, first_seq, count, epoch, chain, lines) \
     select value ->> 0, value ->> 1, value ->> 2, value ->> 3, unhex(value ->> 4), \
     substr(?2, value ->> 5, value ->> 6) from json_each(?1)";
const MOVE_RUNS: &str = "update run set next_seq = new.value ->> 1, chain = unhex(new.value ->> 2), \
     state = new.value ->> 3, ended_at_ms = new.value ->> 4, outcome = new.value ->> 5 \
     from (select value from json_each(?1)) new where run.seq = new.value ->> 0";
const ASK: &str = "insert into approval (id, run, step, title, show, approvers, state, requested_at_ms, \
     expires_at_ms) select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, 'pending', \
     value ->> 6, value ->> 7 from json_each(?1) where true on conflict do nothing";
const ANSWER: &str = "update approval set state = new.value ->> 2, decided_by = new.value ->> 3, \
     comment = new.value ->> 4, decided_at_ms = new.value ->> 5 from (select value from json_each(?1)) new \
     where approval.id = new.value ->> 0 and approval.run = new.value ->> 1";
const WITHDRAW: &str = "update approval set state = case when (select run.state from run \
     where run.seq = approval.run) = 'expired' then 'expired' else 'withdrawn' end \
     where state = 'pending' and run in (select value from json_each(?1))";
const KEEP_RECEIPTS: &str = "update run set receipt = new.value ->> 1 from (select value from json_each(?1)) new \
     where run.seq = new.value ->> 0 and run.receipt is null";
const HEAR: &str = "update host set last_heard_ms = new.value ->> 1 from (select value from json_each(?1)) new \
     where host.id = new.value ->> 0";

/// Stores all of it.
///
/// The order counts: orders are confirmed before records move their runs on, and a run's end withdraws the questions that
/// the same call brought.
pub(crate) fn store(
    connection: &Connection,
    heads: &HashMap<RunId, Head>,
    changes: Changes,
) -> Result<(), StoreError> {
    let received = rows(changes.received);
    over(connection, CONFIRM, received.as_ref())?;
    over(connection, FORGET_JOBS, received.as_ref())?;
    if let Some(batches) = rows(changes.batches) {
        sql::run(connection, ADD_BATCHES, params![batches, changes.arena])?;
    }
    over(connection, MOVE_RUNS, rows(moved(heads)).as_ref())?;
    over(connection, ASK, rows(changes.requested).as_ref())?;
    over(connection, ANSWER, rows(changes.answered).as_ref())?;
    let ended = changes.ended_rows.into_iter().map(Value::from).collect();
    over(connection, WITHDRAW, rows(ended).as_ref())?;
    over(connection, KEEP_RECEIPTS, rows(changes.receipts).as_ref())?;
    over(connection, HEAR, rows(changes.heard).as_ref())
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
            head.outcome
        ])
    };
    moved.map(row).collect()
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
