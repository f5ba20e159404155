//! Expressions that take long: nobody but their own run waits for them, and not for ever.

use std::time::Duration;

use flowforge_host::HostConfig;
use flowforge_protocol::record::Outcome;
use serde_json::json;

use crate::runs::{PURE, outcome, publish, scripts};
use crate::world::World;

/// Each of these costs most of what one evaluation may.
fn costly_fields(count: usize) -> String {
    let fields: Vec<String> = (0..count)
        .map(|n| format!("f{n}: \"${{input.xs.map(a, input.xs.map(b, a * b + {n}).size()).size()}}\""))
        .collect();
    format!("{{ {} }}", fields.join(", "))
}

fn costly(count: usize) -> String {
    format!(
        "workflow: costly\ninput: {{ xs: {{ type: array }} }}\nnodes:\n  a: {{ set: {} }}\noutput: {{ n: \"${{a.f0}}\" }}\n",
        costly_fields(count)
    )
}

fn numbers() -> serde_json::Value {
    json!({ "xs": (0..550).collect::<Vec<u32>>() })
}

/// On a host with one thread, the run whose expressions take seconds held up all the others.
#[tokio::test]
async fn another_run_ends_while_expressions_are_evaluated() {
    let world = World::new(scripts());
    let (slow, quick) = (publish(&world.plane, &costly(12)), publish(&world.plane, PURE));
    let host = world.start();
    let warm = world.plane.start(&quick, 1, json!({"n": 1}), world.now());
    world.plane.ended(&warm).await;
    let first = world.plane.start(&slow, 2, numbers(), world.now());
    while host.handle.status().runs.total() == 0 {
        tokio::task::yield_now().await;
    }
    let second = world.plane.start(&quick, 3, json!({"n": 1}), world.now());
    world.plane.ended(&second).await;
    let is_over = |state: &mut crate::plane::State| state.runs.get(&first).is_some_and(|run| run.has_ended());
    assert!(!world.plane.with(is_over), "the costly one is still at it");
    let stored = world.plane.ended(&first).await;
    assert_eq!(
        outcome(&stored),
        Outcome::Done {
            output: json!({"n": 550}).into()
        }
    );
    host.drain().await;
}

#[tokio::test]
async fn expressions_that_take_too_long_fail_their_step_by_name() {
    let world = World::new(scripts());
    let slow = publish(&world.plane, &costly(1));
    let host = world.start_with(HostConfig {
        evaluation_timeout: Duration::from_millis(1),
        ..world.config()
    });
    let run = world.plane.start(&slow, 1, numbers(), world.now());
    let stored = world.plane.ended(&run).await;
    let Outcome::Failed { failure, node } = outcome(&stored) else {
        panic!("{:?}", outcome(&stored));
    };
    assert_eq!(failure.code.as_deref(), Some("FF-EXP-002"), "{failure:?}");
    assert_eq!(node.expect("a node").as_str(), "a");
    // The host goes on.
    let quick = publish(&world.plane, PURE);
    let run = world.plane.start(&quick, 2, json!({"n": 1}), world.now());
    assert!(matches!(
        outcome(&world.plane.ended(&run).await),
        Outcome::Done { .. }
    ));
    host.drain().await;
}
