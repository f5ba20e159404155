//! Signs of life of a call that takes long.

use std::time::Duration;

use flowforge_protocol::FailureKind;
use flowforge_runtime::Progress;
use serde_json::{Value, json};

use crate::egress::request;
use crate::guests::{guest_with_imports, sender};
use crate::server::{Reply, Server};
use crate::support::Bench;

/// Reports 7 % with a message, then 250 % without one, as often as it is told.
fn reporter() -> Vec<u8> {
    guest_with_imports(
        "package test:reporter;
         world w {
           import flowforge:connector/progress@0.1.0;
           export report: func(times: u32);
         }",
        r#"(import "flowforge:connector/progress@0.1.0" "report" (func $report (param i32 i32 i32 i32 i32 i32)))"#,
        r#"(data (i32.const 16) "reading s3cret\nrow")
           (func (export "report") (param $times i32)
             (call $report (i32.const 1) (i32.const 1) (i32.const 7) (i32.const 1) (i32.const 16) (i32.const 18))
             (loop $again
               (call $report (i32.const 1) (i32.const 1) (i32.const 250) (i32.const 0) (i32.const 0) (i32.const 0))
               (call $report (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
               (local.set $times (i32.sub (local.get $times) (i32.const 1)))
               (br_if $again (local.get $times))))"#,
    )
}

#[tokio::test]
async fn states_are_bounded_in_pace_and_the_last_one_arrives() {
    let mut bench = Bench::new();
    bench.services.redactor.learn("token", b"s3cret");
    bench.limits.progress_interval = Duration::from_hours(1);
    let reporter = bench.load(&reporter()).await;
    bench.output(&reporter, "report", json!({"times": 1000})).await;
    let shown = bench.services.progress.lock().expect("no panic").clone();
    assert_eq!(
        shown,
        [
            Progress {
                percent: Some(7),
                message: Some("reading [secret token] row".to_owned()),
            },
            Progress {
                percent: Some(100),
                message: None,
            }
        ]
    );
    assert_eq!(bench.services.effects(), []);
}

#[tokio::test]
async fn silence_ends_a_call_long_before_its_time_is_over() {
    let silent = Server::start(Reply::Silence).await;
    let mut bench = Bench::on_loopback().allow(&silent.destination());
    bench.limits.wall = Duration::from_hours(10);
    bench.limits.idle = Some(Duration::from_millis(50));
    let sender = bench.load(&sender()).await;
    let failure = bench
        .failure(&sender, "send", request("GET", &silent.destination()))
        .await;
    assert_eq!(failure.kind, FailureKind::TimedOut);
    assert!(
        failure.message.contains("no sign of life for 50 ms"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn a_call_that_reports_may_take_its_time() {
    let mut bench = Bench::new();
    bench.limits.idle = Some(Duration::from_secs(5));
    bench.limits.cpu = Duration::from_secs(60);
    let reporter = bench.load(&reporter()).await;
    assert_eq!(
        bench.output(&reporter, "report", json!({"times": 100_000})).await,
        Value::Null
    );
}

/// A step that named hours got a minute.
#[tokio::test]
async fn a_step_that_names_hours_has_them() {
    let bench = Bench::new();
    let watcher = guest_with_imports(
        "package test:watcher;
         world w {
           import flowforge:connector/context@0.1.0;
           use flowforge:connector/context@0.1.0.{step-info};
           export step: func() -> step-info;
         }",
        r#"(import "flowforge:connector/context@0.1.0" "step" (func $step (param i32)))"#,
        r#"(func (export "step") (result i32) (call $step (i32.const 1024)) (i32.const 1024))"#,
    );
    let watcher = bench.load(&watcher).await;
    let mut call = bench.invocation(&watcher, "step", Value::Null);
    call.step.timeout = Some(Duration::from_hours(6));
    let output = bench.runtime.invoke(call).await.expect("works").output;
    let left = output["deadline_ms"].as_u64().expect("a number");
    assert!(left > 5 * 3_600_000, "{left}");
}
