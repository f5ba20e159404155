//! A copy of a whole store while others use it, and a store made of such a copy.
//!
//! A copy is one moment: everything that was committed before it and nothing after. A file is copied by SQLite itself, a
//! database by PostgreSQL's own `pg_dump`, and loaded by `pg_restore`.

use std::path::Path;

use crate::connection::Connection;
use crate::copy_error::CopyError;
use crate::error::sqlite_open_error;
use crate::open::Place;
use crate::sql::{self, unsigned};
use crate::{OpenError, StoreConfig, StoreError, postgres, sqlite};

/// What is in a store, of all projects together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Contents {
    /// Workflows of which a version is published.
    pub workflows: u64,
    /// Runs that are kept.
    pub runs: u64,
    /// Those of them that are not over.
    pub open_runs: u64,
    /// Secrets that have a value.
    pub secrets: u64,
    /// Hosts that were admitted once.
    pub hosts: u64,
}

/// Writes a copy of the store to `to`, for this user alone; a file of that name must not be there. The store may be open
/// in other processes, which go on meanwhile.
///
/// # Errors
/// See [`CopyError`]; what was written of the copy is to be thrown away.
pub async fn copy_store(config: &StoreConfig, to: &Path) -> Result<(), CopyError> {
    let place = Place::of(config)?;
    if let Some(database) = place.database() {
        return postgres::tools::dump(database, to).await;
    }
    let (from, to) = (config.path.clone(), to.to_owned());
    off_thread(move || {
        sqlite::copy(&from, &to).map_err(|error| failed(&from, error))?;
        whole(&to)
    })
    .await
}

/// Makes the store of a copy: the file of `config`, which must not be there, or its database, which must be empty.
///
/// # Errors
/// See [`CopyError`]; a database is as it was before, what was written of a file is to be thrown away.
pub async fn load_copy(config: &StoreConfig, from: &Path) -> Result<(), CopyError> {
    let place = Place::of(config)?;
    if let Some(database) = place.database() {
        if tables(&place).await? > 0 {
            let place = database.to_string();
            return Err(CopyError::NotEmpty { place });
        }
        return postgres::tools::load(database, from).await;
    }
    let (from, to) = (from.to_owned(), config.path.clone());
    off_thread(move || {
        whole(&from)?;
        sqlite::copy(&from, &to).map_err(|error| failed(&from, error))
    })
    .await
}

/// What is in a store that some process has brought up to date.
///
/// # Errors
/// See [`OpenError`].
pub async fn contents(config: &StoreConfig) -> Result<Contents, OpenError> {
    let sql = "select \
         (select count(*) from (select 1 from release group by workspace, project, workflow) named), \
         (select count(*) from run), (select count(*) from run where ended_at_ms is null), \
         (select count(*) from secret where sealed is not null), (select count(*) from host)";
    ask(&Place::of(config)?, move |connection| {
        let found = sql::first(connection, sql, (), |row| {
            let count = |column: usize| -> Result<u64, StoreError> { Ok(unsigned(row.get(column)?)) };
            Ok(Contents {
                workflows: count(0)?,
                runs: count(1)?,
                open_runs: count(2)?,
                secrets: count(3)?,
                hosts: count(4)?,
            })
        })?;
        Ok(found.unwrap_or_default())
    })
    .await
}

/// How many tables a database has.
async fn tables(place: &Place) -> Result<u64, OpenError> {
    let sql = "select count(*) from information_schema.tables \
               where table_schema not in ('pg_catalog', 'information_schema')";
    ask(place, move |connection| {
        let found = sql::first(connection, sql, (), |row| row.get::<i64>(0))?;
        Ok(found.map_or(0, unsigned))
    })
    .await
}

async fn ask<T: Send + 'static>(
    place: &Place,
    question: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, OpenError> {
    let asked = place.clone();
    let answer = off_thread(move || question(&asked.reader()?)).await;
    answer.map_err(|source| OpenError::Database {
        place: place.to_string(),
        source,
    })
}

/// Whether every page of a copied file is whole, and every row has what it refers to.
fn whole(path: &Path) -> Result<(), CopyError> {
    match sqlite::fault(path).map_err(|error| failed(path, error))? {
        None => Ok(()),
        Some(fault) => Err(CopyError::Damaged {
            path: path.to_owned(),
            fault,
        }),
    }
}

fn failed(path: &Path, error: sqlite::CopyFailed) -> CopyError {
    match error {
        sqlite::CopyFailed::Io(source) => CopyError::Io {
            path: path.to_owned(),
            source,
        },
        sqlite::CopyFailed::Sqlite(error) => sqlite_open_error(path, error.into()).into(),
    }
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))
}
