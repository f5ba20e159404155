//! Runs that were given away: whoever still holds a log adds nothing, and only a higher fencing number brings one back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flowforge_journal::{
    AcceptError, Accepted, AppendError, Entry, Journal, LoadError, NewRun, Retention, RunLog,
};

use crate::acts::{SEMANTICS, end_and_acknowledge};
use crate::folder::config;
use crate::support::{accept, durable, job, new_run, next, open, run};

/// Offers a run by an order of its own with this fencing number; its log if it begins.
async fn offer(journal: &Journal, n: u64, order: u64, epoch: u64) -> Option<RunLog> {
    let new = NewRun { epoch, ..new_run(n) };
    match journal.accept(job(order), new).await.unwrap() {
        Accepted::New(log, _) => Some(log),
        Accepted::AlreadyHere(_) => None,
        Accepted::Again(_) => panic!("order {order} was given twice"),
    }
}

/// The number that a run was given away under was kept in memory alone: after a restart the run's own, lower one was
/// remembered, and an order between the two began it here while it ran elsewhere.
#[tokio::test]
async fn a_run_that_was_given_away_stays_away_before_and_after_a_restart() {
    let (_folder, config) = config();
    let (mut journal, _) = open(&config);
    let (mut log, _) = accept(&journal, 1).await;
    durable(journal.forget(&run(1), 5).await.unwrap().unwrap()).await;
    for entry in [Entry::now(next(&log)), Entry::now(next(&log)).ending()] {
        let fenced = AppendError::Fenced {
            run: run(1),
            epoch: 5,
        };
        assert_eq!(log.append(entry).await.unwrap_err(), fenced);
    }
    log.attempt_begins(&"call".parse().unwrap(), 1);
    assert!(
        journal.forget(&run(1), 4).await.unwrap().is_none(),
        "it is no news"
    );
    durable(log.forget().await.unwrap()).await;
    for order in 0..3 {
        for epoch in 1..=5 {
            let number = 100 + 10 * order + epoch;
            assert!(offer(&journal, 1, number, epoch).await.is_none(), "epoch {epoch}");
        }
        assert!(matches!(
            journal.load(&run(1), SEMANTICS).await,
            Err(LoadError::Unknown(_))
        ));
        journal.close().await;
        journal = open(&config).0;
    }
    let mut back = offer(&journal, 1, 200, 6).await.unwrap();
    assert!(
        journal.forget(&run(1), 5).await.unwrap().is_none(),
        "it came back since"
    );
    durable(back.append(Entry::now(next(&back))).await.unwrap()).await;
    journal.close().await;
    let (_, recovered) = open(&config);
    assert_eq!((recovered.runs.len(), recovered.runs[0].epoch), (1, 6));
}

#[tokio::test]
async fn a_log_from_before_the_run_came_back_adds_nothing_to_it() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let (mut old, _) = accept(&journal, 1).await;
    durable(journal.forget(&run(1), 2).await.unwrap().unwrap()).await;
    let mut back = offer(&journal, 1, 2, 3).await.unwrap();
    assert!(matches!(
        old.append(Entry::now(next(&old))).await,
        Err(AppendError::Fenced { epoch: 3, .. })
    ));
    durable(old.forget().await.unwrap()).await;
    durable(back.append(Entry::now(next(&back))).await.unwrap()).await;
    assert_eq!(journal.held(), [(run(1), 3)]);
}

/// A host that stood still had ended a run that another one had by then. When the run came back to it, it said that it had the
/// run already and did nothing, and the run went from host to host for ever.
#[tokio::test]
async fn a_run_whose_end_was_not_wanted_comes_back_under_a_later_number() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let (mut log, _) = accept(&journal, 1).await;
    let epoch = log.epoch();
    durable(log.append(Entry::now(next(&log)).ending()).await.unwrap()).await;
    assert_eq!(journal.epoch(&run(1)), Some(epoch));
    durable(journal.forget(&run(1), epoch).await.unwrap().unwrap()).await;
    assert_eq!(journal.epoch(&run(1)), None);
    assert!(
        offer(&journal, 1, 2, epoch).await.is_none(),
        "not under the same one"
    );
    assert!(offer(&journal, 1, 3, epoch + 2).await.is_some());
}

#[tokio::test]
async fn an_order_that_overtook_its_run_being_given_away_begins_nothing() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    durable(journal.forget(&run(7), 3).await.unwrap().unwrap()).await;
    journal.close().await;
    let (journal, _) = open(&config);
    assert!(offer(&journal, 7, 1, 3).await.is_none());
    assert!(offer(&journal, 7, 2, 4).await.is_some());
}

/// When what was remembered of the first time was old enough, the second was forgotten with it.
#[tokio::test]
async fn a_run_that_came_back_and_went_again_is_remembered_for_the_last_time() {
    let (_folder, mut config) = config();
    let now = Arc::new(AtomicU64::new(0));
    let clock = Arc::clone(&now);
    config.clock = Arc::new(move || clock.load(Ordering::Relaxed));
    config.retention = Retention {
        age: Duration::ZERO,
        tombstone_age: Duration::from_millis(1_000),
        order_life: Duration::from_millis(100),
        ..Retention::default()
    };
    let (journal, _) = open(&config);
    let (log, _) = accept(&journal, 1).await;
    durable(log.forget().await.unwrap()).await;
    now.store(900, Ordering::Relaxed);
    let back = offer(&journal, 1, 2, 2).await.unwrap();
    end_and_acknowledge(&journal, back).await;
    journal.flush().await.unwrap();
    assert_eq!(journal.stats().ended_runs, 0);
    now.store(1_500, Ordering::Relaxed);
    journal.flush().await.unwrap();
    assert!(journal.knows(&run(1)), "only the first tombstone went");
    journal.close().await;
    let (journal, _) = open(&config);
    assert!(offer(&journal, 1, 3, 9).await.is_none(), "it ended here");
}

/// So many runs as went by in the life of an order were forgotten above a number, and could begin again.
#[tokio::test]
async fn no_run_is_forgotten_while_an_order_for_it_may_come_and_new_ones_wait_instead() {
    let (_folder, mut config) = config();
    let now = Arc::new(AtomicU64::new(0));
    let clock = Arc::clone(&now);
    config.clock = Arc::new(move || clock.load(Ordering::Relaxed));
    config.limits.remembered_runs = 5;
    config.retention = Retention {
        tombstones: 2,
        order_life: Duration::from_millis(100),
        ..Retention::default()
    };
    let (journal, _) = open(&config);
    for n in 0..5 {
        let (log, _) = accept(&journal, n).await;
        durable(log.forget().await.unwrap()).await;
    }
    let busy = journal.accept(job(9), new_run(9)).await.unwrap_err();
    assert_eq!(busy, AcceptError::Remembered { runs: 5, limit: 5 });
    assert!((0..5).all(|n| journal.knows(&run(n))));
    now.store(100, Ordering::Relaxed);
    // Asking is enough: a host that takes nothing commits nothing by itself.
    while let Err(busy) = journal.accept(job(9), new_run(9)).await {
        assert!(matches!(busy, AcceptError::Remembered { .. }), "{busy}");
        tokio::task::yield_now().await;
    }
    let known = (0..5).filter(|n| journal.knows(&run(*n))).count();
    assert_eq!(
        known, 2,
        "the newest stay, though no order of today can name them"
    );
}
