//! The file on a real disk: newer formats, interrupted making, giving back space.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use flowforge_failpoints::FailPoints;
use redb::ReadableDatabase;
use tempfile::TempDir;

use super::model::{INCARNATION, order};
use crate::config::JournalConfig;
use crate::entry::{Entry, NewRun, Space, Urgency};
use crate::error::OpenError;
use crate::file::{rewrite, worth_rewriting};
use crate::journal::{Accepted, Journal};
use crate::tables;

async fn filled(path: &Path) {
    let (journal, _) = Journal::open(JournalConfig::at(path, INCARNATION), FailPoints::inert()).unwrap();
    let run = flowforge_protocol::RunId::from_entropy([1; 16]);
    let new = NewRun {
        run,
        epoch: 1,
        envelope: b"signed".to_vec(),
        documents: Vec::new(),
        acknowledged: 0,
        values_stay: false,
        entry: Entry::now("{\"seq\":0,\"x\":1}\n").waiting(Some(9), "a nap"),
    };
    let Accepted::New(_log, _) = journal.accept(order(1), new).await.unwrap() else {
        panic!("taken before")
    };
    for n in 0..200 {
        let key = format!("large {}", n % 4);
        journal
            .put(Space::Host, &key, vec![7; 30_000], Urgency::Lazy)
            .await
            .unwrap();
        journal.flush().await.unwrap();
    }
    for n in 1..4 {
        journal.remove(Space::Host, &format!("large {n}")).await.unwrap();
    }
    journal.close().await;
}

fn in_folder() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.redb");
    (folder, path)
}

fn open(path: &Path) -> Result<(Journal, crate::Recovered), OpenError> {
    Journal::open(JournalConfig::at(path, INCARNATION), FailPoints::inert())
}

#[tokio::test]
async fn another_format_is_refused_by_name_and_the_file_is_not_touched() {
    let (_folder, path) = in_folder();
    filled(&path).await;
    let old = |text: &str| crate::codec::seal(tables::META, tables::FORMAT_KEY, text.as_bytes());
    for (row, expected) in [
        (
            tables::format_value(5),
            "has format 5, this program reads up to 4; start the newer program",
        ),
        (
            old("flowforge-journal/1"),
            "has the format `flowforge-journal/1`, this program reads `flowforge-journal/4/one-phase` only; move it away with `flowforge-host set-aside`",
        ),
        (
            old("flowforge-journal/2/one-phase"),
            "has the format `flowforge-journal/2/one-phase`, this program reads `flowforge-journal/4/one-phase` only; move it away with `flowforge-host set-aside`",
        ),
    ] {
        let db = redb::Database::open(&path).unwrap();
        let txn = db.begin_write().unwrap();
        txn.open_table(tables::Definition::new(tables::META))
            .unwrap()
            .insert(tables::FORMAT_KEY, &row[..])
            .unwrap();
        txn.commit().unwrap();
        drop(db);
        let before = fs::read(&path).unwrap();
        let error = open(&path).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the journal {} {expected}", path.display())
        );
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[tokio::test]
async fn what_an_interrupted_making_left_is_cleared_away() {
    let (folder, path) = in_folder();
    let unfinished = folder.path().join("journal.redb.new");
    fs::write(&unfinished, b"half of a file").unwrap();
    let (journal, recovered) = open(&path).unwrap();
    assert!(recovered.runs.is_empty());
    assert!(!unfinished.exists());
    journal.close().await;
    // And one that was interrupted while it gave back space: the old file is still the journal.
    filled(&path).await;
    fs::write(&unfinished, b"half of a copy").unwrap();
    assert_eq!(open(&path).unwrap().1.runs.len(), 1);
}

#[tokio::test]
async fn a_rewritten_file_holds_the_same_in_less() {
    let (folder, path) = in_folder();
    filled(&path).await;
    let rows = |path: &Path| {
        let db = redb::Database::open(path).unwrap();
        let txn = db.begin_read().unwrap();
        let mut rows = Vec::new();
        for name in tables::ALL {
            let table = txn.open_table(tables::Definition::new(name)).unwrap();
            for entry in redb::ReadableTable::iter(&table).unwrap() {
                let (key, value) = entry.unwrap();
                rows.push((*name, key.value().to_vec(), value.value().to_vec()));
            }
        }
        rows
    };
    let (before, bytes) = (rows(&path), fs::metadata(&path).unwrap().len());
    let db = redb::Database::open(&path).unwrap();
    rewrite(&path, &folder.path().join("journal.redb.new"), db, 1 << 20).unwrap();
    assert_eq!(rows(&path), before);
    let after = fs::metadata(&path).unwrap().len();
    assert!(after < bytes, "{after} in place of {bytes}");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the new file is for this user alone");
    let (journal, recovered) = open(&path).unwrap();
    let waits = crate::HeadState::Waiting { due_ms: Some(9) };
    assert_eq!((recovered.runs.len(), recovered.runs[0].state), (1, waits));
    assert_eq!(
        journal.get(Space::Host, "large 0").await.unwrap(),
        Some(vec![7; 30_000])
    );
    assert_eq!(journal.get(Space::Host, "large 1").await.unwrap(), None);
}

#[test]
fn only_a_large_and_mostly_empty_file_is_worth_rewriting() {
    let mib = |n: u64| n << 20;
    assert!(!worth_rewriting(mib(32), 0));
    assert!(worth_rewriting(mib(33), 0));
    assert!(!worth_rewriting(mib(400), mib(100)));
    assert!(worth_rewriting(mib(401), mib(100)));
}
