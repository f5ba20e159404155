//! Orders for runs: kept until they took effect, whatever state their run is in.

use flowforge_journal::{DeliverError, Delivered, Entry, InboxLimits, InboxOwner, Standing};

use crate::acts::{deliver, load};
use crate::folder::config;
use crate::support::{accept, durable, job, next, open, run};

async fn waiting(journal: &flowforge_journal::Journal, n: u64) -> Vec<String> {
    let messages = journal.messages(&run(n)).await.unwrap();
    messages
        .into_iter()
        .map(|message| String::from_utf8(message.bytes).unwrap())
        .collect()
}

/// A cancellation that overtook the start of its run was refused, and the run executed later.
#[tokio::test]
async fn an_order_that_overtakes_the_start_of_its_run_is_there_when_the_run_comes() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let number = deliver(&journal, 1, "cancel", 5).await;
    journal.close().await;
    let (journal, _) = open(&config);
    assert!(!journal.knows(&run(1)));
    let (mut log, _) = accept(&journal, 1).await;
    assert_eq!(
        (journal.message_count(&run(1)), waiting(&journal, 1).await),
        (1, vec!["cancel".to_owned()])
    );
    log.append(Entry::now(next(&log)).consuming(number))
        .await
        .unwrap();
    assert_eq!(waiting(&journal, 1).await, Vec::<String>::new());
    journal.close().await;
    let (journal, recovered) = open(&config);
    assert_eq!((recovered.runs[0].messages, recovered.runs[0].next_seq), (0, 2));
    assert_eq!(journal.stats().inbox_bytes, 0);
}

#[tokio::test]
async fn messages_keep_their_order_and_survive_until_records_consume_them() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    drop(accept(&journal, 1).await);
    let rests = Standing::Resting {
        code: "FF-TEST-001".to_owned(),
        reason: "no release".to_owned(),
    };
    journal.set_standing(&run(1), rests).await.unwrap();
    let first = deliver(&journal, 1, "signal a", 2).await;
    deliver(&journal, 1, "signal b", 3).await;
    let last = deliver(&journal, 1, "cancel", 4).await;
    assert_eq!(waiting(&journal, 1).await, ["signal a", "signal b", "cancel"]);
    assert_eq!(journal.runs_with_messages(), [run(1)]);
    durable(journal.consume(&run(1), first).await.unwrap()).await;
    durable(journal.consume(&run(1), first).await.unwrap()).await;
    journal.close().await;
    let (journal, recovered) = open(&config);
    assert_eq!(recovered.runs[0].messages, 2);
    assert_eq!(waiting(&journal, 1).await, ["signal b", "cancel"]);
    let open_run = load(&journal, 1).await;
    assert_eq!(open_run.messages, 2);
    let mut log = open_run.log;
    // The end of a run empties its inbox; what is left in there can change nothing any more.
    durable(
        log.append(Entry::now(next(&log)).consuming(last).ending())
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(
        (waiting(&journal, 1).await, journal.stats().inbox_bytes),
        (vec![], 0)
    );
    let late = journal
        .deliver(&run(1), b"decide".to_vec(), job(7))
        .await
        .unwrap();
    assert!(matches!(late, Delivered::Over(_)), "{late:?}");
}

#[tokio::test]
async fn an_order_is_delivered_once() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    drop(accept(&journal, 1).await);
    deliver(&journal, 1, "cancel", 2).await;
    for _ in 0..2 {
        let again = journal
            .deliver(&run(1), b"cancel".to_vec(), job(2))
            .await
            .unwrap();
        let Delivered::Again(ticket) = again else {
            panic!("taken twice: {again:?}")
        };
        durable(ticket).await;
        assert_eq!(journal.message_count(&run(1)), 1);
    }
    let mut replayed = job(3);
    replayed.sequence = 2;
    assert!(journal.deliver(&run(1), Vec::new(), replayed).await.is_err());
}

#[tokio::test]
async fn what_waits_for_runs_that_are_not_here_is_bounded_by_number_bytes_and_time() {
    let (_folder, mut config) = config();
    let now = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(1_000));
    let clock = std::sync::Arc::clone(&now);
    config.clock = std::sync::Arc::new(move || clock.load(std::sync::atomic::Ordering::Relaxed));
    config.limits.inbox = InboxLimits {
        unknown_messages: 2,
        unknown_age: std::time::Duration::from_secs(10),
        ..InboxLimits::default()
    };
    let (journal, _) = open(&config);
    let order = |n: u64| flowforge_journal::JobEntry {
        expires_at_ms: 5_000,
        ..job(n)
    };
    for n in 1..3 {
        journal
            .deliver(&run(n), b"cancel".to_vec(), order(n))
            .await
            .unwrap();
    }
    let full = journal
        .deliver(&run(3), b"cancel".to_vec(), order(3))
        .await
        .unwrap_err();
    assert!(
        matches!(
            full,
            DeliverError::Full {
                messages: 2,
                whose: InboxOwner::Unknown,
                ..
            }
        ),
        "{full}"
    );
    assert!(
        matches!(journal.seen(&order(3)), Ok(None)),
        "it can be offered again"
    );
    drop(accept(&journal, 9).await);
    deliver(&journal, 9, "decide", 10).await;
    now.store(11_000, std::sync::atomic::Ordering::Relaxed);
    journal
        .deliver(&run(3), b"cancel".to_vec(), order(3))
        .await
        .unwrap();
    journal.close().await;
    let (journal, _) = open(&config);
    let counts: Vec<_> = [1, 2, 3, 9].map(|n| journal.message_count(&run(n))).into();
    assert_eq!(counts, [0, 0, 1, 1]);
}
