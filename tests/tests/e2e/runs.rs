//! Whole runs through the command line, webhooks and GraphQL, with control plane and host as two processes.

use std::fs;
use std::path::PathBuf;

use flowforge_tests::planes::Planes;
use serde_json::{Value, json};

use super::{components, in_clone, start_planes};

/// Both planes with `bench:steps` and the workflow `w1` of `examples/bench` published.
pub(crate) async fn with_w1(folder: &tempfile::TempDir) -> Planes {
    let mut planes = start_planes(folder.path(), "e2e-host").await;
    planes.start_host(None).await.unwrap();
    let component = components().join("bench.steps.wasm");
    let published = planes
        .flowforge()
        .json(&["connector", "publish", &component.to_string_lossy()])
        .unwrap();
    assert_eq!(published["name"], "bench:steps");
    let workflow = copy_of(&planes, "examples/bench/w1/workflow.yaml", "w1");
    planes
        .flowforge()
        .json(&["workflow", "lint", &workflow.to_string_lossy()])
        .unwrap();
    let published = planes
        .flowforge()
        .json(&["workflow", "publish", &workflow.to_string_lossy()])
        .unwrap();
    assert_eq!(published["version"], 1);
    assert!(
        workflow.join("workflow.lock").is_file(),
        "publishing pins the connectors"
    );
    planes
}

fn copy_of(planes: &Planes, file: &str, name: &str) -> PathBuf {
    let folder = planes.data().join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::copy(in_clone(file), folder.join("workflow.yaml")).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_started_by_hand_is_shown_listed_and_proven() {
    let folder = tempfile::tempdir().unwrap();
    let planes = with_w1(&folder).await;
    let flowforge = planes.flowforge();
    let run = flowforge
        .json(&["run", "start", "w1", "--input", "{\"n\": 5}", "--wait"])
        .unwrap();
    assert_eq!(run["state"], "DONE");
    assert_eq!(run["output"]["n"], 15);
    assert_eq!(run["receipt"]["valid"], true, "{}", run["receipt"]);
    assert_eq!(run["receipt"]["receipt"]["steps"], 10);
    let shown = flowforge.json(&["run", "show", "last"]).unwrap();
    assert_eq!(shown["id"], run["id"]);
    let listed = flowforge.json(&["run", "list", "--workflow", "w1"]).unwrap();
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    planes.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_waits_answers_with_the_output() {
    let folder = tempfile::tempdir().unwrap();
    let planes = with_w1(&folder).await;
    let url = format!("{}/hooks/w1", planes.api().context().server);
    let answer = planes
        .api()
        .http()
        .post(&url)
        .json(&json!({ "id": "a", "n": 0 }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(
        answer.json::<Value>().await.unwrap(),
        json!({ "id": "a", "n": 10 })
    );
    let refused = planes
        .api()
        .http()
        .post(&url)
        .json(&json!({ "n": "many" }))
        .send()
        .await
        .unwrap();
    assert!(refused.status().is_client_error(), "{}", refused.status());
    planes.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn input_that_fails_the_schema_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let planes = with_w1(&folder).await;
    let output = planes
        .flowforge()
        .command(&["run", "start", "w1", "--input", "{\"n\": \"x\"}"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains('n'));
    let listed = planes.flowforge().json(&["run", "list"]).unwrap();
    assert_eq!(listed, json!([]));
    planes.stop().unwrap();
}
