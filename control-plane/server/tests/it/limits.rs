//! One call, one change, and an answer of bounded size, whatever way it comes.

use base64::Engine as _;
use flowforge_protocol::record::{Event, LogLevel};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::support::{FakeHost, Home, Plane, SUM, Script, accepted};

const MANY: &str = r#"mutation { ... on Mutation {
    a: deleteSecret(input: {name: "a"}) { __typename } b: deleteSecret(input: {name: "b"}) { __typename } } }"#;
const TWO: &str = r#"mutation {
    a: deleteSecret(input: {name: "a"}) { __typename } b: deleteSecret(input: {name: "b"}) { __typename } }"#;
const ONE: &str = r#"mutation { deleteSecret(input: {name: "a"}) { __typename } }"#;

/// The answer to one operation over a WebSocket.
async fn over_socket(plane: &Plane, query: &str) -> Value {
    let mut request = format!("ws://{}/graphql/ws", plane.handle.address)
        .into_client_request()
        .unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    for message in [
        json!({"type": "connection_init"}),
        json!({"id": "1", "type": "subscribe", "payload": {"query": query}}),
    ] {
        socket.send(Message::text(message.to_string())).await.unwrap();
    }
    loop {
        let message = socket.next().await.unwrap().unwrap();
        let value: Value = serde_json::from_str(message.to_text().unwrap()).unwrap_or_default();
        if value["id"] == "1" {
            return value;
        }
    }
}

/// Thirty changes passed in one POST, by a fragment; a thousand by WebSocket, where nothing was counted at all.
#[tokio::test]
async fn one_call_makes_one_change_on_both_transports() {
    let home = Home::new();
    let plane = home.start().await;
    for query in [MANY, TWO] {
        let posted = plane.post(None, query, json!({})).await;
        assert_eq!(
            posted["errors"][0]["extensions"]["code"], "FF-API-400",
            "{posted:#}"
        );
        let sent = over_socket(&plane, query).await.to_string();
        assert!(
            sent.contains("FF-API-400") && !sent.contains("SecretNotFound"),
            "{sent}"
        );
    }
    let posted = plane.post(None, ONE, json!({})).await;
    assert_eq!(
        posted["data"]["deleteSecret"]["__typename"],
        "SecretNotFoundProblem"
    );
    // One change passed by WebSocket, where nothing looks at the digits of its numbers.
    let sent = over_socket(&plane, ONE).await.to_string();
    assert!(sent.contains("changes are made by POST /graphql"), "{sent}");
    let asked = over_socket(&plane, "{ server { version } }").await.to_string();
    assert!(asked.contains("\"version\":"), "{asked}");
    plane.stop().await;
}

/// Four aliases of a list with `evidence` asked for gigabytes, built in memory.
#[tokio::test]
async fn an_answer_is_bounded_by_its_bytes() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    let job = host.started(&plane).await;
    let mut script = Script::new(&job);
    let first = script.batch(vec![accepted(&job)]);
    host.sync(&plane, json!({"batches": [first]})).await;
    for _ in 0..3 {
        let line = Event::Log {
            step: "total".parse().unwrap(),
            attempt: 1,
            level: LogLevel::Info,
            message: Value::from("x".repeat(3_500_000)).into(),
        };
        let batch = script.batch(vec![line]);
        let told = host.sync(&plane, json!({"batches": [batch]})).await;
        assert_eq!(told["rejected"], json!([]));
    }
    let one = "runs(first: 10) { nodes { evidence { lines nextSeq } } }";
    let answer = plane.ask(&format!("{{ {one} }}"), json!({})).await;
    let evidence = &answer["runs"]["nodes"][0]["evidence"];
    let lines = base64::engine::general_purpose::STANDARD
        .decode(evidence["lines"].as_str().unwrap())
        .unwrap();
    assert!(lines.len() > 3_500_000);
    assert!(
        evidence["nextSeq"].as_u64().is_some(),
        "the rest is asked for with `fromSeq`"
    );
    let two = plane
        .post(None, &format!("{{ a: {one} b: {one} }}"), json!({}))
        .await;
    assert_eq!(
        two["errors"][0]["extensions"]["code"], "FF-API-413",
        "{}",
        two["errors"]
    );
    plane.stop().await;
}

/// One caller could open subscriptions without end, each of which is looked after for as long as its run goes on.
#[tokio::test]
async fn subscriptions_are_bounded_and_their_places_come_back() {
    const MOST: usize = 256;
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    plane
        .start_run(json!({"workflow": "sum", "input": {"a": 1}}))
        .await;
    let open = |count: usize| {
        let plane = &plane;
        async move {
            let mut request = format!("ws://{}/graphql/ws", plane.handle.address)
                .into_client_request()
                .unwrap();
            let protocol = "graphql-transport-ws".parse().unwrap();
            request.headers_mut().insert("sec-websocket-protocol", protocol);
            let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
            let init = json!({"type": "connection_init"});
            socket.send(Message::text(init.to_string())).await.unwrap();
            let query = r#"subscription { runEvents(run: "last") { ended } }"#;
            let (mut served, mut refused) = (0, 0);
            for id in 0..count {
                let id = id.to_string();
                let subscribe = json!({"id": id, "type": "subscribe", "payload": {"query": query}});
                socket.send(Message::text(subscribe.to_string())).await.unwrap();
                loop {
                    let message = socket.next().await.unwrap().unwrap();
                    let value: Value = serde_json::from_str(message.to_text().unwrap()).unwrap_or_default();
                    if value["id"] != id || value["type"] == "complete" {
                        continue;
                    }
                    match value.to_string().contains("FF-API-429") {
                        true => refused += 1,
                        false => served += 1,
                    }
                    break;
                }
            }
            (socket, served, refused)
        }
    };
    let (socket, served, refused) = open(MOST + 2).await;
    assert_eq!((served, refused), (MOST, 2));
    drop(socket);
    while open(1).await.1 == 0 {
        tokio::task::yield_now().await;
    }
    plane.stop().await;
}

/// Media types are compared without case: `Application/Json` was refused.
#[tokio::test]
async fn json_is_json_however_it_is_written() {
    let home = Home::new();
    let plane = home.start().await;
    let status = |kind: &'static str| {
        let call = plane
            .http
            .post(plane.url("/graphql"))
            .header("content-type", kind);
        let call = call.body(r#"{"query": "{ server { version } }"}"#);
        async move { call.send().await.unwrap().status().as_u16() }
    };
    for kind in [
        "application/json",
        "Application/Json; charset=utf-8",
        "APPLICATION/JSON",
        "application/json ; charset=utf-8",
    ] {
        assert_eq!(status(kind).await, 200, "{kind}");
    }
    for kind in ["text/plain", "application/jsonp", "application"] {
        assert_eq!(status(kind).await, 415, "{kind}");
    }
    plane.stop().await;
}
