//! The handle and its thread over a storage that fails.

use flowforge_failpoints::{FailPoints, Point, Side};

use super::disk::Disk;
use super::model::{INCARNATION, contents, opened, order};
use crate::config::{Batching, JournalConfig};
use crate::entry::{Entry, NewRun};
use crate::error::{AcceptError, AppendError};
use crate::journal::{Accepted, Journal};
use crate::run_log::RunLog;
use crate::ticket::Ticket;
use crate::uploads::Ack;

fn config() -> JournalConfig {
    JournalConfig::at("unused", INCARNATION)
}

/// The next record of a run.
fn line(log: &RunLog) -> String {
    format!("{{\"seq\":{},\"x\":1}}\n", log.next_seq())
}

fn journal(disk: &Disk, config: JournalConfig, failpoints: FailPoints) -> Journal {
    let (db, loaded) = opened(disk).unwrap();
    Journal::start(config, failpoints, db, loaded, None).unwrap().0
}

fn new_run(n: u64) -> NewRun {
    let run = flowforge_protocol::RunId::from_entropy(u128::from(n).to_be_bytes());
    NewRun {
        run,
        epoch: 1,
        envelope: Vec::new(),
        documents: Vec::new(),
        acknowledged: 0,
        values_stay: false,
        entry: Entry::now("{\"seq\":0,\"x\":1}\n"),
    }
}

async fn accept(journal: &Journal, n: u64) -> (RunLog, Ticket) {
    match journal.accept(order(n), new_run(n)).await.unwrap() {
        Accepted::New(log, ticket) => (log, ticket),
        other => panic!("order {n}: {other:?}"),
    }
}

#[tokio::test]
async fn after_a_storage_error_everybody_is_told_and_nothing_is_taken() {
    let disk = Disk::default();
    let journal = journal(&disk, config(), FailPoints::inert());
    disk.break_down();
    let (mut log, mut first) = accept(&journal, 1).await;
    let stopped = first.durable().await.unwrap_err();
    assert_eq!(journal.stopped().await, stopped);
    assert!(!first.is_durable());
    assert!(matches!(
        log.append(Entry::lazy(line(&log))).await,
        Err(AppendError::Stopped(_))
    ));
    let refused = journal.accept(order(2), new_run(2)).await.unwrap_err();
    assert!(
        matches!(refused, AcceptError::Append(AppendError::Stopped(_))),
        "{refused}"
    );
    assert_eq!(journal.flush().await.unwrap_err(), stopped);
    let run = log.run().clone();
    assert!(journal.acknowledge(&[Ack::Receipt { run: run.clone() }]).is_err());
    assert!(journal.uploads(10, 10).await.is_err());
    assert!(journal.upload_ready().await.is_err());
    assert!(journal.rewind(&run, 0).await.is_err() && journal.load(&run, 1).await.is_err());
    assert_eq!(journal.stats().stopped, Some(stopped.reason.to_string()));
}

#[tokio::test]
async fn an_injected_failure_before_or_after_the_commit_confirms_nothing() {
    for (plan, there) in [("B4.before=error@2", false), ("B4=error@2", true)] {
        let disk = Disk::default();
        let points = FailPoints::from_env_value(Some(plan)).unwrap();
        let journal = journal(&disk, config(), points.clone());
        let (log, mut first) = accept(&journal, 1).await;
        first.durable().await.unwrap();
        let (other, mut second) = accept(&journal, 2).await;
        let stopped = second.durable().await.unwrap_err();
        assert_eq!(
            stopped.to_string(),
            "the journal has stopped: failure injected at commit point B4"
        );
        assert_eq!(points.crossings(Point::B4, Side::Before), 2);
        drop((journal, log, other));
        let found = contents(&Disk::with(disk.image())).unwrap();
        assert_eq!(found.runs.len(), if there { 2 } else { 1 });
    }
}

#[tokio::test]
async fn commit_points_are_crossed_where_entries_say_so() {
    let points = FailPoints::counting();
    let journal = journal(&Disk::default(), config(), points.clone());
    let (mut log, _) = accept(&journal, 1).await;
    log.append(Entry::lazy(line(&log)).crossing(Point::B5))
        .await
        .unwrap();
    log.append(Entry::lazy(line(&log)).crossing(Point::B8))
        .await
        .unwrap();
    log.append(Entry::lazy(line(&log)).ordered_by(order(2)))
        .await
        .unwrap();
    log.append(Entry::now(line(&log)).ending())
        .await
        .unwrap()
        .durable()
        .await
        .unwrap();
    let run = log.run().clone();
    journal.acknowledge(&[Ack::Records { run, through: 0 }]).unwrap();
    journal.flush().await.unwrap();
    for point in [
        Point::B4,
        Point::B5,
        Point::B8,
        Point::B10,
        Point::B11,
        Point::B12,
    ] {
        assert_eq!(points.crossings(point, Side::After), 1, "{point}");
    }
}

#[tokio::test]
async fn a_full_queue_makes_callers_wait_and_none_is_lost() {
    let mut config = config();
    config.limits.queue_bytes = 2000;
    config.batching = Batching {
        entries: 3,
        ..Batching::default()
    };
    let disk = Disk::default();
    let journal = journal(&disk, config, FailPoints::inert());
    let mut callers = tokio::task::JoinSet::new();
    for n in 1..=40 {
        let journal = journal.clone();
        callers.spawn(async move {
            let (mut log, _) = accept(&journal, n).await;
            for _ in 0..5 {
                // Larger than the whole queue: it takes all of it, alone.
                log.append(Entry::lazy(
                    line(&log).replace("1}", &format!("{}}}", "1".repeat(3000))),
                ))
                .await
                .unwrap();
            }
            log.append(Entry::now(line(&log)))
                .await
                .unwrap()
                .durable()
                .await
                .unwrap();
        });
    }
    while let Some(done) = callers.join_next().await {
        done.unwrap();
    }
    assert_eq!(journal.stats().records, 40 * 7);
    journal.close().await;
    assert_eq!(contents(&Disk::with(disk.image())).unwrap().runs.len(), 40);
}

#[tokio::test]
async fn many_callers_share_commits() {
    let journal = journal(&Disk::default(), config(), FailPoints::inert());
    let (mut log, _) = accept(&journal, 1).await;
    let mut last = None;
    for _ in 0..200 {
        last = Some(log.append(Entry::lazy(line(&log))).await.unwrap());
    }
    last.unwrap().durable().await.unwrap();
    let stats = journal.stats();
    assert_eq!(stats.records, 201);
    assert!(stats.commits <= 20, "{} commits", stats.commits);
    let batches = journal.batches(log.run()).await.unwrap().unwrap();
    assert!(
        batches.len() as u64 <= stats.commits,
        "one row for each commit at most"
    );
}

/// A commit took two syncs of the disk, and a lone run waits for each of them. The file's growth takes one more.
#[tokio::test]
async fn a_commit_is_one_sync() {
    let disk = Disk::default();
    let mut config = config();
    // No lazy entry goes alone, however slow the machine is.
    config.batching.flush_after = std::time::Duration::from_secs(3_600);
    let journal = journal(&disk, config, FailPoints::inert());
    let (mut log, mut ticket) = accept(&journal, 1).await;
    ticket.durable().await.unwrap();
    let (syncs, growths, commits) = (disk.syncs(), disk.growths(), journal.stats().commits);
    for _ in 0..10 {
        log.append(Entry::lazy(line(&log))).await.unwrap();
        let mut ticket = log.append(Entry::now(line(&log))).await.unwrap();
        ticket.durable().await.unwrap();
    }
    assert_eq!(
        (
            (disk.syncs() - syncs) - (disk.growths() - growths),
            journal.stats().commits - commits
        ),
        (10, 10)
    );
}
