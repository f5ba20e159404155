//! Orders are kept until they took effect, and never given for what is done.

use flowforge_protocol::record::Event;
use flowforge_protocol::{ApprovalId, HostId};
use flowforge_store::{
    Cursor, Decided, JobKind, NewJob, NewResume, Refusal, Refused, Reissue, RunFilter, RunState,
};
use serde_json::json;

use crate::kit::{
    Home, Open, Script, approved_at, asks_at, decides, ended, host, ingest, new_job, new_run, run, scope,
    skipped,
};

async fn sequences(open: &Open, of: &HostId) -> Vec<u64> {
    let jobs = open.store.open_jobs(scope(), of, 99).await.unwrap();
    jobs.iter().map(|job| job.sequence).collect()
}

async fn state(open: &Open, n: u64) -> RunState {
    open.store.run(scope(), &run(n)).await.unwrap().unwrap().state
}

fn order(kind: JobKind, sequence: u64) -> NewJob {
    NewJob {
        kind,
        ..new_job(1, sequence, &host(1))
    }
}

/// 960 of 1,000 runs were executed twice: the plane died between their records and the host's `received`, and afterwards
/// signed the expired starts anew without a look at the records.
#[tokio::test]
async fn a_start_is_over_with_the_first_record_and_is_never_signed_anew_after_it() {
    let home = Home::new();
    let open = home.ready().await;
    for n in [1, 2] {
        open.store.start_run(scope(), new_run(n, true)).await.unwrap();
    }
    let starts = open.store.open_jobs(scope(), &host(1), 9).await.unwrap();
    let batch = Script::new(run(1)).batch(vec![skipped("x")]);
    let told = open
        .store
        .ingest(scope(), ingest(&host(1), vec![batch]))
        .await
        .unwrap();
    assert_eq!(told.settled, [starts[0].id.clone()]);
    assert_eq!(told.taken, 1, "no host had confirmed it");
    assert_eq!(sequences(&open, &host(1)).await, [1_002]);
    let again = |old: usize, n: u64| Reissue {
        old: starts[old].id.clone(),
        new: new_job(n, 5_000 + n, &host(1)),
    };
    let stored = open
        .store
        .reissue(scope(), vec![again(0, 1), again(1, 2)])
        .await
        .unwrap();
    let stored: Vec<u64> = stored.iter().map(|job| job.sequence).collect();
    assert_eq!(stored, [5_002], "only the run of which nothing is stored");
    open.close().await;
}

#[tokio::test]
async fn a_start_that_was_reissued_before_the_records_came_is_over_too() {
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
    open.store
        .reissue(
            scope(),
            vec![Reissue {
                old,
                new: new.clone(),
            }],
        )
        .await
        .unwrap();
    let batch = Script::new(run(1)).batch(vec![ended(json!(1))]);
    let told = open
        .store
        .ingest(scope(), ingest(&host(1), vec![batch]))
        .await
        .unwrap();
    assert_eq!(told.settled, [new.id]);
    assert!(sequences(&open, &host(1)).await.is_empty());
    open.close().await;
}

fn question() -> ApprovalId {
    ApprovalId::from_entropy([6; 16])
}

fn asks() -> Event {
    asks_at("confirm", question(), "Send it?", &[], None)
}

/// A run that waits, with a decision on its way.
async fn decided(home: &Home) -> (Open, Script) {
    let open = home.ready().await;
    open.store.start_run(scope(), new_run(1, true)).await.unwrap();
    let mut script = Script::new(run(1));
    let batch = script.batch(vec![asks()]);
    open.store
        .ingest(scope(), ingest(&host(1), vec![batch]))
        .await
        .unwrap();
    let job = NewJob {
        subject: Some(question().to_string()),
        ..order(JobKind::Decide, 20)
    };
    let decision = decides(question(), true, "ann", job);
    assert_eq!(
        open.store.decide(scope(), decision).await.unwrap(),
        Decided::Stored
    );
    (open, script)
}

fn refusal(sequence: u64, unknown_run: bool) -> Refusal {
    Refusal {
        reopens: false,
        host: host(1),
        job: new_job(1, sequence, &host(1)).id,
        unknown_run,
        given_up: false,
        reason: "host-1 refused it".to_owned(),
        outcome: json!({"state": "failed"}).to_string(),
        at_ms: 50,
    }
}

/// A refused decision was deleted while the approval read APPROVED: the run waited for ever for what everybody believed done.
#[tokio::test]
async fn a_decision_is_kept_until_a_record_says_that_it_was_taken() {
    let home = Home::new();
    let (open, mut script) = decided(&home).await;
    let kept = open.store.refuse_job(scope(), refusal(20, false)).await.unwrap();
    assert_eq!(kept, Refused::Kept { run: run(1) });
    assert_eq!(sequences(&open, &host(1)).await, [20]);
    let stored = open.store.run(scope(), &run(1)).await.unwrap().unwrap();
    assert_eq!(
        (stored.state, stored.trouble.as_deref()),
        (RunState::Waiting, Some("host-1 refused it"))
    );
    // Confirmed, it is delivered no more, yet it is there for whoever resumes the run.
    let mut said = ingest(&host(1), Vec::new());
    said.received = vec![refusal(20, false).job];
    open.store.ingest(scope(), said).await.unwrap();
    assert!(sequences(&open, &host(1)).await.is_empty());
    assert_eq!(
        open.store
            .resume_basis(scope(), &run(1))
            .await
            .unwrap()
            .expect("open")
            .orders
            .len(),
        1
    );
    let taken = approved_at("confirm", question());
    let batch = script.batch(vec![taken]);
    let told = open
        .store
        .ingest(scope(), ingest(&host(1), vec![batch]))
        .await
        .unwrap();
    assert_eq!(told.settled.len(), 1);
    let stored = open.store.run(scope(), &run(1)).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.head.trouble), (RunState::Running, None));
    assert!(
        open.store
            .resume_basis(scope(), &run(1))
            .await
            .unwrap()
            .expect("open")
            .orders
            .is_empty()
    );
    open.close().await;
}

#[tokio::test]
async fn a_run_that_its_host_does_not_know_is_lost_until_a_record_of_it_comes() {
    let home = Home::new();
    let (open, mut script) = decided(&home).await;
    open.store.refuse_job(scope(), refusal(20, true)).await.unwrap();
    assert_eq!(state(&open, 1).await, RunState::Lost);
    for (state, count) in [(RunState::Lost, 1), (RunState::Waiting, 0)] {
        let filter = RunFilter {
            workflow: None,
            state: Some(state),
        };
        let page = open.store.runs(scope(), &filter, None, 9).await.unwrap();
        assert_eq!(page.items.len(), count, "{state:?}");
    }
    let batch = script.batch(vec![skipped("it was only late")]);
    open.store
        .ingest(scope(), ingest(&host(1), vec![batch]))
        .await
        .unwrap();
    assert_eq!(state(&open, 1).await, RunState::Waiting);
    assert_eq!(
        open.store.lose(scope(), host(2), vec![run(1)], 60).await.unwrap(),
        [],
        "another host loses nothing"
    );
    assert_eq!(
        open.store.lose(scope(), host(1), vec![run(1)], 60).await.unwrap(),
        [run(1)]
    );
    open.close().await;
}

/// A cancellation that the host refused was deleted, and yet blocked every later one.
#[tokio::test]
async fn a_second_cancellation_takes_the_place_of_the_first() {
    let home = Home::new();
    let (open, mut script) = decided(&home).await;
    let cancel = |sequence| {
        open.store.order_cancel(
            scope(),
            format!("try {sequence}"),
            order(JobKind::Cancel, sequence),
        )
    };
    assert_eq!(cancel(30).await.unwrap(), Some(Vec::new()));
    let kept = open.store.refuse_job(scope(), refusal(30, false)).await.unwrap();
    assert_eq!(kept, Refused::Kept { run: run(1) });
    assert_eq!(cancel(31).await.unwrap(), Some(vec![refusal(30, false).job]));
    assert_eq!(sequences(&open, &host(1)).await, [20, 31]);
    let batch = script.batch(vec![Event::CancelRequested {
        reason: "try 31".to_owned(),
        grace_ms: 0,
    }]);
    open.store
        .ingest(scope(), ingest(&host(1), vec![batch]))
        .await
        .unwrap();
    assert_eq!(sequences(&open, &host(1)).await, [20], "it is taken");
    let batch = script.batch(vec![ended(json!(1))]);
    open.store
        .ingest(scope(), ingest(&host(1), vec![batch]))
        .await
        .unwrap();
    assert!(
        sequences(&open, &host(1)).await.is_empty(),
        "nothing is left to tell"
    );
    assert_eq!(cancel(32).await.unwrap(), None);
    open.close().await;
}

#[tokio::test]
async fn a_lost_run_that_somebody_cancels_is_over() {
    let home = Home::new();
    let (open, mut script) = decided(&home).await;
    open.store
        .order_cancel(scope(), "enough".to_owned(), order(JobKind::Cancel, 30))
        .await
        .unwrap();
    let over = open.store.refuse_job(scope(), refusal(30, true)).await.unwrap();
    assert!(
        matches!(
            over,
            Refused::Ended {
                was_queued: false,
                ..
            }
        ),
        "{over:?}"
    );
    let stored = open.store.run(scope(), &run(1)).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.epoch), (RunState::Cancelled, 2));
    let outcome = json!({"state": "cancelled", "reason": "enough"}).to_string();
    assert_eq!(stored.texts.outcome, Some(outcome));
    assert!(sequences(&open, &host(1)).await.is_empty());
    let batch = script.batch(vec![skipped("too late")]);
    let told = open
        .store
        .ingest(scope(), ingest(&host(1), vec![batch]))
        .await
        .unwrap();
    assert_eq!(told.rejected[0].code.as_str(), "stale_epoch");
    open.close().await;
}

#[tokio::test]
async fn a_lost_run_goes_on_elsewhere_with_its_records_and_its_orders() {
    let home = Home::new();
    let (open, mut script) = decided(&home).await;
    open.store.refuse_job(scope(), refusal(20, true)).await.unwrap();
    let basis = open
        .store
        .resume_basis(scope(), &run(1))
        .await
        .unwrap()
        .expect("open");
    assert_eq!((basis.prefix.count, basis.prefix.chain), (1, script.chain));
    assert_eq!(basis.orders[0].kind, JobKind::Decide);
    let resume = NewResume {
        run: run(1),
        from_epoch: basis.epoch,
        records: basis.prefix.count,
        host: host(2),
        jobs: vec![
            NewJob {
                host: host(2),
                ..order(JobKind::Resume, 40)
            },
            NewJob {
                host: host(2),
                subject: Some(question().to_string()),
                ..order(JobKind::Decide, 41)
            },
        ],
    };
    assert!(open.store.resume(scope(), resume.clone()).await.unwrap());
    assert!(!open.store.resume(scope(), resume).await.unwrap(), "once");
    assert_eq!(
        sequences(&open, &host(2)).await,
        [41, 40],
        "what runs are told is not held back by starts"
    );
    assert!(sequences(&open, &host(1)).await.is_empty());
    assert_eq!(state(&open, 1).await, RunState::Waiting);
    let late = script.batch(vec![skipped("the old host is back")]);
    let told = open
        .store
        .ingest(scope(), ingest(&host(1), vec![late.clone()]))
        .await
        .unwrap();
    assert_eq!(told.rejected[0].code.as_str(), "not_owner");
    let mut goes_on = late;
    goes_on.epoch = 2;
    let told = open
        .store
        .ingest(scope(), ingest(&host(2), vec![goes_on]))
        .await
        .unwrap();
    assert_eq!(told.acknowledged, [(run(1), Some(1))]);
    open.close().await;
}

/// A restored plane called newer runs unknown, and older ones complete. A host asks, for each run it holds, what is stored.
#[tokio::test]
async fn a_host_is_told_how_far_its_runs_are_stored() {
    let home = Home::new();
    let open = home.ready().await;
    for n in [1, 2] {
        open.store.start_run(scope(), new_run(n, true)).await.unwrap();
    }
    let mut script = Script::new(run(1));
    let batch = script.batch(vec![skipped("x"), ended(json!(1))]);
    open.store
        .ingest(scope(), ingest(&host(1), vec![batch]))
        .await
        .unwrap();
    let asked = vec![(run(1), 1), (run(2), 1), (run(2), 7), (run(3), 1)];
    let told = open.store.cursors(scope(), &host(1), asked).await.unwrap();
    let cursors: Vec<Cursor> = told.into_iter().map(|(_, cursor)| cursor).collect();
    assert_eq!(
        cursors[0],
        Cursor::Stored {
            next_seq: 2,
            chain: script.chain,
            ended: true,
            receipt: false
        }
    );
    assert!(matches!(
        cursors[1],
        Cursor::Stored {
            next_seq: 0,
            ended: false,
            ..
        }
    ));
    assert_eq!(cursors[2..], [Cursor::NotOwner { epoch: 1 }, Cursor::Unknown]);
    let other = open
        .store
        .cursors(scope(), &host(2), vec![(run(1), 1)])
        .await
        .unwrap();
    assert_eq!(other[0].1, Cursor::NotOwner { epoch: 1 });
    open.close().await;
}

#[tokio::test]
async fn a_refused_start_ends_its_run_only_if_nothing_of_it_is_stored() {
    let home = Home::new();
    let open = home.ready().await;
    for n in [1, 2] {
        open.store.start_run(scope(), new_run(n, true)).await.unwrap();
    }
    let over = open
        .store
        .refuse_job(scope(), refusal(1_001, false))
        .await
        .unwrap();
    assert!(
        matches!(over, Refused::Ended { was_queued: true, .. }),
        "{over:?}"
    );
    let unknown = open
        .store
        .refuse_job(scope(), refusal(1_001, false))
        .await
        .unwrap();
    assert_eq!(unknown, Refused::Unknown);
    let batch = Script::new(run(2)).batch(vec![skipped("x")]);
    open.store
        .ingest(scope(), ingest(&host(1), vec![batch]))
        .await
        .unwrap();
    assert_eq!(
        open.store
            .refuse_job(scope(), refusal(1_002, false))
            .await
            .unwrap(),
        Refused::Unknown,
        "the start was over"
    );
    assert_eq!(state(&open, 2).await, RunState::Running);
    open.close().await;
}
