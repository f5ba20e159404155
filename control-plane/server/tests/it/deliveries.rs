//! What came to webhooks: listed with what became of it, and done once more.

use flowforge_protocol::job::Order;
use serde_json::{Value, json};

use crate::hooking::{hmac, hook};
use crate::support::{FakeHost, Home, Plane, SUM, TestClock};

const KEY: &str = "a key of enough bytes";

const LIST: &str = "query($filter: WebhookDeliveryFilter, $first: Int!, $after: String) { \
    webhookDeliveries(filter: $filter, first: $first, after: $after) { nodes { id atMs path workflow trigger scheme mediaType \
    bytes outcome code run { id state } signal replayOf askedBy replayable } pageInfo { hasNextPage endCursor } } }";
const REPLAY: &str = "__typename ... on ReplayWebhookDeliverySuccess { duplicate delivery { id outcome run { id } signal \
    replayOf askedBy } } ... on Problem { code message } ... on InputProblem { fields { path } }";

async fn listed(plane: &Plane, filter: Value) -> Vec<Value> {
    let answer = plane.ask(LIST, json!({"filter": filter, "first": 50})).await;
    answer["webhookDeliveries"]["nodes"].as_array().unwrap().clone()
}

async fn replay(plane: &Plane, id: &str, request: Option<&str>) -> Value {
    let input = json!({"id": id, "clientRequestId": request});
    plane
        .change(
            "replayWebhookDelivery",
            "ReplayWebhookDeliveryInput",
            input,
            REPLAY,
        )
        .await
}

async fn set_key(plane: &Plane) {
    let input = json!({"name": "hook_key", "kind": "hmac-key", "value": KEY, "destinations": []});
    plane
        .change("setSecret", "SetSecretInput", input, "__typename")
        .await;
}

/// Whoever looked for a delivery that "did not arrive" found nothing: it had come and was refused.
#[tokio::test]
async fn each_delivery_is_listed_with_what_became_of_it() {
    let clock = TestClock::at(1_800_000_000_000);
    let home = Home::at(&clock);
    let plane = home.start().await;
    plane.publish(SUM).await;
    let body = r#"{"a": 5}"#;
    let signature = format!("sha256={}", hmac(KEY, body));
    let signed = [
        ("x-hub-signature-256", signature.as_str()),
        ("content-type", "application/json"),
    ];
    assert_eq!(hook(&plane, "/hooks/sum", body, &signed).await.0, 503);
    set_key(&plane).await;
    let (_, first) = hook(&plane, "/hooks/sum", body, &signed).await;
    assert_eq!(hook(&plane, "/hooks/sum", body, &signed).await.0, 202);
    assert_eq!(hook(&plane, "/hooks/sum", body, &[]).await.0, 401);
    let named = [("idempotency-key", "n")];
    assert_eq!(
        hook(&plane, "/hooks/sum-now", r#"{"a": "x"}"#, &named).await.0,
        422
    );
    assert_eq!(hook(&plane, "/hooks/nowhere", body, &[]).await.0, 404);

    let found = listed(&plane, json!({})).await;
    let short: Vec<_> = found
        .iter()
        .map(|found| {
            let text = |name: &str| found[name].as_str().unwrap_or("-").to_owned();
            (
                text("path"),
                text("outcome"),
                text("code"),
                found["replayable"] == json!(true),
            )
        })
        .collect();
    let row = |path: &str, outcome: &str, code: &str, replayable| {
        (path.to_owned(), outcome.to_owned(), code.to_owned(), replayable)
    };
    assert_eq!(
        short,
        [
            row("sum-now", "REFUSED", "FF-IN-001", true),
            row("sum", "REFUSED", "FF-HOOK-005", false),
            row("sum", "DUPLICATE", "-", false),
            row("sum", "ACCEPTED", "-", true),
            row("sum", "REFUSED", "FF-HOOK-004", false),
        ]
    );
    let accepted = &found[3];
    assert_eq!(accepted["run"]["id"], first["run"]);
    assert_eq!(found[2]["run"]["id"], first["run"], "of the first of its name");
    assert_eq!(
        [
            &accepted["atMs"],
            &accepted["bytes"],
            &accepted["mediaType"],
            &accepted["scheme"]
        ],
        [
            &json!(1_800_000_000_000_u64),
            &json!(8),
            &json!("application/json"),
            &json!("hmac")
        ]
    );
    assert_eq!(
        (&accepted["workflow"], &accepted["trigger"]),
        (&json!("sum"), &json!("signed"))
    );
    let refused = listed(&plane, json!({"outcome": "REFUSED", "path": "sum"})).await;
    assert_eq!(refused.len(), 2);
    assert!(listed(&plane, json!({"workflow": "other"})).await.is_empty());

    let page = plane.ask(LIST, json!({"first": 2})).await;
    let info = &page["webhookDeliveries"]["pageInfo"];
    assert_eq!(info["hasNextPage"], json!(true));
    let rest = plane
        .ask(LIST, json!({"first": 9, "after": info["endCursor"]}))
        .await;
    assert_eq!(rest["webhookDeliveries"]["nodes"].as_array().unwrap().len(), 3);
    plane.stop().await;
}

#[tokio::test]
async fn a_delivery_is_done_once_more_by_the_workflow_that_listens_now() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    // It was refused, because the workflow did not know such a value.
    let text = r#"{"a": "x"}"#;
    let key = [("idempotency-key", "order-7")];
    assert_eq!(hook(&plane, "/hooks/sum-now", text, &key).await.0, 422);
    let failed = listed(&plane, json!({})).await.remove(0);
    let id = failed["id"].as_str().unwrap();
    let still = replay(&plane, id, None).await;
    assert_eq!(
        (&still["__typename"], &still["fields"][0]["path"]),
        (&json!("InputProblem"), &json!("a")),
        "{still:#}"
    );
    plane
        .publish(
            &SUM.replace("a: { type: integer }", "a: { type: any }")
                .replace("${input.a + input.b}", "${input.b}"),
        )
        .await;
    let done = replay(&plane, &id[..8], Some("again")).await;
    assert_eq!(
        (&done["__typename"], &done["duplicate"]),
        (&json!("ReplayWebhookDeliverySuccess"), &json!(false)),
        "{done:#}"
    );
    let job = host.job(&plane).await;
    let Order::Start(start) = &job.order else {
        panic!("{job:?}")
    };
    assert_eq!(start.input, json!({"a": "x", "b": 2}));
    let delivery = &done["delivery"];
    assert_eq!(delivery["run"]["id"], json!(job.run_id));
    assert_eq!(
        (&delivery["replayOf"], &delivery["askedBy"]),
        (&json!(id), &json!("local"))
    );
    host.received(&plane, &job).await;
    // The call comes again, and then a call of its own: the name of the first delivery does not count for it.
    let twice = replay(&plane, id, Some("again")).await;
    assert_eq!(
        (&twice["duplicate"], &twice["delivery"]["run"]),
        (&json!(true), &delivery["run"])
    );
    let another = replay(&plane, id, None).await;
    assert_ne!(another["delivery"]["run"], delivery["run"]);

    let events = "{ auditEvents(filter: {action: \"delivery.replay\"}) { nodes { actor action objectKind object outcome } } }";
    let events = plane.ask(events, json!({})).await;
    let runs: Vec<&Value> = events["auditEvents"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["object"])
        .collect();
    assert_eq!(runs, [&another["delivery"]["run"]["id"], &delivery["run"]["id"]]);
    plane.stop().await;
}

#[tokio::test]
async fn what_cannot_be_done_once_more_says_why() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    set_key(&plane).await;
    let none = replay(&plane, "last", None).await;
    assert_eq!(none["code"], "FF-HOOK-013", "{none:#}");
    assert_eq!(hook(&plane, "/hooks/sum", r#"{"a": 1}"#, &[]).await.0, 401);
    let stranger = replay(&plane, "last", None).await;
    assert_eq!(stranger["code"], "FF-HOOK-014");
    let message = stranger["message"].as_str().unwrap();
    assert!(message.contains("nobody knows who sent"), "{message}");
    assert_eq!(hook(&plane, "/hooks/sum-now", r#"{"a": "x"}"#, &[]).await.0, 422);
    plane
        .publish(&SUM.replace("path: sum-now", "path: elsewhere"))
        .await;
    let moved = replay(&plane, "last", None).await;
    assert_eq!(moved["code"], "FF-HOOK-014");
    let message = moved["message"].as_str().unwrap();
    assert!(message.contains("/hooks/sum-now"), "{message}");
    plane.stop().await;
}

/// Whoever floods a webhook does not flood the disk: of the refused so many in a minute are written down.
#[tokio::test]
async fn refusals_of_a_flood_are_written_down_within_a_bound() {
    let clock = TestClock::at(1_800_000_000_000);
    let home = Home::at(&clock);
    let plane = home.start().await;
    plane.publish(SUM).await;
    set_key(&plane).await;
    for _ in 0..130 {
        assert_eq!(hook(&plane, "/hooks/sum", "{}", &[]).await.0, 401);
    }
    let count = async || {
        let (mut count, mut after) = (0, Value::Null);
        loop {
            let page = plane.ask(LIST, json!({"first": 100, "after": after})).await;
            let page = &page["webhookDeliveries"];
            count += page["nodes"].as_array().unwrap().len();
            after = page["pageInfo"]["endCursor"].clone();
            if page["pageInfo"]["hasNextPage"] == json!(false) {
                return count;
            }
        }
    };
    assert_eq!(count().await, 120);
    clock.pass(60_000);
    assert_eq!(hook(&plane, "/hooks/sum", "{}", &[]).await.0, 401);
    assert_eq!(count().await, 121);
    plane.stop().await;
}
