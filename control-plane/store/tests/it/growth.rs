//! What only grows has a bound.

use flowforge_protocol::chain::{chain_start, walk};
use flowforge_store::{ClientRequest, Heard, Keep, NewReceipt};
use serde_json::json;

use crate::kit::{Home, Open, Script, ended, host, ingest, new_run, release, run};

fn keep() -> Keep {
    Keep {
        ended_since_ms: 0,
        ended_bytes_max: u64::MAX,
        young_since_ms: u64::MAX,
        unreceipted_since_ms: 0,
        requests_since_ms: 0,
        releases_since_ms: 0,
        versions_min: 2,
        gaps_since_ms: 0,
        rows_max: 100,
    }
}

/// Run `n` ends at time `n`, with a receipt unless it is to lack one.
async fn over(open: &Open, n: u64, receipt: bool) {
    open.store.start_run(new_run(n, true)).await.unwrap();
    let mut script = Script::new(run(n));
    let mut batch = script.batch(vec![ended(json!("x".repeat(1_000)))]);
    let text = String::from_utf8(batch.lines).unwrap();
    batch.lines = text
        .replace("\"at_ms\":0", &format!("\"at_ms\":{n}"))
        .into_bytes();
    batch.chain = walk(&batch.lines, 0, &chain_start(&run(n))).unwrap().chain;
    let chain = batch.chain;
    let mut said = ingest(&host(1), vec![batch]);
    if receipt {
        said.receipts.push(NewReceipt {
            run: run(n),
            envelope: "{}".to_owned(),
            records: 1,
            chain,
        });
    }
    let told = open.store.ingest(said).await.unwrap();
    assert!(told.rejected.is_empty(), "{told:?}");
}

async fn left(open: &Open) -> Vec<u64> {
    let mut left = Vec::new();
    for n in 0..10 {
        if open.store.run(&run(n)).await.unwrap().is_some() {
            left.push(n);
        }
    }
    left
}

/// Runs were kept for ever: a busy plane filled its disk.
#[tokio::test]
async fn runs_that_are_over_leave_by_age_but_not_those_whose_receipt_may_come() {
    let home = Home::new();
    let open = home.ready().await;
    for n in 1..=4 {
        over(&open, n, n != 2).await;
    }
    open.store.start_run(new_run(0, true)).await.unwrap();
    let old = Keep {
        ended_since_ms: 4,
        ..keep()
    };
    assert_eq!(open.store.collect(old).await.unwrap().runs, [run(1), run(3)]);
    assert_eq!(left(&open).await, [0, 2, 4], "0 is not over, 2 has no receipt");
    let older = Keep {
        unreceipted_since_ms: 3,
        ..old
    };
    assert_eq!(open.store.collect(older).await.unwrap().runs, [run(2)]);
    assert!(open.store.batches(&run(2), 0, 1 << 20).await.unwrap().is_empty());
    assert_eq!(open.store.oldest_open_run_ms().await.unwrap(), Some(0));
    open.close().await;
}

#[tokio::test]
async fn runs_that_are_over_leave_by_bytes_oldest_first_and_a_few_at_a_time() {
    let home = Home::new();
    let open = home.ready().await;
    for n in 1..=5 {
        over(&open, n, true).await;
    }
    let bytes = open.store.run(&run(1)).await.unwrap().unwrap().bytes;
    assert!(bytes > 1_000, "{bytes}");
    let bound = Keep {
        ended_bytes_max: 2 * bytes,
        rows_max: 2,
        ..keep()
    };
    let first = open.store.collect(bound).await.unwrap();
    assert_eq!((first.runs, first.more), (vec![run(1), run(2)], true));
    let second = open.store.collect(bound).await.unwrap();
    assert_eq!((second.runs, second.more), (vec![run(3)], false));
    assert!(open.store.collect(bound).await.unwrap().runs.is_empty());
    let young = Keep {
        ended_bytes_max: 0,
        young_since_ms: 5,
        ..keep()
    };
    open.store.collect(young).await.unwrap();
    assert_eq!(left(&open).await, [5], "a young one stays");
    open.close().await;
}

#[tokio::test]
async fn releases_that_nothing_uses_names_of_requests_and_gaps_leave() {
    let home = Home::new();
    let open = home.ready().await;
    for version in 2..=5 {
        open.store
            .publish(release("sum", version), Vec::new())
            .await
            .unwrap();
    }
    let mut named = new_run(1, true);
    let name = ClientRequest {
        id: "order-7".to_owned(),
        body: release("sum", 1).digest,
    };
    named.requests = vec![name];
    open.store.start_run(named).await.unwrap();
    let mut said = ingest(&host(1), Vec::new());
    said.heard = Some(Heard {
        at_ms: 70,
        silent_since_ms: Some(20),
    });
    open.store.ingest(said).await.unwrap();
    assert_eq!(open.store.host_gaps(&host(1), 0, 99).await.unwrap(), [(20, 70)]);
    assert!(open.store.host_gaps(&host(1), 80, 99).await.unwrap().is_empty());
    let now = Keep {
        requests_since_ms: 2,
        releases_since_ms: 2,
        gaps_since_ms: 71,
        ..keep()
    };
    let collected = open.store.collect(now).await.unwrap();
    assert_eq!((collected.requests, collected.releases), (1, 2));
    let versions = open.store.versions("sum", 9).await.unwrap();
    let versions: Vec<u32> = versions.iter().map(|release| release.version).collect();
    assert_eq!(versions, [5, 4, 1], "the newest two, and the one that a run uses");
    assert!(open.store.host_gaps(&host(1), 0, 99).await.unwrap().is_empty());
    open.close().await;
}
