//! Bringing the tables up to date. The file's `user_version` says how many of the migrations it has.

use std::path::Path;

use flowforge_core::Scope;
use rusqlite::Connection;

use crate::error::sqlite_open_error;
use crate::{OpenError, StoreError};

/// In order; one that is published is never changed.
const MIGRATIONS: [&str; 17] = [
    include_str!("../../migrations/sqlite/0001_first.sql"),
    include_str!("../../migrations/sqlite/0002_values.sql"),
    include_str!("../../migrations/sqlite/0003_scope.sql"),
    include_str!("../../migrations/sqlite/0004_drafts.sql"),
    include_str!("../../migrations/sqlite/0005_plans.sql"),
    include_str!("../../migrations/sqlite/0006_enrolment.sql"),
    include_str!("../../migrations/sqlite/0007_nonces.sql"),
    include_str!("../../migrations/sqlite/0008_audit.sql"),
    include_str!("../../migrations/sqlite/0009_trash.sql"),
    include_str!("../../migrations/sqlite/0010_erased.sql"),
    include_str!("../../migrations/sqlite/0011_hooks.sql"),
    include_str!("../../migrations/sqlite/0012_people.sql"),
    include_str!("../../migrations/sqlite/0013_capabilities.sql"),
    include_str!("../../migrations/sqlite/0014_leases.sql"),
    include_str!("../../migrations/sqlite/0015_approvals.sql"),
    include_str!("../../migrations/sqlite/0016_events.sql"),
    include_str!("../../migrations/sqlite/0017_polls.sql"),
];

/// Applies what is missing, each migration in a transaction of its own. Rows from before there were scopes are `older`'s.
pub(crate) fn run(connection: &mut Connection, path: &Path, older: &Scope) -> Result<(), OpenError> {
    let failed = |error| sqlite_open_error(path, error);
    let applied = connection.query_row("pragma user_version", (), |row| row.get(0));
    let applied: u32 = applied.map_err(|error| failed(error.into()))?;
    let Some(missing) = MIGRATIONS.get(applied as usize..) else {
        return Err(OpenError::NewerFormat {
            place: path.display().to_string(),
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
    connection.execute(
        "insert into older_scope values (?1, ?2)",
        [older.workspace(), older.project()],
    )?;
    for (number, migration) in (applied + 1..).zip(missing) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        let mut check = transaction.prepare("pragma foreign_key_check")?;
        if let Some(row) = check.query(())?.next()? {
            let table: String = row.get(0)?;
            return Err(StoreError::unreadable("row", format!("of table {table}")));
        }
        drop(check);
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
    }
    connection.execute_batch("drop table temp.older_scope")?;
    Ok(connection.pragma_update(None, "foreign_keys", true)?)
}
