//! What only one server of several may do at a time.

use std::time::Duration;

use flowforge_core::Scope;

use crate::connection::Connection;
use crate::postgres::duties;
use crate::{Store, StoreError};

impl Store {
    /// Takes a duty, or keeps it, for a time from now on; false if another server has it. Where there can be no other server
    /// it is always given.
    ///
    /// # Errors
    /// See [`StoreError`]: then nobody can rely on having it.
    pub async fn take_duty(
        &self,
        scope: &Scope,
        duty: &'static str,
        holder: String,
        time: Duration,
    ) -> Result<bool, StoreError> {
        if self.notices().is_none() {
            return Ok(true);
        }
        let for_ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.alone(scope, None, move |connection, scope| match connection {
            Connection::Sqlite(_) => Ok(true),
            Connection::Postgres(session) => duties::take(session, scope, duty, &holder, for_ms),
        })
        .await
    }

    /// Leaves every duty of a server to the others.
    ///
    /// # Errors
    /// See [`StoreError`]: then they wait until its time is over.
    pub async fn leave_duties(&self, scope: &Scope, holder: String) -> Result<(), StoreError> {
        if self.notices().is_none() {
            return Ok(());
        }
        self.alone(scope, None, move |connection, scope| match connection {
            Connection::Sqlite(_) => Ok(()),
            Connection::Postgres(session) => duties::leave(session, scope, &holder),
        })
        .await
    }
}
