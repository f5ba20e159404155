//! The connectors of this project: built, and each operation run.

use flowforge_connector_build::Language;
use flowforge_ports::Effect;
use flowforge_protocol::FailureKind;
use serde_json::{Value, json};

use crate::harness::{Host, built, first_party};
use crate::server::Server;

#[tokio::test]
async fn bench_steps_counts_up() {
    let connector = built(&first_party("bench"));
    assert_eq!(connector.language, Language::Rust);
    assert_eq!(
        connector.interface.operation("step").unwrap().effect,
        Effect::Pure
    );
    let host = Host::new();
    let output = host
        .call(&connector, "step", json!({"value": {"n": 41, "kept": true}}))
        .await
        .unwrap();
    assert_eq!(output, json!({"n": 42, "kept": true}));
    let failure = host
        .call(&connector, "step", json!({"value": {"n": "x"}}))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.kind, failure.path.as_deref()),
        (FailureKind::Invalid, Some("value.n"))
    );
}

#[test]
fn a_rust_component_does_not_tell_where_its_author_keeps_libraries() {
    let connector = built(&first_party("convert"));
    let bytes = std::fs::read(&connector.component).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let home = std::env::var("CARGO_HOME").unwrap_or_else(|_| std::env::var("HOME").unwrap() + "/.cargo");
    assert!(text.contains("/cargo/registry/"), "panics name their place");
    assert!(!text.contains(&home), "the component names {home}");
}

#[tokio::test]
async fn convert_writes_and_reads_csv() {
    let connector = built(&first_party("convert"));
    let host = Host::new();
    let input =
        json!({"rows": [{"a": 1, "b": "x,y"}, {"a": 2.5}], "columns": ["b", "a"], "file_name": "t.csv"});
    let file = host.call(&connector, "to_csv", input).await.unwrap();
    assert_eq!(
        (file["name"].as_str(), file["media_type"].as_str()),
        (Some("t.csv"), Some("text/csv"))
    );
    let text = host.artefact_text(file["digest"].as_str().unwrap()).await;
    assert_eq!(text, "b,a\r\n\"x,y\",1\r\n,2.5\r\n");
    let rows = host
        .call(&connector, "from_csv", json!({"file": file}))
        .await
        .unwrap();
    assert_eq!(rows, json!([{"b": "x,y", "a": "1"}, {"b": "", "a": "2.5"}]));
}

#[tokio::test]
async fn quake_text_labels_an_earthquake() {
    let connector = built(&first_party("quake-text"));
    assert_eq!(connector.language, Language::TypeScript);
    assert_eq!(
        connector.interface.operation("label").unwrap().effect,
        Effect::Pure
    );
    let host = Host::new();
    let input =
        json!({"magnitude": 6.4, "place": "22km NNE of Hualian, Taiwan", "time": 1_517_932_242_400_i64});
    let output = host.call(&connector, "label", input).await.unwrap();
    let line = "2018-02-06  M 6.4  22km NNE of Hualian, Taiwan";
    assert_eq!(
        output,
        json!({"magnitude": 6.4, "strength": "strong", "line": line})
    );
    let failure = host
        .call(
            &connector,
            "label",
            json!({"magnitude": 1, "place": "", "time": 0}),
        )
        .await
        .unwrap_err();
    assert_eq!(
        (failure.kind, failure.path.as_deref()),
        (FailureKind::Invalid, Some("magnitude"))
    );
}

#[tokio::test]
async fn statistics_summarises_numbers() {
    let connector = built(&first_party("statistics"));
    assert_eq!(connector.language, Language::Python);
    assert_eq!(
        connector.interface.operation("summarise").unwrap().effect,
        Effect::Pure
    );
    let host = Host::new();
    let output = host
        .call(&connector, "summarise", json!({"values": [4.5, 6, 4]}))
        .await
        .unwrap();
    assert_eq!(
        output,
        json!({"count": 3, "mean": 14.5 / 3.0, "median": 4.5, "max": 6.0})
    );
    let failure = host
        .call(&connector, "summarise", json!({"values": []}))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.kind, failure.path.as_deref()),
        (FailureKind::Invalid, Some("values"))
    );
}

#[tokio::test]
async fn http_gets_json_with_the_secret_attached() {
    let server = Server::start(vec![(
        "200 OK",
        "content-type: application/json\r\nX-Two: a\r\nx-two: b",
        r#"{"n":1}"#,
    )])
    .await;
    let connector = built(&first_party("http"));
    assert_eq!(
        connector.interface.operation("get").unwrap().effect,
        Effect::Idempotent
    );
    let host = Host::new().allow(&server.origin, "auth", "token-1");
    let input = json!({"url": format!("{}/feed", server.origin), "headers": {"accept": "application/json"}});
    let output = host.call(&connector, "get", input).await.unwrap();
    assert_eq!(
        (output["status"].as_u64(), &output["body"]),
        (Some(200), &json!({"n": 1}))
    );
    assert_eq!(output["headers"]["x-two"], json!("a, b"));
    let request = server.requests().await.remove(0);
    assert_eq!(request.line, "GET /feed HTTP/1.1");
    assert_eq!(request.headers["authorization"], "Bearer token-1");
    assert_eq!(request.headers["accept"], "application/json");
}

#[tokio::test]
async fn http_posts_json_with_the_key_of_the_step() {
    let server = Server::start(vec![("201 Created", "content-type: text/plain", "made")]).await;
    let connector = built(&first_party("http"));
    let day_ms = 86_400_000;
    assert_eq!(
        connector.interface.operation("post").unwrap().effect,
        Effect::Keyed { retention_ms: day_ms }
    );
    let host = Host::new().allow(&server.origin, "auth", "token-1");
    let input = json!({"url": format!("{}/hooks", server.origin), "json": {"text": "hi"}});
    let output = host.call(&connector, "post", input).await.unwrap();
    assert_eq!(
        (output["status"].as_u64(), &output["body"]),
        (Some(201), &json!("made"))
    );
    let request = server.requests().await.remove(0);
    assert_eq!(request.headers["idempotency-key"], "key-1");
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(
        serde_json::from_str::<Value>(&request.body).unwrap(),
        json!({"text": "hi"})
    );
}

#[tokio::test]
async fn http_says_who_may_try_again() {
    let answers = vec![
        ("429 Too Many Requests", "retry-after: 2", "busy"),
        ("503 Service Unavailable", "x: y", ""),
        ("409 Conflict", "x: y", "taken"),
    ];
    let server = Server::start(answers).await;
    let connector = built(&first_party("http"));
    let host = Host::new().allow(&server.origin, "auth", "token-1");
    let mut failures = Vec::new();
    for _ in 0..3 {
        failures.push(
            host.call(&connector, "get", json!({"url": server.origin}))
                .await
                .unwrap_err(),
        );
    }
    assert_eq!(
        (failures[0].kind, failures[0].retry_after_ms),
        (FailureKind::Throttled, Some(2000))
    );
    assert_eq!(failures[1].kind, FailureKind::Unavailable);
    assert_eq!(
        (failures[2].kind, failures[2].code.as_deref()),
        (FailureKind::Rejected, Some("409"))
    );
    let denied = host
        .call(&connector, "get", json!({"url": "http://127.0.0.1:1/"}))
        .await
        .unwrap_err();
    assert_eq!(denied.kind, FailureKind::Denied);
}

#[tokio::test]
async fn http_downloads_into_an_artefact() {
    let server = Server::start(vec![("200 OK", "content-type: text/csv", "a,b\n")]).await;
    let connector = built(&first_party("http"));
    let host = Host::new().allow(&server.origin, "auth", "token-1");
    let file = host
        .call(
            &connector,
            "download",
            json!({"url": server.origin, "file_name": "f.csv"}),
        )
        .await
        .unwrap();
    assert_eq!(
        (file["name"].as_str(), file["size"].as_u64()),
        (Some("f.csv"), Some(4))
    );
    assert_eq!(
        host.artefact_text(file["digest"].as_str().unwrap()).await,
        "a,b\n"
    );
}
