//! Starts, leases, records: what one writer promises.

use flowforge_failpoints::{FailPoints, Point, Side};
use flowforge_protocol::Digest;
use flowforge_protocol::batch::RecordBatch;
use flowforge_store::{
    ClientRequest, Links, PublishError, Published, Reissue, RejectCode, RunState, Started,
};
use futures::future::join_all;
use proptest::prelude::*;
use serde_json::json;

use crate::kit::{
    Home, Open, Script, ended, host, ingest, new_host, new_job, new_run, registered, release, run, scope,
    skipped,
};

#[tokio::test]
async fn many_starts_share_commits_and_each_is_there_afterwards() {
    let mut home = Home::new();
    home.fail_points = FailPoints::counting();
    let open = home.ready().await;
    let starts = (0..200).map(|n| open.store.start_run(scope(), new_run(n, true)));
    for started in join_all(starts).await {
        assert_eq!(started.unwrap(), Started::New);
    }
    let commits = home.fail_points.crossings(Point::B1, Side::After);
    assert!(commits < 100, "{commits} commits for 200 starts");
    assert_eq!(
        open.store.open_jobs(scope(), &host(1), 500).await.unwrap().len(),
        200
    );
    open.close().await;
    let open = home.open().await;
    let stored = open.store.run(scope(), &run(7)).await.unwrap().unwrap();
    assert_eq!(
        (stored.epoch, stored.host.clone(), stored.state),
        (1, Some(host(1)), RunState::Queued)
    );
    assert_eq!(
        stored.texts.input,
        new_run(7, true).input,
        "text comes back as it went in"
    );
    open.close().await;
}

#[tokio::test]
async fn a_request_name_starts_one_run_even_within_one_commit() {
    let home = Home::new();
    let open = home.ready().await;
    let named = |n: u64, body: &[u8]| {
        let mut new = new_run(n, true);
        let body = Digest::of(body);
        new.requests = vec![ClientRequest {
            id: "order-7".to_owned(),
            body,
        }];
        open.store.start_run(scope(), new)
    };
    let results = join_all([named(1, b"x"), named(2, b"x"), named(3, b"y")]).await;
    let started: Vec<_> = results.into_iter().map(Result::unwrap).collect();
    let expected = [
        Started::New,
        Started::Duplicate { run: run(1) },
        Started::Conflict { run: run(1) },
    ];
    assert_eq!(started, expected);
    assert!(open.store.run(scope(), &run(2)).await.unwrap().is_none());
    assert_eq!(
        open.store.open_jobs(scope(), &host(1), 9).await.unwrap().len(),
        1,
        "no job without its run"
    );
    open.close().await;
}

async fn code(open: &Open, from: u64, batch: &RecordBatch) -> Option<RejectCode> {
    let ingested = open
        .store
        .ingest(scope(), ingest(&host(from), vec![batch.clone()]))
        .await
        .unwrap();
    ingested.rejected.first().map(|rejected| rejected.code)
}

#[tokio::test]
async fn epoch_owner_order_and_chain_are_compared() {
    let home = Home::new();
    let open = home.ready().await;
    open.store.start_run(scope(), new_run(1, true)).await.unwrap();
    let mut script = Script::new(run(1));
    let first = script.batch(vec![skipped("x")]);
    let second = script.batch(vec![skipped("y"), ended(json!({"n": 1}))]);
    assert_eq!(code(&open, 2, &first).await, Some(RejectCode::NotOwner));
    assert_eq!(code(&open, 1, &second).await, Some(RejectCode::Gap));
    let mut stale = first.clone();
    stale.epoch = 2;
    assert_eq!(code(&open, 1, &stale).await, Some(RejectCode::StaleEpoch));
    let mut broken = first.clone();
    broken.chain = Digest::of(b"other");
    assert_eq!(code(&open, 1, &broken).await, Some(RejectCode::BrokenChain));
    let unknown = Script::new(run(9)).batch(vec![skipped("x")]);
    assert_eq!(code(&open, 1, &unknown).await, Some(RejectCode::UnknownRun));
    let stored = open.store.run(scope(), &run(1)).await.unwrap().unwrap();
    assert_eq!(
        (stored.records, stored.chain),
        (0, None),
        "nothing refused was stored"
    );

    assert_eq!(code(&open, 1, &first).await, None);
    assert_eq!(code(&open, 1, &second).await, None);
    let late = script.batch(vec![skipped("z")]);
    assert_eq!(
        code(&open, 1, &late).await,
        Some(RejectCode::Conflict),
        "nothing follows the end"
    );
    let stored = open.store.run(scope(), &run(1)).await.unwrap().unwrap();
    assert_eq!((stored.records, stored.state), (3, RunState::Done));
    assert_eq!(
        stored.texts.outcome.as_deref(),
        Some(r#"{"state":"done","output":{"n":1}}"#)
    );
    open.close().await;
}

#[tokio::test]
async fn batches_of_one_run_in_one_call_are_taken_in_order_and_only_once() {
    let home = Home::new();
    let open = home.ready().await;
    open.store.start_run(scope(), new_run(1, true)).await.unwrap();
    let mut script = Script::new(run(1));
    let batches = vec![script.batch(vec![skipped("x")]), script.batch(vec![skipped("y")])];
    let ingested = open
        .store
        .ingest(scope(), ingest(&host(1), batches.clone()))
        .await
        .unwrap();
    assert_eq!(
        (ingested.acknowledged, ingested.changed.len()),
        (vec![(run(1), Some(1))], 1)
    );
    let again = open
        .store
        .ingest(scope(), ingest(&host(1), batches.clone()))
        .await
        .unwrap();
    assert_eq!(
        (again.acknowledged, again.changed.len()),
        (vec![(run(1), Some(1))], 0)
    );
    // A batch cut elsewhere that begins with what is known: only the rest is stored.
    let overlapping = Script::new(run(1)).batch(vec![skipped("x"), skipped("y"), skipped("z")]);
    let ingested = open
        .store
        .ingest(scope(), ingest(&host(1), vec![overlapping]))
        .await
        .unwrap();
    assert_eq!(ingested.acknowledged, [(run(1), Some(2))]);
    let stored = open.store.batches(scope(), &run(1), 0, 1 << 20).await.unwrap();
    let seqs: Vec<_> = stored
        .iter()
        .map(|batch| (batch.first_seq, batch.count))
        .collect();
    assert_eq!(seqs, [(0, 1), (1, 1), (2, 1)]);
    assert_eq!(stored[0], batches[0]);
    open.close().await;
}

#[tokio::test]
async fn a_confirmed_job_is_gone_and_its_run_runs() {
    let home = Home::new();
    let open = home.ready().await;
    open.store.start_run(scope(), new_run(1, true)).await.unwrap();
    let job = open
        .store
        .open_jobs(scope(), &host(1), 9)
        .await
        .unwrap()
        .remove(0);
    let confirm = |from: u64| {
        let mut said = ingest(&host(from), Vec::new());
        said.received = vec![job.id.clone()];
        open.store.ingest(scope(), said)
    };
    confirm(2).await.unwrap();
    assert_eq!(
        open.store.open_jobs(scope(), &host(1), 9).await.unwrap().len(),
        1,
        "another host confirms nothing"
    );
    confirm(1).await.unwrap();
    assert!(
        open.store
            .open_jobs(scope(), &host(1), 9)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        open.store.run(scope(), &run(1)).await.unwrap().unwrap().state,
        RunState::Running
    );
    open.close().await;
}

#[tokio::test]
async fn a_waiting_run_is_given_away_once() {
    let home = Home::new();
    let open = home.ready().await;
    open.store.start_run(scope(), new_run(1, false)).await.unwrap();
    assert_eq!(open.store.count_unassigned(scope()).await.unwrap(), 1);
    let (one, two) = tokio::join!(
        open.store.assign(scope(), vec![new_job(1, 10, &host(1))]),
        open.store.assign(scope(), vec![new_job(1, 11, &host(2))])
    );
    assert_eq!(one.unwrap().len() + two.unwrap().len(), 1);
    let stored = open.store.run(scope(), &run(1)).await.unwrap().unwrap();
    assert_eq!(stored.epoch, 1);
    let owner = stored.head.host.unwrap();
    let other = if owner == host(1) { host(2) } else { host(1) };
    assert_eq!(open.store.open_jobs(scope(), &owner, 9).await.unwrap().len(), 1);
    assert!(open.store.open_jobs(scope(), &other, 9).await.unwrap().is_empty());
    assert!(
        open.store
            .cancel_here(scope(), run(1), "x".to_owned(), 5)
            .await
            .unwrap()
            .is_none()
    );
    open.close().await;
}

#[tokio::test]
async fn a_job_signed_anew_takes_the_place_of_the_old_one_once() {
    let home = Home::new();
    let open = home.ready().await;
    open.store.start_run(scope(), new_run(1, true)).await.unwrap();
    let old = open
        .store
        .open_jobs(scope(), &host(1), 9)
        .await
        .unwrap()
        .remove(0)
        .id;
    let new = new_job(1, 5_000, &host(1));
    let reissue = Reissue {
        old,
        new: new.clone(),
    };
    assert_eq!(
        open.store.reissue(scope(), vec![reissue.clone()]).await.unwrap(),
        std::slice::from_ref(&new)
    );
    assert!(
        open.store
            .reissue(scope(), vec![reissue])
            .await
            .unwrap()
            .is_empty()
    );
    let jobs = open.store.open_jobs(scope(), &host(1), 9).await.unwrap();
    assert_eq!(jobs.iter().map(|job| &job.id).collect::<Vec<_>>(), [&new.id]);
    open.close().await;
}

#[tokio::test]
async fn versions_and_host_ids_are_kept() {
    let home = Home::new();
    let open = home.open().await;
    let publish = |number| {
        open.store
            .publish(scope(), release("sum", number), Links::default())
    };
    let refused = publish(2).await.unwrap_err();
    assert!(
        matches!(refused, PublishError::Version { expected: 1 }),
        "{refused:?}"
    );
    assert_eq!(publish(1).await.unwrap(), Published::New);
    assert_eq!(publish(1).await.unwrap(), Published::Known);
    publish(2).await.unwrap();
    let first = open.store.register_host(scope(), new_host(1)).await.unwrap();
    let first = registered(first).unwrap();
    open.close().await;

    let open = home.open().await;
    let mut other = release("sum", 2);
    other.digest = Digest::of(b"other");
    let refused = open
        .store
        .publish(scope(), other, Links::default())
        .await
        .unwrap_err();
    assert!(
        matches!(refused, PublishError::Version { expected: 3 }),
        "{refused:?}"
    );
    let mut again = new_host(1);
    again.id = host(9);
    again.name = "renamed".to_owned();
    let second = open.store.register_host(scope(), again).await.unwrap();
    let second = registered(second).unwrap();
    assert_eq!(
        (second.id, second.name.as_str()),
        (first.id, "renamed"),
        "the key decides"
    );
    open.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// However a host cuts, repeats and mixes its batches, the store holds each record once, in order, unbroken.
    #[test]
    fn any_cutting_and_repeating_gives_the_same_records(
        cuts in proptest::collection::vec((0_usize..12, 1_usize..6), 1..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let home = Home::new();
            let open = home.ready().await;
            open.store.start_run(scope(), new_run(1, true)).await.unwrap();
            let reasons: Vec<String> = (0..12).map(|n| format!("reason {n}")).collect();
            let lines = Script::new(run(1)).batch(reasons.iter().map(|reason| skipped(reason)).collect()).lines;
            let mut known = 0;
            for (from, count) in cuts {
                let to = (from + count).min(12);
                let mut script = Script::new(run(1));
                script.batch(reasons[..from].iter().map(|reason| skipped(reason)).collect());
                let batch = script.batch(reasons[from..to].iter().map(|reason| skipped(reason)).collect());
                let result = open.store.ingest(scope(), ingest(&host(1), vec![batch])).await.unwrap();
                if from <= known {
                    assert!(result.rejected.is_empty(), "{result:?}");
                    known = known.max(to);
                } else {
                    assert_eq!(result.rejected[0].code, RejectCode::Gap);
                }
                let stored = open.store.batches(scope(), &run(1), 0, 1 << 20).await.unwrap();
                let stored: Vec<u8> = stored.into_iter().flat_map(|batch| batch.lines).collect();
                assert_eq!(stored.split_inclusive(|byte| *byte == b'\n').count(), known);
                assert!(lines.starts_with(&stored));
            }
            open.close().await;
        });
    }
}
