//! The real sandbox under the executor: a connector that misbehaves ends its run, and the host stays up.

use std::sync::Arc;

use flowforge_host::connectors::WasmConnectors;
use flowforge_protocol::FailureKind;
use flowforge_protocol::record::Outcome;
use flowforge_runtime::{CompileWorker, Runtime, RuntimeConfig};
use serde_json::json;

use crate::runs::outcome;
use crate::world::World;

const GUEST: &str = r#"(component
  (core module $m
    (func (export "trap") (result i32) unreachable)
    (func (export "fine") (result i32) i32.const 7))
  (core instance $i (instantiate $m))
  (func (export "trap") (result s32) (canon lift (core func $i "trap")))
  (func (export "fine") (result s32) (canon lift (core func $i "fine"))))"#;

fn workflow(operation: &str) -> String {
    format!(
        "workflow: {operation}-run\nnodes:\n  step: {{ call: test:guest/{operation} }}\noutput: {{ n: \"${{step}}\" }}\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_ends_its_run_and_the_next_run_works() {
    let cache = tempfile::tempdir().expect("folder");
    let runtime = Runtime::new(RuntimeConfig::new(
        cache.path().to_owned(),
        CompileWorker::InProcess,
    ))
    .expect("runtime");
    let world = World::new(WasmConnectors::new(Arc::new(runtime)));
    let component = wat::parse_str(GUEST).expect("wat");
    let connectors = [("test:guest", component)];
    let trapping = world.plane.publish(&workflow("trap"), &connectors);
    let fine = world.plane.publish(&workflow("fine"), &connectors);
    let host = world.start();
    let run = world.plane.start(&trapping, 1, json!({}), world.now());
    let stored = world.plane.ended(&run).await;
    let Outcome::Failed { failure, node } = outcome(&stored) else {
        panic!("{:?}", outcome(&stored))
    };
    assert_eq!(
        (failure.kind, node),
        (FailureKind::Internal, Some("step".parse().expect("id")))
    );
    let run = world.plane.start(&fine, 2, json!({}), world.now());
    let stored = world.plane.ended(&run).await;
    assert_eq!(
        outcome(&stored),
        Outcome::Done {
            output: json!({"n": 7}).into()
        }
    );
    world.plane.prove(&fine, &stored);
    host.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_component_are_refused() {
    let cache = tempfile::tempdir().expect("folder");
    let runtime = Runtime::new(RuntimeConfig::new(
        cache.path().to_owned(),
        CompileWorker::InProcess,
    ))
    .expect("runtime");
    let world = World::new(WasmConnectors::new(Arc::new(runtime)));
    let published = world
        .plane
        .publish(&workflow("fine"), &[("test:guest", b"not wasm".to_vec())]);
    let host = world.start();
    world.plane.start(&published, 1, json!({}), world.now());
    world.plane.until(|state| !state.refused.is_empty()).await;
    let refused = world.plane.with(|state| state.refused[0].clone());
    assert_eq!(refused.code, "FF-ADM-011");
    host.drain().await;
}
