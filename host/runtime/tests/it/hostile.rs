//! Guests that misbehave. Each ends its own attempt with a failure that says why, and the next call works.

use std::sync::Arc;
use std::time::Duration;

use flowforge_protocol::{Digest, Failure, FailureKind};
use flowforge_runtime::{Connector, LoadError};
use serde_json::{Value, json};

use crate::guests::{guest, guest_with_imports, hostile};
use crate::support::Bench;

/// The failure of a call, after which the same runtime still serves the same connector.
async fn survives(bench: &Bench, connector: &Arc<Connector>, operation: &str, input: Value) -> Failure {
    let failure = bench.failure(connector, operation, input).await;
    assert_eq!(bench.output(connector, "fine", Value::Null).await, json!("fine"));
    failure
}

#[tokio::test]
async fn a_trap_is_an_internal_failure_that_names_its_place() {
    let bench = Bench::new();
    let hostile = bench.load(&hostile()).await;
    let failure = survives(&bench, &hostile, "trap", Value::Null).await;
    assert_eq!(failure.kind, FailureKind::Internal);
    assert!(failure.message.contains("unreachable"), "{}", failure.message);
}

#[tokio::test]
async fn an_endless_loop_ends_at_the_processor_limit() {
    let mut bench = Bench::new();
    bench.limits.cpu = Duration::from_millis(50);
    let hostile = bench.load(&hostile()).await;
    let failure = survives(&bench, &hostile, "spin", Value::Null).await;
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::Limit, "the connector computed longer than 50 ms")
    );
}

#[tokio::test]
async fn an_endless_loop_ends_at_the_steps_deadline() {
    let mut bench = Bench::new();
    let hostile = bench.load(&hostile()).await;
    bench.limits.wall = Duration::from_millis(50);
    let failure = bench.failure(&hostile, "spin", Value::Null).await;
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::Limit, "the step took longer than 50 ms")
    );
    bench.limits.wall = Duration::from_secs(60);
    assert_eq!(bench.output(&hostile, "fine", Value::Null).await, json!("fine"));
}

#[tokio::test]
async fn many_endless_loops_leave_room_for_others() {
    let mut bench = Bench::new();
    let hostile = bench.load(&hostile()).await;
    bench.limits.cpu = Duration::from_millis(200);
    let loops = (0..4).map(|_| bench.failure(&hostile, "spin", Value::Null));
    let (failures, fine) = tokio::join!(
        futures::future::join_all(loops),
        bench.output(&hostile, "fine", Value::Null)
    );
    assert_eq!(fine, json!("fine"));
    assert!(failures.iter().all(|failure| failure.kind == FailureKind::Limit));
}

#[tokio::test]
async fn endless_allocation_ends_at_the_memory_limit() {
    let bench = Bench::new();
    let hostile = bench.load(&hostile()).await;
    let failure = survives(&bench, &hostile, "eat", Value::Null).await;
    assert_eq!(failure.kind, FailureKind::Limit);
    assert!(
        failure.message.contains("the limit is 64.0 MiB"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn a_guest_may_use_memory_up_to_the_limit_and_not_beyond() {
    let mut bench = Bench::new();
    bench.limits.memory_bytes = 3 << 20;
    bench.limits.output_bytes = 8 << 20;
    let hostile = bench.load(&hostile()).await;
    let within = bench
        .call(&hostile, "large", json!({"length": 2 << 20}))
        .await
        .expect("fits");
    assert!(within.usage.peak_memory_bytes <= 3 << 20);
    let failure = survives(&bench, &hostile, "large", json!({"length": 3 << 20})).await;
    assert_eq!(failure.kind, FailureKind::Limit);
}

#[tokio::test]
async fn a_guest_that_starts_above_the_limit_does_not_start() {
    let mut bench = Bench::new();
    bench.limits.memory_bytes = 65_535;
    let hostile = bench.load(&hostile()).await;
    let failure = bench.failure(&hostile, "fine", Value::Null).await;
    assert_eq!(failure.kind, FailureKind::Limit);
    bench.limits.memory_bytes = 65_536;
    assert_eq!(bench.output(&hostile, "fine", Value::Null).await, json!("fine"));
}

#[tokio::test]
async fn a_growing_table_ends_at_its_limit() {
    let bench = Bench::new();
    let hostile = bench.load(&hostile()).await;
    let failure = survives(&bench, &hostile, "fill_table", Value::Null).await;
    assert_eq!(failure.kind, FailureKind::Limit);
    assert!(failure.message.contains("table"), "{}", failure.message);
}

#[tokio::test]
async fn endless_recursion_overflows_only_its_own_stack() {
    let bench = Bench::new();
    let hostile = bench.load(&hostile()).await;
    let failure = survives(&bench, &hostile, "recurse", Value::Null).await;
    assert_eq!(failure.kind, FailureKind::Limit);
    assert!(failure.message.contains("stack"), "{}", failure.message);
}

#[tokio::test]
async fn a_result_of_100_megabytes_is_refused_before_it_is_copied() {
    let mut bench = Bench::new();
    bench.limits.memory_bytes = 256 << 20;
    let hostile = bench.load(&hostile()).await;
    let failure = survives(&bench, &hostile, "large", json!({"length": 100 << 20})).await;
    assert_eq!(failure.kind, FailureKind::Limit);
    assert!(
        failure.message.contains("copies more than 33554432 bytes"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn a_result_may_be_as_large_as_the_limit_and_not_larger() {
    let bench = Bench::new();
    let hostile = bench.load(&hostile()).await;
    let limit = flowforge_runtime::limits::OUTPUT_BYTES;
    let output = bench
        .output(&hostile, "large", json!({"length": limit - 2}))
        .await;
    assert_eq!(output.as_str().map(str::len), Some(limit - 2));
    let failure = survives(&bench, &hostile, "large", json!({"length": limit})).await;
    assert_eq!(failure.kind, FailureKind::Limit);
    assert!(
        failure.message.contains(&format!("larger than {limit} bytes")),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn a_result_outside_the_memory_is_a_trap() {
    let bench = Bench::new();
    let hostile = bench.load(&hostile()).await;
    let failure = survives(&bench, &hostile, "outside", Value::Null).await;
    assert_eq!(failure.kind, FailureKind::Internal);
}

#[tokio::test]
async fn an_endless_log_is_cut_and_counted() {
    let mut bench = Bench::new();
    bench.limits.log_lines = 10;
    bench.limits.log_line_bytes = 16;
    bench.limits.cpu = Duration::from_millis(50);
    let noisy = guest_with_imports(
        "package test:noisy;
         world w { import flowforge:connector/log@0.1.0; export flood: func(); export some: func(); }",
        r#"(import "flowforge:connector/log@0.1.0" "write" (func $write (param i32 i32 i32)))"#,
        r#"(data (i32.const 16) "a line that is rather long")
           (func (export "flood") (loop $again (call $write (i32.const 1) (i32.const 16) (i32.const 26)) (br $again)))
           (func (export "some") (local $n i32)
             (loop $again
               (call $write (i32.const 2) (i32.const 16) (i32.const 6))
               (local.set $n (i32.add (local.get $n) (i32.const 1)))
               (br_if $again (i32.lt_u (local.get $n) (i32.const 11)))))"#,
    );
    let noisy = bench.load(&noisy).await;
    let failure = bench.failure(&noisy, "flood", Value::Null).await;
    assert_eq!(failure.kind, FailureKind::Limit);
    let lines = bench.services.lines();
    assert_eq!(lines.len(), 11);
    assert_eq!(lines[9].1, "a line that i…");
    assert!(
        lines[10]
            .1
            .contains("more log lines were left out: at most 10 lines"),
        "{}",
        lines[10].1
    );
    let some = bench.call(&noisy, "some", Value::Null).await.expect("works");
    assert_eq!(some.usage.log_lines_dropped, 1);
}

async fn refused(bench: &Bench, bytes: &[u8]) -> LoadError {
    bench
        .runtime
        .load(Digest::of(bytes), bytes)
        .await
        .expect_err("is refused")
}

#[tokio::test]
async fn an_import_that_no_host_offers_is_named() {
    let bench = Bench::new();
    let wit = "package test:wants;
               interface teleport { go: func(to: string); }
               world w { import teleport; export run: func(); }";
    let wants = guest_with_imports(
        wit,
        r#"(import "test:wants/teleport" "go" (func $go (param i32 i32)))"#,
        r#"(func (export "run") (call $go (i32.const 0) (i32.const 0)))"#,
    );
    match refused(&bench, &wants).await {
        LoadError::UnknownImport { import } => assert_eq!(import, "test:wants/teleport"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_known_import_of_another_shape_is_named() {
    let bench = Bench::new();
    let strange = wat::parse_str(
        r#"(component
             (import "wasi:cli/environment@0.2.0" (instance (export "format-disk" (func))))
             (core module $m (func (export "run")))
             (core instance $i (instantiate $m))
             (func (export "run") (canon lift (core func $i "run"))))"#,
    )
    .expect("parses");
    match refused(&bench, &strange).await {
        LoadError::ImportMismatch { reason } => assert!(reason.contains("wasi:cli/environment"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_no_component_is_told_apart() {
    let bench = Bench::new();
    let text = |error: LoadError| error.to_string();
    assert!(text(refused(&bench, b"#!/bin/sh\nexit 0\n").await).contains("not a WebAssembly file"));
    let core = wat::parse_str("(module)").expect("parses");
    assert!(text(refused(&bench, &core).await).contains("a core WebAssembly module"));
    let whole = hostile();
    assert!(text(refused(&bench, &whole[..whole.len() / 2]).await).contains("malformed component"));
}

#[tokio::test]
async fn bytes_with_another_digest_are_refused() {
    let bench = Bench::new();
    let whole = hostile();
    let other = guest(
        "package test:other; world w { export f: func(); }",
        r#"(func (export "f"))"#,
    );
    let error = bench
        .runtime
        .load(Digest::of(&other), &whole)
        .await
        .expect_err("is refused");
    assert!(matches!(error, LoadError::WrongDigest { expected, actual }
        if expected == Digest::of(&other) && actual == Digest::of(&whole)));
}

#[tokio::test]
async fn a_component_above_the_size_limit_is_refused() {
    let whole = hostile();
    let limit = whole.len() - 1;
    let bench = Bench::with(|config| config.compile.component_bytes_max = limit);
    assert!(
        matches!(refused(&bench, &whole).await, LoadError::TooLarge { limit_bytes, .. } if limit_bytes == limit)
    );
    let bench = Bench::with(|config| config.compile.component_bytes_max = limit + 1);
    bench.load(&whole).await;
}

#[tokio::test]
async fn a_component_that_needs_more_of_the_pool_than_one_may_have_is_refused() {
    let bench = Bench::new();
    let wit = "package test:wide; world w { export run: func(); }";
    let run = r#"(func (export "run"))"#;
    let fits = guest(wit, &format!("(table 65536 funcref) {run}"));
    bench.load(&fits).await;
    let wide = guest(wit, &format!("(table 65537 funcref) {run}"));
    match refused(&bench, &wide).await {
        LoadError::Unloadable { reason } => assert!(reason.contains("table"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_step_may_name_its_own_time_up_to_the_most_that_any_may() {
    let mut bench = Bench::new();
    let hostile = bench.load(&hostile()).await;
    let message = async |bench: &Bench, timeout: Duration| {
        let mut call = bench.invocation(&hostile, "spin", Value::Null);
        call.step.timeout = Some(timeout);
        bench.runtime.invoke(call).await.expect_err("ends").to_string()
    };
    assert_eq!(
        message(&bench, Duration::from_millis(40)).await,
        "the step took longer than 40 ms"
    );
    bench.limits.wall_max = Duration::from_millis(50);
    assert_eq!(
        message(&bench, Duration::from_secs(60)).await,
        "the step took longer than 50 ms"
    );
}
