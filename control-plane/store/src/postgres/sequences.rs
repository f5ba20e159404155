//! Numbers for jobs, taken in blocks: every server has its own, and those of all servers lie close together, because a host
//! remembers only so many of the newest.

use std::ops::Range;

use tokio_postgres::Client;

use super::Session;
use crate::StoreError;

/// Sequences for each second of time, so that those of a process that started later are higher.
pub(crate) const SEQUENCES_PER_SECOND: u64 = 1 << 20;
/// Numbers in one block; the migration that made the sequence knows it, too.
const BLOCK: u64 = 64;

// A database that was restored from a backup does not know all numbers that were used: in another life of it they begin
// above all that can have been used before its clock's time, to the millisecond: both lives may lie in one second. A server
// that waits for its turn here waits for one that does the same, and finds it done.
const BEGIN: &str = "begin; select pg_advisory_xact_lock(hashtext('flowforge job numbers')); \
     select setval('job_block', greatest((select last_value from job_block), \
         cast(extract(epoch from clock_timestamp()) * {per_second} / {block} as bigint))) \
     where (select value from meta where key = 'numbered_since') is distinct from \
         cast(pg_postmaster_start_time() as text) || '/' || cast(pg_relation_filenode('meta') as text); \
     insert into meta (key, value) values ('numbered_since', \
         cast(pg_postmaster_start_time() as text) || '/' || cast(pg_relation_filenode('meta') as text)) \
     on conflict (key) do update set value = excluded.value; commit";

/// Sets the numbers on, if this is another life of the database than that in which they were given before.
pub(super) async fn begin(client: &Client) -> Result<(), StoreError> {
    let words = BEGIN
        .replace("{per_second}", &SEQUENCES_PER_SECOND.to_string())
        .replace("{block}", &BLOCK.to_string());
    Ok(client.batch_execute(&words).await?)
}

impl Session {
    /// Numbers that nobody else gets.
    pub(crate) fn job_numbers(&self) -> Result<Range<u64>, StoreError> {
        let block = self.number("select nextval('job_block')")?;
        let first = u64::try_from(block).unwrap_or(0) * BLOCK;
        Ok(first..first + BLOCK)
    }
}
