//! Runs from job to receipt.

use std::sync::Arc;
use std::time::Duration;

use flowforge_host::clock::{Clock, ManualClock};
use flowforge_ports::Effect;
use flowforge_protocol::record::{Event, Outcome};
use flowforge_protocol::sync::RejectCode;
use flowforge_protocol::{Failure, FailureKind};
use serde_json::{Value, json};

use crate::connectors::{Scripts, bytes};
use crate::plane::{Plane, Published, Stored};
use crate::world::World;

pub(crate) const PURE: &str = "
workflow: pure
nodes:
  one: { call: test:scripts/add, with: { n: \"${input.n}\" } }
  two: { call: test:scripts/add, with: { n: \"${one}\" } }
  three: { call: test:scripts/add, with: { n: \"${two}\" } }
output: { n: \"${three}\" }
";

pub(crate) const ASKING: &str = "
workflow: asking
nodes:
  before: { call: test:scripts/add, with: { n: 1 } }
  confirm:
    after: before
    approval: { title: Really?, show: \"${before}\", approvers: [duty], expires: 1h }
  post: { after: confirm, call: test:scripts/post, with: { n: 2 } }
output: { n: \"${before}\" }
";

pub(crate) fn scripts() -> Scripts {
    Scripts::default()
        .pure("add", |call| Ok(json!(call.input["n"].as_i64().unwrap_or(0) + 1)))
        .effectful(
            "post",
            Effect::Keyed {
                retention_ms: 86_400_000,
            },
        )
}

pub(crate) fn publish(plane: &Plane, source: &str) -> Published {
    plane.publish(source, &[("test:scripts", bytes())])
}

pub(crate) fn outcome(stored: &Stored) -> Outcome {
    match stored.records().pop().map(|record| record.event) {
        Some(Event::Ended { outcome }) => outcome,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn count(stored: &Stored, so: impl Fn(&Event) -> bool) -> usize {
    stored.records().iter().filter(|record| so(&record.event)).count()
}

#[tokio::test]
async fn a_pure_run_is_recorded_in_one_commit_and_its_receipt_holds() {
    let world = World::new(scripts());
    let published = publish(&world.plane, PURE);
    let host = world.start();
    // The first run fetches the release; the second shows what a run costs.
    let first = world.plane.start(&published, 1, json!({"n": 1}), world.now());
    world.plane.ended(&first).await;
    let stored = world.plane.with(|state| state.runs[&first].clone());
    assert_eq!(
        outcome(&stored),
        Outcome::Done {
            output: json!({"n": 4}).into()
        }
    );
    assert_eq!(
        count(&stored, |event| matches!(event, Event::Intent { .. })),
        0,
        "nothing was done outside"
    );
    world.plane.prove(&published, &stored);
    let second = world.plane.start(&published, 2, json!({"n": 5}), world.now());
    let stored = world.plane.ended(&second).await;
    assert_eq!(stored.batches.len(), 1, "a run of pure steps leaves in one piece");
    world.plane.prove(&published, &stored);
    world.plane.until(|state| state.received.len() == 2).await;
    host.drain().await;
}

#[tokio::test]
async fn an_effect_comes_after_its_intent_and_a_person_is_asked() {
    let scripts = scripts();
    let world = World::new(scripts.clone());
    let published = publish(&world.plane, ASKING);
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    let question = world.plane.question(&run).await;
    let status = host.handle.status();
    assert_eq!(
        (status.runs.waiting_approval, status.runs.total()),
        (1, 1),
        "{status:?}"
    );
    assert!(scripts.ledger().is_empty(), "nothing before the answer");
    // A stop in order while it waits, and a second host process on the same folder.
    host.drain().await;
    let host = world.start();
    world.plane.decide(&run, question, true, world.now());
    let stored = world.plane.ended(&run).await;
    assert_eq!(
        outcome(&stored),
        Outcome::Done {
            output: json!({"n": 2}).into()
        }
    );
    let ledger = scripts.ledger();
    assert_eq!(ledger.len(), 1);
    assert_eq!(count(&stored, |event| matches!(event, Event::Intent { .. })), 1);
    assert_eq!(scripts.calls(), ["before", "post"], "nothing was called twice");
    world.plane.prove(&published, &stored);
    assert_eq!(host.handle.status().resumed.runs, 1);
    host.drain().await;
}

#[tokio::test]
async fn a_no_ends_the_run_as_rejected_and_a_late_answer_changes_nothing() {
    let world = World::new(scripts());
    let published = publish(&world.plane, ASKING);
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    let question = world.plane.question(&run).await;
    world.plane.decide(&run, question.clone(), false, world.now());
    let stored = world.plane.ended(&run).await;
    assert!(matches!(outcome(&stored), Outcome::Rejected { .. }));
    world.plane.decide(&run, question, true, world.now());
    // The late order is answered, so that it does not come again, and adds nothing.
    world.plane.until(|state| state.received.len() == 3).await;
    assert_eq!(
        world.plane.with(|state| state.runs[&run].records().len()),
        stored.records().len()
    );
    host.drain().await;
}

#[tokio::test]
async fn a_wait_ends_at_its_time_also_over_a_restart() {
    let clock = ManualClock::at(1_800_000_000_000);
    let mut world = World::new(scripts());
    world.clock = Arc::new(clock.clone());
    let published = publish(
        &world.plane,
        "
workflow: waiting
nodes:
  pause: { wait: { for: 1h } }
  then: { after: pause, call: test:scripts/add, with: { n: 1 } }
output: { n: \"${then}\" }
",
    );
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    // Held records go after their time on this clock.
    let waits = || {
        world.plane.with(|state| {
            state
                .runs
                .get(&run)
                .is_some_and(|s| count(s, |e| matches!(e, Event::AwaitOpened { .. })) == 1)
        })
    };
    world
        .plane
        .until(|state| {
            state
                .runs
                .get(&run)
                .is_some_and(|s| count(s, |e| matches!(e, Event::AwaitOpened { .. })) == 1)
        })
        .await;
    assert!(waits());
    clock.advance(Duration::from_secs(3_599));
    host.drain().await;
    let fired = |stored: &Stored| count(stored, |event| matches!(event, Event::AwaitClosed { .. }));
    assert_eq!(world.plane.with(|state| fired(&state.runs[&run])), 0, "early");
    let host = world.start();
    clock.advance(Duration::from_secs(1));
    let stored = world.plane.ended(&run).await;
    assert_eq!(fired(&stored), 1);
    let times: Vec<_> = stored.records().iter().map(|record| record.at_ms).collect();
    assert_eq!(times.last(), Some(&clock.now_ms()));
    host.drain().await;
}

/// A workflow's `idle_timeout` was read, and reached no sandbox.
#[tokio::test]
async fn the_longest_silence_of_a_step_reaches_its_sandbox() {
    let scripts = Scripts::default().pure("look", |call| {
        Ok(json!([
            call.limits.idle.map(|idle| idle.as_secs()),
            call.context.timeout.map(|timeout| timeout.as_secs()),
        ]))
    });
    let world = World::new(scripts);
    let published = publish(
        &world.plane,
        "
workflow: looking
nodes:
  bounded: { call: test:scripts/look, timeout: 2h, idle_timeout: 90s }
  free: { call: test:scripts/look, timeout: 2h }
output: { bounded: \"${bounded}\", free: \"${free}\" }
",
    );
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    let stored = world.plane.ended(&run).await;
    let output = json!({"bounded": [90, 7_200], "free": [null, 7_200]});
    assert_eq!(
        outcome(&stored),
        Outcome::Done {
            output: output.into()
        }
    );
    host.drain().await;
}

#[tokio::test]
async fn a_result_too_large_is_refused_with_its_size_and_the_host_goes_on() {
    let scripts = scripts().pure("huge", |_| Ok(Value::String("x".repeat(3 << 20))));
    let world = World::new(scripts);
    let huge = publish(
        &world.plane,
        "workflow: huge\nnodes:\n  huge: { call: test:scripts/huge }\noutput: { n: \"${huge}\" }\n",
    );
    let published = publish(&world.plane, PURE);
    let host = world.start();
    let run = world.plane.start(&huge, 1, json!({}), world.now());
    let stored = world.plane.ended(&run).await;
    let Outcome::Failed { failure, .. } = outcome(&stored) else {
        panic!("{:?}", outcome(&stored))
    };
    assert_eq!(failure.kind, FailureKind::Limit);
    assert!(
        failure.message.contains("3146") && failure.message.contains("2097152"),
        "{}",
        failure.message
    );
    let run = world.plane.start(&published, 2, json!({"n": 1}), world.now());
    world.plane.prove(&published, &world.plane.ended(&run).await);
    host.drain().await;
}

#[tokio::test]
async fn a_panic_in_a_step_ends_its_run_and_no_other() {
    let scripts = scripts().pure("panic", |_| panic!("a mistake in the host"));
    let world = World::new(scripts);
    let broken = publish(
        &world.plane,
        "workflow: broken\nnodes:\n  boom: { call: test:scripts/panic }\noutput: { n: \"${boom}\" }\n",
    );
    let published = publish(&world.plane, PURE);
    let host = world.start();
    let run = world.plane.start(&broken, 1, json!({}), world.now());
    let other = world.plane.start(&published, 2, json!({"n": 1}), world.now());
    let stored = world.plane.ended(&run).await;
    let Outcome::Failed { failure, .. } = outcome(&stored) else {
        panic!("{:?}", outcome(&stored))
    };
    assert_eq!(
        (failure.kind, failure.code.as_deref()),
        (FailureKind::Internal, Some("FF-RUN-112"))
    );
    world.plane.prove(&published, &world.plane.ended(&other).await);
    host.drain().await;
}

#[tokio::test]
async fn without_a_line_accepted_work_goes_on_and_its_results_leave_later() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let scripts = scripts().asynchronous("slow", Effect::Pure, move |_| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.expect("open").forget();
            Ok(json!(1))
        }
    });
    let calls = scripts.clone();
    let world = World::new(scripts);
    let published = publish(
        &world.plane,
        "workflow: slow\nnodes:\n  slow: { call: test:scripts/slow }\n  post: { after: slow, call: test:scripts/post, with: { n: 1 } }\noutput: { n: \"${slow}\" }\n",
    );
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    world.plane.until(|state| state.received.len() == 1).await;
    world.plane.with(|state| state.offline = true);
    opened.add_permits(1);
    // It ends while nobody hears it.
    while host.handle.status().runs.total() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(calls.ledger().len(), 1, "the effect happened without the line");
    world.plane.with(|state| state.offline = false);
    let stored = world.plane.ended(&run).await;
    world.plane.prove(&published, &stored);
    host.drain().await;
}

#[tokio::test]
async fn a_run_that_belongs_to_another_host_stops_here() {
    let world = World::new(scripts());
    let published = publish(&world.plane, ASKING);
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    world
        .plane
        .with(|state| state.verdicts.insert(run.clone(), RejectCode::NotOwner));
    world.plane.until(|state| state.received.len() == 1).await;
    while host.handle.status().runs.total() > 0 || host.handle.status().to_upload.items > 0 {
        tokio::task::yield_now().await;
    }
    assert!(!world.plane.with(|state| state.runs.contains_key(&run)));
    host.drain().await;
}

#[tokio::test]
async fn a_failure_that_may_pass_is_tried_again_with_the_same_key() {
    let clock = ManualClock::at(1_800_000_000_000);
    let keys = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&keys);
    let scripts = Scripts::default().pure("flaky", move |call| {
        let mut keys = keys.lock().expect("keys");
        keys.push((call.context.idempotency_key.clone(), call.context.attempt));
        if keys.len() < 3 {
            Err(Failure::new(FailureKind::Unavailable, "not now"))
        } else {
            Ok(json!(keys.len()))
        }
    });
    let mut world = World::new(scripts);
    world.clock = Arc::new(clock.clone());
    let published = publish(
        &world.plane,
        "workflow: flaky\nnodes:\n  flaky: { call: test:scripts/flaky }\noutput: { n: \"${flaky}\" }\n",
    );
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    for attempts in 1..3 {
        let failed = |stored: &Stored| {
            count(stored, |event| {
                matches!(
                    event,
                    Event::AttemptFailed {
                        retry_at_ms: Some(_),
                        ..
                    }
                )
            })
        };
        world
            .plane
            .until(|state| {
                state
                    .runs
                    .get(&run)
                    .is_some_and(|stored| failed(stored) == attempts)
            })
            .await;
        clock.advance(Duration::from_secs(600));
    }
    let stored = world.plane.ended(&run).await;
    assert_eq!(
        outcome(&stored),
        Outcome::Done {
            output: json!({"n": 3}).into()
        }
    );
    let seen = seen.lock().expect("keys").clone();
    assert!(seen.iter().all(|(key, _)| *key == seen[0].0), "{seen:?}");
    assert_eq!(
        seen.iter().map(|(_, attempt)| *attempt).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    host.drain().await;
}
