//! What a group of calls changes: one statement for each kind, over all rows of that kind.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::cells::params;
use crate::connection::Connection;
use flowforge_protocol::{JobId, RunId};
use serde_json::{Value, json};

use crate::follow_ups::Ends;
use crate::heads::Head;
use crate::{StoreError, outbox, sql};

/// Rows of each kind, as JSON arrays; the lines of all batches lie one behind the other in `arena`.
#[derive(Default)]
pub(crate) struct Changes {
    pub(crate) batches: Vec<Value>,
    pub(crate) arena: Vec<u8>,
    /// Runs that hold large values.
    pub(crate) value_uses: Vec<Value>,
    pub(crate) requested: Vec<Value>,
    pub(crate) answered: Vec<Value>,
    pub(crate) times_up: Vec<Value>,
    /// What each step waits for after this group; none if for nothing.
    pub(crate) waits: BTreeMap<(i64, String), Option<Value>>,
    pub(crate) children: Vec<Value>,
    /// Orders that took effect: kind, run, subject.
    pub(crate) taken: Vec<Value>,
    /// Runs whose questions or waits may have changed.
    pub(crate) asking: BTreeSet<i64>,
    /// Runs that end or are to end: those that they wait for are of no use any more.
    pub(crate) stopping: BTreeSet<i64>,
    /// Runs whose record 0 is stored with this.
    pub(crate) begun: Vec<RunId>,
    pub(crate) ended: Vec<(String, i64)>,
    /// What the ends start, and whom they are told.
    pub(crate) ends: Ends,
    /// Questions that somebody outside may be told of.
    pub(crate) questions: Vec<Value>,
    /// Whether there is something to do for runs besides.
    pub(crate) errands: bool,
    pub(crate) receipts: Vec<Value>,
    pub(crate) heard: Vec<Value>,
    pub(crate) gaps: Vec<Value>,
}

const ADD_BATCHES: &str = "insert into batch (run, first_seq, count, epoch, chain, lines) \
     select cast(value ->> 0 as bigint), cast(value ->> 1 as bigint), cast(value ->> 2 as bigint), cast(value ->> 3 as bigint), unhex(value ->> 4), \
     substr(?2, cast(value ->> 5 as integer), cast(value ->> 6 as integer)) from json_each(?1)";
const USE_VALUES: &str = "insert into value_use (run, value) select cast(value ->> 0 as bigint), cast(value ->> 1 as bigint) from json_each(?1) \
     where true on conflict do nothing";
const VALUES_ARE_USED: &str = "update value set used = 1 where used = 0 \
     and seq in (select cast(new.value ->> 1 as bigint) from json_each(?1) new)";
// A record that is stored shows that the host has the run, and that its orders can take effect.
const MOVE_RUNS: &str = "update run set next_seq = cast(new.value ->> 1 as bigint), chain = unhex(new.value ->> 2), \
     state = new.value ->> 3, ended_at_ms = cast(new.value ->> 4 as bigint), outcome = new.value ->> 5, bytes = cast(new.value ->> 6 as bigint), \
     closed_at_ms = cast(new.value ->> 7 as bigint), outcome_digest = unhex(new.value ->> 8), paused_by = new.value ->> 9, \
     response = coalesce(response, new.value ->> 10), held_bytes = cast(new.value ->> 11 as bigint), lost_at_ms = null, trouble = null \
     from (select item.value from json_each(?1) item) new where run.seq = cast(new.value ->> 0 as bigint)";
const ASK: &str = "insert into approval (id, run, step, title, show, approvers, state, requested_at_ms, \
     expires_at_ms, terms, workspace, project) select value ->> 0, cast(value ->> 1 as bigint), value ->> 2, value ->> 3, value ->> 4, \
     value ->> 5, 'pending', cast(value ->> 6 as bigint), cast(value ->> 7 as bigint), value ->> 8, run.workspace, run.project \
     from json_each(?1) join run on run.seq = cast(value ->> 1 as bigint) where true on conflict do nothing";
const ANSWER: &str = "update approval set state = new.value ->> 2, decided_by = new.value ->> 3, \
     comment = new.value ->> 4, decided_at_ms = cast(new.value ->> 5 as bigint), answers = new.value ->> 6, \
     answered = cast(new.value ->> 7 as bigint), open = 0 \
     from (select item.value from json_each(?1) item) new \
     where approval.id = new.value ->> 0 and approval.run = cast(new.value ->> 1 as bigint)";
// A decision that is stored here and came too late at the host did not happen.
const EXPIRE: &str = "update approval set state = 'expired', decided_by = null, comment = null, decided_at_ms = null, \
     open = 0 from (select item.value from json_each(?1) item) new \
     where approval.run = cast(new.value ->> 0 as bigint) and approval.step = new.value ->> 1 and approval.open = 1";
const WITHDRAW: &str = "update approval set state = 'withdrawn', decided_by = null, comment = null, \
     decided_at_ms = null, open = 0 where open = 1 and run in (select cast(value as bigint) from json_each(?1))";
const WAIT: &str = "insert into wait (run, step, kind, name, correlation, child, reason, since_ms, due_ms) \
     select cast(value ->> 0 as bigint), value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, cast(value ->> 7 as bigint), \
     cast(value ->> 8 as bigint) from json_each(?1) where true on conflict (run, step) do update set kind = excluded.kind, name = excluded.name, \
     correlation = excluded.correlation, child = excluded.child, reason = excluded.reason, \
     since_ms = excluded.since_ms, due_ms = excluded.due_ms";
const WAIT_NO_MORE: &str = "delete from wait where (run, step) in \
     (select cast(value ->> 0 as bigint), value ->> 1 from json_each(?1))";
// A run that is stored already was ordered before.
const ORDER_CHILDREN: &str = "insert into ordered_child (id, parent, step, release, grants, input) \
     select value ->> 0, cast(value ->> 1 as bigint), value ->> 2, value ->> 3, value ->> 4, value ->> 5 from json_each(?1) \
     where not exists (select 1 from run where run.id = value ->> 0) on conflict do nothing";
const WAIT_OR_RUN: &str = "update run set state = case \
     when exists (select 1 from wait where wait.run = run.seq and wait.kind = 'review') then 'needs_review' \
     when exists (select 1 from wait where wait.run = run.seq) or exists (select 1 from approval \
     where approval.run = run.seq and approval.open = 1) then 'waiting' else 'running' end \
     where ended_at_ms is null and seq in (select cast(value as bigint) from json_each(?1))";
const FORGET_STARTS: &str = "delete from job where kind in ('start', 'resume') \
     and run in (select value from json_each(?1)) returning run, id";
const FORGET_TAKEN: &str = "delete from job where sequence in (select job.sequence from json_each(?1) taken \
     join job on job.run = taken.value ->> 1 and job.kind = taken.value ->> 0 \
     where taken.value ->> 2 is null or job.subject = taken.value ->> 2) returning run, id";
const FORGET_ALL: &str = "delete from job where run in (select value from json_each(?1)) returning run, id";
const KEEP_RECEIPTS: &str = "update run set receipt = new.value ->> 1 from (select item.value from json_each(?1) item) new \
     where run.seq = cast(new.value ->> 0 as bigint) and run.receipt is null";
const HEAR: &str = "update host set last_heard_ms = cast(new.value ->> 1 as bigint) from (select item.value from json_each(?1) item) new \
     where host.id = new.value ->> 0 and host.workspace = new.value ->> 2 and host.project = new.value ->> 3";
const ADD_GAPS: &str = "insert into host_gap (host, from_ms, to_ms) select value ->> 0, cast(value ->> 1 as bigint), cast(value ->> 2 as bigint) \
     from json_each(?1) where true on conflict (host, from_ms) do update set to_ms = excluded.to_ms \
     where excluded.to_ms > host_gap.to_ms";

// The runs that a run waits for are of no use once it stops; those that it has only ordered go on by themselves.
const STOP_CHILDREN: &str = "update run set stop_wanted = 'the run that ordered it, ' || ordering.id || ', stops' \
     from wait join run ordering on ordering.seq = wait.run where wait.kind = 'child' \
     and wait.run in (select cast(value as bigint) from json_each(?1)) and run.id = wait.child and run.workspace = ordering.workspace \
     and run.project = ordering.project and run.ended_at_ms is null and run.stop_wanted is null";
const ORDER_NO_CHILDREN: &str = "delete from ordered_child where id in \
     (select child from wait where kind = 'child' and run in (select cast(value as bigint) from json_each(?1)))";
const WAIT_FOR_NOTHING: &str =
    "delete from wait where run in (select cast(value as bigint) from json_each(?1))";

/// Has the runs stopped that these runs wait for. Rows as JSON.
fn leave_children(connection: &Connection, rows: &str) -> Result<(), StoreError> {
    sql::run(connection, STOP_CHILDREN, [rows])?;
    sql::run(connection, ORDER_NO_CHILDREN, [rows])?;
    Ok(())
}

/// A run that ends without a record: it waits for nothing, and what it waited for is stopped.
pub(crate) fn wait_for_nothing(connection: &Connection, row: i64) -> Result<(), StoreError> {
    let rows = json!([row]).to_string();
    leave_children(connection, &rows)?;
    sql::run(connection, WAIT_FOR_NOTHING, [rows])?;
    Ok(())
}

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
    let value_uses = rows(changes.value_uses);
    over(connection, USE_VALUES, value_uses.as_ref())?;
    over(connection, VALUES_ARE_USED, value_uses.as_ref())?;
    over(connection, MOVE_RUNS, rows(moved(heads)).as_ref())?;
    over(connection, ASK, rows(changes.requested).as_ref())?;
    over(connection, ANSWER, rows(changes.answered).as_ref())?;
    over(connection, EXPIRE, rows(changes.times_up).as_ref())?;
    let ended_rows = changes.ended.iter().map(|(_, row)| Value::from(*row)).collect();
    over(connection, WITHDRAW, rows(ended_rows).as_ref())?;
    let (open, closed): (Vec<_>, Vec<_>) = changes.waits.into_iter().partition(|(_, wait)| wait.is_some());
    over(
        connection,
        WAIT,
        rows(open.into_iter().filter_map(|(_, wait)| wait).collect()).as_ref(),
    )?;
    let closed = closed.into_iter().map(|((row, step), _)| json!([row, step]));
    over(connection, WAIT_NO_MORE, rows(closed.collect()).as_ref())?;
    over(connection, ORDER_CHILDREN, rows(changes.children).as_ref())?;
    let stopping = rows(changes.stopping.into_iter().map(Value::from).collect());
    if let Some(stopping) = stopping.filter(|_| heads.values().any(|head| head.orders_children)) {
        leave_children(connection, &stopping)?;
    }
    if let Some(over_now) = rows(changes.ended.iter().map(|(_, row)| Value::from(*row)).collect()) {
        sql::run(connection, WAIT_FOR_NOTHING, [over_now])?;
    }
    let asking = changes.asking.into_iter().map(Value::from).collect();
    over(connection, WAIT_OR_RUN, rows(asking).as_ref())?;
    let mut settled = Vec::new();
    let ended = rows(
        changes
            .ended
            .into_iter()
            .map(|(run, _)| Value::from(run))
            .collect(),
    );
    for (statement, rows) in [
        (FORGET_STARTS, names(changes.begun.iter())),
        (FORGET_TAKEN, rows(changes.taken)),
        (FORGET_ALL, ended),
    ] {
        settled.extend(forgotten(connection, statement, rows)?);
    }
    if let Some(questions) = rows(changes.questions) {
        outbox::tell_questions(connection, &questions)?;
    }
    changes.ends.store(connection)?;
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
            head.bytes,
            head.closed_at_ms,
            head.outcome_digest.map(|digest| digest.hex()),
            head.paused_by,
            head.response,
            head.held_bytes
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
