//! A run's way through the journal: accepted, written, waiting, loaded again, ended; and the same after a restart.

use flowforge_journal::{
    Accepted, AppendError, Entry, HeadState, JobRefused, LoadError, NewRun, Snapshot, Standing, Upload,
};
use flowforge_protocol::Digest;
use flowforge_protocol::chain::{chain_next, chain_start};

use crate::acts::{SEMANTICS, load};
use crate::folder::config;
use crate::support::{accept, durable, job, lines, new_run, next, open, run};

#[tokio::test]
async fn a_run_comes_back_as_a_head_and_its_lines_are_read_when_they_are_asked_for() {
    let (_folder, config) = config();
    let (journal, recovered) = open(&config);
    assert!(recovered.runs.is_empty());
    let (mut log, ticket) = accept(&journal, 1).await;
    durable(ticket).await;
    log.append(Entry::lazy(lines(1..3, 1))).await.unwrap();
    log.append(Entry::lazy(lines(3..4, 1)).waiting(Some(500), "for a nap"))
        .await
        .unwrap();
    let chain = log.chain();
    journal.close().await;

    let (journal, recovered) = open(&config);
    let head = &recovered.runs[0];
    assert_eq!(
        (&head.run, head.epoch, head.next_seq, head.chain),
        (&run(1), 1, 4, chain)
    );
    assert_eq!(head.state, HeadState::Waiting { due_ms: Some(500) });
    let resumed = load(&journal, 1).await;
    assert_eq!(resumed.lines, lines(0..4, 1).as_bytes());
    assert_eq!(
        (resumed.first_seq, &resumed.envelope[..]),
        (0, &b"envelope 1"[..])
    );
    let mut log = resumed.log;
    assert_eq!((log.next_seq(), log.chain(), log.epoch()), (4, chain, 1));
    log.append(Entry::now(next(&log))).await.unwrap();
    journal.close().await;
    let (_journal, recovered) = open(&config);
    assert_eq!(
        recovered.runs[0].state,
        HeadState::Running,
        "a record says that it goes on"
    );
    assert_eq!(recovered.runs[0].next_seq, 5);
}

#[tokio::test]
async fn a_run_has_one_writer_at_a_time() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let (mut log, _) = accept(&journal, 1).await;
    assert!(matches!(
        journal.load(&run(1), SEMANTICS).await,
        Err(LoadError::InUse(_))
    ));
    log.append(Entry::lazy(next(&log))).await.unwrap();
    drop(log);
    let open_run = load(&journal, 1).await;
    assert_eq!(
        open_run.lines,
        lines(0..2, 1).as_bytes(),
        "what was added before is durable then"
    );
    let mut log = open_run.log;
    log.append(Entry::lazy(next(&log)).ending()).await.unwrap();
    assert_eq!(
        log.append(Entry::now(next(&log))).await.unwrap_err(),
        AppendError::Ended(run(1))
    );
    drop(log);
    assert!(matches!(
        journal.load(&run(1), SEMANTICS).await,
        Err(LoadError::Ended(_))
    ));
    assert!(matches!(
        journal.load(&run(2), SEMANTICS).await,
        Err(LoadError::Unknown(_))
    ));
}

#[tokio::test]
async fn the_chain_is_that_of_the_protocol_and_is_walked_once() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let (mut log, _) = accept(&journal, 1).await;
    let added = lines(1..3, 5);
    let announced = log.chain_after(added.as_bytes()).unwrap();
    let mut entry = Entry::now(added.clone());
    entry.chained = Some(announced.clone());
    log.append(entry).await.unwrap();
    let mut chain = chain_start(&run(1));
    for line in (lines(0..1, 1) + &added).lines() {
        chain = chain_next(&chain, line.as_bytes());
    }
    assert_eq!((log.chain(), announced.chain()), (chain, chain));
    journal.flush().await.unwrap();
    let batches = journal.batches(&run(1)).await.unwrap().unwrap();
    assert_eq!(batches.last().unwrap().chain, chain);
    assert_eq!(batches.iter().map(|batch| batch.count).sum::<u32>(), 3);
    // What was announced for another place does not count.
    let mut stale = Entry::now(next(&log));
    stale.chained = Some(announced);
    log.append(stale).await.unwrap();
    assert_eq!(log.next_seq(), 4);
}

/// Loading costs the same at record 1,000 as at record 10: only what lies behind the newest snapshot is read.
#[tokio::test]
async fn a_snapshot_stands_for_the_records_before_it_if_its_rules_are_the_same() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let (mut log, _) = accept(&journal, 1).await;
    for n in 1..4 {
        let first = log.next_seq();
        let snapshot = Snapshot {
            seq: first + 100,
            semantics: SEMANTICS,
            bytes: format!("state {n}").into_bytes(),
        };
        log.append(Entry::lazy(lines(first..first + 100, 1)).with_snapshot(snapshot))
            .await
            .unwrap();
        log.append(Entry::lazy(next(&log))).await.unwrap();
    }
    drop(log);
    for _ in 0..2 {
        // In the second round after a restart.
        let open_run = load(&journal, 1).await;
        let snapshot = open_run.snapshot.unwrap();
        assert_eq!((snapshot.seq, &snapshot.bytes[..]), (303, &b"state 3"[..]));
        assert_eq!(
            (open_run.first_seq, open_run.lines),
            (303, lines(303..304, 1).into_bytes())
        );
        drop(open_run.log);
        let by_others = journal.load(&run(1), SEMANTICS + 1).await.unwrap();
        assert_eq!((by_others.snapshot, by_others.first_seq), (None, 0));
        assert_eq!(by_others.lines.iter().filter(|byte| **byte == b'\n').count(), 304);
    }
    let wrong = Snapshot {
        seq: 1,
        semantics: SEMANTICS,
        bytes: Vec::new(),
    };
    let mut log = load(&journal, 1).await.log;
    let refused = log.append(Entry::lazy(next(&log)).with_snapshot(wrong)).await;
    assert!(
        matches!(refused, Err(AppendError::Contradiction(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn an_order_is_taken_once_before_and_after_a_restart() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    accept(&journal, 1).await;
    journal.close().await;
    let (journal, _) = open(&config);
    for _ in 0..2 {
        let again = journal.accept(job(1), new_run(1)).await.unwrap();
        let Accepted::Again(ticket) = again else {
            panic!("taken twice")
        };
        durable(ticket).await;
    }
    let mut other = job(1);
    other.digest = Digest::of(b"other content");
    let conflict = journal.accept(other, new_run(2)).await.unwrap_err();
    assert_eq!(
        conflict,
        AppendError::Job(JobRefused::Conflict(job(1).job_id)).into()
    );
    let mut replayed = job(2);
    replayed.sequence = 1;
    let refused = journal.accept(replayed, new_run(2)).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "sequence 1 of scheduler key scheduler-1 was used before"
    );
    assert!(matches!(journal.seen(&job(1)), Ok(Some(_))));
    assert!(
        matches!(journal.seen(&job(3)), Ok(None)),
        "a refused order leaves no trace"
    );
}

/// A start that was signed anew, because the first one expired on its way back, ran the run a second time once the host
/// had dropped what it knew of it.
#[tokio::test]
async fn a_start_for_a_run_that_is_or_was_here_begins_nothing() {
    let (_folder, mut config) = config();
    config.retention.age = std::time::Duration::ZERO;
    let (journal, _) = open(&config);
    let (log, _) = accept(&journal, 1).await;
    let again = journal.accept(job(2), new_run(1)).await.unwrap();
    assert!(matches!(again, Accepted::AlreadyHere(_)), "{again:?}");
    crate::acts::end_and_acknowledge(&journal, log).await;
    journal.flush().await.unwrap();
    journal.flush().await.unwrap();
    assert_eq!(journal.stats().ended_runs, 0, "it is gone");
    let again = journal.accept(job(3), new_run(1)).await.unwrap();
    assert!(
        journal.knows(&run(1)) && matches!(again, Accepted::AlreadyHere(_)),
        "{again:?}"
    );
    journal.close().await;
    let (journal, _) = open(&config);
    let again = journal.accept(job(9), new_run(1)).await.unwrap();
    let Accepted::AlreadyHere(ticket) = again else {
        panic!("begun again: {again:?}")
    };
    durable(ticket).await;
    assert!(
        matches!(journal.seen(&job(9)), Ok(Some(_))),
        "the order is remembered"
    );
}

/// A run that another host had comes back with a higher fencing number, and with records.
#[tokio::test]
async fn a_run_that_was_given_away_comes_back_under_a_higher_number_only() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let (log, _) = accept(&journal, 1).await;
    durable(log.forget().await.unwrap()).await;
    assert!(journal.knows(&run(1)));
    let stale = journal.accept(job(2), new_run(1)).await.unwrap();
    assert!(matches!(stale, Accepted::AlreadyHere(_)), "{stale:?}");
    let back = NewRun {
        epoch: 2,
        acknowledged: 3,
        entry: Entry::now(lines(0..4, 1)),
        ..new_run(1)
    };
    let Ok(Accepted::New(mut log, ticket)) = journal.accept(job(3), back).await else {
        panic!("not accepted")
    };
    durable(ticket).await;
    let uploads = journal.uploads(10, 1 << 20).await.unwrap();
    let batch = &uploads[0].batches[0];
    assert_eq!(
        (batch.first_seq, batch.count, batch.epoch),
        (3, 1, 2),
        "only what is new"
    );
    assert_eq!(batch.lines, lines(3..4, 1).as_bytes());
    log.append(Entry::lazy(next(&log)).superseding(5)).await.unwrap();
    log.append(Entry::lazy("").superseding(4)).await.unwrap();
    assert_eq!(log.epoch(), 5, "a lower one is ignored");
    journal.flush().await.unwrap();
    let batches = journal.batches(&run(1)).await.unwrap().unwrap();
    let epochs: Vec<_> = batches.iter().map(|batch| (batch.epoch, batch.count)).collect();
    assert_eq!(epochs, [(2, 4), (5, 1)]);
    journal.close().await;
    assert_eq!(open(&config).1.runs[0].epoch, 5);
}

#[tokio::test]
async fn an_order_that_comes_with_records_is_remembered_with_them() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let (mut log, _) = accept(&journal, 1).await;
    log.append(Entry::now(next(&log)).ordered_by(job(2)))
        .await
        .unwrap();
    let again = log
        .append(Entry::now(next(&log)).ordered_by(job(2)))
        .await
        .unwrap_err();
    assert_eq!(again, AppendError::Job(JobRefused::Taken(job(2).job_id)));
    assert_eq!(log.next_seq(), 2, "nothing was added");
    durable(journal.remember(job(3)).await.unwrap()).await;
    assert!(journal.remember(job(3)).await.is_err());
    let told = |journal: &flowforge_journal::Journal| -> Vec<u64> {
        let orders = journal.orders_since(journal.told(), 100);
        orders.into_iter().map(|(number, _)| number).collect()
    };
    assert_eq!(told(&journal), [0, 1, 2], "for these `received` may be said");
    journal
        .acknowledge(&[flowforge_journal::Ack::Orders { before: 2 }])
        .unwrap();
    journal.close().await;
    let (journal, _) = open(&config);
    assert_eq!(told(&journal), [2]);
    assert!(matches!(journal.seen(&job(2)), Ok(Some(_))));
    assert!(matches!(journal.seen(&job(3)), Ok(Some(_))));
}

#[tokio::test]
async fn a_waiting_run_is_due_and_says_what_for() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    for (n, due_ms) in [(1, Some(300)), (2, Some(200)), (3, None)] {
        let (mut log, _) = accept(&journal, n).await;
        log.append(Entry::lazy(next(&log)).waiting(due_ms, format!("for {n}")))
            .await
            .unwrap();
    }
    let (held, _) = accept(&journal, 4).await;
    for round in 0..2 {
        assert_eq!(journal.next_due_ms(), Some(200));
        assert_eq!(journal.due_before(199), []);
        assert_eq!(journal.due_before(300), [run(2), run(1)]);
        let waits = Standing::Waiting {
            due_ms: Some(300),
            about: b"for 1".to_vec(),
        };
        journal.flush().await.unwrap();
        assert_eq!(journal.standing(&run(1)).await.unwrap(), Some((waits, None)));
        let log = load(&journal, 2).await.log;
        assert_eq!(journal.due_before(300), [run(1)], "its holder sees to it");
        drop(log);
        if round == 0 {
            drop(held.run().clone());
        }
    }
    let rests = Standing::Resting {
        code: "FF-TEST-001".to_owned(),
        reason: "its release cannot be loaded".to_owned(),
    };
    journal
        .set_standing(&run(1), rests.clone())
        .await
        .unwrap()
        .unwrap();
    let long = Standing::Waiting {
        due_ms: None,
        about: vec![b'x'; 513],
    };
    assert!(journal.set_standing(&run(2), long).await.is_err());
    journal.close().await;
    let (journal, recovered) = open(&config);
    let states: Vec<_> = recovered.runs.iter().map(|head| head.state).collect();
    assert_eq!(
        states,
        [
            HeadState::Resting,
            HeadState::Waiting { due_ms: Some(200) },
            HeadState::Waiting { due_ms: None },
            HeadState::Running
        ]
    );
    assert_eq!(journal.standing(&run(1)).await.unwrap(), Some((rests, None)));
    assert_eq!(journal.due_before(u64::MAX - 1), [run(2)]);
    let mut log = load(&journal, 2).await.log;
    log.append(Entry::now(next(&log))).await.unwrap();
    drop(log);
    assert_eq!(journal.next_due_ms(), None, "a record says that it goes on");
}

#[tokio::test]
async fn a_forgotten_run_leaves_nothing_behind_but_that_it_was_here() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let (mut log, _) = accept(&journal, 1).await;
    let artefact = Upload::Artefact {
        digest: Digest::of(b"csv"),
        about: Vec::new(),
    };
    log.append(Entry::lazy(next(&log)).waiting(Some(5), "x").sending(artefact))
        .await
        .unwrap();
    crate::acts::deliver(&journal, 1, "cancel", 2).await;
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
    assert_eq!((stats.inbox_bytes, journal.next_due_ms()), (0, None));
    // One that nobody holds, too; and one that is not here is no mistake.
    drop(accept(&journal, 3).await);
    durable(journal.forget(&run(3), 1).await.unwrap().unwrap()).await;
    assert!(journal.forget(&run(3), 1).await.unwrap().is_none());
    journal.close().await;
    let (journal, recovered) = open(&config);
    assert!(recovered.runs.is_empty() && journal.knows(&run(1)) && journal.knows(&run(3)));
}

#[tokio::test]
async fn what_is_no_entry_is_refused_and_adds_nothing() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let (mut log, _) = accept(&journal, 1).await;
    let receipt = || Upload::Receipt { document: Vec::new() };
    for entry in [
        Entry::now("").ending(),
        Entry::now("").sending(receipt()),
        Entry::now(next(&log)).sending(receipt()),
        Entry::now(next(&log))
            .sending(receipt())
            .sending(receipt())
            .ending(),
    ] {
        let refused = log.append(entry).await;
        assert!(
            matches!(refused, Err(AppendError::Contradiction(_))),
            "{refused:?}"
        );
    }
    for wrong in [
        "x",
        "{\"seq\":1,",
        "{\"seq\":1,\"x\":1}\n\n",
        "\n",
        "{\"seq\":2,\"x\":1}\n",
    ] {
        let refused = log.append(Entry::now(wrong)).await;
        assert!(matches!(refused, Err(AppendError::Lines(_))), "{wrong:?}");
    }
    assert_eq!(log.next_seq(), 1);
}
