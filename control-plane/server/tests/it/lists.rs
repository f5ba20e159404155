//! Lists: as many statements with 100 rows as with 10, and ids that lead back to what they stand for.

use serde_json::{Value, json};

use crate::support::{FakeHost, Home, Plane, SUM};

/// What an answer says that it cost.
async fn statements(plane: &Plane, query: &str, first: u32) -> (u64, usize) {
    let answer = plane.post(None, query, json!({ "first": first })).await;
    assert!(answer.get("errors").is_none(), "{answer:#}");
    let rows = answer["data"].as_object().unwrap().values().next().unwrap()["nodes"]
        .as_array()
        .unwrap()
        .len();
    (answer["extensions"]["cost"]["statements"].as_u64().unwrap(), rows)
}

#[tokio::test]
async fn a_list_costs_as_many_statements_with_a_hundred_rows_as_with_ten() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    for n in 0..100 {
        let name = format!("w{n}");
        plane
            .publish(
                &SUM.replace("workflow: sum", &format!("workflow: {name}"))
                    .replace("path: sum", &format!("path: {name}")),
            )
            .await;
        plane
            .start_run(json!({"workflow": "sum", "input": {"a": n}}))
            .await;
    }
    FakeHost::join(&plane, 1).await;
    let runs = "query($first: Int!) { runs(first: $first) { nodes { id state input output waitingFor lineage { root } \
        host { name openRuns } approvals { id } waits { what } children { id } retries { id } receipt { valid } } } }";
    let workflows = "query($first: Int!) { workflows(first: $first) { nodes { id name folder tags \
        versions { version source } } } }";
    let audit = "query($first: Int!) { auditEvents(first: $first) { nodes { action object } } }";
    for (query, most) in [(runs, 8), (workflows, 4), (audit, 1)] {
        let (of_ten, ten) = statements(&plane, query, 10).await;
        let (of_hundred, hundred) = statements(&plane, query, 100).await;
        assert_eq!((ten, hundred), (10, 100));
        assert_eq!(of_ten, of_hundred, "{query}");
        assert!((1..=most).contains(&of_ten), "{of_ten} statements: {query}");
    }
    plane.stop().await;
}

/// Where texts are not asked for they are not read: what an answer costs in bytes is counted.
#[tokio::test]
async fn texts_are_counted_where_they_are_asked_for_and_an_answer_has_a_bound() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish("workflow: large\ninput:\n  text: { type: string }\nnodes:\n  one: { set: { value: 1 } }\noutput: {}\n").await;
    let text = "x".repeat(200_000);
    for _ in 0..90 {
        let started = plane
            .start_run(json!({"workflow": "large", "input": {"text": text}}))
            .await;
        assert_eq!(started["__typename"], "StartRunSuccess", "{started:#}");
    }
    let plain = plane
        .post(None, "{ runs(first: 90) { nodes { id state } } }", json!({}))
        .await;
    assert_eq!(plain["extensions"]["cost"]["bytes"], 0);
    let one = plane
        .post(None, "{ runs(first: 1) { nodes { input } } }", json!({}))
        .await;
    assert!(
        one["extensions"]["cost"]["bytes"].as_u64().unwrap() > 200_000,
        "{:#}",
        one["extensions"]
    );
    let all = plane
        .post(None, "{ runs(first: 90) { nodes { input } } }", json!({}))
        .await;
    assert_eq!(all["errors"][0]["extensions"]["code"], "FF-API-413");
    plane.stop().await;
}

#[tokio::test]
async fn an_id_leads_back_to_what_it_stands_for() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    plane
        .start_run(json!({"workflow": "sum", "input": {"a": 1}}))
        .await;
    let host = FakeHost::join(&plane, 1).await;
    let secret = json!({"name": "token", "kind": "opaque", "value": "v", "destinations": []});
    plane
        .change("setSecret", "SetSecretInput", secret, "__typename")
        .await;
    let draft = json!({"workflow": "sum", "source": SUM});
    plane
        .change("saveDraft", "SaveDraftInput", draft, "__typename")
        .await;
    let ids = plane
        .ask(
            "{ runs { nodes { id } } workflows { nodes { id versions { id } } } secrets { id } hosts { id } \
             draft(workflow: \"sum\") { id } }",
            json!({}),
        )
        .await;
    let workflow = &ids["workflows"]["nodes"][0];
    let all = [
        ("Run", &ids["runs"]["nodes"][0]["id"]),
        ("Workflow", &workflow["id"]),
        ("WorkflowVersion", &workflow["versions"][0]["id"]),
        ("Secret", &ids["secrets"][0]["id"]),
        ("Host", &ids["hosts"][0]["id"]),
        ("Draft", &ids["draft"]["id"]),
    ];
    assert_eq!(*all[4].1, json!(host.id.as_str()));
    let query = "query($id: ID!) { node(id: $id) { __typename id } }";
    for (kind, id) in &all {
        let found = plane.ask(query, json!({ "id": id })).await;
        assert_eq!(found["node"], json!({"__typename": kind, "id": id}));
    }
    let mut wanted: Vec<Value> = all.iter().map(|(_, id)| (*id).clone()).collect();
    wanted.insert(1, json!("nothing"));
    let found = plane
        .ask(
            "query($ids: [ID!]!) { nodes(ids: $ids) { id } }",
            json!({ "ids": wanted }),
        )
        .await;
    assert_eq!(found["nodes"][1], Value::Null);
    assert_eq!(found["nodes"][2]["id"], wanted[2]);
    assert_eq!(found["nodes"].as_array().unwrap().len(), wanted.len());
    plane.stop().await;
}
