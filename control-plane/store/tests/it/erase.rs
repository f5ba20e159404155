//! The values of one run are erased, and nothing else.

use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::chain::{no_fetch, walk};
use flowforge_protocol::record::Event;
use flowforge_store::{Erased, Erasure, JobKind, NewErasure, NewReceipt, Reissue};
use serde_json::json;

use crate::kit::{Home, Open, Script, asks_at, ended, host, ingest, new_job, new_run, run, scope};
use crate::values::{apart, bring, bytes_of, completed, large, there};

/// Begins and ends a run with a question, a small and a large value, all of it in its host's words; with a receipt, if it
/// is to have one.
async fn over(open: &Open, n: u64, receipt: bool) -> Vec<RecordBatch> {
    open.store.start_run(scope(), new_run(n, true)).await.unwrap();
    let mut script = Script::new(run(n));
    let mut batches = vec![apart(script.batch(vec![
        asks_at(
            "ask",
            flowforge_protocol::ApprovalId::from_entropy([9; 16]),
            "Pay Ana?",
            &[],
            None,
        ),
        completed("a", large("x")),
        completed("b", json!("a secret of Ana")),
    ]))];
    batches.push(script.batch(vec![ended(json!("and its result"))]));
    let last = batches.last().unwrap();
    let outcome = match last.records(&no_fetch).last().unwrap().unwrap().event {
        Event::Ended { outcome } => Some(outcome.digest()),
        _ => None,
    };
    let outcome = outcome.unwrap();
    let mut said = ingest(&host(1), batches.clone());
    said.received = vec![new_job(n, 1_000 + n, &host(1)).id];
    if receipt {
        said.receipts.push(NewReceipt {
            run: run(n),
            envelope: "{}".to_owned(),
            records: script.seq,
            chain: script.chain,
            outcome,
        });
    }
    let told = open.store.ingest(scope(), said).await.unwrap();
    assert!(told.rejected.is_empty(), "{told:?}");
    batches
}

fn wanted(n: u64) -> NewErasure {
    let mut job = new_job(n, 9_000 + n, &host(1));
    job.kind = JobKind::Erase;
    NewErasure {
        run: run(n),
        erasure: by_ana(),
        job: Some(job),
    }
}

fn by_ana() -> Erasure {
    Erasure {
        by: "erased by ana".to_owned(),
        at_ms: 77,
    }
}

#[tokio::test]
async fn the_values_go_and_the_chain_stays() {
    let home = Home::new();
    let open = home.ready().await;
    let value = bytes_of(&large("x"));
    bring(&open, &value).await;
    let batches = over(&open, 1, true).await;
    open.store.start_run(scope(), new_run(2, true)).await.unwrap();
    let before = open.store.run(scope(), &run(1)).await.unwrap().unwrap();
    assert_eq!(before.erased, None);
    assert_eq!(
        open.store.erase_run(scope(), wanted(1)).await.unwrap(),
        Erased::Done
    );

    let now = open.store.run(scope(), &run(1)).await.unwrap().unwrap();
    assert_eq!(now.erased, Some(by_ana()));
    assert_eq!(
        (now.texts.input.as_str(), &now.options, &now.texts.response),
        ("null", &None, &None)
    );
    assert_eq!(
        (now.records, now.chain, now.state),
        (before.records, before.chain, before.state)
    );
    let outcome: serde_json::Value = serde_json::from_str(now.texts.outcome.as_deref().unwrap()).unwrap();
    assert_eq!(
        (&outcome["output"], outcome["absent"]["bytes"].as_u64()),
        (&json!(null), Some(16))
    );
    assert_eq!(now.outcome_digest, before.outcome_digest);
    let stored = open
        .store
        .batches(scope(), &run(1), 0, u64::MAX >> 1)
        .await
        .unwrap();
    assert_eq!(stored.len(), batches.len());
    let mut chain = flowforge_protocol::chain::chain_start(&run(1));
    for (stored, sent) in stored.iter().zip(&batches) {
        let walked = walk(&stored.lines, stored.first_seq, &chain).unwrap();
        assert_eq!((walked.count, walked.chain), (u64::from(sent.count), sent.chain));
        chain = walked.chain;
        let text = String::from_utf8(stored.lines.clone()).unwrap();
        assert!(
            !text.contains("Ana") && !text.contains("result") && !text.contains("stored"),
            "{text}"
        );
    }
    assert_eq!(
        there(&open, &value).await,
        (0, false),
        "no other run holds the large one"
    );
    let text = "select count(*) from approval where title <> '' or show <> 'null' or comment is not null";
    assert_eq!(home.number(text).await, 0);
    assert_eq!(
        now.bytes,
        stored.iter().map(|batch| batch.lines.len() as u64).sum::<u64>()
    );

    // Once is enough, and the other run is as it was.
    assert_eq!(
        open.store.erase_run(scope(), wanted(1)).await.unwrap(),
        Erased::Before(by_ana())
    );
    let other = open.store.run(scope(), &run(2)).await.unwrap().unwrap();
    assert_ne!(other.texts.input, "null");
    open.close().await;
}

#[tokio::test]
async fn the_order_goes_to_the_host_until_it_is_confirmed() {
    let home = Home::new();
    let open = home.ready().await;
    bring(&open, &bytes_of(&large("x"))).await;
    over(&open, 1, true).await;
    open.store.erase_run(scope(), wanted(1)).await.unwrap();
    let jobs = open.store.open_jobs(scope(), &host(1), 9).await.unwrap();
    assert_eq!(
        jobs.iter().map(|job| job.kind).collect::<Vec<_>>(),
        [JobKind::Erase]
    );
    // Its host was away longer than an order lives.
    let mut again = new_job(1, 9_100, &host(1));
    again.kind = JobKind::Erase;
    let set = vec![Reissue {
        old: jobs[0].id.clone(),
        new: again.clone(),
    }];
    assert_eq!(open.store.reissue(scope(), set).await.unwrap(), [again.clone()]);
    let mut said = ingest(&host(1), Vec::new());
    said.received = vec![again.id];
    open.store.ingest(scope(), said).await.unwrap();
    assert!(
        open.store
            .open_jobs(scope(), &host(1), 9)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(home.number("select count(*) from job").await, 0);
    open.close().await;
}

#[tokio::test]
async fn a_value_that_another_run_holds_stays() {
    let home = Home::new();
    let open = home.ready().await;
    let value = bytes_of(&large("x"));
    bring(&open, &value).await;
    over(&open, 1, true).await;
    open.store.start_run(scope(), new_run(2, true)).await.unwrap();
    let mut script = Script::new(run(2));
    let batch = apart(script.batch(vec![completed("a", large("x"))]));
    open.store
        .ingest(scope(), ingest(&host(1), vec![batch]))
        .await
        .unwrap();
    open.store.erase_run(scope(), wanted(1)).await.unwrap();
    assert_eq!(there(&open, &value).await, (value.len() as u64, true));
    open.close().await;
}

#[tokio::test]
async fn what_is_not_over_or_not_proved_is_not_erased() {
    let home = Home::new();
    let open = home.ready().await;
    bring(&open, &bytes_of(&large("x"))).await;
    assert_eq!(
        open.store.erase_run(scope(), wanted(7)).await.unwrap(),
        Erased::Unknown
    );
    open.store.start_run(scope(), new_run(1, true)).await.unwrap();
    assert_eq!(
        open.store.erase_run(scope(), wanted(1)).await.unwrap(),
        Erased::NotEnded
    );
    over(&open, 2, false).await;
    assert_eq!(
        open.store.erase_run(scope(), wanted(2)).await.unwrap(),
        Erased::NoReceipt
    );
    let elsewhere = flowforge_core::Scope::new("dev", "other");
    over(&open, 3, true).await;
    assert_eq!(
        open.store.erase_run(&elsewhere, wanted(3)).await.unwrap(),
        Erased::Unknown
    );
    // One that no host had has nothing to prove.
    open.store.start_run(scope(), new_run(4, false)).await.unwrap();
    open.store
        .cancel_here(scope(), run(4), "by ana".to_owned(), 5)
        .await
        .unwrap();
    let unhosted = NewErasure {
        job: None,
        ..wanted(4)
    };
    assert_eq!(
        open.store.erase_run(scope(), unhosted).await.unwrap(),
        Erased::Done
    );
    open.close().await;
}
