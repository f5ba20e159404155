//! What a guest may know of its step.

use serde_json::{Value, json};

use crate::guests::guest_with_imports;
use crate::support::Bench;

#[tokio::test]
async fn a_guest_sees_its_step_the_clock_and_randomness() {
    let bench = Bench::new();
    let watcher = guest_with_imports(
        "package test:watcher;
         world w {
           import flowforge:connector/context@0.1.0;
           use flowforge:connector/context@0.1.0.{step-info};
           export step: func() -> step-info;
           export now: func() -> u64;
           use flowforge:connector/context@0.1.0.{too-many-bytes};
           export random: func(length: u32) -> result<list<u8>, too-many-bytes>;
         }",
        r#"(import "flowforge:connector/context@0.1.0" "step" (func $step (param i32)))
           (import "flowforge:connector/context@0.1.0" "now-ms" (func $now (result i64)))
           (import "flowforge:connector/context@0.1.0" "random-bytes" (func $random (param i32 i32)))"#,
        r#"(func (export "step") (result i32) (call $step (i32.const 1024)) (i32.const 1024))
           (func (export "now") (result i64) (call $now))
           (func (export "random") (param i32) (result i32) (call $random (local.get 0) (i32.const 1024)) (i32.const 1024))"#,
    );
    let watcher = bench.load(&watcher).await;
    let step = bench.output(&watcher, "step", Value::Null).await;
    assert_eq!(step["run_id"], json!("run1"));
    assert_eq!(step["step"], json!("labels[3].label"));
    assert_eq!(
        (&step["attempt"], &step["idempotency_key"]),
        (&json!(2), &json!("key1"))
    );
    let left = step["deadline_ms"].as_u64().expect("a number");
    assert!((1..=60_000).contains(&left), "{left}");
    assert_eq!(
        bench.output(&watcher, "now", Value::Null).await,
        json!(1_700_000_000_123_u64)
    );
    assert_eq!(
        bench.output(&watcher, "random", json!({"length": 3})).await,
        json!("AAEC")
    );
    let most = bench.output(&watcher, "random", json!({"length": 65_536})).await;
    assert_eq!(
        most.as_str().map(str::len),
        Some((64_usize << 10).div_ceil(3) * 4)
    );
    // A larger request was cut to this without a word.
    let failure = bench.failure(&watcher, "random", json!({"length": 65_537})).await;
    assert!(failure.message.contains("65536"), "{}", failure.message);
    assert_eq!(bench.services.effects(), []);
}
