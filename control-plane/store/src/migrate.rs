//! Bringing the tables up to date. The file's `user_version` says how many of the migrations it has.

use std::path::Path;

use flowforge_core::Scope;
use rusqlite::Connection;

use crate::{OpenError, StoreError, sql, writer};

/// In order; one that is published is never changed.
const MIGRATIONS: [&str; 4] = [
    include_str!("../migrations/0001_first.sql"),
    include_str!("../migrations/0002_values.sql"),
    include_str!("../migrations/0003_scope.sql"),
    include_str!("../migrations/0004_drafts.sql"),
];

/// Applies what is missing, each migration in a transaction of its own. Rows from before there were scopes are `older`'s.
pub(crate) fn run(connection: &mut Connection, path: &Path, older: &Scope) -> Result<(), OpenError> {
    let failed = |error| OpenError::from_store(path, error);
    let applied = sql::first(connection, "pragma user_version", (), |row| Ok(row.get(0)?));
    let applied: u32 = applied.map_err(failed)?.unwrap_or(0);
    let Some(missing) = MIGRATIONS.get(applied as usize..) else {
        return Err(OpenError::NewerFormat {
            path: path.to_owned(),
        });
    };
    if missing.is_empty() {
        return Ok(());
    }
    apply(connection, applied, missing, older).map_err(failed)
}

fn apply(
    connection: &mut Connection,
    applied: u32,
    missing: &[&str],
    older: &Scope,
) -> Result<(), StoreError> {
    // A table is made anew under its name: what refers to it does so meanwhile to nothing. What holds then is checked at
    // the end of each migration.
    connection.pragma_update(None, "foreign_keys", false)?;
    connection
        .execute_batch("create temp table older_scope (workspace text not null, project text not null)")?;
    sql::run(
        connection,
        "insert into older_scope values (?1, ?2)",
        [older.workspace(), older.project()],
    )?;
    for (number, migration) in (applied + 1..).zip(missing) {
        writer::transact(connection, |transaction| {
            transaction.execute_batch(migration)?;
            let broken = sql::first(transaction, "pragma foreign_key_check", (), |row| {
                Ok(row.get::<_, String>(0)?)
            })?;
            if let Some(table) = broken {
                return Err(StoreError::unreadable("row", format!("of table {table}")));
            }
            Ok(transaction.pragma_update(None, "user_version", number)?)
        })?;
    }
    connection.execute_batch("drop table temp.older_scope")?;
    Ok(connection.pragma_update(None, "foreign_keys", true)?)
}
