//! Which server does what only one may do.

use flowforge_core::Scope;

use super::Session;
use crate::StoreError;
use crate::cells::{Cell, Params as _, params};

// By the clock of the database, which is one for all servers.
const NOW: &str = "cast(extract(epoch from clock_timestamp()) * 1000 as bigint)";

/// Takes a duty, or keeps it, for a time; false if another server has it.
pub(crate) fn take(
    session: &Session,
    scope: &Scope,
    duty: &str,
    holder: &str,
    for_ms: i64,
) -> Result<bool, StoreError> {
    let sql = format!(
        "insert into duty (workspace, project, name, holder, until_ms) values (?1, ?2, ?3, ?4, {NOW} + ?5) \
         on conflict (workspace, project, name) do update set holder = excluded.holder, until_ms = excluded.until_ms \
         where duty.holder = excluded.holder or duty.until_ms <= {NOW}"
    );
    let taken = session.run(
        &sql,
        &params![scope.workspace(), scope.project(), duty, holder, for_ms].cells(),
    )?;
    Ok(taken == 1)
}

/// Leaves everything that a server has taken to the others.
pub(crate) fn leave(session: &Session, scope: &Scope, holder: &str) -> Result<(), StoreError> {
    session.run(
        "delete from duty where workspace = ?1 and project = ?2 and holder = ?3",
        &[
            Cell::Text(scope.workspace()),
            Cell::Text(scope.project()),
            Cell::Text(holder),
        ],
    )?;
    Ok(())
}
