//! How far steps are, as their hosts say.

use serde_json::json;

use crate::support::{FakeHost, Home, SUM, Script, accepted};

/// What a step said of its progress went nowhere.
#[tokio::test]
async fn a_run_shows_how_far_its_steps_are_while_they_run() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    let job = host.started(&plane).await;
    let mut script = Script::new(&job);
    let batch = script.batch(vec![accepted(&job)]);
    host.sync(&plane, json!({"batches": [batch]})).await;
    let shown = async || {
        let query = "query($id: String!) { run(id: $id) { progress { step attempt percent message atMs } } }";
        plane.ask(query, json!({"id": job.run_id})).await["run"]["progress"].clone()
    };
    assert_eq!(shown().await, json!([]));
    let said = |percent: u8, message: &str| json!({"run": job.run_id, "step": "total", "attempt": 1, "percent": percent, "message": message, "atMs": 7});
    let long = "é".repeat(300);
    host.sync(&plane, json!({"progress": [said(140, &long)]})).await;
    let seen = shown().await;
    assert_eq!(seen[0]["percent"], 100);
    assert_eq!(seen[0]["message"].as_str().unwrap().len(), 256);
    host.sync(&plane, json!({"progress": [said(60, "row 6")]})).await;
    // What is not said again stays as it was.
    host.sync(&plane, json!({})).await;
    let seen = shown().await;
    assert_eq!(
        seen,
        json!([{"step": "total", "attempt": 1, "percent": 60, "message": "row 6", "atMs": 7}])
    );
    host.sync(&plane, json!({"progress": []})).await;
    assert_eq!(shown().await, json!([]));
    let many = vec![said(1, ""); 257];
    let refused = host.try_sync(&plane, json!({"progress": many})).await;
    assert!(refused.to_string().contains("more than 256"), "{refused:#}");
    plane.stop().await;
}
