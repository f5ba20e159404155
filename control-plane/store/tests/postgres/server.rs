//! Databases of newer programs, elsewhere, in use or away.

use flowforge_failpoints::FailPoints;
use flowforge_store::{OpenError, Started, Store, StoreConfig, StoreError};

use crate::kit::{Home, host, new_run, run, scope};

#[tokio::test]
async fn a_database_of_a_newer_program_is_left_alone() {
    let home = Home::new();
    home.open().await.close().await;
    home.execute("update meta set value = '99' where key = 'schema_version'")
        .await;
    let error = Store::open(home.config(), FailPoints::inert()).await.unwrap_err();
    assert!(
        matches!(&error, OpenError::NewerFormat { place } if place.contains("database")),
        "{error:?}"
    );
}

/// The address says where; a database that is elsewhere would be talked to without encryption.
#[tokio::test]
async fn addresses_that_cannot_be_used_are_named() {
    let home = Home::new();
    let at = |database: &str| StoreConfig {
        database: Some(database.to_owned()),
        ..home.config()
    };
    let open = |database: &str| Store::open(at(database), FailPoints::inert());
    let error = open("postgres://db.example.com/plane").await.unwrap_err();
    assert!(
        matches!(&error, OpenError::Remote { host } if host == "db.example.com"),
        "{error:?}"
    );
    let error = open("postgres://x@127.0.0.1:port/plane").await.unwrap_err();
    assert!(matches!(&error, OpenError::Address { .. }), "{error:?}");
    let error = open("postgres://nobody@127.0.0.1:1/plane").await.unwrap_err();
    assert!(
        matches!(&error, OpenError::Database { place, .. } if place.contains("plane")),
        "{error:?}"
    );
}

/// Every connection is cut, as when the database restarts: writes and questions go on over new ones, and nothing that was
/// confirmed is lost.
#[tokio::test]
async fn connections_that_break_are_made_anew() {
    let home = Home::new();
    let open = home.ready().await;
    let store = &open.store;
    store.start_run(scope(), new_run(1, true)).await.unwrap();
    assert!(store.run(scope(), &run(1)).await.unwrap().is_some());
    home.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'flowforge' \
         and datname = current_database()",
    )
    .await;
    let mut tries = 0;
    let started = loop {
        match store.start_run(scope(), new_run(2, true)).await {
            Ok(started) => break started,
            Err(StoreError::Away(_)) if tries < 10 => tries += 1,
            Err(error) => panic!("{error:?}"),
        }
    };
    assert_eq!(started, Started::New);
    for n in [1, 2] {
        let found = loop {
            match store.run(scope(), &run(n)).await {
                Ok(found) => break found,
                Err(StoreError::Away(_)) if tries < 10 => tries += 1,
                Err(error) => panic!("{error:?}"),
            }
        };
        assert!(found.is_some(), "run {n}");
    }
    open.close().await;
}

/// It has no U+0000 in its text: what a connector says with one is kept with a sign for it, and holds nobody up.
#[tokio::test]
async fn text_with_a_nul_is_kept_with_a_sign_for_it() {
    let home = Home::new();
    let open = home.ready().await;
    let mut new = new_run(1, true);
    new.traceparent = Some("a\0b".to_owned());
    new.input = r#"{"text":"\u0000"}"#.to_owned();
    open.store.start_run(scope(), new).await.unwrap();
    let stored = open.store.run(scope(), &run(1)).await.unwrap().unwrap();
    assert_eq!(stored.traceparent.as_deref(), Some("a\u{fffd}b"));
    assert_eq!(
        stored.texts.input, r#"{"text":"\u0000"}"#,
        "JSON text stays as it is"
    );
    open.store
        .note_trouble(scope(), run(1), "c\0d".to_owned())
        .await
        .unwrap();
    let stored = open.store.run(scope(), &run(1)).await.unwrap().unwrap();
    assert_eq!(stored.trouble.as_deref(), Some("c\u{fffd}d"));
    assert_eq!(stored.host, Some(host(1)));
    open.close().await;
}
