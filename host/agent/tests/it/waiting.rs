//! Runs that wait: they leave memory, are shown, take no place, and go on when something comes.

use std::sync::Arc;
use std::time::Duration;

use flowforge_failpoints::FailPoints;
use flowforge_host::clock::{Clock as _, ManualClock};
use flowforge_journal::{Entry, Journal, JournalConfig, OpenRun, Snapshot};
use flowforge_protocol::RunId;
use flowforge_protocol::record::Outcome;
use flowforge_workflow::run::SEMANTICS;
use serde_json::json;

use crate::runs::{ASKING, PURE, outcome, publish, scripts};
use crate::world::{Running, World};

/// Longer than a waiting run stays in memory.
const LONG: Duration = Duration::from_secs(2);

const LOOPING: &str = "
workflow: looping
nodes:
  each:
    foreach: input.items
    as: item
    parallel: 1
    do:
      one: { call: test:scripts/add, with: { n: \"${item}\" } }
  confirm:
    after: each
    approval: { title: Really?, approvers: [duty], expires: 1h }
output: { n: \"${each.size()}\" }
";

fn world() -> (World, ManualClock) {
    let clock = ManualClock::at(1_800_000_000_000);
    let mut world = World::new(scripts());
    world.clock = Arc::new(clock.clone());
    (world, clock)
}

/// Returns when so many runs are in the journal alone.
pub(crate) async fn asleep(host: &Running, count: u64) {
    while host.handle.status().runs.asleep != count {
        tokio::task::yield_now().await;
    }
}

/// Lets the time pass that a waiting run stays in memory, until so many have left it.
pub(crate) async fn fall_asleep(host: &Running, clock: &ManualClock, count: u64) {
    while host.handle.status().runs.asleep != count {
        clock.advance(LONG);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Each waiting run kept its task and its state: 10,000 of them took 220 MiB, and then the host took no new work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_waits_leaves_memory_and_takes_no_place() {
    let (mut world, clock) = world();
    world.limits.max_runs = 1;
    let asking = publish(&world.plane, ASKING);
    let pure = publish(&world.plane, PURE);
    let host = world.start();
    let run = world.plane.start(&asking, 1, json!({}), world.now());
    let question = world.plane.question(&run).await;
    fall_asleep(&host, &clock, 1).await;
    let status = host.handle.status();
    assert_eq!((status.runs.waiting_approval, status.runs.total()), (1, 1));
    assert_eq!(status.standing[0].about, "approval of step confirm");
    assert!(!status.busy);
    let other = world.plane.start(&pure, 2, json!({"n": 1}), world.now());
    world.plane.prove(&pure, &world.plane.ended(&other).await);
    // After a restart it is shown, and still not read.
    host.drain().await;
    let host = world.start();
    asleep(&host, 1).await;
    while host.handle.status().runs.waiting_approval == 0 {
        tokio::task::yield_now().await;
    }
    let status = host.handle.status();
    assert_eq!(status.standing[0].about, "approval of step confirm");
    assert_eq!((status.resumed.runs, status.resumed.records), (1, 3));
    world.plane.decide(&run, question, true, world.now());
    world.plane.prove(&asking, &world.plane.ended(&run).await);
    host.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_that_wait_are_bounded_too() {
    let (mut world, clock) = world();
    world.limits.max_waiting = 1;
    let asking = publish(&world.plane, ASKING);
    let host = world.start();
    let run = world.plane.start(&asking, 1, json!({}), world.now());
    let question = world.plane.question(&run).await;
    fall_asleep(&host, &clock, 1).await;
    assert!(host.handle.status().busy);
    world.plane.decide(&run, question, true, world.now());
    world.plane.ended(&run).await;
    while host.handle.status().busy {
        tokio::task::yield_now().await;
    }
    host.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_time_wakes_a_run_also_one_that_slept_when_the_host_started() {
    let (world, clock) = world();
    let published = publish(
        &world.plane,
        "workflow: waiting\nnodes:\n  pause: { wait: { for: 1h } }\noutput: { n: 1 }\n",
    );
    let host = world.start();
    let runs: Vec<RunId> = (1..=3)
        .map(|n| world.plane.start(&published, n, json!({}), world.now()))
        .collect();
    fall_asleep(&host, &clock, 3).await;
    let status = host.handle.status();
    assert_eq!(status.runs.waiting_timer, 3);
    assert!(
        status.standing[0].about.starts_with("time until 2027-"),
        "{status:?}"
    );
    host.drain().await;
    let host = world.start();
    asleep(&host, 3).await;
    clock.advance(Duration::from_hours(1));
    for run in runs {
        world.plane.prove(&published, &world.plane.ended(&run).await);
    }
    host.drain().await;
}

/// A run falls asleep and is answered at the same moment, again and again: no answer is missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_comes_while_a_run_falls_asleep_is_heard() {
    let (world, clock) = world();
    let asking = publish(&world.plane, ASKING);
    let host = world.start();
    for n in 1..=60 {
        let run = world.plane.start(&asking, n, json!({}), world.now());
        let question = world.plane.question(&run).await;
        world.plane.decide(&run, question, true, world.now());
        // More and less of the decision's way is over when the run's time in memory is.
        for _ in 0..n {
            tokio::task::yield_now().await;
        }
        clock.advance(LONG);
        let stored = world.plane.ended(&run).await;
        assert!(matches!(outcome(&stored), Outcome::Done { .. }));
    }
    host.drain().await;
}

/// The run, as the journal of a host that is stopped gives it.
pub(crate) async fn open(world: &World, run: &RunId) -> (Journal, OpenRun) {
    let path = world.config().data_dir.join("journal.redb");
    let (journal, _) = Journal::open(JournalConfig::at(path, [0; 16]), FailPoints::inert()).expect("opens");
    let open = journal.load(run, SEMANTICS).await.expect("loads");
    (journal, open)
}

/// A run of a thousand records was read and replayed from its beginning each time it went on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_run_goes_on_from_its_snapshot_and_without_it_from_its_records() {
    let (world, clock) = world();
    let published = publish(&world.plane, LOOPING);
    let host = world.start();
    let items: Vec<u32> = (0..400).collect();
    let run = world
        .plane
        .start(&published, 1, json!({"items": items}), world.now());
    let question = world.plane.question(&run).await;
    fall_asleep(&host, &clock, 1).await;
    host.drain().await;
    let (journal, mut opened) = open(&world, &run).await;
    let snapshot = opened
        .snapshot
        .take()
        .expect("the run was written down as a whole");
    assert!(
        snapshot.seq > 400 && opened.lines.is_empty(),
        "nothing is read besides"
    );
    // One that is not what this program writes is no harm.
    let other = Snapshot {
        bytes: b"something else".to_vec(),
        ..snapshot
    };
    let entry = Entry::default().with_snapshot(other).waiting(None, *b"p");
    opened.log.append(entry).await.expect("stored");
    drop(opened);
    journal.close().await;
    drop(journal);
    let host = world.start();
    asleep(&host, 1).await;
    world.plane.decide(&run, question, true, world.now());
    let stored = world.plane.ended(&run).await;
    assert_eq!(
        outcome(&stored),
        Outcome::Done {
            output: json!({"n": 400}).into()
        }
    );
    world.plane.prove(&published, &stored);
    assert!(clock.now_ms() > 0);
    host.drain().await;
}

/// A run that another host has now went on sleeping here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sleeping_run_that_belongs_to_another_host_goes() {
    let (world, clock) = world();
    let asking = publish(&world.plane, ASKING);
    let host = world.start();
    world.plane.with(|state| state.offline_uploads = true);
    let run = world.plane.start(&asking, 1, json!({}), world.now());
    fall_asleep(&host, &clock, 1).await;
    let verdict = flowforge_protocol::sync::RejectCode::NotOwner;
    world.plane.with(|state| {
        state.verdicts.insert(run.clone(), verdict);
        state.offline_uploads = false;
    });
    while host.handle.status().runs.total() > 0 {
        tokio::task::yield_now().await;
    }
    host.drain().await;
}
