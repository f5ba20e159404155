//! What is over leaves after its time.

use std::time::Duration;

use flowforge_server::Retention;
use serde_json::json;

use crate::support::{FakeHost, Home, SUM, TestClock, finish_sum};

const NOON: u64 = 1_800_000_000_000;
const DAY: u64 = 24 * 60 * 60 * 1_000;

/// Nothing that was over ever left: runs, records, artefacts.
#[tokio::test]
async fn runs_leave_by_age_and_those_that_are_not_over_stay() {
    let clock = TestClock::at(NOON);
    let home = Home::at(&clock);
    let mut config = home.config();
    config.retention = Retention {
        runs: Duration::from_secs(10 * 24 * 60 * 60),
        ..Retention::default()
    };
    let plane = home.start_with(config.clone()).await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    let start = || plane.start_run(json!({"workflow": "sum", "input": {"a": 1}}));
    start().await;
    let over = host.job(&plane).await;
    finish_sum(&plane, &host, &over).await;
    start().await;
    let open = host.job(&plane).await;
    host.received(&plane, &open).await;
    plane.stop().await;

    clock.pass(9 * DAY);
    let plane = home.start_with(config.clone()).await;
    assert!(
        !plane.run(over.run_id.as_str()).await.is_null(),
        "not before its time"
    );
    plane.stop().await;
    clock.pass(2 * DAY);
    let plane = home.start_with(config).await;
    // Only whether it is there: the details of a run that leaves meanwhile are refused.
    let is_there = |id: &str| {
        let asked = plane.ask("query($id: String!) { run(id: $id) { id } }", json!({ "id": id }));
        async move { !asked.await["run"].is_null() }
    };
    while is_there(over.run_id.as_str()).await {
        tokio::task::yield_now().await;
    }
    assert!(is_there(open.run_id.as_str()).await);
    plane.stop().await;
}

#[tokio::test]
async fn artefacts_beyond_their_bound_are_refused_by_name() {
    let home = Home::new();
    let mut config = home.config();
    config.retention.artefact_bytes_max = 8;
    let plane = home.start_with(config).await;
    let host = FakeHost::join(&plane, 1).await;
    let put = |bytes: &'static str| {
        let digest = flowforge_protocol::Digest::of(bytes.as_bytes());
        let call = plane.http.put(plane.url(&format!("/artefacts/{digest}")));
        let call = call.bearer_auth(&host.session).body(bytes);
        async move {
            let answer = call.send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        }
    };
    assert_eq!(put("12345").await.0, 201);
    let full = put("abcde").await;
    assert!(full.0 == 507 && full.1.contains("FF-ART-006"), "{full:?}");
    plane.stop().await;
}
