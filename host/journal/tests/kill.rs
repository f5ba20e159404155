//! A process that dies at a commit point: what it had confirmed is there, at the next start, and nothing in halves.
//!
//! A binary of its own: a process that is being started shares, for a moment, the open files of the one that starts it,
//! locks included, so tests beside it could not open a journal again at once.

#[cfg(test)]
#[path = "it/support.rs"]
mod support;

#[cfg(test)]
mod dying {
    use std::collections::BTreeMap;
    use std::os::unix::process::ExitStatusExt as _;
    use std::path::Path;
    use std::process::Command;

    use flowforge_failpoints::{FailPoints, Point};
    use flowforge_journal::{Ack, Entry, Journal, JournalConfig, Upload};

    use super::support::{accept, durable, next, open, run};

    const PATH: &str = "FLOWFORGE_TEST_JOURNAL";
    const PLAN: &str = "FLOWFORGE_TEST_FAILPOINTS";
    const RUNS: u64 = 6;
    const STEPS: u64 = 3;
    const SIGABRT: i32 = 6;

    /// Not a test: the process that dies. Says each confirmation on a line of its own.
    #[tokio::test]
    #[ignore = "started by the test below"]
    async fn child() {
        let Ok(path) = std::env::var(PATH) else { return };
        let plan = std::env::var(PLAN).ok();
        let failpoints = FailPoints::from_env_value(plan.as_deref()).unwrap();
        let (journal, _) = Journal::open(JournalConfig::at(path, [8; 16]), failpoints).unwrap();
        for n in 1..=RUNS {
            let (mut log, ticket) = accept(&journal, n).await;
            durable(ticket).await;
            println!("confirmed {n} {}", log.next_seq());
            for _ in 0..STEPS {
                let intent = Entry::now(next(&log)).crossing(Point::B5);
                durable(log.append(intent).await.unwrap()).await;
                println!("confirmed {n} {}", log.next_seq());
                let result = Entry::lazy(next(&log)).crossing(Point::B8);
                log.append(result).await.unwrap();
            }
            let receipt = Upload::Receipt {
                document: b"receipt".to_vec(),
            };
            let end = Entry::now(next(&log)).ending().sending(receipt);
            durable(log.append(end).await.unwrap()).await;
            println!("confirmed {n} {}", log.next_seq());
            let through = log.next_seq() - 1;
            journal
                .acknowledge(&[Ack::Records { run: run(n), through }])
                .unwrap();
            journal.flush().await.unwrap();
        }
    }

    /// Runs the child until it dies; answers how many records of each run it had confirmed.
    fn die(path: &Path, plan: &str) -> BTreeMap<u64, u64> {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "dying::child", "--ignored", "--nocapture"])
            .env(PATH, path)
            .env(PLAN, plan)
            .output()
            .unwrap();
        assert_eq!(output.status.signal(), Some(SIGABRT), "{plan}: {output:?}");
        let mut confirmed = BTreeMap::new();
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            // The first line of the child shares its line with the test runner's.
            if let Some((_, numbers)) = line.split_once("confirmed ") {
                let (n, records) = numbers.split_once(' ').unwrap();
                confirmed.insert(n.parse().unwrap(), records.parse().unwrap());
            }
        }
        confirmed
    }

    #[tokio::test]
    async fn a_process_that_dies_at_any_commit_point_loses_nothing_it_confirmed() {
        for point in [Point::B4, Point::B5, Point::B8, Point::B10, Point::B11] {
            for (side, nth) in [("", 1), ("", 4), (".before", 2), (".before", 5)] {
                let plan = format!("{point}{side}=abort@{nth}");
                let folder = tempfile::TempDir::new().unwrap();
                let config = JournalConfig::at(folder.path().join("journal.redb"), [8; 16]);
                let confirmed = die(&config.path, &plan);
                let (journal, recovered) = open(&config);
                for (n, records) in &confirmed {
                    let batches = journal.batches(&run(*n)).await.unwrap().unwrap_or_default();
                    let found: u64 = batches.iter().map(|batch| u64::from(batch.count)).sum();
                    assert!(
                        found >= *records,
                        "{plan}: run {n} has {found} records of {records}"
                    );
                }
                let open_runs = recovered.runs.len();
                assert!(
                    open_runs <= 1,
                    "{plan}: {open_runs} unfinished runs of one at a time"
                );
                assert!(recovered.damaged.is_empty(), "{plan}: {:?}", recovered.damaged);
                let known = confirmed.keys().filter(|n| journal.knows(&run(**n))).count();
                assert_eq!(known, confirmed.len(), "{plan}");
                assert!(
                    nth == 1 || !confirmed.is_empty(),
                    "{plan}: nothing happened before"
                );
            }
        }
    }
}
