//! Large values of records: kept once, whoever holds them, and gone with the last run that does.

use std::sync::Arc;
use std::time::Duration;

use flowforge_journal::{Accepted, Ack, AppendError, Entry, JournalConfig, LoadError, Retention};
use flowforge_protocol::Digest;
use flowforge_protocol::chain::chain_start;
use redb::ReadableTable as _;

use crate::acts::{SEMANTICS, end_and_acknowledge, holding, load};
use crate::folder::config;
use crate::support::{accept, durable, new_run, open, run};

const VALUE: usize = 100 * 1024;

fn value(letter: char) -> Vec<u8> {
    format!("\"{}\"", letter.to_string().repeat(VALUE)).into_bytes()
}

/// A journal in which a run that is over leaves at once when all of it was sent.
fn short(config: &JournalConfig) -> JournalConfig {
    JournalConfig {
        retention: Retention {
            age: Duration::ZERO,
            ..Retention::default()
        },
        ..config.clone()
    }
}

#[tokio::test]
async fn fifty_records_with_the_same_value_hold_it_once() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let bytes = value('a');
    for n in 0..5 {
        let (mut log, _) = accept(&journal, n).await;
        for seq in 1..=10 {
            let ticket = log.append(holding(seq, &bytes)).await.unwrap();
            durable(ticket).await;
        }
    }
    let stored = journal.stats().stored_bytes;
    let once = VALUE as u64;
    assert!((once..once + once / 2).contains(&stored), "{stored} bytes");
    journal.close().await;
    let (journal, _) = open(&config);
    assert_eq!(
        journal.stats().stored_bytes,
        stored,
        "it counts once after a start, too"
    );
    let run = load(&journal, 3).await;
    assert_eq!(run.values.len(), 1);
    assert_eq!(run.values[&Digest::of(&bytes)], bytes);
}

#[tokio::test]
async fn a_value_stays_with_the_last_run_that_holds_it_and_goes_with_that() {
    let (_folder, config) = config();
    let config = short(&config);
    let (journal, _) = open(&config);
    let (bytes, digest) = (value('a'), Digest::of(&value('a')));
    let (mut first, _) = accept(&journal, 1).await;
    let (mut second, _) = accept(&journal, 2).await;
    first.append(holding(1, &bytes)).await.unwrap();
    second.append(holding(1, &bytes)).await.unwrap();
    end_and_acknowledge(&journal, first).await;
    journal.flush().await.unwrap();
    journal.flush().await.unwrap();
    assert_eq!(journal.stats().ended_runs, 0, "the first run went");
    assert_eq!(journal.value(&run(2), digest).await.unwrap(), Some(bytes.clone()));
    drop(second);
    journal.close().await;
    let (journal, recovered) = open(&config);
    assert!(recovered.damaged.is_empty(), "{:?}", recovered.damaged);
    let second = load(&journal, 2).await;
    assert_eq!(second.values[&digest], bytes);
    second.log.forget().await.unwrap();
    journal.flush().await.unwrap();
    assert_eq!(journal.value(&run(2), digest).await.unwrap(), None);
    assert_eq!(journal.stats().stored_bytes, 0);
}

#[tokio::test]
async fn what_is_sent_names_the_values_that_it_needs() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let (bytes, digest) = (value('a'), Digest::of(&value('a')));
    let (mut log, _) = accept(&journal, 1).await;
    log.append(holding(1, &bytes)).await.unwrap();
    log.append(holding(2, &bytes)).await.unwrap();
    journal.flush().await.unwrap();
    let uploads = journal.uploads(10, 1 << 20).await.unwrap();
    assert_eq!(uploads[0].values, [digest]);
    let sent: usize = uploads[0].batches.iter().map(|batch| batch.lines.len()).sum();
    assert!(sent < 2_000, "{sent} bytes of records");
}

/// Whoever gets a batch reads it with its values, so it is no larger with them than without large ones.
#[tokio::test]
async fn a_batch_is_bounded_with_its_values() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let (mut log, _) = accept(&journal, 1).await;
    let bytes = value('a');
    let mut whole = holding(1, &bytes);
    for seq in 2..=15 {
        whole.lines.extend(holding(seq, &bytes).lines);
    }
    log.append(whole).await.unwrap();
    for seq in 16..=30 {
        log.append(holding(seq, &bytes)).await.unwrap();
    }
    journal.flush().await.unwrap();
    let mut records = 0;
    while records < 31 {
        let uploads = journal.uploads(100, 8 << 20).await.unwrap();
        for batch in &uploads[0].batches {
            assert!((1..=11).contains(&batch.count), "{} records", batch.count);
            records += batch.count;
        }
        let through = uploads[0].batches.last().unwrap().next_seq() - 1;
        let run = run(1);
        journal.acknowledge(&[Ack::Records { run, through }]).unwrap();
    }
}

#[tokio::test]
async fn a_record_comes_with_the_values_that_it_holds() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let (mut log, _) = accept(&journal, 1).await;
    let whole = holding(1, &value('a'));
    let bare = Entry::lazy(whole.lines.clone());
    let refused = log.append(bare).await.unwrap_err();
    assert!(matches!(refused, AppendError::Contradiction(_)), "{refused}");
    log.append(whole).await.unwrap();
    // The run has it from now on, also after a start.
    log.append(Entry::lazy(holding(2, &value('a')).lines))
        .await
        .unwrap();
    drop(log);
    journal.close().await;
    let (journal, _) = open(&config);
    let mut log = load(&journal, 1).await.log;
    log.append(Entry::lazy(holding(3, &value('a')).lines))
        .await
        .unwrap();
}

#[tokio::test]
async fn values_count_against_the_limits_of_a_run_and_of_a_record() {
    let (_folder, mut config) = config();
    config.limits.run_bytes = 3 * VALUE as u64;
    let (journal, _) = open(&config);
    let (mut log, _) = accept(&journal, 1).await;
    log.append(holding(1, &value('a'))).await.unwrap();
    // Each record counts: whoever reads the run has the value once for each.
    log.append(holding(2, &value('a'))).await.unwrap();
    drop(log);
    journal.close().await;
    let (journal, _) = open(&config);
    let mut log = load(&journal, 1).await.log;
    let refused = log.append(holding(3, &value('a'))).await.unwrap_err();
    assert!(matches!(refused, AppendError::RunTooLarge { .. }), "{refused}");
    journal.close().await;
    config.limits.record_bytes = 1_000;
    let (journal, _) = open(&config);
    let mut log = load(&journal, 1).await.log;
    let refused = log.append(holding(3, &value('a'))).await.unwrap_err();
    assert!(matches!(refused, AppendError::RecordTooLarge { .. }), "{refused}");
}

/// Bytes that only runs hold which are over and sent are room for others.
#[tokio::test]
async fn finished_runs_go_for_the_bytes_of_their_values() {
    let (_folder, config) = config();
    let mut config = config;
    config.retention.bytes = 6 * VALUE as u64;
    let (journal, _) = open(&config);
    for n in 0..20_u8 {
        let (mut log, _) = accept(&journal, u64::from(n)).await;
        log.append(holding(1, &value(char::from(b'a' + n))))
            .await
            .unwrap();
        end_and_acknowledge(&journal, log).await;
    }
    journal.flush().await.unwrap();
    journal.flush().await.unwrap();
    let stats = journal.stats();
    assert!(stats.stored_bytes <= 7 * VALUE as u64, "{stats:?}");
    assert!(stats.ended_runs >= 3, "{stats:?}");
}

/// A value that is not what was written stops the runs that hold it, is never served, and can come again with another run.
#[tokio::test]
async fn a_damaged_value_concerns_the_runs_that_hold_it_and_can_come_again() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let bytes = value('a');
    let (mut log, _) = accept(&journal, 1).await;
    log.append(holding(1, &bytes)).await.unwrap();
    accept(&journal, 2).await;
    drop(log);
    journal.close().await;
    drop(journal);
    let db = redb::Database::open(&config.path).unwrap();
    let values = redb::TableDefinition::<&[u8], &[u8]>::new("values");
    let txn = db.begin_write().unwrap();
    {
        let mut table = txn.open_table(values).unwrap();
        let digest = Digest::of(&bytes);
        let key = &digest.as_bytes()[..];
        let mut changed = table.get(key).unwrap().unwrap().value().to_vec();
        changed[1_000] ^= 1;
        table.insert(key, &changed[..]).unwrap();
    }
    txn.commit().unwrap();
    drop(db);
    let (journal, recovered) = open(&config);
    let damaged: Vec<_> = recovered.damaged.iter().map(|damaged| &damaged.run).collect();
    assert_eq!(damaged, [&run(1)]);
    let refused = journal.load(&run(1), SEMANTICS).await.unwrap_err();
    assert!(matches!(refused, LoadError::Read(_)), "{refused}");
    let mut second = load(&journal, 2).await.log;
    durable(second.append(holding(1, &bytes)).await.unwrap()).await;
    journal.close().await;
    let (journal, recovered) = open(&config);
    assert!(recovered.damaged.is_empty(), "{:?}", recovered.damaged);
    assert_eq!(load(&journal, 1).await.values[&Digest::of(&bytes)], bytes);
}

/// A run that comes with records of elsewhere comes with their values.
#[tokio::test]
async fn a_run_can_begin_with_a_value() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let bytes = Arc::new(value('a'));
    let mut new = new_run(1);
    new.entry = holding(0, &bytes);
    journal.accept(crate::support::job(1), new).await.unwrap();
    journal.flush().await.unwrap();
    assert_eq!(
        journal.values(&run(1)).await.unwrap()[&Digest::of(&bytes)],
        *bytes
    );
}

/// What a workflow keeps on its site is not sent: records say how large it is, and their chain holds.
#[tokio::test]
async fn values_that_stay_are_kept_and_not_sent() {
    let (_folder, config) = config();
    let (journal, _) = open(&config);
    let mut new = new_run(1);
    new.values_stay = true;
    let accepted = journal.accept(crate::support::job(1), new).await.unwrap();
    let Accepted::New(mut log, _) = accepted else {
        panic!("the run is new")
    };
    let bytes = value('a');
    durable(log.append(holding(1, &bytes)).await.unwrap()).await;
    drop(log);
    journal.close().await;
    let (journal, _) = open(&config);
    let uploads = journal.uploads(10, 1 << 20).await.unwrap();
    assert!(uploads[0].values.is_empty());
    let sent: Vec<u8> = uploads[0]
        .batches
        .iter()
        .flat_map(|batch| batch.lines.clone())
        .collect();
    let sent = String::from_utf8(sent).unwrap();
    assert_eq!((sent.lines().count(), sent.matches("salt").count()), (2, 0));
    uploads[0].batches[0].verify(&chain_start(&run(1))).unwrap();
    let mut log = load(&journal, 1).await.log;
    durable(log.append(holding(2, &bytes)).await.unwrap()).await;
    journal.rewind(&run(1), 0).await.unwrap();
    journal.flush().await.unwrap();
    let uploads = journal.uploads(10, 1 << 20).await.unwrap();
    assert!(uploads[0].values.is_empty(), "also what came after a start");
}
