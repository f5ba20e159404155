//! Large values: here once, whoever holds them, before the records that do, and gone with the last run.

use flowforge_protocol::Digest;
use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::chain::{chain_start, keep_values, no_fetch, without_values};
use flowforge_protocol::pieces::{PIECE_BYTES_MAX, ValuePiece, ValuePieces};
use flowforge_protocol::record::{Event, Source};
use flowforge_store::{CheckedBatch, KeepError, MAX_UNUSED_BYTES, RejectCode};
use serde_json::{Value, json};

use crate::growth::keep;
use crate::kit::{Home, Open, Script, ended, host, ingest, new_run, run, scope};

const VALUE: usize = 100 * 1024;

pub(crate) fn large(letter: &str) -> Value {
    json!(letter.repeat(VALUE))
}

pub(crate) fn bytes_of(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

pub(crate) fn completed(node: &str, output: Value) -> Event {
    Event::Completed {
        step: node.parse().unwrap(),
        attempt: 1,
        output: output.into(),
        elapsed_us: 1,
        used: Vec::new(),
        source: Source::Step,
    }
}

/// The same batch as a host sends it: large values by their digests.
pub(crate) fn apart(batch: RecordBatch) -> RecordBatch {
    let mut keep = |bytes: &[u8]| Some(Digest::of(bytes));
    let lines = keep_values(&batch.lines, batch.first_seq, 32 * 1024, &mut keep).unwrap();
    RecordBatch { lines, ..batch }
}

fn piece(bytes: &[u8], from: usize, to: usize) -> ValuePiece {
    ValuePiece {
        value: Digest::of(bytes),
        bytes: bytes.len() as u64,
        from: from as u64,
        piece: bytes.get(from..to).unwrap().to_vec(),
    }
}

fn pieces(bytes: &[u8]) -> ValuePieces {
    let places = (0..bytes.len()).step_by(PIECE_BYTES_MAX);
    ValuePieces {
        asked: Vec::new(),
        pieces: places
            .map(|from| piece(bytes, from, bytes.len().min(from + PIECE_BYTES_MAX)))
            .collect(),
    }
}

fn asking(bytes: &[u8]) -> ValuePieces {
    ValuePieces {
        asked: vec![Digest::of(bytes)],
        pieces: Vec::new(),
    }
}

/// How much of a value is here, and whether it is all.
pub(crate) async fn there(open: &Open, bytes: &[u8]) -> (u64, bool) {
    let kept = open.store.keep_values(scope(), asking(bytes), 5).await.unwrap();
    let kept = kept.first().unwrap();
    assert_eq!(kept.value, Digest::of(bytes));
    (kept.through, kept.whole)
}

pub(crate) async fn bring(open: &Open, bytes: &[u8]) {
    open.store.keep_values(scope(), pieces(bytes), 5).await.unwrap();
    assert_eq!(there(open, bytes).await, (bytes.len() as u64, true));
}

/// Begins and ends a run that holds a value in so many records.
async fn over(open: &Open, n: u64, value: &Value, records: usize) {
    open.store.start_run(scope(), new_run(n, true)).await.unwrap();
    let mut script = Script::new(run(n));
    let mut batches = Vec::new();
    for _ in 0..records {
        batches.push(apart(script.batch(vec![completed("a", value.clone())])));
    }
    batches.push(script.batch(vec![ended(json!(1))]));
    let mut said = ingest(&host(1), batches);
    said.at_ms = n;
    let told = open.store.ingest(scope(), said).await.unwrap();
    assert!(told.rejected.is_empty(), "{told:?}");
}

fn outputs(batches: &[RecordBatch]) -> Vec<Option<Value>> {
    let records = batches.iter().flat_map(|batch| batch.records(&no_fetch));
    let output = |event| match event {
        Event::Completed { output, .. } => Some(output.content().map(|value| (**value).clone())),
        _ => None,
    };
    records
        .filter_map(|record| output(record.unwrap().event))
        .collect()
}

async fn database_bytes(home: &Home) -> u64 {
    let pieces = "select cast(coalesce(sum(length(bytes)), 0) as bigint) from value_piece";
    let lines = "select cast(coalesce(sum(length(lines)), 0) as bigint) from batch";
    u64::try_from(home.number(pieces).await + home.number(lines).await).unwrap()
}

#[tokio::test]
async fn fifty_records_with_the_same_value_hold_it_once_and_are_read_with_it() {
    let home = Home::new();
    let open = home.ready().await;
    let value = large("a");
    bring(&open, &bytes_of(&value)).await;
    over(&open, 1, &value, 50).await;
    let batches = open.store.batches(scope(), &run(1), 0, u64::MAX).await.unwrap();
    assert_eq!(outputs(&batches), vec![Some(value.clone()); 50]);
    let mut chain = chain_start(&run(1));
    for batch in &batches {
        batch.verify(&chain).unwrap();
        chain = batch.chain;
    }
    let stored = database_bytes(&home).await;
    assert!(stored < VALUE as u64 + 50_000, "{stored} bytes");
}

#[tokio::test]
async fn a_value_stays_with_the_last_run_that_holds_it_and_goes_with_that() {
    let home = Home::new();
    let open = home.ready().await;
    let (value, bytes) = (large("a"), bytes_of(&large("a")));
    bring(&open, &bytes).await;
    over(&open, 1, &value, 2).await;
    over(&open, 2, &value, 1).await;
    let first = flowforge_store::Keep {
        ended_since_ms: 2,
        unreceipted_since_ms: 9,
        values_since_ms: u64::MAX >> 1,
        ..keep()
    };
    assert_eq!(open.store.collect(scope(), first).await.unwrap().runs, [run(1)]);
    let batches = open.store.batches(scope(), &run(2), 0, u64::MAX).await.unwrap();
    assert_eq!(outputs(&batches), [Some(value)]);
    let both = flowforge_store::Keep {
        ended_since_ms: 3,
        ..first
    };
    assert_eq!(open.store.collect(scope(), both).await.unwrap().runs, [run(2)]);
    assert_eq!(there(&open, &bytes).await, (0, false));
}

#[tokio::test]
async fn a_transfer_goes_on_where_it_stopped_and_counts_when_all_is_there_and_fits() {
    let home = Home::new();
    let open = home.ready().await;
    let bytes = bytes_of(&large("a"));
    let call = |from, to| ValuePieces {
        asked: Vec::new(),
        pieces: vec![piece(&bytes, from, to)],
    };
    open.store.keep_values(scope(), call(0, 40_000), 5).await.unwrap();
    assert_eq!(there(&open, &bytes).await, (40_000, false));
    // The answer was lost, and one that is not the next comes.
    open.store.keep_values(scope(), call(0, 40_000), 5).await.unwrap();
    open.store
        .keep_values(scope(), call(50_000, 60_000), 5)
        .await
        .unwrap();
    assert_eq!(there(&open, &bytes).await, (40_000, false));
    open.close().await;
    let open = home.open().await;
    assert_eq!(there(&open, &bytes).await, (40_000, false));
    open.store
        .keep_values(scope(), call(40_000, bytes.len()), 5)
        .await
        .unwrap();
    assert_eq!(there(&open, &bytes).await, (bytes.len() as u64, true));
    open.store.keep_values(scope(), pieces(&bytes), 5).await.unwrap();
    assert_eq!(there(&open, &bytes).await, (bytes.len() as u64, true));
    // Bytes of another value are found out at the end, and begin anew.
    let other = bytes_of(&large("b"));
    let mut wrong = pieces(&other);
    wrong.pieces[0].piece[7] ^= 1;
    let refused = open.store.keep_values(scope(), wrong, 5).await.unwrap_err();
    assert!(matches!(refused, KeepError::Refused { .. }), "{refused}");
    assert_eq!(there(&open, &other).await, (0, false));
    bring(&open, &other).await;
}

#[tokio::test]
async fn records_are_not_taken_before_the_values_that_they_hold() {
    let home = Home::new();
    let open = home.ready().await;
    let (value, bytes) = (large("a"), bytes_of(&large("a")));
    open.store.start_run(scope(), new_run(1, true)).await.unwrap();
    let mut script = Script::new(run(1));
    let batch = apart(script.batch(vec![completed("a", value.clone())]));
    for brought in [0, 40_000] {
        if brought > 0 {
            let some = ValuePieces {
                asked: Vec::new(),
                pieces: vec![piece(&bytes, 0, brought)],
            };
            open.store.keep_values(scope(), some, 5).await.unwrap();
        }
        let told = open
            .store
            .ingest(scope(), ingest(&host(1), vec![batch.clone()]))
            .await
            .unwrap();
        assert_eq!(told.rejected[0].code, RejectCode::MissingValue);
        assert_eq!(told.acknowledged, [(run(1), None)]);
        assert!(
            open.store
                .batches(scope(), &run(1), 0, 1)
                .await
                .unwrap()
                .is_empty()
        );
    }
    let rest = ValuePieces {
        asked: Vec::new(),
        pieces: vec![piece(&bytes, 40_000, bytes.len())],
    };
    open.store.keep_values(scope(), rest, 5).await.unwrap();
    let told = open
        .store
        .ingest(scope(), ingest(&host(1), vec![batch]))
        .await
        .unwrap();
    assert!(told.rejected.is_empty(), "{told:?}");
    let batches = open.store.batches(scope(), &run(1), 0, 1).await.unwrap();
    assert_eq!(outputs(&batches), [Some(value)]);
}

/// Values that stay on their site never come; the records are stored, verify, and say how large each is.
#[tokio::test]
async fn records_without_their_values_are_stored_and_verify() {
    let home = Home::new();
    let open = home.ready().await;
    open.store.start_run(scope(), new_run(1, true)).await.unwrap();
    let mut script = Script::new(run(1));
    let whole = script.batch(vec![completed("a", large("a"))]);
    let bare = RecordBatch {
        lines: without_values(&whole.lines, 0).unwrap(),
        ..whole
    };
    let told = open
        .store
        .ingest(scope(), ingest(&host(1), vec![bare]))
        .await
        .unwrap();
    assert!(told.rejected.is_empty(), "{told:?}");
    let batches = open.store.batches(scope(), &run(1), 0, 1).await.unwrap();
    batches[0].verify(&chain_start(&run(1))).unwrap();
    assert_eq!(outputs(&batches), [None]);
    let record = batches[0].records(&no_fetch).next().unwrap().unwrap();
    let Event::Completed { output, .. } = record.event else {
        panic!("the record is the step's end")
    };
    assert_eq!(output.reference().unwrap().bytes, VALUE as u64 + 2);
}

/// A few bytes of lines could stand for more than anybody can read at once.
#[tokio::test]
async fn a_batch_is_bounded_with_its_values() {
    let home = Home::new();
    let open = home.ready().await;
    let value = large("a");
    bring(&open, &bytes_of(&value)).await;
    for (records, refused) in [(40, false), (41, true)] {
        open.store
            .start_run(scope(), new_run(records, true))
            .await
            .unwrap();
        let events = (0..records).map(|_| completed("a", value.clone())).collect();
        let batch = apart(Script::new(run(records)).batch(events));
        let told = open
            .store
            .ingest(scope(), ingest(&host(1), vec![batch]))
            .await
            .unwrap();
        let codes: Vec<_> = told.rejected.iter().map(|rejected| rejected.code).collect();
        assert_eq!(codes == [RejectCode::TooLarge], refused, "{records}: {codes:?}");
    }
    let stored = open.store.run(scope(), &run(40)).await.unwrap().unwrap();
    let batches = open.store.batches(scope(), &run(40), 0, 1).await.unwrap();
    assert!(
        stored.bytes > batches[0].lines.len() as u64,
        "{} bytes",
        stored.bytes
    );
}

#[tokio::test]
async fn a_large_result_of_a_run_is_shown_with_it() {
    let home = Home::new();
    let open = home.ready().await;
    let (value, bytes) = (large("a"), bytes_of(&large("a")));
    bring(&open, &bytes).await;
    open.store.start_run(scope(), new_run(1, true)).await.unwrap();
    let batch = apart(Script::new(run(1)).batch(vec![completed("a", json!(1)), ended(value.clone())]));
    let wanted = CheckedBatch::wanted(&batch);
    assert_eq!(wanted, [Digest::of(&bytes)]);
    let values = open.store.values(scope(), wanted, u64::MAX).await.unwrap();
    let fetch = |digest: &Digest| values.get(digest).cloned();
    let mut said = ingest(&host(1), Vec::new());
    said.batches
        .push(CheckedBatch::with_values(batch, &fetch).unwrap());
    open.store.ingest(scope(), said).await.unwrap();
    let stored = open.store.run(scope(), &run(1)).await.unwrap().unwrap();
    let outcome: Value = serde_json::from_str(&stored.texts.outcome.unwrap()).unwrap();
    assert_eq!(outcome["output"], value);
}

#[tokio::test]
async fn values_that_no_run_holds_are_bounded_and_go_after_a_while() {
    let home = Home::new();
    let open = home.ready().await;
    let size = 2 * 1024 * 1024;
    let value = |n: u64| bytes_of(&json!(format!("{n:03}{}", "x".repeat(size))));
    let fits = MAX_UNUSED_BYTES / (size as u64 + 5);
    for n in 0..fits {
        bring(&open, &value(n)).await;
    }
    let refused = open
        .store
        .keep_values(scope(), pieces(&value(fits)), 9)
        .await
        .unwrap_err();
    assert!(matches!(refused, KeepError::NoRoom), "{refused}");
    let later = flowforge_store::Keep {
        values_since_ms: 10,
        ..keep()
    };
    open.store.collect(scope(), later).await.unwrap();
    assert_eq!(there(&open, &value(0)).await, (0, false));
    bring(&open, &value(fits)).await;
    let mut too_large = piece(&value(0), 0, 100);
    too_large.bytes = 5 << 20;
    let call = ValuePieces {
        asked: Vec::new(),
        pieces: vec![too_large],
    };
    let refused = open.store.keep_values(scope(), call, 9).await.unwrap_err();
    assert!(matches!(refused, KeepError::Refused { .. }), "{refused}");
}

/// The oldest runs above the bound of bytes go; a value counts for the last run that holds it.
#[tokio::test]
async fn the_bytes_of_values_count_for_retention() {
    let home = Home::new();
    let open = home.ready().await;
    let (shared, own) = (large("a"), large("b"));
    bring(&open, &bytes_of(&shared)).await;
    bring(&open, &bytes_of(&own)).await;
    over(&open, 1, &own, 1).await;
    over(&open, 2, &shared, 1).await;
    over(&open, 3, &shared, 1).await;
    let bound = flowforge_store::Keep {
        ended_bytes_max: 150_000,
        unreceipted_since_ms: 9,
        young_since_ms: 9,
        ..keep()
    };
    assert_eq!(open.store.collect(scope(), bound).await.unwrap().runs, [run(1)]);
    assert_eq!(there(&open, &bytes_of(&own)).await, (0, false));
    assert_eq!(open.store.collect(scope(), bound).await.unwrap().runs, []);
}
