//! Bringing the tables up to date. The file's `user_version` says how many of the migrations it has.

use std::path::Path;

use rusqlite::Connection;

use crate::{OpenError, StoreError, sql, writer};

/// In order; one that is published is never changed.
const MIGRATIONS: [&str; 3] = [
    include_str!("../migrations/0001_first.sql"),
    include_str!("../migrations/0002_values.sql"),
    include_str!("../migrations/0004_drafts.sql"),
];

/// Applies what is missing, each migration in a transaction of its own.
pub(crate) fn run(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::from_store(path, error);
    let applied = sql::first(connection, "pragma user_version", (), |row| Ok(row.get(0)?));
    let applied: u32 = applied.map_err(failed)?.unwrap_or(0);
    let Some(missing) = MIGRATIONS.get(applied as usize..) else {
        return Err(OpenError::NewerFormat {
            path: path.to_owned(),
        });
    };
    for (number, migration) in (applied + 1..).zip(missing) {
        writer::transact(connection, |transaction| {
            transaction.execute_batch(migration)?;
            Ok::<_, StoreError>(transaction.pragma_update(None, "user_version", number)?)
        })
        .map_err(failed)?;
    }
    Ok(())
}
