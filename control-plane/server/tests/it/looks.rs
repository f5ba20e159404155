//! What a builder asks about a text: the value of an expression, and the drawing of a workflow.

use serde_json::{Value, json};

use crate::support::{Home, Plane};

const FILE: &str = r#"workflow: watch
nodes:
  rows: { set: { items: [{ id: 1, name: "ädä" }] } }
  caller:
    call: demo:caller/run
    allow: ["https://chat.example.com"]
  last: { set: { n: "${size(rows.items)}" } }
"#;

const SEEN: &str = "query($i: PreviewExpressionInput!) { previewExpression(input: $i) { value cut bytes type \
    fault { code message start end } completions { from to items { label insert kind type docs } } } }";

async fn look(plane: &Plane, input: Value) -> Value {
    plane.ask(SEEN, json!({ "i": input })).await["previewExpression"].take()
}

#[tokio::test]
async fn an_expression_is_seen_with_its_value_or_its_fault_at_its_place() {
    let home = Home::new();
    let plane = home.start().await;
    let data = json!({"rows": {"items": [{"id": 7, "name": "💧"}]}});
    let seen = look(
        &plane,
        json!({"expression": "rows.items.map(r, r.id)", "source": FILE, "node": "last", "data": data}),
    )
    .await;
    assert_eq!(
        (&seen["value"], &seen["type"], &seen["fault"]),
        (&json!([7]), &json!("list<int>"), &Value::Null),
        "{seen:#}"
    );
    let text = "💧 ${rows.item}";
    let seen = look(
        &plane,
        json!({"expression": text, "template": true, "source": FILE, "node": "last", "data": data}),
    )
    .await;
    let fault = &seen["fault"];
    assert_eq!(
        (&fault["start"], &fault["end"]),
        (&json!(5), &json!(14)),
        "UTF-16 units: {seen:#}"
    );
    let seen = look(
        &plane,
        json!({"expression": "rows.items[0].na", "cursor": 16, "source": FILE, "node": "last"}),
    )
    .await;
    let list = &seen["completions"];
    assert_eq!((&list["from"], &list["to"]), (&json!(14), &json!(16)));
    assert_eq!(
        list["items"],
        json!([{"label": "name", "insert": "name", "kind": "FIELD", "type": "text", "docs": null}])
    );
    let large = look(
        &plane,
        json!({"expression": "lists.range(10000).map(n, \"0123456789\")"}),
    )
    .await;
    assert_eq!(
        (&large["cut"], &large["bytes"]),
        (&json!(true), &json!(130_001)),
        "{}",
        large["bytes"]
    );
    assert!(large["value"].to_string().len() < 100_000);
    for (input, word) in [
        (
            json!({"expression": "1", "source": FILE, "node": "nowhere"}),
            "nowhere",
        ),
        (json!({"expression": "💧", "cursor": 1}), "cursor"),
        (json!({"expression": "1", "run": "zz"}), "zz"),
        (json!({"expression": "1", "data": [1]}), "data"),
        (json!({"expression": "x".repeat(20_000)}), "expression"),
    ] {
        let answer = plane.post(None, SEEN, json!({ "i": input })).await;
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], "FF-API-400", "{answer:#}");
        assert!(error["message"].as_str().unwrap().contains(word), "{answer:#}");
    }
    plane.stop().await;
}

#[tokio::test]
async fn a_published_version_and_a_bare_text_are_drawn() {
    let home = Home::new();
    let plane = home.start().await;
    crate::connector::push_caller(&plane).await;
    plane.publish(FILE).await;
    let query = "query($of: WorkflowTextInput!) { workflowGraph(of: $of) { __typename ... on WorkflowGraph { workflow \
        nodes { id kind connector connectorVersion operation granted destinations output { type } position { x y } line } \
        edges { from to kind port } inputSchema diagnostics { code } } ... on Problem { code } } }";
    let draw = |of: Value| plane.ask(query, json!({ "of": of }));
    let drawn = draw(json!({"workflow": "watch"})).await;
    let graph = &drawn["workflowGraph"];
    assert_eq!(graph["nodes"][1]["connector"], "demo:caller", "{graph:#}");
    assert_eq!(
        graph["nodes"][1]["granted"],
        json!(["https://chat.example.com:443"])
    );
    assert_eq!(
        graph["edges"],
        json!([{"from": "rows", "to": "last", "kind": "DATA", "port": "set.n"}])
    );
    let layout = json!({"nodes": {"last": {"x": 10.5, "y": -3}}});
    let drawn = draw(json!({"source": FILE.replace("rows.items)", "rowz)"), "layout": layout})).await;
    let graph = &drawn["workflowGraph"];
    assert_eq!(
        graph["nodes"][2]["position"],
        json!({"x": 10.5, "y": -3.0}),
        "{graph:#}"
    );
    assert_eq!(graph["nodes"][2]["line"], 7);
    let found = graph["diagnostics"].as_array().unwrap();
    assert!(
        found.iter().any(|found| found["code"] == "FF-WF-013"),
        "what the lint refuses is drawn as far as it goes: {graph:#}"
    );
    for (of, code) in [
        (json!({"workflow": "none"}), "FF-RUN-001"),
        (json!({"workflow": "watch", "draft": true}), "FF-DR-002"),
        (json!({"source": "nodes: ["}), "FF-WF-000"),
        (json!({"source": FILE, "workflow": "watch"}), "FF-IN-001"),
    ] {
        assert_eq!(draw(of).await["workflowGraph"]["code"], code);
    }
    plane.stop().await;
}
