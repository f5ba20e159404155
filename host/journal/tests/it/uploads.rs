//! What waits to be sent: in order, in portions, by turns, and never lost.

use flowforge_journal::{Ack, Entry, Journal, Park, RunLog, RunUploads, Standing, Upload};
use flowforge_protocol::Digest;

use crate::folder::config;
use crate::support::{accept, durable, lines, next, open, run};

const MIB: usize = 1 << 20;

fn records(uploads: &RunUploads) -> Vec<(u64, u32)> {
    uploads
        .batches
        .iter()
        .map(|batch| (batch.first_seq, batch.count))
        .collect()
}

async fn all(journal: &Journal) -> Vec<RunUploads> {
    journal.uploads(1_000, 64 * MIB).await.unwrap()
}

fn acknowledge(journal: &Journal, n: u64, through: u64) {
    journal
        .acknowledge(&[Ack::Records { run: run(n), through }])
        .unwrap();
}

async fn end(log: &mut RunLog) {
    let receipt = Upload::Receipt {
        document: b"receipt".to_vec(),
    };
    let last = Entry::now(next(log)).ending().sending(receipt);
    durable(log.append(last).await.unwrap()).await;
}

#[tokio::test]
async fn artefacts_come_before_their_records_and_the_receipt_after_the_last() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let (mut log, ticket) = accept(&journal, 1).await;
    durable(ticket).await;
    let artefact = Upload::Artefact {
        digest: Digest::of(b"csv"),
        about: b"about".to_vec(),
    };
    durable(
        log.append(Entry::now(next(&log)).sending(artefact))
            .await
            .unwrap(),
    )
    .await;
    end(&mut log).await;
    journal.upload_ready().await.unwrap();
    for round in 0..2 {
        let uploads = all(&journal).await;
        assert_eq!(uploads.len(), 1);
        let waiting = &uploads[0];
        assert_eq!(waiting.run, run(1));
        assert_eq!(waiting.artefacts, [(Digest::of(b"csv"), b"about".to_vec())]);
        assert_eq!(
            records(waiting),
            [(0, 3)],
            "what was written apart is sent together"
        );
        assert_eq!(waiting.receipt.as_deref(), Some(&b"receipt"[..]));
        waiting.batches[0]
            .verify(&flowforge_protocol::chain::chain_start(&run(1)))
            .unwrap();
        if round == 0 {
            journal.flush().await.unwrap();
        }
    }
    acknowledge(&journal, 1, 1);
    let uploads = all(&journal).await;
    assert_eq!(
        (records(&uploads[0]), uploads[0].artefacts.len()),
        (vec![(2, 1)], 0)
    );
    acknowledge(&journal, 1, 99);
    let uploads = all(&journal).await;
    assert!(records(&uploads[0]).is_empty() && uploads[0].receipt.is_some());
    journal.close().await;

    // The cursors were written by the orderly end, without a commit of their own before.
    let (journal, recovered) = open(&config);
    assert_eq!((recovered.outbox_items, recovered.ended_runs), (1, 1));
    let uploads = all(&journal).await;
    assert!(records(&uploads[0]).is_empty() && uploads[0].receipt.is_some());
    journal.acknowledge(&[Ack::Receipt { run: run(1) }]).unwrap();
    assert_eq!(all(&journal).await, []);
    journal.close().await;
    assert_eq!(open(&config).1.outbox_items, 0);
}

/// All records of one step were one row of 21 MB: above what the control plane takes, so it was sent for ever, and with it
/// all that waited behind it.
#[tokio::test]
async fn a_large_entry_is_cut_between_records_and_a_large_record_goes_alone() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let (mut log, _) = accept(&journal, 1).await;
    let large = lines(1..21, 400_000) + &lines(21..22, 1_500_000) + &lines(22..24, 10);
    durable(log.append(Entry::now(large.clone())).await.unwrap()).await;
    let (mut sent, mut largest) = (Vec::new(), 0);
    loop {
        let uploads = journal.uploads(1_000, MIB).await.unwrap();
        let Some(waiting) = uploads.first() else { break };
        assert_eq!(waiting.batches.len(), 1);
        let batch = &waiting.batches[0];
        assert!(
            batch.lines.len() <= MIB || batch.count == 1,
            "{} bytes",
            batch.lines.len()
        );
        largest = largest.max(batch.lines.len());
        sent.extend_from_slice(&batch.lines);
        acknowledge(&journal, 1, batch.next_seq() - 1);
    }
    assert_eq!(sent, (lines(0..1, 1) + &large).into_bytes());
    assert!(largest > 1_500_000, "{largest}");
}

/// A batch that was refused as malformed was acknowledged away, and what followed it drew gap after gap for every run.
#[tokio::test]
async fn a_gap_rewinds_its_run_alone_and_a_refused_run_waits_visibly() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    for n in 1..4 {
        let (mut log, _) = accept(&journal, n).await;
        log.append(Entry::lazy(lines(1..3, 1))).await.unwrap();
        end(&mut log).await;
        journal
            .acknowledge(&[
                Ack::Records {
                    run: run(n),
                    through: 2,
                },
                Ack::Receipt { run: run(n) },
            ])
            .unwrap();
    }
    let waiting = all(&journal).await;
    assert_eq!(
        waiting.iter().map(records).collect::<Vec<_>>(),
        [[(3, 1)], [(3, 1)], [(3, 1)]]
    );
    durable(journal.rewind(&run(2), 1).await.unwrap().unwrap()).await;
    let waiting = all(&journal).await;
    let of_two = waiting.iter().find(|uploads| uploads.run == run(2)).unwrap();
    assert_eq!((records(of_two), of_two.receipt.is_some()), (vec![(1, 3)], true));
    let why = Park {
        code: "FF-UPL-001".to_owned(),
        reason: "malformed".to_owned(),
    };
    journal.park(&run(2), why.clone()).await.unwrap();
    let stats = journal.stats();
    assert_eq!((stats.parked_runs, stats.outbox_items), (1, 4));
    let runs =
        |uploads: Vec<RunUploads>| -> Vec<_> { uploads.into_iter().map(|uploads| uploads.run).collect() };
    assert!(!runs(all(&journal).await).contains(&run(2)));
    for n in [1, 3] {
        journal
            .acknowledge(&[
                Ack::Records {
                    run: run(n),
                    through: 3,
                },
                Ack::Receipt { run: run(n) },
            ])
            .unwrap();
    }
    assert_eq!(runs(all(&journal).await), []);
    journal.close().await;

    let (journal, recovered) = open(&config);
    assert_eq!(
        recovered.outbox_items, 0,
        "what is parked does not ask to be sent"
    );
    assert_eq!(
        journal.standing(&run(2)).await.unwrap(),
        Some((Standing::Running, Some(why)))
    );
    assert_eq!(runs(all(&journal).await), []);
    durable(journal.unpark(&run(2)).await.unwrap().unwrap()).await;
    let waiting = all(&journal).await;
    assert_eq!(records(&waiting[0]), [(1, 3)]);
    assert!(journal.rewind(&run(77), 0).await.unwrap().is_none());
}

/// A run with much to send was sent to its end before another had its turn.
#[tokio::test]
async fn runs_take_turns() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let (mut large, _) = accept(&journal, 1).await;
    durable(large.append(Entry::now(lines(1..31, 200_000))).await.unwrap()).await;
    durable(accept(&journal, 2).await.1).await;
    durable(accept(&journal, 3).await.1).await;
    let first = journal.uploads(100, 2 * MIB).await.unwrap();
    let runs: Vec<_> = first.iter().map(|uploads| uploads.run.clone()).collect();
    assert_eq!(runs, [run(1), run(2), run(3)]);
    assert!(first[0].batches[0].lines.len() <= MIB);
}

#[tokio::test]
async fn the_uploader_is_told_when_there_is_something_and_not_before() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let waits = |journal: &Journal| {
        let journal = journal.clone();
        async move { tokio::time::timeout(std::time::Duration::ZERO, journal.upload_ready()).await }
    };
    assert!(waits(&journal).await.is_err());
    durable(accept(&journal, 1).await.1).await;
    assert!(waits(&journal).await.is_ok());
    acknowledge(&journal, 1, 0);
    assert!(waits(&journal).await.is_err());
    journal.close().await;
    assert!(journal.upload_ready().await.is_err());
}

/// A lone run of ten effects took 36 syncs of the disk on both sides, two of them here to note what the control plane has.
#[tokio::test]
async fn commits_of_a_lone_run_are_one_for_each_effect_and_none_for_what_arrived() {
    let (_folder, mut config) = config();
    // No lazy entry goes alone, however slow the machine is.
    config.batching.flush_after = std::time::Duration::from_secs(3_600);
    let (journal, _) = open(&config);
    let new = flowforge_journal::NewRun {
        entry: Entry::lazy(lines(0..1, 1)),
        ..crate::support::new_run(1)
    };
    let mut log = match journal.accept(crate::support::job(1), new).await.unwrap() {
        flowforge_journal::Accepted::New(log, _) => log,
        other => panic!("{other:?}"),
    };
    let step = "effect".parse().unwrap();
    for attempt in 1..=10 {
        log.attempt_begins(&step, attempt);
        durable(log.append(Entry::now(next(&log))).await.unwrap()).await;
        log.append(Entry::lazy(next(&log))).await.unwrap();
        log.attempt_ended(&step);
        for uploads in all(&journal).await {
            acknowledge(&journal, 1, uploads.batches.last().unwrap().next_seq() - 1);
        }
    }
    end(&mut log).await;
    acknowledge(&journal, 1, 99);
    journal.acknowledge(&[Ack::Receipt { run: run(1) }]).unwrap();
    assert_eq!(journal.stats().commits, 11, "ten intents and the end");
}
