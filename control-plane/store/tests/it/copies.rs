//! Copies of a store that is in use, and stores that are made of them.

use flowforge_failpoints::FailPoints;
use flowforge_store::{Contents, CopyError, Store, contents, copy_store, load_copy};

use crate::kit::{Home, new_run, scope};

#[tokio::test]
async fn a_copy_is_one_moment_of_a_store_that_goes_on() {
    let home = Home::new();
    let open = home.ready().await;
    for n in 1..=20 {
        open.store.start_run(scope(), new_run(n, true)).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    copy_store(&home.config(), &copy).await.unwrap();
    open.store.start_run(scope(), new_run(21, true)).await.unwrap();
    let there = contents(&home.config()).await.unwrap();
    assert_eq!((there.runs, there.workflows, there.hosts), (21, 1, 2));
    open.close().await;
    let elsewhere = Home::new();
    load_copy(&elsewhere.config(), &copy).await.unwrap();
    let open = elsewhere.open().await;
    let expected = Contents {
        workflows: 1,
        runs: 20,
        open_runs: 20,
        secrets: 0,
        hosts: 2,
    };
    assert_eq!(contents(&elsewhere.config()).await.unwrap(), expected);
    open.store.start_run(scope(), new_run(22, true)).await.unwrap();
    open.close().await;
}

/// A store that came out of a copy has another life, so that hosts are asked what they know besides.
#[tokio::test]
async fn what_is_made_of_a_copy_lives_another_life() {
    let home = Home::new();
    let open = home.ready().await;
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    copy_store(&home.config(), &copy).await.unwrap();
    let elsewhere = Home::new();
    load_copy(&elsewhere.config(), &copy).await.unwrap();
    let other = elsewhere.open().await;
    assert_ne!(other.store.incarnation(), open.store.incarnation());
    other.close().await;
    open.close().await;
}

#[tokio::test]
async fn nothing_that_is_there_is_written_over() {
    let home = Home::new();
    let open = home.ready().await;
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    copy_store(&home.config(), &copy).await.unwrap();
    // Its own store is not empty.
    let error = load_copy(&home.config(), &copy).await.unwrap_err();
    if crate::POSTGRES {
        assert!(matches!(error, CopyError::NotEmpty { .. }), "{error:?}");
    } else {
        assert!(matches!(error, CopyError::Io { .. }), "{error:?}");
    }
    let error = copy_store(&home.config(), &copy).await.unwrap_err();
    assert!(matches!(error, CopyError::Io { .. }), "{error:?}");
    assert_eq!(contents(&home.config()).await.unwrap().hosts, 2);
    open.close().await;
}

#[tokio::test]
async fn a_damaged_copy_makes_no_store() {
    let home = Home::new();
    let open = home.ready().await;
    for n in 1..=20 {
        open.store.start_run(scope(), new_run(n, true)).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    copy_store(&home.config(), &copy).await.unwrap();
    open.close().await;
    let mut bytes = std::fs::read(&copy).unwrap();
    let half = bytes.len() / 2;
    if crate::POSTGRES {
        bytes.truncate(half);
    } else {
        // Whole pages of it are others.
        bytes[half..half + 8_192].fill(0xa5);
    }
    std::fs::write(&copy, bytes).unwrap();
    let elsewhere = Home::new();
    let error = load_copy(&elsewhere.config(), &copy).await.unwrap_err();
    if crate::POSTGRES {
        assert!(
            matches!(
                error,
                CopyError::Tool {
                    tool: "pg_restore",
                    ..
                }
            ),
            "{error:?}"
        );
    }
    // What was refused left nothing behind: a store can be begun there.
    let (store, writer) = Store::open(elsewhere.config(), FailPoints::inert())
        .await
        .unwrap();
    drop((store, writer));
    assert_eq!(contents(&elsewhere.config()).await.unwrap(), Contents::default());
}
