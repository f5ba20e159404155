//! Runs that come to a host with their records, and runs that take results from the generation before.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flowforge_host::clock::ManualClock;
use flowforge_ports::Effect;
use flowforge_protocol::approval::Decision;
use flowforge_protocol::job::{Job, Order, RecordPrefix, ResumeOrder, Reuse, StartOrder};
use flowforge_protocol::record::{Event, Lineage, Outcome, Source, Trigger};
use flowforge_protocol::{Digest, Failure, FailureKind, RunId, StepKey};
use serde_json::json;
use tokio::sync::Notify;

use crate::connectors::Scripts;
use crate::plane::{Published, Stored, answer};
use crate::runs::{ASKING, PURE, outcome, publish, scripts};
use crate::world::World;

/// An order to go on with a run under its second fencing number.
fn resume(world: &World, published: &Published, run: &RunId, prefix: RecordPrefix) -> Job {
    let order = Order::Resume(Box::new(ResumeOrder {
        release: published.release,
        grants: published.grants,
        prefix,
        lease_ms: None,
        reuse: None,
        given: BTreeMap::new(),
    }));
    Job {
        epoch: 2,
        ..world.plane.job(run, order, world.now())
    }
}

fn approve(world: &World, run: &RunId, approval: flowforge_protocol::ApprovalId) {
    let decision = Decision::of(approval, vec![answer("duty", true)]).expect("an answer");
    let job = world
        .plane
        .job(run, Order::Decide(Box::new(decision)), world.now());
    world.plane.deliver(&Job { epoch: 2, ..job });
}

fn stored(world: &World, run: &RunId) -> Stored {
    world.plane.with(|state| state.runs[run].clone())
}

fn lose_journal(world: &World) {
    std::fs::remove_file(world.config().data_dir.join("journal.redb")).expect("removed");
}

/// Nothing ever gave a run back to a host that had lost its journal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_whose_host_lost_its_journal_goes_on_behind_its_records() {
    let scripts = scripts();
    let world = World::new(scripts.clone());
    let published = publish(&world.plane, ASKING);
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    let question = world.plane.question(&run).await;
    host.drain().await;
    lose_journal(&world);
    let host = world.start();
    let before = stored(&world, &run);
    world
        .plane
        .deliver(&resume(&world, &published, &run, before.prefix()));
    while host.handle.status().runs.waiting_approval == 0 {
        tokio::task::yield_now().await;
    }
    approve(&world, &run, question);
    let after = world.plane.ended(&run).await;
    assert!(matches!(outcome(&after), Outcome::Done { .. }));
    assert_eq!(
        scripts.calls(),
        ["before", "post"],
        "what is recorded is not done again"
    );
    assert_eq!(after.batches.last().expect("records").epoch, 2);
    world.plane.prove_at(&published, &after, 2);
    // And it is read as any other after a restart.
    host.drain().await;
    let host = world.start();
    assert_eq!(host.handle.status().runs.total(), 0);
    host.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_are_not_those_of_the_order_begin_nothing() {
    let scripts = scripts();
    let world = World::new(scripts.clone());
    let published = publish(&world.plane, ASKING);
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    world.plane.question(&run).await;
    host.drain().await;
    lose_journal(&world);
    let host = world.start();
    let right = stored(&world, &run).prefix();
    let wrong = [
        RecordPrefix {
            chain: Digest::of(b"another"),
            ..right.clone()
        },
        RecordPrefix {
            count: right.count - 1,
            ..right.clone()
        },
        RecordPrefix {
            run: RunId::from_entropy([9; 16]),
            ..right
        },
    ];
    let count = wrong.len();
    for prefix in wrong {
        world.plane.deliver(&resume(&world, &published, &run, prefix));
    }
    world.plane.until(|state| state.refused.len() == count).await;
    let codes = world.plane.with(|state| state.refused.clone());
    assert!(
        codes.iter().all(|refused| refused.code == "FF-ADM-017"),
        "{codes:?}"
    );
    assert_eq!(host.handle.status().runs.total(), 0);
    assert_eq!(scripts.calls(), ["before"]);
    host.drain().await;
}

/// A host that still has the run of an earlier time takes what the control plane has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_comes_back_takes_the_place_of_its_earlier_self() {
    let world = World::new(scripts());
    let published = publish(&world.plane, ASKING);
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    let question = world.plane.question(&run).await;
    let prefix = stored(&world, &run).prefix();
    world.plane.deliver(&resume(&world, &published, &run, prefix));
    world.plane.until(|state| state.received.len() == 2).await;
    // What was said to the earlier one is of another time.
    world.plane.decide(&run, question.clone(), false, world.now());
    world
        .plane
        .until(|state| state.refused.iter().any(|refused| refused.code == "FF-ADM-013"))
        .await;
    approve(&world, &run, question);
    let after = world.plane.ended(&run).await;
    assert!(matches!(outcome(&after), Outcome::Done { .. }));
    world.plane.prove_at(&published, &after, 2);
    host.drain().await;
}

/// The step that resumes is the one that was recorded: the effect has the key that it had.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_effect_that_was_under_way_is_repeated_with_its_key() {
    let keys = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&keys);
    let effect = Effect::Keyed {
        retention_ms: 86_400_000,
    };
    let scripts = Scripts::default().asynchronous("pay", effect, move |call| {
        let keys = Arc::clone(&keys);
        async move {
            let next = flowforge_protocol::Use::of("http://127.0.0.1:9");
            call.services.before_effect(&next).await.expect("allowed");
            let first = {
                let mut keys = keys.lock().expect("keys");
                keys.push((call.context.idempotency_key.clone(), call.context.attempt));
                keys.len() == 1
            };
            if first {
                std::future::pending::<()>().await;
            }
            Ok(json!("paid"))
        }
    });
    let world = World::new(scripts);
    let published = publish(
        &world.plane,
        "workflow: paying\nnodes:\n  pay: { call: test:scripts/pay }\noutput: { n: \"${pay}\" }\n",
    );
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    let intends = |stored: &Stored| {
        let mut records = stored.records().into_iter();
        records.any(|record| matches!(record.event, Event::Intent { .. }))
    };
    world
        .plane
        .until(|state| state.runs.get(&run).is_some_and(intends))
        .await;
    while seen.lock().expect("keys").is_empty() {
        tokio::task::yield_now().await;
    }
    host.halt().await;
    lose_journal(&world);
    let host = world.start();
    let prefix = stored(&world, &run).prefix();
    world.plane.deliver(&resume(&world, &published, &run, prefix));
    let after = world.plane.ended(&run).await;
    assert!(matches!(outcome(&after), Outcome::Done { .. }));
    let seen = seen.lock().expect("keys").clone();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].0, seen[1].0, "one key");
    world.plane.prove_at(&published, &after, 2);
    host.drain().await;
}

/// A run that may move goes on only while the control plane says that it is still here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_whose_lease_is_over_stops_until_it_is_renewed() {
    let clock = ManualClock::at(1_800_000_000_000);
    let (started, calls) = (Arc::new(Notify::new()), Arc::new(Mutex::new(0)));
    let (starting, counted) = (Arc::clone(&started), Arc::clone(&calls));
    let scripts = scripts().asynchronous("slow", Effect::Pure, move |_| {
        let (started, calls) = (Arc::clone(&starting), Arc::clone(&counted));
        async move {
            let first = {
                let mut calls = calls.lock().expect("calls");
                *calls += 1;
                *calls == 1
            };
            started.notify_one();
            if first {
                std::future::pending::<()>().await;
            }
            Ok(json!(1))
        }
    });
    let mut world = World::new(scripts);
    world.clock = Arc::new(clock.clone());
    let published = publish(
        &world.plane,
        "
workflow: moving
nodes:
  confirm: { approval: { title: Really?, approvers: [duty], expires: 24h } }
  slow: { after: confirm, call: test:scripts/slow, timeout: 2h }
output: { n: \"${slow}\" }
",
    );
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    let question = world.plane.question(&run).await;
    host.drain().await;
    lose_journal(&world);
    let host = world.start();
    let mut job = resume(&world, &published, &run, stored(&world, &run).prefix());
    if let Order::Resume(order) = &mut job.order {
        order.lease_ms = Some(60_000);
    }
    world.plane.deliver(&job);
    world.plane.until(|state| state.received.len() == 2).await;
    approve(&world, &run, question);
    started.notified().await;
    // It is renewed as long as there is a line.
    for _ in 0..9 {
        clock.advance(Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert_eq!(host.handle.status().runs.running, 1, "{:?}", host.handle.status());
    world.plane.with(|state| state.offline = true);
    while host.handle.status().runs.running > 0 {
        clock.advance(Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    while host.handle.status().runs.asleep == 0 {
        tokio::task::yield_now().await;
    }
    let about = host.handle.status().standing[0].about.clone();
    assert!(about.contains("renew its lease"), "{about}");
    assert_eq!(*calls.lock().expect("calls"), 1, "nothing starts without it");
    // Nor after a restart.
    host.halt().await;
    let host = world.start();
    clock.advance(Duration::from_secs(20));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(*calls.lock().expect("calls"), 1, "nothing starts without it");
    world.plane.with(|state| state.offline = false);
    while !world
        .plane
        .with_quietly(|state| state.runs[&run].receipt.is_some())
    {
        clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let after = world.plane.ended(&run).await;
    assert!(matches!(outcome(&after), Outcome::Done { .. }));
    world.plane.prove_at(&published, &after, 2);
    host.drain().await;
}

/// A retry from a step: the results before it are those of the generation before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_generation_takes_the_results_of_the_one_before() {
    let scripts = scripts();
    let world = World::new(scripts.clone());
    let published = publish(&world.plane, PURE);
    let host = world.start();
    let first = world.plane.start(&published, 1, json!({"n": 1}), world.now());
    let before = world.plane.ended(&first).await;
    let step = |name: &str| StepKey::top(name.parse().expect("id"));
    let input = json!({"n": 1});
    let digest = Digest::of_json(&input);
    let by = Trigger::Manual { by: "test".into() };
    let order = StartOrder {
        lineage: Some(Box::new(Lineage {
            root: first.clone(),
            predecessor: Some(first.clone()),
            generation: 2,
            parent: None,
            repeats: BTreeMap::new(),
        })),
        reuse: Some(Reuse {
            prefix: before.prefix(),
            steps: [step("one"), step("two")].into_iter().collect(),
        }),
        ..StartOrder::new(published.release, published.grants, input, digest, by)
    };
    let second = RunId::from_entropy([2; 16]);
    let job = world
        .plane
        .job(&second, Order::Start(Box::new(order)), world.now());
    world.plane.deliver(&job);
    let after = world.plane.ended(&second).await;
    assert_eq!(outcome(&after), outcome(&before));
    assert_eq!(scripts.calls(), ["one", "two", "three", "three"]);
    let reused = after.records().into_iter().filter(|record| {
        matches!(
            record.event,
            Event::Completed {
                source: Source::Reused,
                ..
            }
        )
    });
    assert_eq!(reused.count(), 2);
    world.plane.prove(&published, &after);
    host.drain().await;
}

const ROUNDS: &str = "
workflow: rounds
input: { items: { type: array } }
nodes:
  each: { foreach: input.items, do: { one: { call: test:scripts/picky, with: { n: \"${item}\" } }, two: { call: test:scripts/add, with: { n: \"${one}\" } } } }
output: { all: \"${each}\" }
";

/// A run that failed in one round could only be retried with all rounds.
#[tokio::test]
async fn a_later_generation_takes_the_results_of_rounds() {
    let calm = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let now_calm = Arc::clone(&calm);
    let scripts = scripts().pure("picky", move |call| {
        let refuses = call.input["n"] == 2 && !now_calm.load(std::sync::atomic::Ordering::Relaxed);
        match refuses {
            true => Err(Failure::new(FailureKind::Rejected, "not this one")),
            false => Ok(call.input["n"].clone()),
        }
    });
    let world = World::new(scripts.clone());
    let published = publish(&world.plane, ROUNDS);
    let host = world.start();
    let input = json!({"items": [1, 2, 3]});
    let first = world.plane.start(&published, 1, input.clone(), world.now());
    let before = world.plane.ended(&first).await;
    assert!(matches!(outcome(&before), Outcome::Failed { .. }));
    assert_eq!(scripts.calls(), ["each[0].one", "each[0].two", "each[1].one"]);
    calm.store(true, std::sync::atomic::Ordering::Relaxed);
    let steps = ["each[0].one", "each[0].two"].map(|step| step.parse().expect("a step"));
    let reuse = Some(Reuse {
        prefix: before.prefix(),
        steps: steps.into_iter().collect(),
    });
    let start = |input: serde_json::Value, number| {
        let (digest, by) = (Digest::of_json(&input), Trigger::Manual { by: "test".into() });
        let order = StartOrder {
            reuse: reuse.clone(),
            ..StartOrder::new(published.release, published.grants, input, digest, by)
        };
        let run = RunId::from_entropy([number; 16]);
        let order = Order::Start(Box::new(order));
        world.plane.deliver(&world.plane.job(&run, order, world.now()));
        run
    };
    let second = start(input, 2);
    let after = world.plane.ended(&second).await;
    assert!(
        matches!(outcome(&after), Outcome::Done { .. }),
        "{:?}",
        outcome(&after)
    );
    let calls = scripts.calls();
    assert_eq!(
        calls[3..],
        ["each[1].one", "each[1].two", "each[2].one", "each[2].two"]
    );
    world.plane.prove(&published, &after);
    // Rounds of another list are not those that were.
    let third = start(json!({"items": [7, 2]}), 3);
    let Outcome::Failed { failure, .. } = outcome(&world.plane.ended(&third).await) else {
        panic!("it went over another list");
    };
    assert_eq!(failure.code.as_deref(), Some("FF-RUN-123"));
    host.drain().await;
}

/// What a start gave was not in the order to go on: a step that was given failed (FF-RUN-122), and one whose result was to be
/// taken from the generation before was done again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_run_was_given_goes_with_it_to_the_next_host() {
    for is_reused in [false, true] {
        let scripts = scripts();
        let world = World::new(scripts.clone());
        let published = publish(&world.plane, ASKING);
        let host = world.start();
        let first = world.plane.start(&published, 1, json!({}), world.now());
        let question = world.plane.question(&first).await;
        world.plane.decide(&first, question, true, world.now());
        let before = world.plane.ended(&first).await;
        assert_eq!(scripts.calls(), ["before", "post"]);
        let post: flowforge_protocol::NodeId = "post".parse().expect("id");
        let reuse = is_reused.then(|| Reuse {
            prefix: before.prefix(),
            steps: std::iter::once(StepKey::top(post.clone())).collect(),
        });
        let mut given = BTreeMap::new();
        if !is_reused {
            given.insert(post, json!({"n": 9}));
        }
        let (input, by) = (json!({}), Trigger::Manual { by: "test".into() });
        let digest = Digest::of_json(&input);
        let order = StartOrder {
            reuse: reuse.clone(),
            given: given.clone(),
            ..StartOrder::new(published.release, published.grants, input, digest, by)
        };
        let run = RunId::from_entropy([2; 16]);
        let order = Order::Start(Box::new(order));
        world.plane.deliver(&world.plane.job(&run, order, world.now()));
        let question = world.plane.question(&run).await;
        host.drain().await;
        lose_journal(&world);
        let host = world.start();
        let mut job = resume(&world, &published, &run, stored(&world, &run).prefix());
        if let Order::Resume(order) = &mut job.order {
            (order.reuse, order.given) = (reuse, given);
        }
        world.plane.deliver(&job);
        approve(&world, &run, question);
        let after = world.plane.ended(&run).await;
        assert!(
            matches!(outcome(&after), Outcome::Done { .. }),
            "{:?}",
            outcome(&after)
        );
        assert_eq!(
            scripts.calls(),
            ["before", "post", "before"],
            "reused: {is_reused}"
        );
        world.plane.prove_at(&published, &after, 2);
        host.drain().await;
    }
}
