//! What the journal refuses because of its limits: typed, and with what it waits for.

use flowforge_journal::{AcceptError, Ack, AppendError, Entry, WaitsFor};

use crate::folder::config;
use crate::support::{accept, durable, job, lines, new_run, next, open, run};

#[tokio::test]
async fn runs_above_the_limit_are_refused_as_busy_and_one_that_ends_makes_room() {
    let (_folder, mut config) = config();
    config.limits.open_runs = 2;
    let (journal, _) = open(&config);
    let (mut log, _) = accept(&journal, 1).await;
    accept(&journal, 2).await;
    let busy = journal.accept(job(3), new_run(3)).await.unwrap_err();
    assert_eq!(busy, AcceptError::Busy { open: 2, limit: 2 });
    assert!(!journal.knows(&run(3)));
    log.append(Entry::now(next(&log)).ending()).await.unwrap();
    accept(&journal, 3).await;
    assert_eq!(journal.stats().open_runs, 2);
}

#[tokio::test]
async fn records_and_runs_above_their_size_are_refused_and_add_nothing() {
    let (_folder, mut config) = config();
    config.limits.record_bytes = 30;
    config.limits.run_bytes = 150;
    let (journal, _) = open(&config);
    let (mut log, _) = accept(&journal, 1).await;
    let frame = lines(1..2, 0).len();
    log.append(Entry::now(lines(1..2, 30 - frame))).await.unwrap();
    let refused = log.append(Entry::now(lines(2..3, 31 - frame))).await.unwrap_err();
    assert_eq!(
        refused,
        AppendError::RecordTooLarge {
            actual_bytes: 31,
            limit_bytes: 30
        }
    );
    let many = lines(2..11, 1);
    assert!(matches!(
        log.append(Entry::now(many)).await,
        Err(AppendError::RunTooLarge { .. })
    ));
    assert_eq!(log.next_seq(), 2);
    durable(log.append(Entry::now(next(&log)).ending()).await.unwrap()).await;
    assert_eq!(journal.stats().records, 3);
}

/// A full journal ended runs that it had accepted. Now they wait, for what the refusal names, and go on.
#[tokio::test]
async fn a_full_journal_parks_runs_until_there_is_room() {
    let (_folder, mut config) = config();
    (config.limits.accept_below_bytes, config.limits.journal_bytes) = (3_000, 4_000);
    let (journal, _) = open(&config);
    let (mut ended, _) = accept(&journal, 1).await;
    let (mut log, _) = accept(&journal, 2).await;
    durable(
        ended
            .append(Entry::now(lines(1..2, 2_700)).ending())
            .await
            .unwrap(),
    )
    .await;
    let busy = journal.accept(job(3), new_run(3)).await.unwrap_err();
    let AcceptError::Full(full) = busy else {
        panic!("{busy}")
    };
    assert_eq!((full.limit_bytes, full.waits_for), (2_999, WaitsFor::Uploads));
    let refused = log.append(Entry::now(lines(1..2, 900))).await.unwrap_err();
    let AppendError::Full(full) = refused else {
        panic!("{refused}")
    };
    assert_eq!(full.waits_for, WaitsFor::Uploads);
    let waiting = {
        let (journal, full) = (journal.clone(), full.clone());
        async move { journal.space(&full).await }
    };
    let acknowledging = async {
        for through in [0, 1] {
            for n in [1, 2] {
                let run = run(n);
                journal.acknowledge(&[Ack::Records { run, through }]).unwrap();
            }
        }
    };
    let (space, ()) = tokio::join!(waiting, acknowledging);
    space.unwrap();
    log.append(Entry::now(lines(1..2, 900))).await.unwrap();
    accept(&journal, 3).await;
}

#[tokio::test]
async fn runs_that_end_are_let_through_and_what_is_parked_or_open_is_named() {
    let (_folder, mut config) = config();
    config.limits.journal_bytes = 2_000;
    let (journal, _) = open(&config);
    let (mut log, _) = accept(&journal, 1).await;
    durable(log.append(Entry::now(lines(1..2, 1_500))).await.unwrap()).await;
    let waits_for = |refused: AppendError| match refused {
        AppendError::Full(full) => full.waits_for,
        other => panic!("{other}"),
    };
    journal
        .acknowledge(&[Ack::Records {
            run: run(1),
            through: 1,
        }])
        .unwrap();
    let refused = log.append(Entry::now(lines(2..3, 1_000))).await.unwrap_err();
    assert_eq!(waits_for(refused), WaitsFor::OpenRuns);
    let (mut other, _) = accept(&journal, 2).await;
    journal.flush().await.unwrap();
    let why = flowforge_journal::Park {
        code: "FF-TEST-001".to_owned(),
        reason: "x".to_owned(),
    };
    journal.park(&run(2), why).await.unwrap();
    let refused = log.append(Entry::now(lines(2..3, 1_000))).await.unwrap_err();
    assert_eq!(waits_for(refused), WaitsFor::Parked);
    durable(log.append(Entry::now(lines(2..3, 1_000)).ending()).await.unwrap()).await;
    durable(other.append(Entry::now(next(&other)).ending()).await.unwrap()).await;
    crate::acts::deliver(&journal, 3, "cancel", 9).await;
}
