//! Attempts under way: a step that takes the host down is known for it, one that was merely under way is not.

use flowforge_failpoints::FailPoints;
use flowforge_journal::{CrashedStep, Entry, Journal, JournalConfig, Recovered};

use crate::acts::load;
use crate::folder::config;
use crate::support::{accept, durable, next, open, run};

/// Opens a copy of the journal as it is now: what a host that is killed now leaves.
fn killed(config: &JournalConfig, number: u32) -> (Journal, Recovered, JournalConfig) {
    let path = config.path.with_extension(format!("copy{number}"));
    std::fs::copy(&config.path, &path).unwrap();
    let config = JournalConfig {
        path,
        ..config.clone()
    };
    let (journal, recovered) = Journal::open(config.clone(), FailPoints::inert()).unwrap();
    (journal, recovered, config)
}

/// A step that killed the host was begun again at every start, and three orderly stops failed a run that was innocent.
#[tokio::test]
async fn deaths_are_counted_by_step_and_orderly_stops_are_not() {
    let (_folder, mut config) = config();
    let (journal, _) = open(&config);
    let step = "poison".parse().unwrap();
    let other = "innocent".parse().unwrap();
    let (log, ticket) = accept(&journal, 1).await;
    durable(ticket).await;
    log.attempt_begins(&step, 1);
    log.attempt_begins(&other, 1);
    log.attempt_ended(&other);
    journal.flush().await.unwrap();
    let mut previous = journal;
    let mut held = Some(log);
    for crashes in 1..=3 {
        let (journal, recovered, copy) = killed(&config, crashes);
        let found = CrashedStep {
            run: run(1),
            step: step.clone(),
            attempt: crashes,
            crashes,
        };
        assert_eq!(recovered.crashed, std::slice::from_ref(&found));
        drop(held.take());
        previous.close().await;
        let open_run = load(&journal, 1).await;
        assert_eq!(open_run.crashed, [found]);
        open_run.log.attempt_begins(&step, crashes + 1);
        journal.flush().await.unwrap();
        (previous, held, config) = (journal, Some(open_run.log), copy);
    }
    // Now it is stopped in an orderly way: what was counted stays, and nothing is added.
    previous.close().await;
    let (journal, recovered) = open(&config);
    assert_eq!(recovered.crashed[0].crashes, 3);
    let mut log = load(&journal, 1).await.log;
    log.attempt_begins(&step, 9);
    log.attempt_ended(&step);
    durable(log.append(Entry::now(next(&log))).await.unwrap()).await;
    let (_, recovered, _) = killed(&config, 9);
    assert_eq!(recovered.crashed, [], "an attempt that ended clears it");
}

#[tokio::test]
async fn a_mark_causes_no_commit() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let (log, ticket) = accept(&journal, 1).await;
    durable(ticket).await;
    let commits = journal.stats().commits;
    for attempt in 0..100 {
        log.attempt_begins(&"a".parse().unwrap(), attempt);
    }
    assert_eq!(journal.stats().commits, commits);
    assert!(killed(&config, 1).1.crashed.is_empty());
}
