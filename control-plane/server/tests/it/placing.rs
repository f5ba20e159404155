//! Runs that only certain hosts may have.

use serde_json::json;

use crate::support::{FakeHost, Home};

const PLACED: &str = "workflow: placed
runs_on: { pool: presses, labels: [gpu] }
nodes:
  a: { set: { x: 1 } }
";
const WAITING: &str = "query($id: String!) { run(id: $id) { state waitingFor } }";
const HOSTS: &str = "{ hosts { name labels } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_labels_no_host_has_waits_and_says_so() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(PLACED).await;
    let plain = FakeHost::join(&plane, 1).await;
    let started = plane
        .start_run(json!({ "workflow": "placed", "input": {} }))
        .await;
    let id = started["run"]["id"].as_str().expect("a run").to_owned();
    assert!(plain.jobs(&plane, 0).await.is_empty(), "it has no labels");
    let asked = plane.ask(WAITING, json!({ "id": id })).await;
    assert_eq!(asked["run"]["state"], "QUEUED");
    let why = asked["run"]["waitingFor"].as_str().expect("a reason").to_owned();
    assert!(
        why.starts_with("a host with pool presses, gpu: none is known here"),
        "{why}"
    );
    // One that has more than that gets it, as soon as it is there.
    let press = FakeHost::join_as(&plane, 2, &["eu", "gpu", "pool:presses"]).await;
    let jobs = press.jobs(&plane, 1_000).await;
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].run_id.to_string(), id);
    let hosts = plane.ask(HOSTS, json!({})).await;
    let labels = hosts["hosts"]
        .as_array()
        .expect("hosts")
        .iter()
        .map(|host| host["labels"].clone());
    assert_eq!(
        labels.collect::<Vec<_>>(),
        [json!([]), json!(["eu", "gpu", "pool:presses"])]
    );
    plane.stop().await;
}
