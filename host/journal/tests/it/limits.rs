//! What the journal refuses because of its limits, and what it drops when it may.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flowforge_journal::{AcceptError, Ack, AppendError, Entry, Retention};

use crate::folder::config;
use crate::support::{accept, durable, job, new_run, open, run};

#[tokio::test]
async fn runs_above_the_limit_are_refused_as_busy_and_one_that_ends_makes_room() {
    let (_folder, mut config) = config();
    config.limits.open_runs = 2;
    let (journal, _) = open(&config);
    let (mut log, _) = accept(&journal, 1).await;
    accept(&journal, 2).await;
    let busy = journal.accept(job(3), new_run(3, "{}\n")).await.unwrap_err();
    assert_eq!(busy, AcceptError::Busy { open: 2, limit: 2 });
    assert!(!journal.knows(&run(3)));
    log.append(Entry::now("{\"seq\":1}\n").ending()).await.unwrap();
    accept(&journal, 3).await;
    assert_eq!(journal.stats().open_runs, 2);
    assert_eq!(
        log.append(Entry::now("{}\n")).await.unwrap_err(),
        AppendError::Ended(run(1))
    );
}

#[tokio::test]
async fn records_and_runs_above_their_size_are_refused_and_add_nothing() {
    let (_folder, mut config) = config();
    config.limits.record_bytes = 20;
    config.limits.run_bytes = 100;
    let (journal, _) = open(&config);
    let (mut log, _) = accept(&journal, 1).await;
    assert!(
        log.append(Entry::now(format!("{}\n", "x".repeat(19))))
            .await
            .is_ok()
    );
    let refused = log
        .append(Entry::now(format!("{}\n", "x".repeat(20))))
        .await
        .unwrap_err();
    assert_eq!(
        refused,
        AppendError::RecordTooLarge {
            actual_bytes: 21,
            limit_bytes: 20
        }
    );
    for wrong in ["x", "x\n\n", "\n"] {
        assert!(
            matches!(log.append(Entry::now(wrong)).await, Err(AppendError::NotLines(_))),
            "{wrong:?}"
        );
    }
    let many = "0123456789\n".repeat(9);
    assert!(matches!(
        log.append(Entry::now(many)).await,
        Err(AppendError::RunTooLarge { .. })
    ));
    assert_eq!(log.next_seq(), 2);
    durable(log.append(Entry::now("{\"end\":1}\n").ending()).await.unwrap()).await;
    assert_eq!(journal.verify().await.unwrap().records, 3);
}

#[tokio::test]
async fn a_full_journal_takes_no_run_but_lets_runs_end() {
    let (_folder, mut config) = config();
    (config.limits.accept_below_bytes, config.limits.journal_bytes) = (1000, 2000);
    let (journal, _) = open(&config);
    let (mut log, _) = accept(&journal, 1).await;
    let line = format!("{}\n", "x".repeat(999));
    durable(log.append(Entry::now(line.clone())).await.unwrap()).await;
    let busy = journal.accept(job(2), new_run(2, "{}\n")).await.unwrap_err();
    assert!(
        matches!(
            busy,
            AcceptError::BusyFull {
                limit_bytes: 1000,
                ..
            }
        ),
        "{busy}"
    );
    let full = log.append(Entry::now(line.clone())).await.unwrap_err();
    assert!(
        matches!(
            full,
            AppendError::JournalFull {
                limit_bytes: 2000,
                ..
            }
        ),
        "{full}"
    );
    durable(log.append(Entry::now(line).ending()).await.unwrap()).await;
}

#[tokio::test]
async fn finished_runs_go_by_number_when_everything_was_sent() {
    let (_folder, mut config) = config();
    config.retention = Retention {
        runs: 10,
        age: Duration::from_hours(1),
    };
    let (journal, _) = open(&config);
    for n in 0..200 {
        let (mut log, _) = accept(&journal, n).await;
        log.append(Entry::lazy("{\"seq\":1}\n").ending()).await.unwrap();
    }
    journal.flush().await.unwrap();
    assert_eq!(journal.stats().ended_runs, 200, "what is not acknowledged stays");
    let acks = (0..199)
        .map(|n| Ack::Records {
            run: run(n),
            through: 1,
        })
        .collect();
    journal.acknowledge(acks).await.unwrap();
    journal.flush().await.unwrap();
    journal.flush().await.unwrap();
    let kept = journal.stats().ended_runs;
    assert!(
        (11..75).contains(&kept),
        "{kept} stay: ten, the unsent one and less than a group"
    );
    assert!(journal.knows(&run(199)) && journal.knows(&run(198)) && !journal.knows(&run(0)));
    assert_eq!(journal.batches(&run(0)).await.unwrap(), None);
    assert_eq!(journal.verify().await.unwrap().runs, kept as u64);
    journal.close().await;
    assert_eq!(open(&config).1.ended_runs, kept);
}

#[tokio::test]
async fn finished_runs_go_by_age() {
    let (_folder, mut config) = config();
    let now = Arc::new(AtomicU64::new(1_000));
    let clock = Arc::clone(&now);
    config.clock = Arc::new(move || clock.load(Ordering::Relaxed));
    config.retention = Retention {
        runs: 1000,
        age: Duration::from_secs(60),
    };
    let (journal, _) = open(&config);
    let (mut log, _) = accept(&journal, 1).await;
    durable(log.append(Entry::now("{\"seq\":1}\n").ending()).await.unwrap()).await;
    durable(
        journal
            .acknowledge(vec![Ack::Records {
                run: run(1),
                through: 1,
            }])
            .await
            .unwrap(),
    )
    .await;
    now.store(60_999, Ordering::Relaxed);
    journal.flush().await.unwrap();
    assert!(journal.knows(&run(1)));
    now.store(61_000, Ordering::Relaxed);
    journal.flush().await.unwrap();
    assert!(!journal.knows(&run(1)));
}
