//! What only grows has a bound.

use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::chain::no_fetch;
use flowforge_protocol::record::Event;
use flowforge_protocol::{Digest, MessageId};
use flowforge_store::{
    ClientRequest, Heard, Keep, KeepDeliveries, KeepEvents, Links, MAX_HOSTS, NewReceipt, NewSignal,
    Registered, RejectCode, SignalKept, Started,
};
use serde_json::json;

use crate::kit::{
    Home, Open, Script, ended, host, ingest, new_host, new_run, registered, release, run, scope,
};

pub(crate) fn keep() -> Keep {
    Keep {
        ended_since_ms: 0,
        ended_bytes_max: u64::MAX,
        young_since_ms: u64::MAX,
        unreceipted_since_ms: 0,
        finders_since_ms: 0,
        requests_since_ms: 0,
        requests_max: u64::MAX,
        releases_since_ms: 0,
        versions_min: 2,
        gaps_since_ms: 0,
        signals_since_ms: 0,
        values_since_ms: 0,
        audit_since_ms: 0,
        audit_max: u64::MAX,
        deliveries: KeepDeliveries {
            since_ms: 0,
            count_max: u64::MAX,
            body_bytes_max: u64::MAX,
        },
        events: KeepEvents {
            since_ms: 0,
            count_max: u64::MAX,
        },
        trash_since_ms: 0,
        rows_max: 100,
    }
}

/// The end of run `n` comes at time `n`, with a receipt unless it is to lack one. Its host believes that it is 1970.
pub(crate) async fn over(open: &Open, n: u64, receipt: bool) {
    open.store.start_run(scope(), new_run(n, true)).await.unwrap();
    let mut script = Script::new(run(n));
    let batch = script.batch(vec![ended(json!("x".repeat(1_000)))]);
    let (chain, outcome) = (batch.chain, outcome_in(&batch));
    let mut said = ingest(&host(1), vec![batch]);
    said.at_ms = n;
    if receipt {
        said.receipts.push(NewReceipt {
            run: run(n),
            envelope: "{}".to_owned(),
            records: 1,
            chain,
            outcome,
        });
    }
    let told = open.store.ingest(scope(), said).await.unwrap();
    assert!(told.rejected.is_empty(), "{told:?}");
}

/// Digest of the outcome in the last record of a batch.
fn outcome_in(batch: &RecordBatch) -> Digest {
    let last = batch.records(&no_fetch).last().unwrap().unwrap();
    let outcome = match last.event {
        Event::Ended { outcome } => Some(outcome),
        _ => None,
    };
    outcome.unwrap().digest()
}

async fn left(open: &Open) -> Vec<u64> {
    let mut left = Vec::new();
    for n in 0..10 {
        if open.store.run(scope(), &run(n)).await.unwrap().is_some() {
            left.push(n);
        }
    }
    left
}

/// Runs were kept for ever: a busy plane filled its disk. And then by the time that their host gave: of a host whose clock
/// stood in 1970 every run was removed at once.
#[tokio::test]
async fn runs_that_are_over_leave_by_age_but_not_those_whose_receipt_may_come() {
    let home = Home::new();
    let open = home.ready().await;
    for n in 1..=4 {
        over(&open, n, n != 2).await;
    }
    open.store.start_run(scope(), new_run(0, true)).await.unwrap();
    let old = Keep {
        ended_since_ms: 4,
        ..keep()
    };
    assert_eq!(
        open.store.collect(scope(), old).await.unwrap().runs,
        [run(1), run(3)]
    );
    assert_eq!(left(&open).await, [0, 2, 4], "0 is not over, 2 has no receipt");
    let older = Keep {
        unreceipted_since_ms: 3,
        ..old
    };
    assert_eq!(open.store.collect(scope(), older).await.unwrap().runs, [run(2)]);
    assert!(
        open.store
            .batches(scope(), &run(2), 0, 1 << 20)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(open.store.oldest_open_run_ms(scope()).await.unwrap(), Some(0));
    open.close().await;
}

#[tokio::test]
async fn runs_that_are_over_leave_by_bytes_oldest_first_and_a_few_at_a_time() {
    let home = Home::new();
    let open = home.ready().await;
    for n in 1..=5 {
        over(&open, n, true).await;
    }
    let bytes = open.store.run(scope(), &run(1)).await.unwrap().unwrap().bytes;
    assert!(bytes > 1_000, "{bytes}");
    let bound = Keep {
        ended_bytes_max: 2 * bytes,
        rows_max: 2,
        ..keep()
    };
    let first = open.store.collect(scope(), bound).await.unwrap();
    assert_eq!((first.runs, first.more), (vec![run(1), run(2)], true));
    let second = open.store.collect(scope(), bound).await.unwrap();
    assert_eq!((second.runs, second.more), (vec![run(3)], false));
    assert!(open.store.collect(scope(), bound).await.unwrap().runs.is_empty());
    let young = Keep {
        ended_bytes_max: 0,
        young_since_ms: 5,
        ..keep()
    };
    open.store.collect(scope(), young).await.unwrap();
    assert_eq!(left(&open).await, [5], "a young one stays");
    open.close().await;
}

#[tokio::test]
async fn releases_that_nothing_uses_names_of_requests_and_gaps_leave() {
    let home = Home::new();
    let open = home.ready().await;
    for version in 2..=5 {
        open.store
            .publish(scope(), release("sum", version), Links::default())
            .await
            .unwrap();
    }
    let mut named = new_run(1, true);
    let name = ClientRequest {
        id: "order-7".to_owned(),
        body: release("sum", 1).digest,
    };
    named.requests = vec![name];
    open.store.start_run(scope(), named).await.unwrap();
    let mut said = ingest(&host(1), Vec::new());
    said.heard = Some(Heard {
        at_ms: 70,
        silent_since_ms: Some(20),
    });
    open.store.ingest(scope(), said).await.unwrap();
    assert_eq!(
        open.store.host_gaps(scope(), &host(1), 0, 99).await.unwrap(),
        [(20, 70)]
    );
    assert!(
        open.store
            .host_gaps(scope(), &host(1), 80, 99)
            .await
            .unwrap()
            .is_empty()
    );
    let now = Keep {
        requests_since_ms: 2,
        releases_since_ms: 2,
        gaps_since_ms: 71,
        ..keep()
    };
    let collected = open.store.collect(scope(), now).await.unwrap();
    assert_eq!((collected.requests, collected.releases), (1, 2));
    let versions = open
        .store
        .versions(scope(), vec!["sum".to_owned()], 9)
        .await
        .unwrap();
    let versions: Vec<u32> = versions.iter().map(|release| release.version).collect();
    assert_eq!(versions, [5, 4, 1], "the newest two, and the one that a run uses");
    assert!(
        open.store
            .host_gaps(scope(), &host(1), 0, 99)
            .await
            .unwrap()
            .is_empty()
    );
    open.close().await;
}

/// A caller that names every request could fill the disk within the time that names are kept.
#[tokio::test]
async fn names_of_requests_are_bounded_in_number() {
    let home = Home::new();
    let open = home.ready().await;
    for n in 1..=5 {
        let mut named = new_run(n, true);
        named.requests = vec![ClientRequest {
            id: format!("order-{n}"),
            body: release("sum", 1).digest,
        }];
        open.store.start_run(scope(), named).await.unwrap();
    }
    let few = Keep {
        requests_max: 2,
        ..keep()
    };
    assert_eq!(open.store.collect(scope(), few).await.unwrap().requests, 3);
    assert_eq!(open.store.collect(scope(), few).await.unwrap().requests, 0);
    let mut again = new_run(9, true);
    again.requests = vec![ClientRequest {
        id: "order-5".to_owned(),
        body: release("sum", 1).digest,
    }];
    let again = open.store.start_run(scope(), again).await.unwrap();
    assert_eq!(again, Started::Duplicate { run: run(5) }, "the newest stay");
    open.close().await;
}

/// Only the first 2,000 hosts were known after a start, and more could register.
#[tokio::test]
async fn hosts_are_bounded_and_a_known_one_may_always_register_again() {
    let home = Home::new();
    let open = home.ready().await;
    for n in 3..=u64::from(MAX_HOSTS) {
        let known = open.store.register_host(scope(), new_host(n)).await.unwrap();
        assert!(registered(known).is_some());
    }
    let more = new_host(u64::from(MAX_HOSTS) + 1);
    let refused = open.store.register_host(scope(), more).await.unwrap();
    assert_eq!(refused, Registered::TooMany);
    let again = open.store.register_host(scope(), new_host(7)).await.unwrap();
    assert!(registered(again).is_some());
    assert_eq!(open.store.hosts(scope()).await.unwrap().len(), MAX_HOSTS as usize);
    open.close().await;
}

/// A receipt could speak of another outcome than the records: only the number of records and the chain were compared.
#[tokio::test]
async fn a_receipt_of_another_outcome_is_refused() {
    let home = Home::new();
    let open = home.ready().await;
    open.store.start_run(scope(), new_run(1, true)).await.unwrap();
    let batch = Script::new(run(1)).batch(vec![ended(json!(1))]);
    let mut receipt = NewReceipt {
        run: run(1),
        envelope: "{}".to_owned(),
        records: 1,
        chain: batch.chain,
        outcome: Digest::of(b"another"),
    };
    let outcome = outcome_in(&batch);
    let bring = |receipt: &NewReceipt, batches| {
        let mut said = ingest(&host(1), batches);
        said.receipts.push(receipt.clone());
        open.store.ingest(scope(), said)
    };
    // In the same call as the last record, and after it.
    for batches in [vec![batch], Vec::new()] {
        let told = bring(&receipt, batches).await.unwrap();
        assert_eq!(told.rejected[0].code, RejectCode::InvalidReceipt, "{told:?}");
        assert!(told.receipts.is_empty());
    }
    receipt.outcome = outcome;
    assert_eq!(bring(&receipt, Vec::new()).await.unwrap().receipts, [run(1)]);
    open.close().await;
}

#[tokio::test]
async fn signals_that_nobody_takes_leave_by_age_and_are_refused_above_their_bound() {
    let home = Home::new();
    let open = home.ready().await;
    let signal = |n: u64, payload: String| NewSignal {
        message: MessageId::from_entropy(crate::kit::id(9, n)),
        run: None,
        workflow: "sum".to_owned(),
        name: "paid".to_owned(),
        correlation: None,
        payload,
        by: "ann".to_owned(),
        at_ms: n,
        requests: Vec::new(),
        delivery: None,
    };
    let large = || "x".repeat(flowforge_store::MAX_SIGNAL_BYTES as usize / 2);
    for n in [1, 2] {
        let kept = open.store.keep_signal(scope(), signal(n, large())).await.unwrap();
        assert_eq!(kept, SignalKept::New);
    }
    let full = open
        .store
        .keep_signal(scope(), signal(3, "1".to_owned()))
        .await
        .unwrap();
    assert_eq!(full, SignalKept::Full);
    let old = Keep {
        signals_since_ms: 2,
        ..keep()
    };
    assert_eq!(open.store.collect(scope(), old).await.unwrap().signals, 1);
    let again = open
        .store
        .keep_signal(scope(), signal(3, "1".to_owned()))
        .await
        .unwrap();
    assert_eq!(again, SignalKept::New);
    open.close().await;
}
