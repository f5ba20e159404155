//! Files of older programs.

use std::fs;

use flowforge_failpoints::FailPoints;
use flowforge_protocol::Digest;
use flowforge_store::{ClientRequest, RunFilter, Started, Store};

use crate::kit::{Home, host, new_run, release, run, scope};
use crate::scopes::{other, schedule};

/// A file from before there were scopes: everything in it is of the scope that the opening names, and still there.
#[tokio::test]
async fn a_file_from_before_scopes_keeps_everything_in_the_scope_that_is_named() {
    let home = Home::new();
    let old = rusqlite::Connection::open(home.config().path).unwrap();
    for migration in ["0001_first.sql", "0002_values.sql"] {
        let path = format!("{}/migrations/sqlite/{migration}", env!("CARGO_MANIFEST_DIR"));
        old.execute_batch(&fs::read_to_string(path).unwrap()).unwrap();
    }
    let digest = release("sum", 1).digest;
    let (run, host, grants) = (run(1), host(1), Digest::of(b"grants"));
    let hash = Digest::of(b"s").hex();
    old.execute_batch(&format!(
        "pragma user_version = 2;
         insert into release values ('{digest}', 'sum', 1, 'Sum', '{{}}', '{grants}', '{{}}', null, 1);
         insert into hook values ('in', 'sum');
         insert into host values ('{host}', 'h', zeroblob(32), zeroblob(32), unhex('{hash}'), 1, 1, 'life');
         insert into run (id, workflow, version, release, state, input, trigger, host, epoch, created_at_ms, parent_told,
             bytes) values ('{run}', 'sum', 1, '{digest}', 'queued', '1', '{{}}', '{host}', 1, 1, 1, 1);
         insert into secret values ('token', 'opaque', '[]', 3, x'01', 1);
         insert into request values ('r', '{grants}', '{run}', 1);
         insert into schedule values ('sum', 'daily', 'a', 7);
         insert into value values (1, unhex('{hash}'), 1, 1, 1, 1, 1);
         insert into value_piece values (1, 0, x'73');
         insert into value_use values (1, 1);"
    ))
    .unwrap();
    old.close().unwrap();
    let open = home.open().await;
    let store = &open.store;
    let found = store.run(scope(), &run).await.unwrap().unwrap();
    assert_eq!((found.release, found.head.host), (digest, Some(host.clone())));
    assert_eq!(store.hosts(scope()).await.unwrap()[0].id, host);
    assert_eq!(store.release(scope(), &digest).await.unwrap().unwrap().version, 1);
    assert_eq!(
        store.hook_owner(scope(), "in").await.unwrap().as_deref(),
        Some("sum")
    );
    assert_eq!(store.last_secret_version(scope(), "token").await.unwrap(), 3);
    assert_eq!(store.schedules(scope()).await.unwrap(), [schedule("a")]);
    assert_eq!(
        store.values(scope(), vec![Digest::of(b"s")], 9).await.unwrap()[&Digest::of(b"s")],
        b"s"
    );
    let mut again = new_run(9, false);
    again.requests = vec![ClientRequest {
        id: "r".to_owned(),
        body: grants,
    }];
    assert_eq!(
        store.start_run(scope(), again).await.unwrap(),
        Started::Duplicate { run }
    );
    assert!(
        store
            .runs(&other(), &RunFilter::default(), None, 9)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    open.close().await;
    let (again, _writer) = Store::open(home.config(), FailPoints::inert()).await.unwrap();
    assert_eq!(
        again.hosts(scope()).await.unwrap().len(),
        1,
        "the second opening changes nothing"
    );
}
