//! Pages, prefixes and partial reads.

use flowforge_store::{
    Found, Links, MAX_SECRET_NAMES, MAX_SECRETS, NewSecret, RunFilter, RunState, SecretSet,
};
use serde_json::json;

use crate::kit::{Home, Open, Script, ended, host, ingest, new_run, release, run, scope, skipped};

async fn list(
    open: &Open,
    state: Option<RunState>,
    before: Option<i64>,
) -> (Vec<flowforge_protocol::RunId>, Option<i64>, bool) {
    let filter = RunFilter {
        workflow: Some("sum".to_owned()),
        state,
    };
    let page = open.store.runs(scope(), &filter, before, 2).await.unwrap();
    let last = page.items.last().map(|(place, _)| *place);
    (
        page.items.into_iter().map(|(_, stored)| stored.id).collect(),
        last,
        page.has_more,
    )
}

#[tokio::test]
async fn pages_of_runs_are_newest_first_and_filtered() {
    let home = Home::new();
    let open = home.ready().await;
    for n in 0..5 {
        open.store.start_run(scope(), new_run(n, n != 4)).await.unwrap();
    }
    let batch = Script::new(run(2)).batch(vec![ended(json!(1))]);
    open.store
        .ingest(scope(), ingest(&host(1), vec![batch]))
        .await
        .unwrap();
    let (ids, last, more) = list(&open, None, None).await;
    assert_eq!((ids, more), (vec![run(4), run(3)], true));
    let (ids, last, more) = list(&open, None, last).await;
    assert_eq!((ids, more), (vec![run(2), run(1)], true));
    let (ids, _, more) = list(&open, None, last).await;
    assert_eq!((ids, more), (vec![run(0)], false));
    assert_eq!(list(&open, Some(RunState::Done), None).await.0, [run(2)]);
    assert_eq!(
        list(&open, Some(RunState::Queued), None).await.0,
        [run(4), run(3)]
    );
    assert!(list(&open, Some(RunState::Failed), None).await.0.is_empty());
    assert_eq!(open.store.open_runs(scope()).await.unwrap()[&host(1)], 3);
    open.close().await;
}

async fn found(open: &Open, wanted: &str) -> Result<flowforge_protocol::RunId, &'static str> {
    match open.store.find_run(scope(), wanted).await.unwrap() {
        Found::One(stored) => Ok(stored.head.id),
        Found::None => Err("none"),
        Found::Several => Err("several"),
    }
}

#[tokio::test]
async fn a_prefix_finds_one_or_says_that_it_fits_several() {
    let home = Home::new();
    let open = home.ready().await;
    assert_eq!(found(&open, "last").await, Err("none"));
    for n in 0..2 {
        open.store.start_run(scope(), new_run(n, true)).await.unwrap();
    }
    let whole = run(1).to_string();
    let same = run(0)
        .as_str()
        .bytes()
        .zip(whole.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    assert_eq!(found(&open, &whole).await, Ok(run(1)));
    assert_eq!(found(&open, &whole[..same]).await, Err("several"));
    assert_eq!(found(&open, &whole[..=same]).await, Ok(run(1)));
    assert_eq!(found(&open, "last").await, Ok(run(1)));
    assert_eq!(found(&open, "%").await, Err("none"));
    open.close().await;
}

#[tokio::test]
async fn records_are_read_in_bounded_pieces() {
    let home = Home::new();
    let open = home.ready().await;
    open.store.start_run(scope(), new_run(1, true)).await.unwrap();
    let mut script = Script::new(run(1));
    let batches: Vec<_> = (0..4)
        .map(|_| script.batch(vec![skipped("x"), skipped("y")]))
        .collect();
    let bytes = batches[0].lines.len() as u64;
    open.store
        .ingest(scope(), ingest(&host(1), batches))
        .await
        .unwrap();
    let cases: [(u64, u64, &[u64]); 5] = [
        (0, 1 << 20, &[0, 2, 4, 6]),
        (3, 1 << 20, &[2, 4, 6]),
        (0, 1, &[0]),
        (0, bytes + 1, &[0, 2]),
        (8, 1 << 20, &[]),
    ];
    for (from, max, expected) in cases {
        let read = open.store.batches(scope(), &run(1), from, max).await.unwrap();
        let firsts: Vec<_> = read.iter().map(|batch| batch.first_seq).collect();
        assert_eq!(firsts, expected, "from {from}, at most {max} bytes");
    }
    open.close().await;
}

#[tokio::test]
async fn the_newest_release_of_each_workflow_is_listed() {
    let home = Home::new();
    let open = home.open().await;
    for (name, version) in [("b", 1), ("a", 1), ("a", 2), ("c", 1)] {
        open.store
            .publish(scope(), release(name, version), Links::default())
            .await
            .unwrap();
    }
    let page = open.store.newest_releases(scope(), "", 2).await.unwrap();
    let names: Vec<_> = page
        .items
        .iter()
        .map(|(_, r)| (r.workflow.as_str(), r.version))
        .collect();
    assert_eq!((names, page.has_more), (vec![("a", 2), ("b", 1)], true));
    let rest = open.store.newest_releases(scope(), "b", 2).await.unwrap();
    assert_eq!((rest.items[0].1.workflow.as_str(), rest.has_more), ("c", false));
    assert_eq!(
        open.store
            .release_of(scope(), "a", Some(1))
            .await
            .unwrap()
            .unwrap()
            .version,
        1
    );
    open.close().await;
}

#[tokio::test]
async fn a_secret_is_set_only_as_its_next_version() {
    let home = Home::new();
    let open = home.open().await;
    let secret = |version| NewSecret {
        name: "token".to_owned(),
        kind: "bearer".to_owned(),
        destinations: vec!["https://a:443".to_owned()],
        drafts: false,
        version,
        sealed: vec![1, 2, 3],
        at_ms: 1,
    };
    assert_eq!(
        open.store.set_secret(scope(), secret(1)).await.unwrap(),
        SecretSet::Stored
    );
    assert_eq!(
        open.store.set_secret(scope(), secret(1)).await.unwrap(),
        SecretSet::Raced
    );
    assert_eq!(
        open.store.set_secret(scope(), secret(3)).await.unwrap(),
        SecretSet::Raced
    );
    assert!(
        open.store
            .delete_secret(scope(), "token", "ann", 1, true)
            .await
            .unwrap()
    );
    assert!(open.store.secret(scope(), "token").await.unwrap().is_none());
    assert_eq!(open.store.last_secret_version(scope(), "token").await.unwrap(), 1);
    assert_eq!(
        open.store.set_secret(scope(), secret(2)).await.unwrap(),
        SecretSet::Stored
    );
    assert!(!format!("{:?}", open.store.secret(scope(), "token").await.unwrap()).contains("[1, 2, 3]"));
    open.close().await;
}

/// Secrets were counted by nobody, and the list of them left out all above the first 10,000.
#[tokio::test]
async fn secrets_are_bounded_and_a_new_value_of_a_known_one_always_has_room() {
    let home = Home::new();
    let open = home.open().await;
    let empty = if crate::POSTGRES {
        "cast('' as bytea)"
    } else {
        "x''"
    };
    let fill = async |first: u64, count: u64, sealed: &str| {
        let sql = format!(
            "with recursive n(i) as (select {first} union all select i + 1 from n where i + 1 < {first} + {count}) \
             insert into secret (workspace, project, name, kind, destinations, version, sealed, updated_at_ms) \
             select '{}', '{}', 'known_' || i, 'bearer', '[]', 1, {sealed}, 0 from n",
            scope().workspace(),
            scope().project()
        );
        home.execute(&sql).await;
    };
    fill(0, MAX_SECRETS, empty).await;
    let secret = |name: &str, version| NewSecret {
        name: name.to_owned(),
        kind: "bearer".to_owned(),
        destinations: Vec::new(),
        drafts: false,
        version,
        sealed: vec![1],
        at_ms: 1,
    };
    let set = async |secret| open.store.set_secret(scope(), secret).await.unwrap();
    assert_eq!(set(secret("one_more", 1)).await, SecretSet::TooMany);
    assert_eq!(set(secret("known_7", 2)).await, SecretSet::Stored);
    assert!(
        open.store
            .delete_secret(scope(), "known_8", "ann", 1, true)
            .await
            .unwrap()
    );
    assert_eq!(set(secret("one_more", 1)).await, SecretSet::Stored);
    // Names that have no value any more are remembered, and counted too.
    fill(MAX_SECRETS, MAX_SECRET_NAMES - MAX_SECRETS - 1, "null").await;
    assert!(
        open.store
            .delete_secret(scope(), "known_9", "ann", 1, true)
            .await
            .unwrap()
    );
    assert_eq!(set(secret("another", 1)).await, SecretSet::TooMany);
}
