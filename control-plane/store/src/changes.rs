//! What a group of calls changes, written as one statement for each kind.

use std::collections::HashMap;

use flowforge_protocol::{Digest, RunId};
use serde_json::{Value, json};
use sqlx::{Sqlite, Transaction};

use crate::{StoreError, approvals};

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

pub(crate) async fn store(
    transaction: &mut Transaction<'_, Sqlite>,
    heads: &HashMap<RunId, Head>,
    changes: Changes,
) -> Result<(), StoreError> {
    if !changes.received.is_empty() {
        confirm_jobs(transaction, changes.received).await?;
    }
    if !changes.batches.is_empty() {
        sqlx::query(
            "insert into batch (run, first_seq, count, epoch, chain, lines) select value ->> 0, value ->> 1, \
             value ->> 2, value ->> 3, unhex(value ->> 4), substr(?2, value ->> 5, value ->> 6) from json_each(?1)",
        )
        .bind(Value::Array(changes.batches).to_string())
        .bind(changes.arena)
        .execute(&mut **transaction)
        .await?;
        let rows = heads.values().filter(|head| head.dirty).map(|head| {
            json!([
                head.row,
                head.next_seq,
                head.chain.hex(),
                head.state,
                head.ended_at_ms,
                head.outcome
            ])
        });
        sqlx::query(
            "update run set next_seq = new.value ->> 1, chain = unhex(new.value ->> 2), state = new.value ->> 3, \
             ended_at_ms = new.value ->> 4, outcome = new.value ->> 5 \
             from (select value from json_each(?1)) new where run.seq = new.value ->> 0",
        )
        .bind(Value::Array(rows.collect()).to_string())
        .execute(&mut **transaction)
        .await?;
        approvals::project(
            transaction,
            changes.requested,
            changes.answered,
            changes.ended_rows,
        )
        .await?;
    }
    if !changes.receipts.is_empty() {
        sqlx::query(
            "update run set receipt = new.value ->> 1 from (select value from json_each(?1)) new \
             where run.seq = new.value ->> 0 and run.receipt is null",
        )
        .bind(Value::Array(changes.receipts).to_string())
        .execute(&mut **transaction)
        .await?;
    }
    if !changes.heard.is_empty() {
        sqlx::query(
            "update host set last_heard_ms = new.value ->> 1 from (select value from json_each(?1)) new \
             where host.id = new.value ->> 0",
        )
        .bind(Value::Array(changes.heard).to_string())
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

/// The host has the order: it need not be delivered again, and a start is no longer queued.
async fn confirm_jobs(
    transaction: &mut Transaction<'_, Sqlite>,
    received: Vec<Value>,
) -> Result<(), StoreError> {
    let received = Value::Array(received).to_string();
    sqlx::query(
        "update run set state = 'running' where state = 'queued' and id in (select job.run from json_each(?1) said \
         join job on job.id = said.value ->> 0 where job.host = said.value ->> 1 and job.kind = 'start')",
    )
    .bind(&received)
    .execute(&mut **transaction)
    .await?;
    sqlx::query(
        "delete from job where sequence in (select job.sequence from json_each(?1) said \
         join job on job.id = said.value ->> 0 where job.host = said.value ->> 1)",
    )
    .bind(&received)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
