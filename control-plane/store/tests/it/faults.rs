//! Failures at the commit points.

use flowforge_failpoints::FailPoints;
use flowforge_store::{Started, StoreError};
use serde_json::json;

use crate::kit::{Home, Open, Script, ended, host, ingest, new_run, run, scope};

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
    assert_eq!((stored.epoch, stored.head.host), (1, Some(host(1))));
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
        assert_eq!(
            (stored.records, stored.texts.outcome.is_some()),
            (1, true),
            "{plan}"
        );
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
