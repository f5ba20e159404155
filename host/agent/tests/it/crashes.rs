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
use crate::world::World;

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
pub(crate) struct Crash {
    pub(crate) point: Point,
    pub(crate) side: Side,
    pub(crate) nth: u64,
}

/// Returns when a run rests because its task stopped.
pub(crate) async fn rests(handle: &HostHandle) {
    while handle.status().runs.resting == 0 {
        tokio::task::yield_now().await;
    }
}

impl Crash {
    /// B6 and B7 are no commits: what fails there is the run's task, not the journal.
    fn stops_one_run(&self) -> bool {
        matches!(self.point, Point::B6 | Point::B7)
    }

    pub(crate) fn plan(&self) -> FailPoints {
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
