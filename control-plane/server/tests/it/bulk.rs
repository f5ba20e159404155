//! Many runs at once.

use serde_json::{Value, json};

use crate::support::{Home, Plane, SUM};

const ITEMS: &str = "__typename ... on BulkSuccess { more items { id started done code } } \
    ... on InputProblem { fields { path } }";

async fn started(plane: &Plane, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for n in 0..count {
        let run = plane
            .start_run(json!({"workflow": "sum", "input": {"a": n}}))
            .await;
        ids.push(run["run"]["id"].as_str().unwrap().to_owned());
    }
    ids
}

async fn cancel(plane: &Plane, input: Value) -> Value {
    plane.change("cancelRuns", "CancelRunsInput", input, ITEMS).await
}

#[tokio::test]
async fn many_runs_are_stopped_each_by_itself() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let ids = started(&plane, 3).await;
    let nobody = "00000000000000000000000000";
    let done = cancel(&plane, json!({"ids": [ids[0], nobody, ids[0]]})).await;
    assert_eq!(
        done["items"],
        json!([
            {"id": ids[0], "started": null, "done": true, "code": null},
            {"id": nobody, "started": null, "done": false, "code": "FF-RUN-005"}
        ])
    );
    let over = cancel(&plane, json!({"ids": [ids[0]]})).await;
    assert_eq!(over["items"][0]["code"], "FF-RUN-004");
    let rest = cancel(
        &plane,
        json!({"of": {"workflow": "sum", "state": "QUEUED"}, "reason": "all"}),
    )
    .await;
    assert_eq!(
        (rest["items"].as_array().unwrap().len(), &rest["more"]),
        (2, &json!(false))
    );
    let left = plane
        .ask("{ runs(state: CANCELLED) { nodes { id } } }", json!({}))
        .await;
    assert_eq!(left["runs"]["nodes"].as_array().unwrap().len(), 3);
    plane.stop().await;
}

#[tokio::test]
async fn what_cannot_be_meant_is_named_by_its_place() {
    let home = Home::new();
    let plane = home.start().await;
    let many: Vec<String> = (0..101).map(|n| format!("{n:026}")).collect();
    for (input, path) in [
        (json!({}), "ids"),
        (json!({"ids": []}), "ids"),
        (json!({ "ids": many }), "ids"),
        (json!({"ids": ["last"]}), "ids[0]"),
        (json!({"of": {"state": "DONE"}}), "of.state"),
    ] {
        let refused = cancel(&plane, input.clone()).await;
        assert_eq!(refused["fields"], json!([{ "path": path }]), "{input}");
    }
    let refused = plane
        .change(
            "retryRuns",
            "RetryRunsInput",
            json!({"of": {"state": "RUNNING"}}),
            ITEMS,
        )
        .await;
    assert_eq!(refused["fields"], json!([{"path": "of.state"}]));
    plane.stop().await;
}
