//! How runs end when they are told to: while a step hangs, with grace, while there is no room.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flowforge_host::clock::ManualClock;
use flowforge_ports::Effect;
use flowforge_protocol::FailureKind;
use flowforge_protocol::record::{Event, Outcome};
use serde_json::{Value, json};

use crate::connectors::Scripts;
use crate::plane::Stored;
use crate::runs::{count, outcome, publish, scripts};
use crate::world::World;

#[tokio::test]
async fn a_cancelled_run_ends_though_a_step_hangs() {
    let started = Arc::new(tokio::sync::Notify::new());
    let starting = Arc::clone(&started);
    let scripts = Scripts::default().asynchronous("hang", Effect::Unsafe, move |call| {
        let started = Arc::clone(&starting);
        async move {
            call.services
                .before_effect(&flowforge_protocol::Use::of("http://127.0.0.1:9"))
                .await
                .expect("allowed");
            started.notify_one();
            std::future::pending().await
        }
    });
    let world = World::new(scripts);
    let published = publish(
        &world.plane,
        "workflow: hanging\nnodes:\n  hang: { call: test:scripts/hang }\noutput: { n: \"${hang}\" }\n",
    );
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    started.notified().await;
    let order = flowforge_protocol::job::Order::Cancel {
        reason: "duty: wrong input".into(),
        grace_ms: 0,
    };
    world.plane.deliver(&world.plane.job(&run, order, world.now()));
    let stored = world.plane.ended(&run).await;
    assert_eq!(
        outcome(&stored),
        Outcome::Cancelled {
            reason: "duty: wrong input".into()
        }
    );
    let unknown = |event: &Event| matches!(event, Event::AttemptFailed { failure, .. } if failure.kind == FailureKind::OutcomeUnknown);
    assert_eq!(
        count(&stored, unknown),
        1,
        "the record says that it may have happened"
    );
    world.plane.prove(&published, &stored);
    host.drain().await;
}

/// A cancellation stopped running attempts at once, however long its order let them go on.
#[tokio::test]
async fn a_cancelled_run_lets_its_attempts_end_for_as_long_as_the_order_says() {
    for in_time in [true, false] {
        let clock = ManualClock::at(1_800_000_000_000);
        let started = Arc::new(tokio::sync::Notify::new());
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        let (starting, opened) = (Arc::clone(&started), Arc::clone(&gate));
        let scripts = Scripts::default().asynchronous("slow", Effect::Unsafe, move |call| {
            let (started, gate) = (Arc::clone(&starting), Arc::clone(&gate));
            async move {
                let next = flowforge_protocol::Use::of("http://127.0.0.1:9");
                call.services.before_effect(&next).await.expect("allowed");
                started.notify_one();
                gate.acquire().await.expect("open").forget();
                Ok(json!(1))
            }
        });
        let mut world = World::new(scripts);
        world.clock = Arc::new(clock.clone());
        let published = publish(
            &world.plane,
            "workflow: slow\nnodes:\n  slow: { call: test:scripts/slow }\n  post: { after: slow, call: test:scripts/slow }\noutput: { n: \"${slow}\" }\n",
        );
        let host = world.start();
        let run = world.plane.start(&published, 1, json!({}), world.now());
        started.notified().await;
        let order = flowforge_protocol::job::Order::Cancel {
            reason: "duty: enough".into(),
            grace_ms: 60_000,
        };
        world.plane.deliver(&world.plane.job(&run, order, world.now()));
        let asked =
            |stored: &Stored| count(stored, |event| matches!(event, Event::CancelRequested { .. })) == 1;
        world
            .plane
            .until(|state| state.runs.get(&run).is_some_and(asked))
            .await;
        clock.advance(Duration::from_millis(59_999));
        if in_time {
            opened.add_permits(1);
        } else {
            clock.advance(Duration::from_millis(1));
        }
        let stored = world.plane.ended(&run).await;
        let cancelled = Outcome::Cancelled {
            reason: "duty: enough".into(),
        };
        assert_eq!(outcome(&stored), cancelled);
        let completed = count(&stored, |event| matches!(event, Event::Completed { .. }));
        assert_eq!(completed, usize::from(in_time));
        world.plane.prove(&published, &stored);
        host.drain().await;
    }
}

/// With a full journal a run waited for room and heard nothing, not even that it was to end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_waits_for_room_in_the_journal_can_be_cancelled() {
    // Each value is another: the same one would be kept once.
    let made = AtomicU64::new(0);
    let scripts = scripts().pure("large", move |_| {
        let number = made.fetch_add(1, Ordering::Relaxed);
        Ok(Value::String(format!("{number}{}", "x".repeat(1 << 20))))
    });
    let mut world = World::new(scripts);
    world.limits.max_journal_bytes = 8 << 20;
    let large = publish(
        &world.plane,
        "
workflow: large
nodes:
  each:
    repeat: { until: round == 40, max: 50 }
    do:
      one: { call: test:scripts/large }
output: { n: 1 }
",
    );
    let host = world.start();
    world.plane.with(|state| state.offline_uploads = true);
    let run = world.plane.start(&large, 1, json!({}), world.now());
    let status = || host.handle.status();
    while status().journal.bytes + (1 << 20) < status().journal.limit_bytes {
        tokio::task::yield_now().await;
    }
    let order = flowforge_protocol::job::Order::Cancel {
        reason: "duty: full".into(),
        grace_ms: 0,
    };
    world.plane.deliver(&world.plane.job(&run, order, world.now()));
    while status().runs.total() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.plane.with(|state| state.offline_uploads = false);
    let stored = world.plane.ended(&run).await;
    let cancelled = Outcome::Cancelled {
        reason: "duty: full".into(),
    };
    assert_eq!(outcome(&stored), cancelled);
    world.plane.prove(&large, &stored);
    host.drain().await;
}
