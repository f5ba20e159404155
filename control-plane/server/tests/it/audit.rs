//! Who may do what at the doors of people, and what is written down of it.

use serde_json::{Value, json};

use crate::support::{FakeHost, Home, Plane, SUM, join_file, registration};

const EVENTS: &str = "query($filter: AuditEventFilter, $first: Int, $after: String) { auditEvents(filter: $filter, \
    first: $first, after: $after) { nodes { actorKind actor shownBy action objectKind object outcome detail request } \
    pageInfo { hasNextPage endCursor } } }";

async fn events(plane: &Plane, filter: Value) -> Vec<Value> {
    let variables = json!({"filter": filter, "first": 100});
    let answer = plane.ask(EVENTS, variables).await;
    answer["auditEvents"]["nodes"].as_array().unwrap().clone()
}

fn actions(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["action"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn what_a_person_changes_is_written_down_with_who_what_and_by_which_request() {
    let home = Home::new();
    let plane = home.start().await;
    let published = plane.publish(SUM).await;
    let started = plane
        .start_run(json!({"workflow": "sum", "input": {"a": 1}}))
        .await;
    let run = started["run"]["id"].as_str().unwrap();
    let secret = json!({"name": "token", "kind": "opaque", "value": "v", "destinations": []});
    let query = "mutation($input: SetSecretInput!) { setSecret(input: $input) { __typename } }";
    let answer = plane
        .http
        .post(plane.url("/graphql"))
        .header("x-request-id", "my-request.7")
        .json(&json!({"query": query, "variables": {"input": secret}}))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["x-request-id"], "my-request.7");
    plane
        .change(
            "cancelRun",
            "CancelRunInput",
            json!({"id": run, "reason": "enough"}),
            "__typename",
        )
        .await;
    let all = events(&plane, json!({})).await;
    assert_eq!(
        actions(&all),
        ["run.cancel", "secret.set", "run.start", "release.publish"],
        "{all:#?}"
    );
    let started = &all[2];
    assert_eq!(
        (
            &started["actorKind"],
            &started["actor"],
            &started["shownBy"],
            &started["outcome"]
        ),
        (
            &json!("owner"),
            &json!("local"),
            &json!("loopback"),
            &json!("DONE")
        )
    );
    assert_eq!(
        (&started["objectKind"], &started["object"]),
        (&json!("run"), &json!(run))
    );
    assert_eq!(started["detail"], "sum version 1");
    assert_eq!(all[1]["request"], "my-request.7");
    assert!(
        all[3]["detail"]
            .as_str()
            .unwrap()
            .contains(published["release"].as_str().unwrap())
    );
    let of_run = events(&plane, json!({"object": run, "objectKind": "run"})).await;
    assert_eq!(actions(&of_run), ["run.cancel", "run.start"]);
    assert_eq!(events(&plane, json!({"outcome": "DENIED"})).await.len(), 0);
    plane.stop().await;
}

/// A host's session started runs, set secrets and decided approvals: nobody asked who calls.
#[tokio::test]
async fn the_session_of_a_host_is_no_person_and_an_unknown_token_is_nobody() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    for (query, action, object_kind) in [
        (
            "mutation { startRun(input: {workflow: \"sum\", input: {a: 1}}) { __typename } }",
            "run.start",
            "project",
        ),
        (
            "mutation { cancelRun(input: {id: \"last\"}) { __typename } }",
            "run.cancel",
            "run",
        ),
        (
            "mutation { deleteSecret(input: {name: \"x\"}) { __typename } }",
            "secret.delete",
            "secret",
        ),
        (
            "mutation { deleteWorkflow(input: {workflow: \"sum\"}) { __typename } }",
            "workflow.delete",
            "workflow",
        ),
        ("{ runs { nodes { id } } }", "read", "project"),
        ("{ auditEvents { nodes { action } } }", "audit.read", "project"),
    ] {
        let answer = plane.post(Some(&host.session), query, json!({})).await;
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], "FF-API-403", "{query}: {answer:#}");
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains(&format!("host {}", host.id)) && message.contains("permission"),
            "{message}"
        );
        let denied = events(&plane, json!({"outcome": "DENIED"})).await;
        let newest = &denied[0];
        assert_eq!(
            (&newest["actor"], &newest["action"], &newest["objectKind"]),
            (&json!(host.id.as_str()), &json!(action), &json!(object_kind)),
            "{query}"
        );
    }
    let runs = plane.ask("{ runs { nodes { id } } }", json!({})).await;
    assert_eq!(runs["runs"]["nodes"], json!([]));
    let unknown = plane
        .http
        .post(plane.url("/graphql"))
        .bearer_auth("nobody")
        .json(&json!({"query": "{ __typename }"}));
    let unknown = unknown.send().await.unwrap();
    assert_eq!(unknown.status(), 401);
    let body: Value = unknown.json().await.unwrap();
    assert_eq!(body["code"], "FF-API-401");
    plane.stop().await;
}

#[tokio::test]
async fn a_host_that_joins_is_written_down_and_one_with_a_wrong_token_too() {
    let home = Home::new();
    let plane = home.start().await;
    FakeHost::join(&plane, 1).await;
    let mut join = join_file(&plane);
    join["token"] = json!("guessed");
    let key = flowforge_protocol::SigningKey::from_seed(&[9; 32]);
    let seal = flowforge_protocol::seal::SealKey::from_seed(&[9; 32]);
    let refused = plane.register(registration(&join, "stranger", &key, &seal)).await;
    assert_eq!(refused["code"], "FF-HOST-001", "{refused:#}");
    let all = events(&plane, json!({"action": "host."})).await;
    assert_eq!(actions(&all), ["host.register", "host.register"]);
    assert_eq!(
        (&all[0]["outcome"], &all[0]["object"]),
        (&json!("REFUSED"), &json!("stranger"))
    );
    assert!(
        all[0]["detail"].as_str().unwrap().starts_with("FF-HOST-001"),
        "{:#}",
        all[0]
    );
    assert_eq!(
        (&all[1]["outcome"], &all[1]["object"]),
        (&json!("DONE"), &json!("host-1"))
    );
    plane.stop().await;
}

#[tokio::test]
async fn a_release_with_a_wrong_signature_is_written_down() {
    let home = Home::new();
    let plane = home.start().await;
    let prepared = plane.prepare(SUM).await;
    let mut signed = plane.sign_prepared(&prepared, SUM);
    signed["grants"] = signed["release"].clone();
    let refused = plane.publish_signed(signed).await;
    assert_eq!(refused["__typename"], "SignatureProblem", "{refused:#}");
    let all = events(&plane, json!({})).await;
    assert_eq!(actions(&all), ["release.publish"]);
    assert_eq!(all[0]["outcome"], "REFUSED");
    assert!(
        all[0]["detail"]
            .as_str()
            .unwrap()
            .starts_with(refused["code"].as_str().unwrap())
    );
    plane.stop().await;
}

#[tokio::test]
async fn entries_come_page_by_page_and_a_cursor_of_nothing_is_refused() {
    let home = Home::new();
    let plane = home.start().await;
    for n in 0..5 {
        let secret = json!({"name": format!("s{n}"), "kind": "opaque", "value": "v", "destinations": []});
        plane
            .change("setSecret", "SetSecretInput", secret, "__typename")
            .await;
    }
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    loop {
        let page = plane.ask(EVENTS, json!({"first": 2, "after": after})).await["auditEvents"].take();
        seen.extend(
            page["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|event| event["object"].clone()),
        );
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(seen, ["s4", "s3", "s2", "s1", "s0"]);
    let wrong = plane
        .post(None, EVENTS, json!({"first": 2, "after": "MTpvcmRlcnM"}))
        .await;
    assert_eq!(
        wrong["errors"][0]["extensions"]["code"], "FF-API-400",
        "{wrong:#}"
    );
    plane.stop().await;
}
