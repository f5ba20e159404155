//! Bringing the tables up to date. `schema_version` in `meta` says how many of the migrations the database has.

use super::{Place, Session};
use crate::{OpenError, StoreError};

/// In order; one that is published is never changed.
const MIGRATIONS: [&str; 3] = [
    include_str!("../../migrations/postgres/0001_first.sql"),
    include_str!("../../migrations/postgres/0002_drafts.sql"),
    include_str!("../../migrations/postgres/0003_erased.sql"),
];

/// Applies what is missing, each migration in a transaction of its own.
pub(super) fn run(session: &Session, place: &Place) -> Result<(), OpenError> {
    let failed = |source| OpenError::Database {
        place: place.to_string(),
        source,
    };
    let applied = applied(session).map_err(failed)?;
    let Some(missing) = MIGRATIONS.get(applied..) else {
        return Err(OpenError::NewerFormat {
            place: place.to_string(),
        });
    };
    for (number, migration) in (applied + 1..).zip(missing) {
        apply(session, migration, number).map_err(failed)?;
    }
    Ok(())
}

fn applied(session: &Session) -> Result<usize, StoreError> {
    if session.number("select count(*) from pg_class where oid = to_regclass('meta')")? == 0 {
        return Ok(0);
    }
    let number = session.number("select cast(value as bigint) from meta where key = 'schema_version'")?;
    Ok(usize::try_from(number).unwrap_or(usize::MAX))
}

fn apply(session: &Session, migration: &str, number: usize) -> Result<(), StoreError> {
    session.begin("begin")?;
    let noted = format!(
        "insert into meta (key, value) values ('schema_version', '{number}') \
         on conflict (key) do update set value = excluded.value"
    );
    let done = [migration, &noted, "commit"]
        .into_iter()
        .try_for_each(|words| session.batch(words));
    if done.is_err() {
        session.take_back();
    }
    done
}
