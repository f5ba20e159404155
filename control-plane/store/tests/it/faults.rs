//! Failures at the commit points, and files that cannot be used.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use flowforge_failpoints::FailPoints;
use flowforge_store::{OpenError, Started, Store, StoreError};
use serde_json::json;

use crate::kit::{Home, Open, Script, ended, host, ingest, new_host, new_run, run, scope};

async fn with_plan(plan: &str) -> (Home, Open) {
    let mut home = Home::new();
    home.ready().await.close().await;
    home.fail_points = FailPoints::from_env_value(Some(plan)).unwrap();
    let open = home.open().await;
    (home, open)
}

#[tokio::test]
async fn before_the_commit_of_a_start_nothing_is_there_and_the_writer_goes_on() {
    let (_home, open) = with_plan("B1.before=error").await;
    let error = open.store.start_run(scope(), new_run(1, true)).await.unwrap_err();
    assert!(matches!(error, StoreError::Injected(_)), "{error:?}");
    assert!(open.store.run(scope(), &run(1)).await.unwrap().is_none());
    assert!(
        open.store
            .open_jobs(scope(), &host(1), 9)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        open.store.start_run(scope(), new_run(1, true)).await.unwrap(),
        Started::New
    );
    open.close().await;
}

#[tokio::test]
async fn after_the_commit_of_a_start_run_lease_and_job_are_there_together() {
    let (_home, open) = with_plan("B2=error").await;
    open.store.start_run(scope(), new_run(1, true)).await.unwrap_err();
    let stored = open.store.run(scope(), &run(1)).await.unwrap().unwrap();
    assert_eq!((stored.epoch, stored.host), (1, Some(host(1))));
    assert_eq!(open.store.open_jobs(scope(), &host(1), 9).await.unwrap().len(), 1);
    open.close().await;
}

#[tokio::test]
async fn a_host_that_was_not_answered_sends_again_and_is_told_the_same() {
    for plan in ["B9.before=error", "B9=error", "B11.before=error", "B11=error"] {
        let (_home, open) = with_plan(plan).await;
        open.store.start_run(scope(), new_run(1, true)).await.unwrap();
        let batch = Script::new(run(1)).batch(vec![ended(json!({"n": 1}))]);
        open.store
            .ingest(scope(), ingest(&host(1), vec![batch.clone()]))
            .await
            .unwrap_err();
        let again = open
            .store
            .ingest(scope(), ingest(&host(1), vec![batch]))
            .await
            .unwrap();
        assert_eq!(
            (again.acknowledged, again.rejected.len()),
            (vec![(run(1), Some(0))], 0),
            "{plan}"
        );
        let stored = open.store.run(scope(), &run(1)).await.unwrap().unwrap();
        assert_eq!((stored.records, stored.outcome.is_some()), (1, true), "{plan}");
        open.close().await;
    }
}

/// One start of an unknown release failed the commit of everybody who had the bad luck to share it: up to 512 callers.
#[tokio::test]
async fn a_write_that_cannot_be_stored_fails_alone() {
    let home = Home::new();
    let open = home.ready().await;
    let starts = (0..20).map(|n| {
        let mut new = new_run(n, true);
        if n == 7 {
            new.release = flowforge_protocol::Digest::of(b"unknown");
        }
        open.store.start_run(scope(), new)
    });
    let results = futures::future::join_all(starts).await;
    for (n, result) in (0_u64..).zip(results) {
        assert_eq!(result.is_ok(), n != 7, "run {n}: {result:?}");
        assert_eq!(
            open.store.run(scope(), &run(n)).await.unwrap().is_some(),
            n != 7,
            "run {n}"
        );
    }
    open.close().await;
}

/// A database that came back from a backup gave job sequences a second time, which hosts take for an attack; and nobody
/// could tell that it had come back.
#[tokio::test]
async fn a_restored_file_has_another_name_and_no_sequence_twice() {
    let home = Home::new();
    let open = home.ready().await;
    let first = open.store.incarnation().to_owned();
    let second_ms = 1_800_000_000_000;
    let from = open.store.first_sequence(second_ms).await.unwrap();
    open.close().await;
    let backup = std::fs::read(home.config().path).unwrap();
    let open = home.open().await;
    assert_ne!(open.store.incarnation(), first, "each opening has its own name");
    let mut new = new_run(1, true);
    new.job.as_mut().unwrap().sequence = from + 5;
    open.store.start_run(scope(), new).await.unwrap();
    open.close().await;
    let open = home.open().await;
    let clock_was_set_back = open.store.first_sequence(1_000).await.unwrap();
    assert_eq!(clock_was_set_back, from + 6, "what was used is remembered");
    open.close().await;
    std::fs::write(home.config().path, backup).unwrap();
    let open = home.open().await;
    let restored = open.store.first_sequence(second_ms + 1_000).await.unwrap();
    assert!(restored > from + 5, "{restored} after {from}");
    open.close().await;
}

#[tokio::test]
async fn a_file_of_a_newer_program_is_left_alone() {
    let home = Home::new();
    home.open().await.close().await;
    let file = rusqlite::Connection::open(home.config().path).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    file.close().unwrap();
    let error = Store::open(home.config(), FailPoints::inert()).await.unwrap_err();
    assert!(matches!(error, OpenError::NewerFormat { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_no_database_is_named() {
    let home = Home::new();
    std::fs::write(home.config().path, vec![b'x'; 5_000]).unwrap();
    let error = Store::open(home.config(), FailPoints::inert()).await.unwrap_err();
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_loses_nothing() {
    let home = Home::new();
    home.ready().await.close().await;
    // SQLite reports a full disk when a file may not grow, whoever forbids it.
    let mut config = home.config();
    config.max_pages = Some(80);
    let open = home.open_with(config).await;
    let mut stored = 0;
    let error = loop {
        let mut new = new_run(stored, true);
        new.input = format!("\"{}\"", "x".repeat(4_000));
        match open.store.start_run(scope(), new).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    let place = home.config().path;
    assert!(
        matches!(&error, StoreError::Full(full) if full.path == place),
        "{error:?}"
    );
    assert!(stored > 0);
    // What needs no more space is stored though, by the same process.
    open.store.register_host(scope(), new_host(1)).await.unwrap();
    assert!(open.store.run(scope(), &run(stored)).await.unwrap().is_none());
    assert!(open.store.run(scope(), &run(stored - 1)).await.unwrap().is_some());
    open.close().await;
    // With room again everything goes on.
    let open = home.open().await;
    assert_eq!(
        open.store
            .start_run(scope(), new_run(stored, true))
            .await
            .unwrap(),
        Started::New
    );
    open.close().await;
}

#[tokio::test]
async fn the_files_are_for_this_user_alone_also_those_of_an_older_program() {
    let home = Home::new();
    let mode = |name: &str| {
        let path = home.config().path.with_file_name(name);
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    let open = home.ready().await;
    for name in ["server.db", "server.db-wal", "server.db-shm"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    open.close().await;
    std::fs::set_permissions(home.config().path, Permissions::from_mode(0o644)).unwrap();
    let open = home.ready().await;
    for name in ["server.db", "server.db-wal", "server.db-shm"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    open.close().await;
}
