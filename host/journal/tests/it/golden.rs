//! Journals that earlier builds of this format wrote, opened by this one.
//!
//! `write` makes the next one, once a format changes: `cargo test -p flowforge-journal --test it golden::write -- --ignored`
//! with `FLOWFORGE_GOLDEN` naming the file. A golden file is never written again.

use std::path::Path;

use flowforge_failpoints::FailPoints;
use flowforge_journal::{
    Ack, Entry, HeadState, Journal, JournalConfig, Park, Snapshot, Space, Standing, Upload, Urgency,
};
use flowforge_protocol::Digest;

use crate::acts::{SEMANTICS, deliver, end_and_acknowledge, holding, load};
use crate::support::{accept, lines, next, open, run};

const FORMAT_3: &[u8] = include_bytes!("../golden/format-3.redb");
const FORMAT_4: &[u8] = include_bytes!("../golden/format-4.redb");

/// A value that run 5 of the later files holds.
const VALUE: &[u8] = b"\"a large value\"";

/// One of everything that a journal holds.
async fn fill(path: &Path) {
    let config = JournalConfig::at(path, [2; 16]);
    let (journal, _) = Journal::open(config, FailPoints::inert()).unwrap();
    // Run 1 waits behind a snapshot, with an artefact, a message, and a step that is under way when the host dies.
    let (mut log, _) = accept(&journal, 1).await;
    let artefact = Upload::Artefact {
        digest: Digest::of(b"csv"),
        about: b"about".to_vec(),
    };
    let snapshot = Snapshot {
        seq: 4,
        semantics: SEMANTICS,
        bytes: b"state".to_vec(),
    };
    log.append(
        Entry::lazy(lines(1..4, 5))
            .sending(artefact)
            .with_snapshot(snapshot),
    )
    .await
    .unwrap();
    log.append(Entry::lazy(lines(4..6, 5)).waiting(Some(77), "for an answer"))
        .await
        .unwrap();
    deliver(&journal, 1, "decide", 50).await;
    deliver(&journal, 60, "cancel", 51).await;
    // Run 2 ended and waits to be sent, parked; run 3 is over and was sent; run 4 was given away.
    let (mut second, _) = accept(&journal, 2).await;
    let receipt = Upload::Receipt {
        document: b"receipt".to_vec(),
    };
    second
        .append(Entry::lazy(next(&second)).ending().sending(receipt))
        .await
        .unwrap();
    journal.flush().await.unwrap();
    let why = Park {
        code: "FF-UPL-001".to_owned(),
        reason: "malformed".to_owned(),
    };
    journal.park(&run(2), why).await.unwrap();
    let (third, _) = accept(&journal, 3).await;
    end_and_acknowledge(&journal, third).await;
    let (fourth, _) = accept(&journal, 4).await;
    fourth.forget().await.unwrap();
    // Run 5 holds a value beside its records.
    let (mut fifth, _) = accept(&journal, 5).await;
    fifth.append(holding(1, VALUE)).await.unwrap();
    drop(fifth);
    journal.acknowledge(&[Ack::Orders { before: 2 }]).unwrap();
    journal.set_plane(b"plane".to_vec()).await.unwrap();
    journal
        .put(Space::Release, "a", b"release".to_vec(), Urgency::Lazy)
        .await
        .unwrap();
    log.attempt_begins(&"call".parse().unwrap(), 2);
    journal.flush().await.unwrap();
    // As the host leaves it that dies now.
    std::fs::copy(path, path.with_extension("dead")).unwrap();
    journal.close().await;
    std::fs::rename(path.with_extension("dead"), path).unwrap();
}

#[tokio::test]
#[ignore = "writes a golden file, once for each format"]
async fn write() {
    let path = std::env::var("FLOWFORGE_GOLDEN").unwrap();
    fill(Path::new(&path)).await;
    let _ = std::fs::remove_file(format!("{path}.lock"));
}

#[tokio::test]
async fn the_golden_journal_of_format_3_opens_with_all_it_holds_and_takes_values() {
    let (folder, journal) = opens(FORMAT_3, 1).await;
    let (mut log, _) = accept(&journal, 6).await;
    log.append(holding(1, VALUE)).await.unwrap();
    drop(log);
    journal.close().await;
    let (journal, _) = open(&config(&folder));
    assert_eq!(load(&journal, 6).await.values[&Digest::of(VALUE)], VALUE);
}

#[tokio::test]
async fn the_golden_journal_of_this_format_opens_with_all_it_holds() {
    let (_folder, journal) = opens(FORMAT_4, 2).await;
    assert_eq!(load(&journal, 5).await.values[&Digest::of(VALUE)], VALUE);
}

fn config(folder: &tempfile::TempDir) -> JournalConfig {
    JournalConfig::at(folder.path().join("journal.redb"), [0; 16])
}

/// A golden file with so many open runs.
async fn opens(file: &[u8], runs: usize) -> (tempfile::TempDir, Journal) {
    let folder = tempfile::TempDir::new().unwrap();
    let config = config(&folder);
    std::fs::write(&config.path, file).unwrap();
    let (journal, recovered) = open(&config);
    assert_eq!(
        (recovered.identity.incarnation, recovered.identity.generation),
        ([2; 16], 2)
    );
    assert_eq!(recovered.plane.as_deref(), Some(&b"plane"[..]));
    assert!(recovered.damaged.is_empty(), "{:?}", recovered.damaged);
    assert_eq!((recovered.runs.len(), recovered.ended_runs), (runs, 2));
    let head = &recovered.runs[0];
    assert_eq!((&head.run, head.next_seq, head.messages), (&run(1), 6, 1));
    assert_eq!(head.state, HeadState::Waiting { due_ms: Some(77) });
    assert_eq!(recovered.crashed[0].step.to_string(), "call");
    let open_run = load(&journal, 1).await;
    assert_eq!(open_run.snapshot.unwrap().bytes, b"state");
    assert_eq!(open_run.lines, lines(4..6, 5).as_bytes());
    assert_eq!(open_run.crashed[0].crashes, 1);
    let (standing, park) = journal.standing(&run(2)).await.unwrap().unwrap();
    assert_eq!(
        (standing, park.unwrap().code),
        (Standing::Running, "FF-UPL-001".to_owned())
    );
    let uploads = journal.uploads(10, 1 << 20).await.unwrap();
    assert_eq!((uploads.len(), &uploads[0].run), (runs, &run(1)));
    assert_eq!(uploads[0].artefacts, [(Digest::of(b"csv"), b"about".to_vec())]);
    assert_eq!(journal.messages(&run(1)).await.unwrap()[0].bytes, b"decide");
    assert_eq!(journal.messages(&run(60)).await.unwrap()[0].bytes, b"cancel");
    assert!(journal.knows(&run(3)) && journal.knows(&run(4)));
    assert_eq!(journal.told(), 2);
    assert_eq!(
        journal.get(Space::Release, "a").await.unwrap(),
        Some(b"release".to_vec())
    );
    (folder, journal)
}
