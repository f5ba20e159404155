//! Where runs stand: what a group of calls is compared with before anything of it is stored.

use std::collections::HashMap;

use crate::cells::Row;
use crate::connection::Connection;
use flowforge_core::Scope;
use flowforge_protocol::chain::chain_start;
use flowforge_protocol::{Digest, RunId};
use serde_json::json;

use crate::StoreError;
use crate::sql::{self, unsigned};

/// Where the records of a run stand.
pub(crate) struct Head {
    pub(crate) row: i64,
    /// Whose it is.
    pub(crate) scope: Scope,
    pub(crate) host: Option<String>,
    pub(crate) epoch: u64,
    pub(crate) next_seq: u64,
    pub(crate) chain: Digest,
    pub(crate) state: String,
    pub(crate) ended_at_ms: Option<u64>,
    pub(crate) closed_at_ms: Option<u64>,
    pub(crate) outcome: Option<String>,
    pub(crate) outcome_digest: Option<Digest>,
    /// An answer that came with this group.
    pub(crate) response: Option<String>,
    pub(crate) paused_by: Option<String>,
    /// Whether it may have ordered other runs.
    pub(crate) orders_children: bool,
    /// What its end starts, as JSON text.
    pub(crate) on_end: Option<String>,
    /// Whether somebody outside may be told of it.
    pub(crate) watched: bool,
    pub(crate) bytes: u64,
    /// Bytes of the large values that its records hold, each as often as it is held.
    pub(crate) held_bytes: u64,
    pub(crate) dirty: bool,
}

/// Where the runs stand that the calls speak of. A run of another project than its call is none: whoever asks compares.
pub(crate) fn load(
    connection: &Connection,
    mut wanted: Vec<&RunId>,
) -> Result<HashMap<RunId, Head>, StoreError> {
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let heads = sql::all(
        connection,
        "select run.id, run.seq, run.host, run.epoch, run.next_seq, run.chain, run.state, run.ended_at_ms, run.bytes, \
         run.outcome_digest, run.paused_by, \
         exists (select 1 from wait where wait.run = run.seq and wait.kind = 'child'), run.held_bytes, run.workspace, run.project, run.on_end, \
         exists (select 1 from endpoint where endpoint.workspace = run.workspace and endpoint.project = run.project \
         and endpoint.disabled_at_ms is null and endpoint.kinds <> '  ') \
         from run where run.id in (select value from json_each(?1))",
        [json!(wanted).to_string()],
        head_of,
    )?;
    Ok(heads.into_iter().collect())
}

fn head_of(row: &Row<'_>) -> Result<(RunId, Head), StoreError> {
    let id: RunId = sql::parsed(row, 0, "run id")?;
    let chain = match row.get::<Option<Vec<u8>>>(5)? {
        Some(bytes) => sql::digest(&bytes)?,
        None => chain_start(&id),
    };
    let head = Head {
        row: row.get(1)?,
        scope: sql::scope(row, 13)?,
        host: row.get(2)?,
        epoch: unsigned(row.get(3)?),
        next_seq: unsigned(row.get(4)?),
        chain,
        state: row.get(6)?,
        ended_at_ms: row.get::<Option<i64>>(7)?.map(unsigned),
        closed_at_ms: None,
        outcome: None,
        outcome_digest: row
            .get::<Option<Vec<u8>>>(9)?
            .map(|bytes| sql::digest(&bytes))
            .transpose()?,
        response: None,
        paused_by: row.get(10)?,
        orders_children: row.get(11)?,
        on_end: row.get(15)?,
        watched: row.get(16)?,
        bytes: unsigned(row.get(8)?),
        held_bytes: unsigned(row.get(12)?),
        dirty: false,
    };
    Ok((id, head))
}
