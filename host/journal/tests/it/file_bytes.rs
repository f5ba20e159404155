//! The bound of the file: near it no run is accepted, at it runs wait, and nothing that was accepted fails.

use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use flowforge_journal::{
    AcceptError, Accepted, Ack, AppendError, Counted, Entry, Journal, JournalConfig, RunLog,
};

use crate::folder::config;
use crate::support::{accept, durable, job, lines, new_run, next, open, run};

const MIB: u64 = 1 << 20;
const LARGE: usize = 200_000;

/// A file of at most 16 MiB, which the bytes that the journal holds alone would not bound.
fn small_file() -> (tempfile::TempDir, JournalConfig) {
    let (folder, mut config) = config();
    (config.limits.file_bytes, config.limits.headroom_bytes) = (16 * MIB, 2 * MIB);
    (folder, config)
}

fn on_disk(config: &JournalConfig) -> u64 {
    std::fs::metadata(&config.path).unwrap().blocks() * 512
}

/// Ends runs with much in them until no more is accepted; answers how many there were.
async fn fill(journal: &Journal) -> u64 {
    for n in 1..1_000 {
        let mut log = match journal.accept(job(n), new_run(n)).await {
            Ok(Accepted::New(log, _)) => log,
            Err(AcceptError::Full(full)) => {
                assert_eq!((full.counted, full.limit_bytes), (Counted::File, 12 * MIB - 1));
                return n - 1;
            }
            other => panic!("{other:?}"),
        };
        let large = Entry::now(lines(1..2, LARGE)).ending();
        durable(log.append(large).await.unwrap()).await;
    }
    panic!("the file is not bounded");
}

fn acknowledge_all(journal: &Journal, runs: u64) {
    for n in 1..=runs {
        let ack = Ack::Records {
            run: run(n),
            through: 1,
        };
        journal.acknowledge(&[ack]).unwrap();
    }
}

async fn append_large(log: &mut RunLog) -> Result<(), AppendError> {
    let seq = log.next_seq();
    durable(log.append(Entry::now(lines(seq..seq + 1, LARGE))).await?).await;
    Ok(())
}

/// The file had no bound: space that a burst had taken stayed taken, and grew with the next one.
#[tokio::test]
async fn near_the_bound_no_run_is_accepted_and_at_it_runs_wait_until_there_is_room() {
    let (_folder, config) = small_file();
    let (journal, _) = open(&config);
    let (mut log, _) = accept(&journal, 5_000).await;
    let runs = fill(&journal).await;
    assert!(runs > 10, "{runs} runs filled it");
    let full = loop {
        match append_large(&mut log).await {
            Ok(()) => {}
            Err(AppendError::Full(full)) => break full,
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!((full.counted, full.limit_bytes), (Counted::File, 14 * MIB));
    assert!(
        on_disk(&config) <= config.limits.file_bytes,
        "{}",
        on_disk(&config)
    );
    let seq = log.next_seq();
    let mut waiting = tokio::task::JoinSet::new();
    waiting.spawn(async move {
        let entry = Entry::now(lines(seq..seq + 1, LARGE));
        durable(log.append_when_room(entry).await.unwrap()).await;
        log
    });
    tokio::time::timeout(Duration::from_millis(100), journal.space(&full))
        .await
        .expect_err("there is no room yet");
    acknowledge_all(&journal, runs);
    let mut log = waiting.join_next().await.unwrap().unwrap();
    durable(log.append(Entry::now(next(&log)).ending()).await.unwrap()).await;
    accept(&journal, 6_000).await;
    let stats = journal.stats();
    assert!(
        stats.file_bytes < 12 * MIB && stats.file_limit_bytes == 16 * MIB,
        "{stats:?}"
    );
    journal.close().await;
    assert_eq!(open(&config).1.runs.len(), 1);
}

#[tokio::test]
async fn a_full_file_takes_the_ends_of_runs_and_their_orders() {
    let (_folder, config) = small_file();
    let (journal, _) = open(&config);
    let mut logs = Vec::new();
    for n in 5_000..5_040 {
        logs.push(accept(&journal, n).await.0);
    }
    fill(&journal).await;
    while append_large(&mut logs[0]).await.is_ok() {}
    crate::acts::deliver(&journal, 5_000, "cancel", 9_000).await;
    for mut log in logs {
        durable(log.append(Entry::now(next(&log)).ending()).await.unwrap()).await;
    }
    assert!(
        on_disk(&config) <= config.limits.file_bytes,
        "{}",
        on_disk(&config)
    );
    assert_eq!(journal.stats().open_runs, 0);
}
