//! A run's way through the journal: accepted, written, sent, ended, dropped; and the same after a restart.

use flowforge_journal::{
    AcceptError, Accepted, Ack, AppendError, Entry, JobRefused, NewRun, OutboxBody, PutError, Space, Upload,
    Urgency,
};
use flowforge_protocol::Digest;
use flowforge_protocol::record::{chain_next, chain_start};

use crate::folder::config;
use crate::support::{accept, durable, job, new_run, open, run};

#[tokio::test]
async fn a_run_comes_back_with_all_its_lines_timers_and_outbox() {
    let (_folder, config) = config();
    let (journal, recovered) = open(&config);
    assert!(recovered.runs.is_empty());
    let (mut log, ticket) = accept(&journal, 1).await;
    durable(ticket).await;
    let step = "wait_a_bit".parse().unwrap();
    let other = "nap".parse().unwrap();
    log.append(Entry::lazy("{\"seq\":1}\n{\"seq\":2}\n").arming(step, 500))
        .await
        .unwrap();
    log.append(Entry::lazy("{\"seq\":3}\n").arming(other, 400))
        .await
        .unwrap();
    let chain = log.chain();
    journal.close().await;

    let (journal, mut recovered) = open(&config);
    let mut resumed = recovered.runs.pop().unwrap();
    assert!(recovered.runs.is_empty());
    assert_eq!(
        resumed.lines,
        b"{\"seq\":0}\n{\"seq\":1}\n{\"seq\":2}\n{\"seq\":3}\n"
    );
    assert_eq!(resumed.envelope, b"envelope 1");
    assert_eq!(
        (resumed.log.next_seq(), resumed.log.chain(), resumed.log.epoch()),
        (4, chain, 1)
    );
    let timers: Vec<_> = recovered
        .timers
        .iter()
        .map(|timer| (timer.due_ms, timer.step.to_string()))
        .collect();
    assert_eq!(timers, [(400, "nap".to_owned()), (500, "wait_a_bit".to_owned())]);
    assert_eq!(recovered.high_waters, [("scheduler-1".to_owned(), 1)]);

    resumed
        .log
        .append(Entry::now("{\"seq\":4}\n").disarming("nap".parse().unwrap()))
        .await
        .unwrap();
    journal.close().await;
    let (journal, recovered) = open(&config);
    assert_eq!(recovered.timers.len(), 1);
    assert_eq!(journal.verify().await.unwrap().records, 5);
}

#[tokio::test]
async fn the_chain_is_that_of_the_protocol() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let (mut log, _) = accept(&journal, 1).await;
    let lines = b"{\"seq\":1}\n{\"seq\":2}\n";
    let announced = log.chain_after(lines);
    log.append(Entry::now(*lines)).await.unwrap();
    let mut chain = chain_start(&run(1));
    for line in ["{\"seq\":0}", "{\"seq\":1}", "{\"seq\":2}"] {
        chain = chain_next(&chain, line.as_bytes());
    }
    assert_eq!((log.chain(), announced), (chain, chain));
    journal.flush().await.unwrap();
    let batches = journal.batches(&run(1)).await.unwrap().unwrap();
    assert_eq!(batches.last().unwrap().chain, chain);
    assert_eq!(batches.iter().map(|batch| batch.count).sum::<u32>(), 3);
}

#[tokio::test]
async fn the_outbox_is_in_order_and_is_trimmed_by_what_the_control_plane_has() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let (mut log, ticket) = accept(&journal, 1).await;
    durable(ticket).await;
    let artefact = Upload::Artefact {
        digest: Digest::of(b"csv"),
        about: b"about".to_vec(),
    };
    durable(
        log.append(Entry::now("{\"seq\":1}\n").sending(artefact))
            .await
            .unwrap(),
    )
    .await;
    let receipt = Upload::Receipt {
        envelope: b"receipt".to_vec(),
    };
    durable(
        log.append(Entry::now("{\"seq\":2}\n").ending().sending(receipt))
            .await
            .unwrap(),
    )
    .await;
    journal.outbox_reaches(4).await.unwrap();

    let items = journal.outbox(0, 100, 1 << 20).await.unwrap();
    let kinds: Vec<_> = items
        .iter()
        .map(|item| match &item.body {
            OutboxBody::Batch(batch) => format!("records {}+{}", batch.first_seq, batch.count),
            OutboxBody::Receipt { run: of, envelope } => {
                assert_eq!((of, &envelope[..]), (&run(1), &b"receipt"[..]));
                "receipt".to_owned()
            }
            OutboxBody::Artefact { digest, about, .. } => {
                assert_eq!((*digest, &about[..]), (Digest::of(b"csv"), &b"about"[..]));
                "artefact".to_owned()
            }
        })
        .collect();
    assert_eq!(
        kinds,
        ["records 0+1", "artefact", "records 1+1", "records 2+1", "receipt"]
    );
    assert_eq!(
        journal.outbox(items[2].position, 1, 1 << 20).await.unwrap(),
        items[2..3]
    );
    assert_eq!(
        journal.outbox(0, 100, 1).await.unwrap().len(),
        1,
        "one always comes"
    );

    let acks = vec![
        Ack::Records {
            run: run(1),
            through: 1,
        },
        Ack::Item(items[1].position),
    ];
    journal.acknowledge(acks).await.unwrap();
    journal.flush().await.unwrap();
    assert_eq!(journal.outbox(0, 100, 1 << 20).await.unwrap(), items[3..]);
    journal.close().await;

    let (journal, recovered) = open(&config);
    assert_eq!(
        (recovered.outbox_items, recovered.ended_runs, recovered.runs.len()),
        (2, 1, 0)
    );
    assert_eq!(journal.outbox(0, 100, 1 << 20).await.unwrap(), items[3..]);
}

#[tokio::test]
async fn an_order_is_taken_once_before_and_after_a_restart() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    accept(&journal, 1).await;
    for _ in 0..2 {
        // `journal` is opened again at the loop's end.
        let again = journal.accept(job(1), new_run(1, "{\"seq\":0}\n")).await.unwrap();
        let Accepted::Again(ticket) = again else {
            panic!("taken twice")
        };
        durable(ticket).await;
    }
    journal.close().await;
    let (journal, _) = open(&config);
    assert!(matches!(
        journal.accept(job(1), new_run(1, "{}\n")).await,
        Ok(Accepted::Again(_))
    ));
    let mut other = job(1);
    other.digest = Digest::of(b"other content");
    let conflict = journal.accept(other, new_run(2, "{}\n")).await;
    assert_eq!(
        conflict.unwrap_err(),
        AcceptError::Append(JobRefused::Conflict(job(1).job_id).into())
    );
    let mut replayed = job(2);
    replayed.sequence = 1;
    let refused = journal.accept(replayed, new_run(2, "{}\n")).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "sequence 1 of scheduler key scheduler-1 was used before"
    );
    let exists = journal.accept(job(3), new_run(1, "{}\n")).await.unwrap_err();
    assert_eq!(exists, AcceptError::RunExists(run(1)));
    assert!(matches!(journal.seen(&job(1)), Ok(Some(_))));
    assert!(
        matches!(journal.seen(&job(3)), Ok(None)),
        "a refused order leaves no trace"
    );
}

#[tokio::test]
async fn an_order_that_comes_with_records_is_remembered_with_them() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let (mut log, _) = accept(&journal, 1).await;
    durable(
        log.append(Entry::now("{\"seq\":1}\n").ordered_by(job(2)))
            .await
            .unwrap(),
    )
    .await;
    let again = log
        .append(Entry::now("{\"seq\":2}\n").ordered_by(job(2)))
        .await
        .unwrap_err();
    assert_eq!(again, AppendError::Job(JobRefused::Taken(job(2).job_id)));
    assert_eq!(log.next_seq(), 2, "nothing was added");
    durable(journal.remember(job(3)).await.unwrap()).await;
    assert!(journal.remember(job(3)).await.is_err());
    journal.close().await;
    let (journal, recovered) = open(&config);
    assert_eq!(recovered.high_waters, [("scheduler-1".to_owned(), 3)]);
    assert!(matches!(journal.seen(&job(2)), Ok(Some(_))));
    assert!(matches!(journal.seen(&job(3)), Ok(Some(_))));
}

#[tokio::test]
async fn values_are_kept_by_space_and_bounded() {
    let (_folder, mut config) = config();
    config.limits.cell_bytes = 10;
    config.limits.cells_bytes = 100;
    let (journal, _) = open(&config);
    durable(
        journal
            .put(Space::Host, "a", b"1".to_vec(), Urgency::Now)
            .await
            .unwrap(),
    )
    .await;
    durable(
        journal
            .put(Space::Release, "a", b"2".to_vec(), Urgency::Now)
            .await
            .unwrap(),
    )
    .await;
    durable(
        journal
            .put(Space::Host, "a", b"3".to_vec(), Urgency::Now)
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(journal.get(Space::Host, "a").await.unwrap(), Some(b"3".to_vec()));
    assert_eq!(
        journal.get(Space::Release, "a").await.unwrap(),
        Some(b"2".to_vec())
    );
    assert_eq!(journal.get(Space::Grants, "a").await.unwrap(), None);
    assert_eq!(journal.keys(Space::Release).await.unwrap(), ["a"]);
    let large = journal
        .put(Space::Host, "b", vec![0; 11], Urgency::Now)
        .await
        .unwrap_err();
    assert_eq!(
        large,
        PutError::TooLarge {
            actual_bytes: 11,
            limit_bytes: 10
        }
    );
    durable(
        journal
            .put(Space::Host, "b", vec![0; 10], Urgency::Now)
            .await
            .unwrap(),
    )
    .await;
    let full = journal
        .put(Space::Host, "c", vec![0; 10], Urgency::Now)
        .await
        .unwrap_err();
    assert!(matches!(full, PutError::Full { limit_bytes: 100, .. }), "{full}");
    durable(journal.remove(Space::Host, "b").await.unwrap()).await;
    assert!(
        journal
            .put(Space::Host, "c", vec![0; 10], Urgency::Now)
            .await
            .is_ok()
    );
    journal.close().await;
    let (journal, _) = open(&config);
    assert_eq!(journal.keys(Space::Host).await.unwrap(), ["a", "c"]);
}

#[tokio::test]
async fn a_forgotten_run_leaves_nothing_behind() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let (mut log, _) = accept(&journal, 1).await;
    let receipt = Upload::Receipt {
        envelope: b"receipt".to_vec(),
    };
    log.append(
        Entry::lazy("{\"seq\":1}\n")
            .arming("a".parse().unwrap(), 5)
            .sending(receipt),
    )
    .await
    .unwrap();
    durable(log.forget().await.unwrap()).await;
    let stats = journal.stats();
    assert_eq!(
        (
            stats.open_runs,
            stats.ended_runs,
            stats.outbox_items,
            stats.stored_bytes
        ),
        (0, 0, 0, 0)
    );
    assert!(!journal.knows(&run(1)));
    journal.close().await;
    let (_journal, recovered) = open(&config);
    assert!(recovered.runs.is_empty() && recovered.timers.is_empty());
}

#[tokio::test]
async fn a_higher_epoch_begins_a_batch_of_its_own() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let run_of = NewRun {
        epoch: 3,
        ..new_run(1, "{\"seq\":0}\n")
    };
    let Ok(Accepted::New(mut log, _)) = journal.accept(job(1), run_of).await else {
        panic!("not accepted")
    };
    log.append(Entry::lazy("{\"seq\":1}\n")).await.unwrap();
    log.raise_epoch(5);
    log.raise_epoch(4);
    log.append(Entry::lazy("{\"seq\":2}\n")).await.unwrap();
    journal.flush().await.unwrap();
    let batches = journal.batches(&run(1)).await.unwrap().unwrap();
    let epochs: Vec<_> = batches
        .iter()
        .flat_map(|b| vec![b.epoch; b.count as usize])
        .collect();
    assert_eq!(epochs, [3, 3, 5]);
    journal.close().await;
    assert_eq!(open(&config).1.runs[0].log.epoch(), 5);
}
