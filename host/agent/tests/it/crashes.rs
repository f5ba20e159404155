//! Stopping dead at every commit point: after any number of them a run has the same result, no step is recorded twice,
//! and every effect carries the same key.

use std::collections::{BTreeMap, BTreeSet};

use flowforge_failpoints::{FailPoints, Point, Side};
use flowforge_host::HostHandle;
use flowforge_ports::Effect;
use flowforge_protocol::awaited::{Await, Closing};
use flowforge_protocol::job::{Order, ReviewOrder, ReviewOrderAction};
use flowforge_protocol::record::{Event, Outcome};
use proptest::prelude::*;
use serde_json::json;

use crate::connectors::Scripts;
use crate::plane::Stored;
use crate::runs::{outcome, publish, scripts};
use crate::world::{Running, World};

const MIXED: &str = "
workflow: mixed
nodes:
  one: { call: test:scripts/add, with: { n: \"${input.n}\" } }
  each:
    foreach: \"[1, 2, 3]\"
    as: item
    parallel: 2
    do:
      send: { call: test:scripts/post, with: { n: \"${item}\" } }
  confirm:
    after: each
    approval: { title: \"${one} of ${each.size()}\", approvers: [duty], expires: 1h }
  last: { after: confirm, call: test:scripts/post, with: { n: \"${one}\" } }
output: { n: \"${last.n}\", sent: \"${each.map(s, s.n)}\" }
";

/// A stop at the n-th crossing of a point.
#[derive(Debug, Clone)]
struct Crash {
    point: Point,
    side: Side,
    nth: u64,
}

/// Returns when a run rests because its task stopped.
async fn rests(handle: &HostHandle) {
    while handle.status().runs.resting == 0 {
        tokio::task::yield_now().await;
    }
}

impl Crash {
    /// B6 and B7 are no commits: what fails there is the run's task, not the journal.
    fn stops_one_run(&self) -> bool {
        matches!(self.point, Point::B6 | Point::B7)
    }

    fn plan(&self) -> FailPoints {
        let side = if self.side == Side::Before { ".before" } else { "" };
        let plan = format!("{}{side}=error@{}", self.point, self.nth);
        FailPoints::from_env_value(Some(&plan)).expect("plan")
    }
}

/// Runs the workflow through these crashes; answers whether each was reached.
async fn survive(crashes: &[Crash]) -> (Vec<bool>, Stored, Scripts) {
    let scripts = scripts();
    let world = World::new(scripts.clone());
    let published = publish(&world.plane, MIXED);
    let run = world.plane.start(&published, 1, json!({"n": 1}), world.now());
    let mut hit = Vec::new();
    for crash in crashes.iter().map(Some).chain([None]) {
        let points = crash.map_or_else(FailPoints::inert, Crash::plan);
        let mut host = world.start_failing(points);
        let answered = async {
            let question = world.plane.question(&run).await;
            let decided = |stored: &Stored| {
                stored.records().iter().any(|record| {
                    matches!(
                        record.event,
                        Event::AwaitClosed {
                            closing: Closing::Decision(_),
                            ..
                        }
                    )
                })
            };
            if !world.plane.with(|state| {
                decided(&state.runs[&run]) || state.jobs.iter().any(|(id, _)| !state.delivered.contains(id))
            }) {
                world.plane.decide(&run, question, true, world.now());
            }
            world.plane.ended(&run).await;
        };
        let handle = host.handle.clone();
        let stopped = tokio::select! {
            _ = host.fails() => true,
            () = rests(&handle), if crash.is_some_and(Crash::stops_one_run) => false,
            () = answered => false,
        };
        if crash.is_some() {
            hit.push(stopped || handle.status().runs.resting > 0);
        }
        if !stopped {
            host.halt().await;
        }
        if world.plane.with(|state| {
            state
                .runs
                .get(&run)
                .is_some_and(|stored| stored.receipt.is_some())
        }) {
            break;
        }
    }
    let stored = world.plane.ended(&run).await;
    world.plane.prove(&published, &stored);
    (hit, stored, scripts)
}

fn check(stored: &Stored, scripts: &Scripts) {
    assert_eq!(
        outcome(stored),
        Outcome::Done {
            output: json!({"n": 2, "sent": [1, 2, 3]}).into()
        }
    );
    let mut completed = BTreeSet::new();
    let mut intents = BTreeSet::new();
    for record in stored.records() {
        match record.event {
            Event::Completed { step, .. } => {
                assert!(completed.insert(step.to_string()), "{step} is recorded twice")
            }
            Event::Intent { step, attempt, .. } => {
                assert!(
                    intents.insert((step.to_string(), attempt)),
                    "{step} attempt {attempt} intends twice"
                );
            }
            _ => {}
        }
    }
    let mut keys: BTreeMap<String, String> = BTreeMap::new();
    for effected in scripts.ledger() {
        let key = keys
            .entry(effected.step.clone())
            .or_insert_with(|| effected.key.clone());
        assert_eq!(*key, effected.key, "the key of {} changed", effected.step);
        assert!(
            intents.contains(&(effected.step.clone(), effected.attempt)),
            "{} attempt {} had an effect without a durable intent",
            effected.step,
            effected.attempt
        );
    }
    let distinct: BTreeSet<_> = keys.values().collect();
    assert_eq!(
        (keys.len(), distinct.len()),
        (4, 4),
        "four effects, each with its own key"
    );
}

const HOST_POINTS: [Point; 8] = [
    Point::B4,
    Point::B5,
    Point::B6,
    Point::B7,
    Point::B8,
    Point::B10,
    Point::B11,
    Point::B12,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_on_either_side_of_every_commit_point_changes_nothing() {
    let mut reached = BTreeSet::new();
    for point in HOST_POINTS {
        for side in [Side::Before, Side::After] {
            let crash = Crash { point, side, nth: 1 };
            let (hit, stored, scripts) = survive(std::slice::from_ref(&crash)).await;
            check(&stored, &scripts);
            if hit == [true] {
                reached.insert(point.to_string());
            }
        }
    }
    // B10 may come after the end. The rest must have bitten.
    for point in ["B4", "B5", "B6", "B7", "B8", "B11", "B12"] {
        assert!(
            reached.contains(point),
            "no crash ever happened at {point}: {reached:?}"
        );
    }
}

fn crash() -> impl Strategy<Value = Crash> {
    let points = prop::sample::select(vec![
        Point::B4,
        Point::B5,
        Point::B8,
        Point::B10,
        Point::B11,
        Point::B12,
    ]);
    (points, any::<bool>(), 1_u64..5).prop_map(|(point, before, nth)| Crash {
        point,
        side: if before { Side::Before } else { Side::After },
        nth,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_two_crashes_change_nothing(crashes in prop::collection::vec(crash(), 1..3)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
        let (_, stored, scripts) = runtime.block_on(survive(&crashes));
        check(&stored, &scripts);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_effect_that_may_not_be_repeated_is_left_to_a_person() {
    let scripts = Scripts::default().effectful("post", Effect::Unsafe);
    let world = World::new(scripts.clone());
    let published = publish(
        &world.plane,
        "workflow: once\nnodes:\n  post: { call: test:scripts/post, with: { n: 1 } }\noutput: { n: \"${post.n}\" }\n",
    );
    let run = world.plane.start(&published, 1, json!({}), world.now());
    let mut host = world.start_failing(
        Crash {
            point: Point::B8,
            side: Side::Before,
            nth: 1,
        }
        .plan(),
    );
    host.fails().await;
    assert_eq!(
        scripts.ledger().len(),
        1,
        "the effect happened, its result was lost"
    );
    let host = world.start();
    let asked = |stored: &Stored| {
        let review = |record: &flowforge_protocol::record::Record| {
            matches!(
                &record.event,
                Event::AwaitOpened {
                    awaits: Await::Review { .. },
                    ..
                }
            )
        };
        stored.records().iter().any(review)
    };
    world
        .plane
        .until(|state| state.runs.get(&run).is_some_and(asked))
        .await;
    let verdict = ReviewOrder {
        action: ReviewOrderAction::Fail,
        by: "duty".to_owned(),
        comment: None,
        at_ms: world.now(),
    };
    let step = world.plane.with(|state| {
        let records = state.runs[&run].records();
        records
            .iter()
            .rev()
            .find_map(|record| record.event.step().cloned())
    });
    let order = Order::Review {
        step: step.expect("a step"),
        verdict,
    };
    world.plane.deliver(&world.plane.job(&run, order, world.now()));
    let stored = world.plane.ended(&run).await;
    let Outcome::Failed { failure, .. } = outcome(&stored) else {
        panic!("{:?}", outcome(&stored))
    };
    assert_eq!(failure.kind, flowforge_protocol::FailureKind::OutcomeUnknown);
    assert_eq!(scripts.ledger().len(), 1, "it was not done again");
    host.drain().await;
}

const STUCK: &str =
    "workflow: stuck\nnodes:\n  stuck: { call: test:scripts/stuck }\noutput: { n: \"${stuck}\" }\n";

fn stuck_calls(scripts: &Scripts) -> usize {
    scripts.calls().iter().filter(|call| *call == "stuck").count()
}

/// The host dies so often while the step `stuck` is under way.
async fn dies_during_the_step(world: &World, scripts: &Scripts, deaths: usize) {
    let pure = publish(&world.plane, crate::runs::PURE);
    for death in 1..=deaths {
        let points = Crash {
            point: Point::B4,
            side: Side::After,
            nth: if death == 1 { 2 } else { 1 },
        };
        let mut host = world.start_failing(points.plan());
        while stuck_calls(scripts) < death {
            tokio::task::yield_now().await;
        }
        // The commit that accepts another run is the last thing that this host does.
        let number = u8::try_from(death).expect("small") + 1;
        world.plane.start(&pure, number, json!({"n": 1}), world.now());
        host.fails().await;
    }
}

/// A step without effects that took its host down was begun again at every start, for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_during_which_the_host_dies_again_and_again_is_left_to_a_person() {
    let scripts = scripts().asynchronous("stuck", Effect::Pure, |_| std::future::pending());
    let world = World::new(scripts.clone());
    let stuck = publish(&world.plane, STUCK);
    let run = world.plane.start(&stuck, 1, json!({}), world.now());
    dies_during_the_step(&world, &scripts, 3).await;
    let host = world.start();
    rests(&host.handle).await;
    let about = host.handle.status().standing[0].about.clone();
    assert!(
        about.contains("FF-RUN-002") && about.contains("step stuck"),
        "{about}"
    );
    assert_eq!(stuck_calls(&scripts), 3, "it is not tried again");
    let order = Order::Cancel {
        reason: "duty".into(),
        grace_ms: 0,
    };
    world.plane.deliver(&world.plane.job(&run, order, world.now()));
    let stored = world.plane.ended(&run).await;
    assert!(matches!(outcome(&stored), Outcome::Cancelled { .. }));
    host.drain().await;
}

/// What a process leaves behind that dies without stopping.
fn leave_socket(world: &World) {
    let path = world.config().data_dir.join(flowforge_host::health::SOCKET);
    drop(std::os::unix::net::UnixListener::bind(path).expect("a socket"));
}

/// The host is gone, and the next process finds the disk as it is now.
async fn dies(world: &World, host: Running) {
    let folder = world.config().data_dir;
    let files = std::fs::read_dir(&folder)
        .expect("a folder")
        .map(|file| file.expect("a file"));
    let journal = files.filter(|file| file.file_name().to_string_lossy().starts_with("journal.redb"));
    let image: Vec<_> = journal
        .map(|file| (file.path(), std::fs::read(file.path()).expect("reads")))
        .collect();
    host.halt().await;
    for (path, content) in image {
        std::fs::write(path, content).expect("writes");
    }
    leave_socket(world);
}

/// A step without effects that took the host down before its run was durable left no trace: the order came again, and the
/// host went down again, for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_death_no_step_begins_before_its_run_is_durable() {
    let scripts = scripts().asynchronous("stuck", Effect::Pure, |_| std::future::pending());
    let world = World::new(scripts.clone());
    let (pure, stuck) = (
        publish(&world.plane, crate::runs::PURE),
        publish(&world.plane, STUCK),
    );
    let host = world.start();
    let first = world.plane.start(&pure, 1, json!({"n": 1}), world.now());
    world.plane.ended(&first).await;
    host.drain().await;
    leave_socket(&world);
    let crash = Crash {
        point: Point::B4,
        side: Side::Before,
        nth: 1,
    };
    let mut host = world.start_failing(crash.plan());
    let run = world.plane.start(&stuck, 2, json!({}), world.now());
    host.fails().await;
    assert_eq!(
        stuck_calls(&scripts),
        0,
        "nobody would have known what took the host down"
    );
    leave_socket(&world);
    for death in 1..=3 {
        let host = world.start();
        while stuck_calls(&scripts) < death {
            tokio::task::yield_now().await;
        }
        dies(&world, host).await;
    }
    let host = world.start();
    rests(&host.handle).await;
    let standing = host.handle.status().standing;
    assert!(
        standing[0].run == run.to_string() && standing[0].about.contains("FF-RUN-002"),
        "{standing:?}"
    );
    host.drain().await;
}

/// The host died of the second step, and the first one was blamed: the mark of the second was never durable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_step_of_which_the_host_dies_is_the_one_that_is_named() {
    let scripts = scripts().asynchronous("stuck", Effect::Pure, |_| std::future::pending());
    let world = World::new(scripts.clone());
    let source = "
workflow: later
nodes:
  one: { call: test:scripts/add, with: { n: 1 } }
  stuck: { after: one, call: test:scripts/stuck }
output: { n: \"${one}\" }
";
    let published = publish(&world.plane, source);
    world.start().drain().await;
    world.plane.start(&published, 1, json!({}), world.now());
    leave_socket(&world);
    let mut deaths = 0;
    loop {
        let host = world.start();
        while stuck_calls(&scripts) == deaths && host.handle.status().runs.resting == 0 {
            tokio::task::yield_now().await;
        }
        if host.handle.status().runs.resting > 0 {
            let about = host.handle.status().standing[0].about.clone();
            assert!(about.contains("step stuck"), "{about}");
            host.drain().await;
            break;
        }
        deaths += 1;
        assert!(deaths <= 6, "it is never left alone");
        dies(&world, host).await;
    }
}

/// With kills in quick succession, every step that asks something outside came to rest after the third.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_asks_something_outside_is_not_blamed_for_a_few_deaths() {
    let scripts = scripts().asynchronous("stuck", Effect::Idempotent, |_| std::future::pending());
    let world = World::new(scripts.clone());
    let stuck = publish(&world.plane, STUCK);
    world.plane.start(&stuck, 1, json!({}), world.now());
    dies_during_the_step(&world, &scripts, 6).await;
    let host = world.start();
    while stuck_calls(&scripts) < 7 {
        tokio::task::yield_now().await;
    }
    assert_eq!(host.handle.status().runs.resting, 0);
    host.halt().await;
}

/// Being stopped is no fault of a step, however often it happens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_was_under_way_when_the_host_was_stopped_goes_on() {
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let opened = std::sync::Arc::clone(&gate);
    let scripts = scripts().asynchronous("stuck", Effect::Pure, move |_| {
        let gate = std::sync::Arc::clone(&gate);
        async move {
            gate.acquire().await.expect("open").forget();
            Ok(json!(1))
        }
    });
    let world = World::new(scripts.clone());
    let stuck = publish(&world.plane, STUCK);
    let run = world.plane.start(&stuck, 1, json!({}), world.now());
    for stop in 1..=4 {
        let host = world.start();
        while scripts.calls().len() < stop {
            tokio::task::yield_now().await;
        }
        host.halt().await;
    }
    let host = world.start();
    opened.add_permits(1);
    let stored = world.plane.ended(&run).await;
    assert!(
        matches!(outcome(&stored), Outcome::Done { .. }),
        "{:?}",
        outcome(&stored)
    );
    host.drain().await;
}
