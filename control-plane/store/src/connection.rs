//! A connection to either engine, and transactions on it.
//!
//! Statements are written in SQLite's words and kept to what PostgreSQL reads alike but for the few spellings in
//! [`crate::postgres`]: so each rule and each statement stands once.

use std::cell::Cell as Count;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::StoreError;
use crate::cells::{Cell, Row};
use crate::{postgres, sqlite};

/// A connection; used by one thread at a time.
pub(crate) struct Connection {
    engine: Engine,
    /// Statements that gave rows.
    asked: Count<u64>,
    /// Where the steps of all connections of a store are counted.
    steps: Arc<AtomicU64>,
}

/// Whose connection it is.
pub(crate) enum Engine {
    Sqlite(rusqlite::Connection),
    Postgres(postgres::Session),
}

impl Connection {
    /// A connection whose steps are counted there.
    pub(crate) fn new(engine: Engine, steps: Arc<AtomicU64>) -> Self {
        Self {
            engine,
            asked: Count::new(0),
            steps,
        }
    }

    /// Statements that gave rows so far.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.get()
    }

    /// The session with a database, if it is no file.
    pub(crate) fn database(&self) -> Option<&postgres::Session> {
        match &self.engine {
            Engine::Sqlite(_) => None,
            Engine::Postgres(session) => Some(session),
        }
    }

    /// Shows each row of an answer, until `show` wants no more.
    pub(crate) fn each(
        &self,
        sql: &str,
        params: &[Cell<'_>],
        show: &mut dyn FnMut(&Row<'_>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        self.asked.set(self.asked.get() + 1);
        let steps = match &self.engine {
            Engine::Sqlite(connection) => sqlite::each(connection, sql, params, show)?,
            Engine::Postgres(session) => session.each(sql, params, show).map(|()| 0)?,
        };
        self.steps.fetch_add(steps, Ordering::Relaxed);
        Ok(())
    }

    /// Runs a statement that gives no rows; returns how many it changed.
    pub(crate) fn run(&self, sql: &str, params: &[Cell<'_>]) -> Result<usize, StoreError> {
        let (changed, steps) = match &self.engine {
            Engine::Sqlite(connection) => sqlite::run(connection, sql, params)?,
            Engine::Postgres(session) => (session.run(sql, params)?, 0),
        };
        self.steps.fetch_add(steps, Ordering::Relaxed);
        Ok(changed)
    }

    /// Commits what `write` writes, or takes back all of it if writing or committing fails.
    pub(crate) fn transact<T>(
        &mut self,
        write: impl FnOnce(&Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // SQLite: the right to write at once, because a transaction that reads first and then finds another writer would
        // have to begin anew.
        self.inside("begin immediate", "begin", write)
    }

    /// Asks several questions of one moment.
    pub(crate) fn snapshot<T>(
        &self,
        ask: impl FnOnce(&Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.inside("begin", "begin isolation level repeatable read read only", ask)
    }

    fn inside<T>(
        &self,
        of_sqlite: &str,
        of_postgres: &str,
        work: impl FnOnce(&Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match &self.engine {
            Engine::Sqlite(connection) => connection.execute_batch(of_sqlite)?,
            Engine::Postgres(session) => session.begin(of_postgres)?,
        }
        let done = work(self).and_then(|value| self.control("commit").map(|()| value));
        if done.is_err() {
            self.take_back();
        }
        done
    }

    fn control(&self, word: &str) -> Result<(), StoreError> {
        match &self.engine {
            Engine::Sqlite(connection) => Ok(connection.execute_batch(word)?),
            Engine::Postgres(session) => session.batch(word),
        }
    }

    /// After a failure. Where it cannot be done either, [`Connection::is_stuck`] says so, or the session is made anew.
    fn take_back(&self) {
        match &self.engine {
            Engine::Sqlite(connection) if connection.is_autocommit() => {}
            Engine::Sqlite(_) => {
                if let Err(error) = self.control("rollback") {
                    tracing::error!(%error, "a failed write cannot be taken back");
                }
            }
            Engine::Postgres(session) => session.take_back(),
        }
    }

    /// Before a question: gives up a connection that broke, so that the question begins on a new one.
    pub(crate) fn renew(&self) {
        if let Engine::Postgres(session) = &self.engine {
            session.forget_if_broken();
        }
    }

    /// True inside a transaction that could not be taken back.
    pub(crate) fn is_stuck(&self) -> bool {
        match &self.engine {
            Engine::Sqlite(connection) => !connection.is_autocommit(),
            Engine::Postgres(_) => false,
        }
    }

    /// Closes it; the last connection to a file folds the log into it.
    pub(crate) fn close(self) -> Result<(), StoreError> {
        match self.engine {
            Engine::Sqlite(connection) => connection.close().map_err(|(_, error)| error.into()),
            Engine::Postgres(_) => Ok(()),
        }
    }
}
