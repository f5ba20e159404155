//! What a group of calls changes: one statement for each kind, all in one call of the driver.

use std::collections::HashMap;

use flowforge_protocol::{Digest, RunId};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnection;

use crate::StoreError;

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

/// All changes in one call of the driver, which costs two changes of thread however many statements it carries. A kind of
/// which there is nothing has an empty list, and its statement finds nothing to do.
///
/// The order counts: orders are confirmed before records move their runs on, and a run's end withdraws the questions that
/// the same call brought.
const STORE: &str = "\
    update run set state = 'running' where state = 'queued' and id in (select job.run from json_each($1) said \
    join job on job.id = said.value ->> 0 where job.host = said.value ->> 1 and job.kind = 'start'); \
    delete from job where sequence in (select job.sequence from json_each($1) said \
    join job on job.id = said.value ->> 0 where job.host = said.value ->> 1); \
    insert into batch (run, first_seq, count, epoch, chain, lines) select value ->> 0, value ->> 1, \
    value ->> 2, value ->> 3, unhex(value ->> 4), substr($3, value ->> 5, value ->> 6) from json_each($2); \
    update run set next_seq = new.value ->> 1, chain = unhex(new.value ->> 2), state = new.value ->> 3, \
    ended_at_ms = new.value ->> 4, outcome = new.value ->> 5 \
    from (select value from json_each($4)) new where run.seq = new.value ->> 0; \
    insert into approval (id, run, step, title, show, approvers, state, requested_at_ms, expires_at_ms) \
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, 'pending', \
    value ->> 6, value ->> 7 from json_each($5) where true on conflict do nothing; \
    update approval set state = new.value ->> 2, decided_by = new.value ->> 3, comment = new.value ->> 4, \
    decided_at_ms = new.value ->> 5 from (select value from json_each($6)) new \
    where approval.id = new.value ->> 0 and approval.run = new.value ->> 1; \
    update approval set state = case when (select run.state from run where run.seq = approval.run) = 'expired' \
    then 'expired' else 'withdrawn' end where state = 'pending' and run in (select value from json_each($7)); \
    update run set receipt = new.value ->> 1 from (select value from json_each($8)) new \
    where run.seq = new.value ->> 0 and run.receipt is null; \
    update host set last_heard_ms = new.value ->> 1 from (select value from json_each($9)) new \
    where host.id = new.value ->> 0";

impl Changes {
    fn is_empty(&self) -> bool {
        // Every other kind comes with a batch.
        [&self.batches, &self.received, &self.receipts, &self.heard]
            .iter()
            .all(|rows| rows.is_empty())
    }
}

pub(crate) async fn store(
    transaction: &mut SqliteConnection,
    heads: &HashMap<RunId, Head>,
    changes: Changes,
) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let moved = heads.values().filter(|head| head.dirty).map(|head| {
        json!([
            head.row,
            head.next_seq,
            head.chain.hex(),
            head.state,
            head.ended_at_ms,
            head.outcome
        ])
    });
    sqlx::query(STORE)
        .bind(rows(changes.received))
        .bind(rows(changes.batches))
        .bind(changes.arena)
        .bind(rows(moved.collect()))
        .bind(rows(changes.requested))
        .bind(rows(changes.answered))
        .bind(Value::from(changes.ended_rows).to_string())
        .bind(rows(changes.receipts))
        .bind(rows(changes.heard))
        .execute(&mut *transaction)
        .await?;
    Ok(())
}

fn rows(rows: Vec<Value>) -> String {
    Value::Array(rows).to_string()
}
