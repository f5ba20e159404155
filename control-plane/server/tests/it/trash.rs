//! Folders, tags, search and the trash; secrets that drafts may use.

use serde_json::{Value, json};

use crate::support::{FakeHost, Home, Plane, SUM, TestClock};

const HOURLY: &str = "workflow: hourly\ntriggers:\n  tick: { schedule: { cron: \"0 * * * *\" } }\nnodes:\n  \
    one: { set: { value: 1 } }\noutput: {}\n";

async fn names(plane: &Plane, arguments: &str) -> Vec<String> {
    let query = format!("{{ workflows{arguments} {{ nodes {{ name }} }} }}");
    let answer = plane.ask(&query, json!({})).await;
    let nodes = answer["workflows"]["nodes"].as_array().unwrap();
    nodes
        .iter()
        .map(|node| node["name"].as_str().unwrap().to_owned())
        .collect()
}

async fn change(plane: &Plane, name: &str, input: Value) -> Value {
    let input_type = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
    plane
        .change(
            name,
            &input_type,
            input,
            "__typename ... on Problem { code message }",
        )
        .await
}

#[tokio::test]
async fn workflows_are_found_by_folder_tag_and_words() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    plane.publish(HOURLY).await;
    let arranged = json!({"workflow": "sum", "folder": "shop/orders", "tags": ["money", "daily", "money"]});
    let fields = "... on ArrangeWorkflowSuccess { workflow { folder tags } }";
    let there = plane
        .change("arrangeWorkflow", "ArrangeWorkflowInput", arranged, fields)
        .await;
    assert_eq!(
        there["workflow"],
        json!({"folder": "shop/orders", "tags": ["daily", "money"]})
    );
    assert_eq!(names(&plane, "").await, ["hourly", "sum"]);
    for (arguments, found) in [
        ("(folder: \"shop\")", vec!["sum"]),
        ("(folder: \"shop/orders\")", vec!["sum"]),
        ("(folder: \"sho\")", vec![]),
        ("(tag: \"money\")", vec!["sum"]),
        ("(tag: \"mon\")", vec![]),
        ("(search: \"ADDS two\")", vec!["sum"]),
        ("(search: \"orders\")", vec!["sum"]),
        ("(search: \"hour\")", vec!["hourly"]),
        ("(search: \"hour money\")", vec![]),
    ] {
        assert_eq!(names(&plane, arguments).await, found, "{arguments}");
    }
    let wrong = json!({"workflow": "sum", "folder": "/shop", "tags": ["a b"]});
    let fields = "__typename ... on InputProblem { code fields { path } }";
    let refused = plane
        .change("arrangeWorkflow", "ArrangeWorkflowInput", wrong, fields)
        .await;
    assert_eq!(
        refused["fields"],
        json!([{"path": "folder"}, {"path": "tags[0]"}]),
        "{refused:#}"
    );
    let nothing = change(
        &plane,
        "arrangeWorkflow",
        json!({"workflow": "x", "folder": "", "tags": []}),
    )
    .await;
    assert_eq!(nothing["code"], "FF-RUN-001");
    plane.stop().await;
}

#[tokio::test]
async fn a_workflow_in_the_trash_starts_nothing_and_comes_back() {
    let clock = TestClock::at(1_790_000_000_000);
    let home = Home::at(&clock);
    let plane = home.start().await;
    plane.publish(SUM).await;
    plane.publish(HOURLY).await;
    let hook = || plane.http.post(plane.url("/hooks/sum-now")).body("{\"a\":1}");
    for workflow in ["sum", "hourly"] {
        let trashed = change(&plane, "deleteWorkflow", json!({ "workflow": workflow })).await;
        assert_eq!(trashed["__typename"], "DeleteWorkflowSuccess");
    }
    assert!(names(&plane, "").await.is_empty());
    let refused = plane
        .start_run(json!({"workflow": "sum", "input": {"a": 1}}))
        .await;
    assert_eq!(refused["code"], "FF-RUN-001", "{refused:#}");
    assert_eq!(hook().send().await.unwrap().status(), 404);
    clock.pass(2 * 3_600_000);
    let runs = plane.ask("{ runs { nodes { id } } }", json!({})).await;
    assert_eq!(runs["runs"]["nodes"], json!([]), "its schedule is silent");
    let trash = plane
        .ask("{ trashedWorkflows { name deletedBy } }", json!({}))
        .await;
    assert_eq!(
        trash["trashedWorkflows"][1],
        json!({"name": "sum", "deletedBy": "local"})
    );
    let prepared = plane.prepare(SUM).await;
    let published = plane.publish_signed(plane.sign_prepared(&prepared, SUM)).await;
    assert!(
        published["message"].as_str().unwrap().contains("trash"),
        "{published:#}"
    );
    // A restart forgets nothing.
    plane.stop().await;
    let plane = home.start().await;
    assert!(names(&plane, "").await.is_empty());
    let restored = change(&plane, "restoreWorkflow", json!({"workflow": "sum"})).await;
    assert_eq!(restored["__typename"], "RestoreWorkflowSuccess", "{restored:#}");
    assert_eq!(names(&plane, "").await, ["sum"]);
    let started = plane
        .start_run(json!({"workflow": "sum", "input": {"a": 1}}))
        .await;
    assert_eq!(started["__typename"], "StartRunSuccess");
    let again = change(&plane, "restoreWorkflow", json!({"workflow": "sum"})).await;
    assert_eq!(again["code"], "FF-RUN-001");
    plane.stop().await;
}

#[tokio::test]
async fn a_secret_comes_back_out_of_the_trash_and_a_purged_one_does_not() {
    let home = Home::new();
    let plane = home.start().await;
    let secret = json!({"name": "token", "kind": "opaque", "value": "v", "destinations": []});
    change(&plane, "setSecret", secret).await;
    change(&plane, "deleteSecret", json!({"name": "token"})).await;
    let listed = plane
        .ask(
            "{ secrets { name } trash: secrets(trash: true) { name deletedBy } }",
            json!({}),
        )
        .await;
    assert_eq!(
        listed,
        json!({"secrets": [], "trash": [{"name": "token", "deletedBy": "local"}]})
    );
    let restored = change(&plane, "restoreSecret", json!({"name": "token"})).await;
    assert_eq!(restored["__typename"], "RestoreSecretSuccess");
    let purged = change(&plane, "deleteSecret", json!({"name": "token", "purge": true})).await;
    assert_eq!(purged["__typename"], "DeleteSecretSuccess");
    let gone = change(&plane, "restoreSecret", json!({"name": "token"})).await;
    assert_eq!(gone["code"], "FF-SEC-001");
    plane.stop().await;
}

/// A draft used whatever secret its text named.
#[tokio::test]
async fn a_draft_uses_only_secrets_that_drafts_may_use() {
    let home = Home::new();
    let plane = home.start().await;
    let set = async |drafts: Value| {
        let secret = json!({"name": "chat_token", "kind": "bearer", "value": "v", "drafts": drafts,
            "destinations": ["https://chat.example.com"]});
        change(&plane, "setSecret", secret).await
    };
    set(Value::Null).await;
    crate::connector::push_caller(&plane).await;
    let source = crate::connector::CALLER;
    let host = FakeHost::join(&plane, 1).await;
    let tried = async || {
        let fields = "__typename ... on InputProblem { message fields { path } } ... on Problem { code }";
        plane
            .change("tryDraft", "TryDraftInput", json!({ "source": source }), fields)
            .await
    };
    let refused = tried().await;
    assert_eq!(refused["fields"], json!([{"path": "secrets"}]), "{refused:#}");
    assert!(
        refused["message"].as_str().unwrap().contains("chat_token"),
        "{refused:#}"
    );
    set(json!("ALLOW")).await;
    assert_eq!(tried().await["__typename"], "StartRunSuccess");
    host.job(&plane).await;
    let sealed = "query { sealedSecrets(names: [\"chat_token\"]) { __typename } }";
    let given = async || {
        let answer = plane.post_host(Some(&host.session), sealed, json!({})).await;
        answer["data"]["sealedSecrets"][0]["__typename"].clone()
    };
    assert_eq!(given().await, "SealedSecret");
    // Taken back while the draft runs: its host gets it no more.
    set(json!("DENY")).await;
    assert_eq!(given().await, "SecretNotGranted");
    plane.stop().await;
}
