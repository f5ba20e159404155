//! Steps that take long: what they say on the way, and how long they may take.

use std::sync::Arc;
use std::time::Duration;

use flowforge_ports::Effect;
use flowforge_protocol::record::{Event, Outcome};
use flowforge_runtime::Progress;
use flowforge_runtime::limits::WALL_MAX;
use flowforge_workflow::limits::MAX_TIMEOUT_MS;
use serde_json::json;
use tokio::sync::{Mutex, Semaphore};

use crate::runs::{outcome, publish, scripts};
use crate::world::World;

const LONG: &str = "
workflow: long
nodes:
  long: { call: test:scripts/long, timeout: 6h, idle_timeout: 10m }
output: { n: \"${long}\" }
";

/// What a connector said of its progress was heard by nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_step_says_on_its_way_is_told_and_stands_in_no_record() {
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let scripts = scripts().asynchronous("long", Effect::Pure, move |call| {
        let gate = Arc::clone(&gate);
        async move {
            for percent in [10, 40] {
                call.services.progress(&Progress {
                    percent: Some(percent),
                    message: Some(format!("row {percent}")),
                });
            }
            gate.acquire().await.expect("open").forget();
            Ok(json!(1))
        }
    });
    let world = World::new(scripts);
    let published = publish(&world.plane, LONG);
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    world
        .plane
        .until(|state| state.progress.iter().any(|said| said.percent == Some(40)))
        .await;
    let said = world.plane.with(|state| state.progress.clone());
    assert_eq!(said.len(), 1, "the newest word only: {said:?}");
    assert_eq!(
        (&said[0].run, said[0].step.to_string()),
        (&run, "long".to_owned())
    );
    assert_eq!(said[0].message.as_deref(), Some("row 40"));
    opened.add_permits(1);
    let stored = world.plane.ended(&run).await;
    world.plane.until(|state| state.progress.is_empty()).await;
    assert!(matches!(outcome(&stored), Outcome::Done { .. }));
    let lines = String::from_utf8(stored.lines()).expect("text");
    assert!(!lines.contains("row 40"), "it is in no record");
    host.drain().await;
}

/// The times that a workflow names arrive at the sandbox as they were named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_has_the_hours_and_the_silence_that_its_workflow_names() {
    assert_eq!(
        Duration::from_millis(MAX_TIMEOUT_MS),
        WALL_MAX,
        "one limit, twice written"
    );
    let given = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&given);
    let scripts = scripts().asynchronous("long", Effect::Pure, move |call| {
        let given = Arc::clone(&given);
        async move {
            let wall = call.limits.wall_of(call.context.timeout);
            *given.lock().await = Some((wall, call.limits.idle));
            Ok(json!(1))
        }
    });
    let world = World::new(scripts);
    let published = publish(&world.plane, LONG);
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    let stored = world.plane.ended(&run).await;
    assert!(
        stored
            .records()
            .iter()
            .any(|record| matches!(record.event, Event::Completed { .. }))
    );
    let expected = (Duration::from_hours(6), Some(Duration::from_mins(10)));
    assert_eq!(*seen.lock().await, Some(expected));
    host.drain().await;
}
