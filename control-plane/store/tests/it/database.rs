//! A database of its own for each test, in the cluster that `FLOWFORGE_TEST_POSTGRES` names.

use tokio::task::JoinSet;
use tokio_postgres::{Client, Error, NoTls};

/// The variable that says where the cluster is.
const VARIABLE: &str = "FLOWFORGE_TEST_POSTGRES";

/// The address of a new, empty database.
pub(crate) fn new() -> String {
    let cluster = std::env::var(VARIABLE).unwrap_or_default();
    assert!(
        !cluster.is_empty(),
        "{VARIABLE} is not set: these tests need a PostgreSQL. It is started for them by `cargo xtask postgres -- cargo \
         nextest run -p flowforge-store`, and by `cargo xtask test`"
    );
    let mut bytes = [0; 8];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom").unwrap(), &mut bytes).unwrap();
    let name = format!("t{:x}", u64::from_ne_bytes(bytes));
    let (made, of) = (
        format!("create database {name}"),
        format!("{cluster}&dbname=postgres"),
    );
    // Tests are on a runtime already, where nothing may block on another one.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(execute(&of, &made));
    })
    .join()
    .unwrap();
    format!("{cluster}&dbname={name}")
}

/// Runs text without parameters.
pub(crate) async fn execute(url: &str, sql: &str) {
    let (client, _driver) = connect(url).await;
    client.batch_execute(sql).await.unwrap();
}

/// The number that a question gives.
pub(crate) async fn number(url: &str, sql: &str) -> i64 {
    let (client, _driver) = connect(url).await;
    client.query_one(sql, &[]).await.unwrap().get(0)
}

async fn connect(url: &str) -> (Client, JoinSet<Result<(), Error>>) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    (client, driver)
}
