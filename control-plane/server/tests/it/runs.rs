//! Runs from start to result.

use flowforge_protocol::job::Order;
use flowforge_protocol::record::Trigger;
use serde_json::json;

use crate::support::{FakeHost, Home, SUM, finish_sum};

#[tokio::test]
async fn a_run_goes_from_start_to_result() {
    let home = Home::new();
    let plane = home.start().await;
    let workflow = plane.publish(SUM).await;
    assert_eq!(workflow["version"], 1);
    let host = FakeHost::join(&plane, 1).await;

    let started = plane
        .start_run(json!({"workflow": "sum", "input": {"a": 40}}))
        .await;
    assert_eq!(started["__typename"], "StartRunSuccess", "{started:#}");
    let id = started["run"]["id"].as_str().unwrap().to_owned();

    let job = host.job(&plane).await;
    assert_eq!((job.run_id.as_str(), job.epoch), (id.as_str(), 1));
    let Order::Start(start) = &job.order else {
        panic!("{job:?}")
    };
    assert_eq!(start.input, json!({"a": 40, "b": 2}), "defaults are filled in");
    assert_eq!(start.release.to_string(), workflow["release"]);
    assert!(matches!(start.trigger, Trigger::Manual { .. }));
    assert!(job.traceparent.as_deref().unwrap().starts_with("00-"));

    finish_sum(&plane, &host, &job).await;
    let run = plane.run(&id[..6]).await;
    assert_eq!(run["state"], "DONE", "{run:#}");
    assert_eq!(run["output"], json!({"total": 42}));
    assert_eq!(run["records"], 3);
    assert_eq!(run["receipt"], json!({"valid": true, "reason": null}));
    assert_eq!(run["view"]["phase"], "done", "{run:#}");
    assert_eq!(run["host"]["name"], "host-1");
    plane.stop().await;
}

#[tokio::test]
async fn without_a_host_a_run_waits_and_says_so() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let started = plane
        .start_run(json!({"workflow": "sum", "input": {"a": 1}}))
        .await;
    assert_eq!(started["run"]["state"], "QUEUED");
    assert_eq!(started["run"]["epoch"], 0);
    assert!(
        started["run"]["waitingFor"]
            .as_str()
            .unwrap()
            .contains("none is connected"),
        "{started:#}"
    );

    let host = FakeHost::join(&plane, 1).await;
    let job = host.job(&plane).await;
    assert_eq!(job.run_id.as_str(), started["run"]["id"]);
    assert_eq!(job.epoch, 1);
    host.received(&plane, &job).await;
    assert_eq!(plane.run("last").await["state"], "RUNNING");
    plane.stop().await;
}

#[tokio::test]
async fn a_waiting_call_is_woken_by_a_start() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    let (job, started) = tokio::join!(
        host.job(&plane),
        plane.start_run(json!({"workflow": "sum", "input": {"a": 1}}))
    );
    assert_eq!(job.run_id.as_str(), started["run"]["id"]);
    plane.stop().await;
}

#[tokio::test]
async fn a_repeated_request_starts_nothing_and_another_body_is_a_conflict() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let input = json!({"workflow": "sum", "input": {"a": 1}, "clientRequestId": "order-7"});
    let first = plane.start_run(input.clone()).await;
    assert_eq!(first["duplicate"], false);
    plane.stop().await;

    // The answer may have been lost, and the server may have been started anew in between.
    let plane = home.start().await;
    let again = plane.start_run(input).await;
    assert_eq!(again["duplicate"], true);
    assert_eq!(again["run"]["id"], first["run"]["id"]);
    let other = json!({"workflow": "sum", "input": {"a": 2}, "clientRequestId": "order-7"});
    assert_eq!(
        plane.start_run(other).await["__typename"],
        "RequestConflictProblem"
    );
    let runs = plane.ask("{ runs { nodes { id } } }", json!({})).await;
    assert_eq!(runs["runs"]["nodes"].as_array().unwrap().len(), 1);
    plane.stop().await;
}

#[tokio::test]
async fn a_wrong_input_names_its_fields() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let problem = plane
        .start_run(json!({"workflow": "sum", "input": {"a": "x", "c": 1}}))
        .await;
    assert_eq!(problem["__typename"], "InputProblem");
    let paths: Vec<_> = problem["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| &field["path"])
        .collect();
    assert!(
        paths.contains(&&json!("a")) && paths.contains(&&json!("c")),
        "{problem:#}"
    );
    let missing = plane.start_run(json!({"workflow": "none"})).await;
    assert_eq!(missing["__typename"], "WorkflowNotFoundProblem");
    let version = plane
        .start_run(json!({"workflow": "sum", "version": 9, "input": {"a": 1}}))
        .await;
    assert!(
        version["message"].as_str().unwrap().contains("no version 9"),
        "{version:#}"
    );
    plane.stop().await;
}

#[tokio::test]
async fn lists_go_on_where_the_cursor_says() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let mut ids = Vec::new();
    for a in 0..5 {
        let started = plane
            .start_run(json!({"workflow": "sum", "input": {"a": a}}))
            .await;
        ids.push(started["run"]["id"].as_str().unwrap().to_owned());
    }
    ids.reverse();
    let query = "query($after: String) { runs(first: 2, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }";
    let mut seen = Vec::new();
    let mut after = json!(null);
    loop {
        let page = plane.ask(query, json!({"after": after})).await["runs"].take();
        seen.extend(
            page["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|run| run["id"].as_str().unwrap().to_owned()),
        );
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(seen, ids);
    let wrong = plane.post(None, query, json!({"after": "42"})).await;
    assert_eq!(
        wrong["errors"][0]["extensions"]["code"], "FF-API-400",
        "{wrong:#}"
    );
    let failed = plane
        .ask("{ runs(state: FAILED) { nodes { id } } }", json!({}))
        .await;
    assert_eq!(failed["runs"]["nodes"], json!([]));
    plane.stop().await;
}

#[tokio::test]
async fn a_run_without_a_host_is_cancelled_at_once_and_one_with_a_host_by_a_job() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let cancel = |id: String| {
        let fields = "__typename ... on CancelRunSuccess { run { id state } } ... on RunStateProblem { state message }";
        let input = json!({"id": id, "reason": "not needed"});
        let plane = &plane;
        async move { plane.change("cancelRun", "CancelRunInput", input, fields).await }
    };
    plane
        .start_run(json!({"workflow": "sum", "input": {"a": 1}}))
        .await;
    let told = cancel("last".to_owned()).await;
    assert_eq!(told["run"]["state"], "CANCELLED", "{told:#}");
    assert_eq!(cancel("last".to_owned()).await["__typename"], "RunStateProblem");

    let host = FakeHost::join(&plane, 1).await;
    plane
        .start_run(json!({"workflow": "sum", "input": {"a": 1}}))
        .await;
    let start = host.job(&plane).await;
    host.received(&plane, &start).await;
    let told = cancel(start.run_id.to_string()).await;
    assert_eq!(told["run"]["state"], "RUNNING", "{told:#}");
    cancel(start.run_id.to_string()).await;
    let job = host.job(&plane).await;
    let Order::Cancel { reason, .. } = &job.order else {
        panic!("{job:?}")
    };
    assert!(reason.contains("not needed"));
    assert!(job.sequence > start.sequence);
    host.received(&plane, &job).await;
    assert!(
        host.jobs(&plane, 0).await.is_empty(),
        "the second wish to cancel made no second job"
    );
    plane.stop().await;
}

#[tokio::test]
async fn a_refused_start_fails_the_run_with_the_reason() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    let job = host.started(&plane).await;
    let refused = json!({"job": job.job_id, "code": "FF-ADM-009", "message": "no such release"});
    host.sync(&plane, json!({"refused": [refused]})).await;
    let run = plane.run("last").await;
    assert_eq!(run["state"], "FAILED", "{run:#}");
    assert_eq!(run["failure"]["code"], "FF-ADM-009");
    assert!(
        run["failure"]["message"]
            .as_str()
            .unwrap()
            .contains("no such release")
    );
    assert!(host.jobs(&plane, 0).await.is_empty());
    plane.stop().await;
}
