//! Large values of a run: kept once, sent once and in pieces, and the same wherever the run goes on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flowforge_host::clock::ManualClock;
use flowforge_protocol::chain::{chain_start, without_values};
use flowforge_protocol::job::{Job, Order, ResumeOrder};
use flowforge_protocol::record::{Event, Outcome};
use flowforge_protocol::{Digest, RunId};
use serde_json::{Value, json};

use crate::connectors::Scripts;
use crate::plane::Stored;
use crate::runs::{outcome, publish};
use crate::waiting::{asleep, fall_asleep, open};
use crate::world::World;

/// Every item makes the same large value.
const MANY: &str = "
workflow: many
nodes:
  each:
    foreach: input.items
    as: item
    parallel: 1
    do:
      one: { call: test:scripts/big, with: { bytes: \"${input.bytes}\" } }
output: { n: \"${each.size()}\" }
";

/// Makes a large value, waits, and gives it back.
const WAITING: &str = "
workflow: keeping
nodes:
  make: { call: test:scripts/big, with: { bytes: \"${input.bytes}\" } }
  pause: { after: make, wait: { for: 1h } }
output: { text: \"${make.text}\" }
";

const KIB: u64 = 1024;

fn text(bytes: u64) -> String {
    "0123456789abcdef".repeat(usize::try_from(bytes / 16).expect("small"))
}

fn scripts() -> Scripts {
    Scripts::default().pure("big", |call| {
        let bytes = call.input["bytes"].as_u64().expect("a number");
        Ok(json!({ "text": text(bytes) }))
    })
}

fn world() -> (World, ManualClock) {
    let clock = ManualClock::at(1_800_000_000_000);
    let mut world = World::new(scripts());
    world.clock = Arc::new(clock.clone());
    (world, clock)
}

fn output(stored: &Stored) -> Value {
    match outcome(stored) {
        Outcome::Done { output } => output.shown(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_value_in_fifty_records_is_kept_and_sent_once() {
    let world = World::new(scripts());
    let published = publish(&world.plane, MANY);
    let host = world.start();
    let items: Vec<u8> = (0..50).collect();
    let input = json!({ "items": items, "bytes": 100 * KIB });
    let run = world.plane.start(&published, 1, input, world.now());
    let stored = world.plane.ended(&run).await;
    assert_eq!(output(&stored), json!({ "n": 50 }));
    let held = stored.records().into_iter().filter(|record| match &record.event {
        Event::Completed { output, .. } => output.shown()["text"] == text(100 * KIB),
        _ => false,
    });
    assert_eq!(held.count(), 50);
    world.plane.prove(&published, &stored);
    let sent: Vec<u64> = world
        .plane
        .with_quietly(|state| state.pieces.values().copied().collect());
    // The value of a step, and the list of all of them that the loop gives.
    assert_eq!(sent.first(), Some(&1), "{sent:?}");
    let large: u64 = world
        .plane
        .with_quietly(|state| state.values.values().map(|value| value.len() as u64).sum());
    let kept = host.handle.status().journal.bytes;
    assert!(
        kept < large + 150 * KIB,
        "{kept} bytes are kept, {large} of values"
    );
    host.drain().await;
}

/// The journal and the line carried every value with each of its records.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_left_memory_with_a_large_value_gives_the_same_output() {
    let (world, clock) = world();
    let published = publish(&world.plane, WAITING);
    let host = world.start();
    let input = json!({ "bytes": 100 * KIB });
    let run = world.plane.start(&published, 1, input, world.now());
    fall_asleep(&host, &clock, 1).await;
    host.drain().await;
    let host = world.start();
    asleep(&host, 1).await;
    clock.advance(Duration::from_hours(1));
    let stored = world.plane.ended(&run).await;
    assert_eq!(output(&stored), json!({ "text": text(100 * KIB) }));
    world.plane.prove(&published, &stored);
    host.drain().await;
}

/// Many steps, a large value among them; then it waits, and gives the value back.
const LONG: &str = "
workflow: long
nodes:
  make: { call: test:scripts/big, with: { bytes: \"${input.bytes}\" } }
  each:
    after: make
    foreach: \"[1, 2, 3, 4, 5, 6, 7, 8]\"
    as: item
    do:
      one: { set: { n: \"${item}\" } }
  pause: { after: each, wait: { for: 1h } }
output: { text: \"${make.text}\" }
";

/// A waiting run had each large value twice in the journal: beside its record, and in its snapshot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_names_the_large_values_and_the_run_goes_on_from_it() {
    let (world, clock) = world();
    let published = publish(&world.plane, LONG);
    let host = world.start();
    let input = json!({ "bytes": 100 * KIB });
    let run = world.plane.start(&published, 1, input, world.now());
    fall_asleep(&host, &clock, 1).await;
    host.drain().await;
    let (journal, opened) = open(&world, &run).await;
    let snapshot = opened.snapshot.as_ref().expect("it was written down as a whole");
    let bytes = snapshot.bytes.len();
    assert!(bytes < 32 * 1024, "{bytes} bytes for a state that holds 100 KiB");
    assert!(opened.lines.is_empty(), "nothing is read besides");
    drop(opened);
    journal.close().await;
    drop(journal);
    let host = world.start();
    asleep(&host, 1).await;
    clock.advance(Duration::from_hours(1));
    let stored = world.plane.ended(&run).await;
    assert_eq!(output(&stored), json!({ "text": text(100 * KIB) }));
    world.plane.prove(&published, &stored);
    host.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_that_was_cut_goes_on_where_it_stopped() {
    let (world, clock) = world();
    let published = publish(&world.plane, WAITING);
    world.plane.with(|state| state.pieces_left = Some(2));
    let host = world.start();
    let input = json!({ "bytes": 900 * KIB });
    let run = world.plane.start(&published, 1, input, world.now());
    world.plane.until(|state| state.pieces_left == Some(0)).await;
    let is_shown = |state: &crate::plane::State| {
        let stored = state.runs.get(&run);
        stored.is_some_and(|stored| stored.records().len() > 2)
    };
    assert!(
        !world.plane.with_quietly(|state| is_shown(state)),
        "no record is there before the value that it holds"
    );
    host.halt().await;
    world.plane.with(|state| state.pieces_left = None);
    let host = world.start();
    fall_asleep(&host, &clock, 1).await;
    clock.advance(Duration::from_hours(1));
    let stored = world.plane.ended(&run).await;
    assert_eq!(output(&stored), json!({ "text": text(900 * KIB) }));
    // The plane refuses a piece that is not the next one; four of them make the value.
    let value = Digest::of(&serde_json::to_vec(&json!({ "text": text(900 * KIB) })).unwrap());
    assert_eq!(world.plane.with_quietly(|state| state.pieces[&value]), 4);
    host.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_went_there_is_sent_again() {
    let world = World::new(scripts());
    let published = publish(&world.plane, MANY);
    let host = world.start();
    let input = json!({ "items": [1], "bytes": 100 * KIB });
    let first = world.plane.start(&published, 1, input.clone(), world.now());
    world.plane.ended(&first).await;
    world.plane.with(|state| state.values.clear());
    let second = world.plane.start(&published, 2, input, world.now());
    let stored = world.plane.ended(&second).await;
    assert_eq!(output(&stored), json!({ "n": 1 }));
    world.plane.prove(&published, &stored);
    host.drain().await;
}

/// Records that come from the control plane hold their values beside them; here they are kept once again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_goes_on_elsewhere_with_its_large_values() {
    let (world, clock) = world();
    let published = publish(&world.plane, WAITING);
    let host = world.start();
    let run = RunId::from_entropy([1; 16]);
    world
        .plane
        .start(&published, 1, json!({ "bytes": 100 * KIB }), world.now());
    fall_asleep(&host, &clock, 1).await;
    let waits = |stored: &Stored| {
        let last = stored.records().pop();
        last.is_some_and(|record| matches!(record.event, Event::AwaitOpened { .. }))
    };
    world
        .plane
        .until(|state| state.runs.get(&run).is_some_and(waits))
        .await;
    host.drain().await;
    std::fs::remove_file(world.config().data_dir.join("journal.redb")).expect("removed");
    let host = world.start();
    let prefix = world.plane.with(|state| state.runs[&run].prefix());
    let order = Order::Resume(Box::new(ResumeOrder {
        release: published.release,
        grants: published.grants,
        prefix,
        lease_ms: None,
        reuse: None,
        given: BTreeMap::new(),
    }));
    let job = world.plane.job(&run, order, world.now());
    world.plane.deliver(&Job { epoch: 2, ..job });
    fall_asleep(&host, &clock, 1).await;
    clock.advance(Duration::from_hours(1));
    let stored = world.plane.ended(&run).await;
    assert_eq!(output(&stored), json!({ "text": text(100 * KIB) }));
    world.plane.prove_at(&published, &stored, 2);
    host.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_threshold_can_be_set_and_records_verify_without_any_value() {
    let mut world = World::new(scripts());
    world.limits.max_inline_bytes = 1024;
    let published = publish(&world.plane, MANY);
    let host = world.start();
    let input = json!({ "items": [1], "bytes": 2 * KIB });
    let run = world.plane.start(&published, 1, input, world.now());
    let mut stored = world.plane.ended(&run).await;
    assert!(world.plane.with_quietly(|state| !state.values.is_empty()));
    world.plane.prove(&published, &stored);
    // As it is after they were erased, or on a plane that never gets them.
    let mut chain = chain_start(&run);
    for batch in &mut stored.batches {
        batch.lines = without_values(&batch.lines, batch.first_seq).unwrap();
        batch.verify(&chain).unwrap();
        chain = batch.chain;
    }
    world.plane.prove(&published, &stored);
    host.drain().await;
}

/// `values: stay` was said in the release and kept by nobody: every value went up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_that_stay_on_the_site_are_not_sent_and_the_run_goes_on_with_them() {
    let (world, clock) = world();
    let staying = WAITING.replacen("nodes:", "values: stay\nnodes:", 1);
    let published = publish(&world.plane, &staying);
    let host = world.start();
    let input = json!({ "bytes": 100 * KIB });
    let run = world.plane.start(&published, 1, input, world.now());
    fall_asleep(&host, &clock, 1).await;
    host.drain().await;
    let host = world.start();
    asleep(&host, 1).await;
    clock.advance(Duration::from_hours(1));
    let stored = world.plane.ended(&run).await;
    let sent = String::from_utf8(stored.lines()).expect("JSON");
    assert!(!sent.contains("0123456789abcdef") && !sent.contains("\"salt\""));
    assert!(world.plane.with_quietly(|state| state.values.is_empty()));
    let Outcome::Done { output } = outcome(&stored) else {
        panic!("the run is done")
    };
    let whole = serde_json::to_vec(&json!({ "text": text(100 * KIB) })).expect("JSON");
    assert_eq!(output.reference().expect("sealed").bytes, whole.len() as u64);
    world.plane.prove(&published, &stored);
    host.drain().await;
}
