//! Files that cannot be used, are full, are of other programs or came back from a backup: what only a file can be.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use flowforge_failpoints::FailPoints;
use flowforge_store::{OpenError, Started, Store, StoreError};

use crate::kit::{Home, new_host, new_run, run, scope};

/// A database that came back from a backup gave job sequences a second time, which hosts take for an attack; and nobody
/// could tell that it had come back.
#[tokio::test]
async fn a_restored_file_has_another_name_and_no_sequence_twice() {
    let home = Home::new();
    let open = home.ready().await;
    let first = open.store.incarnation();
    let second_ms = 1_800_000_000_000;
    let from = open.store.sequences(second_ms).await.unwrap().start;
    open.close().await;
    let backup = std::fs::read(home.config().path).unwrap();
    let open = home.open().await;
    assert_ne!(open.store.incarnation(), first, "each opening has its own name");
    let mut new = new_run(1, true);
    new.job.as_mut().unwrap().sequence = from + 5;
    open.store.start_run(scope(), new).await.unwrap();
    open.close().await;
    let open = home.open().await;
    let clock_was_set_back = open.store.sequences(1_000).await.unwrap().start;
    assert_eq!(clock_was_set_back, from + 6, "what was used is remembered");
    open.close().await;
    std::fs::write(home.config().path, backup).unwrap();
    let open = home.open().await;
    // Both lives lie in one second.
    let restored = open.store.sequences(second_ms + 10).await.unwrap().start;
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
    let pages = std::fs::metadata(&config.path).unwrap().len() / 4_096;
    config.max_pages = Some(u32::try_from(pages).unwrap() + 20);
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
