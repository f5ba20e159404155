//! Bringing the tables up to date. `schema_version` in `meta` says how many of the migrations the database has.

use super::servers::{self, ALONE, TOGETHER};
use super::{Place, Session};
use crate::{OpenError, StoreError};

/// In order; one that is published is never changed.
static MIGRATIONS: [&str; NEWEST] = [
    include_str!("../../migrations/postgres/0001_first.sql"),
    include_str!("../../migrations/postgres/0002_drafts.sql"),
    include_str!("../../migrations/postgres/0003_plans.sql"),
    include_str!("../../migrations/postgres/0004_enrolment.sql"),
    include_str!("../../migrations/postgres/0005_servers.sql"),
    include_str!("../../migrations/postgres/0006_audit.sql"),
    include_str!("../../migrations/postgres/0007_trash.sql"),
    include_str!("../../migrations/postgres/0008_erased.sql"),
    include_str!("../../migrations/postgres/0009_hooks.sql"),
    include_str!("../../migrations/postgres/0010_people.sql"),
    include_str!("../../migrations/postgres/0011_capabilities.sql"),
    include_str!("../../migrations/postgres/0012_leases.sql"),
    include_str!("../../migrations/postgres/0013_approvals.sql"),
    include_str!("../../migrations/postgres/0014_events.sql"),
    include_str!("../../migrations/postgres/0015_polls.sql"),
];

/// How many there are.
pub(super) const NEWEST: usize = 15;

/// Applies what is missing, each migration in a transaction of its own, while no other server is on the database.
pub(super) fn run(session: &Session, place: &Place) -> Result<(), OpenError> {
    if missing(session, place)?.1.is_empty() {
        return Ok(());
    }
    let failed = |source| match source {
        StoreError::Busy => OpenError::OtherServers {
            place: place.to_string(),
        },
        source => OpenError::Database {
            place: place.to_string(),
            source,
        },
    };
    let all = |words: [&str; 2]| {
        words
            .iter()
            .try_for_each(|word| session.batch(&servers::lock(word)))
    };
    session.batch(&servers::wait_for_others()).map_err(failed)?;
    all(ALONE).map_err(failed)?;
    // Another server may have done it while this one waited.
    let (applied, missing) = missing(session, place)?;
    for (number, migration) in (applied + 1..).zip(missing) {
        apply(session, migration, number).map_err(failed)?;
    }
    all(TOGETHER).map_err(failed)?;
    session.batch(&servers::wait_for_turn()).map_err(failed)
}

/// How many migrations the database has, and those that it has not.
fn missing(session: &Session, place: &Place) -> Result<(usize, &'static [&'static str]), OpenError> {
    let applied = applied(session).map_err(|source| OpenError::Database {
        place: place.to_string(),
        source,
    })?;
    let missing = MIGRATIONS.get(applied..).ok_or_else(|| OpenError::NewerFormat {
        place: place.to_string(),
    })?;
    Ok((applied, missing))
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
