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

/// Instructions are a measure that is the same on every machine; seconds are not.
#[tokio::test]
async fn instructions_are_counted_and_bounded_where_the_runtime_counts() {
    let mut bench = Bench::with(|config| config.compile.counted = true);
    let guest = guest_with_imports(
        "package test:counter; world w { export count: func(to: u32) -> u32; }",
        "",
        r#"(func (export "count") (param i32) (result i32) (local $at i32)
             (loop $next
               (local.set $at (i32.add (local.get $at) (i32.const 1)))
               (br_if $next (i32.lt_u (local.get $at) (local.get 0))))
             (local.get $at))"#,
    );
    let counter = bench.load(&guest).await;
    let mut counts = Vec::new();
    for to in [1_000, 2_000, 1_000] {
        let call = bench.invocation(&counter, "count", json!({ "to": to }));
        let invoked = bench.runtime.invoke(call).await.expect("it counts");
        counts.push(invoked.usage.instructions.expect("it is counted"));
    }
    assert_eq!(counts[0], counts[2]);
    assert!(counts[1].all > counts[0].all + 1_000, "{counts:?}");
    bench.limits.instructions = Some(counts[0].all);
    let failure = bench.failure(&counter, "count", json!({"to": 2_000})).await;
    assert_eq!(
        failure.message,
        "the connector computed for more instructions than it may"
    );
    let uncounted = Bench::new();
    let echo = uncounted.load(&crate::guests::echo()).await;
    let call = uncounted.invocation(&echo, "text", json!({"value": "a"}));
    let invoked = uncounted.runtime.invoke(call).await.expect("it answers");
    assert_eq!(invoked.usage.instructions, None);
}
