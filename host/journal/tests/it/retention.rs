//! What goes by itself: runs that ended and were sent, by size, number and age; what is remembered of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flowforge_journal::{Entry, Journal, JournalConfig, Retention};

use crate::acts::end_and_acknowledge;
use crate::folder::config;
use crate::support::{accept, lines, open, run};

async fn end_many(journal: &Journal, runs: std::ops::Range<u64>, bytes: usize) {
    for n in runs {
        let (mut log, _) = accept(journal, n).await;
        log.append(Entry::lazy(lines(1..2, bytes))).await.unwrap();
        end_and_acknowledge(journal, log).await;
    }
    journal.flush().await.unwrap();
    journal.flush().await.unwrap();
}

fn with(config: &JournalConfig, retention: Retention) -> JournalConfig {
    JournalConfig {
        retention,
        ..config.clone()
    }
}

#[tokio::test]
async fn finished_runs_go_by_number_when_everything_was_sent() {
    let (_folder, config) = config();
    let config = with(
        &config,
        Retention {
            runs: 10,
            ..Retention::default()
        },
    );
    let (journal, _) = open(&config);
    let (mut unsent, _) = accept(&journal, 999).await;
    unsent.append(Entry::lazy(lines(1..2, 1)).ending()).await.unwrap();
    end_many(&journal, 0..100, 1).await;
    let kept = journal.stats().ended_runs;
    assert!(
        (11..75).contains(&kept),
        "{kept} stay: ten, the unsent one and less than a group"
    );
    assert_eq!(journal.batches(&run(0)).await.unwrap(), None);
    assert!(
        journal.batches(&run(999)).await.unwrap().is_some(),
        "what is not acknowledged stays"
    );
    assert!(journal.knows(&run(0)), "that it was here is remembered");
    journal.close().await;
    assert_eq!(open(&config).1.ended_runs, kept);
}

/// 125 ended and uploaded runs of 4 MB kept new runs away for a day.
#[tokio::test]
async fn finished_runs_go_by_size_and_never_keep_new_ones_away() {
    let (_folder, config) = config();
    let mut by_size = with(
        &config,
        Retention {
            bytes: 100_000,
            ..Retention::default()
        },
    );
    let (journal, _) = open(&by_size);
    end_many(&journal, 0..30, 10_000).await;
    let stats = journal.stats();
    assert!(
        stats.stored_bytes <= 100_000 && stats.ended_runs >= 5,
        "{stats:?}"
    );
    journal.close().await;
    // Room that finished runs take is room for new ones, whatever retention says.
    by_size.retention.bytes = u64::MAX;
    by_size.limits.accept_below_bytes = 60_000;
    let (journal, _) = open(&by_size);
    end_many(&journal, 100..140, 10_000).await;
    assert!(journal.stats().stored_bytes <= 70_000, "{:?}", journal.stats());
}

#[tokio::test]
async fn finished_runs_go_by_age_and_what_is_remembered_of_them_too() {
    let (_folder, config) = config();
    let now = Arc::new(AtomicU64::new(1_000));
    let clock = Arc::clone(&now);
    let mut config = with(
        &config,
        Retention {
            age: Duration::from_secs(60),
            tombstone_age: Duration::from_secs(600),
            order_life: Duration::from_secs(60),
            ..Retention::default()
        },
    );
    config.clock = Arc::new(move || clock.load(Ordering::Relaxed));
    let (journal, _) = open(&config);
    end_many(&journal, 0..70, 1).await;
    now.store(60_999, Ordering::Relaxed);
    journal.flush().await.unwrap();
    assert_eq!(journal.stats().ended_runs, 70);
    now.store(61_000, Ordering::Relaxed);
    journal.flush().await.unwrap();
    assert_eq!(journal.stats().ended_runs, 0);
    assert!(journal.knows(&run(0)) && journal.knows(&run(69)));
    now.store(661_000, Ordering::Relaxed);
    journal.flush().await.unwrap();
    journal.flush().await.unwrap();
    assert!(!journal.knows(&run(0)), "no order for it can come any more");
    journal.close().await;
    assert!(!open(&config).0.knows(&run(69)));
}
