//! Databases for proofs that need one, in the PostgreSQL cluster that `FLOWFORGE_TEST_POSTGRES` names: each gets one of its
//! own, empty.

use anyhow::{Context as _, Result};
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

/// The variable that says where the cluster is. `cargo xtask test`, `cargo xtask campaign` and `cargo xtask postgres --
/// COMMAND` start one and set it.
pub const VARIABLE: &str = "FLOWFORGE_TEST_POSTGRES";

/// The address of a new database.
///
/// # Errors
/// There is no cluster, or it does not answer.
pub async fn new() -> Result<String> {
    let cluster = std::env::var(VARIABLE)
        .ok()
        .filter(|address| !address.is_empty())
        .with_context(|| format!("{VARIABLE} is not set; run this by `cargo xtask postgres -- COMMAND`"))?;
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
    let name = format!("e{:x}", u64::from_ne_bytes(bytes));
    execute(
        &format!("{cluster}&dbname=postgres"),
        &format!("create database {name}"),
    )
    .await?;
    Ok(format!("{cluster}&dbname={name}"))
}

/// Lets everybody connect to a database, or cuts everybody off and lets nobody connect: as if its machine were away.
///
/// # Errors
/// The cluster does not answer.
pub async fn let_in(url: &str, everybody: bool) -> Result<()> {
    let (cluster, name) = url.split_once("&dbname=").context("an address of `new`")?;
    let beside = format!("{cluster}&dbname=postgres");
    execute(
        &beside,
        &format!("alter database {name} with allow_connections {everybody}"),
    )
    .await?;
    if !everybody {
        let cut = format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'");
        execute(&beside, &cut).await?;
    }
    Ok(())
}

async fn execute(url: &str, sql: &str) -> Result<()> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        // What breaks it is seen by whoever asks.
        let _ = connection.await;
    });
    Ok(client.batch_execute(sql).await?)
}
