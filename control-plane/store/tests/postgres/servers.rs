//! Several servers on one database.

use std::collections::HashSet;
use std::time::Duration;

use flowforge_failpoints::FailPoints;
use flowforge_protocol::Digest;
use flowforge_store::{
    ClientRequest, Ingested, MAX_NOTICE_BYTES, NewRun, OpenError, Registered, RejectCode, Started, Store,
    StoreError, UsedNonce,
};
use serde_json::json;

use tokio::task::JoinSet;
use tokio_postgres::{Client, Error, NoTls};

use crate::kit::{Home, Script, ended, host, ingest, new_host, new_run, registered, run, scope, skipped};

const DUTY: &str = "cron";
/// Ends the sessions of servers.
const CUT: &str = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'flowforge' \
     and datname = current_database()";

/// A session that has done this, and stays.
async fn hold(url: &str, sql: &str) -> (Client, JoinSet<Result<(), Error>>) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    client.batch_execute(sql).await.unwrap();
    (client, driver)
}

/// Lets nobody connect, or everybody again; as seen from another database of the cluster.
async fn let_in(url: &str, everybody: bool) {
    let (cluster, name) = url.split_once("&dbname=").unwrap();
    let words = format!("alter database {name} with allow_connections {everybody}");
    drop(hold(&format!("{cluster}&dbname=postgres"), &words).await);
    if !everybody {
        let cut = format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'");
        drop(hold(&format!("{cluster}&dbname=postgres"), &cut).await);
    }
}

fn named(n: u64, name: &str) -> NewRun {
    let mut new = new_run(n, true);
    new.requests = vec![ClientRequest {
        id: name.to_owned(),
        body: Digest::of(b"body"),
    }];
    new
}

/// Both write at the same time, under the same names: each name starts one run, at whichever server it comes first.
#[tokio::test(flavor = "multi_thread")]
async fn two_servers_write_side_by_side_and_a_name_starts_one_run() {
    let home = Home::new();
    let (one, other) = (home.ready().await, home.open().await);
    assert_eq!(
        one.store.incarnation(),
        other.store.incarnation(),
        "it is one life of one database"
    );
    let mut new = 0;
    for n in 0..40 {
        let name = format!("request {n}");
        let (first, second) = tokio::join!(
            one.store.start_run(scope(), named(2 * n, &name)),
            other.store.start_run(scope(), named(2 * n + 1, &name)),
        );
        for started in [first.unwrap(), second.unwrap()] {
            match started {
                Started::New => new += 1,
                Started::Duplicate { run: first } => assert!([run(2 * n), run(2 * n + 1)].contains(&first)),
                Started::Conflict { .. } => panic!("{started:?}"),
            }
        }
    }
    assert_eq!(new, 40);
    one.close().await;
    other.close().await;
}

/// A host whose call was cut brings its records again, to another server, while the first still stores them.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_records_at_two_servers_are_stored_once() {
    let home = Home::new();
    let (one, other) = (home.ready().await, home.open().await);
    let mut told: Vec<Ingested> = Vec::new();
    for n in 1..=20 {
        one.store.start_run(scope(), new_run(n, true)).await.unwrap();
        let mut script = Script::new(run(n));
        let first = script.batch(vec![skipped("a"), skipped("b")]);
        let all = {
            let mut script = Script::new(run(n));
            script.batch(vec![skipped("a"), skipped("b"), ended(json!(n))])
        };
        let (a, b) = tokio::join!(
            one.store.ingest(scope(), ingest(&host(1), vec![first])),
            other.store.ingest(scope(), ingest(&host(1), vec![all])),
        );
        told.extend([a.unwrap(), b.unwrap()]);
    }
    // Whichever came first, the longer one ends the run, and nothing is stored twice.
    let rejected: Vec<_> = told.iter().flat_map(|told| &told.rejected).collect();
    assert!(
        rejected
            .iter()
            .all(|rejected| rejected.code == RejectCode::Conflict),
        "{rejected:?}"
    );
    for n in 1..=20 {
        let stored = one.store.run(scope(), &run(n)).await.unwrap().unwrap();
        assert!(stored.state.is_final() && stored.records == 3, "{stored:?}");
    }
    one.close().await;
    other.close().await;
}

#[tokio::test]
async fn numbers_of_jobs_are_each_given_once_and_lie_close_together() {
    let home = Home::new();
    let (one, other) = (home.ready().await, home.open().await);
    let (mut seen, mut ends) = (HashSet::new(), Vec::new());
    for _ in 0..20 {
        for open in [&one, &other] {
            let block = open.store.sequences(0).await.unwrap();
            ends.push(block.end);
            for number in block {
                assert!(seen.insert(number), "{number} was given twice");
            }
        }
    }
    let last = ends.last().unwrap();
    assert!(last - ends[0] < 16_384, "a host remembers the newest only");
    one.close().await;
    // One that comes later goes on, and does not begin anew.
    let third = home.open().await;
    let block = third.store.sequences(0).await.unwrap();
    assert!(block.start >= *last);
    third.close().await;
    other.close().await;
}

#[tokio::test]
async fn a_duty_has_one_holder_until_it_leaves_or_its_time_is_over() {
    let home = Home::new();
    let (one, other) = (home.ready().await, home.open().await);
    let take = |store: &Store, holder: &str, time| {
        let (store, holder) = (store.clone(), holder.to_owned());
        async move { store.take_duty(scope(), DUTY, holder, time).await.unwrap() }
    };
    let long = Duration::from_secs(600);
    assert!(take(&one.store, "one", long).await);
    assert!(!take(&other.store, "other", long).await);
    assert!(take(&one.store, "one", long).await, "who has it keeps it");
    one.store.leave_duties(scope(), "one".to_owned()).await.unwrap();
    assert!(take(&other.store, "other", Duration::ZERO).await);
    assert!(take(&one.store, "one", long).await, "its time was over");
    one.close().await;
    other.close().await;
}

#[tokio::test]
async fn what_one_server_says_the_others_hear() {
    let home = Home::new();
    let (one, other) = (home.ready().await, home.open().await);
    let speaker = one.store.notices().unwrap().listen().await.unwrap();
    let mut listener = other.store.notices().unwrap().listen().await.unwrap();
    let long = "x".repeat(MAX_NOTICE_BYTES);
    speaker.say(&long).await.unwrap();
    speaker.say("short").await.unwrap();
    assert_eq!(listener.next().await.unwrap(), long);
    assert_eq!(listener.next().await.unwrap(), "short");
    // A connection that is cut ends, and does not hang.
    home.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen%' and datname = current_database()",
    )
    .await;
    assert_eq!(listener.next().await, None);
    one.close().await;
    other.close().await;
}

/// The tables are changed by a newer program while an older one is at work: each of the two is refused by name where it
/// would not know the other's tables.
#[tokio::test]
async fn servers_of_two_versions_of_the_tables_are_never_at_work_at_once() {
    let home = Home::new();
    let old = home.ready().await;
    // As a newer program that has a migration to apply finds it: others are there.
    home.execute("update meta set value = '2' where key = 'schema_version'")
        .await;
    let error = Store::open(home.config(), FailPoints::inert()).await.unwrap_err();
    assert!(matches!(&error, OpenError::OtherServers { .. }), "{error:?}");
    // And as an older program finds it that was cut off while the newer one changed the tables.
    home.execute("update meta set value = '99' where key = 'schema_version'")
        .await;
    home.execute(CUT).await;
    let error = loop {
        match old.store.start_run(scope(), new_run(1, true)).await {
            Err(StoreError::Away(_)) => {}
            other => break other.unwrap_err(),
        }
    };
    assert!(matches!(error, StoreError::Outdated), "{error:?}");
}

/// A program from before there were several servers holds the database alone.
#[tokio::test]
async fn a_program_that_shares_with_nobody_is_named() {
    let home = Home::new();
    home.ready().await.close().await;
    let url = home.config().database.unwrap();
    let _alone = hold(&url, "select pg_advisory_lock(5074553438213400421)").await;
    let error = Store::open(home.config(), FailPoints::inert()).await.unwrap_err();
    let is_taken = matches!(
        &error,
        OpenError::Database {
            source: StoreError::Taken,
            ..
        }
    );
    assert!(is_taken, "{error:?}");
}

/// A server that stands still in the middle of its turn: the others go on after a while, and nothing of it is stored.
#[tokio::test]
async fn a_server_that_stands_still_loses_its_turn() {
    let home = Home::new();
    let open = home.ready().await;
    let url = home.config().database.unwrap();
    let _stands = hold(
        &url,
        "set idle_in_transaction_session_timeout = 1000; begin; select pg_advisory_xact_lock(5074553438213400422)",
    )
    .await;
    assert_eq!(
        open.store.start_run(scope(), new_run(1, true)).await.unwrap(),
        Started::New
    );
    open.close().await;
}

/// A registration that was caught could be used at the other server, or after a restart: each knew only its own.
#[tokio::test]
async fn a_registration_is_of_use_once_at_whichever_server() {
    let home = Home::new();
    let (one, other) = (home.ready().await, home.open().await);
    let mut new = new_host(1);
    new.nonce = Some(UsedNonce {
        nonce: "n".to_owned(),
        issued_at_ms: 5,
        forget_before_ms: 1,
    });
    let first = one.store.register_host(scope(), new.clone()).await.unwrap();
    assert!(registered(first).is_some());
    let again = other.store.register_host(scope(), new).await.unwrap();
    assert_eq!(again, Registered::Replayed);
    let hash = Digest::of(&1_u64.to_be_bytes());
    let found = other.store.host_of_session(scope(), hash).await.unwrap();
    assert_eq!(found.map(|found| found.id), Some(host(1)));
    one.close().await;
    other.close().await;
}

/// The database is away while both are at work, for some seconds: what was confirmed is there, and both go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_for_a_while_loses_nothing() {
    let home = Home::new();
    let (one, other) = (home.ready().await, home.open().await);
    one.store.start_run(scope(), named(1, "a")).await.unwrap();
    let url = home.config().database.unwrap();
    let_in(&url, false).await;
    for open in [&one, &other] {
        for _ in 0..3 {
            let error = open.store.start_run(scope(), named(2, "b")).await.unwrap_err();
            assert!(matches!(error, StoreError::Away(_)), "{error:?}");
        }
    }
    let_in(&url, true).await;
    let mut new = 0;
    for (n, open) in [(3, &one), (4, &other)] {
        let started = loop {
            match open.store.start_run(scope(), named(n, "b")).await {
                Err(StoreError::Away(_)) => {}
                started => break started.unwrap(),
            }
        };
        new += u32::from(started == Started::New);
    }
    assert_eq!(new, 1, "the request that failed is one request");
    assert!(one.store.run(scope(), &run(1)).await.unwrap().is_some());
    one.close().await;
    other.close().await;
}
