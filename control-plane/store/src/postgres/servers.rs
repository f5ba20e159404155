//! Several server processes on one database: of one version of the tables, one at a time when they write.
//!
//! Each server's writing session holds a lock together with the others for as long as it lives. A server that has to change
//! the tables takes the same lock alone, which it gets when no other server is there; a program from before there were
//! several holds it alone all the time. So two versions of the tables are never at work at once, whichever came first.
//! Changes of the tables that a running server would not notice need no such care, and are the way of a rolling upgrade.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::StoreError;

/// The lock of the servers that write: "FlowFrge" as a number.
const SERVERS_LOCK: i64 = 0x466c_6f77_4672_6765;
/// The lock of the server whose turn it is.
const TURN_LOCK: i64 = SERVERS_LOCK + 1;
/// How long the lock of the servers is waited for: one that was killed may still be on its way out.
const JOIN_WAIT_MS: u64 = 5_000;
/// How long a turn is waited for.
const TURN_WAIT_MS: u64 = 15_000;
/// A server that stands still in the middle of its turn loses it after so long; nothing of that turn is stored.
const STANDSTILL_MS: u64 = 5_000;

/// Joins the servers on the database.
pub(super) async fn join(client: &Client) -> Result<(), StoreError> {
    let settings = format!(
        "set lock_timeout = {JOIN_WAIT_MS}; set idle_in_transaction_session_timeout = {STANDSTILL_MS}; \
         set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3"
    );
    client.batch_execute(&settings).await?;
    take(client, "pg_advisory_lock_shared").await?;
    let settings = format!("set lock_timeout = {TURN_WAIT_MS}");
    Ok(client.batch_execute(&settings).await?)
}

/// Becomes the only server on the database, to change its tables.
pub(super) const ALONE: [&str; 2] = ["pg_advisory_unlock_shared", "pg_advisory_lock"];
/// Lets others join again.
pub(super) const TOGETHER: [&str; 2] = ["pg_advisory_lock_shared", "pg_advisory_unlock"];

/// The statement for one of those words.
pub(super) fn lock(word: &str) -> String {
    format!("select {word}({SERVERS_LOCK})")
}

/// How long the only server waits until others are gone.
pub(super) fn wait_for_others() -> String {
    format!("set lock_timeout = {JOIN_WAIT_MS}")
}

/// How long a server waits for its turn.
pub(super) fn wait_for_turn() -> String {
    format!("set lock_timeout = {TURN_WAIT_MS}")
}

async fn take(client: &Client, word: &str) -> Result<(), StoreError> {
    let taken = client.batch_execute(&lock(word)).await;
    taken.map_err(|error| match error.code() {
        Some(&SqlState::LOCK_NOT_AVAILABLE) => StoreError::Taken,
        _ => error.into(),
    })
}

/// Words that begin a transaction and wait for its turn, in one message. The turn ends with the transaction.
pub(super) fn in_turn(begin: &str) -> String {
    format!("{begin}; select pg_advisory_xact_lock({TURN_LOCK})")
}

/// Whether the tables are still those that this program knows: a newer one may have changed them while this one was cut
/// off.
pub(super) async fn same_tables(client: &Client, known: usize) -> Result<(), StoreError> {
    let found: i64 = client
        .query_one(
            "select cast(value as bigint) from meta where key = 'schema_version'",
            &[],
        )
        .await?
        .try_get(0)?;
    if usize::try_from(found) == Ok(known) {
        return Ok(());
    }
    Err(StoreError::Outdated)
}

/// Gives the database a name, if it has none.
pub(super) async fn name_life(client: &Client) -> Result<(), StoreError> {
    let named = "insert into meta (key, value) values ('incarnation', replace(cast(gen_random_uuid() as text), '-', '')) \
                 on conflict (key) do nothing";
    Ok(client.batch_execute(named).await?)
}

/// The life of the database: 32 hexadecimal digits, the same for every server. It is another one after the database
/// program started anew, was promoted, or the tables were made anew: then it may be an older picture than what was
/// promised, and nothing in it says so.
pub(super) async fn life(client: &Client) -> Result<String, StoreError> {
    let asked = "select md5(concat_ws('/', (select value from meta where key = 'incarnation'), \
                 (select system_identifier from pg_control_system()), (select timeline_id from pg_control_checkpoint()), \
                 pg_postmaster_start_time(), (select oid from pg_database where datname = current_database()), \
                 cast(cast('meta' as regclass) as oid), pg_relation_filenode('meta')))";
    Ok(client.query_one(asked, &[]).await?.try_get(0)?)
}
