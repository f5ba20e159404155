//! A transaction of the writer, in plain statements.
//!
//! sqlx's own transactions meet the connection's thread twice for each begin and each commit, and count by themselves how
//! many are open: wrongly once a full disk has made SQLite roll back by itself, after which every later write is refused.

use sqlx::sqlite::SqliteConnection;

use crate::StoreError;
use crate::error::primary_code;

/// SQLite's general error: here, that no transaction is open.
const NO_TRANSACTION: u32 = 1;

/// Begins one, and takes the right to write at once.
pub(crate) async fn begin(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("begin immediate").execute(connection).await?;
    Ok(())
}

/// Commits what was written, or takes back all of it if writing or committing failed.
pub(crate) async fn finish<T>(
    connection: &mut SqliteConnection,
    written: Result<T, StoreError>,
) -> Result<T, StoreError> {
    let committed = match written {
        Ok(value) => match sqlx::query("commit").execute(&mut *connection).await {
            Ok(_) => return Ok(value),
            Err(error) => Err(error.into()),
        },
        Err(error) => Err(error),
    };
    match sqlx::query("rollback").execute(connection).await {
        Err(error) if primary_code(&error) != Some(NO_TRANSACTION) => Err(error.into()),
        _ => committed,
    }
}
