use flowforge_protocol::FailureKind;
use serde_json::{Value, json};

use crate::guests::{echo, failing, guest};
use crate::support::Bench;

#[tokio::test]
async fn values_go_in_and_out() {
    let bench = Bench::new();
    let echo = bench.load(&echo()).await;
    assert_eq!(
        bench.output(&echo, "text", json!({"value": "héllo"})).await,
        json!("héllo")
    );
    let any = json!({"a": [1, 2.5, null, {"b": "c"}]});
    assert_eq!(bench.output(&echo, "any", json!({"value": any})).await, any);
    let rows = json!([{"price": 1.5, "name": "a"}, {"price": -2.0, "name": ""}]);
    assert_eq!(bench.output(&echo, "rows", json!({"rows": rows})).await, rows);
}

#[tokio::test]
async fn a_wrong_field_is_named_by_its_path() {
    let bench = Bench::new();
    let echo = bench.load(&echo()).await;
    let good = json!({"price": 1, "name": "a"});
    let rows = json!([good, good, good, {"price": "1", "name": "d"}]);
    let failure = bench.failure(&echo, "rows", json!({"rows": rows})).await;
    assert_eq!(failure.kind, FailureKind::Invalid);
    assert_eq!(failure.path.as_deref(), Some("rows[3].price"));
    assert_eq!(failure.message, "expected a number, got text");
}

#[tokio::test]
async fn missing_and_unknown_inputs_are_refused() {
    let bench = Bench::new();
    let echo = bench.load(&echo()).await;
    let missing = bench.failure(&echo, "text", Value::Null).await;
    assert_eq!(
        (missing.path.as_deref(), missing.message.as_str()),
        (Some("value"), "is missing, expected text")
    );
    let unknown = bench
        .failure(&echo, "text", json!({"value": "a", "vlaue": "b"}))
        .await;
    assert_eq!(
        (unknown.path.as_deref(), unknown.message.as_str()),
        (Some("vlaue"), "no such input, expected value")
    );
    let field = bench
        .failure(
            &echo,
            "rows",
            json!({"rows": [{"price": 1, "name": "", "nmae": 1}]}),
        )
        .await;
    assert_eq!(field.path.as_deref(), Some("rows[0].nmae"));
    let operation = bench.failure(&echo, "txet", Value::Null).await;
    assert_eq!(operation.code.as_deref(), Some("FF-CON-001"));
}

#[tokio::test]
async fn integers_travel_exactly_to_64_bits() {
    let bench = Bench::new();
    let echo = bench.load(&echo()).await;
    let safe = (1_u64 << 53) - 1;
    assert_eq!(
        bench.output(&echo, "big", json!({"value": safe})).await,
        json!(safe)
    );
    assert_eq!(
        bench.output(&echo, "big", json!({"value": safe + 1})).await,
        json!(9_007_199_254_740_992_u64)
    );
    let largest = json!(u64::MAX);
    assert_eq!(
        bench.output(&echo, "big", json!({"value": largest})).await,
        largest
    );
    assert_eq!(
        bench
            .output(&echo, "big", json!({"value": largest.to_string()}))
            .await,
        largest,
        "text is taken too, from sources that have only floating point numbers"
    );
    assert_eq!(bench.output(&echo, "big", json!({"value": 3.0})).await, json!(3));
    let negative = bench.failure(&echo, "big", json!({"value": -1})).await;
    assert_eq!(negative.message, "-1 is out of range");
    let fraction = bench.failure(&echo, "big", json!({"value": 1.5})).await;
    assert_eq!(fraction.message, "expected a whole number, got the number 1.5");
}

#[tokio::test]
async fn a_wrong_result_is_the_connectors_fault_and_says_where() {
    let bench = Bench::new();
    let echo = bench.load(&echo()).await;
    let nan = bench.failure(&echo, "not_a_number", Value::Null).await;
    assert_eq!(
        (nan.kind, nan.path.as_deref()),
        (FailureKind::Internal, Some("result"))
    );
    assert!(nan.message.contains("NaN"), "{}", nan.message);
    let json = bench.failure(&echo, "bad_json", Value::Null).await;
    assert_eq!(json.kind, FailureKind::Internal);
    assert!(json.message.contains("expected a JSON text"), "{}", json.message);
    // It became a double about its size without a word.
    let large = bench.failure(&echo, "large_json", Value::Null).await;
    assert_eq!(
        (large.kind, large.path.as_deref()),
        (FailureKind::Internal, Some("result.rows[1]"))
    );
    assert!(
        large.message.contains("does not fit 64 bits"),
        "{}",
        large.message
    );
}

#[tokio::test]
async fn json_deeper_than_64_levels_is_refused() {
    let bench = Bench::new();
    let echo = bench.load(&echo()).await;
    let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(
        bench.output(&echo, "any", json!({"value": nested(64)})).await,
        nested(64)
    );
    let failure = bench.failure(&echo, "any", json!({"value": nested(65)})).await;
    assert_eq!(
        (failure.kind, failure.path.as_deref()),
        (FailureKind::Invalid, Some("value"))
    );
}

#[tokio::test]
async fn typed_failures_keep_their_meaning() {
    let bench = Bench::new();
    let failing = bench.load(&failing()).await;
    let of = async |which: u32| bench.failure(&failing, "fail", json!({"which": which})).await;
    let invalid = of(0).await;
    assert_eq!(
        (invalid.kind, invalid.path.as_deref()),
        (FailureKind::Invalid, Some("rows[2]"))
    );
    assert_eq!(invalid.message, "wrong");
    let rejected = of(1).await;
    assert_eq!(
        (rejected.kind, rejected.code.as_deref()),
        (FailureKind::Rejected, Some("rows[2]"))
    );
    assert_eq!(of(2).await.kind, FailureKind::Denied);
    let throttled = of(3).await;
    assert_eq!(
        (throttled.kind, throttled.retry_after_ms),
        (FailureKind::Throttled, Some(2500))
    );
    assert_eq!(throttled.message, "busy");
    assert_eq!(of(4).await.kind, FailureKind::Unavailable);
    assert_eq!(of(5).await.kind, FailureKind::TimedOut);
    assert_eq!(of(6).await.kind, FailureKind::Internal);
}

#[tokio::test]
async fn an_error_of_another_type_is_a_final_refusal() {
    let bench = Bench::new();
    let failing = bench.load(&failing()).await;
    let gone = bench.failure(&failing, "fail_own", json!({"which": 0})).await;
    assert_eq!(
        (gone.kind, gone.code.as_deref()),
        (FailureKind::Rejected, Some("gone"))
    );
    assert!(gone.message.contains("wrong"), "{}", gone.message);
    let broken = bench.failure(&failing, "fail_own", json!({"which": 1})).await;
    assert_eq!(broken.code.as_deref(), Some("broken"));
    let bare = bench.failure(&failing, "fail_bare", Value::Null).await;
    assert_eq!(bare.message, "the operation failed without a reason");
}

#[tokio::test]
async fn every_call_gets_a_fresh_instance() {
    let bench = Bench::new();
    let counter = guest(
        "package test:counter; world w { export next: func() -> u32; }",
        r#"(global $n (mut i32) (i32.const 0))
           (func (export "next") (result i32)
             (global.set $n (i32.add (global.get $n) (i32.const 1)))
             (i32.store (i32.const 64) (i32.add (i32.load (i32.const 64)) (global.get $n)))
             (i32.load (i32.const 64)))"#,
    );
    let counter = bench.load(&counter).await;
    for _ in 0..20 {
        assert_eq!(bench.output(&counter, "next", Value::Null).await, json!(1));
    }
}

#[tokio::test]
async fn more_calls_than_instances_wait_for_their_turn() {
    let bench = Bench::with(|config| config.max_instances = 2);
    let echo = bench.load(&echo()).await;
    let calls = (0..64).map(|number: u32| {
        let call = bench.invocation(&echo, "text", json!({"value": number.to_string()}));
        let runtime = bench.runtime.clone();
        async move { runtime.invoke(call).await.map(|invoked| invoked.output) }
    });
    let outputs = futures::future::join_all(calls).await;
    for (number, output) in outputs.into_iter().enumerate() {
        assert_eq!(output.expect("works"), json!(number.to_string()));
    }
}

/// A component with the asynchronous ABI has an engine of its own, which is started for the first of them.
#[tokio::test]
async fn an_asynchronous_component_runs_beside_a_plain_one() {
    let text = r#"(component
        (core module $m
            (import "" "task.return" (func $return (param i32)))
            (func (export "f") (result i32) i32.const 42 call $return i32.const 0)
            (func (export "cb") (param i32 i32 i32) (result i32) unreachable))
        (core func $return (canon task.return (result u32)))
        (core instance $i (instantiate $m (with "" (instance (export "task.return" (func $return))))))
        (func (export "answer") async (result u32)
            (canon lift (core func $i "f") async (callback (core func $i "cb")))))"#;
    let bench = Bench::new();
    let asynchronous = bench.load(&wat::parse_str(text).expect("a component")).await;
    let plain = bench.load(&echo()).await;
    for _ in 0..2 {
        assert_eq!(
            bench.output(&asynchronous, "answer", Value::Null).await,
            json!(42)
        );
        assert_eq!(
            bench.output(&plain, "text", json!({"value": "a"})).await,
            json!("a")
        );
    }
    // Code of both engines is kept, each in its own folder.
    let folders = std::fs::read_dir(bench.folder.path().join("code")).expect("the cache");
    assert_eq!(folders.count(), 2);
}
